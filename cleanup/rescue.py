"""Looks through Junk and the backscatter folder for genuine bounces, and moves those back that somebody asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup import __version__
from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.folders import Folder, backscatter_folder_name
from cleanup.connector.session import Mailbox, open_mailbox
from cleanup.detector.rescue import Rescue, worth_rescuing
from cleanup.errors import FinishedInPart
from cleanup.held import hold
from cleanup.look import Progress, look
from cleanup.model import FilingPlan, PlannedMove
from cleanup.report.filing import FilingOutcome, file_all
from cleanup.report.journal import Journal
from cleanup.report.recovery import recover
from cleanup.run import task_of


@dataclass(frozen=True, slots=True)
class Rescued:
    """What was moved back, and the run that undo takes back."""

    run_id: int
    outcomes: tuple[FilingOutcome, ...]

    @property
    def moved(self) -> int:
        """How many messages are in the Inbox again."""
        return sum(len(outcome.moved) for outcome in self.outcomes)


def offer(account: Account, settings: MailboxSettings, *, now: datetime, progress: Progress) -> tuple[Rescue, ...]:
    """Return the genuine notices that lie in Junk or in the backscatter folder, most important first. Reads only."""
    with open_mailbox(account, read_only=True) as mailbox:
        return _offered(mailbox, settings, now, progress)


def rescue(
    account: Account, settings: MailboxSettings, uids: Collection[int], *, now: datetime, progress: Progress
) -> Rescued:
    """Move offered notices with these UIDs (none named: all offered ones) to the Inbox, as a run that undo takes back.

    Raises as run.run_mailbox does, and FinishedInPart where some could not be moved.
    """
    with hold(account, settings, "rescue") as held:
        mailbox, ledger = held.open(), held.ledger
        recovered = recover(ledger, settings.address, mailbox, reopen=held.open)
        if recovered.stopped:
            raise recovered.stopped
        offered = _offered(mailbox, settings, now, progress)
        chosen = [one for one in offered if not uids or one.judged.ref.uid in uids]
        run_id = ledger.start_run(settings.address, "rescue", actor=account.who, version=__version__)
        journal = Journal(ledger, run_id, settings.address)
        outcomes = tuple(file_all(plan, mailbox, journal, reopen=held.open) for plan in _plans(chosen, settings))
        done = Rescued(run_id, outcomes)
        complete = all(outcome.complete for outcome in outcomes)
        ledger.finish_run(run_id, {"filed": done.moved}, "done" if complete else "partly")
    stopped = next((outcome.stopped for outcome in outcomes if outcome.stopped), None)
    if stopped or not complete:
        raise stopped or FinishedInPart("Some messages could not be moved back", hint="Run again")
    return done


def _offered(mailbox: Mailbox, settings: MailboxSettings, now: datetime, progress: Progress) -> tuple[Rescue, ...]:
    task = task_of(settings)
    folders = _put_away(mailbox.folders(), settings)
    looks = [look(mailbox, replace(task, inbox=name), now=now, progress=progress) for name in folders]
    return worth_rescuing(judged for seen in looks for judged in seen.judged)


def _put_away(folders: Sequence[Folder], settings: MailboxSettings) -> tuple[str, ...]:
    """Return the folders that exist of Junk (RFC 6154) and the backscatter folder."""
    junk = {f.name for f in folders if "\\junk" in f.attributes or f.parts[-1].lower() in ("junk", "spam")}
    target = backscatter_folder_name(folders, settings.target)
    return tuple(sorted(f.name for f in folders if f.selectable and f.name in {*junk, target}))


def _plans(chosen: Sequence[Rescue], settings: MailboxSettings) -> Iterator[FilingPlan]:
    for place in sorted({(one.judged.ref.folder, one.judged.ref.uidvalidity) for one in chosen}):
        here = [one.judged for one in chosen if (one.judged.ref.folder, one.judged.ref.uidvalidity) == place]
        moves = tuple(PlannedMove(one.ref, one.fingerprint, one.flags) for one in here)
        yield FilingPlan(place[0], settings.inbox, place[1], moves)
