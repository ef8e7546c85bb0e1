"""A way to a server that takes its time: every byte arrives some milliseconds after it was sent, in both directions."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PIECE = 1 << 16


@contextmanager
def delayed(port: int, round_trip_ms: float) -> Iterator[int]:
    """Yield the port of a proxy on this machine that adds a round trip's time before the server at `port`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one_way_s = round_trip_ms / 2000
        threading.Thread(target=_serve, args=(listener, port, one_way_s), daemon=True).start()
        yield int(listener.getsockname()[1])


def _serve(listener: socket.socket, port: int, one_way_s: float) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            time.sleep(2 * one_way_s)  # the connection itself takes a round trip
            for one, other in ((client, server), (server, client)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _pass_on(one, other, one_way_s)


def _pass_on(one: socket.socket, other: socket.socket, one_way_s: float) -> None:
    on_its_way: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def take() -> None:
        piece = b"?"
        while piece:
            try:
                piece = one.recv(PIECE)
            except OSError:
                piece = b""
            on_its_way.put((time.monotonic() + one_way_s, piece))

    def give() -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = on_its_way.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    other.shutdown(socket.SHUT_WR)
                    return
                other.sendall(piece)

    for work in (take, give):
        threading.Thread(target=work, daemon=True).start()
