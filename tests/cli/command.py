"""The program as its users start it: a process of its own, with no terminal.

To load its libraries takes a second, and the tests run it some hundred times. So it is forked from a process that has
loaded them already and does nothing else. What depends on a true start (what Python itself is told, what a start loads,
terminals, pipes, signals) runs `PROGRAM`.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "mailbox-cleanup"
ANNA = Path(__file__).parents[2] / "sample_data" / "mailboxes" / "anna"
RULES = ("--identity", "anna.berg@example.org", "--outbound-host", "192.0.2.10", "--now", "2026-10-20")
_LOADED = ("cleanup.cli", "cleanup.jobs.run", "cleanup.report.summary.html", "cleanup.report.summary.export", "pandas")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def cleanup(*arguments: object, stdin: bytes = b"", timeout_s: float = 300, **environment: str) -> Ended:
    """Run mailbox-cleanup and return how it ended. Raises subprocess.TimeoutExpired, and the process is killed."""
    words = [str(PROGRAM), *map(str, arguments)]
    settings = {**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1", **environment}
    if any(name.startswith("PYTHON") for name in environment):
        done = subprocess.run(words, input=stdin, capture_output=True, env=settings, timeout=timeout_s, check=False)
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    return Started(words, settings, stdin).end(timeout_s)


class Started:
    """The program, forked and at work in a session of its own."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], stdin: bytes = b"") -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cleanup-command-")
        self._streams = [Path(self._folder.name) / name for name in ("stdin", "stdout", "stderr")]
        self._streams[0].write_bytes(stdin)
        given = (words, environment, str(Path.cwd()), self._streams)
        self._process = _fork_server().Process(target=_be_the_program, args=given)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def end(self, timeout_s: float) -> Ended:
        """Wait for its end and return it. Raises subprocess.TimeoutExpired, and the process is killed."""
        self._process.join(timeout_s)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        with self._folder:
            _, out, err = (stream.read_bytes().decode() if stream.exists() else "" for stream in self._streams)
        if code is None:
            raise subprocess.TimeoutExpired("mailbox-cleanup", timeout_s, out, err)
        return Ended(code, out, err)


@cache
def _fork_server() -> ForkServerContext:
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(list(_LOADED))
    return server


def _be_the_program(words: Sequence[str], environment: Mapping[str, str], folder: str, streams: list[Path]) -> None:
    """Do what Python does before it runs a program; then run it."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(os.open(stream, os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.stdin = sys.__stdin__ = os.fdopen(0, "r", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = list(words)
    from cleanup.cli import main

    main()
