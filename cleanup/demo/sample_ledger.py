"""A sample ledger for notebooks and trials: a month of nightly runs over made-up mail, judged by the real code.

No server takes part: the mail is read and judged as a run does it, and the moves are written as a mail server would
have made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random

from cleanup import __version__
from cleanup.connector.pull import header_block
from cleanup.demo.sample_month import FIRST_NIGHT, NIGHTS, OUTBOUND, Arrival, Month, months
from cleanup.detector.account_state import JudgedNotice, account_state
from cleanup.detector.notices import read_notice
from cleanup.detector.sent import InboxClue, MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.verdict import Case, judge_all
from cleanup.ledger import Ledger, MoveIntent, MoveState
from cleanup.model import (
    Fingerprint,
    Identity,
    Judged,
    MessageRef,
    PlannedMove,
    Policy,
    SentMessage,
    SentSource,
    Verdict,
)
from cleanup.report.filing.journal import Journal, MoveOutcome
from cleanup.report.filing.plan import plan_filing

SOURCE, TARGET = "INBOX", "Backscatter"
OLD_MAIL = 2_500  # ordinary messages that lie in each Inbox besides
_UIDVALIDITY = 1_750_000_000
_REVIEWED = 50  # of the plain ones, a mailbox
_HALF_A_MINUTE = timedelta(seconds=30)


def make_sample_ledger(path: Path) -> Path:
    """Write the sample ledger to a new file and return its path. Takes some five seconds.

    Raises FileExistsError: it is never mixed with a real one.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    clock = _Clock(FIRST_NIGHT)
    with Ledger.open(path, clock=clock.now) as ledger:
        owners = [_Owner(month) for month in months()]
        for night in range(1, NIGHTS + 1):
            for owner in owners:
                clock.moment = FIRST_NIGHT + timedelta(days=night)
                _run(ledger, owner, clock)
        for owner in owners:
            _review(ledger, owner)
    return path


@dataclass
class _Clock:
    moment: datetime

    def now(self) -> datetime:
        """Return the time that it is said to be."""
        return self.moment


@dataclass
class _Owner:
    """A mailbox on its way through the month: what has been looked at, and the truth of what was judged."""

    month: Month
    seen: int = 0
    filed: int = 0
    truth: dict[str, Verdict] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    @cached_property
    def saved(self) -> list[SentMessage]:
        """Return what will ever lie in Sent, read."""
        saved = (m for m in self.month.sent if m.saved)
        return [read_sent_header("Sent", n, m.date, m.header().encode()) for n, m in enumerate(saved, 1)]

    @cached_property
    def clues(self) -> list[tuple[datetime, InboxClue]]:
        """Return what ordinary mail says of Sent's completeness, by the time of its arrival."""
        ordinary = (one for one in self.month.inbox if one.truth is None)
        return [(one.arrived, inbox_clue(header_block(one.raw))) for one in ordinary]

    def arrived_by(self, now: datetime) -> list[tuple[int, Arrival]]:
        """Return what came since the last run, with UIDs."""
        new = [(uid, one) for uid, one in enumerate(self.month.inbox, 1) if uid > self.seen and one.arrived < now]
        self.seen += len(new)
        return new


def _run(ledger: Ledger, owner: _Owner, clock: _Clock) -> None:
    new = owner.arrived_by(clock.moment)
    sent = _sent_index(owner, clock.moment)
    judged = _judge(new, sent, owner)
    state = account_state([JudgedNotice(j.notice, j.finding, j.fingerprint.arrived) for j in judged])
    plan = plan_filing(
        judged,
        source=SOURCE,
        target=TARGET,
        uidvalidity=_UIDVALIDITY,
        inbox_size=OLD_MAIL + owner.seen - owner.filed,
        policy=Policy(),
    )
    options = {"answer": state.answer.value, "headline": state.headline, "target": TARGET}
    address = owner.month.owner
    run = ledger.start_run(address, "run", actor="nightly", version=__version__, policy=Policy().name, options=options)
    ledger.record_findings(run, judged, plan)
    ledger.record_sent(run, sent.coverage.sources, sent.coverage)
    if not plan.refusals:
        _file(Journal(ledger, run, address), plan.moves, owner)
    clock.moment += _HALF_A_MINUTE
    words = [j.finding.verdict for j in judged]
    counts = {"messages": len(new), "notices": len(judged), "filed": 0 if plan.refusals else len(plan.moves)}
    status = "refused" if plan.refusals and plan.moves else "done"
    ledger.finish_run(run, counts | {v.value: words.count(v) for v in Verdict}, status)


def _sent_index(owner: _Owner, now: datetime) -> MemorySentIndex:
    """Return the index over what Sent holds by then; replies by then measure how complete it is."""
    saved = [m for m in owner.saved if m.arrived and m.arrived < now]
    clues = [clue for arrived, clue in owner.clues if arrived < now]
    return MemorySentIndex.build(saved, [SentSource("Sent", len(saved), len(saved))], now=now, inbox=clues)


def _judge(new: Iterable[tuple[int, Arrival]], sent: MemorySentIndex, owner: _Owner) -> list[Judged]:
    who = Identity(addresses=frozenset({owner.month.owner}), outbound_hosts=frozenset(OUTBOUND))
    read = [(uid, one, notice) for uid, one in new if one.truth and (notice := read_notice(one.raw))]
    cases = [Case(notice, one.arrived, sha256(one.raw).hexdigest()) for _, one, notice in read]
    owner.truth |= {case.key: one.truth for case, (_, one, _) in zip(cases, read, strict=True) if one.truth}
    findings = judge_all(cases, sent, who, Policy())
    pairs = zip(cases, findings, strict=True)
    owner.unsure += [case.key for case, finding in pairs if finding.verdict is Verdict.UNSURE]
    return [
        Judged(
            MessageRef(SOURCE, _UIDVALIDITY, uid),
            Fingerprint(len(one.raw), one.arrived, case.key),
            (),
            notice,
            finding,
        )
        for (uid, one, notice), case, finding in zip(read, cases, findings, strict=True)
    ]


def _file(journal: Journal, moves: Iterable[PlannedMove], owner: _Owner) -> None:
    first = owner.filed + 1
    intents = [
        MoveIntent(SOURCE, _UIDVALIDITY, m.ref.uid, TARGET, _UIDVALIDITY + 1, first, m.fingerprint, m.flags)
        for m in moves
    ]
    records = journal.intend(intents)
    journal.write(MoveOutcome(record, MoveState.MOVED, first + n) for n, record in enumerate(records))
    owner.filed += len(records)


def _review(ledger: Ledger, owner: _Owner) -> None:
    """Label what a careful person would: everything that is genuine or unsure, and some of the rest."""
    genuine = [digest for digest, truth in owner.truth.items() if truth is Verdict.GENUINE]
    others = sorted(owner.truth.keys() - set(genuine) - set(owner.unsure))
    for digest in dict.fromkeys((*genuine, *owner.unsure, *Random(owner.month.owner).sample(others, _REVIEWED))):
        ledger.label(owner.month.owner, digest, owner.truth[digest], said_by="review")
