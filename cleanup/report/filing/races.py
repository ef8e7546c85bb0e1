"""What others did with messages in the moment in which they were moved, seen over a second connection.

IMAP has no lock, and servers do not carry out a MOVE at once: they copy first and expunge then. A flag that you set in
between is confirmed to you and lost with the source: a connection that opened the source before the move still sees the
last flags of what was expunged (RFC 2180 section 4.1.2; Dovecot and Cyrus do so), and so the change is made up for.

What you, another machine or the server itself moves or copies in between is in two folders afterwards: in a folder of
yours and in ours, in one that keeps whatever is expunged (Dovecot's lazy_expunge, Exchange's recoverable items), in an
archive or a journal, in a virtual folder that shows it again. Nobody can tell these apart from outside, and to remove
"one too many" took the last one there was. So it is seen and told, and all of it is left.
"""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cleanup.connector.mailbox import FolderState, Mailbox
from cleanup.connector.questions import Examine, Flags, Numbering, Question, Uids, WatchFolder
from cleanup.errors import CleanupError, CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import MoveIntent, MoveState
from cleanup.report.filing.journal import Journal, MoveOutcome
from cleanup.report.filing.verify import DELETED, Connection, FolderView, MoveRoute, has_mark, likeness, view

CALM = 5  # times as long as our own slowest move: others' moves take a server as long
CALM_S = (0.05, 0.5)  # but so much at least, and at most
MOST_AT_ONCE = 3  # messages that you flag in the same moment, most of a batch
MOST_LOOKS = 4  # at flags that you may be changing
NOT_BELIEVED = "the server tells new flags of most of them from the moment of the move, which is not believed"
# Only what a STORE takes again as it is: some servers tell flags that are none (RFC 9051 section 9, flag).
_A_FLAG = re.compile(r"\\?[A-Za-z0-9$_.+-]{1,100}")
_NOT_CARRIED = frozenset({"\\deleted", "\\recent"})


@dataclass(frozen=True, slots=True)
class Came:
    """A message that came into some folder while we moved others: its place there, and its flags."""

    folder: str
    uidvalidity: int
    uid: int
    flags: tuple[str, ...]


Arrivals = Mapping[tuple[int, str], Sequence[Came]]  # by likeness


@dataclass(frozen=True, slots=True)
class Before:
    """The second connection, and the flags that it told before a batch was moved."""

    onlooker: Mailbox
    flags: Mapping[int, tuple[str, ...]]

    def agrees_with(self, intents: Iterable[MoveIntent]) -> bool:
        """Return whether the first connection was told the same flags."""
        both = ((intent.flags, self.flags.get(intent.uid, intent.flags)) for intent in intents)
        return all(_carried(flags) == _carried(seen) for flags, seen in both)


