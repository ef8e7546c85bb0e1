"""Archived mail: .eml, .emlx, mbox, Maildir; compressed or zipped. Reads only; what cannot be read says why."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from cleanup.connector.account import MIB
from cleanup.errors import UsageError

LARGEST = 64 * MIB  # what of one message is read; the detector looks at far less
_SEPARATOR = re.compile(rb"From \S.*\b(\w{3}) +(\d{1,2}) (\d\d):(\d\d)(?::(\d\d))?(.*)", re.DOTALL)
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAILDIR_TIME = re.compile(r"(\d{9,11})\.")
_EMLX = re.compile(rb"\A(\d{1,10})[ \t]*\r?\n(?=[!-9;-~]{1,200}:|From )")
_EMLX_RECEIVED = re.compile(rb"<key>date-received</key>\s*<integer>(\d{9,11})</integer>")
_MBOXES = (".mbox", ".mbx")
_MAILS = (".eml", ".emlx", *_MBOXES)
_PACKED = (".gz", ".bz2", ".xz")
_PACKERS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_UNREAD = {
    ".pst": "is an Outlook store",
    ".ost": "is an Outlook store",
    ".msg": "is an Outlook message",
    ".olm": "is an archive of Outlook for Mac",
    ".tar": "is a tar archive: unpack it first",
    ".tar.gz": "is a tar archive: unpack it first",
    ".tgz": "is a tar archive: unpack it first",
    ".7z": "is a 7-Zip archive: unpack it first",
    ".rar": "is a RAR archive: unpack it first",
}
_FORMS = (
    (b"!BDN", _UNREAD[".pst"]),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _UNREAD[".msg"]),
    (b"7z\xbc\xaf\x27\x1c", _UNREAD[".7z"]),
    (b"Rar!\x1a\x07", _UNREAD[".rar"]),
    (b"%PDF-", "is a PDF file"),
)
_WIDE = (  # with a byte order mark, or without one: every second byte of a header's letters is zero then
    ("utf-16", re.compile(rb"\xff\xfe|\xfe\xff")),
    ("utf-16-le", re.compile(rb"[!-~]\x00[!-~]\x00")),
    ("utf-16-be", re.compile(rb"\x00[!-~]\x00[!-~]")),
)
_KNOWN = "What is read: .eml, .emlx, mbox, Maildir; also as .gz, .bz2, .xz or in a .zip"
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
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

    A message of an mbox has the path `FILE#NUMBER`, from 1; one in a zip `FILE.zip/NAME`. Files may be compressed
    (gzip, bzip2, xz) and in UTF-16. Raises UsageError where there is nothing to read at all, and for a file or a folder
    that holds mail in a form which is not read; in a folder beside other mail such a file is a message with a problem.
    """
    if path.is_dir():
        return _maildir(path) if is_maildir(path) else _folder(path)
    if not path.is_file():
        raise UsageError(f"There is no file or folder {path}")
    if why := _unread_form(path):
        raise UsageError(f"{path} {why}", hint=_KNOWN)
    return _file(path, one_is_plain=not is_mbox(path))


def is_maildir(path: Path) -> bool:
    """Return whether a folder is a Maildir."""
    return (path / "cur").is_dir() and (path / "new").is_dir()


def is_mbox(path: Path) -> bool:
    """Return whether a file begins like an mbox."""
    try:
        with _opened(path) as file:
            return file.read(5) == b"From "
    except _UNREADABLE:
        return False


# --- files ---------------------------------------------------------------------------------------------------------


