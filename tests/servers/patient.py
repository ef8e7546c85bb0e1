"""A proxy before a real server that does not take a command before the one before it was answered.

RFC 9051 section 5.5 lets a client send several; what stands before a server (a filter, an old gateway) may not.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Manner = Literal["bad", "drop", "hang up"]  # what becomes of what comes too early
_TAGGED = re.compile(rb"([A-Z]{4}[0-9]+) ")


@dataclass
class PatientProxy:
    """A running proxy; `hurried` counts the commands that came too early."""

    upstream_port: int
    manner: Manner
    hurried: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Take connections until close()."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream_port))
                for sock in (client, server):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pair = _Pair(self, client, server)
                threading.Thread(target=pair.requests, daemon=True).start()
                threading.Thread(target=pair.answers, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@dataclass
class _Pair:
    """One connection through the proxy. `asked` is the tag of the command that is not answered yet."""

    proxy: PatientProxy
    client: socket.socket
    server: socket.socket
    asked: bytes | None = None
    refused: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def requests(self) -> None:
        """Pass on what the client says, a command at a time; what is inside a literal is no command.

        What came together is looked at together: no answer to the first of it comes in between.
        """
        rest = b""
        with contextlib.suppress(OSError, ValueError):
            while said := self.client.recv(65536):
                *lines, rest = (rest + said).split(b"\n")
                with self.lock:
                    for line in lines:
                        self._request(line + b"\n")
        self._end()

    def _request(self, line: bytes) -> None:
        tag = _TAGGED.match(line)
        if tag is not None and self.asked is not None:
            self._hurry(tag[1])
            return
        if tag is not None:
            self.asked = tag[1]
        self.server.sendall(line)

    def _hurry(self, tag: bytes) -> None:
        self.proxy.hurried += 1
        if self.proxy.manner == "bad":
            self.refused.append(tag)
        elif self.proxy.manner == "hang up":
            self._end()

    def answers(self) -> None:
        """Pass on what the server says."""
        with contextlib.suppress(OSError, ValueError), self.server.makefile("rb") as lines:
            for line in lines:
                with self.lock:
                    self._answer(line)
        self._end()

    def _answer(self, line: bytes) -> None:
        self.client.sendall(line)
        if self.asked is not None and line.startswith(self.asked + b" "):
            self.asked = None
            self.client.sendall(b"".join(b"%b BAD One command at a time\r\n" % tag for tag in self.refused))
            self.refused.clear()

    def _end(self) -> None:
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def patient_proxy(upstream_port: int, manner: Manner) -> Iterator[PatientProxy]:
    """Yield a running proxy before a server's plain-text port."""
    proxy = PatientProxy(upstream_port, manner)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
