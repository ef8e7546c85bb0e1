"""Each way in which a server refuses or misbehaves, as a person meets it at the end of a whole run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import Ended, cleanup
from tests.cli.test_errors import DOCS, OWNER, ends_with
from tests.servers.lying import CAPABILITIES, Lie, LyingServer, flips_uidvalidity_at_select, lying_server, says
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import fill

WITHOUT_MOVE = CAPABILITIES.replace(b" MOVE", b"")
WITHOUT_BOTH = WITHOUT_MOVE.replace(b" UIDPLUS", b"")


def _on(server: LyingServer, ledger: Path, *words: object) -> Ended:
    reach = ("--host", "127.0.0.1", "--port", server.port, "--security", "plain", "--username", "anna")
    return cleanup(*words, *reach, "--ledger", ledger, "--yes", CLEANUP_PASSWORD=PASSWORD)


def _run(server: LyingServer, ledger: Path) -> Ended:
    return _on(server, ledger, "run", OWNER, "--outbound-host", "192.0.2.10", "--now", "2026-10-20")


@pytest.mark.parametrize(
    ("lie", "capabilities", "code", "says_what"),
    [
        (says("EXAMINE", then=None), CAPABILITIES, "connection-lost", "broke off at EXAMINE"),
        (says("EXAMINE"), CAPABILITIES, "server-misbehaved", "no UIDVALIDITY"),
        (says("LIST", then=b"NO [INUSE] later"), CAPABILITIES, "throttled", "try again later"),
        (says("EXAMINE", then=b"NO [NOPERM] no"), CAPABILITIES, "permission-missing", "ask for the right to (ACL)"),
        (says("LIST", then=b"NO not today"), CAPABILITIES, "command-refused", "not today"),
        (says("LIST", then=b"BAD what?"), CAPABILITIES, "command-unknown", "what?"),
        (says("UID FETCH", then=b"NO [UNKNOWN-CTE] odd"), CAPABILITIES, "message-not-shown", "UNKNOWN-CTE"),
        (says("UID COPY", then=b"NO [OVERQUOTA] full"), WITHOUT_MOVE, "over-quota", "The mailbox is full"),
        (says("NOOP"), WITHOUT_BOTH, "move-not-supported", "no MOVE, no UIDPLUS"),
        (flips_uidvalidity_at_select, CAPABILITIES, "uidvalidity-changed", "Run again"),
    ],
)
def test_what_a_server_does_wrong_is_named_and_nothing_is_lost(
    lie: Lie, capabilities: bytes, code: str, says_what: str, tmp_path: Path
) -> None:
    with lying_server(lie, capabilities=capabilities) as server:
        fill(server)
        before = sum(len(box.mails) for box in server.folders.values())

        done = _run(server, tmp_path / "ledger.sqlite")

        ends_with(done, code, says_what)
        assert sum(len(box.mails) for box in server.folders.values()) == before


def test_an_undo_of_what_is_gone_in_part_says_so(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        assert _run(server, tmp_path / "ledger.sqlite").code == 0
        del server.folders["Backscatter"].mails[:10]

        done = _on(server, tmp_path / "ledger.sqlite", "undo", "last", "--mailbox", OWNER)

    ends_with(done, "partly", "Some messages were not put back")
    assert "62 messages of run 1 were put back." in done.err


def test_a_defect_is_one_line_that_says_how_to_see_more() -> None:
    broken = "import cleanup.cli as cli; cli.version_lines = lambda: 1 / 0; cli.main()"
    done = subprocess.run([sys.executable, "-c", broken, "--version"], capture_output=True, text=True, check=False)

    ends_with(Ended(done.returncode, done.stdout, done.stderr), "unexpected", "ZeroDivisionError")
    assert "CLEANUP_DEBUG=1" in done.stderr


def test_every_code_that_is_documented_is_met_by_a_command_in_these_tests() -> None:
    folders = (Path(__file__).parent, Path(__file__).parents[1] / "whole_job")
    tried = "".join(file.read_text(encoding="utf-8") for folder in folders for file in folder.glob("test_*.py"))
    documented = set(re.findall(r"^\| `([a-z-]+)` \| \d+ \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))

    assert len(documented) > 20
    assert {code for code in documented if f'"{code}"' not in tried and f"[{code}]" not in tried} == set()
