"""Somebody drowns in bounces, and knows nothing but address and password: what helps stands on the screen."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanup.model import Verdict
from tests.cli.command import Ended, cleanup
from tests.generator.world import NOW
from tests.house.screens import typed
from tests.servers.dovecot import STATIC_PASSWORD
from tests.servers.nameserver import nameserver
from tests.servers.running import RunningServer
from tests.whole_job.emergency import BY_A_RENTED_HOST, Emergency, emergency_on

pytestmark = pytest.mark.server
WHEN = ("--now", f"{NOW:%Y-%m-%dT%H:%MZ}")


@pytest.fixture
def dns(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    mine: Emergency = request.getfixturevalue("storm")
    with nameserver(mine.zone) as (port, _):
        yield {"CLEANUP_NETWORK__NAMESERVERS": '["127.0.0.1"]', "CLEANUP_NETWORK__PORT": str(port)}


@pytest.fixture
def storm(dovecot: RunningServer) -> Emergency:
    return emergency_on(dovecot, storm=120, ordinary=150)


def test_a_scan_and_the_command_that_it_ends_with_file_a_storm(
    storm: Emergency, dns: dict[str, str], tmp_path: Path
) -> None:
    """Two commands, one answer: the second is pasted as it stands on the screen, limits and all."""

    def typed_in(words: list[str]) -> str:
        return typed(words, tmp_path, **dns | {"CLEANUP_PASSWORD": STATIC_PASSWORD})

    scan = typed_in(["scan", storm.address, *storm.reach, *WHEN, "--ledger", "ledger.sqlite"])
    (command,) = re.findall(r"Next, to move them:\n  mailbox-cleanup (run .*)\n", scan)
    run = typed_in(shlex.split(command))

    (count,) = re.findall(r"([\d,]+) of [\d,]+ messages are forged bounces\. File them\? \[y/N\] y", run)
    filed = Counter(storm.filed())
    assert filed == {Verdict.BACKSCATTER: int(count)}
    assert filed[Verdict.BACKSCATTER] >= 0.97 * 120


class Asked:
    """A mailbox with one question: of a rented host that nothing but a person can place, as DNS is not asked."""

    def __init__(self, mine: Emergency, ledger: Path) -> None:
        self.mine, self.ledger = mine, ledger

    def __call__(self, command: str, *words: object) -> Ended:
        server = (*self.mine.reach, *WHEN, "--no-spf") if command in ("scan", "run") else ()
        words = (self.mine.address, *server, *words, "--ledger", self.ledger)
        return cleanup(command, *words, CLEANUP_PASSWORD=STATIC_PASSWORD)

    def run(self) -> Ended:
        return self("run", "--yes", "--max-share", 1)


@pytest.fixture
def asked(dovecot: RunningServer, tmp_path: Path) -> Asked:
    return Asked(emergency_on(dovecot, storm=60, ordinary=60, by=BY_A_RENTED_HOST), tmp_path / "ledger.sqlite")


def test_one_word_decides_a_campaign_and_can_be_taken_back(asked: Asked) -> None:
    scan = asked("scan")
    questions = re.findall(
        r"60\s+undelivered\s+messages\s+in\s+your\s+name\s+came\s+from\s+(srv\S+)\s+\[(\S+)\]\s+since\s+\S+\."
        r"\s+A\s+service\s+of\s+yours\?",
        scan.out,
    )
    (no,) = re.findall(r"no:  (mailbox-cleanup senders .*--no \S+)$", scan.out, re.MULTILINE)[:1]
    assert len(questions) == 1
    assert shlex.split(no)[-3:-1] == [str(asked.ledger), "--no"]

    unanswered = asked.run()
    assert "60 undelivered messages in your name came from" in unanswered.err
    assert asked.mine.filed() == []

    assert asked("senders", "--yes", 1).code == 0
    assert asked.run().code == 0
    assert asked.mine.filed() == []
    assert "your answer" in asked("senders").out

    network = shlex.split(no)[-1]
    assert asked("senders", "--forget", network).code == 0
    assert "your answer" not in asked("senders").out
    assert "60 undelivered messages" in asked.run().err
    assert cleanup(*shlex.split(no)[1:]).code == 0
    assert asked.run().code == 0
    assert Counter(asked.mine.filed()) == {Verdict.BACKSCATTER: 60}
