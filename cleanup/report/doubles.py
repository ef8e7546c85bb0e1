"""What is there twice, because somebody else moved it in the moment in which we did.

Servers let both moves happen. What we put into our folder, or what we only copied, is then one too many: the owner's
own move counts. Nothing else that was moved is ever removed, and this only if the other one is seen whole *after* ours
was marked as deleted: another name for the same message (a virtual folder) is marked then, too, and so is one that
another program, on another machine, is just removing because it has seen ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Protocol, TypeVar

from cleanup.errors import CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger import MoveRecord, MoveState
from cleanup.model import Fingerprint
from cleanup.report.journal import Journal, Settled
from cleanup.report.looking import LARGEST, view
from cleanup.report.mailbox import Ahead, FilingMailbox, FolderState
from cleanup.report.settling import likeness

BEING_REMOVED = "it came into two folders at once, and is being removed from one"
_DELETED = "\\Deleted"
_T = TypeVar("_T")


class Unbroken(Protocol):
    """Does work on the connection; begins again on a new one where it breaks."""

    def __call__(self, work: Callable[[FilingMailbox], _T], /) -> _T: ...


@dataclass(frozen=True, slots=True)
class Spot:
    """One message in one folder."""

    folder: str
    uid: int


@dataclass(frozen=True, slots=True)
class Double:
    """A message of ours (at the target, or still at the source) and an equal one that came into a folder meanwhile."""

    record: MoveRecord
    ours: Spot
    other: Spot

    @property
    def is_anothers_turn(self) -> bool:
        """Whether the other one came into the target after ours: who put it there sees ours and removes his."""
        at_target = self.other.folder == self.ours.folder == self.record.intent.target
        return at_target and self.other.uid > self.ours.uid


Came = Mapping[Fingerprint, Sequence[Spot]]


def what_came(
    settled: Sequence[Settled],
    before: Mapping[str, FolderState],
    mailbox: FilingMailbox,
    journal: Journal,
    *,
    without: Set[str] = frozenset(),
) -> Came:
    """Return what came into any folder since `before`, but for what moves put into the target."""
    target, uidvalidity = settled[0].record.intent.target, settled[0].record.intent.target_uidvalidity
    mailbox.foresee(what_will_be_asked(mailbox.ahead(), before, target))
    found: dict[Fingerprint, list[Spot]] = {}
    for folder, first in _grown(before, mailbox.numbering() or {}):
        if folder in without:
            continue
        mailbox.examine(folder)
        uids = set(mailbox.uids(folder, first=first))
        if folder == target:
            uids -= journal.claimed(folder, uidvalidity, among=uids) | {s.target_uid or 0 for s in settled}
        for uid, fingerprint in view(mailbox, folder, only=sorted(uids)).seen.items() if uids else ():
            found.setdefault(fingerprint, []).append(Spot(folder, uid))
    return found


def what_will_be_asked(ahead: Ahead, before: Mapping[str, FolderState], target: str) -> Ahead:
    """Return what what_came() will ask for, if only our own moves put something somewhere."""
    ahead.numbering()
    if target in before:
        ahead.examine(target).uids(before[target].uidnext)
    return ahead


def _grown(before: Mapping[str, FolderState], now: Mapping[str, FolderState]) -> Iterator[tuple[str, int]]:
    """Yield the folders that messages came into, and from which UID on.

    A renamed folder is none that is new, and one that was listed without its numbers (RFC 5819 section 2) says nothing.
    """
    renamed = bool(before.keys() - now.keys())
    for folder, state in now.items():
        was = before.get(folder)
        if was is None and not renamed:
            yield folder, 1
        elif was is not None and was.uidvalidity == state.uidvalidity and state.uidnext > was.uidnext:
            yield folder, was.uidnext


def find_doubles(settled: Sequence[Settled], came: Came) -> list[Double]:
    """Return what of ours is one too many: each message was there once before, and has to be there once. Pure.

    Of equal messages those at the target are first, then those that never left the source.
    """
    doubles: list[Double] = []
    for fingerprint, group in groupby(sorted(settled, key=_order), key=lambda one: one.record.intent.fingerprint):
        ones = list(group)
        ours = [(s.record, Spot(s.record.intent.target, s.target_uid)) for s in ones if _at_target(s) and s.target_uid]
        ours += [
            (s.record, Spot(s.record.intent.source, s.record.intent.uid)) for s in ones if s.state is MoveState.KEPT
        ]
        others = came.get(fingerprint, ())
        surplus = len(ours) + len(others) - len(ones)
        if any(s.state is MoveState.UNCLEAR for s in ones):
            continue  # in both folders, and told already
        doubles += [Double(record, spot, other) for (record, spot), other in zip(ours[:surplus], others, strict=False)]
    return doubles


def _order(one: Settled) -> tuple[int, str, float]:
    fingerprint = one.record.intent.fingerprint
    return fingerprint.size, fingerprint.digest, fingerprint.arrived.timestamp()


def _at_target(one: Settled) -> bool:
    return one.state is MoveState.MOVED


# --- removing ours -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoldersSeen:
    """What was learned of folders: which ones only show what is in others, and whose messages are their own."""

    mirrors: set[str]
    own: set[str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A message as it was before it was removed."""

    content: bytes
    flags: tuple[str, ...]
    arrived: datetime


