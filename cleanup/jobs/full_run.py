"""A run on a night on which something happened: reconcile, look, ask, file, write down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from cleanup.connector.mailbox import Mailbox
from cleanup.errors import CleanupError, StopNow
from cleanup.jobs.idle_check import READ_BY, IdleCheck, Look, Task
from cleanup.jobs.look import look
from cleanup.jobs.result import Done
from cleanup.jobs.session import MailboxSession, labels_of
from cleanup.jobs.sync import what_look_asks
from cleanup.ledger import Memory
from cleanup.ledger.values import SENDERS, TOLD_RECORDS, Remembered
from cleanup.progress import Progress
from cleanup.report.counts import count_judged
from cleanup.report.digest import Digest, digest_message
from cleanup.report.filing.execute import MoveResults, file_all
from cleanup.report.filing.journal import Journal
from cleanup.report.filing.plan import MARKED


def look_and_file(
    session: MailboxSession,
    task: Task,
    checked: IdleCheck | None,
    mailbox: Mailbox,
    *,
    now: datetime,
    again: bool,
    agreed: Callable[[Look], bool],
    may_exceed: bool,
    progress: Progress,
) -> Done:
    """Do what run.run_mailbox() promises, in a mailbox in which something happened. `checked` saves asking again."""
    memory = session.ledger.memory(task.mailbox)
    recovered, mailbox = session.recover(task.mailbox, mailbox, lambda: what_look_asks(task, memory, checked))
    labels = labels_of(session.ledger, session.settings, again=again)
    known = checked if not recovered.reconciled else None  # reconciling changes folders: what was checked is old then
    seen = look(mailbox, task, now=now, labels=labels, progress=progress, memory=memory, seen=known)
    told_before = session.ledger.told_records(task.mailbox)
    # Written down before the question, and before anything moves: a run that is cut off there can be told and undone.
    run_id = _record(session, seen, told_before)
    seen, go_on = _ask(session, run_id, seen, agreed, may_exceed)
    outcome = _file(session, run_id, seen, mailbox, progress) if go_on else None
    if outcome and outcome.stopped:
        outcome.stopped.done = Done(run_id, seen, recovered, outcome, None, session.bytes_read, session.round_trips)
        raise outcome.stopped
    _remember(memory, run_id, seen, outcome)
    remark = _leave_digest(session, run_id, seen, outcome, mailbox, now) if outcome else None
    before = _ended_early(session, run_id) if outcome and outcome.moved else ()
    return Done(run_id, seen, recovered, outcome, remark, session.bytes_read, session.round_trips, before, told_before)


# --- pieces --------------------------------------------------------------------------------------------------------


def _ended_early(session: MailboxSession, run_id: int) -> tuple[tuple[int, int], ...]:
    """Return the runs right before this one that ended early, and how much of what they moved stands, newest first."""
    earlier = [run for run in session.ledger.runs(session.settings.address, limit=50) if run.run_id < run_id]
    unfinished = takewhile(lambda run: run.command == "run" and run.status != "done", earlier)
    return tuple((run.run_id, run.filed) for run in unfinished if run.filed)


def _record(session: MailboxSession, seen: Look, told_before: frozenset[str]) -> int:
    options = {
        "answer": seen.state.answer.value,
        "headline": seen.state.headline,
        "target": seen.plan.target,
        SENDERS: [[one.who, one.source.value, one.says] for one in seen.senders],
        TOLD_RECORDS: sorted(told_before.union(one.domain for one in seen.failing_records)),
    }
    run_id = session.start_run(options, _counts(seen))
    session.ledger.record_findings(run_id, seen.judged, seen.plan)
    session.ledger.record_sent(run_id, seen.sources, seen.sent.coverage)
    return run_id


def _remember(memory: Memory, run_id: int, seen: Look, outcome: MoveResults | None) -> None:
    """Write down what the next run may build on. Where something is left to do, it looks again in any case."""
    inbox = memory.cursors()[seen.task.inbox]
    if outcome:
        moved = {ref.uid for ref in outcome.moved}
        memory.vanished(inbox, moved)
        if not outcome.stopped:  # what did not go, though it was its turn, may be another message by now
            memory.read_again(inbox, {move.ref.uid for move in seen.plan.moves} - moved)
    through = not seen.plan.moves or (outcome is not None and outcome.complete and not outcome.gone)
    through = through and seen.why_sent_is_silent is None  # tomorrow the server may show what it did not today
    through = through and not seen.passed_over
    through = through and all(one.reason != MARKED for one in seen.plan.not_filed)  # a mark changes no number
    gone = frozenset(outcome.moved) if outcome else frozenset()
    left = replace(seen, judged=tuple(one for one in seen.judged if one.ref not in gone))  # what lies in the Inbox now
    memory.remember(Remembered(READ_BY, seen.judged_by if through else None, run_id, _counts(left)))


def _ask(
    session: MailboxSession, run_id: int, seen: Look, agreed: Callable[[Look], bool], may_exceed: bool
) -> tuple[Look, bool]:
    """Return the look, its plan let through its limits where a person says so, and whether to carry it out."""
    limited = seen.plan.limits is not None and may_exceed
    if seen.plan.moves and (limited or not seen.plan.refusals):
        try:
            go_on = agreed(seen)
        except BaseException:  # Ctrl-C at the question, too: such a run must not count as running for ever
            session.ledger.finish_run(run_id, _counts(seen), "stopped")
            raise
        if go_on:
            return replace(seen, plan=seen.plan.let_through()), True
    refused = bool(seen.plan.refusals and seen.plan.moves)
    session.ledger.finish_run(run_id, _counts(seen), "refused" if refused else "done")
    return seen, False


def _file(session: MailboxSession, run_id: int, seen: Look, mailbox: Mailbox, progress: Progress) -> MoveResults:
    counts, ledger = _counts(seen), session.ledger
    try:
        journal = Journal(ledger, run_id, seen.task.mailbox)
        outcome = file_all(seen.plan, mailbox, journal, reopen=session.open, look_on=session.look_on, progress=progress)
    except (CleanupError, StopNow) as error:  # the latter: Ctrl-C while no batch was under way
        ledger.finish_run(run_id, counts, "failed" if isinstance(error, CleanupError) else "stopped")
        raise
    ledger.finish_run(run_id, counts | {"filed": len(outcome.moved)}, "done" if outcome.complete else "partly")
    return outcome


def _leave_digest(
    session: MailboxSession,
    run_id: int,
    seen: Look,
    outcome: MoveResults,
    mailbox: Mailbox,
    now: datetime,
) -> str | None:
    """Append the owner's message on what was filed; return what went wrong with it, which undoes nothing."""
    if not outcome.moved or session.settings.digest == "never":
        return None
    task = seen.task
    moved = frozenset(outcome.moved)
    digest = Digest(task.mailbox, run_id, seen.state.headline, seen.judged, moved, task.inbox, outcome.target)
    folder = outcome.target if session.settings.digest == "folder" else task.inbox
    try:
        (session.open() if mailbox.dead else mailbox).append(folder, digest_message(digest, now=now), (), now)
    except CleanupError as error:
        return f"no digest was left: {error}"
    return None


def _counts(seen: Look) -> dict[str, int]:
    return count_judged(seen.judged, ordinary=seen.ordinary).stored()
