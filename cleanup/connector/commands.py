"""Sets of UIDs as IMAP writes them, and the commands that look for messages and pull them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from cleanup.connector.connection import Command

# --- Sets of UIDs: compact to send, careful to read -----------------------------------------------------------------

MOST_UIDS = 2000  # round trips cost Cyrus most: 1,900 messages a second in sets of 100, 8,100 in sets of 2,000
LONGEST_SET = 8000  # bytes. Courier closes the connection at 21,000; 10,500 was fine on every server measured

_RANGE = re.compile(rb"(\d{1,10})(?::(\d{1,10}))?")


def uid_sets(uids: Sequence[int], *, most: int = MOST_UIDS, longest: int = LONGEST_SET) -> list[tuple[int, ...]]:
    """Return the UIDs in ascending order, split so that none is longer than `longest` bytes when written."""
    ordered = sorted(set(uids))
    pieces = (tuple(ordered[start : start + most]) for start in range(0, len(ordered), most))
    return [fitting for piece in pieces for fitting in _fitting(piece, longest)]


def _fitting(uids: tuple[int, ...], longest: int) -> list[tuple[int, ...]]:
    if len(uids) == 1 or len(written(uids)) <= longest:
        return [uids]  # runs of neighbours are short, so what is too long is found by writing it
    middle = len(uids) // 2
    return _fitting(uids[:middle], longest) + _fitting(uids[middle:], longest)


def written(uids: Sequence[int]) -> bytes:
    """Return ascending UIDs as a set with ranges: 1:3,7."""
    ranges: list[list[int]] = []
    for uid in uids:
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in ranges)


def read_set(text: bytes, *, most: int) -> tuple[int, ...] | None:
    """Return the UIDs of a written set in its order, or None where it is malformed or holds more than `most`."""
    bounds: list[tuple[int, int]] = []
    for piece in text.split(b","):
        match = _RANGE.fullmatch(piece)
        if not match:
            return None
        first = int(match[1])
        bounds.append((first, int(match[2] or first)))
    if sum(abs(last - first) + 1 for first, last in bounds) > most:  # 1:4294967295 must not fill the memory
        return None
    return tuple(uid for a, b in bounds for uid in (range(a, b + 1) if a <= b else range(b, a + 1)))


# --- The commands that pull ----------------------------------------------------------------------------------------

FINGERPRINT_FIELDS = ("Message-ID", "Date", "From", "Subject", "Return-Path")
LONGEST_FIELDS = 64 * 1024  # of one message: two thousand hostile ones still fit the budget of an answer
SIZES_AT_ONCE = 50  # in one SEARCH
SOME_DAYS = timedelta(days=2)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
FLAGS = b"(UID FLAGS)"
_FIELD_NAME = re.compile(r"[!-9;-~]+")


def search_command(criteria: bytes) -> Command:
    """Return the command that looks for messages."""
    return Command("SEARCH", (criteria,), uid=True)


def bodies_command(uids: Sequence[int], max_bytes: int) -> Command:
    """Return the command for the beginnings of one batch of messages."""
    return fetch_command(tuple(uids), b"(UID BODY.PEEK[]<0.%d>)" % max_bytes)


def fetch_command(uids: tuple[int, ...], items: bytes) -> Command:
    """Return the command for some items of messages."""
    return Command("FETCH", (written(uids), items), uid=True)


def size_commands(sizes: Collection[int], arrived: Collection[datetime]) -> list[Command]:
    """Return the commands that look for messages of some sizes that came at about some times.

    Days count as the server sees them, in whatever zone: so some more on either side. They spare it the sizes of all
    other messages.
    """
    ordered = sorted(size for size in set(sizes) if size > 0)
    groups = [ordered[start : start + SIZES_AT_ONCE] for start in range(0, len(ordered), SIZES_AT_ONCE)]
    return [search_command(_around(arrived) + _any_of(group)) for group in groups]


def _around(arrived: Collection[datetime]) -> bytes:
    try:
        first, last = min(arrived) - SOME_DAYS, max(arrived) + SOME_DAYS
    except OverflowError:  # a server may say that a message came in the year 1
        return b""
    return b"SINCE %b BEFORE %b " % (_day(first), _day(last))


def _day(when: datetime) -> bytes:
    return f"{when.day}-{MONTHS[when.month - 1]}-{when.year:04}".encode()  # %b would follow the locale


def _any_of(sizes: Sequence[int]) -> bytes:
    # IMAP has no "of this size"; OR takes two keys, so several nest
    *first, last = (b"LARGER %d SMALLER %d" % (size - 1, size + 1) for size in sizes)
    return b"".join(b"OR (%s) " % one for one in first) + (b"(%s)" % last if first else last)


def fetch_items(fields: Sequence[str], *, whole: bool = False) -> bytes:
    """Return the items of a fingerprint, with these header fields, too, or with the `whole` header.

    Raises ValueError for no field's name.
    """
    wanted = dict.fromkeys(name.upper() for name in (*fields, *FINGERPRINT_FIELDS))
    if not all(_FIELD_NAME.fullmatch(name) for name in wanted):
        raise ValueError("not a header field's name")
    section = b"HEADER" if whole else b"HEADER.FIELDS (%s)" % " ".join(wanted).encode()
    return b"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[%s]<0.%d>)" % (section, LONGEST_FIELDS)
