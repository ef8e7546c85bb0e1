"""Header blocks read in linear time: unfolded fields, encoded words, addresses, ids and dates. For Sent and its clues.

Notices have their own, more forgiving reader; what stands here reads a million headers of the owner's own mail. Of a
plain block both read the same, so that it is taken apart once for all who ask.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses, parsedate_tz
from functools import lru_cache
from typing import NamedTuple

MOST_CHARACTERS = 8_192  # of one field
MOST_ADDRESSES = 2_000  # of one field
MOST_PLAIN = 6_000  # bytes of a plain block: within every bound that a reader sets to a value
MOST_PLAIN_FIELDS = 200  # within every bound that a reader sets to the number of fields
SHORT = 200  # characters of a value that is worth remembering: most people write more than once

HEADER_END = re.compile(rb"\n\r*\n|\A\r*\n")  # of a message: its first empty line
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*+(?:\r?\n[ \t].*+)*+)", re.MULTILINE)
_PLAIN = re.compile(r"(?:[!-9;-~]{1,200}:[\t -~]*\r\n(?:[ \t][\t -~]*\r\n)*)*(?:\r\n)?")
_PLAIN_FIELD = re.compile(r"^([!-9;-~]+):([\t -~]*(?:\r\n[ \t][\t -~]*)*)", re.MULTILINE)
_USUAL_DATE = re.compile(
    r"[A-Z][a-z]{2}, (\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([12]\d{3}) (\d\d):(\d\d):(\d\d) "
    r"([+-]\d{4})",
    re.ASCII,
)
_MONTHS = {name: n for n, name in enumerate(re.findall("...", "JanFebMarAprMayJunJulAugSepOctNovDec"), start=1)}
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_NAMED = r'(?:"[^"\\\t\r\n]*" |[A-Za-z0-9]+(?: [A-Za-z0-9]+)* )?<[\w.+-]+@[\w.-]+>'  # a name, quoted or of plain words
_NAMED_PEOPLE = re.compile(rf"{_NAMED}(?:, ?{_NAMED})*+", re.ASCII)
_NAMED_PERSON = re.compile(r'(?:"([^"]*)" |([^",<>]*) )?<([^<>]*)>')
_ANGLE = re.compile(r"<([^<>]*)>")
_ID = re.compile(r"<([^<>\s]{1,998})>")


class Moment(NamedTuple):
    """A Date field: the time in UTC, and its zone in minutes east of it (None for "-0000" and none)."""

    time: datetime
    zone_minutes: int | None


class Person(NamedTuple):
    """One address with its display name, decoded."""

    address: str
    name: str | None


def header_block(raw: bytes) -> bytes:
    """Return a message's bytes up to the first empty line."""
    end = HEADER_END.search(raw)
    return raw[: end.start() + 1] if end else raw


def plain_fields(block: bytes) -> dict[str, list[str]] | None:
    """Return what header_fields() and the reader of notices both read of a block: of most; else None.

    Nothing but printable ASCII and tabs in lines that end as they should, every line a field or folded, none of them
    long or many.
    """
    if len(block) > MOST_PLAIN or not block.isascii():
        return None
    text = block.decode("ascii")
    if not _PLAIN.fullmatch(text):
        return None
    found: dict[str, list[str]] = {}
    fields = _PLAIN_FIELD.findall(text)
    for name, value in fields:
        value = value.replace("\r\n", "") if "\r" in value else value
        found.setdefault(name.lower(), []).append(value.strip())
    return found if len(fields) <= MOST_PLAIN_FIELDS else None


def header_fields(block: bytes) -> dict[str, list[str]]:
    """Return the unfolded values by lower-cased field name, in their order."""
    plain = plain_fields(block)
    return fields_of_any(block) if plain is None else plain


def fields_of_any(block: bytes) -> dict[str, list[str]]:
    """Return what header_fields() does, of any block: the longer way."""
    found: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(block):
        try:
            text = value.decode("utf-8")  # RFC 6532
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        found.setdefault(name.decode("ascii").lower(), []).append(_FOLD.sub("", text[:MOST_CHARACTERS]).strip())
    return found


def decode_words(value: str) -> str:
    """Return a value with its encoded words decoded (RFC 2047); what cannot be decoded stays as it is."""
    if "=?" not in value:
        return value
    return _WORD.sub(_decoded, _BETWEEN_WORDS.sub(r"\1", value))


