"""imapclient, made to read through our own bounded reader from the first byte on. The only module that touches it.

Why (measured with imapclient 4.1.0): it reads the greeting without an overall deadline, writes every exchange into a
debug log (passwords and megabytes of mail are formatted even where nobody listens), and sends a line and its end in two
writes, which costs 45 ms a command unless TCP_NODELAY is set.
"""

from __future__ import annotations

import contextlib
import imaplib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import imapclient
from imapclient import IMAPClient, imap_utf7, response_parser

from cleanup.connector.account import Account
from cleanup.connector.deadline import Budget, TimedReader
from cleanup.errors import ServerMisbehaved

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
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.sock = self._over_tls(sock) if self._account.security == "tls" else sock
        self._read_from_now_on()

    def start_tls(self) -> None:
        """Change to TLS in the open connection. Raises ImapError where the server does not want to."""
        answer, data = self._simple_command("STARTTLS")
        if answer != "OK":
            raise ImapError(data[-1])
        if self._reader and self._reader.read_ahead:
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
        super().__init__(account.host, port=account.real_port, ssl=account.security == "tls", ssl_context=context)
        self.imap.debug = 0
        self.normalise_times = False

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
    if literal is not None and not line[-1].endswith(b"+}"):
        while imap._get_response():
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


def encode_folder(name: str) -> bytes:
    """Return a folder name in modified UTF-7 (RFC 3501 section 5.1.3)."""
    return bytes(imap_utf7.encode(name))


def decode_folder(raw: bytes) -> str:
    """Return a folder's name from modified UTF-7. Raises ValueError where it is not that."""
    name = str(imap_utf7.decode(raw))
    if encode_folder(name) != raw:
        raise ValueError("not modified UTF-7")
    return name


def new_budget(seconds: float, max_bytes: int) -> Budget:
    """Return a budget that begins now."""
    return Budget(time.monotonic() + seconds, max_bytes)
