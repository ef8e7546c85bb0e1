"""One mailbox from start to finish: lock, settle what an earlier run left open, look, ask, file, write down.

On most nights a glance is all. What reads, judges and moves mail is imported where it is needed: it takes longer to
load than such a night does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from cleanup.config import MailboxSettings, identity_of, ledger_of, policy_of
from cleanup.connector.account import Account
from cleanup.connector.session import Mailbox, open_mailbox
from cleanup.dns import network_of
from cleanup.errors import CleanupError
from cleanup.ledger.values import LOCK, UNDO_LABEL, Left
from cleanup.model import Verdict
from cleanup.progress import Progress, unseen
from cleanup.run.done import Done
from cleanup.run.glance import Look, Task, at_rest, glance
from cleanup.run.held import Held, hold, lock_of, words_of, write_failure
from cleanup.run.ledgers import Ledgers
from cleanup.run.unhurried import unhurried

if TYPE_CHECKING:
    from cleanup.ledger import Memory
    from cleanup.report.undo import UndoOutcome


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
        ends = time.monotonic() + settings.run_timeout_s

        def opened() -> Mailbox:
            return stack.enter_context(open_mailbox(account, read_only=True, run_deadline=ends))

        mailbox = opened()
        from cleanup.run.look import look

        seen, _ = unhurried(
            mailbox,
            opened,
            lambda mailbox: look(mailbox, task, now=now, labels=labels, progress=progress, memory=memory),
        )
        return seen


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
    ledgers: Ledgers | None = None,
) -> Done:
    """File the backscatter of a mailbox and return what was done.

    `agreed` is shown what was found, before anything is moved, and says whether to go on. `again`: also file what an
    undo put back; without it that stays, so that no nightly run files what a person took back. `full`: read everything,
    whatever earlier runs read. `since`: file only what arrived from then on. `ledgers` are open for other
    mailboxes, too. Where nothing happened since the last run, nothing is read and nobody is asked.

    Raises MailboxLocked, the connector's errors, LedgerUnusable; what had been moved by then is in the ledger, and the
    next run settles it.
    """
    task = replace(task_of(settings), since=since)
    held = None
    try:
        with hold(account, settings, "run", ledgers) as held:
            left = _left(held, again=again, full=full)
            mailbox, seen = held.open(), None
            if not left.open_moves:
                seen, mailbox = unhurried(mailbox, held.open, lambda mailbox: glance(mailbox, task, left))
            if seen and seen.resting:
                return _rest(held, at_rest(task, seen, seen.resting))
            from cleanup.run.filing import look_and_file  # what most nights do not need

            return look_and_file(held, task, seen, mailbox, now=now, again=again, agreed=agreed, progress=progress)
    except CleanupError as error:
        if held is None or not held.begun:
            write_failure(account, settings, error, ledgers)
        raise


def undo_run(
    account: Account,
    settings: MailboxSettings,
    run_id: int,
    *,
    only: Collection[int] = (),
    progress: Progress = unseen,
) -> UndoOutcome:
    """Put back what a run filed, or `only` the messages that had these UIDs before."""
    from cleanup.report.undo import undo

    with hold(account, settings, "undo") as held:
        noted, ledger = {LOCK: lock_of(account)}, held.ledger
        again, beside = held.open, held.look_on
        return undo(
            run_id, held.open(), ledger, only=only, noted=noted, reopen=again, look_on=beside, progress=progress
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
    from cleanup.ledger import Ledger, is_there

    where = ledger_of(settings)
    if not is_there(where):
        return {}, None
    with Ledger.open(where) as ledger:
        passing = stack.enter_context(Ledger.open(":memory:"))
        memory = None if full else ledger.memory(settings.address).copied_to(passing.engine)
        return words_of(ledger, settings, again=again), memory


def _left(held: Held, *, again: bool, full: bool) -> Left:
    """Return what the last run left; with `full` only that it was here."""
    without = UNDO_LABEL if again else None
    if full:
        memory = held.ledger.memory(held.settings.address)
        memory.retire(list(memory.cursors()))
    return held.left(without=without)


def _rest(held: Held, seen: Look) -> Done:
    """Write down that nothing happened."""
    assert seen.resting is not None
    run_id = held.write_rest({"resting_since": seen.resting.run_id}, seen.resting.counts | {"filed": 0})
    return Done(run_id, seen, None, None, None, held.bytes_read, held.round_trips)
