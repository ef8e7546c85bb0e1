"""Machine mail that somebody wanted is no bounce and is never accused, whatever message lies in it."""

from __future__ import annotations

from cleanup.detector.notices import read_notice
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Kind, Policy, Verdict
from tests.generator.mailbox import of_world
from tests.generator.wanted import wanted_mail
from tests.generator.world import a_world


def test_machine_mail_that_somebody_wanted_is_no_bounce():
    notices = [(mail.what, read_notice(mail.raw)) for mail in wanted_mail(a_world(7))]

    assert [what for what, notice in notices if notice and notice.kind is Kind.NDR] == []


def test_machine_mail_that_somebody_wanted_is_never_accused_where_the_hosts_are_told():
    world = a_world(8)
    mailbox = of_world(world, [])
    read = [(mail, read_notice(mail.raw)) for mail in wanted_mail(world)]
    cases = [Case(notice, mail.arrived, mail.what) for mail, notice in read if notice]

    findings = judge_all(cases, mailbox.index(), mailbox.identity, Policy())

    accused = [c.key for c, f in zip(cases, findings, strict=True) if Verdict.BACKSCATTER in (f.verdict, f.leaning)]
    assert accused == []
