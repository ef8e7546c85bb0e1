"""One mailbox from start to finish: lock, settle what an earlier run left open, look, ask, file, write down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup import __version__
from cleanup.config import MailboxSettings, identity_of, ledger_of, policy_of
from cleanup.connector.account import Account
from cleanup.connector.session import Mailbox, open_mailbox
from cleanup.dns import network_of
from cleanup.errors import CleanupError
from cleanup.held import Held, hold, lock_of
from cleanup.ledger import Ledger, Memory, is_there
from cleanup.ledger.cut_off import LOCK
from cleanup.ledger.values import Remembered
from cleanup.look import READ_BY, Look, Task, at_rest, glance, look
from cleanup.model import Verdict
from cleanup.progress import Progress, unseen
from cleanup.report.digest import Digest, digest_message
from cleanup.report.filing import FilingOutcome, file_all
from cleanup.report.journal import UNDO_LABEL, Journal
from cleanup.report.recovery import Recovered
from cleanup.report.undo import UndoOutcome, undo


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. `run_id` is its number in the ledger; `outcome` is None where nothing was to be filed."""

    run_id: int
    look: Look
    recovered: Recovered
    outcome: FilingOutcome | None
    remark: str | None = None  # what else the owner should know, such as a digest that could not be left
    bytes_read: int = 0  # from the server
    round_trips: int = 0

    @property
    def moved(self) -> int:
        """How many messages were filed."""
        return len(self.outcome.moved) if self.outcome else 0

    @property
    def not_moved(self) -> int:
        """How many were to be filed and are not, the owner's own doings aside."""
        return len(self.outcome.not_moved) + len(self.outcome.unclear) if self.outcome else 0

    @property
    def waiting(self) -> int:
        """How many notices nobody can decide."""
        return self._counts[Verdict.UNSURE.value]

    @property
    def _counts(self) -> Mapping[str, int]:
        """What the Inbox held; where nothing happened since an earlier run, what that run left there."""
        counts = self.look.resting.counts if self.look.resting else _counts(self.look)
        return Counter(counts)

    @property
    def remarks(self) -> list[str]:
        """What else the owner should know: what a run that was cut off left, a Sent that cannot vouch, no digest."""
        silent = self.look.sent.coverage.unusable() if self.look.judged else None
        told = (*self.recovered.in_words().splitlines(), silent, self.remark)
        return [remark.rstrip(".") for remark in told if remark]

    def in_words(self, *, with_undo: bool = True) -> str:
        """Return the one line that a nightly job leaves."""
        counts, resting = self._counts, self.look.resting
        undoing = f"; to take it back: mailbox-cleanup undo {self.run_id}" if self.moved and with_undo else ""
        planned = len(self.look.plan.moves)
        filed = f"{self.moved:,} of {planned:,}" if self.moved < planned else f"{self.moved:,}"
        return (
            f"{self.look.task.mailbox}: run {self.run_id}, {counts['messages']:,} messages, "
            f"{counts['notices']:,} notices: {filed} filed in {self.look.plan.target}, "
            f"{counts[Verdict.GENUINE.value]:,} genuine, {self.waiting:,} unsure{undoing}"
            f"{f'; nothing new since run {resting.run_id}' if resting else ''}"
            f"{''.join(f'; {remark}' for remark in self.remarks)}"
        )


def look_at(
    account: Account,
    settings: MailboxSettings,
    *,
    now: datetime,
    progress: Progress,
    again: bool = False,
    full: bool = False,
    since: datetime | None = None,
) -> Look:
    """Return what a run would find and do. Nothing that changes anything is ever sent; the ledger is only read.

    `again`: also file what an undo put back. `full`: read everything, whatever earlier runs read. `since`: file only
    what arrived from then on.
    """
    task = replace(task_of(settings), since=since)
    with ExitStack() as stack:
        labels, memory = known_before(stack, settings, again=again, full=full)
        mailbox = stack.enter_context(open_mailbox(account, read_only=True))
        return look(mailbox, task, now=now, labels=labels, progress=progress, memory=memory)


