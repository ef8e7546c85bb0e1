"""A page in a real browser: Debian's Chromium, headless, on a loopback server that sees every request."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

# Measures the page in a frame of the wanted width, from outside: the page itself runs no scripts.
_FRAME = """<!doctype html><title>measuring</title><body style="margin:0">
<iframe id="frame" src="/report.html" style="width:%dpx;height:2000px;border:0"></iframe><pre id="found"></pre><script>
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement, seen = [];
  const tops = [], style = frame.contentWindow.getComputedStyle(page.body);
  for (const one of page.querySelectorAll("section, .headline")) {
    const box = one.getBoundingClientRect();
    seen.push([box.left, box.right]);
    tops.push([one.id, box.top]);
  }
  found.textContent = JSON.stringify({width: root.scrollWidth, height: root.scrollHeight, boxes: seen, tops: tops,
    ink: style.color, paper: style.backgroundColor, scripts: page.scripts.length, text: page.body.innerText.length});
};</script>"""


@dataclass(frozen=True, slots=True)
class Looked:
    """What the browser made of a page. `requests` are the paths that it asked for; `complaints` its console."""

    measures: dict[str, Any]
    requests: tuple[str, ...]
    complaints: tuple[str, ...]


def look_at(page: str, *, width: int, dark: bool = False) -> Looked:
    """Return what Chromium shows of a page in a window of this width; skips where there is no Chromium."""
    with _server(page, width) as (port, requests), tempfile.TemporaryDirectory() as profile:
        command = [
            chromium(),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--log-level=0"),
            *(("--blink-settings=preferredColorScheme=0",) if dark else ()),
            "--disable-features=NetworkTimeServiceQuerying",
            f"--host-resolver-rules=MAP * 127.0.0.1:{port}",
            f"--user-data-dir={profile}",
            f"--window-size={width + 50},2100",
            "--virtual-time-budget=5000",
            "--dump-dom",
            f"http://127.0.0.1:{port}/frame.html",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(\{.*\})</pre>', done.stdout)
    assert found, done.stdout[-500:]
    complaints = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    return Looked(json.loads(found[1]), tuple(requests), complaints)


def chromium() -> str:
    """Return the browser's path; skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("CLEANUP_REQUIRE_SERVERS"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    return program


@contextmanager
def _server(page: str, width: int) -> Iterator[tuple[int, list[str]]]:
    requests: list[str] = []
    pages = {"/report.html": page.encode(), "/frame.html": (_FRAME % width).encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.headers.get("Host", "") + self.path)
            body = pages.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, requests
        server.shutdown()
        thread.join()
