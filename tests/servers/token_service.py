"""A token service over HTTPS, as Microsoft Entra ID and Google have one: discovery, device code, token."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from tests.servers.running import write_certificate

Form = dict[str, str]


@dataclass
class TokenService:
    """A running service. `asked` holds the forms it was sent; `answer` is what the token endpoint says."""

    base: str
    ca_file: Path
    answer: Form = field(default_factory=lambda: {"access_token": "fresh-token", "token_type": "Bearer"})
    redirect_to: str | None = None
    asked: list[Form] = field(default_factory=list)


@contextlib.contextmanager
def token_service(folder: Path) -> Iterator[TokenService]:
    """Yield a running service whose certificate a new authority in `folder` signed."""
    ca_file = write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    service = TokenService(f"https://localhost:{server.server_port}", ca_file)
    server.RequestHandlerClass = _handler(service)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def _handler(service: TokenService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tenant = f"{service.base}/tenant"
            self._say(200, {
                "issuer": f"{tenant}/v2.0",
                "token_endpoint": f"{tenant}/token",
                "authorization_endpoint": f"{tenant}/authorize",
                "device_authorization_endpoint": f"{tenant}/devicecode",
            })  # fmt: skip

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
            if self.path.endswith("/devicecode"):
                self._say(200, {"user_code": "ABC-123", "device_code": "d", "verification_uri": "https://example.org/code",
                                "expires_in": 60, "interval": 1, "message": "go"})  # fmt: skip
                return
            service.asked.append(form)
            if service.redirect_to:
                self.send_response(307)
                self.send_header("Location", service.redirect_to)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._say(200 if "access_token" in service.answer else 400, service.answer | {"expires_in": 3600})

        def _say(self, status: int, answer: object) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    return Handler
