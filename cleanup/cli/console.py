"""Talking to people: data on stdout, talk on stderr, questions only on a terminal.

What draws (screen.py) is imported where something is drawn: on a quiet night one plain line is all.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cleanup.errors import CleanupError, UsageError
from cleanup.progress import Bars
from cleanup.report.text import safe_text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

LOG_FORMATS = ("text", "json")
_log_format = "text"


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
    if not sys.stderr.isatty():
        sys.stderr.write(f"{plain}\n")
        return
    from cleanup.cli.screen import err

    console = err()
    console.print(plain, soft_wrap=not console.is_terminal)


def say_at_once(text: str) -> None:
    """Print one line of talk from within a signal's handler: past all buffers, on a line of its own on a terminal."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "level": "info", "message": text}) if logs_json() else text
    clear = "\r\x1b[K" if os.isatty(2) else ""
    with suppress(OSError):  # nobody reads it any more
        os.write(2, f"{clear}{line}\n".encode())


def write_out(made: bytes, output: Path | None) -> None:
    """Write what was made to a file that only this user can read, as it tells who wrote to whom; else to stdout."""
    if output is None:
        sys.stdout.buffer.write(made)
        return
    from cleanup.atomic_write import write_for_owner

    try:
        write_for_owner(output, made)
    except OSError as error:
        raise UsageError(f"{output} cannot be written", why=error.strerror) from error


def command_line(words: Sequence[object]) -> str:
    """Return a command of this program as it can be pasted into a shell."""
    return safe_text(shlex.join(["mailbox-cleanup", *map(str, words)]), limit=2000)


def print_command(console: Console, lead: str, words: Sequence[object]) -> None:
    """Print a command to copy: on a line of its own, in which only the terminal breaks."""
    console.print(f"{lead}:\n  {command_line(words)}", soft_wrap=True)


def complain(error: CleanupError) -> None:
    """Print why the command ends, with the code that docs/exit-codes.md explains, and the command that goes on."""
    going_on = f". {error.lead}: {command_line(error.command)}" if error.command else ""
    if logs_json():
        say(f"{error}{going_on}", level="error", code=error.code)
    elif going_on and sys.stderr.isatty():  # a terminal breaks lines between words: not those of a command
        from cleanup.cli.screen import err

        say(f"mailbox-cleanup: {error} [{error.code}]")
        print_command(err(), error.lead, error.command)
    else:
        say(f"mailbox-cleanup: {error}{going_on} [{error.code}]")


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Bars]:
    """Give bars that are cleared away in the end, also after an error."""
    bars = Bars() if quiet or not sys.stderr.isatty() else _drawn()
    try:
        yield bars
    finally:
        bars.stop()


def _drawn() -> Bars:
    from cleanup.cli.screen import DrawnBars

    return DrawnBars()


def asked(question: str, *, default: str | None = None) -> str:
    """Return a person's answer; an empty one means the default. Without a terminal the default is taken.

    Raises UsageError where nobody can be asked and there is no default.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if default is None:
            raise UsageError("There is no terminal to ask on", why=question, hint="Give it as an option")
        return default
    while True:
        line = _answer_to(f"{safe_text(question)}{f' [{safe_text(default)}]' if default else ''}: ")
        if not line:
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
    return _answer_to(f"{safe_text(question)} [y/N] ").strip().lower() in ("y", "yes")


def must_be_answerable(*, yes: bool) -> None:
    """Raise UsageError where a question can be answered neither by `--yes` nor by a person."""
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("There is no terminal to ask on", hint="Add --yes to go ahead without a question")


def _answer_to(question: str) -> str:
    """Return the line that a person types; nothing where they close the input."""
    from cleanup.cli.screen import err

    err().print(question, end="")
    line = sys.stdin.readline()
    if not line:
        err().print()
    return line


# --- Standard streams that take everything --------------------------------------------------------------------------

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors: 0, 1, 2


def prepare_streams() -> None:
    """Open what the caller closed, so that no file of ours takes its number; escape what cannot be encoded."""
    for name, mode in _MODES.items():
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
