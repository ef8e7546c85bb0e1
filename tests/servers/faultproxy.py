"""A proxy before a real server that breaks the connection at a chosen command or byte, and writes down all we say.

It passes plain text on, so it stands before a server's unencrypted port. Every fault strikes once: the next connection
through the same proxy is a good one.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["cut", "reset", "half_close", "delay", "drip", "corrupt", "drop_answer"]
_COMMAND = re.compile(rb"[A-Z]{4}[0-9]+ (UID [A-Z]+|[A-Z]+)")  # with imaplib's tags; a line of a message has none


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and where: before the nth `command` reaches the server, or in the server's answer to it.

    With `command` None the place is the byte `at_byte` of everything that the server sends in one connection. With
    `at_byte` and a command it is that byte of the answer to it. `seconds` is the delay, or between two dripped bytes.
    """

    kind: Kind
    command: str | None = None
    nth: int = 1
    in_answer: bool = True
    at_byte: int = 0
    seconds: float = 0.05


class FaultProxy:
    """A running proxy. `transcript` holds every line that clients sent, whole; `struck` the faults that happened."""

    def __init__(self, upstream_port: int, faults: Sequence[Fault] = ()) -> None:
        self.upstream_port = upstream_port
        self.waiting = list(faults)
        self.struck: list[Fault] = []
        self.on_strike: Callable[[], None] = lambda: None  # such as: kill the client
        self.transcript: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}
        self._open: list[socket.socket] = []

    @property
    def commands(self) -> list[str]:
        """The names of the commands that clients sent ("UID MOVE"), in order."""
        return [match[1].decode().upper() for line in self.transcript if (match := _COMMAND.match(line))]

    def serve(self) -> None:
        """Take connections until close()."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Drop everything."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def heard(self, line: bytes) -> Fault | None:
        """Write down a line of a client's; return the fault that belongs to it, if one does."""
        with self._lock:
            self.transcript.append(line)
            if not (match := _COMMAND.match(line)):
                return None
            name = match[1].decode().upper()
            self._seen[name] = self._seen.get(name, 0) + 1
            return next((f for f in self.waiting if f.command == name and f.nth == self._seen[name]), None)

    def strike(self, fault: Fault) -> None:
        """Note that a fault has happened, so that it does not again."""
        with self._lock:
            self.waiting.remove(fault)
            self.struck.append(fault)
        self.on_strike()

    def anywhere(self) -> Fault | None:
        """Return the next fault that is bound to a byte of the connection and not to a command."""
        with self._lock:
            return next((fault for fault in self.waiting if fault.command is None), None)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
        except OSError:
            client.close()
            return
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open += [client, server]
        pair = _Pair(self, client, server, self.anywhere())
        threading.Thread(target=pair.answers, daemon=True).start()
        pair.requests()


@dataclass
class _Pair:
    """One connection through the proxy."""

    proxy: FaultProxy
    client: socket.socket
    server: socket.socket
    pending: Fault | None  # strikes in what the server sends
    passed: int = 0  # bytes from the server since `pending` was set

    def requests(self) -> None:
        """Pass on what the client says, line by line."""
        rest = b""
        with contextlib.suppress(OSError):
            while piece := self.client.recv(65536):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._request(line + b"\n")
                if len(rest) > 4096:  # a literal without line ends
                    self.server.sendall(rest)
                    rest = b""
        self._end()

    def _request(self, line: bytes) -> None:
        fault = self.proxy.heard(line)
        if fault is None:
            self.server.sendall(line)
        elif fault.in_answer:
            self.passed, self.pending = 0, fault
            self.server.sendall(line)
        else:
            self.proxy.strike(fault)
            _BEFORE.get(fault.kind, _Pair._end)(self)
            if fault.kind == "delay":
                time.sleep(fault.seconds)
                self.server.sendall(line)

    def answers(self) -> None:
        """Pass on what the server says."""
        with contextlib.suppress(OSError):
            while piece := self.server.recv(65536):
                self._answer(piece)
        self._end()

    def _answer(self, piece: bytes) -> None:
        fault = self.pending
        if fault is None or self.passed + len(piece) <= fault.at_byte:
            self.passed += len(piece)
            self.client.sendall(piece)
            return
        self.pending = None
        self.proxy.strike(fault)
        before, after = piece[: fault.at_byte - self.passed], piece[fault.at_byte - self.passed :]
        if fault.kind != "drop_answer":
            self.client.sendall(before)
        _IN_ANSWER[fault.kind](self, fault, after)

    def _end(self) -> None:
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.client.shutdown(socket.SHUT_RD)  # wakes the other thread, which keeps the connection from closing
        self.client.close()
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)

    def _half_close(self) -> None:
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)

    def _drip(self, fault: Fault, after: bytes) -> None:
        for byte in after:
            self.client.sendall(bytes([byte]))
            time.sleep(fault.seconds)

    def _delay(self, fault: Fault, after: bytes) -> None:
        time.sleep(fault.seconds)
        self.client.sendall(after)

    def _corrupt(self, _: Fault, after: bytes) -> None:
        self.client.sendall(bytes([after[0] ^ 0x15]) + after[1:])


_BEFORE: dict[str, Callable[[_Pair], None]] = {
    "reset": _Pair._reset,
    "half_close": _Pair._half_close,
    "delay": lambda _: None,
}
_IN_ANSWER: dict[str, Callable[[_Pair, Fault, bytes], None]] = {
    "cut": lambda pair, *_: pair._end(),
    "drop_answer": lambda pair, *_: pair._end(),
    "reset": lambda pair, *_: pair._reset(),
    "half_close": lambda pair, *_: pair._half_close(),
    "delay": _Pair._delay,
    "drip": _Pair._drip,
    "corrupt": _Pair._corrupt,
}


@contextlib.contextmanager
def fault_proxy(upstream_port: int, *faults: Fault) -> Iterator[FaultProxy]:
    """Yield a running proxy before a server's plain-text port."""
    proxy = FaultProxy(upstream_port, faults)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