def remove_ours(
    double: Double,
    unbroken: Unbroken,
    journal: Journal,
    folders: FoldersSeen,
    look_again: Callable[[FilingMailbox], Came],
) -> str | None:
    """Remove our one of two; return why it was not done, if so.

    The first time a folder holds the other one, a copy of ours is put beside it before it is expunged, and is removed
    only once the other one was seen to be still there, or by `look_again` in another folder: both may have been one.
    """
    uid = double.ours.uid if double.ours.folder == double.record.intent.target else None
    journal.settle([Settled(double.record, MoveState.UNCLEAR, uid, BEING_REMOVED)])
    try:
        kept = unbroken(lambda mailbox: _seen_twice(double, mailbox))
        if kept is None:
            return "it cannot be seen whole"
        if why_not := unbroken(lambda mailbox: _why_not_alone(double, mailbox, folders.mirrors)):
            unbroken(lambda mailbox: _unmark(double.record, double.ours, mailbox))
            return why_not
        if double.other.folder in folders.own:
            unbroken(lambda mailbox: _expunge(double.record, double.ours, mailbox))
            return None
        return _remove_with_a_copy(double, kept, unbroken, folders, look_again)
    except (CommandRefused, FolderNotFound, PermissionMissing) as error:
        unbroken(lambda mailbox: _unmark(double.record, double.ours, mailbox))
        return str(error)


def _remove_with_a_copy(
    double: Double,
    kept: _Kept,
    unbroken: Unbroken,
    folders: FoldersSeen,
    look_again: Callable[[FilingMailbox], Came],
) -> str | None:
    known = unbroken(lambda mailbox: _uids_in(mailbox, double.ours.folder))
    copy = unbroken(lambda mailbox: _put_beside(double.ours.folder, kept, known, mailbox))
    if copy is None:
        unbroken(lambda mailbox: _unmark(double.record, double.ours, mailbox))
        return "no copy of it can be put beside it first"
    unbroken(lambda mailbox: _expunge(double.record, double.ours, mailbox))
    if not _is_left(double, kept, copy, unbroken, look_again):
        folders.mirrors.add(double.other.folder)
        return "it went with the other one; a copy of it is left"
    unbroken(lambda mailbox: _expunge(double.record, copy, mailbox))
    if not _is_left(double, kept, copy, unbroken, look_again):  # it was shown because the copy was there
        folders.mirrors.add(double.other.folder)
        unbroken(lambda mailbox: _put_beside(double.ours.folder, kept, known, mailbox))
        return "it went with the other one, and was put back"
    folders.own.add(double.other.folder)
    return None


def _is_left(
    double: Double, kept: _Kept, copy: Spot, unbroken: Unbroken, look_again: Callable[[FilingMailbox], Came]
) -> bool:
    """Return whether the other one is where it was, or the owner moved it on."""
    if unbroken(lambda mailbox: _bytes(mailbox, double.other)) == kept.content:
        return True
    others = unbroken(look_again).get(double.record.intent.fingerprint, ())
    return any(spot != copy for spot in others)


def unmark(record: MoveRecord, mailbox: FilingMailbox) -> None:
    """Take the marks from what a run was about to remove when it was cut off: ours, and a copy of it beside it."""
    fingerprint = record.intent.fingerprint
    folder = record.intent.target if record.target_uid else record.intent.source
    here = Spot(folder, record.target_uid or record.intent.uid)
    if _open(record, here, mailbox):
        equal = mailbox.of_size(folder, {fingerprint.size}, {fingerprint.arrived})
        for uid in [uid for uid in equal if uid >= here.uid]:
            _unmark(record, Spot(folder, uid), mailbox)


def unmark_strays(marked: Set[Fingerprint], came: Came, target: str, mailbox: FilingMailbox) -> None:
    """Take our mark from what somebody moved on in the moment in which it was marked: his program would expunge it.

    What is marked at the target is another machine's, which is about to remove it.
    """
    for spot in (spot for fingerprint in marked for spot in came.get(fingerprint, ())):
        if spot.folder != target and _marked(mailbox, spot):
            mailbox.select(spot.folder)
            mailbox.change_flags([spot.uid], remove=[_DELETED])


