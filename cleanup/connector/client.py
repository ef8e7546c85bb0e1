"""imapclient, made to read through our own bounded reader from the first byte on. The only module that touches it.

Why (measured with imapclient 4.1.0): it reads the greeting without an overall deadline, writes every exchange into a
debug log (passwords and megabytes of mail are formatted even where nobody listens), and sends a line and its end in two
writes, which costs 45 ms a command unless TCP_NODELAY is set.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import imapclient
from imapclient import IMAPClient, response_parser

from cleanup.connector.account import Account
from cleanup.errors import ServerMisbehaved, TookTooLong

ImapDead = imaplib.IMAP4.abort  # the connection is of no use any more
ImapError = imaplib.IMAP4.error  # NO or BAD: the connection is usable. ImapDead is one, too
NotUnderstood = imapclient.exceptions.ProtocolError


class PlainTextInjected(Exception):
    """Somebody sent bytes after the answer to STARTTLS and before TLS (CVE-2011-0411 and its kin)."""


class BoundedImap(imaplib.IMAP4):
    """imaplib's protocol machine on a socket of ours. Raises OSError, ssl.SSLError, ImapError, CleanupError."""

    def __init__(self, account: Account, budget: Budget, context: ssl.SSLContext) -> None:
        self._account = account
        self._context = context
        self.budget = budget
        self._bytes_before = 0
        self.asked_capabilities = False
        self._reader: TimedReader | None = None
        super().__init__(account.host, account.real_port, account.connect_timeout_s)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connect, over TLS where the account says so."""
        self.host, self.port = host, port
        sock = socket.create_connection((host, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # notices a peer that is gone without a word
        self.sock = self._over_tls(sock) if self._account.security == "tls" else sock
        self._read_from_now_on()

    def start_tls(self) -> None:
        """Change to TLS in the open connection. Raises ImapError where the server does not want to."""
        answer, data = self._simple_command("STARTTLS")
        if answer != "OK":
            raise ImapError(data[-1])
        if self._reader and self._reader.read_ahead:  # an honest server says nothing between its OK and the handshake
            raise PlainTextInjected
        self.sock.settimeout(self.budget.seconds_left())
        self.sock = self._over_tls(self.sock)
        self._read_from_now_on()
        self.untagged_responses.clear()  # what was told before TLS is anybody's word
        self._get_capabilities()

    def _get_capabilities(self) -> None:
        """Take what the greeting tells; ask where it does not."""
        told = self.untagged_responses.pop("CAPABILITY", [None])[-1]
        if isinstance(told, bytes):
            self.capabilities = tuple(told.decode("ascii", "replace").upper().split())
        else:
            self.asked_capabilities = True
            super()._get_capabilities()  # type: ignore[misc] # typeshed leaves it out
        if "IMAP4REV2" in self.capabilities and "IMAP4REV1" not in self.capabilities:
            self.capabilities += ("IMAP4REV1",)  # imaplib knows no other; what we send is the same in both

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server, without TLS's own."""
        return self._bytes_before + (self._reader.bytes_read if self._reader else 0)

    def read(self, size: int) -> bytes:
        """Return a literal."""
        assert self._reader is not None
        return self._reader.read(size)

    def readline(self) -> bytes:
        """Return a line with its end."""
        assert self._reader is not None
        return self._reader.readline()

    def _get_response(self) -> Any:
        """Take what FETCH answered at one go; leave the rest to imaplib, which reads line by line."""
        assert self._reader is not None
        fetches = self._reader.fetches()
        if not fetches:
            return super()._get_response()  # type: ignore[misc] # typeshed leaves it out
        self.untagged_responses.setdefault("FETCH", []).extend(fetches)
        return fetches

    def send(self, data: Any) -> None:
        """Send within the command's deadline."""
        self.sock.settimeout(self.budget.seconds_left())
        self.sock.sendall(data)

    def shutdown(self) -> None:
        """Drop the connection."""
        with contextlib.suppress(OSError):  # the other side may have been quicker
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def _over_tls(self, sock: socket.socket) -> ssl.SSLSocket:
        try:
            return self._context.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise

    def _read_from_now_on(self) -> None:
        self._bytes_before = self.bytes_read
        self._reader = TimedReader(self.sock, self.budget)


