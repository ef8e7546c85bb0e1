"""The figures that judging must reach on generated mailboxes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Identity, Policy, SentSource, Verdict
from tests.generator.mailbox import Mailbox, Score, a_mailbox, as_notice, score
from tests.generator.world import NOW, OLDEST


def scored(mailbox: Mailbox, *, identity: Identity | None = None, sent: MemorySentIndex | None = None) -> Score:
    cases = [Case(as_notice(s), s.arrived, str(n)) for n, s in enumerate(mailbox.specimens)]
    findings = judge_all(cases, sent or mailbox.index(), identity or mailbox.identity, Policy())
    return score(mailbox.specimens, findings)


def assert_reached(figures: Score) -> None:
    assert figures.genuine_accused == ()
    assert figures.deceived == ()
    assert figures.found >= 0.97, figures
    assert figures.kept >= 0.97, figures
    assert figures.unsure <= 0.03, figures


@pytest.mark.parametrize("seed", range(100, 106))
def test_no_genuine_bounce_is_accused_and_nearly_all_others_are_decided(seed):
    assert_reached(scored(a_mailbox(seed, each=12)))


@pytest.mark.parametrize("seed", [200, 201])
def test_outbound_hosts_are_learned_where_none_are_configured(seed):
    mailbox = a_mailbox(seed, each=12)

    figures = scored(mailbox, identity=replace(mailbox.identity, outbound_hosts=frozenset()))

    assert figures.genuine_accused == ()
    assert figures.deceived == ()
    assert figures.found >= 0.9, figures


@pytest.mark.parametrize("lost", ["half", "a folder, unnoticed", "all but last month"])
def test_however_much_sent_lost_no_genuine_bounce_is_accused(lost):
    mailbox = a_mailbox(300, each=12)
    kept = {
        "half": [m for m in mailbox.sent if m.uid % 2],
        "a folder, unnoticed": [m for m in mailbox.sent if m.folder == "Sent"],
        "all but last month": [m for m in mailbox.sent if m.date and (NOW - m.date).days < 30],
    }[lost]
    sent = MemorySentIndex.build(kept, [SentSource("Sent", len(kept), len(kept))], now=NOW, complete_since=NOW - OLDEST)

    assert scored(mailbox, sent=sent).genuine_accused == ()


def test_without_sent_nothing_is_accused():
    mailbox = a_mailbox(301, each=6)
    cases = [Case(as_notice(s), s.arrived, str(n)) for n, s in enumerate(mailbox.specimens)]

    findings = judge_all(cases, MemorySentIndex.build([], [], now=NOW), mailbox.identity, Policy())

    assert Verdict.BACKSCATTER not in {finding.verdict for finding in findings}


@pytest.mark.sweep
def test_a_hundred_thousand_notices_accuse_no_genuine_one():
    for seed in range(1_000, 1_034):
        assert_reached(scored(a_mailbox(seed, each=100)))
