"""From raw mail to verdicts: generated mailboxes, read and judged as a run does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Family, Finding, Identity, Kind, Notice, Policy, Verdict
from tests.generator.mailbox import Mailbox, Score, a_mailbox, score
from tests.generator.ordinary import letters

OTHER = Notice(Kind.ORDINARY, "none")


@cache
def read(seed: int, each: int = 8) -> tuple[Mailbox, tuple[Notice, ...]]:
    mailbox = a_mailbox(seed, each=each)
    return mailbox, tuple(read_notice(raw) or OTHER for raw in mailbox.raw())


def findings(seed: int, *, policy: Policy | None = None, identity: Identity | None = None) -> list[Finding]:
    mailbox, notices = read(seed)
    cases = [Case(n, s.arrived, str(i)) for i, (n, s) in enumerate(zip(notices, mailbox.specimens, strict=True))]
    return judge_all(cases, mailbox.index(), identity or mailbox.identity, policy or Policy())


def figures(seed: int, **how: object) -> Score:
    return score(read(seed)[0].specimens, findings(seed, **how))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(400, 404))
def test_raw_mail_is_judged_as_well_as_the_issue_asks(seed):
    reached = figures(seed)

    assert reached.genuine_accused == ()
    assert reached.deceived == ()
    assert reached.found >= 0.97, reached
    assert reached.kept >= 0.97, reached
    assert reached.unsure <= 0.03, reached


@pytest.mark.parametrize("seed", [410, 411])
def test_raw_mail_teaches_the_outbound_hosts(seed):
    identity = replace(read(seed)[0].identity, outbound_hosts=frozenset())

    reached = figures(seed, identity=identity)

    assert reached.genuine_accused == ()
    assert reached.found >= 0.9, reached


@pytest.mark.parametrize("seed", [420, 421])
def test_no_ordinary_mail_is_called_backscatter(seed):
    mailbox = read(seed)[0]
    ordinary = letters(mailbox.world, each=20)
    noticed = [(letter, notice) for letter in ordinary if (notice := read_notice(letter.raw))]
    cases = [Case(notice, letter.arrived, str(n)) for n, (letter, notice) in enumerate(noticed)]

    judged = judge_all(cases, mailbox.index(), mailbox.identity, Policy())

    accused = [letter.what for (letter, _), f in zip(noticed, judged, strict=True) if f.verdict is Verdict.BACKSCATTER]
    assert accused == []


@pytest.mark.parametrize(
    ("family", "verdict"),
    [(Family.SENT, Verdict.GENUINE), (Family.SENT, Verdict.BACKSCATTER), (Family.TRANSPORT, Verdict.BACKSCATTER)],
)
def test_a_family_that_is_switched_off_is_missed(family, verdict):
    on = [f.verdict for f in findings(430)].count(verdict)
    off = [f.verdict for f in findings(430, policy=Policy(switched_off=frozenset({family})))].count(verdict)

    assert off < on * 0.8, (on, off)


def test_without_the_identity_family_an_address_never_used_is_missed_where_sent_has_gaps():
    mailbox, notices = read(430)
    young = mailbox.index(complete_since=max(s.arrived for s in mailbox.specimens))
    cases = [Case(n, s.arrived, str(i)) for i, (n, s) in enumerate(zip(notices, mailbox.specimens, strict=True))]

    def found(*off: Family) -> int:
        judged = judge_all(cases, young, mailbox.identity, Policy(switched_off=frozenset(off)))
        return [f.row for f in judged].count("address-never-used")

    assert found() > 0 == found(Family.IDENTITY)