def read_people(values: Iterable[str]) -> Iterator[Person]:
    """Yield the addresses of address fields; what has no @ is passed over."""
    for value in values:
        yield from _known_people(value) if len(value) <= SHORT else _people(value)


def read_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of Message-ID, In-Reply-To or References fields, without angle brackets."""
    found: list[str] = []
    for value in values:
        ids = _ID.findall(value)
        found += ids if ids else [word for word in value.split()[:1] if "@" in word]
    return tuple(dict.fromkeys(found))


def read_date(value: str) -> Moment | None:
    """Return what a Date field says, in UTC; None where it says nothing sensible."""
    usual = _USUAL_DATE.fullmatch(value)
    if usual is None:
        return read_any_date(value)
    # Nearly every program writes the date so; to read it here takes a fraction of what the standard library takes.
    day, month, year, hour, minute, second, zone = usual.groups()
    east = (int(zone[1:3]) * 60 + int(zone[3:])) * (-1 if zone[0] == "-" else 1)
    try:
        local = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), min(int(second), 59), 0, UTC)
        return Moment(local - timedelta(minutes=east) if east else local, east)
    except (ValueError, OverflowError):
        return None


def read_any_date(value: str) -> Moment | None:
    """Return what read_date() does, of any text: the longer way."""
    try:
        parts = parsedate_tz(value[:200])
        if parts is None:
            return None
        zone = parts[9]
        time = datetime(*parts[:5], min(parts[5], 59), tzinfo=UTC) - timedelta(seconds=zone or 0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return Moment(time, None if zone is None else zone // 60)


def _people(value: str) -> tuple[Person, ...]:
    pairs: list[tuple[str, str]] = []
    if '"' in value and _NAMED_PEOPLE.fullmatch(value):  # quoted names, in a fifth of the time of the standard library
        pairs = [(quoted or plain, address) for quoted, plain, address in _NAMED_PERSON.findall(value)]
    elif '"' in value or "(" in value or ":" in value:  # quoted names, comments, groups: the whole of RFC 5322
        try:
            pairs = getaddresses([value])
        except (ValueError, IndexError, RecursionError):
            pairs = [("", address) for address in _ANGLE.findall(value)]
    else:  # a plain list, as nearly all are, is taken apart at its commas
        for item in value.split(","):
            angle = _ANGLE.search(item)
            pairs.append((item[: angle.start()].strip(), angle[1]) if angle else ("", item.strip()))
    return tuple(
        Person(address.strip(), decode_words(name).strip() or None)
        for name, address in pairs[:MOST_ADDRESSES]
        if "@" in address
    )


_known_people = lru_cache(maxsize=2_048)(_people)


def _decoded(word: re.Match[str]) -> str:
    charset, encoding, text = word.groups()
    try:
        if encoding in "bB":
            octets = base64.b64decode(text + "=" * (-len(text) % 4))
        else:
            octets = quopri.decodestring(text.replace("_", " ").encode("utf-8"))
        return octets.decode(charset.partition("*")[0], "replace")
    except (binascii.Error, ValueError, LookupError):
        return word.group()


# --- Which header fields of the Inbox's messages are asked for ------------------------------------------------------

AUTOMATIC_FIELDS = (  # fields that only automatic answers carry
    "X-Failed-Recipients",
    "X-Autoreply",
    "X-Autorespond",
    "X-Autogenerated",
    "X-Autogenerate",
    "X-Auto-Response",
    "X-Mail-Autoreply",
    "Delivered-To-Autoresponder",
    "Feedback-Type",
    "X-MS-Exchange-Message-Is-Ndr",
    "X-MS-Embedded-Report",
    "X-TMDA-Confirm",
    "X-Challenge",
    "X-SpamArrest-Challenge",
    "X-Boxbe-Challenge",
    "X-Bluebottle-Request",
)
CANDIDATE_FIELDS = (
    "Return-Path",
    "From",
    "Sender",
    "Subject",
    "Content-Type",
    "Auto-Submitted",
    "Precedence",
    "X-Apple-Action",  # iCloud: VACATION on its automatic replies, where to file it on other mail
    *AUTOMATIC_FIELDS,
)
INBOX_FIELDS = tuple(dict.fromkeys((*CANDIDATE_FIELDS, "In-Reply-To", "References", "To", "Message-ID")))
