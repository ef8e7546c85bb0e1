"""FETCH answers: the fast way and imapclient's way read the same."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.connector.fetch import (
    NO_DATE,
    Fetched,
    read_fast,
    read_fetches,
    read_internal_date,
    read_slowly,
    written_internal_date,
)

FIELDS = b"BODY[HEADER.FIELDS (FROM TO)]"
FLAGS = st.lists(st.sampled_from(["\\Seen", "\\Flagged", "$Forwarded", "NonJunk", "\\Recent"]), unique=True, max_size=5)
WHENS = st.integers(40_000_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def record(parts: list[bytes], octets: bytes) -> list[object]:
    """Return what imaplib makes of `* 1 FETCH (...)` with the literal where LITERAL stands."""
    head, tail = b" ".join(parts).split(b"LITERAL")
    return [(b"1 (" + head + b"{%d}" % len(octets), octets), tail + b")"]


@given(
    uid=st.integers(1, 2**32 - 1),
    flags=FLAGS,
    when=WHENS,
    size=st.integers(0, 2**40),
    octets=st.binary(max_size=200),
    shuffle=st.randoms(use_true_random=False),
    section=st.sampled_from([FIELDS, b'BODY[HEADER.FIELDS ("FROM" "TO")]', b"BODY[]<0>", b"body[]"]),
)
def test_both_ways_read_the_same(
    uid: int, flags: list[str], when: datetime, size: int, octets: bytes, shuffle: object, section: bytes
) -> None:
    parts = [
        b"UID %d" % uid,
        b"FLAGS (" + " ".join(flags).encode() + b")",
        b"INTERNALDATE " + written_internal_date(when),
        b"RFC822.SIZE %d" % size,
        b"MODSEQ (12)",
        section + b" LITERAL",
    ]
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    expected = Fetched(uid, tuple(flag for flag in flags if flag != "\\Recent"), when, size, octets)

    assert read_fast(record(parts, octets)) == expected
    assert read_slowly(record(parts, octets)) == expected


def test_a_quoted_string_instead_of_a_literal_is_read_slowly() -> None:
    [found] = read_fetches([b'1 (UID 5 BODY[HEADER.FIELDS (FROM)] "")'], frozenset({5}), ("octets",)).values()

    assert found.octets == b""


def test_an_answer_without_a_uid_counts_for_nobody() -> None:
    assert read_fetches([b"5 (FLAGS (\\Seen))"], frozenset({5}), ("flags",)) == {}


def test_a_uid_that_nobody_asked_for_is_left_out() -> None:
    assert read_fetches([b"1 (UID 6 FLAGS (\\Seen))"], frozenset({5}), ("flags",)) == {}


def test_an_answer_that_lacks_an_item_is_left_out() -> None:
    assert read_fetches([b"1 (UID 5 FLAGS (\\Seen))"], frozenset({5}), ("flags", "size")) == {}


@pytest.mark.parametrize(
    ("text", "when"),
    [
        (b" 1-Jan-2026 00:00:00 +0100", datetime(2025, 12, 31, 23, tzinfo=UTC)),
        (b"01-Jan-2026 00:00:00 -0530", datetime(2026, 1, 1, 5, 30, tzinfo=UTC)),
        (b"31-dec-1999 23:59:59 +0000", datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"00-Jan-0000 00:00:00 +0000", NO_DATE),
        (b"01-Foo-2026 00:00:00 +0000", NO_DATE),
        (b"01-Jan-0001 00:00:00 +2359", NO_DATE),
        (b"", NO_DATE),
    ],
)
def test_an_internal_date_is_read_in_utc(text: bytes, when: datetime) -> None:
    assert read_internal_date(text) == when
