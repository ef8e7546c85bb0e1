"""The questions that pull.py asks, as they are written. Whoever looks ahead sends these very words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from cleanup.connector.asks import Ask
from cleanup.connector.uid_sets import uid_sets, written

FINGERPRINT_FIELDS = ("Message-ID", "Date", "From", "Subject", "Return-Path")
LONGEST_FIELDS = 64 * 1024  # of one message: two thousand hostile ones still fit the budget of an answer
SIZES_AT_ONCE = 50  # in one SEARCH
SOME_DAYS = timedelta(days=2)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
FLAGS = b"(UID FLAGS)"
_FIELD_NAME = re.compile(r"[!-9;-~]+")


def ask_search(criteria: bytes) -> Ask:
    """Return the question of search()."""
    return Ask("SEARCH", (criteria,), uid=True)


def ask_from(first: int) -> Ask:
    """Return the question of uids_after(), for the UIDs from `first` on."""
    return ask_search(from_uid(first))


def ask_present(uids: Sequence[int]) -> list[Ask]:
    """Return the questions of still_there()."""
    return [ask_search(b"UID " + written(some)) for some in uid_sets(uids)]


def ask_headers(fields: Sequence[str], uids: Sequence[int], *, whole: bool) -> list[Ask]:
    """Return the questions of headers(); those of fingerprints() where no fields are named."""
    return [ask_fetch(some, fetch_items(fields, whole=whole)) for some in uid_sets(uids)]


def ask_flags(uids: Sequence[int]) -> list[Ask]:
    """Return the questions of flags()."""
    return [ask_fetch(some, FLAGS) for some in uid_sets(uids)]


def ask_bodies(uids: Sequence[int], max_bytes: int) -> Ask:
    """Return the question of bodies(), for one batch."""
    return ask_fetch(tuple(uids), b"(UID BODY.PEEK[]<0.%d>)" % max_bytes)


def ask_fetch(uids: tuple[int, ...], items: bytes) -> Ask:
    """Return the question for some items of messages."""
    return Ask("FETCH", (written(uids), items), uid=True)


def from_uid(first: int) -> bytes:
    """Return the criteria for the UIDs from `first` on."""
    return b"UID %d:*" % first


def ask_of_size(sizes: Collection[int], arrived: Collection[datetime]) -> list[Ask]:
    """Return the questions of of_size().

    Days count as the server sees them, in whatever zone: so some more on either side. They spare it the sizes of all
    other messages.
    """
    ordered = sorted(size for size in set(sizes) if size > 0)
    groups = [ordered[start : start + SIZES_AT_ONCE] for start in range(0, len(ordered), SIZES_AT_ONCE)]
    return [ask_search(_around(arrived) + _any_of(group)) for group in groups]


def _around(arrived: Collection[datetime]) -> bytes:
    try:
        first, last = min(arrived) - SOME_DAYS, max(arrived) + SOME_DAYS
    except OverflowError:  # a server may say that a message came in the year 1
        return b""
    return b"SINCE %b BEFORE %b " % (_day(first), _day(last))


def _day(when: datetime) -> bytes:
    return f"{when.day}-{MONTHS[when.month - 1]}-{when.year:04}".encode()  # %b would follow the locale


def _any_of(sizes: Sequence[int]) -> bytes:
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
