"""Attackers who have read how the program decides get no genuine mail filed, and no forgery of theirs is believed.

Everything goes the whole way: raw mail, read and judged among other mail.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Finding, Policy, Verdict
from tests.generator.attackers import SCENARIOS, Scenario
from tests.generator.mailbox import Mailbox, a_mailbox
from tests.generator.specimens import Specimen

# What the forger has whole cannot be told from a true bounce; that is why nothing is learned from it.
BELIEVED = ("teaches",)


IN_DOUBT = (
    "planted login",
    "own server",
    "imitated",
    "stolen id and To",
    "answers a true id",
    "stolen id and recipient",
)


# One worker generates and reads the mailbox of an attack, once for all tests of it.
ATTACKS = [
    pytest.param(attack, id=attack.__name__, marks=pytest.mark.xdist_group(attack.__name__)) for attack in SCENARIOS
]


def seeds(*others: int) -> pytest.MarkDecorator:
    """Try the same mailbox in each build, and others in a sweep."""
    return pytest.mark.parametrize("seed", [502, *(pytest.param(seed, marks=pytest.mark.sweep) for seed in others)])


@cache
def attacked(attack: Scenario, seed: int, each: int) -> tuple[Mailbox, tuple[Case, ...]]:
    mailbox = a_mailbox(seed, each=each, attack=attack)
    read = [read_notice(raw) for raw in mailbox.raw()]
    pairs = zip(mailbox.specimens, read, strict=True)
    return mailbox, tuple(Case(notice, s.arrived, str(n)) for n, (s, notice) in enumerate(pairs) if notice)


def judged(attack: Scenario, seed: int, *, each: int, known: bool, policy: Policy) -> list[tuple[Specimen, Finding]]:
    mailbox, cases = attacked(attack, seed, each)
    hosts = mailbox.identity.outbound_hosts if known else frozenset()
    findings = judge_all(cases, mailbox.index(), replace(mailbox.identity, outbound_hosts=hosts), policy)
    return [(mailbox.specimens[int(case.key)], f) for case, f in zip(cases, findings, strict=True)]


@pytest.mark.parametrize("known", [True, False], ids=["hosts configured", "hosts learned"])
@pytest.mark.parametrize("each", [0, 3], ids=["alone", "among other mail"])
@pytest.mark.parametrize("attack", ATTACKS)
@seeds(500, 501)
def test_an_attacker_gets_no_genuine_mail_filed_and_no_forgery_believed(attack, seed, each, known):
    pairs = judged(attack, seed, each=each, known=known, policy=Policy())

    assert [s.what for s, f in pairs if s.truth is Verdict.GENUINE and f.verdict is Verdict.BACKSCATTER] == []
    fakes = [(s, f) for s, f in pairs if s.truth is Verdict.BACKSCATTER and s.what not in BELIEVED]
    assert [(s.what, f.row) for s, f in fakes if f.verdict is Verdict.GENUINE] == []


# Somebody to whom the owner writes truly returns mail of his that left by another host. That the configured hosts are
# all there is would then be a guess, whoever it was that returned it: the storm of that one host is left undecided.
SAY_THAT_MAIL_LEFT_ELSEWHERE = {"teach_from_two_true_hosts", "teach_from_four_domains_on_one_server"}


@pytest.mark.parametrize("attack", ATTACKS)
@seeds()
def test_no_attacker_gets_a_campaign_spared_where_the_hosts_are_configured(attack, seed):
    pairs = judged(attack, seed, each=3, known=True, policy=Policy())

    spared = [(s.what, f) for s, f in pairs if s.expected is Verdict.BACKSCATTER and f.verdict is not s.expected]
    spared = [(what, finding) for what, finding in spared if what not in IN_DOUBT]
    if attack.__name__ in SAY_THAT_MAIL_LEFT_ELSEWHERE:
        assert {finding.verdict for _, finding in spared} == {Verdict.UNSURE}
    else:
        assert spared == []


@pytest.mark.parametrize("known", [True, False], ids=["hosts configured", "hosts learned"])
@pytest.mark.parametrize("each", [0, 3], ids=["alone", "among other mail"])
@pytest.mark.parametrize("attack", ATTACKS)
@seeds(503)
def test_no_attacker_makes_a_genuine_bounce_lean_so_that_the_storm_policy_files_it(attack, seed, each, known):
    pairs = judged(attack, seed, each=each, known=known, policy=Policy(name="storm", file_leaning=True))

    leaning = [s.what for s, f in pairs if s.truth is Verdict.GENUINE and f.leaning is Verdict.BACKSCATTER]
    assert leaning == []
