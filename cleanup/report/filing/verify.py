"""Looks before and after a move: is each message there and as it was judged, and where did it end up?

Decided from what both folders show, never from what the server answered. The one thing that is changed here is the
second half of a COPY: what was seen whole at the target is removed from the source.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cleanup.connector.mailbox import FolderState, Mailbox, Seen
from cleanup.connector.questions import Bodies, Examine, Fingerprints, Question, Select, Status, StillThere, Uids
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
from cleanup.report.text import plural

BROKEN = (ConnectionLost, ServerMisbehaved)
MOST_RENEWALS = 3
LARGEST = 1 << 20  # bytes of a message that are compared
MOST_NAMED = 10
NO_MESSAGE = 1000  # so far above the next UID nothing is numbered yet
MOST_AT_ONCE = 3  # messages that you mark as deleted in the moment in which one is moved
REDATED = "the server gave it a new date of arrival"
DELETED = "\\Deleted"
_GONE = "it is in neither folder: somebody moved or deleted it meanwhile"
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
    if missing and mailbox.still_there(route.source, missing):  # then they are not gone
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
        try:
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
    seen: Mapping[int, Seen],
    target: FolderState,
    others: frozenset[int] | None,
) -> Checked:
    present: list[MoveIntent] = []
    gone: list[NotFiled] = []
    kept: list[NotFiled] = []
    for move in batch:
        now = seen.get(move.ref.uid)
        if now is None:
            gone.append(NotFiled(move.ref, f"it is no longer in {route.source}"))
        elif now.fingerprint != move.fingerprint:
            kept.append(NotFiled(move.ref, "its number now names another message"))
        elif has_mark(now.flags) and not route.keeps_source:
            gone.append(NotFiled(move.ref, "it is marked as deleted"))
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


def reconcile(
    records: Sequence[MoveRecord],
    connection: Connection,
    journal: Journal,
    told: Mapping[int, int] | None = None,
    *,
    others_from: int | None = None,
    by_looking_alone: bool = False,
) -> list[MoveOutcome]:
    """Return what became of moves between two folders, by looking; what is in both folders is finished first.

    `others_from`: from which UID on the source's other messages will be looked at next. Looking and finishing may be
    repeated, so a broken connection is renewed. `by_looking_alone`: nothing is finished. Raises the last error where
    that fails; then the lines stay open in the journal.
    """

    def looked_and_finished(mailbox: Mailbox) -> list[MoveOutcome]:
        outcomes = _look(records, mailbox, journal, told or {})
        both = [one for one in outcomes if one.is_in_both]
        if not both or by_looking_alone:
            return outcomes
        why_not = _finish(both, connection, journal, expected(records, others_from=others_from))
        were = {one.record.move_id for one in both}
        return [
            one.with_note(why_not or "it is in both folders: the server did not remove it")
            if one.is_in_both
            else one.with_note(why_not)
            if why_not and one.state is MoveState.KEPT and one.record.move_id in were
            else one
            for one in _look(records, mailbox, journal, told or {})
        ]

    return connection.reconnecting(looked_and_finished)


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


def expected(records: Sequence[MoveRecord], *, others_from: int | None = None) -> tuple[Question[Any], ...]:
    """Return what reconcile() will ask, if each message got the next number of the target."""
    first, uids = records[0].intent, [record.intent.uid for record in records]
    arrived = range(first.target_uidnext, first.target_uidnext + len(records))
    return (
        Examine(first.target),
        Uids(first.target, first.target_uidnext),
        Fingerprints(first.target, arrived),
        Examine(first.source),
        StillThere(first.source, uids),
        *(() if others_from is None else (Uids(first.source, others_from),)),
    )


def _look(
    records: Sequence[MoveRecord], mailbox: Mailbox, journal: Journal, told: Mapping[int, int]
) -> list[MoveOutcome]:
    """Return where the messages of these records, all between the same two folders, are now."""
    first = records[0].intent
    from_uid = min(r.intent.target_uidnext for r in records)
    target = view(mailbox, first.target, first=from_uid)
    if target.uidvalidity not in (0, first.target_uidvalidity) or 0 < target.uidnext < from_uid:
        target = view(mailbox, first.target)
    source = view(mailbox, first.source, only=[r.intent.uid for r in records])
    if any(source.seen.get(r.intent.uid, r.intent.fingerprint) != r.intent.fingerprint for r in records):
        source = view(mailbox, first.source, only=[r.intent.uid for r in records])  # a byte may have been altered
    if source.uidvalidity not in (0, first.source_uidvalidity):
        source = view(mailbox, first.source)
    claimed = journal.claimed(first.target, target.uidvalidity, among=target.seen)
    return locate(records, source, target, claimed=claimed, told=told)


def locate(
    records: Sequence[MoveRecord],
    source: FolderView,
    target: FolderView,
    *,
    claimed: Set[int] = frozenset(),
    told: Mapping[int, int] | None = None,
) -> list[MoveOutcome]:
    """Return where the message of each record is. Pure.

    `claimed` are UIDs at the target that belong to earlier moves. `told` is COPYUID, by source UID: believed only where
    the message there looks right. Of equal messages those that have left the source are matched first: that a message
    is in both folders is only said if the target holds one for each.
    """
    at_source = _at_source(records, source)
    arrived = _Arrivals(target, claimed)
    matched: dict[int, int | None] = {}
    for wanted_first in (False, True):  # those that left, then those that are still there
        for record in records:
            if (record.move_id in at_source) is wanted_first:
                told_uid = (told or {}).get(record.intent.uid)
                matched[record.move_id] = arrived.take(record, told_uid, left_the_source=not wanted_first)
    strange = set(target.seen) - claimed - set(matched.values())
    outcomes = []
    for record in records:
        uid, told_uid = matched[record.move_id], (told or {}).get(record.intent.uid)
        note = None
        if told_uid in strange:
            note = f"what the server made of it in {record.intent.target}, UID {told_uid}, is another message"
        outcomes.append(_located(record, record.move_id in at_source, uid, target, note))
    return outcomes


def _located(
    record: MoveRecord, is_at_source: bool, uid: int | None, target: FolderView, note: str | None
) -> MoveOutcome:
    if uid is None:
        state = MoveState.KEPT if is_at_source else MoveState.TAKEN
        return MoveOutcome(record, state, note=note if is_at_source else _GONE)
    if is_at_source and not record.intent.keeps_source:
        return MoveOutcome(record, MoveState.UNCLEAR, uid, "it is in both folders")
    if target.seen[uid].arrived != record.intent.fingerprint.arrived:
        note = REDATED
    there = {flag.lower() for flag in target.flags.get(uid, record.intent.flags)}
    lost = tuple(flag for flag in record.intent.flags if flag.lower() not in {*there, DELETED.lower()})
    came_marked = DELETED.lower() in there and not has_mark(record.intent.flags)
    return MoveOutcome(record, MoveState.MOVED, uid, note, lost_flags=lost, came_marked=came_marked)


class _Arrivals:
    """The messages at the target that nobody has claimed yet, by likeness."""

    def __init__(self, target: FolderView, claimed: Set[int]) -> None:
        self._uidvalidity = target.uidvalidity
        self._uidnext = target.uidnext
        self._free: dict[_Likeness, list[int]] = defaultdict(list)
        for uid in sorted(set(target.seen) - claimed):
            self._free[likeness(target.seen[uid])].append(uid)

    def take(self, record: MoveRecord, told: int | None, *, left_the_source: bool) -> int | None:
        """Return the UID of the record's message and claim it; None where none arrived.

        A UIDNEXT before the move that is above the one after it was not so: then any equal message counts, but only for
        one that is no longer at the source, so that nothing is removed from there because of it.
        """
        intent = record.intent
        free = self._free.get(likeness(intent.fingerprint), [])
        numbers_hold = intent.target_uidvalidity == self._uidvalidity
        if left_the_source and self._uidnext and self._uidnext < intent.target_uidnext:
            numbers_hold = False
        fitting = [uid for uid in free if not numbers_hold or uid >= intent.target_uidnext]
        if not fitting:
            return None
        chosen = told if told in fitting else fitting[0]
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


# --- the second half of a COPY -------------------------------------------------------------------------------------


def _finish(
    both: Sequence[MoveOutcome], connection: Connection, journal: Journal, then: Sequence[Question[Any]]
) -> str | None:
    """Remove from the source what was just seen whole at the target; return why it could not be done.

    UID EXPUNGE names exactly these messages: a plain EXPUNGE would take along what you marked as deleted.
    """
    mailbox, first = connection.mailbox, both[0].record.intent
    source = first.source
    if not mailbox.can_uid_expunge:
        return "it is in both folders, and the server cannot expunge by UID"
    intents = {one.record.intent.uid: one.record.intent for one in both}
    opening, looks = Select(source), Fingerprints(source, sorted(intents))
    mailbox.send_ahead(opening, looks)
    try:
        if mailbox.ask(opening).uidvalidity != first.source_uidvalidity:
            return f"it is in both folders, and {source} was renumbered meanwhile"
        seen = mailbox.ask(looks)
        same = [uid for uid, s in sorted(seen.items()) if uid in intents and s.fingerprint == intents[uid].fingerprint]
        whole = _copied_whole(mailbox, [one for one in both if one.record.intent.uid in same])
        if whole and mailbox.select(source).uidvalidity == first.source_uidvalidity:
            if why_not := _marked_amiss(connection, journal, [o for o in both if o.record.intent.uid in whole]):
                return why_not
            mailbox.uid_expunge(whole, then=then)
        if len(whole) < len(same):
            copies = {one.record.intent.uid: one.target_uid or 0 for one in both}
            odd = ", ".join(str(copies[uid]) for uid in sorted(set(same) - set(whole))[:MOST_NAMED])
            return f"it is in both folders, and the copy is not the same message (in {first.target}: UID {odd})"
    except (CommandRefused, PermissionMissing) as error:
        return f"it is in both folders, and the server refuses to remove it from {source}: {error.why or error.what}"
    return None


def _marked_amiss(connection: Connection, journal: Journal, whole: Sequence[MoveOutcome]) -> str | None:
    r"""Mark originals as \Deleted; return why they must not be expunged, their marks taken off again.

    Where the mark shows at the copy, too, both are one message under two names. Where the server marked more than it
    was told to, it may expunge more, too. Where you have marked others, it is tried first whether it spares them.
    """
    mailbox, first = connection.mailbox, whole[0].record.intent
    copies = {one.record.intent.uid: one.target_uid or 0 for one in whole}
    uids, marked_before = sorted(copies), set(mailbox.deleted(first.source))
    yours = marked_before - set(uids)
    if yours and not connection.expunges_by_name:
        if ours := marked_before - yours:  # a run was killed here
            mailbox.change_flags(sorted(ours), remove=[DELETED])
        if why_not := _expunges_more(mailbox, journal, whole, len(yours)):
            return why_not
        connection.expunges_by_name = True
    mailbox.examine(first.target)
    came_marked = [uid for uid, flags in mailbox.flags(sorted(copies.values())).items() if has_mark(flags)]
    if came_marked:  # another machine had marked the original, or a run was killed: no copy keeps that mark
        mailbox.select(first.target)
        mailbox.change_flags(sorted(came_marked), remove=[DELETED])
    if mailbox.select(first.source).uidvalidity != first.source_uidvalidity:
        return f"it is in both folders, and {first.source} was renumbered meanwhile"
    mailbox.mark_deleted(uids)
    more = set(mailbox.deleted(first.source)) - marked_before - set(uids)
    if len(more) > MOST_AT_ONCE:
        mailbox.change_flags(sorted({*more, *uids}), remove=[DELETED])
        return (
            f"it is in both folders: the server was told to mark {len(uids):,} of {first.source} as deleted and marked "
            f"{len(more):,} more, so the marks were taken off again and nothing was expunged"
        )
    try:
        mailbox.examine(first.target)
        shown = mailbox.flags(sorted(copies.values()))
        amiss = any(has_mark(flags) for flags in shown.values())
        why_not = f"{first.source} and {first.target} show one and the same message, or somebody is deleting it"
    except (CommandRefused, FolderNotFound) as error:
        amiss, why_not = True, f"it is in both folders, and {first.target} cannot be looked at: {error}"
    if mailbox.select(first.source).uidvalidity != first.source_uidvalidity:
        return f"it is in both folders, and {first.source} was renumbered meanwhile"
    if not amiss:
        return None
    mailbox.change_flags(uids, remove=[DELETED])
    return why_not


def _expunges_more(mailbox: Mailbox, journal: Journal, whole: Sequence[MoveOutcome], yours: int) -> str | None:
    r"""Return why UID EXPUNGE must not be used in a folder in which you have marked messages; None: it may be.

    A server that ignores its set would take yours along, and that cannot be tried on them. So it is tried at the
    target, on a copy of which the original is still at the source: marked, the copy has to outlast an UID EXPUNGE that
    names a number which nothing has. Left marked by a kill, it gets the mark taken off when the move is finished.
    Where you have marked messages at the target, too, it cannot be tried: then it counts that moves were seen to work.
    """
    first, original, copy = whole[0].record.intent, whole[0].record.intent.uid, whole[0].target_uid or 0
    state = mailbox.select(first.target)
    seen = mailbox.fingerprints(first.target, [copy]).get(copy)
    if seen is None or likeness(seen.fingerprint) != likeness(first.fingerprint):
        return f"it is in both folders, and {first.target} was renumbered meanwhile"
    if others := set(mailbox.deleted(first.target)) - {one.target_uid for one in whole}:
        if journal.has_moved():
            return None
        return (
            f"it is in both folders: {plural(yours, 'other message')} in {first.source} and {len(others):,} in "
            f"{first.target} are marked as deleted, so it cannot be tried out whether the server would expunge those, "
            f"too, and nothing was expunged; it can be once nothing in {first.target} bears that mark"
        )
    mailbox.mark_deleted([copy])
    amiss = None
    if copy not in mailbox.deleted(first.target):
        amiss = f"it is in both folders, and the server does not mark messages in {first.target} as deleted"
    elif original in _deleted_now(mailbox, first.source):
        amiss = f"{first.source} and {first.target} show one and the same message, or somebody is deleting it"
    mailbox.select(first.target)
    if amiss is None:
        with suppress(CommandRefused):  # one that refuses a number that nothing has looks at its set
            mailbox.uid_expunge([max(state.uidnext, copy) + NO_MESSAGE])
        if not mailbox.still_there(first.target, [copy]):
            return (
                f"the server expunged in {first.target} what it was not told to. That was tried out on our own copy, "
                f"as {plural(yours, 'other message')} in {first.source} {'is' if yours == 1 else 'are'} marked as "
                f"deleted; so nothing was expunged from {first.source}"
            )
    mailbox.change_flags([copy], remove=[DELETED])
    return amiss


def _deleted_now(mailbox: Mailbox, folder: str) -> Sequence[int]:
    mailbox.examine(folder)
    return mailbox.deleted(folder)


def _copied_whole(mailbox: Mailbox, both: Sequence[MoveOutcome]) -> list[int]:
    """Return which messages have a copy that holds the same, byte for byte: of a large one, its first MiB.

    Size and header may be an index's word. The source is opened again right behind: little time is left for somebody to
    take the copy away.
    """
    if not both:
        return []
    way = both[0].record.intent
    here = {one.record.intent.uid: one.record.intent.fingerprint.size for one in both}
    there = {one.target_uid or 0: one.record.intent.fingerprint.size for one in both}
    originals = Bodies(way.source, sorted(here), LARGEST, here)
    copies = Bodies(way.target, sorted(there), LARGEST, there)
    mailbox.send_ahead(originals, copies, Select(way.source))
    original, copied = (
        {uid: hashlib.sha256(content).digest() for uid, content in mailbox.ask(bodies)}
        for bodies in (originals, copies)
    )
    pairs = [(one.record.intent.uid, one.target_uid or 0) for one in both]
    return sorted(uid for uid, copy in pairs if uid in original and original[uid] == copied.get(copy))
