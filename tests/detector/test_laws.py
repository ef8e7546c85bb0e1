"""Laws that hold for every mailbox: what may never turn into what."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.coverage import Coverage, Hole, Proof
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Finding, Identity, Notice, Policy, Returned, SentMessage, SentSource, Verdict
from tests.detector.judging import OUT1
from tests.examples import examples
from tests.generator.mailbox import Mailbox, a_mailbox, as_notice
from tests.generator.world import NOW, OLDEST

SEEDS = st.integers(0, 5)
PICKS = st.integers(0, 10_000)
LAW = examples(50)


@cache
def box(seed: int) -> Mailbox:
    return a_mailbox(seed, each=3)


@cache
def index(seed: int) -> MemorySentIndex:
    return box(seed).index()


def built(sent: list[SentMessage] | tuple[SentMessage, ...], since: datetime = NOW - OLDEST) -> MemorySentIndex:
    return MemorySentIndex.build(sent, [SentSource("Sent", len(sent), len(sent))], now=NOW, complete_since=since)


def verdict(notice: Notice, sent: MemorySentIndex, identity: Identity, arrived: datetime) -> Finding:
    return judge_all([Case(notice, arrived, "")], sent, identity, Policy())[0]


@LAW
@given(SEEDS, PICKS, st.randoms(use_true_random=False), st.sampled_from(["", OUT1]))
def test_removing_a_message_from_sent_never_turns_a_verdict_to_genuine(seed, pick, rng, own_way):
    """But for one corner, which is flagged: an id that was reused on a message that came by the owner's own way."""
    mailbox = box(seed)
    specimen = mailbox.specimens[pick % len(mailbox.specimens)]
    notice = as_notice(specimen)
    if own_way:
        notice = replace(
            notice, returned=(replace(notice.returned[0], received=(own_way,)),), reporting_mta="mx.far.test"
        )
    before = verdict(notice, index(seed), mailbox.identity, specimen.arrived)
    gone = {before.nearest_sent} | set(rng.sample(mailbox.sent, rng.randrange(0, 200)))

    after = verdict(notice, built([m for m in mailbox.sent if m not in gone]), mailbox.identity, specimen.arrived)

    assert after.verdict is not Verdict.GENUINE or before.verdict is Verdict.GENUINE or "id_reused" in before.flags


def shrunk(coverage: Coverage, rng: random.Random) -> Coverage:
    """The same coverage with less to vouch for."""
    hole_from = NOW - timedelta(days=rng.randrange(0, 100))
    hole = Hole(hole_from, hole_from + timedelta(days=rng.randrange(1, 60)))
    return rng.choice(
        [
            replace(coverage, complete_since=NOW - timedelta(days=rng.randrange(0, 90))),
            replace(coverage, complete_since=None),
            replace(coverage, holes=(*coverage.holes, hole)),
            replace(coverage, sources=(SentSource("Sent", 10, rng.randrange(0, 10)),)),
            replace(coverage, sources=(*coverage.sources, SentSource("Archive", 1, 0, problem="NO"))),
            replace(coverage, sources=()),
            coverage.with_proofs([Proof("replies", "d@x", False)] * rng.randrange(1, 90)),
        ]
    )


@LAW
@given(SEEDS, PICKS, st.randoms(use_true_random=False))
def test_shrinking_coverage_never_turns_a_verdict_to_backscatter(seed, pick, rng):
    mailbox, whole = box(seed), index(seed)
    specimen = mailbox.specimens[pick % len(mailbox.specimens)]
    notice = as_notice(specimen)
    rows = whole.rows_for([])
    less = MemorySentIndex(rows, shrunk(whole.coverage, rng), whole.profile)

    before = verdict(notice, whole, mailbox.identity, specimen.arrived)
    after = verdict(notice, less, mailbox.identity, specimen.arrived)

    assert after.verdict is not Verdict.BACKSCATTER or before.verdict is Verdict.BACKSCATTER


