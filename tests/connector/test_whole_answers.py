"""FETCH answers that are taken whole are those that imaplib reads line by line, whatever comes, however it comes."""

from __future__ import annotations

import imaplib
import ssl
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cleanup.connector.account import Account
from cleanup.connector.client import BoundedImap, Budget, TimedReader
from cleanup.connector.credentials import from_text
from cleanup.errors import CleanupError, ServerMisbehaved
from tests.examples import examples

GREETING = b"* OK [CAPABILITY IMAP4rev1] hello\r\n"


class Pieces:
    """The receiving end of a socket on which exactly these pieces come."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv(self, size: int) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        assert len(piece) <= size
        return piece


class AtOneGo(BoundedImap):
    """The machine of the connector, on pieces."""

    pieces: list[bytes]

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock = Pieces([GREETING, *self.pieces])  # type: ignore[assignment]
        self._read_from_now_on()

    def shutdown(self) -> None:
        pass


class LineByLine(AtOneGo):
    """imaplib's own."""

    _get_response = imaplib.IMAP4._get_response  # type: ignore[attr-defined]


def heard(kind: type[AtOneGo], pieces: list[bytes], *, lines: int = 400, octets: int = 10_000) -> tuple[Any, ...]:
    """Return what a machine holds when the connection ends or breaks, how it ended, and what is left of the budget."""
    kind.pieces = pieces
    budget = Budget(time.monotonic() + 60, 1_000)
    imap = kind(Account("localhost", "u", from_text("p")), budget, ssl.create_default_context())
    imap.untagged_responses.clear()
    budget.arm(time.monotonic() + 60, octets)
    budget.lines_left = lines
    try:
        while True:
            imap._get_response()
    except (CleanupError, imaplib.IMAP4.error) as error:
        return imap.untagged_responses, type(error), str(error).partition(":")[0], max(budget.lines_left, -1)


SIZES = st.sampled_from([b"0", b"1", b"3", b"7", b"003", b"99999", b"2000000000"])
FIELDS = [
    b"UID 5 ",
    b"FLAGS (\\Seen) ",
    b'BODY[HEADER] "a {3}" ',
    b"\r",
    b"{",
    b"}",
    b'INTERNALDATE "x" ',
    b"\xff",
    b"~",
]
LITERALS = st.builds(lambda size, octets: b"{%b}\r\n%b" % (size, octets), SIZES, st.binary(max_size=7))
WHOLE = st.builds(
    lambda octets: b"* 1 FETCH (UID 5 BODY[] {%d}\r\n%b)\r\n" % (len(octets), octets), st.binary(max_size=9)
)
BROKEN = st.lists(st.one_of(st.sampled_from(FIELDS), LITERALS, st.just(b")\r\n"), st.just(b")\n")), max_size=6)
ANSWERS = st.one_of(
    WHOLE,
    BROKEN.map(lambda parts: b"* 12 FETCH (" + b"".join(parts)),
    st.sampled_from(
        [b"* 3 EXPUNGE\r\n", b"* SEARCH 1 2\r\n", b"+ go\r\n", b"* 2 FETCH\r\n", b"* 2 FETCH (FLAGS ())\r\n"]
    ),
    st.binary(max_size=9),
)


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    stream = b"".join(draw(st.lists(ANSWERS, max_size=6)))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@examples(50)
@given(streams(), st.sampled_from([3, 400]), st.sampled_from([50, 10_000]))
@example([b"* 1 FETCH (BODY[] {1}\r\n", b"a BODY[] {2}\r\nbc)\r\n"], 400, 10_000)
@example([b"* 1 FETCH (BODY[] {3}\r", b"\nab", b"c)\r\n* 2 FETCH (FLAGS ())\r\n"], 400, 10_000)
def test_at_one_go_and_line_by_line_read_the_same(pieces: list[bytes], lines: int, octets: int) -> None:
    at_one_go = heard(AtOneGo, pieces, lines=lines, octets=octets)
    line_by_line = heard(LineByLine, pieces, lines=lines, octets=octets)

    if at_one_go[1] is ServerMisbehaved:  # which of the answers before it were kept does not matter
        assert line_by_line[1] is ServerMisbehaved
    else:
        assert at_one_go == line_by_line


def test_usual_answers_are_taken_at_one_go() -> None:
    stream = b"* 1 FETCH (UID 5 BODY[] {3}\r\nabc)\r\n* 2 FETCH (FLAGS ())\r\n* 3 FETCH (BODY[] {1"
    reader = TimedReader(Pieces([stream]), Budget(time.monotonic() + 60, 1_000))  # type: ignore[arg-type]

    assert reader.fetches() == [(b"1 (UID 5 BODY[] {3}", b"abc"), b")", b"2 (FLAGS ())"]
    assert reader.read_ahead == len(b"* 3 FETCH (BODY[] {1")


def test_a_literal_is_not_waited_for_where_it_is_more_than_the_answer_may_have() -> None:
    reader = TimedReader(Pieces([b"* 1 FETCH (BODY[] {5000}\r\n"]), Budget(time.monotonic() + 60, 1_000))  # type: ignore[arg-type]

    with pytest.raises(ServerMisbehaved, match="announced 5000 bytes"):
        reader.fetches()


def test_a_flood_of_short_answers_ends() -> None:
    budget = Budget(time.monotonic() + 60, 10_000, lines_left=20)
    reader = TimedReader(Pieces([b"* 1 FETCH (FLAGS ())\r\n" * 21]), budget)  # type: ignore[arg-type]

    with pytest.raises(ServerMisbehaved, match="does not come to an end"):
        reader.fetches()
