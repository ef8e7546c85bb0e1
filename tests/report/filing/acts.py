"""What the tests of moving do over and over: a ledger, a plan of everything bad, a run, an undo."""

from __future__ import annotations

from collections.abc import Callable

from cleanup.connector.mailbox import Mailbox
from cleanup.ledger import Ledger
from cleanup.model import FilingPlan, MessageRef, PlannedMove
from cleanup.progress import Progress, unseen
from cleanup.report.filing.execute import Batches, MoveResults, file_all
from cleanup.report.filing.journal import Journal
from cleanup.report.filing.recovery import Recovered, recover
from cleanup.report.filing.undo import UndoOutcome, undo

OWNER = "anna@example.org"
TARGET = "Backscatter"
BATCHES = Batches(first=3, usual=3, large=3)  # few, so that a handful of messages takes several
Reopen = Callable[[], Mailbox]


def plan_of(mailbox: Mailbox, uids: list[int], source: str = "INBOX", target: str = TARGET) -> FilingPlan:
    state = mailbox.examine(source)
    seen = mailbox.fingerprints(source, uids)
    moves = [PlannedMove(MessageRef(source, state.uidvalidity, u), s.fingerprint, s.flags) for u, s in seen.items()]
    return FilingPlan(source, target, state.uidvalidity, tuple(moves))


def file_these(
    ledger: Ledger,
    mailbox: Mailbox,
    plan: FilingPlan,
    reopen: Reopen | None = None,
    look_on: Reopen | None = None,
    pause: Callable[[float], None] = lambda _: None,
    progress: Progress = unseen,
    batches: Batches = BATCHES,
) -> MoveResults:
    run = ledger.start_run(OWNER, "run")
    journal = Journal(ledger, run, OWNER)
    more = {"reopen": reopen, "look_on": look_on, "batches": batches, "pause": pause, "progress": progress}
    outcome = file_all(plan, mailbox, journal, **more)
    ledger.finish_run(run, {"moved": len(outcome.moved)})
    return outcome


def recover_now(ledger: Ledger, mailbox: Mailbox, reopen: Reopen | None = None) -> Recovered:
    return recover(ledger, OWNER, mailbox, reopen=reopen, pause=lambda _: None)


def undo_run(
    ledger: Ledger,
    mailbox: Mailbox,
    run: int,
    *,
    only: tuple[int, ...] = (),
    reopen: Reopen | None = None,
    look_on: Reopen | None = None,
    pause: Callable[[float], None] = lambda _: None,
    progress: Progress = unseen,
) -> UndoOutcome:
    more = {"reopen": reopen, "look_on": look_on, "batches": BATCHES, "pause": pause, "progress": progress}
    return undo(run, mailbox, ledger, only=only, **more)
