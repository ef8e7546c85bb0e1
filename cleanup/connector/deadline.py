"""The reading end of a connection that cannot be kept waiting, dripped on or flooded.

A socket's timeout is for one read: a server that sends a byte a minute never meets it. Here a whole command has a
deadline, and its answer a budget of bytes and of lines; literals grow as they arrive,
never as announced.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from cleanup.errors import ServerMisbehaved, TookTooLong

_PIECE = 65536
LONGEST_LINE = 16 << 20  # a SEARCH answer with two million UIDs; imaplib's own bound breaks at 125,000
MOST_LINES = 400_000  # a flood of short lines costs ten times its bytes in memory

# FETCH answers with one literal or none, and nothing in them that could hide another one. Half a megabyte of such
# answers is taken in the time in which imaplib's machine, line by line, takes a tenth of it.
_FETCH = re.compile(rb"\* (\d{1,10}) FETCH (\([^\r\n{}]{0,4000}(?:\{(\d{1,9})\})?)\r\n")
_REST = re.compile(rb"([^\r\n{}]{0,4000})\r\n")
_LONGEST_HEAD = 8_000  # bytes: what is longer is not waited for


@dataclass(slots=True)
class Budget:
    """What the current command may still take. `deadline` is on the clock of time.monotonic()."""

    deadline: float
    bytes_left: int
    lines_left: int = MOST_LINES

    def arm(self, deadline: float, max_bytes: int) -> None:
        """Start anew for the next command."""
        self.deadline, self.bytes_left, self.lines_left = deadline, max_bytes, MOST_LINES

    def seconds_left(self) -> float:
        """Return how long the command may still take; raises TookTooLong when that is nothing."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _too_slow()
        return left


class TimedReader:
    """Reads lines and literals from a socket within a budget."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget
        self._buffer = bytearray()
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes, or fewer where the connection ends."""
        while len(self._buffer) < self._allowed(size) and self._fill():
            pass
        return self._take(size)

    def readline(self) -> bytes:
        """Return one line with its end, or what is left where the connection ends."""
        self._count_lines(1)
        searched = 0
        while (at := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > LONGEST_LINE:
                raise ServerMisbehaved(f"The server sent a line longer than {LONGEST_LINE} bytes")
            if not self._fill():
                return self._take(searched)
        return self._take(at + 1)

    def fetches(self) -> list[bytes | tuple[bytes, bytes]]:
        """Return the FETCH answers that come next and are whole, as imaplib keeps them; none where anything else comes.

        Text ends each message's data; before it stands a pair of text and literal where there is one.
        """
        found: list[bytes | tuple[bytes, bytes]] = []
        at = 0
        while True:
            head = _FETCH.match(self._buffer, at)
            rest = head and self._rest_of(head)
            if head and rest:
                text = b"%b %b" % head.group(1, 2)
                found += [text] if rest is head else [(text, bytes(self._buffer[head.end() : rest.start()])), rest[1]]
                self._count_lines(1 if rest is head else 2)
                at = rest.end()
            elif found or not self._may_become_a_fetch(head) or not self._fill():
                del self._buffer[:at]
                return found

    def _rest_of(self, head: re.Match[bytes]) -> re.Match[bytes] | None:
        """Return what ends a FETCH answer; its head where it has no literal, None where that has not come yet."""
        return head if head[3] is None else _REST.match(self._buffer, head.end() + self._allowed(int(head[3])))

    def _may_become_a_fetch(self, head: re.Match[bytes] | None) -> bool:
        """Return whether what came is the beginning of a FETCH answer of the usual shape."""
        expected = head.end() + int(head[3]) if head else 0
        begun = self._buffer[expected : expected + _LONGEST_HEAD]
        return b"\n" not in begun and len(begun) < _LONGEST_HEAD

    @property
    def read_ahead(self) -> int:
        """How many bytes came that nobody has asked for yet."""
        return len(self._buffer)

    def _allowed(self, size: int) -> int:
        """Return the size of a literal, which is within the budget."""
        if size > self._budget.bytes_left + len(self._buffer):
            raise ServerMisbehaved(f"The server announced {size} bytes in one answer, more than can be right")
        return size

    def _count_lines(self, lines: int) -> None:
        self._budget.lines_left -= lines
        if self._budget.lines_left < 0:
            raise ServerMisbehaved("The server does not come to an end of its answer")

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> bool:
        self._sock.settimeout(self._budget.seconds_left())
        try:
            piece = self._sock.recv(_PIECE)
        except TimeoutError as error:
            raise _too_slow() from error
        self.bytes_read += len(piece)
        self._budget.bytes_left -= len(piece)
        if self._budget.bytes_left < 0:
            raise ServerMisbehaved("The server sends more than was asked for")
        self._buffer += piece
        return bool(piece)


def _too_slow() -> TookTooLong:
    return TookTooLong("The server took too long to answer")
