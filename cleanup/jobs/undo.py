"""Takes back what a run moved: looks first for what a run that was cut off left open, then asks, then puts back.

What was put back is noted as the person's word (`UNDO_LABEL`), so that the next run leaves it where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.errors import UsageError
from cleanup.jobs.session import hold, lock_of
from cleanup.ledger.values import LOCK
from cleanup.progress import Progress, unseen
from cleanup.report.filing.journal import Journal
from cleanup.report.filing.recovery import reconcile_open
from cleanup.report.filing.undo import UndoOutcome, undo, undoable
from cleanup.report.filing.verify import Connection


def undo_run(
    account: Account,
    settings: MailboxSettings,
    run_id: int | None,
    *,
    chosen: Callable[[int, int], Collection[int] | None] = lambda _run_id, _count: (),
    progress: Progress = unseen,
) -> UndoOutcome | None:
    """Put back what a run moved, or what the last one of the mailbox did (`run_id` None).

    What a run that was cut off left open is looked for first; only then is it decided which run is the last, and what
    there is to put back.

    `chosen` is told the run and how many messages it moved. It says which ones (by the UIDs that they had before; none:
    all), or None where nothing is to be put back. `None` is returned then, or where nothing is left.

    Raises UsageError where no run is left to undo; MailboxLocked, LedgerUnusable, the connector's errors. What had been
    put back by then is in the ledger.
    """
    with hold(account, settings, "undo") as session:
        ledger = session.ledger
        connection = Connection(session.open(), session.open)
        first = reconcile_open(Journal(ledger, 0, settings.address), connection)
        last = ledger.last_filing(settings.address) if run_id is None else ledger.run(run_id)
        if last is None:
            raise UsageError("There is no run to undo", hint="mailbox-cleanup history shows the runs")
        count = len(undoable(ledger, last.run_id))
        only = chosen(last.run_id, count) if count else None
        if only is None:
            return None
        outcome = undo(
            last.run_id,
            connection.mailbox,
            ledger,
            only=only,
            noted={LOCK: lock_of(account)},
            reopen=session.open,
            look_on=session.look_on,
            progress=progress,
        )
        settled = tuple(one for one in first if not one.is_in_both)  # the others were looked at again
        return replace(outcome, reconciled=settled + outcome.reconciled)