def _folder(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of every file of mail below a folder; raise UsageError where it holds files and no mail."""
    # a folder called .eml is looked at, too, so that it is told as what cannot be read
    files = sorted(file for file in path.rglob("*") if not file.is_dir() or file.suffix.lower() == ".eml")
    endings = (*_MAILS, *(mail + packed for mail in _MAILS for packed in _PACKED), ".zip", *_UNREAD)
    mail = []
    for file in files:
        name = file.name.lower()
        without_suffix = not file.suffix and not name.startswith(".")  # Thunderbird's and Unix' mboxes: "Inbox"
        if name.endswith(endings) or (without_suffix and is_mbox(file)):
            mail.append(file)
    if files and not mail:
        raise UsageError(f"There is no mail in {path}: {files[0].name} is none", hint=_KNOWN)
    return (message for file in mail for message in _file(file, one_is_plain=file.suffix.lower() not in _MBOXES))


def _file(path: Path, *, one_is_plain: bool) -> Iterator[ArchivedMessage]:
    """Yield the messages of one file: of a zip, of an mbox whatever it is called, or the one that it is.

    `one_is_plain`: an mbox of one message is that message, under the file's own name: some programs save so.
    """
    if path.suffix.lower() == ".zip" or _begins(path, b"PK\x03\x04"):
        return _zip(path)
    if why := _unread_form(path):
        return iter((ArchivedMessage(str(path), b"", problem=why),))
    return _messages(path, one_is_plain=one_is_plain) if is_mbox(path) else iter((_message(path),))


def _messages(path: Path, *, one_is_plain: bool) -> Iterator[ArchivedMessage]:
    found = _mbox(path)  # what breaks off within it is a message with a problem, after those that were read
    if not one_is_plain:
        yield from found
        return
    first, second = next(found, None), next(found, None)
    if first and second:
        yield from (first, second)
        yield from found
    elif first:
        yield replace(first, path=str(path))


def _zip(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of a zip; one that cannot be read, and a zip without any mail, is a message with a problem."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if not name.endswith("/"))
            mail = [name for name in names if name.lower().endswith(_MAILS) or not Path(name).suffix]
            if not mail:
                yield ArchivedMessage(str(path), b"", problem="holds no mail that is read")
            for name in mail:
                yield from _of_zip(archive, name, f"{path}/{name}")
    except _UNREADABLE as error:
        yield ArchivedMessage(str(path), b"", problem=_reason(error))


def _of_zip(archive: zipfile.ZipFile, name: str, path: str) -> Iterator[ArchivedMessage]:
    try:
        with archive.open(name) as member, _decoded(cast(BinaryIO, member)) as file:
            if file.read(5) != b"From ":
                file.seek(0)
                yield _taken_apart(path, file.read(LARGEST))
                return
            file.seek(0)
            found = list(_split(file, path))
            yield from [replace(found[0], path=path)] if len(found) == 1 and name.lower().endswith(".eml") else found
    except _UNREADABLE as error:
        yield ArchivedMessage(path, b"", problem=_reason(error))


def _maildir(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of a Maildir and of its subfolders (Maildir++: .Name, or nested)."""
    for file in sorted(path.rglob("*")):
        if file.parent.name in ("cur", "new") and not file.name.startswith("."):
            seconds = _MAILDIR_TIME.match(file.name)  # of delivery, where the name begins with them
            yield _message(file, datetime.fromtimestamp(int(seconds[1]), UTC) if seconds else None)


def _message(path: Path, arrived: datetime | None = None) -> ArchivedMessage:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return ArchivedMessage(str(path), b"", arrived, problem="it is not a file")
        with _opened(path) as file:
            return _taken_apart(str(path), file.read(LARGEST), arrived)
    except _UNREADABLE as error:
        return ArchivedMessage(str(path), b"", arrived, problem=_reason(error))


def _taken_apart(path: str, raw: bytes, arrived: datetime | None = None) -> ArchivedMessage:
    """Return a message; of Apple's .emlx, which begins with its length and ends in a property list, its own."""
    counted = _EMLX.match(raw)
    if counted is None or int(counted[1]) > len(raw):
        return ArchivedMessage(path, raw, arrived)
    end = counted.end() + int(counted[1])
    received = _EMLX_RECEIVED.search(raw, end)
    when = datetime.fromtimestamp(int(received[1]), UTC) if received else arrived
    return ArchivedMessage(path, raw[counted.end() : end], when)


def _unread_form(path: Path) -> str | None:
    """Return what a file is whose form holds mail and is not read; None for all others."""
    by_begin = next((what for begin, what in _FORMS if _begins(path, begin)), None)
    return by_begin or next((what for suffix, what in _UNREAD.items() if path.name.lower().endswith(suffix)), None)


def _begins(path: Path, begin: bytes) -> bool:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(len(begin)) == begin
    except OSError:
        return False


def _opened(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed, in UTF-8 where it is in UTF-16."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a file")
    for begin, unpack in _PACKERS:
        if _begins(path, begin):
            return _decoded(cast(BinaryIO, unpack(path)))
    return _decoded(path.open("rb"))


def _decoded(file: BinaryIO) -> BinaryIO:
    begin = file.read(4)
    file.seek(0)
    charset = next((name for name, begins in _WIDE if begins.match(begin)), None)
    return cast(BinaryIO, codecs.EncodedFile(file, "utf-8", charset, "replace")) if charset else file


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


# --- mbox ----------------------------------------------------------------------------------------------------------


def _mbox(path: Path) -> Iterator[ArchivedMessage]:
    """Yield the messages of an mbox of any size, one in memory at a time. `>From ` is unescaped."""
    try:
        with _opened(path) as file:
            yield from _split(file, str(path))
    except _UNREADABLE as error:
        yield ArchivedMessage(str(path), b"", problem=_reason(error))


def _split(file: BinaryIO, path: str) -> Iterator[ArchivedMessage]:
    number, lines, size = 0, list[bytes](), 0
    separator, after_blank = b"", True
    for line in iter(lambda: file.readline(MIB), b""):  # a line that is longer comes in pieces
        if after_blank and is_separator(line):  # not within a paragraph: "From Monday on ..." begins no message
            if number:
                yield _of_mbox(path, number, separator, lines)
            number, separator, lines, size = number + 1, line, [], 0
        elif number and size < LARGEST:
            lines.append(line)
            size += len(line)
        after_blank = not line.strip(b"\r\n")
    if number:
        yield _of_mbox(path, number, separator, lines)


def is_separator(line: bytes) -> bool:
    """Return whether a line begins a message: "From ", an address and a date. Text like that has no date."""
    return line.startswith(b"From ") and _SEPARATOR.fullmatch(line.rstrip(b"\r\n")) is not None


def _of_mbox(path: str, number: int, separator: bytes, lines: list[bytes]) -> ArchivedMessage:
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
    month, _, rest = text.decode("latin-1").partition(" ")
    months = _MONTHS.split()  # not %b, which reads the months of this machine's language
    if month.lower() not in months:
        return None
    try:
        return datetime.strptime(f"{months.index(month.lower()) + 1} {rest}", "%m %d %Y %H:%M:%S %z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