class BoundedClient(IMAPClient):  # type: ignore[misc]
    """imapclient on a BoundedImap."""

    def __init__(self, account: Account, budget: Budget, context: ssl.SSLContext) -> None:
        self._make: Callable[[], BoundedImap] = lambda: BoundedImap(account, budget, context)
        # imapclient connects while it is made, through _create_IMAP4
        super().__init__(account.host, port=account.real_port, ssl=account.security == "tls", ssl_context=context)
        self.imap.debug = 0  # imapclient sets it to its own, and then every exchange is formatted for a log
        self.normalise_times = False  # dates keep their zone; else they are naive, in this machine's time

    def _create_IMAP4(self) -> BoundedImap:  # noqa: N802 - imapclient's name
        return self._make()

    def _set_read_timeout(self) -> None:
        """Leave timeouts to the reader."""

    @property
    def imap(self) -> BoundedImap:
        """The protocol machine below."""
        return cast(BoundedImap, self._imap)


def converse(imap: BoundedImap, name: str, line: Sequence[bytes], literal: bytes | None) -> tuple[str, list[Any]]:
    """Send one command and return its answer as heard() does."""
    (tag,) = send_at_once(imap, [b" ".join(line)])
    if literal is not None and not line[-1].endswith(b"+}"):  # with a plus nobody waits (RFC 7888)
        while imap._get_response():  # None is the go-ahead, "+"
            if imap.tagged_commands[tag]:
                literal = None  # the answer came instead of a go-ahead
                break
    if literal is not None:
        imap.send(literal + b"\r\n")
    return heard(imap, name, tag)


def send_at_once(imap: BoundedImap, lines: Sequence[bytes]) -> list[bytes]:
    """Send commands without waiting for answers (RFC 9051 section 5.5); return their tags, to be heard() in order."""
    tags = [bytes(imap._new_tag()) for _ in lines]
    imap.untagged_responses.clear()
    imap.send(b"".join(b"%b %b\r\n" % pair for pair in zip(tags, lines, strict=True)))
    return tags


def heard(imap: BoundedImap, name: str, tag: bytes) -> tuple[str, list[Any]]:
    """Return the final word (OK or NO) of a command that was sent, with its text; untagged data stay in imap.

    Raises ImapError for BAD, ImapDead, OSError or a CleanupError where nobody can know what happened.
    """
    word, data = imap._command_complete(name, tag)
    return str(word), list(data)


def untagged(imap: BoundedImap) -> dict[str, list[Any]]:
    """Return the untagged data of the last command by their name, as imaplib keeps them (literals are pairs)."""
    return {name: list(values) for name, values in imap.untagged_responses.items()}


def parse_fetch(records: Sequence[Any]) -> dict[int, dict[bytes, Any]]:
    """Return FETCH data by sequence number, read by imapclient's own lexer. Raises ServerMisbehaved."""
    try:
        parsed = response_parser.parse_fetch_response(list(records), normalise_times=False, uid_is_key=False)
    except (NotUnderstood, ValueError, TypeError, IndexError, KeyError, AttributeError, RecursionError) as error:
        raise ServerMisbehaved("The server's answer to FETCH makes no sense") from error
    return {number: dict(values) for number, values in parsed.items()}


def parse_nested(records: Sequence[Any]) -> tuple[Any, ...]:
    """Return an answer of nested lists and strings, read by imapclient's own lexer. Raises ServerMisbehaved."""
    try:
        return tuple(response_parser.parse_response(list(records)))
    except (NotUnderstood, ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ServerMisbehaved("The server's answer makes no sense") from error


def new_budget(seconds: float, max_bytes: int) -> Budget:
    """Return a budget that begins now."""
    return Budget(time.monotonic() + seconds, max_bytes)


# --- The reading end of a connection that cannot be kept waiting, dripped on or flooded -----------------------------

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
            # what ends the answer: its own head where it has no literal; nothing where that has not come yet
            rest = head
            if head and head[3] is not None:
                rest = _REST.match(self._buffer, head.end() + self._allowed(int(head[3])))
            if head and rest:
                text = b"%b %b" % head.group(1, 2)
                found += [text] if rest is head else [(text, bytes(self._buffer[head.end() : rest.start()])), rest[1]]
                self._count_lines(1 if rest is head else 2)
                at = rest.end()
            elif found or not self._may_become_a_fetch(head) or not self._fill():
                del self._buffer[:at]  # what is not whole stays, for imaplib's machine or the next time
                return found

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
