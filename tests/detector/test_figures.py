"""The figures that judging must reach on generated mailboxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Identity, Policy, SentMessage, SentSource, Verdict
from tests.generator.forged import forged_full
from tests.generator.genuine import genuine_by_id, genuine_by_phone_refused_at_home
from tests.generator.mailbox import Mailbox, Score, a_mailbox, as_notice, of_world, score
from tests.generator.world import NOW, OLDEST, a_world


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


@pytest.mark.parametrize("named", ["address", "nothing"])
@pytest.mark.parametrize("seed", [210, 211])
def test_a_bounce_by_the_mail_hosters_server_is_not_accused_where_its_name_is_not_configured(seed, named):
    world = a_world(seed)
    world.out_name = "smtp7.hoster.test"
    makers = [genuine_by_id] * 20 + [forged_full] * 20 + [genuine_by_phone_refused_at_home] * 2
    mailbox = of_world(world, [make(world) for make in makers])
    hosts = frozenset({world.out_address} if named == "address" else ())

    figures = scored(mailbox, identity=replace(mailbox.identity, outbound_hosts=hosts))

    assert figures.genuine_accused == ()
    assert (
        figures.found >= 0.8
    )  # who says HELO as the hoster's host, where no name is looked up, may be one more of them


def of_folder(messages: Sequence[SentMessage]) -> tuple[SentSource, ...]:
    return (SentSource("Sent", len(messages), len(messages)),)


def days_old(message: SentMessage) -> int:
    return (NOW - message.date).days if message.date else 0


def wrong_sent(mailbox: Mailbox, lie: str) -> MemorySentIndex:
    """Sent as it must not be believed, though a person said that it is complete."""
    held = mailbox.sent
    kept: dict[str, Sequence[SentMessage]] = {
        "missing": (),
        "refused": (),
        "empty": (),
        "half of it read": held[::2],
        "half of it gone": held[::2],
        "one of two folders": [m for m in held if m.folder == "Sent"],
        "another folder for it": [replace(m, from_address="bob@elsewhere.test") for m in held],
        "purged last month": [m for m in held if days_old(m) > 35],
        "this month only": [m for m in held if days_old(m) < 30],
        "a delegate's": [replace(m, from_address="eve@desk.test", message_id=f"{m.uid}@desk.test") for m in held],
    }
    sources: dict[str, tuple[SentSource, ...]] = {
        "missing": (),
        "refused": (SentSource("Sent", len(held), 0, problem="the server said NO"),),
        "half of it read": (SentSource("Sent", len(held), len(held) // 2),),
    }
    messages = kept[lie]
    since = NOW - OLDEST
    return MemorySentIndex.build(messages, sources.get(lie, of_folder(messages)), now=NOW, complete_since=since)


@pytest.mark.parametrize("seed", [300, 301])
@pytest.mark.parametrize(
    "lie",
    [
        "missing",
        "refused",
        "empty",
        "half of it read",
        "half of it gone",
        "one of two folders",
        "another folder for it",
        "purged last month",
        "this month only",
        "a delegate's",
    ],
)
def test_however_wrong_sent_is_no_genuine_bounce_is_accused(lie, seed):
    mailbox = a_mailbox(seed, each=12)

    assert scored(mailbox, sent=wrong_sent(mailbox, lie)).genuine_accused == ()


def test_without_sent_nothing_is_accused():
    mailbox = a_mailbox(301, each=6)
    cases = [Case(as_notice(s), s.arrived, str(n)) for n, s in enumerate(mailbox.specimens)]

    findings = judge_all(cases, MemorySentIndex.build([], [], now=NOW), mailbox.identity, Policy())

    assert Verdict.BACKSCATTER not in {finding.verdict for finding in findings}


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_a_hundred_thousand_notices_accuse_no_genuine_one():
    judged = 0
    for seed in range(1_000, 1_034):
        mailbox = a_mailbox(seed, each=100)
        judged += len(mailbox.specimens)
        figures = scored(mailbox)
        assert_reached(figures)
        print(f"{judged:,} judged; seed {seed}: {figures}")
    assert judged >= 100_000
