"""At the start of every run: what was cut off is settled, and what the owner moved back is noticed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cleanup.errors import CleanupError, CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import Ledger, MoveRecord, MoveState
from cleanup.model import MessageRef
from cleanup.report.doubles import BEING_REMOVED, unmark
from cleanup.report.journal import Journal, Settled
from cleanup.report.link import Link
from cleanup.report.looking import BROKEN, grouped, look, settle, view
from cleanup.report.mailbox import Ahead, FilingMailbox
from cleanup.report.settling import Place, Sighting, likeness

YOUNG = timedelta(seconds=60)
CALM_S = 2.0  # a server may still be at a command whose client died; measured on Dovecot: milliseconds
_NO_RUN = 0
Then = Callable[[Ahead], Ahead] | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of moves that an earlier run left open, and which filed messages the owner moved back."""

    settled: tuple[Settled, ...] = ()
    returned: tuple[MoveRecord, ...] = ()
    stopped: CleanupError | None = None

    def in_words(self) -> str:
        """Return what was found, a sentence a line; "" where all was in order."""
        counts = Counter(one.state for one in self.settled)
        words = {
            MoveState.MOVED: "had arrived",
            MoveState.KEPT: "had not been moved",
            MoveState.TAKEN: "are in neither folder: somebody moved or deleted them",
            MoveState.UNCLEAR: "are still unclear",
        }
        lines = [f"Of an earlier run that was cut off, {n:,} {words[state]}." for state, n in counts.items()]
        if self.returned:
            lines.append(f"{len(self.returned):,} were moved back by hand; they count as genuine from now on.")
        lines += [f"Earlier moves could not be looked at: {self.stopped}"] if self.stopped else []
        return "\n".join(lines)


def recover(
    ledger: Ledger,
    name: str,
    mailbox: FilingMailbox,
    *,
    reopen: Callable[[], FilingMailbox] | None = None,
    pause: Callable[[float], None] = time.sleep,
    then: Then = None,
) -> Recovered:
    """Settle what earlier runs in the mailbox `name` left open, then notice what the owner moved back.

    `then` adds what will be asked for next, to be sent together with the last look.
    Sends nothing where the ledger holds no open and no standing move; changes the mailbox only to finish a message that
    is in both folders. Raises nothing that is a CleanupError: with `stopped` set, nothing more must be moved.
    """
    journal, link = Journal(ledger, _NO_RUN, name), Link(mailbox, reopen)
    settled: list[Settled] = []
    try:
        settled += settle_open(journal, link, pause=pause)
        return Recovered(tuple(settled), notice_returned(journal, link, then))
    except CleanupError as error:
        return Recovered(tuple(settled), stopped=error)


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a run would settle first, written into a copy of the ledger alone.

    `leaving` are messages that lie in their source folder and in their target: a run takes them from the source.
    `mailbox` is the connection now.
    """

    leaving: frozenset[MessageRef]
    mailbox: FilingMailbox


def foretell(
    copy: Ledger,
    name: str,
    mailbox: FilingMailbox,
    *,
    reopen: Callable[[], FilingMailbox] | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Foretold:
    """Settle in a copy of the ledger what recover() would settle, by looking alone: for a dry run.

    Raises what would stop a run, too.
    """
    journal, link = Journal(copy, _NO_RUN, name), Link(mailbox, reopen)
    leaving: set[MessageRef] = set()
    for group in _waiting(journal, pause):
        sightings = _looked_at(group, link, journal)
        both = [s for s in sightings if s.place is Place.BOTH]
        unfinished = [s for s in both if s.renumbered]  # nobody can tell any more which one would have to go
        way = group[0].intent
        leaving |= {
            MessageRef(way.source, way.source_uidvalidity, s.record.intent.uid) for s in both if s not in unfinished
        }
        journal.settle(Settled(s.record, _ENDS[s.place], s.target_uid) for s in sightings if s not in unfinished)
    notice_returned(journal, link)
    return Foretold(frozenset(leaving), link.mailbox)


_ENDS = {
    Place.SOURCE: MoveState.KEPT,
    Place.TARGET: MoveState.MOVED,
    Place.BOTH: MoveState.MOVED,
    Place.NEITHER: MoveState.TAKEN,
}


def _looked_at(group: Sequence[MoveRecord], link: Link, journal: Journal) -> list[Sighting]:
    while True:
        try:
            return look(group, link.mailbox, journal, {})
        except BROKEN as error:
            link.renew(error)


def _waiting(journal: Journal, pause: Callable[[float], None]) -> list[list[MoveRecord]]:
    """Return the open moves by the folders between which they go, once a server had time to end what it was at."""
    waiting = journal.open_moves()
    if any(datetime.now(UTC) - record.intended < YOUNG for record in waiting):
        pause(CALM_S)
    return grouped(waiting)


def settle_open(journal: Journal, link: Link, *, pause: Callable[[float], None] = time.sleep) -> list[Settled]:
    """Look where the messages of open moves are, finish what was only copied, and write it down."""
    settled: list[Settled] = []
    for group in _waiting(journal, pause):
        _unmark(group, link)
        settled += journal.settle(settle(group, link, journal))
    return settled


def _unmark(group: Sequence[MoveRecord], link: Link) -> None:
    """Take the marks from what a run that was cut off was about to remove from one of two folders."""
    marked = [record for record in group if record.note == BEING_REMOVED]
    while marked:
        try:
            for record in marked:
                unmark(record, link.mailbox)
            return
        except (CommandRefused, FolderNotFound, PermissionMissing):
            return  # then a person sees the mark
        except BROKEN as error:
            link.renew(error)


# --- what the owner moved back -------------------------------------------------------------------------------------


def notice_returned(journal: Journal, link: Link, then: Then = None) -> tuple[MoveRecord, ...]:
    """Return the filed messages that the owner moved back, and label them genuine; others that are gone are noted.

    A target that was renumbered, renamed or deleted says nothing of single messages: then nothing is concluded.
    """
    standing = journal.ledger.moves(mailbox=journal.mailbox, states=[MoveState.MOVED], undoing=False)
    returned: list[MoveRecord] = []
    groups = grouped(standing)
    for group in groups:
        while True:
            try:
                missing = _missing(group, link.mailbox, then if group is groups[-1] else None)
                back = _back_at_source(missing, link.mailbox)
                break
            except BROKEN as error:
                link.renew(error)
        states = {True: MoveState.RETURNED, False: MoveState.LOST_SIGHT}
        journal.settle(Settled(record, states[record.move_id in back]) for record in missing)
        returned += [record for record in missing if record.move_id in back]
    return tuple(returned)


def _missing(group: Sequence[MoveRecord], mailbox: FilingMailbox, then: Then) -> list[MoveRecord]:
    first = group[0].intent
    filed = [r.target_uid for r in group if r.target_uid is not None]
    ahead = mailbox.ahead().examine(first.target).still_there(filed)
    mailbox.foresee(then(ahead) if then else ahead)
    try:
        state = mailbox.examine(first.target)
    except FolderNotFound:
        return []
    if state.uidvalidity != first.target_uidvalidity:
        return []
    there = set(mailbox.still_there(first.target, filed))
    return [record for record in group if record.target_uid not in there]


def _back_at_source(missing: Sequence[MoveRecord], mailbox: FilingMailbox) -> set[int]:
    """Return which of the moves' messages are at the source again; they have new UIDs there, above the old ones."""
    if not missing:
        return set()
    first = missing[0].intent
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
