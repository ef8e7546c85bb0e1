"""The program's commands in this process: what they print, without half a second of imports for each of them."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from cleanup.cli import program
from cleanup.demo import LAST_DAY, OWNER, PASSWORD, Demo
from cleanup.errors import CleanupError
from tests.cli.command import Ended


class Program:
    """The commands for Anna's mailbox on a server, with all that reaches it."""

    def __init__(self, demo: Demo, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.demo, self.ledger = demo, ledger
        where = ("--host", "127.0.0.1", "--port", str(demo.account.port), "--security", "plain", "--username", "anna")
        self.reach = (*where, "--ledger", str(ledger))
        self.rules = ("--outbound-host", "192.0.2.10", "--now", f"{LAST_DAY:%Y-%m-%d}")
        monkeypatch.setenv("CLEANUP_PASSWORD", PASSWORD)
        monkeypatch.setenv("NO_COLOR", "1")
        self._patch = monkeypatch

    def __call__(self, *words: object) -> Ended:
        """Return how a command ends."""
        typed = [str(word) for word in words]
        self._patch.setattr(sys, "argv", ["mailbox-cleanup", *typed])
        out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = program(typed)(typed, standalone_mode=False) or 0
            except CleanupError as error:
                code = int(error.exit_code)
                err.write(f"mailbox-cleanup: {error} [{error.code}]\n")
        out.flush()
        return Ended(code, out.buffer.getvalue().decode(), err.getvalue())

    def on(self, command: str, *options: object) -> Ended:
        """Return how a command that looks at or changes the mailbox ends."""
        return self(command, OWNER, *self.reach, *self.rules, *options)

    def undo(self, *options: object) -> Ended:
        """Return how an undo ends that asks nothing."""
        return self("undo", *(options or ("last",)), "--mailbox", OWNER, *self.reach, "--yes")
