"""At the start of every run: what was cut off is reconciled, and what the owner moved back is noticed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from cleanup.connector.mailbox import Mailbox
from cleanup.connector.questions import Examine, Question, StillThere, Uids
from cleanup.errors import CleanupError, CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import Ledger, MoveRecord, MoveState
from cleanup.ledger.values import Target
from cleanup.model import MessageRef
from cleanup.report.filing.journal import Journal, MoveOutcome, why_in_both
from cleanup.report.filing.races import put_flags_right
from cleanup.report.filing.reconcile import reconcile
from cleanup.report.filing.verify import DELETED, Connection, grouped, has_mark, likeness, view
from cleanup.report.text import plural

YOUNG = timedelta(seconds=60)
CALM_S = 2.0  # a server may still be at a command whose client died; measured on Dovecot: milliseconds
FEW = 2_000  # messages: of more the whole folder is listed, by one command
_NO_RUN = 0
BEING_REMOVED = "it came into two folders at once, and is being removed from one"  # a note of versions up to schema 3
Then = Callable[[], Sequence[Question[Any]]] | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of moves that an earlier run left open, and which filed messages the owner moved back."""

    reconciled: tuple[MoveOutcome, ...] = ()
    returned: tuple[MoveRecord, ...] = ()
    stopped: CleanupError | None = None

    def in_words(self) -> str:
        """Return what was found, a sentence a line; "" where all was in order."""
        counts = Counter(_in_words(one) for one in self.reconciled)
        lines = [f"Of an earlier run that was cut off, {plural(n, 'message')} {words}." for words, n in counts.items()]
        if self.returned:
            count = f"{plural(len(self.returned), 'message')} {'was' if len(self.returned) == 1 else 'were'}"
            lines.append(f"{count} moved back by hand: genuine from now on.")
        lines += [f"Earlier moves could not be looked at: {self.stopped}"] if self.stopped else []
        return "\n".join(lines)


def _in_words(one: MoveOutcome) -> str:
    if one.state is MoveState.MOVED and one.record.intent.keeps_source:
        intent = one.record.intent
        return f"had been copied back from {intent.source} to {intent.target}. Nothing was removed from {intent.source}"
    if one.state is MoveState.MOVED:
        return "had arrived"
    if one.state is MoveState.TAKEN:
        return "left both folders: somebody moved or deleted what is missing"
    if one.is_in_both:
        return f"stayed in {one.ref.folder} and came into {one.record.intent.target}, too ({why_in_both(one.note)})"
    return "had not been moved"


def recover(
    ledger: Ledger,
    name: str,
    mailbox: Mailbox,
    *,
    reopen: Callable[[], Mailbox] | None = None,
    pause: Callable[[float], None] = time.sleep,
    then: Then = None,
) -> Recovered:
    """Reconcile what earlier runs in the mailbox `name` left open, then notice what the owner moved back.

    `then` returns what will be asked next, to be sent together with the last look.
    Sends nothing where the ledger holds no open and no standing move; changes the mailbox only to finish a message that
    is in both folders. Raises nothing that is a CleanupError: with `stopped` set, nothing more must be moved.
    """
    journal, connection = Journal(ledger, _NO_RUN, name), Connection(mailbox, reopen)
    reconciled: list[MoveOutcome] = []
    try:
        reconciled += reconcile_open(journal, connection, pause=pause)
        return Recovered(tuple(reconciled), notice_returned(journal, connection, then))
    except CleanupError as error:
        return Recovered(tuple(reconciled), stopped=error)


@dataclass(frozen=True, slots=True)
class RecoveryPreview:
    """What a run would reconcile first, written into a copy of the ledger alone.

    `leaving` are messages that lie in their source folder and in their target: a run takes them from the source.
    `mailbox` is the connection now.
    """

    leaving: frozenset[MessageRef]
    mailbox: Mailbox