def sent_copy_of(returned: Returned) -> SentMessage:
    return SentMessage("Sent", 99_999, returned.message_id, recipients=returned.to, subject=returned.subject, date=NOW)


@LAW
@given(SEEDS, PICKS, st.sampled_from(["sent", "own hop", "own host below", "thread", "own hosts"]))
def test_adding_genuine_evidence_never_turns_a_verdict_to_backscatter(seed, pick, what):
    mailbox = box(seed)
    specimen = mailbox.specimens[pick % len(mailbox.specimens)]
    notice, sent, identity = as_notice(specimen), mailbox.sent, mailbox.identity
    returned = notice.returned[0]
    before = verdict(notice, index(seed), identity, specimen.arrived)
    if what == "sent":
        sent = (*sent, sent_copy_of(returned))
    elif what == "own hop":
        returned = replace(returned, received=(OUT1, *returned.received))
    elif what == "own host below":
        returned = replace(returned, received=(*returned.received, OUT1))
    elif what == "own hosts":
        identity = replace(identity, outbound_hosts=identity.outbound_hosts | {"0.0.0.0/1", "128.0.0.0/1"})

    after = verdict(replace(notice, returned=(returned,)), built(sent), identity, specimen.arrived)

    assert after.verdict is not Verdict.BACKSCATTER or before.verdict is Verdict.BACKSCATTER


def shuffled(notice: Notice, rng: random.Random) -> Notice:
    """The same notice with everything in another order whose order means nothing."""
    returned = notice.returned[0]
    headers = rng.sample(returned.headers, len(returned.headers))
    mixed = replace(returned, headers=tuple(headers), to=tuple(rng.sample(returned.to, len(returned.to))))
    recipients = tuple(rng.sample(notice.recipients, len(notice.recipients)))
    return replace(notice, returned=(mixed,), recipients=recipients)


@examples(10)
@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_of_headers_does_not_matter(seed, rng):
    mailbox = box(seed)
    cases = [Case(as_notice(s), s.arrived, str(n)) for n, s in enumerate(mailbox.specimens)]
    mixed = [replace(case, notice=shuffled(case.notice, rng)) for case in rng.sample(cases, len(cases))]

    straight = judge_all(cases, index(seed), mailbox.identity, Policy())
    other = judge_all(mixed, index(seed), mailbox.identity, Policy())

    by_key = {case.key: finding.verdict for case, finding in zip(mixed, other, strict=True)}
    assert [by_key[case.key] for case in cases] == [finding.verdict for finding in straight]


def later(moment: datetime | None, by: timedelta) -> datetime | None:
    return None if moment is None else moment + by


def moved_notice(notice: Notice, by: timedelta) -> Notice:
    return replace(notice, returned=tuple(replace(r, date=later(r.date, by)) for r in notice.returned))


@examples(5)
@given(SEEDS, st.sampled_from([-3652, 3652, 1]))
def test_a_clock_shift_of_ten_years_changes_nothing(seed, days):
    mailbox, by = box(seed), timedelta(days=days)
    cases = [Case(as_notice(s), s.arrived, str(n)) for n, s in enumerate(mailbox.specimens)]
    moved_sent = [replace(m, date=later(m.date, by), arrived=later(m.arrived, by)) for m in mailbox.sent]
    moved = [
        replace(
            case,
            arrived=later(case.arrived, by),
            notice=replace(
                case.notice, returned=tuple(replace(r, date=later(r.date, by)) for r in case.notice.returned)
            ),
        )
        for case in cases
    ]
    source = [SentSource("Sent", len(moved_sent), len(moved_sent))]
    there = MemorySentIndex.build(moved_sent, source, now=NOW + by, complete_since=NOW - OLDEST + by)

    here = [f.verdict for f in judge_all(cases, index(seed), mailbox.identity, Policy())]

    assert [f.verdict for f in judge_all(moved, there, mailbox.identity, Policy())] == here
