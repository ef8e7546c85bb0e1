"""One mailbox from start to finish: lock, reconcile what an earlier run left open, look, ask, file, write down.

On most nights the idle check is all. What reads, judges and moves mail is imported where it is needed: it takes
longer to load than such a night does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cleanup.config import MailboxSettings, identity_of, ledger_of, policy_of
from cleanup.connector.account import Account
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.dns.network import network_of
from cleanup.errors import CleanupError
from cleanup.jobs.idle_check import Look, Task, at_rest, check_idle
from cleanup.jobs.result import Done
from cleanup.jobs.session import NOBODY_COUNTS, Ledgers, hold, labels_of, names_in_ledger, write_failure
from cleanup.ledger.values import UNDO_LABEL
from cleanup.model import MessageRef, Verdict
from cleanup.progress import Progress

if TYPE_CHECKING:
    from cleanup.ledger import Memory


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
        ends = time.monotonic() + settings.run_timeout_s

        def opened() -> Mailbox:
            return stack.enter_context(open_mailbox(account, read_only=True, run_deadline=ends))

        from cleanup.jobs.look import look

        earlier, mailbox = earlier_runs(stack, settings, account, opened, again=again, full=full)
        return look(
            mailbox,
            task,
            now=now,
            labels=earlier.labels,
            progress=progress,
            memory=earlier.memory,
            leaving=earlier.leaving,
        )


def run_mailbox(
    account: Account,
    settings: MailboxSettings,
    *,
    now: datetime,
    agreed: Callable[[Look], bool],
    may_exceed: bool = False,
    progress: Progress,
    again: bool = False,
    full: bool = False,
    since: datetime | None = None,
    ledgers: Ledgers | None = None,
    second_gate: AbstractContextManager[object] | None = NOBODY_COUNTS,
) -> Done:
    """File the backscatter of a mailbox and return what was done.

    `agreed` is shown what was found, before anything is moved, and says whether to go on. `may_exceed`: it is also
    asked where the policy's limits are met, and may let the plan through; without that they refuse. `again`: also file
    what an undo put back; without it that stays, so that no nightly run files what a person took back. `full`: read
    everything, whatever earlier runs read. `since`: file only what arrived from then on. `ledgers` are open for other
    mailboxes, too. `second_gate` is entered before a second connection is made, which looks on while messages are
    moved; None: there must be none. Where nothing happened since the last run, nothing is read and nobody is asked.

    Raises MailboxLocked, the connector's errors, LedgerUnusable; what had been moved by then is in the ledger, and the
    next run reconciles it.
    """
    task = replace(task_of(settings), since=since)
    session = None
    try:
        with hold(account, settings, "run", ledgers, second_gate) as session:
            if full:
                memory = session.ledger.memory(settings.address)
                memory.retire(list(memory.cursors()))
            last_run = session.last_run(without=UNDO_LABEL if again else None)
            mailbox, seen = session.open(), None
            if not last_run.open_moves:  # those are reconciled first, whatever else happened
                seen = check_idle(mailbox, task, last_run)
            if seen and (last := seen.resting):
                found = at_rest(task, seen, last)
                run_id = session.write_rest({"resting_since": last.run_id}, last.counts | {"filed": 0})
                return Done(run_id, found, None, None, None, session.bytes_read, session.round_trips)
            from cleanup.jobs.full_run import look_and_file  # what most nights do not need

            return look_and_file(
                session,
                task,
                seen,
                mailbox,
                now=now,
                again=again,
                agreed=agreed,
                may_exceed=may_exceed,
                progress=progress,
            )
    except CleanupError as error:
        if session is None or not session.begun:  # else the run stands in the ledger already
            write_failure(account, settings, error, ledgers)
        raise


def task_of(settings: MailboxSettings) -> Task:
    """Return what is to be looked at, and by which rules."""
    return Task(
        mailbox=settings.address,
        inbox=settings.inbox,
        target=settings.target,
        sent_folders=settings.sent_folders,
        not_sent_folders=settings.not_sent_folders,
        identity=identity_of(settings),
        policy=policy_of(settings),
        complete_since=settings.sent_complete_since,
        network=network_of(settings.network),
    )


# --- pieces --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What a dry run knows of earlier runs, as a run would find it: all of it copies.

    `memory` is None where there is no ledger. `leaving` is what a run would take from its folder before it looks.
    """

    labels: Mapping[str, Verdict] = field(default_factory=dict)
    memory: Memory | None = None
    leaving: frozenset[MessageRef] = frozenset()


def earlier_runs(
    stack: ExitStack,
    settings: MailboxSettings,
    account: Account,
    opened: Callable[[], Mailbox],
    *,
    again: bool = False,
    full: bool = False,
) -> tuple[EarlierRuns, Mailbox]:
    """Return what earlier runs left, with what a run would settle first settled in memory; and a connection.

    A dry run makes no ledger where there is none, and writes nothing into one. Raises what would stop a run.
    """
    from cleanup.ledger import Ledger, is_there

    where = ledger_of(settings)
    if not is_there(where):
        return EarlierRuns(), opened()
    with Ledger.open(where, looking=True) as ledger:
        copy = stack.enter_context(ledger.copied(settings.address, names_in_ledger(settings, account)))
    from cleanup.report.filing.recovery import preview_recovery

    preview = preview_recovery(copy, settings.address, opened(), reopen=opened)
    labels, memory = labels_of(copy, settings, again=again), copy.memory(settings.address)
    if full:  # as run_mailbox() does: what was sent and is deleted since still spares
        memory.retire(list(memory.cursors()))
    # a connection that broke meanwhile is of no use any more
    return EarlierRuns(labels, memory, preview.leaving), opened() if preview.mailbox.dead else preview.mailbox
