"""What others did with messages in the moment in which they were moved, seen over a second connection and put right.

IMAP has no lock, and servers do not carry out a MOVE at once: they copy first and expunge then. A flag that the owner
sets in between is confirmed to him and lost with the source; what he moves in between is in two folders afterwards,
and neither client is told. Both can be seen: a connection that opened the source before the move still sees the last
flags of what was expunged (RFC 2180 section 4.1.2; Dovecot and Cyrus do so), and what was moved twice has come into
two folders since then (doubles.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from cleanup.errors import CleanupError, CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import MoveState
from cleanup.model import Fingerprint
from cleanup.report.doubles import Came, Double, FoldersSeen, find_doubles, remove_ours, unmark_strays, what_came
from cleanup.report.journal import Journal, Settled
from cleanup.report.late_flags import NOT_BELIEVED, Change, changed, is_credible, may_lack, mend
from cleanup.report.link import Link
from cleanup.report.looking import BROKEN, settle
from cleanup.report.mailbox import Ahead, FilingMailbox, FolderState

MOST_UNKNOWN = 1000  # messages of equal size that are looked at
CALM = 5  # times as long as our own slowest move: others' moves take a server as long
CALM_S = (0.05, 0.5)  # but so much at least, and at most
MOST_AT_ONCE = 3  # messages that an owner moves in the same moment, all of a batch
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Before:
    """How things stood before a batch was moved.

    `folders` is empty where a server cannot tell in one trip, or where a message may be in several.
    """

    onlooker: FilingMailbox
    folders: Mapping[str, FolderState]
    flags: Mapping[int, tuple[str, ...]]


@dataclass(slots=True)
class Watch:
    """The watch over all moves from one folder to another.

    `known` are fingerprints at the source by UID, at first of what is to be moved. `doubled` says of what is still in
    two folders where and why, by the UID at the source.
    """

    link: Link
    journal: Journal
    source: str
    uidvalidity: int
    known: dict[int, Fingerprint]
    doubled: dict[int, str] = field(default_factory=dict)
    _first: Mapping[str, FolderState] = field(default_factory=dict)  # all folders before the first batch
    _alike_of: dict[int, frozenset[int]] = field(default_factory=dict)
    _settled: list[Settled] = field(default_factory=list)
    _mirrors: set[str] = field(default_factory=set)  # folders that only show what is in others
    _own: set[str] = field(default_factory=set)  # folders whose messages were seen to be their own
    _marked: set[Fingerprint] = field(default_factory=set)  # of what was, for a moment, marked as deleted by us
    _is_anothers_turn: bool = False  # to remove a double that we see
    _started: Mapping[str, FolderState] | None = None
    last_took_s: float = 0.0  # that our last move took the server
    _slowest_s: float = 0.0  # of our moves
    _last_ended: float = 0.0  # of them, on time.monotonic()'s clock

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
            self.link.onlooker()
        except CleanupError:
            self.link.without_onlooker()

    def look_before(self, batch: Sequence[int]) -> Before | None:
        """Open the source on the second connection and note where every folder's numbering stands; None: no watch."""
        try:
            onlooker = self.link.onlooker()
            if onlooker is None:
                return None
            onlooker.foresee(self._expected(onlooker.ahead(), batch))
            folders = onlooker.numbering() or {}
            if onlooker.watch(self.source).uidvalidity != self.uidvalidity:
                return None
            folders = _later(folders, self._from_the_start())
            self._first = self._first or folders
            if not folders:
                return Before(onlooker, folders, onlooker.flags(batch))
            alike = onlooker.of_size(self.source, *self._sizes_and_times(batch))
            flags = onlooker.flags(batch)
            if self._note_alike(onlooker, batch, alike):
                flags = onlooker.flags_again(batch)
            return Before(onlooker, folders, flags)
        except CleanupError:
            self.link.without_onlooker()
            return None

    def _from_the_start(self) -> Mapping[str, FolderState]:
        """Return where the numbering stood before the first batch, as the first connection was told it.

        A server, or what stands before it, may tell one connection what was true an hour ago.
        """
        if self._started is None:
            self._started = self._unbroken(lambda mailbox: mailbox.numbering()) or {}
        return self._started

    def expected_on_first(self, ahead: Ahead) -> Ahead:
        """Return what the first connection will be asked before the first batch."""
        return ahead.numbering() if self._started is None and self.link.may_look_on else ahead

    def _expected(self, ahead: Ahead, batch: Sequence[int]) -> Ahead:
        """Return what look_before() asks; flags last, as they are asked for again by the numbers of that moment."""
        can_number = bool(ahead.numbering().asks)
        ahead.watch(self.source)
        if can_number:
            ahead.of_size(*self._sizes_and_times(batch))
        return ahead.flags(batch)

    def put_right(self, settled: list[Settled], before: Before | None) -> list[Settled]:
        """Mend what others did meanwhile; return what became of the moves now."""
        if before is not None:
            changes = self._changes(settled, before)
            if before.folders:
                settled = self._withdraw(settled, before.folders)
            settled = self._with_flags_mended(settled, changes)
        self._settled += settled
        return settled

    def look_after(self) -> list[Settled]:
        """Return what became of some of the moves after all: others may still have been at it when we looked.

        A server that copied a message for the owner before we moved it shows his copy only when it is through with it.
        """
        nothing_moved = all(one.state is not MoveState.MOVED for one in self._settled)
        if not self._first or not self._settled or (nothing_moved and not self._marked):
            return []
        self._wait_for_calm(since=self._last_ended)
        self.doubled.clear()  # all is looked at again
        now = self._withdraw(self._settled, self._first)
        if self._is_anothers_turn:
            self._wait_for_calm(since=time.monotonic())
            now = self._withdraw(now, self._first, is_last=True)
        if self._marked:
            self._wait_for_calm(since=time.monotonic())
            self._unbroken(self._unmark_strays)
        return [one for one, before in zip(now, self._settled, strict=True) if one.state is not before.state]

    def _wait_for_calm(self, since: float) -> None:
        """Wait until what others began together with us should be over; then nothing that was asked before counts."""
        shortest, longest = CALM_S
        calm = min(max(CALM * self._slowest_s, shortest), longest)
        self.link.pause(max(since + calm - time.monotonic(), 0.0))
        self._unbroken(lambda mailbox: mailbox.look_afresh())

    def _unbroken(self, work: Callable[[FilingMailbox], _T]) -> _T:
        """Return what `work` returns; it is begun again on a new connection where the old one breaks."""
        while True:
            try:
                return work(self.link.mailbox)
            except BROKEN as error:
                self.link.renew(error)

    # --- doubles -------------------------------------------------------------------------------------------------

    def _note_alike(self, onlooker: FilingMailbox, batch: Sequence[int], found: Sequence[int]) -> bool:
        """Note which of those found have the fingerprint of one of the batch; return whether that was asked.

        Of what is not noted nobody knows it.
        """
        unknown = [uid for uid in found if uid not in self.known]
        if len(unknown) > MOST_UNKNOWN:
            return False
        seen = onlooker.fingerprints(self.source, unknown) if unknown else {}
        self.known |= {uid: one.fingerprint for uid, one in seen.items()}
        equal: dict[Fingerprint, set[int]] = {}
        for uid in found:
            if uid in self.known:
                equal.setdefault(self.known[uid], set()).add(uid)
        there = frozenset(found)
        self._alike_of |= {uid: frozenset(equal[self.known[uid]] - {uid}) for uid in batch if uid in there}
        return bool(unknown)

    def _sizes_and_times(self, batch: Sequence[int]) -> tuple[set[int], set[datetime]]:
        return {self.known[uid].size for uid in batch}, {self.known[uid].arrived for uid in batch}

    def _withdraw(
        self, settled: list[Settled], before: Mapping[str, FolderState], *, is_last: bool = False
    ) -> list[Settled]:
        """Remove what is there twice, and say where it is, and what the owner moved back at once.

        Two machines that see each other's message would both give way, and so neither: the later one begins.
        """
        came = self._unbroken(lambda mailbox: what_came(settled, before, mailbox, self.journal, without=self._mirrors))
        found = find_doubles(settled, came)
        doubles = [double for double in found if is_last or not double.is_anothers_turn]
        self._is_anothers_turn = len(doubles) < len(found)
        if (name := _shows_all(doubles, settled)) is not None:
            self.doubled |= {double.record.intent.uid: f"all of them are in {name}, too" for double in doubles}
            doubles = []
        moved = frozenset(one.record.intent.uid for one in settled)
        for double in doubles:
            if double.other.folder in self._mirrors:
                continue
            why_not = self._why_not_removed(
                double, moved, lambda mailbox: what_came(settled, before, mailbox, self.journal)
            )
            if why_not and double.other.folder not in self._mirrors:
                self.doubled[double.record.intent.uid] = f"it is in {double.other.folder}, too: {why_not}"
        if doubles:
            again = settle([double.record for double in doubles], self.link, self.journal)
            now = {one.record.move_id: one for one in again}
            settled = [now.get(one.record.move_id, one) for one in settled]
        return [self._said(one, came) for one in settled]

    def _unmark_strays(self, mailbox: FilingMailbox) -> None:
        came = what_came(self._settled, self._first, mailbox, self.journal)
        unmark_strays(self._marked, came, self._settled[0].record.intent.target, mailbox)

    def _said(self, one: Settled, came: Came) -> Settled:
        """Return what became of a move with a note on where it is; moved back by hand is what came to the source."""
        intent = one.record.intent
        where = [spot.folder for spot in came.get(intent.fingerprint, ())]
        if one.state is not MoveState.TAKEN or not where:
            return replace(one, note=self.doubled.get(intent.uid, one.note))
        if intent.source in where and intent.undoes is None:
            return replace(one, state=MoveState.RETURNED, note=f"it was moved back to {intent.source} at once")
        return replace(one, note=f"it is in {where[0]}: somebody moved it at the same moment")

    def _why_not_removed(
        self, double: Double, moved: frozenset[int], look_again: Callable[[FilingMailbox], Came]
    ) -> str | None:
        alike = self._alike_of.get(double.record.intent.uid)
        if alike is None:
            return "nobody can tell whether it is the same one"
        others = sorted(alike - moved)
        if others and self._unbroken(lambda mailbox: list(mailbox.still_there(self.source, others))) != others:
            return "it may be another one that was equal"
        self._marked.add(double.record.intent.fingerprint)
        return remove_ours(double, self._unbroken, self.journal, FoldersSeen(self._mirrors, self._own), look_again)

    # --- flags ---------------------------------------------------------------------------------------------------

    def _with_flags_mended(self, settled: list[Settled], changes: Mapping[int, Change]) -> list[Settled]:
        """Return what became of the moves, with a note where flags could not be mended: that stops nothing."""
        lacking = may_lack(settled, changes)
        if not lacking:
            return settled
        note = NOT_BELIEVED
        if is_credible(lacking, settled):
            try:
                self._unbroken(lambda mailbox: mend(lacking, mailbox))
                return settled
            except (CommandRefused, FolderNotFound, PermissionMissing) as error:
                note = f"flags that were changed in the moment of the move are lost: {error}"
        return [replace(one, note=note) if one.record.intent.uid in changes else one for one in settled]

    def _changes(self, settled: Sequence[Settled], before: Before) -> dict[int, Change]:
        """Return by UID how flags changed at the source until it was gone, of what has arrived.

        Both times the second connection tells: what another one saw may be newer than its answer.
        """
        moved = sorted(s.record.intent.uid for s in settled if s.state is MoveState.MOVED)
        try:
            last = before.onlooker.last_flags(moved) if moved else {}
        except CleanupError:
            self.link.without_onlooker()
            return {}
        return changed([one.record.intent for one in settled], before.flags, last)


def _later(told: Mapping[str, FolderState], started: Mapping[str, FolderState]) -> dict[str, FolderState]:
    """Return each folder's state by the connection that knew more of it."""
    both = {name: [known[name] for known in (told, started) if name in known] for name in (*told, *started)}
    return {name: max(states, key=lambda state: (state.uidvalidity, state.uidnext)) for name, states in both.items()}


def _shows_all(doubles: Sequence[Double], settled: Sequence[Settled]) -> str | None:
    """Return the folder in which another one of everything came, but for the target: copies or labels, and no race."""
    moved = sum(one.state is MoveState.MOVED for one in settled)
    folders = {double.other.folder for double in doubles}
    if moved <= MOST_AT_ONCE or len(doubles) < moved or len(folders) != 1:
        return None
    return next(iter(folders - {settled[0].record.intent.target}), None)
