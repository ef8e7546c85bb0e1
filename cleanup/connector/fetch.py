"""FETCH answers, read fast and with suspicion.

Only an answer that names a UID we asked for and carries every item we asked for counts. Servers send FETCH data that
nobody asked for (another client flags a message), and imapclient then files another message's flags under our UID.
What servers normally send is read with one regular expression, in any other order of attributes with one for each of
them; imapclient's lexer, which goes through the answer character by character, reads the rest.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from cleanup.connector.client import parse_fetch
from cleanup.connector.commands import MONTHS
from cleanup.errors import ServerMisbehaved

NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)  # what stands for an INTERNALDATE that is no date

# "~{" begins a literal8 (RFC 3516), which may hold NUL.
_LITERAL_HEAD = re.compile(rb"\d+ \((.*?)BODY\[([^\]]*)\](?:<(\d+)>)? ~?\{\d+\}", re.DOTALL | re.IGNORECASE)
_ATTRIBUTE = re.compile(
    rb'\s*(?:UID (?P<uid>\d{1,10})|FLAGS \((?P<flags>[^()]*)\)|INTERNALDATE "(?P<date>[^"]*)"'
    rb"|RFC822\.SIZE (?P<size>\d{1,15})|MODSEQ \(\d+\))",
    re.IGNORECASE,
)
_AS_ASKED = re.compile(
    rb'\d+ \(UID (\d{1,10}) FLAGS \(([^()]{0,200})\) INTERNALDATE "([^"]*)" RFC822\.SIZE (\d{1,15}) '
    rb"BODY\[[^\]]*\](?:<0>)? ~?\{\d+\}"
)
_NAMES_UID = re.compile(rb"\bUID (\d{1,10})\b", re.IGNORECASE)
_LACKING = {
    "flags": "its flags make no sense",
    "arrived": "its time of arrival makes no sense",
    "size": "its size cannot be one",
    "octets": "its text is not in the answer",
}
_WHOLE = frozenset({b"RFC822", b"RFC822.HEADER"})  # what BODY[] and BODY[HEADER] were called in RFC 1730
_NO_LITERAL = re.compile(rb"\d+ \((.*)", re.DOTALL)
_DATE = re.compile(r"\s?(\d{1,2})-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})", re.ASCII)
_MONTHS = {name.lower(): n for n, name in enumerate(MONTHS, start=1)}


class Fetched(NamedTuple):
    """One FETCH answer. What the server did not send is None. `octets` is the one BODY section asked for."""

    uid: int
    flags: tuple[str, ...] | None = None
    arrived: datetime | None = None
    size: int | None = None
    octets: bytes | None = None


def read_fetches(records: Iterable[Any], asked: frozenset[int], needed: Sequence[str]) -> dict[int, Fetched]:
    """Return by UID the answers that were asked for and carry all `needed` attributes of Fetched.

    `records` is what imaplib keeps: pairs of text and literal, and text that ends a message's data.
    Raises ServerMisbehaved where one UID comes twice with different octets.
    """
    found: dict[int, Fetched] = {}
    what_is_needed = attrgetter("uid", *needed)
    for record in _by_message(records):
        fetched = read_fast(record) or read_slowly(record)
        if fetched is None or fetched.uid not in asked or None in what_is_needed(fetched):
            continue  # what nobody asked for; of a message that lacks something not_understood() says why
        known = found.get(fetched.uid, fetched)
        if known.octets != fetched.octets:
            raise ServerMisbehaved(f"The server sent two different messages as UID {fetched.uid}")
        found[fetched.uid] = fetched  # the last one: flags may have changed since the first
    return found


def not_understood(
    records: Iterable[Any], asked: frozenset[int], needed: Sequence[str], found: Collection[int]
) -> dict[int, str]:
    """Return by UID why an answer to what was asked for is not among those that were `found`."""
    reasons: dict[int, str] = {}
    for record in _by_message(records):
        text = b" ".join(part for piece in record for part in (piece[:1] if isinstance(piece, tuple) else (piece,)))
        named = _NAMES_UID.search(text)
        if named and (uid := int(named[1])) in asked and uid not in found:
            fetched = read_fast(record) or read_slowly(record)
            lacking = needed if fetched is None else [name for name in needed if getattr(fetched, name) is None]
            reasons[uid] = _LACKING[lacking[0]] if fetched and lacking else "its answer cannot be read"
    return reasons


def _by_message(records: Iterable[Any]) -> Iterator[list[Any]]:
    """Group imaplib's records: text without a literal ends each message's data."""
    message: list[Any] = []
    for record in records:
        message.append(record)
        if isinstance(record, bytes):
            yield message
            message = []


# --- two ways of reading the same ----------------------------------------------------------------------------------


def read_fast(record: Sequence[Any]) -> Fetched | None:
    """Return one answer in the usual shape (at most one literal, known attributes only), or None."""
    if len(record) == 1:
        match = _NO_LITERAL.fullmatch(record[0])
        return _attributes(match[1], None) if match else None
    if len(record) != 2:
        return None
    (head, octets), tail = record
    if tail == b")" and (match := _AS_ASKED.fullmatch(head)):
        uid, flags, arrived, size = match.groups()
        return Fetched(int(uid), _usual_flags(flags), read_internal_date(arrived), int(size), octets)
    match = _LITERAL_HEAD.fullmatch(head)
    if not match or match[3] not in (None, b"0"):
        return None
    return _attributes(match[1] + tail, octets)


def _attributes(text: bytes, octets: bytes | None) -> Fetched | None:
    at = 0
    uid = flags = arrived = size = None
    while match := _ATTRIBUTE.match(text, at):
        at = match.end()
        name = match.lastgroup
        if name == "uid":
            uid = match["uid"]
        elif name == "flags":
            flags = match["flags"]
        elif name == "date":
            arrived = match["date"]
        elif name == "size":
            size = match["size"]
    if uid is None or text[at:].strip() != b")":  # an attribute that is not known: read_slowly() may know it
        return None
    return Fetched(
        uid=int(uid),
        flags=None if flags is None else _kept(flags.split()),
        arrived=None if arrived is None else read_internal_date(arrived),
        size=None if size is None else int(size),
        octets=octets,
    )


def read_slowly(record: Sequence[Any]) -> Fetched | None:
    """Return one answer in any shape that imapclient can read, or None where it cannot, or it names no UID.

    What makes no sense in it is None, as what is not there.
    """
    try:
        values = next(iter(parse_fetch(record).values()), {})
    except ServerMisbehaved:
        return None
    uid, size = values.get(b"UID"), values.get(b"RFC822.SIZE")
    if not isinstance(uid, int):
        return None
    flags, arrived = values.get(b"FLAGS"), values.get(b"INTERNALDATE")
    names = ((key.upper(), value) for key, value in values.items())
    octets = next((value for key, value in names if key.startswith(b"BODY[") or key in _WHOLE), None)
    return Fetched(
        uid=uid,
        flags=_flags_in(flags),
        arrived=arrived.astimezone(UTC) if isinstance(arrived, datetime) else None,
        size=size if isinstance(size, int) and 0 <= size < 1 << 63 else None,
        octets=octets if isinstance(octets, bytes) else None,
    )


def _flags_in(flags: object) -> tuple[str, ...] | None:
    """Return the flags of a list as imapclient reads it, which takes "1" for a number; None where it holds others."""
    if not isinstance(flags, tuple):
        return None
    words = [b"%d" % flag if isinstance(flag, int) else flag for flag in flags]
    return _kept(words) if all(isinstance(word, bytes) for word in words) else None


def _kept(flags: Iterable[bytes]) -> tuple[str, ...]:
    r"""Return the flags without \Recent, which belongs to a session and cannot be stored."""
    return tuple(flag.decode("latin-1") for flag in flags if flag.lower() != b"\\recent")


@lru_cache(maxsize=256)
def _usual_flags(flags: bytes) -> tuple[str, ...]:
    """Return the flags; most messages of a mailbox have those of another one."""
    return _kept(flags.split())


def read_internal_date(text: bytes) -> datetime:
    """Return an INTERNALDATE (RFC 9051 date-time) in UTC; NO_DATE where it is none."""
    match = _DATE.fullmatch(text.decode("latin-1"))
    if not match:
        return NO_DATE
    day, month, year, hour, minute, second, zone = match.groups()
    try:
        local = datetime(int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), int(second), 0, UTC)
        if zone == "+0000":
            return local
        distance = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
        return local + distance if zone[0] == "-" else local - distance
    except (ValueError, KeyError, OverflowError):
        return NO_DATE


def written_internal_date(when: datetime) -> bytes:
    """Return a time as APPEND wants it, in UTC."""
    utc = when.astimezone(UTC)
    month = MONTHS[utc.month - 1]
    return f'"{utc.day:2d}-{month}-{utc:%Y %H:%M:%S} +0000"'.encode()
