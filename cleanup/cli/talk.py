"""Talking to people: data on stdout, talk on stderr, questions only on a terminal."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cleanup.errors import CleanupError, UsageError
from cleanup.report.safe_text import safe_text

WIDTH_OFF_TERMINAL = 100
LOG_FORMATS = ("text", "json")
MIN_ROOM = 20  # narrower than that, a terminal may break lines as it likes
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
    """Print one line of talk: whole where a program reads it, broken between words on a terminal.

    `facts` are what a program may read of it; they stand in JSON alone.
    """
    plain = safe_text(text, limit=2000)
    if logs_json():
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        sys.stderr.write(json.dumps({"time": now, "level": level, "message": plain, **facts}) + "\n")
        return
    console = err()
    console.print(plain, soft_wrap=not console.is_terminal)


def complain(error: CleanupError) -> None:
    """Print why the command ends, with the code that docs/exit-codes.md explains."""
    if logs_json():
        say(str(error), level="error", code=error.code)
    else:
        say(f"mailbox-cleanup: {error} [{error.code}]")


def print_hanging(console: Console, lead: str, text: str, *, below: int | None = None) -> None:
    """Print text after its lead ("  * "); what does not fit on the line goes on `below` it, not at the left edge."""
    indent = len(lead) if below is None else below
    room = max(console.width - max(indent, len(lead)), MIN_ROOM)
    for number, line in enumerate(Text(safe_text(text, limit=600)).wrap(console, room) or [Text()]):
        console.print(Text(" " * indent if number else lead) + line, soft_wrap=True)


def print_command(console: Console, lead: str, words: Sequence[object]) -> None:
    """Print a command to copy: on a line of its own, in which only the terminal breaks."""
    line = shlex.join(["mailbox-cleanup", *map(str, words)])
    console.print(f"{lead}:\n  {safe_text(line, limit=2000)}", soft_wrap=True)


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


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Return "120/s", or nothing while it is not known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class Bars:
    """Shows how far each stage is: bars on a terminal that can draw them, nothing elsewhere."""

    def __init__(self, quiet: bool) -> None:
        console = err()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        shown = console.is_terminal and not console.is_dumb_terminal and not quiet
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
            raise UsageError("There is no terminal to ask on", why=question, hint="Give it as an option")
        return default
    while True:
        err().print(f"{safe_text(question)}{f' [{safe_text(default)}]' if default else ''}: ", end="")
        line = sys.stdin.readline()
        if not line:
            err().print()
            raise UsageError("There was no answer", why=question)
        if answer := line.strip() or default or "":
            return answer
        if default is not None:
            return default


def confirmed(question: str, *, yes: bool) -> bool:
    """Return a person's answer; `--yes` answers for them. Without a terminal nobody can be asked."""
    must_be_answerable(yes=yes)
    if yes:
        return True
    err().print(f"{safe_text(question)} [y/N] ", end="")
    line = sys.stdin.readline()
    if not line:
        err().print()
    return line.strip().lower() in ("y", "yes")


def must_be_answerable(*, yes: bool) -> None:
    """Raise UsageError where a question can be answered neither by `--yes` nor by a person."""
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("There is no terminal to ask on", hint="Add --yes to go ahead without a question")
