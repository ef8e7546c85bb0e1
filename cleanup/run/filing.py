"""A run on a night on which something happened: settle, look, ask, file, write down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from cleanup.connector.session import Mailbox
from cleanup.errors import CleanupError
from cleanup.ledger import Ledger, Memory
from cleanup.ledger.values import SENDERS, Remembered
from cleanup.progress import Progress
from cleanup.report.digest import Digest, digest_message
from cleanup.report.filing import MARKED, FilingOutcome, file_all
from cleanup.report.journal import Journal
from cleanup.run.done import Done, counts_of
from cleanup.run.glance import READ_BY, Glance, Look, Task
from cleanup.run.held import Held, words_of
from cleanup.run.look import look, what_look_asks


def look_and_file(
    held: Held,
    task: Task,
    glanced: Glance | None,
    mailbox: Mailbox,
    *,
    now: datetime,
    again: bool,
    agreed: Callable[[Look], bool],
    may_exceed: bool,
    progress: Progress,
) -> Done:
    """Do what run.run_mailbox() promises, in a mailbox in which something happened. `glanced` saves asking again."""
    memory = held.ledger.memory(task.mailbox)
    recovered, mailbox = held.settle(task.mailbox, mailbox, lambda ahead: what_look_asks(ahead, memory, glanced))
    labels = words_of(held.ledger, held.settings, again=again)
    known = glanced if not recovered.settled else None
    seen = look(mailbox, task, now=now, labels=labels, progress=progress, memory=memory, seen=known)
    run_id = _record(held, seen)
    seen, go_on = _asked(held, run_id, seen, agreed, may_exceed)
    outcome = _file(held, run_id, seen, mailbox, progress) if go_on else None
    _remember(memory, run_id, seen, outcome)
    remark = _leave_digest(held, run_id, seen, outcome, mailbox, now) if outcome else None
    return Done(run_id, seen, recovered, outcome, remark, held.bytes_read, held.round_trips)


# --- pieces --------------------------------------------------------------------------------------------------------


def _record(held: Held, seen: Look) -> int:
    options = {
        "answer": seen.state.answer.value,
        "headline": seen.state.headline,
        "target": seen.plan.target,
        SENDERS: [[one.who, one.source.value, one.says] for one in seen.senders],
    }
    run_id = held.start_run(options)
    held.ledger.record_findings(run_id, seen.judged, seen.plan)
    held.ledger.record_sent(run_id, seen.sources, seen.sent.coverage)
    return run_id


def _remember(memory: Memory, run_id: int, seen: Look, outcome: FilingOutcome | None) -> None:
    """Write down what the next run may build on. Where something is left to do, it looks again in any case."""
    inbox = memory.cursors()[seen.task.inbox]
    if outcome:
        memory.vanished(inbox, [ref.uid for ref in outcome.moved])
    through = not seen.plan.moves or (outcome is not None and outcome.complete and not outcome.gone)
    through = through and seen.why_sent_is_silent is None  # tomorrow the server may show what it did not today
    through = through and not seen.passed_over
    through = through and all(one.reason != MARKED for one in seen.plan.not_filed)  # a mark changes no number
    memory.remember(Remembered(READ_BY, seen.judged_by if through else None, run_id, _left(seen, outcome)))


def _asked(held: Held, run_id: int, seen: Look, agreed: Callable[[Look], bool], may_exceed: bool) -> tuple[Look, bool]:
    """Return the look, its plan let through its limits where a person says so, and whether to carry it out."""
    limited = seen.plan.limits is not None and may_exceed
    if seen.plan.moves and (limited or not seen.plan.refusals) and _is_agreed(held.ledger, run_id, seen, agreed):
        return replace(seen, plan=seen.plan.let_through()), True
    refused = bool(seen.plan.refusals and seen.plan.moves)
    held.ledger.finish_run(run_id, _counts(seen), "refused" if refused else "done")
    return seen, False


def _file(held: Held, run_id: int, seen: Look, mailbox: Mailbox, progress: Progress) -> FilingOutcome:
    counts, ledger = _counts(seen), held.ledger
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
    mailbox: Mailbox,
    now: datetime,
) -> str | None:
    """Append the owner's message on what was filed; return what went wrong with it, which undoes nothing."""
    if not outcome.moved or held.settings.digest == "never":
        return None
    task = seen.task
    moved = frozenset(outcome.moved)
    digest = Digest(task.mailbox, run_id, seen.state.headline, seen.judged, moved, task.inbox, outcome.target)
    folder = outcome.target if held.settings.digest == "folder" else task.inbox
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
    return counts_of(seen.judged, seen.ordinary)
