"""Token introspection (RFC 7662) for Dovecot: the token `good-NAME` is active and belongs to NAME; no other is."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class _Introspection(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        token = form.get("token", [""])[0] or self.headers.get("Authorization", "").removeprefix("Bearer ")
        active = token.startswith("good-")
        answer = {"active": True, "username": token.removeprefix("good-")} if active else {"active": False}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def token_introspection() -> Iterator[int]:
    """Yield the loopback port of a running introspection service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Introspection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
