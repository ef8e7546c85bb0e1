"""Looks before and after a move: is each message there and as it was judged, and where did it end up?

Decided from what both folders show, never from what the server answered. Nothing is changed here but for making the
target. What is done about a message that lies in both folders is in reconcile.py.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cleanup.connector.mailbox import FolderState, Mailbox, MessageState
from cleanup.connector.questions import Fingerprints, Question, Select, Status, Uids
from cleanup.errors import (
    CleanupError,
    CommandRefused,
    ConnectionLost,
    FolderNotFound,
    MoveNotSupported,
    PermissionMissing,
    ServerMisbehaved,
    UidValidityChanged,
)
from cleanup.ledger import MoveIntent, MoveRecord, MoveState
from cleanup.model import Fingerprint, NotFiled, PlannedMove
from cleanup.report.filing.journal import Journal, MoveOutcome

BROKEN = (ConnectionLost, ServerMisbehaved)
MOST_RENEWALS = 3
REDATED = "the server gave it a new date of arrival"
DELETED = "\\Deleted"
_GONE = "in neither folder: somebody moved or deleted it meanwhile"
_Likeness = tuple[int, str]
_T = TypeVar("_T")


class Connection:
    """The mailbox's connection, another one in its place where it breaks, and a second one that only looks on.

    `reopen` makes a new connection and closes what is left of the old one; without it the first break is the end, and
    after three it is, too. `look_on` makes the second one, which races.py needs.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        reopen: Callable[[], Mailbox] | None = None,
        look_on: Callable[[], Mailbox] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.mailbox = mailbox
        self.pause = pause
        self._reopen = reopen
        self.expunges_by_name = False  # whether UID EXPUNGE was seen to leave alone what it does not name
        self._left = MOST_RENEWALS
        self._look_on = look_on
        self._onlooker: Mailbox | None = None

    def reconnecting(self, work: Callable[[Mailbox], _T]) -> _T:
        """Return what `work` returns; it is begun again on a new connection where the old one breaks.

        So it has to be something that may be done twice. Raises the last error where there is no new connection.
        """
        while True:
            try:
                return work(self.mailbox)
            except BROKEN as error:
                self.renew(error)

    def renew(self, because: CleanupError) -> None:
        """Replace the connection after `because`; raises it again where that is not possible any more.

        Perhaps the server does not take commands that are sent together: so it is asked one by one from now on.
        """
        if self._reopen is None or self._left == 0:
            raise because
        self._left -= 1
        self.mailbox = self._reopen()
        self.mailbox.one_by_one = True

    @property
    def may_look_on(self) -> bool:
        """Whether there is a second connection, or may be."""
        return self._onlooker is not None or self._look_on is not None

    def onlooker(self) -> Mailbox | None:
        """Return the second connection, made when it is first asked for. Raises what making it raises."""
        if self._onlooker is None and self._look_on is not None:
            look_on, self._look_on = self._look_on, None
            self._onlooker = look_on()
        return self._onlooker

    def without_onlooker(self) -> None:
        """Go on without the second connection."""
        self._onlooker = None