@dataclass(slots=True)
class Watch:
    """The watch over all moves along one route."""

    connection: Connection
    journal: Journal
    route: MoveRoute
    last_took_s: float = 0.0  # that our last move took the server
    _slowest_s: float = 0.0  # of our moves
    _last_ended: float = 0.0  # of them, on time.monotonic()'s clock
    _numbering: dict[str, FolderState] | None = None  # of all folders, before the first batch
    _outcomes: list[MoveOutcome] = field(default_factory=list)
    _changes: dict[int, Change] = field(default_factory=dict)  # of flags in the moment of a move, by the move

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Note how long a move takes the server."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._last_ended = time.monotonic()
            self.last_took_s = self._last_ended - began
            self._slowest_s = max(self._slowest_s, self.last_took_s)

    def begin(self) -> None:
        """Have the second connection ready: the looks of both should lie close together."""
        try:
            self.connection.onlooker()
        except CleanupError:
            self.connection.without_onlooker()

    def asks_at_first(self) -> Sequence[Question[Any]]:
        """Return what the first connection will be asked before the first batch."""
        return [Numbering()] if self._numbering is None and self.connection.may_look_on else []

    def look_before(self, batch: Sequence[int]) -> Before | None:
        """Open the source on the second connection and note the flags; None: nobody looks on.

        Before the first batch also where the numbering of every folder stands, as both connections tell it: a server,
        or what stands before it, may tell one of them what was true an hour ago. So the one that knew more counts.
        """
        try:
            onlooker = self.connection.onlooker()
            if onlooker is None:
                return None
            is_first = self._numbering is None
            first = [Numbering()] if is_first else []
            opening, flags = WatchFolder(self.route.source), Flags(batch)
            onlooker.send_ahead(*first, opening, flags)
            if is_first:
                seen = onlooker.numbering() or {}
                told = self.connection.reconnecting(lambda mailbox: mailbox.numbering() or {})
                both = {name: [states[name] for states in (seen, told) if name in states] for name in (*seen, *told)}
                self._numbering = {
                    name: max(states, key=lambda state: (state.uidvalidity, state.uidnext))
                    for name, states in both.items()
                }
            if onlooker.ask(opening).uidvalidity != self.route.uidvalidity:
                return None
            return Before(onlooker, onlooker.ask(flags))
        except CleanupError:
            self.connection.without_onlooker()
            return None

    def with_flags_mended(self, outcomes: list[MoveOutcome], before: Before | None) -> list[MoveOutcome]:
        """Make up for flags that were changed in the moment of the move; return the outcomes, with a note where not."""
        if before is not None:
            outcomes = self._mended(outcomes, before)
        self._outcomes += outcomes
        return outcomes

    def look_after(self) -> list[MoveOutcome]:
        """Return those moves of which something else is to be said, once what others began with us should be over.

        A server that copied a message for you before we moved it shows your copy only when it is through with it.
        """
        moved = [one for one in self._outcomes if one.state in (MoveState.MOVED, MoveState.TAKEN)]
        if not self._numbering or not moved:
            return []
        shortest, longest = CALM_S
        calm = min(max(CALM * self._slowest_s, shortest), longest)
        self.connection.pause(max(self._last_ended + calm - time.monotonic(), 0.0))
        numbering = self._numbering
        came = self.connection.reconnecting(lambda mailbox: what_came(moved, numbering, mailbox, self.journal))
        self._mend_what_moved_on(moved, came)
        said = [_also_seen(one, folders) for one, folders in elsewhere(moved, came)]
        return [now for now, was in zip(said, moved, strict=True) if now != was]

    def came_elsewhere(self) -> int:
        """Return how many messages came into folders other than ours since the first batch, as far as one can tell."""
        ours, before = {self.route.source, self.route.target}, self._numbering or {}
        now = self.connection.reconnecting(lambda mailbox: mailbox.numbering()) if before else None
        return sum(
            state.uidnext - (before[folder].uidnext if folder in before else 1)
            for folder, state in (now or {}).items()
            if folder not in ours and state.uidnext and (folder not in before or before[folder].uidnext)
        )

    # --- flags ---------------------------------------------------------------------------------------------------

    def _mended(self, outcomes: list[MoveOutcome], before: Before) -> list[MoveOutcome]:
        last = self._last_flags(outcomes, before)
        changes = changed([one.record.intent for one in outcomes], before.flags, last)
        # A flag that you cleared between our look and the move is not one that the target does not take.
        outcomes = [
            replace(one, lost_flags=tuple(flag for flag in one.lost_flags if flag in last.get(one.ref.uid, [flag])))
            for one in outcomes
        ]
        if not changes:
            return outcomes
        note = NOT_BELIEVED
        if len(changes) <= max(MOST_AT_ONCE, len(outcomes) // 2):  # a server that invents flags tells of most of them
            by_uid = {one.ref.uid: one.record.move_id for one in outcomes}
            self._changes |= {by_uid[uid]: change for uid, change in changes.items()}
            try:
                if lacking := may_lack(outcomes, changes):
                    self.connection.reconnecting(lambda mailbox: mend(lacking, mailbox))
                return outcomes
            except (CommandRefused, FolderNotFound, PermissionMissing) as error:
                note = f"flags that were changed in the moment of the move are lost: {error}"
        return [
            one.with_note(note) if one.ref.uid in changes and one.state is MoveState.MOVED else one for one in outcomes
        ]

    def _last_flags(self, outcomes: Sequence[MoveOutcome], before: Before) -> Mapping[int, tuple[str, ...]]:
        """Return by UID the flags that messages had when they left the source.

        Both times the second connection tells: what another one saw may be newer than its answer.
        """
        left = sorted(one.ref.uid for one in outcomes if one.state in (MoveState.MOVED, MoveState.TAKEN))
        try:
            return before.onlooker.last_flags(left) if left else {}
        except CleanupError:
            self.connection.without_onlooker()
            return {}

    def _mend_what_moved_on(self, moved: Sequence[MoveOutcome], came: Arrivals) -> None:
        r"""Put right what you moved on or copied before we were through with it: it has the flags of the moment before.

        Flags that you changed at the source were to come with it, and the mark \Deleted that we set on an original
        was not. Which of several equal messages is meant nobody knows: then none is touched.
        """
        marks = not self.connection.mailbox.can_move and not self.route.keeps_source
        times = Counter(likeness(one.record.intent.fingerprint) for one in moved)
        for one in moved:
            like = likeness(one.record.intent.fingerprint)
            if times[like] > 1 or len(came.get(like, ())) != 1:
                continue
            place = came[like][0]
            unmark = marks and has_mark(place.flags)
            change = self._changes.get(one.record.move_id, NO_CHANGE)
            if unmark or change != NO_CHANGE:
                mending = partial(mend_at, place, one, change, unmark)
                with suppress(CommandRefused, FolderNotFound, PermissionMissing):
                    self.connection.reconnecting(mending)


# --- what is in another folder, too --------------------------------------------------------------------------------


def what_came(
    outcomes: Sequence[MoveOutcome], before: Mapping[str, FolderState], mailbox: Mailbox, journal: Journal
) -> Arrivals:
    """Return what came into any folder since `before`, but for what our moves put into the target."""
    target, uidvalidity = outcomes[0].record.intent.target, outcomes[0].record.intent.target_uidvalidity
    mailbox.look_afresh()  # nothing that was asked before counts
    # what is seen at the target, if only our own moves put something somewhere
    ahead = (Examine(target), Uids(target, before[target].uidnext)) if target in before else ()
    mailbox.send_ahead(Numbering(), *ahead)
    found: dict[tuple[int, str], list[Came]] = defaultdict(list)
    for folder, first in _grown(before, mailbox.numbering() or {}):
        mailbox.examine(folder)
        uids = set(mailbox.uids(folder, first=first))
        if folder == target:
            uids -= journal.claimed(folder, uidvalidity, among=uids) | {one.target_uid or 0 for one in outcomes}
        there = view(mailbox, folder, only=sorted(uids)) if uids else FolderView()
        for uid, fingerprint in there.seen.items():
            found[likeness(fingerprint)].append(Came(folder, there.uidvalidity, uid, there.flags[uid]))
    return found


def _grown(before: Mapping[str, FolderState], now: Mapping[str, FolderState]) -> Iterator[tuple[str, int]]:
    """Yield the folders that messages came into, and from which UID on.

    A renamed folder is none that is new, and one that was listed without its numbers (RFC 5819 section 2) says nothing.
    """
    renamed = bool(before.keys() - now.keys())  # under a new name its messages would look as if they had come
    for folder, state in now.items():
        was = before.get(folder)
        if was is None and not renamed:
            yield folder, 1
        elif was is not None and was.uidvalidity == state.uidvalidity and state.uidnext > was.uidnext:
            yield folder, was.uidnext


def elsewhere(outcomes: Sequence[MoveOutcome], came: Arrivals) -> list[tuple[MoveOutcome, tuple[str, ...]]]:
    """Return beside each move the folders in which an equal message came up. Pure.

    Of equal messages those come first that are in neither of our folders: what came up elsewhere is what they are now.
    """
    # taken out one by one: of two equal messages one that came up elsewhere accounts for one of them
    waiting = {like: [one.folder for one in ones] for like, ones in came.items()}
    found: dict[int, tuple[str, ...]] = {}
    for one in sorted(outcomes, key=lambda one: one.state is not MoveState.TAKEN):
        folders = waiting.get(likeness(one.record.intent.fingerprint), [])
        found[one.record.move_id] = tuple(dict.fromkeys(folders))
        for folder in found[one.record.move_id]:
            folders.remove(folder)
    return [(one, found[one.record.move_id]) for one in outcomes]


def _also_seen(one: MoveOutcome, folders: tuple[str, ...]) -> MoveOutcome:
    """Return what is said of a move now; what came to the source again was moved back by hand."""
    intent = one.record.intent
    if not folders or one.state is MoveState.MOVED:
        return replace(one, also_in=folders)
    if intent.source in folders and intent.undoes is None:
        return replace(one, state=MoveState.RETURNED, note=f"moved back to {intent.source} at once")
    return one.with_note(f"in {', '.join(folders)} now: somebody moved or deleted it at the same moment")


# --- flags that were changed in the moment of the move -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did to a message's flags."""

    set: frozenset[str]
    cleared: frozenset[str]


NO_CHANGE = Change(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Lacking:
    """A message that may lack a change, and its UID at the target."""

    intent: MoveIntent
    uid: int
    change: Change


def changed(
    intents: Sequence[MoveIntent], before: Mapping[int, Sequence[str]], last: Mapping[int, Sequence[str]]
) -> dict[int, Change]:
    """Return by UID how flags changed from `before` to `last`, both as one connection told them. Pure.

    What it told before must be what another one saw, too, and wrote into the intents: what stands before a server may
    tell one of them old things.
    """
    changes = {}
    for intent in intents:
        if intent.uid in before and intent.uid in last:
            was, now = _carried(before[intent.uid]), _carried(last[intent.uid])
            if was != now and was == _carried(intent.flags):
                changes[intent.uid] = Change(set=now - was, cleared=was - now)
    return changes


def may_lack(outcomes: Sequence[MoveOutcome], changes: Mapping[int, Change]) -> list[Lacking]:
    """Return where the messages with changed flags arrived. Pure.

    What is no longer there is left alone: what you moved on took its flags along, and you may have changed them.
    """
    return [
        Lacking(one.record.intent, one.target_uid, change)
        for one in outcomes
        if one.state is MoveState.MOVED and one.target_uid is not None
        if (change := changes.get(one.record.intent.uid)) is not None
    ]


def mend(lacking: Sequence[Lacking], mailbox: Mailbox) -> None:
    """Make the changes that a move to one folder lost, and no others. May be begun again after it was done.

    A server with CONDSTORE sets no flag on a message that changed after we looked; then we look again.
    """
    first = lacking[0].intent
    # UNCHANGEDSINCE (RFC 7162 section 3.1.3): somebody may be changing the very flags that we set
    for _ in range(MOST_LOOKS):
        opened = mailbox.select(first.target)
        if opened.uidvalidity != first.target_uidvalidity:
            return
        left = list(_left_to_do(lacking, mailbox))
        for uid, change in left:
            mailbox.change_flags([uid], add=change.set, remove=change.cleared, since=opened.highest_modseq)
        if not left:
            return


def mend_at(came: Came, one: MoveOutcome, change: Change, unmark: bool, mailbox: Mailbox) -> None:
    """Make changes, and take a mark off, where a message came that you moved on or copied. May be done twice.

    It gets the changes only where it is no longer at the target and still has the flags that it was copied with: what
    has other flags got them from you.
    """
    intent = one.record.intent
    still_there = one.target_uid is not None and bool(mailbox.still_there(intent.target, [one.target_uid]))
    opened = mailbox.select(came.folder)
    now = mailbox.fingerprints(came.folder, [came.uid]).get(came.uid)
    if opened.uidvalidity != came.uidvalidity or now is None:
        return
    if likeness(now.fingerprint) != likeness(intent.fingerprint):
        return
    if still_there or _carried(now.flags) != _carried(intent.flags):
        change = NO_CHANGE
    cleared = change.cleared | ({DELETED} if unmark and has_mark(now.flags) else frozenset())
    mailbox.change_flags([came.uid], add=change.set, remove=cleared, since=opened.highest_modseq)


def _left_to_do(lacking: Sequence[Lacking], mailbox: Mailbox) -> Iterator[tuple[int, Change]]:
    """Yield the UID of every message that lacks a change, and what is left of it. It has to look like the message."""
    seen = mailbox.fingerprints(lacking[0].intent.target, [one.uid for one in lacking])
    for one in lacking:
        there = seen.get(one.uid)
        if there is None or likeness(there.fingerprint) != likeness(one.intent.fingerprint):
            continue
        now = _carried(there.flags)
        left = Change(set=one.change.set - now, cleared=one.change.cleared & now)
        if left.set or left.cleared:
            yield one.uid, left


def _carried(flags: Sequence[str]) -> frozenset[str]:
    """Return the flags that go along with a message and can be set again as they are written."""
    return frozenset(flag for flag in flags if _A_FLAG.fullmatch(flag) and flag.lower() not in _NOT_CARRIED)


# --- flags that moves themselves left amiss ---------------------------------------------------------------------


def put_flags_right(outcomes: Sequence[MoveOutcome], connection: Connection, journal: Journal) -> list[MoveOutcome]:
    """Return the outcomes after flags that the moves themselves left amiss were put right. May be done twice."""
    marked = [one for one in outcomes if one.came_marked]
    if marked and not connection.mailbox.can_move:  # with MOVE nobody marks anything, so it is your mark
        with suppress(CommandRefused, FolderNotFound, PermissionMissing):
            connection.reconnecting(lambda mailbox: _unmark(marked, mailbox))
    # What was filed may have lost flags that the backscatter folder does not take: an undo sets them again.
    undone = {one.record.intent.undoes: one for one in outcomes if one.state is MoveState.MOVED}
    lost = journal.lost_flags([move_id for move_id in undone if move_id is not None])
    back = {one.target_uid: lost[move_id] for move_id, one in undone.items() if move_id in lost and one.target_uid}
    if not back:
        return list(outcomes)
    intent = next(one.record.intent for move_id, one in undone.items() if move_id in lost)
    try:
        missing = connection.reconnecting(lambda mailbox: _set_flags(back, intent, mailbox))
    except (CommandRefused, FolderNotFound, PermissionMissing):
        missing = back
    return [
        replace(one, lost_flags=(*one.lost_flags, *missing.get(one.target_uid or 0, ())))
        if one.state is MoveState.MOVED
        else one
        for one in outcomes
    ]


def _unmark(marked: Sequence[MoveOutcome], mailbox: Mailbox) -> None:
    intent = marked[0].record.intent
    if mailbox.select(intent.target).uidvalidity == intent.target_uidvalidity:
        mailbox.change_flags(sorted(one.target_uid or 0 for one in marked), remove=[DELETED])


def _set_flags(back: Mapping[int, tuple[str, ...]], intent: MoveIntent, mailbox: Mailbox) -> dict[int, tuple[str, ...]]:
    """Set flags on messages at the target; return by UID those that are not there afterwards."""
    if mailbox.select(intent.target).uidvalidity != intent.target_uidvalidity:
        return dict(back)
    now = mailbox.fingerprints(intent.target, sorted(back))
    for uid, flags in back.items():
        missing = set(flags) - set(now[uid].flags if uid in now else flags)
        if settable := sorted(_carried(tuple(missing))):
            mailbox.change_flags([uid], add=settable)
    # looked at once more: servers say OK to flags that they do not keep (PERMANENTFLAGS, RFC 9051 section 7.1)
    now = mailbox.fingerprints(intent.target, sorted(back))
    return {
        uid: tuple(flag for flag in flags if flag not in now[uid].flags) for uid, flags in back.items() if uid in now
    }
