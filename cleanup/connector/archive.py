"""Archived mail: .eml files, mbox, Maildir. Reads only; what cannot be read says why."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from cleanup.connector.account import MIB
from cleanup.errors import UsageError

LARGEST = 64 * MIB  # what of one message is read; the detector looks at far less
_SEPARATOR = re.compile(rb"From \S.*\b(\w{3}) +(\d{1,2}) (\d\d):(\d\d)(?::(\d\d))?(.*)", re.DOTALL)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAILDIR_TIME = re.compile(r"(\d{9,11})\.")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """One archived message. `arrived` is None where the archive does not tell; `problem` says why `raw` is empty."""

    path: str
    raw: bytes
    arrived: datetime | None = None
    problem: str | None = None


def read_archive(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of an archive, in the order of the sorted paths.

    A message of an mbox has the path `FILE#NUMBER`, from 1. Raises UsageError where there is nothing to read at all.
    """
    if path.is_dir():
        return _maildir(path) if is_maildir(path) else _eml_folder(path)
    if not path.is_file():
        raise UsageError(f"There is no file or folder {path}")
    return _mbox(path) if is_mbox(path) else iter((_message(path),))


def is_maildir(path: Path) -> bool:
    """Return whether a folder is a Maildir."""
    return (path / "cur").is_dir() and (path / "new").is_dir()


def is_mbox(path: Path) -> bool:
    """Return whether a file begins like an mbox."""
    try:
        with path.open("rb") as file:
            return file.read(5) == b"From "
    except OSError:
        return False


# --- files ---------------------------------------------------------------------------------------------------------


def _eml_folder(path: Path) -> Iterator[ArchivedMessage]:
    """Yield every .eml file below the folder, and the messages of every mbox file there."""
    for file in sorted(path.rglob("*")):
        suffix = file.suffix.lower()
        if suffix == ".eml":
            yield _message(file)
        elif suffix in (".mbox", ".mbx") and file.is_file():
            yield from _mbox(file)


def _maildir(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of a Maildir and of its subfolders (Maildir++: .Name, or nested)."""
    for file in sorted(path.rglob("*")):
        if file.parent.name in ("cur", "new") and not file.name.startswith("."):
            told = _MAILDIR_TIME.match(file.name)
            yield _message(file, datetime.fromtimestamp(int(told[1]), UTC) if told else None)


def _message(path: Path, arrived: datetime | None = None) -> ArchivedMessage:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ArchivedMessage(str(path), b"", arrived, problem="it is not a file")
        with path.open("rb") as file:
            return ArchivedMessage(str(path), file.read(LARGEST), arrived)
    except OSError as error:
        return ArchivedMessage(str(path), b"", arrived, problem=error.strerror or type(error).__name__)


# --- mbox ----------------------------------------------------------------------------------------------------------


def _mbox(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of an mbox of any size, one in memory at a time. `>From ` is unescaped."""
    try:
        with path.open("rb") as file:
            yield from _split(file, path)
    except OSError as error:
        yield ArchivedMessage(str(path), b"", problem=error.strerror or type(error).__name__)


def _split(file: BinaryIO, path: Path) -> Iterator[ArchivedMessage]:
    number, lines, size = 0, list[bytes](), 0
    separator, after_blank = b"", True
    for line in _lines(file):
        if after_blank and is_separator(line):
            if number:
                yield _of_mbox(path, number, separator, lines)
            number, separator, lines, size = number + 1, line, [], 0
        elif number and size < LARGEST:
            lines.append(line)
            size += len(line)
        after_blank = not line.strip(b"\r\n")
    if number:
        yield _of_mbox(path, number, separator, lines)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; one longer than a mebibyte comes in pieces."""
    while line := file.readline(MIB):
        yield line


def is_separator(line: bytes) -> bool:
    """Return whether a line begins a message: "From ", an address and a date. Text like that has no date."""
    return line.startswith(b"From ") and _SEPARATOR.fullmatch(line.rstrip(b"\r\n")) is not None


def _of_mbox(path: Path, number: int, separator: bytes, lines: list[bytes]) -> ArchivedMessage:
    if lines and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]  # the empty line before the next separator belongs to the mbox
    raw = _ESCAPED.sub(rb"\1", b"".join(lines))
    return ArchivedMessage(f"{path}#{number}", raw, _separator_date(separator))


def _separator_date(line: bytes) -> datetime | None:
    """Return the date of a separator line; without a zone it counts as UTC."""
    match = _SEPARATOR.fullmatch(line.rstrip(b"\r\n"))
    year = re.search(rb"\b((?:19|20)\d\d)\b", match[6]) if match else None
    if not match or not year:
        return None
    zone = re.search(rb"([+-]\d{4})\b", match[6])
    text = b"%s %s %s %s:%s:%s %s" % (match[1].title(), match[2], year[1], *match.group(3, 4), match[5] or b"00",
                                      zone[1] if zone else b"+0000")  # fmt: skip
    return _parsed(text.decode("latin-1"))


def _parsed(text: str) -> datetime | None:
    month, _, rest = text.partition(" ")
    months = _MONTHS.split()
    if month.lower() not in months:
        return None
    try:
        return datetime.strptime(f"{months.index(month.lower()) + 1} {rest}", "%m %d %Y %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