def preview_recovery(
    copy: Ledger,
    name: str,
    mailbox: Mailbox,
    *,
    reopen: Callable[[], Mailbox] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> RecoveryPreview:
    """Reconcile in a copy of the ledger what recover() would reconcile, by looking alone: for a dry run.

    Raises what would stop a run, too.
    """
    journal, connection = Journal(copy, _NO_RUN, name), Connection(mailbox, reopen)
    leaving: set[MessageRef] = set()
    for group in _waiting(journal, pause):
        outcomes = reconcile(group, connection, journal, by_looking_alone=True)
        both = {one.ref for one in outcomes if one.is_in_both}
        if (
            both
            and connection.mailbox.examine(group[0].intent.source).uidvalidity != group[0].intent.source_uidvalidity
        ):
            continue  # nobody can tell any more which one would have to go
        leaving |= both
        journal.write(replace(one, state=MoveState.MOVED) if one.is_in_both else one for one in outcomes)
    notice_returned(journal, connection)
    return RecoveryPreview(frozenset(leaving), connection.mailbox)


def _waiting(journal: Journal, pause: Callable[[float], None]) -> list[list[MoveRecord]]:
    """Return the open moves by the folders between which they go, once a server had time to end what it was at."""
    waiting = journal.open_moves()
    if any(datetime.now(UTC) - record.intended < YOUNG for record in waiting):
        pause(CALM_S)
    return grouped(waiting)


def reconcile_open(
    journal: Journal, connection: Connection, *, pause: Callable[[float], None] = time.sleep
) -> list[MoveOutcome]:
    """Look where the messages of open moves are, finish what was only copied, and write it down.

    What cannot be removed from its source even now stays open and is tried again by the next run; it hinders no other
    move, as a server's fault with one message must not end every later run.
    """
    reconciled: list[MoveOutcome] = []
    for group in _waiting(journal, pause):
        outcomes = put_flags_right(reconcile(group, connection, journal), connection, journal)
        for one in outcomes:
            if one.record.note == BEING_REMOVED and not one.is_in_both:
                connection.reconnecting(partial(_unmark, one))
        reconciled += journal.write(outcomes)
    return reconciled


def _unmark(one: MoveOutcome, mailbox: Mailbox) -> None:
    r"""Take the mark \Deleted from what an older version was about to remove, as it came into two folders at once."""
    intent = one.record.intent
    where = (intent.target, intent.target_uidvalidity, one.target_uid)
    if one.state is not MoveState.MOVED:
        where = (intent.source, intent.source_uidvalidity, intent.uid)
    folder, uidvalidity, uid = where
    with suppress(CommandRefused, FolderNotFound, PermissionMissing):  # then a person sees the mark
        if uid is None or mailbox.select(folder).uidvalidity != uidvalidity:
            return
        seen = mailbox.fingerprints(folder, [uid]).get(uid)
        if seen and likeness(seen.fingerprint) == likeness(intent.fingerprint) and has_mark(seen.flags):
            mailbox.change_flags([uid], remove=[DELETED])


# --- what the owner moved back -------------------------------------------------------------------------------------


def notice_returned(journal: Journal, connection: Connection, then: Then = None) -> tuple[MoveRecord, ...]:
    """Return the filed messages that the owner moved back, and label them genuine; others that are gone are noted.

    Costs a look at each target's numbers, and no more where it did not change, however much was ever filed there. A
    target that was renumbered, renamed or deleted says nothing of single messages: then nothing is concluded.
    """
    ledger, returned = journal.ledger, list[MoveRecord]()
    targets = ledger.targets(journal.mailbox)
    for target in targets:
        and_then = then if target is targets[-1] else None  # what is asked next goes out with the last look here
        missing, now = connection.reconnecting(partial(_missing, target, journal, and_then))
        for group in grouped(missing):
            back = connection.reconnecting(partial(_back_at_source, group))
            states = {True: MoveState.RETURNED, False: MoveState.LOST_SIGHT}
            journal.write(MoveOutcome(record, states[record.move_id in back]) for record in group)
            returned += [record for record in group if record.move_id in back]
        if now != target:  # last: who is cut off before looks at this target once more
            ledger.note_target(journal.mailbox, now)
    return tuple(returned)


def _missing(target: Target, journal: Journal, then: Then, mailbox: Mailbox) -> tuple[list[MoveRecord], Target]:
    """Return the moves whose messages are no longer in the target, and what it is now, to be remembered after that.

    Where nothing left it, as its numbers tell, only what came since it was last looked at is compared.
    """
    ledger, whose, folder = journal.ledger, journal.mailbox, target.folder
    first, is_known = target.uidnext or 1, target.uidnext is not None
    filed = ledger.standing_uids(whose, target, first=first)
    opening = Examine(folder)
    # few are named in one command; of many it is shorter to list the folder
    looks = Uids(folder, first) if is_known or len(filed) > FEW else StillThere(folder, filed)
    mailbox.send_ahead(opening, looks, *(then() if then else ()))
    try:
        state = mailbox.ask(opening)
    except FolderNotFound:
        return [], target
    if state.uidvalidity != target.uidvalidity:
        return [], target
    now = replace(target, uidnext=state.uidnext, held=state.exists)
    there: set[int] = set()
    if is_known:
        there = {uid for uid in mailbox.uids(folder, first=first) if uid < state.uidnext}
        if now == target:
            return [], target
        if state.exists - len(there) != target.held:  # something of before left it
            is_known, filed = False, ledger.standing_uids(whose, target)
    if not is_known:
        there = {*(mailbox.uids(folder) if len(filed) > FEW else mailbox.still_there(folder, filed))}
    return ledger.standing(whose, target, [uid for uid in filed if uid not in there]), now


def _back_at_source(missing: Sequence[MoveRecord], mailbox: Mailbox) -> set[int]:
    """Return which of the moves' messages are at the source again; they have new UIDs there, above the old ones."""
    if not missing:
        return set()
    first = missing[0].intent
    # what comes back has a UID above all that were given before, so above its own old one, too
    source = view(mailbox, first.source, first=min(r.intent.uid for r in missing) + 1)
    if source.uidvalidity != first.source_uidvalidity:
        source = view(mailbox, first.source)
    here = Counter(likeness(fingerprint) for fingerprint in source.seen.values())
    back = set()
    for record in missing:
        if here[likeness(record.intent.fingerprint)] > 0:
            here[likeness(record.intent.fingerprint)] -= 1
            back.add(record.move_id)
    return back
