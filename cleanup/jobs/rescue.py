"""Looks through Junk and the backscatter folder for genuine bounces, and moves those back that somebody asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup import __version__
from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.folders import Folder, backscatter_folder_name
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.detector.rescue import Rescue, worth_rescuing
from cleanup.errors import FinishedInPart
from cleanup.jobs.look import look
from cleanup.jobs.run import earlier_runs, task_of
from cleanup.jobs.session import hold, lock_of
from cleanup.ledger import LOCK, Ledger, Memory
from cleanup.model import FilingPlan, PlannedMove, Verdict
from cleanup.progress import Progress
from cleanup.report.filing.execute import MoveResults, file_all
from cleanup.report.filing.journal import Journal


@dataclass(frozen=True, slots=True)
class Rescued:
    """What was moved back, and the run that undo takes back."""

    run_id: int
    outcomes: tuple[MoveResults, ...]

    @property
    def moved(self) -> int:
        """How many messages are in the Inbox again."""
        return sum(len(outcome.moved) for outcome in self.outcomes)


def offer(account: Account, settings: MailboxSettings, *, now: datetime, progress: Progress) -> tuple[Rescue, ...]:
    """Return the genuine notices that lie in Junk or in the backscatter folder, most important first. Reads only."""
    with ExitStack() as stack:
        earlier, mailbox = earlier_runs(
            stack, settings, account, lambda: stack.enter_context(open_mailbox(account, read_only=True))
        )
        memory = earlier.memory or stack.enter_context(Ledger.open(":memory:")).memory(settings.address)
        return _offered(mailbox, settings, earlier.labels, memory, now, progress)


def rescue(
    account: Account,
    settings: MailboxSettings,
    *,
    now: datetime,
    agreed: Callable[[Sequence[Rescue]], Sequence[Rescue]],
    progress: Progress,
) -> Rescued | None:
    """Move genuine notices from Junk and the backscatter folder to the Inbox, as a run that undo takes back.

    `agreed` is shown what is offered, and says which of it to move; for nothing, None is returned and no run written
    down. Raises as run.run_mailbox does, and FinishedInPart where some could not be moved.
    """
    with hold(account, settings, "rescue") as session, Ledger.open(":memory:") as passing:
        ledger = session.ledger
        _, mailbox = session.recover(settings.address, session.open())
        memory = ledger.memory(settings.address).copied_to(passing.engine)
        labels = ledger.labels(settings.address)
        chosen = agreed(_offered(mailbox, settings, labels, memory, now, progress))
        if not chosen:
            return None
        noted = {LOCK: lock_of(account)}
        run_id = ledger.start_run(settings.address, "rescue", actor=account.who, version=__version__, options=noted)
        journal = Journal(ledger, run_id, settings.address)
        by_place: dict[tuple[str, int], list[PlannedMove]] = defaultdict(list)  # a plan moves out of one folder
        for one in (offered.judged for offered in chosen):
            by_place[one.ref.folder, one.ref.uidvalidity].append(PlannedMove(one.ref, one.fingerprint, one.flags))
        outcomes = tuple(
            file_all(
                FilingPlan(folder, settings.inbox, uidvalidity, tuple(moves)),
                mailbox,
                journal,
                reopen=session.open,
                look_on=session.look_on,
                progress=progress,
            )
            for (folder, uidvalidity), moves in sorted(by_place.items())
        )
        done = Rescued(run_id, outcomes)
        complete = all(outcome.complete for outcome in outcomes)
        ledger.finish_run(run_id, {"filed": done.moved}, "done" if complete else "partly")
    stopped = next((outcome.stopped for outcome in outcomes if outcome.stopped), None)
    if stopped or not complete:
        raise stopped or FinishedInPart("Some messages could not be moved back", hint="Run again")
    return done


def _offered(
    mailbox: Mailbox,
    settings: MailboxSettings,
    labels: Mapping[str, Verdict],
    memory: Memory,
    now: datetime,
    progress: Progress,
) -> tuple[Rescue, ...]:
    """Return what is worth offering. One memory for all folders, so that Sent is read once."""
    task = task_of(settings)
    looks = [
        look(mailbox, replace(task, inbox=name), now=now, labels=labels, progress=progress, memory=memory)
        for name in _put_away(mailbox.folders(), settings)
    ]
    return worth_rescuing(judged for seen in looks for judged in seen.judged)


def _put_away(folders: Sequence[Folder], settings: MailboxSettings) -> tuple[str, ...]:
    """Return the folders that exist of the owner's own Junk (RFC 6154) and the backscatter folder."""
    own = [folder for folder in folders if folder.namespace is None or folder.namespace.is_personal]
    junk = {f.name for f in own if "\\junk" in f.attributes or f.parts[-1].lower() in ("junk", "spam")}
    target = backscatter_folder_name(folders, settings.target)
    return tuple(sorted(f.name for f in folders if f.selectable and f.name in {*junk, target}))
