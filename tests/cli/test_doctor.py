"""`doctor`, on a real Dovecot with TLS: each failure is named with the next step, and stops where it must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cleanup.connector.mailbox import open_mailbox
from tests.cli.command import Ended, cleanup
from tests.servers.running import RunningServer, free_port

OWNER = "anna.berg@example.org"
STAGES = [
    "program",
    "configuration",
    "ledger",
    "host name",
    "connection",
    "encryption",
    "login",
    "capabilities",
    "folders",
    "sent coverage",
]
pytestmark = pytest.mark.server


class Asked:
    """A doctor for one user of the server."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server = server
        self.account = server.new_account()
        self.options: dict[str, object] = {
            "--host": "localhost",
            "--port": server.tls_port,
            "--username": self.account.username,
            "--ca-file": server.ca_file,
            "--ledger": folder / "ledger.sqlite",
        }

    def examine(self, *more: object, password: str | None = None, **changes: object) -> Ended:
        options = self.options | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        given = [word for name, value in options.items() if value is not None for word in (name, value)]
        return cleanup("doctor", OWNER, *given, *more, CLEANUP_PASSWORD=password or self.server.password)


@pytest.fixture
def asked(dovecot: RunningServer, tmp_path: Path) -> Asked:
    return Asked(dovecot, tmp_path)


def _checks(done: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_healthy_mailbox_passes_every_stage_and_nothing_is_made(asked: Asked, tmp_path: Path) -> None:
    done = asked.examine("--json")

    checks = _checks(done)
    assert done.code == 0, done.out
    assert [check["stage"] for check in checks] == STAGES
    assert all(check["ok"] for check in checks)
    assert "TLSv1.3" in checks[5]["says"][0]
    assert list(tmp_path.iterdir()) == []
    with open_mailbox(asked.account, read_only=True) as mailbox:
        assert "Backscatter" not in {folder.name for folder in mailbox.folders()}


def test_what_would_keep_everything_unsure_is_said(asked: Asked) -> None:
    done = asked.examine()

    said = " ".join(done.out.split())
    assert "Nobody is known to send for you; --outbound-host names" in said
    assert "The Sent folder is empty." in said


@pytest.mark.parametrize(
    ("changes", "stage", "code", "says"),
    [
        ({"host": "no-such-host.invalid"}, "host name", 10, "leads nowhere"),
        ({"port": free_port()}, "connection", 10, "Check --host and --port"),
        ({"ca_file": None}, "encryption", 12, "--ca-file"),
        ({"password": "wrong"}, "login", 13, "Check user name and password"),
        ({"sent_folder": "Gesendet"}, "folders", 14, "Gesendet"),
        ({"ledger": "/dev/null/ledger.sqlite"}, "ledger", 1, "cannot be made"),
        ({"security": "very"}, "configuration", 2, "security"),
    ],
)
def test_a_failure_names_its_cause_and_the_next_step_and_is_the_last_stage(
    asked: Asked, changes: dict[str, Any], stage: str, code: int, says: str
) -> None:
    done = asked.examine("--json", **changes)

    last = _checks(done)[-1]
    assert (last["stage"], done.code) == (stage, code)
    assert not last["ok"]
    assert says in last["error"]
    assert "Traceback" not in done.err


def test_an_encrypted_port_that_speaks_plain_text_is_named(asked: Asked) -> None:
    done = asked.examine("--json", port=asked.server.port)

    assert _checks(done)[-1]["stage"] == "encryption"
    assert "--security starttls" in _checks(done)[-1]["error"]
    assert done.code == 12