def run_mailbox(
    account: Account,
    settings: MailboxSettings,
    *,
    now: datetime,
    agreed: Callable[[Look], bool],
    progress: Progress,
    again: bool = False,
    full: bool = False,
    since: datetime | None = None,
    ledger: Ledger | None = None,
) -> Done:
    """File the backscatter of a mailbox and return what was done.

    `agreed` is shown what was found, before anything is moved, and says whether to go on. `again`: also file what an
    undo put back; without it that stays, so that no nightly run files what a person took back. `full`: read everything,
    whatever earlier runs read. `since`: file only what arrived from then on. `ledger`: one that is open already and
    stays open. Where nothing happened since the last run, nothing is read and nobody is asked.

    Raises MailboxLocked, the connector's errors, LedgerUnusable; what had been moved by then is in the ledger, and the
    next run settles it.
    """
    task = replace(task_of(settings), since=since)
    with hold(account, settings, "run", ledger) as held:
        mailbox, ledger = held.open(), held.ledger
        memory = ledger.memory(settings.address)
        if full:
            memory.retire(list(memory.cursors()))
        seen_before = None
        if not ledger.open_moves(settings.address):
            seen_before = glance(mailbox, task, memory, _words(ledger, settings, again))
            if seen_before.resting:
                return _rest(held, account, settings, at_rest(task, seen_before, seen_before.resting))
        recovered, mailbox = held.settle(settings.address, mailbox)
        labels = _words(ledger, settings, again)
        before = seen_before if not recovered.settled else None
        seen = look(mailbox, task, now=now, labels=labels, progress=progress, memory=memory, seen=before)
        run_id = _record(ledger, account, settings, seen)
        outcome = _file(held, run_id, seen, mailbox, agreed, progress)
        _remember(memory, run_id, seen, outcome)
        remark = _leave_digest(held, run_id, seen, outcome, settings, mailbox, now) if outcome else None
        return Done(run_id, seen, recovered, outcome, remark, held.bytes_read, held.round_trips)


def undo_run(
    account: Account,
    settings: MailboxSettings,
    run_id: int,
    *,
    only: Collection[int] = (),
    progress: Progress = unseen,
) -> UndoOutcome:
    """Put back what a run filed, or `only` the messages that had these UIDs before."""
    with hold(account, settings, "undo") as held:
        noted = {LOCK: lock_of(account)}
        again, beside = held.open, held.look_on
        return undo(
            run_id, held.open(), held.ledger, only=only, noted=noted, reopen=again, look_on=beside, progress=progress
        )


def task_of(settings: MailboxSettings) -> Task:
    """Return what is to be looked at, and by which rules."""
    return Task(
        mailbox=settings.address,
        inbox=settings.inbox,
        target=settings.target,
        sent_folders=settings.sent_folders,
        identity=identity_of(settings),
        policy=policy_of(settings),
        complete_since=settings.sent_complete_since,
        network=network_of(settings.network),
    )


# --- pieces --------------------------------------------------------------------------------------------------------


def known_before(
    stack: ExitStack, settings: MailboxSettings, *, again: bool = False, full: bool = False
) -> tuple[dict[str, Verdict], Memory | None]:
    """Return what people said, and a copy of what earlier runs read; a dry run makes no ledger where there is none."""
    where = ledger_of(settings)
    if not is_there(where):
        return {}, None
    with Ledger.open(where) as ledger:
        passing = stack.enter_context(Ledger.open(":memory:"))
        memory = None if full else ledger.memory(settings.address).copied_to(passing.engine)
        return _words(ledger, settings, again), memory


def _words(ledger: Ledger, settings: MailboxSettings, again: bool) -> dict[str, Verdict]:
    return ledger.labels(settings.address, without=(UNDO_LABEL,) if again else ())


def _start(ledger: Ledger, account: Account, settings: MailboxSettings, options: Mapping[str, object]) -> int:
    policy, noted = settings.policy.name, {**options, LOCK: lock_of(account)}
    return ledger.start_run(
        settings.address, "run", actor=account.who, version=__version__, policy=policy, options=noted
    )


