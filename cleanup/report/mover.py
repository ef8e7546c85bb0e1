"""Moves messages between two folders, a batch at a time: check, write down, move, look, write down.

The first batch is a single message: a server that loses mail or lies is found out with one. Where moves to this very
folder have been seen to work, it is a few. The looks at a large folder take longer than a move, so after a batch of
the usual size, and where MOVE is quick, they are larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cleanup.errors import (
    CleanupError,
    CommandUnknown,
    MoveNotSupported,
    ServerMisbehaved,
    TookTooLong,
)
from cleanup.ledger import MoveRecord, MoveState
from cleanup.report.doubles import what_will_be_asked
from cleanup.report.journal import Journal, Settled
from cleanup.report.link import Link
from cleanup.report.looking import BROKEN, expected, settle
from cleanup.report.mailbox import Ahead
from cleanup.report.meanwhile import Before, Watch
from cleanup.report.preparing import Way, Wish, intent_of, open_source, prepare, what_prepare_asks
from cleanup.signals import finishing

LONGEST_MOVE_S = 5.0  # that a large batch should take the server; somebody may be waiting for it to end


@dataclass(frozen=True, slots=True)
class Batches:
    """How many messages are moved at once. The very first batch is one, unless such moves were seen to arrive."""

    first: int = 10  # where they were
    usual: int = 100
    large: int = 1000  # after a usual one, where MOVE is quick


BATCHES = Batches()


@dataclass(slots=True)
class Carried:
    """What became of the wishes, by source UID: every wish is in exactly one of the four.

    `moved` with the UID at the target; `gone`, `kept` and `unclear` with the reason. `doubled` says of some that they
    are in another folder, too, `altered` of some that moved that they are not quite as they were. `stopped` is why not
    all of them were tried.
    """

    moved: dict[int, int | None] = field(default_factory=dict)
    gone: dict[int, str] = field(default_factory=dict)
    kept: dict[int, str] = field(default_factory=dict)
    unclear: dict[int, str] = field(default_factory=dict)
    doubled: dict[int, str] = field(default_factory=dict)
    altered: dict[int, str] = field(default_factory=dict)
    stopped: CleanupError | None = None


@dataclass(frozen=True, slots=True)
class _Trip:
    """All that the steps of one carry() share."""

    way: Way
    link: Link
    journal: Journal
    watch: Watch
    carried: Carried


def carry(
    way: Way,
    wishes: Sequence[Wish],
    link: Link,
    journal: Journal,
    *,
    batches: Batches = BATCHES,
    progress: Callable[[int], None] = lambda _: None,
) -> Carried:
    """Move the wished messages; return what became of each. Raises nothing that is a CleanupError.

    `progress` is told after each batch how many wishes were tried.
    """
    carried = Carried()
    known = {wish.uid: wish.fingerprint for wish in wishes}
    watch = Watch(link, journal, way.source, way.uidvalidity, known, carried.doubled)
    trip = _Trip(way, link, journal, watch, carried)
    waiting = list(wishes)
    size = _first_size(trip, batches)
    while waiting and carried.stopped is None:
        batch, waiting = waiting[:size], waiting[size:]
        try:
            with finishing():
                arrived = _carry_batch(trip, batch)
                progress(len(wishes) - len(waiting))
        except CleanupError as error:
            carried.stopped = error
            _note(carried.kept, _unknown(batch, carried), f"not tried: {error}")
            break
        size = _next_size(trip, len(batch), batches) if arrived else 1
    _look_after(trip)
    reason = f"not tried: {carried.stopped}" if carried.stopped else "not tried"
    _note(carried.kept, waiting, reason)
    return carried


def _first_size(trip: _Trip, batches: Batches) -> int:
    """Return how many messages to begin with: one, unless moves on this very way were seen to arrive."""
    way = trip.way
    try:
        known = trip.journal.have_arrived(way.source, way.uidvalidity, way.target)
    except CleanupError as error:
        trip.carried.stopped = error
        return 1
    return batches.first if known else 1


def _next_size(trip: _Trip, size: int, batches: Batches) -> int:
    """Return how many messages to move next, after `size` of them arrived."""
    if size < batches.usual or not trip.link.mailbox.can_move:
        return batches.usual
    in_time = int(size * LONGEST_MOVE_S / max(trip.watch.last_took_s, 0.001))
    return max(batches.usual, min(batches.large, in_time))


def _carry_batch(trip: _Trip, batch: Sequence[Wish]) -> bool:
    """Move one batch and note what became of it; return whether anything arrived."""
    way, carried, mailbox = trip.way, trip.carried, trip.link.mailbox
    trip.watch.begin()
    mailbox.foresee(what_prepare_asks(trip.watch.expected_on_first(mailbox.ahead()), way, batch))
    before = trip.watch.look_before([wish.uid for wish in batch])
    here, target = prepare(way, batch, trip.link, carried.gone, carried.kept)
    if not here:
        return False
    records = trip.journal.intend([intent_of(way, wish, here[wish.uid], target) for wish in batch if wish.uid in here])
    try:
        settled = _move(trip, records, before)
    except CleanupError as error:  # written down as intended, and so found by the next run
        carried.stopped = error
        carried.unclear.update({r.intent.uid: f"nobody could look where it is: {error}" for r in records})
        return False
    for one in settled:
        _tell(one, carried)
    return any(one.state is MoveState.MOVED for one in settled)


def _look_after(trip: _Trip) -> None:
    """Look once more whether somebody else moved some of the messages, too."""
    try:
        with finishing():
            changed = trip.journal.settle(trip.watch.look_after())
    except CleanupError as error:
        trip.carried.stopped = trip.carried.stopped or error
        return
    for one in changed:
        trip.carried.moved.pop(one.record.intent.uid, None)
        _tell(one, trip.carried)


# --- the move ------------------------------------------------------------------------------------------------------


def _move(trip: _Trip, records: Sequence[MoveRecord], before: Before | None) -> list[Settled]:
    """MOVE, look, write down; COPY where the server does not know MOVE."""
    mailbox = trip.link.mailbox
    if not mailbox.can_move:
        return _by_copy(trip, records, before)
    uids, looks = [r.intent.uid for r in records], _looks_then(trip, records, before)
    try:
        with trip.watch.timing():
            told = dict(mailbox.move(uids, trip.way.target, looks).pairs)
    except MoveNotSupported:  # nothing was sent
        return _by_copy(trip, records, before)
    except CommandUnknown as error:
        return _after_bad(trip, records, before, error)
    except CleanupError as error:
        return _after_trouble(trip, records, before, error)
    return _after_yes(trip, records, before, told)


def _after_bad(trip: _Trip, records: Sequence[MoveRecord], before: Before | None, error: CleanupError) -> list[Settled]:
    """COPY what is where it was. Exchange 2010 offers MOVE and answers BAD; who knows whether nothing came of it."""
    if not trip.link.mailbox.can_uid_expunge:
        return _after_trouble(trip, records, before, error)
    settled = settle(records, trip.link, trip.journal)
    kept = [one.record for one in settled if one.state is MoveState.KEPT]
    others = [one for one in settled if one.state is not MoveState.KEPT]
    put_right = trip.journal.settle(trip.watch.put_right(others, before)) if others else []
    if kept:
        open_source(trip.link.mailbox, trip.way)
    return put_right + (_by_copy(trip, kept, before) if kept else [])


def _by_copy(trip: _Trip, records: Sequence[MoveRecord], before: Before | None) -> list[Settled]:
    """COPY, look; what arrived is then removed from the source by name, and looked at again (looking.settle)."""
    mailbox = trip.link.mailbox
    try:
        with trip.watch.timing():
            told = dict(
                mailbox.copy([r.intent.uid for r in records], trip.way.target, expected(mailbox.ahead(), records)).pairs
            )
    except CleanupError as error:
        return _after_trouble(trip, records, before, error)
    return _after_yes(trip, records, before, told)


def _looks_then(trip: _Trip, records: Sequence[MoveRecord], before: Before | None) -> Ahead:
    """Return what will be looked at once these are moved, to go out right behind the MOVE."""
    looks = expected(trip.link.mailbox.ahead(), records)
    return what_will_be_asked(looks, before.folders, trip.way.target) if before and before.folders else looks


def _after_yes(
    trip: _Trip, records: Sequence[MoveRecord], before: Before | None, told: Mapping[int, int]
) -> list[Settled]:
    """Look whether it is true; stop where the server said yes and a message is where it was, or nowhere."""
    settled = settle(records, trip.link, trip.journal, told)
    now = trip.journal.settle(trip.watch.put_right(settled, before))
    states = {one.state for one in settled}
    gone = [after for was, after in zip(settled, now, strict=True) if was.state is after.state is MoveState.TAKEN]
    if states & {MoveState.KEPT, MoveState.UNCLEAR}:
        why = next((s.note for s in settled if s.state is MoveState.UNCLEAR), "messages are still where they were")
        trip.carried.stopped = ServerMisbehaved("The server said that it moved the messages, which is not so", why=why)
    elif len(gone) == len(settled) and (len(settled) > 1 or trip.carried.gone):
        trip.carried.stopped = ServerMisbehaved(
            "Messages vanished while they were moved",
            hint="Another program may be moving them, too. Look for them before you run again",
        )
    return now


def _after_trouble(
    trip: _Trip, records: Sequence[MoveRecord], before: Before | None, error: CleanupError
) -> list[Settled]:
    """Look what happened, and never try again: the server may still be at it. Too slow a server is asked no more.

    What has not arrived after a broken connection stays open in the journal, for the next run to look at again.
    """
    broken = isinstance(error, BROKEN)
    if broken:
        trip.link.renew(error)
    if not broken or isinstance(error, TookTooLong):
        trip.carried.stopped = error
    settled = trip.watch.put_right(settle(records, trip.link, trip.journal), before)
    return trip.journal.settle(_left_open(one, error) if broken else one for one in settled)


def _left_open(one: Settled, error: CleanupError) -> Settled:
    if one.state is MoveState.KEPT:
        return Settled(one.record, MoveState.UNCLEAR, None, f"it is still where it was: {error}")
    if one.state is MoveState.TAKEN:
        return Settled(one.record, MoveState.UNCLEAR, None, f"it is in neither folder: {error}")
    return one


# --- after ---------------------------------------------------------------------------------------------------------


def _tell(one: Settled, carried: Carried) -> None:
    uid = one.record.intent.uid
    if one.state is MoveState.MOVED:
        carried.moved[uid] = one.target_uid
        if one.note and uid not in carried.doubled:
            carried.altered[uid] = one.note
    elif one.state in (MoveState.TAKEN, MoveState.RETURNED):
        carried.gone[uid] = one.note or "it is gone"
    elif one.state is MoveState.KEPT:
        carried.kept[uid] = one.note or f"the server did not move it{_because(carried)}"
    else:
        carried.unclear[uid] = one.note or "nobody knows where it is"


def _because(carried: Carried) -> str:
    return f": {carried.stopped}" if carried.stopped else ""


def _unknown(batch: Sequence[Wish], carried: Carried) -> Iterator[Wish]:
    known = {*carried.moved, *carried.gone, *carried.kept, *carried.unclear}
    return (wish for wish in batch if wish.uid not in known)


def _note(place: dict[int, str], wishes: Iterator[Wish] | Sequence[Wish], reason: str) -> None:
    for wish in wishes:
        place[wish.uid] = reason