# --- before a move -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MoveRoute:
    """From where to where. `uidvalidity` is the source's, under which the UIDs of the requests were read.

    `keeps_source`: copied and left where it is, too, as what is put back out of a folder that we filed nothing in.
    """

    source: str
    uidvalidity: int
    target: str
    keeps_source: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What of a batch is there and as it was judged, what is not and why, and how both folders stood.

    `present` has one line for the journal each. `others` are the UIDs of all other messages of the source, None where
    nobody asked.
    """

    present: tuple[MoveIntent, ...] = ()
    gone: tuple[NotFiled, ...] = ()
    kept: tuple[NotFiled, ...] = ()
    others: frozenset[int] | None = None


def check_able(mailbox: Mailbox, route: MoveRoute) -> None:
    """Raise MoveNotSupported where messages can be moved in no safe way; nothing was sent then."""
    if not mailbox.can_move and not mailbox.can_uid_expunge and not route.keeps_source:
        raise MoveNotSupported(
            "The server can neither move messages nor expunge them by name (no MOVE, no UIDPLUS)",
            hint="Nothing can be moved safely on it; the verdicts can still be read",
        )


def check(
    route: MoveRoute, batch: Sequence[PlannedMove], mailbox: Mailbox, *, others_from: int | None = None
) -> Checked:
    """Return what of a batch is there and as it was judged. Leaves the source open for writing.

    Nothing is changed but for making the target. `others_from`: also what else is in the source, from that UID on.
    """
    uids = [move.ref.uid for move in batch]
    mailbox.send_ahead(*what_check_asks(route, batch, others_from=others_from))
    open_source(mailbox, route)
    target = _target_state(mailbox, route.target)
    looks, others = Fingerprints(route.source, uids), None
    if others_from is None:
        seen = mailbox.ask(looks)
    else:
        seen, listed = mailbox.ask_all(looks, Uids(route.source, others_from))
        others = frozenset(listed) - set(uids)
    missing = [uid for uid in uids if uid not in seen]
    if missing and mailbox.still_there(route.source, missing):  # FETCH is silent of what SEARCH finds: not gone
        raise ServerMisbehaved(f"The server lists messages in {route.source} and does not show them")
    return _as_judged(route, batch, seen, target, others)


def what_check_asks(
    route: MoveRoute, batch: Sequence[PlannedMove], *, others_from: int | None
) -> tuple[Question[Any], ...]:
    """Return what check() will ask."""
    others = () if others_from is None else (Uids(route.source, others_from),)
    looks = Fingerprints(route.source, [move.ref.uid for move in batch])
    return (Select(route.source), Status(route.target), looks, *others)


def open_source(mailbox: Mailbox, route: MoveRoute) -> None:
    """Open the source for changes. Raises UidValidityChanged, PermissionMissing."""
    state = mailbox.select(route.source)
    if state.uidvalidity != route.uidvalidity:
        raise UidValidityChanged(
            f"{route.source} was renumbered since it was read", hint="Run again: everything will be read anew"
        )
    if not state.read_write and not route.keeps_source:
        raise PermissionMissing(
            f"{route.source} is read-only for this login", hint="Ask for the right to move messages"
        )


def check_takes_back(mailbox: Mailbox, folder: str) -> None:
    """Raise PermissionMissing where this login may put messages into a folder and not take them out again.

    With the rights t and e (RFC 4314 section 4), or d on servers that only know RFC 2086. Servers without ACL, and
    those that tell no rights, are believed to give all.
    """
    rights = mailbox.rights(folder)
    if rights is None or {"t", "e"} <= rights or (not rights & {"t", "e"} and "d" in rights):
        return
    raise PermissionMissing(
        f"What is filed in {folder} could not be taken back from there",
        why=f"this login's rights there are {''.join(sorted(rights)) or 'none'}: t and e (delete, expunge) are missing",
        hint="Name another folder with --target, or ask for these rights",
    )


def _target_state(mailbox: Mailbox, folder: str) -> FolderState:
    try:
        try:  # asked before the move: what has a UID from UIDNEXT on afterwards came in the meantime
            return mailbox.status(folder)
        except FolderNotFound:
            mailbox.create_folder(folder)
            return mailbox.status(folder)
    except CommandRefused as error:
        raise PermissionMissing(
            f"The server does not let messages be filed in {folder}", why=error.why, hint="Name another with --target"
        ) from error


def _as_judged(
    route: MoveRoute,
    batch: Sequence[PlannedMove],
    seen: Mapping[int, MessageState],
    target: FolderState,
    others: frozenset[int] | None,
) -> Checked:
    present: list[MoveIntent] = []
    gone: list[NotFiled] = []
    kept: list[NotFiled] = []
    for move in batch:
        now = seen.get(move.ref.uid)
        if now is None:
            gone.append(NotFiled(move.ref, f"no longer in {route.source}"))
        elif now.fingerprint != move.fingerprint:
            kept.append(NotFiled(move.ref, "the UID now names another message"))
        elif has_mark(now.flags) and not route.keeps_source:  # you are deleting it, which is your word on it
            gone.append(NotFiled(move.ref, "marked as deleted"))
        else:
            present.append(
                MoveIntent(
                    source=route.source,
                    source_uidvalidity=route.uidvalidity,
                    uid=move.ref.uid,
                    target=route.target,
                    target_uidvalidity=target.uidvalidity,
                    target_uidnext=target.uidnext,
                    fingerprint=move.fingerprint,
                    flags=now.flags,
                    undoes=move.undoes,
                    keeps_source=route.keeps_source,
                )
            )
    return Checked(tuple(present), tuple(gone), tuple(kept), others)


# --- after a move --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FolderView:
    """What was looked at of a folder. `uidvalidity` is 0 for one that is not there, `uidnext` where it is not known."""

    uidvalidity: int = 0
    seen: Mapping[int, Fingerprint] = field(default_factory=dict)
    uidnext: int = 0
    flags: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def view(mailbox: Mailbox, folder: str, *, first: int = 1, only: Sequence[int] | None = None) -> FolderView:
    """Return what a folder holds: from UID `first` on, or `only` some UIDs. A missing folder is an empty one."""
    try:
        state = mailbox.examine(folder)
    except FolderNotFound:
        return FolderView()
    for _ in range(2):  # once more, as a message may go between the two commands
        uids = mailbox.uids(folder, first=first) if only is None else mailbox.still_there(folder, only)
        seen = mailbox.fingerprints(folder, uids) if uids else {}
        if len(seen) == len(uids):
            fingerprints = {uid: one.fingerprint for uid, one in seen.items()}
            flags = {uid: tuple(one.flags) for uid, one in seen.items()}
            return FolderView(state.uidvalidity, fingerprints, state.uidnext, flags)
    raise ServerMisbehaved(f"The server lists messages in {folder} and does not show them")


def look_for(
    records: Sequence[MoveRecord], mailbox: Mailbox, journal: Journal, copyuid: Mapping[int, int]
) -> list[MoveOutcome]:
    """Return where the messages of these records, all between the same two folders, are now."""
    first = records[0].intent
    from_uid = min(r.intent.target_uidnext for r in records)
    target = view(mailbox, first.target, first=from_uid)
    # Where UIDs were given anew, or UIDNEXT has gone back, ours may have any number: then the whole folder is read.
    if target.uidvalidity not in (0, first.target_uidvalidity) or 0 < target.uidnext < from_uid:
        target = view(mailbox, first.target)
    source = view(mailbox, first.source, only=[r.intent.uid for r in records])
    if any(source.seen.get(r.intent.uid, r.intent.fingerprint) != r.intent.fingerprint for r in records):
        source = view(mailbox, first.source, only=[r.intent.uid for r in records])  # a byte may have been altered
    if source.uidvalidity not in (0, first.source_uidvalidity):
        source = view(mailbox, first.source)
    claimed = journal.claimed(first.target, target.uidvalidity, among=target.seen)
    return locate(records, source, target, claimed=claimed, copyuid=copyuid)


def locate(
    records: Sequence[MoveRecord],
    source: FolderView,
    target: FolderView,
    *,
    claimed: Set[int] = frozenset(),
    copyuid: Mapping[int, int] | None = None,
) -> list[MoveOutcome]:
    """Return where the message of each record is. Pure.

    `claimed` are UIDs at the target that belong to earlier moves. `copyuid` is what the server said, by source UID:
    believed only where the message there looks right. Of equal messages those that have left the source are matched
    first: that a message is in both folders is only said if the target holds one for each.
    """
    at_source = _at_source(records, source)
    arrived = _Arrivals(target, claimed)
    matched: dict[int, int | None] = {}
    for wanted_first in (False, True):  # those that left, then those that are still there
        for record in records:
            if (record.move_id in at_source) is wanted_first:
                promised = (copyuid or {}).get(record.intent.uid)
                matched[record.move_id] = arrived.take(record, promised, left_the_source=not wanted_first)
    strange = set(target.seen) - claimed - set(matched.values())
    outcomes = []
    for record in records:
        uid, promised = matched[record.move_id], (copyuid or {}).get(record.intent.uid)
        note = None
        if promised in strange:
            note = f"what the server made of it in {record.intent.target}, UID {promised}, is another message"
        outcomes.append(_located(record, record.move_id in at_source, uid, target, note))
    return outcomes


def _located(
    record: MoveRecord, is_at_source: bool, uid: int | None, target: FolderView, note: str | None
) -> MoveOutcome:
    if uid is None:
        state = MoveState.KEPT if is_at_source else MoveState.TAKEN
        return MoveOutcome(record, state, note=note if is_at_source else _GONE)
    if is_at_source and not record.intent.keeps_source:
        return MoveOutcome(record, MoveState.UNCLEAR, uid, "in both folders")
    if target.seen[uid].arrived != record.intent.fingerprint.arrived:
        note = REDATED
    # COPY and MOVE take flags along as far as the target knows them (RFC 9051 section 6.4.7); in what letters varies
    there = {flag.lower() for flag in target.flags.get(uid, record.intent.flags)}
    lost = tuple(flag for flag in record.intent.flags if flag.lower() not in {*there, DELETED.lower()})
    # marked between our look and the COPY, or by a run that was killed while it marked the original
    came_marked = DELETED.lower() in there and not has_mark(record.intent.flags)
    return MoveOutcome(record, MoveState.MOVED, uid, note, lost_flags=lost, came_marked=came_marked)


class _Arrivals:
    """The messages at the target that nobody has claimed yet, by likeness."""

    def __init__(self, target: FolderView, claimed: Set[int]) -> None:
        self._uidvalidity = target.uidvalidity
        self._uidnext = target.uidnext
        self._free: dict[_Likeness, list[int]] = defaultdict(list)
        for uid in sorted(set(target.seen) - claimed):  # ascending: the oldest that fits is taken
            self._free[likeness(target.seen[uid])].append(uid)

    def take(self, record: MoveRecord, promised: int | None, *, left_the_source: bool) -> int | None:
        """Return the UID of the record's message and claim it; None where none arrived.

        A UIDNEXT before the move that is above the one after it was not so: then any equal message counts, but only for
        one that is no longer at the source, so that nothing is removed from there because of it.
        """
        intent = record.intent
        free = self._free.get(likeness(intent.fingerprint), [])
        # under the same UIDVALIDITY what came since has a higher UID than all before it (RFC 9051 section 2.3.1.1)
        numbers_hold = intent.target_uidvalidity == self._uidvalidity
        if left_the_source and self._uidnext and self._uidnext < intent.target_uidnext:
            numbers_hold = False
        fitting = [uid for uid in free if not numbers_hold or uid >= intent.target_uidnext]
        if not fitting:
            return None
        chosen = promised if promised in fitting else fitting[0]
        free.remove(chosen)
        return chosen


def _at_source(records: Sequence[MoveRecord], source: FolderView) -> set[int]:
    """Return the moves whose message is still at the source: by its UID, or by likeness if UIDs were given anew."""
    here = set()
    left = Counter(likeness(fingerprint) for fingerprint in source.seen.values())
    for record in records:
        intent = record.intent
        if intent.source_uidvalidity == source.uidvalidity:
            present = source.seen.get(intent.uid) == intent.fingerprint
        else:
            present = left[likeness(intent.fingerprint)] > 0
            left[likeness(intent.fingerprint)] -= 1
        if present:
            here.add(record.move_id)
    return here


def likeness(fingerprint: Fingerprint) -> _Likeness:
    """Return what a copy has in common with its original on every server: size and digest (some set a new date)."""
    return fingerprint.size, fingerprint.digest


def has_mark(flags: Iterable[str]) -> bool:
    r"""Return whether \Deleted is among the flags; servers write it in any letters."""
    return any(flag.lower() == DELETED.lower() for flag in flags)


def grouped(records: Sequence[MoveRecord]) -> list[list[MoveRecord]]:
    """Return records in groups between the same folders under the same UIDVALIDITY."""
    groups: dict[tuple[str, int, str, int], list[MoveRecord]] = {}
    for record in records:
        i = record.intent
        groups.setdefault((i.source, i.source_uidvalidity, i.target, i.target_uidvalidity), []).append(record)
    return list(groups.values())
