"""The program as its users start it: a process of its own, with no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).parent / "mailbox-cleanup"
ANNA = Path(__file__).parents[2] / "sample_data" / "mailboxes" / "anna"
RULES = ("--identity", "anna.berg@example.org", "--outbound-host", "192.0.2.10", "--now", "2026-10-20")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def cleanup(*arguments: object, stdin: bytes = b"", timeout_s: float = 120, **environment: str) -> Ended:
    """Run mailbox-cleanup and return how it ended."""
    done = subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1", **environment},
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
