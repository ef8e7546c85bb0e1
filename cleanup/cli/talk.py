"""Talking to people: data on stdout, talk on stderr, questions only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from cleanup.errors import UsageError
from cleanup.report.safe_text import safe_text

WIDTH_OFF_TERMINAL = 100
LOG_FORMATS = ("text", "json")
_log_format = "text"


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a reader that went away (`| head`) to main(): the library would exit with 1."""
        raise BrokenPipeError


def out() -> Console:
    """Return the console for data (stdout). Off a terminal its width does not depend on where it runs."""
    return _Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH_OFF_TERMINAL)


def err() -> Console:
    """Return the console for talk (stderr)."""
    return _Console(stderr=True, highlight=False, markup=False)


def log_as(form: str) -> None:
    """Say everything from now on as text, or as one JSON object a line. Raises UsageError for another word."""
    global _log_format
    if form not in LOG_FORMATS:
        raise UsageError(f"--log-format {form!r} is neither text nor json")
    _log_format = form


def logs_json() -> bool:
    """Return whether a program reads what is said."""
    return _log_format == "json"


def say(text: str, *, level: str = "info", **facts: object) -> None:
    """Print one line of talk; `facts` are what a program may read of it, in JSON alone."""
    plain = safe_text(text, limit=2000)
    if not logs_json():
        err().print(plain, soft_wrap=True)
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    sys.stderr.write(json.dumps({"time": now, "level": level, "message": plain, **facts}) + "\n")


def table(title: str | None, *columns: str) -> Table:
    """Return an empty table in our style; the last column takes what width is left."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns[:-1]:
        made.add_column(column, overflow="fold")
    made.add_column(columns[-1], overflow="fold", ratio=1)
    return made


def cells(*values: object) -> tuple[str, ...]:
    """Return values as text that is safe on a terminal."""
    return tuple(safe_text(str(value), limit=200) for value in values)


class Bars:
    """Shows how far each stage is: bars on a terminal, nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        console = err()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = console.is_terminal and not quiet
        self._bars = Progress(*columns, console=console, transient=True) if shown else None
        self._stages: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done in a stage."""
        if self._bars is None:
            return
        if stage not in self._stages:
            self._bars.start()
            self._stages[stage] = self._bars.add_task(safe_text(stage, limit=60), total=total)
        self._bars.update(self._stages[stage], completed=done, total=total)

    def stop(self) -> None:
        """Clear the bars away, before a question or an answer; the next stage shows them again."""
        if self._bars is not None:
            self._bars.stop()
            for stage in self._stages.values():
                self._bars.remove_task(stage)
            self._stages.clear()


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Bars]:
    """Give bars that are cleared away in the end, also after an error."""
    bars = Bars(quiet)
    try:
        yield bars
    finally:
        bars.stop()


def asked(question: str, *, default: str | None = None) -> str:
    """Return a person's answer; an empty one means the default. Without a terminal the default is taken.

    Raises UsageError where nobody can be asked and there is no default.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if default is None:
            raise UsageError(f"There is no terminal to ask on: {question}?", hint="Give it as an option")
        return default
    while True:
        err().print(f"{safe_text(question)}{f' [{safe_text(default)}]' if default else ''}: ", end="")
        line = sys.stdin.readline()
        if not line:
            raise UsageError(f"No answer: {question}?")
        if answer := line.strip() or default or "":
            return answer
        if default is not None:
            return default


def confirmed(question: str, *, yes: bool) -> bool:
    """Return a person's answer; `--yes` answers for them. Without a terminal nobody can be asked."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("There is no terminal to ask on", hint="Add --yes to go ahead without a question")
    err().print(f"{safe_text(question)} [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