def _seen_twice(double: Double, mailbox: FilingMailbox) -> _Kept | None:
    """Return our message, if both are there whole and are the same to the byte."""
    content = _bytes(mailbox, double.ours)
    if content is None or len(content) >= LARGEST or content != _bytes(mailbox, double.other):
        return None
    seen = mailbox.fingerprints(double.ours.folder, [double.ours.uid]).get(double.ours.uid)
    flags = tuple(flag for flag in seen.flags if flag.lower() != _DELETED.lower()) if seen else ()
    return _Kept(content, flags, double.record.intent.fingerprint.arrived) if seen else None


def _why_not_alone(double: Double, mailbox: FilingMailbox, mirrors: set[str]) -> str | None:
    """Mark ours; return why it must stay, None where the other one is there and bears no mark."""
    ours, other = double.ours, double.other
    if not mailbox.can_uid_expunge:
        return "the server cannot expunge by UID"
    if not mailbox.can_move and _marked(mailbox, other):  # moved while it was marked at the source: with our mark
        mailbox.select(other.folder)
        mailbox.change_flags([other.uid], remove=[_DELETED])
    if not _open(double.record, ours, mailbox):
        return "the folder was renumbered"
    mailbox.mark_deleted([ours.uid])
    marked = _marked(mailbox, other)
    if marked:
        mirrors.add(other.folder)
        return "it is the same message, or somebody is removing it"
    return "it has gone again" if marked is None else None


def _expunge(record: MoveRecord, spot: Spot, mailbox: FilingMailbox) -> None:
    if not _open(record, spot, mailbox):
        return
    seen = mailbox.fingerprints(spot.folder, [spot.uid]).get(spot.uid)
    if seen and likeness(seen.fingerprint) == likeness(record.intent.fingerprint):
        mailbox.mark_deleted([spot.uid])
        mailbox.uid_expunge([spot.uid])


def _put_beside(folder: str, kept: _Kept, known: frozenset[int], mailbox: FilingMailbox) -> Spot | None:
    """Add the message to a folder; return where it is seen whole then. May be begun again after it was done."""
    if (there := _new_copy(folder, kept, known, mailbox)) is None:
        mailbox.append(folder, kept.content, kept.flags, kept.arrived)
        there = _new_copy(folder, kept, known, mailbox)
    return there


def _new_copy(folder: str, kept: _Kept, known: frozenset[int], mailbox: FilingMailbox) -> Spot | None:
    new = sorted(_uids_in(mailbox, folder) - known)
    found = mailbox.pull_bodies(folder, new, max_bytes=LARGEST) if new else ()
    return next((Spot(folder, uid) for uid, content in found if content == kept.content), None)


def _uids_in(mailbox: FilingMailbox, folder: str) -> frozenset[int]:
    mailbox.look_afresh()
    mailbox.examine(folder)
    return frozenset(mailbox.uids(folder))


def _unmark(record: MoveRecord, ours: Spot, mailbox: FilingMailbox) -> None:
    if not _open(record, ours, mailbox):
        return
    seen = mailbox.fingerprints(ours.folder, [ours.uid]).get(ours.uid)
    if seen and likeness(seen.fingerprint) == likeness(record.intent.fingerprint) and _has_mark(seen.flags):
        mailbox.change_flags([ours.uid], remove=[_DELETED])


def _open(record: MoveRecord, ours: Spot, mailbox: FilingMailbox) -> bool:
    """Open the folder of ours for changes; return whether its numbers still mean what they meant.

    A folder that was new when its numbering was asked for may have got another one as it was opened: Dovecot numbers it
    twice where two do so at once. Nothing in it is older than the move.
    """
    intent, told = record.intent, mailbox.select(ours.folder).uidvalidity
    if ours.folder != intent.target:
        return told == intent.source_uidvalidity
    return told == intent.target_uidvalidity or intent.target_uidnext == 1


def _bytes(mailbox: FilingMailbox, spot: Spot) -> bytes | None:
    mailbox.look_afresh()
    mailbox.examine(spot.folder)
    return dict(mailbox.pull_bodies(spot.folder, [spot.uid], max_bytes=LARGEST)).get(spot.uid)


def _marked(mailbox: FilingMailbox, spot: Spot) -> bool | None:
    """Return whether a message is marked as deleted; None where it is gone."""
    mailbox.examine(spot.folder)
    flags = mailbox.flags([spot.uid]).get(spot.uid)
    return None if flags is None else _has_mark(flags)


def _has_mark(flags: Sequence[str]) -> bool:
    return any(flag.lower() == _DELETED.lower() for flag in flags)
