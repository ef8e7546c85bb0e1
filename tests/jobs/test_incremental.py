"""What a run finds with the memory of earlier runs is what it would find by looking at everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from cleanup.connector.mailbox import Account, Mailbox, open_mailbox
from cleanup.connector.pull import digest
from cleanup.detector.header import INBOX_FIELDS
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.notices.signs import why_candidate
from cleanup.detector.sent import SENT_FIELDS, MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.verdict import Case, judge_all
from cleanup.jobs.idle_check import Look, Task
from cleanup.jobs.look import look
from cleanup.ledger import Ledger, Memory
from cleanup.model import Finding, Policy, SentSource, Verdict
from tests.generator.mail import write
from tests.generator.mailbox import Mailbox as Generated
from tests.generator.mailbox import a_mailbox
from tests.generator.ordinary import letters
from tests.generator.world import NOW, Sent
from tests.servers.running import RunningServer

OWNER = "anna.berg@example.org"


@dataclass(frozen=True)
class Mail:
    """One message that arrives sooner or later."""

    folder: str
    raw: bytes
    when: datetime


class Owner:
    """A generated owner's mailbox on a server, into which mail comes a handful at a time."""

    def __init__(self, account: Account, made: Generated) -> None:
        self.account = account
        self.task = Task(OWNER, "INBOX", "Backscatter", (), made.identity, Policy())
        self.rng = made.world.rng
        inbox = [Mail("INBOX", write(self.rng, s.report), s.report.arrived) for s in made.specimens]
        inbox += [Mail("INBOX", letter.raw, NOW) for letter in letters(made.world, each=2)]
        inbox += [Mail("INBOX", an_answer(s), s.date) for s in made.world.sent[::9]]
        inbox += [Mail("INBOX", s.header() + b"\r\n\r\ncopy\r\n", s.date) for s in made.world.sent[::50]]
        sent = [Mail("Sent", s.header() + b"\r\n\r\nHello\r\n", s.date) for s in made.world.sent]
        self.waiting = [*inbox, *sent]
        self.rng.shuffle(self.waiting)

    def receive(self, mailbox: Mailbox, count: int) -> None:
        for mail in self.waiting[:count]:
            mailbox.append(mail.folder, mail.raw, (), mail.when)
        del self.waiting[:count]


def an_answer(sent: Sent) -> bytes:
    return (
        f"From: {sent.recipients[0]}\r\nTo: {OWNER}\r\nSubject: Re: {sent.subject}\r\n"
        f"In-Reply-To: <{sent.message_id}>\r\nMessage-ID: <answer-{sent.message_id}>\r\n"
        f"Date: {sent.date:%a, %d %b %Y %H:%M:%S +0000}\r\n\r\nYes.\r\n"
    ).encode()


def delete(mailbox: Mailbox, folder: str, uids: Sequence[int]) -> None:
    mailbox.select(folder)
    mailbox.mark_deleted(uids)
    mailbox.uid_expunge(uids)


def everything_at_once(mailbox: Mailbox, task: Task) -> tuple[dict[int, Finding], MemorySentIndex]:
    """Return the verdicts by UID, and the Sent index, as a program without any memory would find them."""
    pulled = {p.ref.uid: p for chunk in mailbox.pull_headers("INBOX", INBOX_FIELDS) for p in chunk}
    candidates = [uid for uid, p in pulled.items() if why_candidate(p.fields)]
    clues = [inbox_clue(p.fields) for uid, p in pulled.items() if uid not in candidates]
    notices = {uid: notice for uid, raw in mailbox.pull_bodies("INBOX", candidates) if (notice := read_notice(raw))}
    announced = mailbox.examine("Sent").exists
    sent = [
        read_sent_header("Sent", p.ref.uid, p.arrived, p.fields)
        for chunk in mailbox.pull_headers("Sent", SENT_FIELDS)
        for p in chunk
    ]
    index = MemorySentIndex.build(sent, [SentSource("Sent", announced, len(sent))], now=NOW, inbox=clues)
    cases = [Case(n, pulled[uid].arrived, digest(pulled[uid].fields)) for uid, n in notices.items()]
    findings = judge_all(cases, index, task.identity, task.policy)
    return dict(zip(notices, findings, strict=True)), index


def assert_same(seen: Look, mailbox: Mailbox) -> None:
    findings, index = everything_at_once(mailbox, seen.task)

    assert {j.ref.uid: j.finding for j in seen.judged} == findings
    assert seen.sent.coverage == index.coverage
    assert seen.sent.profile == index.profile
    assert seen.sent.coverage.proofs or len(seen.judged) < 20
    assert seen.ordinary + len(seen.judged) == mailbox.examine("INBOX").exists


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        yield ledger.memory(OWNER)


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.sweep) for n in range(2, 20))])
def test_however_mail_comes_in_the_verdicts_are_those_of_a_look_at_everything(
    seed: int, embedded: RunningServer, memory: Memory
) -> None:
    owner, rng = Owner(embedded.new_account(), a_mailbox(seed, each=1)), Random(seed)
    with open_mailbox(owner.account) as mailbox:
        mailbox.folders()
        while owner.waiting:
            owner.receive(mailbox, rng.choice((1, 60, 400, 900)))
            assert_same(look(mailbox, owner.task, now=NOW, memory=memory), mailbox)


def test_mail_that_goes_from_the_inbox_is_missed_by_no_later_run(embedded: RunningServer, memory: Memory) -> None:
    owner = Owner(embedded.new_account(), a_mailbox(4, each=1))
    with open_mailbox(owner.account) as mailbox:
        mailbox.folders()
        owner.receive(mailbox, 1_100)
        look(mailbox, owner.task, now=NOW, memory=memory)
        mailbox.examine("INBOX")
        delete(mailbox, "INBOX", mailbox.uids("INBOX")[::3])
        owner.receive(mailbox, 30)

        assert_same(look(mailbox, owner.task, now=NOW, memory=memory), mailbox)


def test_a_message_deleted_from_sent_still_spares_its_bounce_and_no_longer_counts_for_coverage(
    embedded: RunningServer, memory: Memory
) -> None:
    owner = Owner(embedded.new_account(), a_mailbox(5, each=1))
    with open_mailbox(owner.account) as mailbox:
        mailbox.folders()
        owner.receive(mailbox, len(owner.waiting))
        before = look(mailbox, owner.task, now=NOW, memory=memory)
        mailbox.examine("Sent")
        uids = mailbox.uids("Sent")
        delete(mailbox, "Sent", uids[len(uids) * 3 // 4 :])
        after = look(mailbox, owner.task, now=NOW, memory=memory)
        _, index = everything_at_once(mailbox, owner.task)

    was = {j.ref.uid: j.finding.verdict for j in before.judged}
    assert after.sent.coverage == index.coverage
    assert not [
        j
        for j in after.judged
        if j.finding.verdict is Verdict.BACKSCATTER and was[j.ref.uid] is not Verdict.BACKSCATTER
    ]