def _record(ledger: Ledger, account: Account, settings: MailboxSettings, seen: Look) -> int:
    options = {"answer": seen.state.answer.value, "headline": seen.state.headline, "target": seen.plan.target}
    run_id = _start(ledger, account, settings, options)
    ledger.record_findings(run_id, seen.judged, seen.plan)
    ledger.record_sent(run_id, seen.sources, seen.sent.coverage)
    return run_id


def _rest(held: Held, account: Account, settings: MailboxSettings, seen: Look) -> Done:
    """Write down that nothing happened."""
    assert seen.resting is not None
    run_id = _start(held.ledger, account, settings, {"resting_since": seen.resting.run_id})
    held.ledger.finish_run(run_id, seen.resting.counts | {"filed": 0})
    return Done(run_id, seen, Recovered(), None, None, held.bytes_read, held.round_trips)


def _remember(memory: Memory, run_id: int, seen: Look, outcome: FilingOutcome | None) -> None:
    """Write down what the next run may build on. Where something is left to do, it looks again in any case."""
    inbox = memory.cursors()[seen.task.inbox]
    if outcome:
        memory.vanished(inbox, [ref.uid for ref in outcome.moved])
    through = not seen.plan.moves or (outcome is not None and outcome.complete)
    through = through and seen.sent.coverage.unusable() is None  # tomorrow the server may show what it did not today
    memory.remember(Remembered(READ_BY, seen.judged_by if through else None, run_id, _left(seen, outcome)))


def _file(
    held: Held, run_id: int, seen: Look, mailbox: Mailbox, agreed: Callable[[Look], bool], progress: Progress
) -> FilingOutcome | None:
    counts, ledger = _counts(seen), held.ledger
    if seen.plan.refusals or not seen.plan.moves or not _is_agreed(ledger, run_id, seen, agreed):
        refused = bool(seen.plan.refusals and seen.plan.moves)
        ledger.finish_run(run_id, counts, "refused" if refused else "done")
        return None
    try:
        journal = Journal(ledger, run_id, seen.task.mailbox)
        outcome = file_all(seen.plan, mailbox, journal, reopen=held.open, look_on=held.look_on, progress=progress)
    except CleanupError:
        ledger.finish_run(run_id, counts, "failed")
        raise
    ledger.finish_run(run_id, counts | {"filed": len(outcome.moved)}, "done" if outcome.complete else "partly")
    if outcome.stopped:
        raise outcome.stopped
    return outcome


def _is_agreed(ledger: Ledger, run_id: int, seen: Look, agreed: Callable[[Look], bool]) -> bool:
    """Return the answer; a run that was stopped at the question does not count as running for ever."""
    try:
        return agreed(seen)
    except BaseException:
        ledger.finish_run(run_id, _counts(seen), "stopped")
        raise


def _leave_digest(
    held: Held,
    run_id: int,
    seen: Look,
    outcome: FilingOutcome,
    settings: MailboxSettings,
    mailbox: Mailbox,
    now: datetime,
) -> str | None:
    """Append the owner's message on what was filed; return what went wrong with it, which undoes nothing."""
    if not outcome.moved or settings.digest == "never":
        return None
    task = seen.task
    moved = frozenset(outcome.moved)
    digest = Digest(task.mailbox, run_id, seen.state.headline, seen.judged, moved, task.inbox, outcome.target)
    folder = outcome.target if settings.digest == "folder" else task.inbox
    try:
        (held.open() if mailbox.dead else mailbox).append(folder, digest_message(digest, now=now), (), now)
    except CleanupError as error:
        return f"no digest was left: {error}"
    return None


def _left(seen: Look, outcome: FilingOutcome | None) -> dict[str, int]:
    """Return the counts of what lies in the Inbox after a run."""
    moved = frozenset(outcome.moved) if outcome else frozenset()
    return _counts(replace(seen, judged=tuple(one for one in seen.judged if one.ref not in moved)))


def _counts(seen: Look) -> dict[str, int]:
    verdicts = [one.finding.verdict for one in seen.judged]
    by_word = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    return {"messages": seen.ordinary + len(seen.judged), "notices": len(seen.judged)} | by_word
