"""Moves messages between two folders, a batch at a time: check, write down, move, look, write down.

The first batch is a single message: a server that loses mail or lies is found out with one. Where moves to this very
folder have been seen to work, it is a few. The looks at a large folder take longer than a move, so after a batch of
the usual size, and where MOVE is quick, they are larger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cleanup.connector.mailbox import Mailbox
from cleanup.errors import (
    CleanupError,
    CommandUnknown,
    FolderNotFound,
    MoveNotSupported,
    SafetyStop,
    ServerMisbehaved,
    TookTooLong,
)
from cleanup.ledger import MoveRecord, MoveState
from cleanup.model import FilingPlan, MessageRef, NotFiled, PlannedMove
from cleanup.progress import Progress, unseen
from cleanup.report.filing.journal import Journal, MoveOutcome, is_in_both, why_in_both
from cleanup.report.filing.races import Before, Watch, put_flags_right
from cleanup.report.filing.reconcile import expected, reconcile
from cleanup.report.filing.verify import (
    BROKEN,
    Checked,
    Connection,
    MoveRoute,
    check,
    check_able,
    check_takes_back,
    open_source,
    what_check_asks,
)
from cleanup.report.text import plural
from cleanup.signals import finishing

MOVING = "Moving"  # the stage, as progress shows it
LONGEST_MOVE_S = 5.0  # that a large batch should take the server; somebody may be waiting for it to end
TRIALS = 2  # batches after which the source's other messages are looked at: one message, and the first set of several
FIRST_LOOKS = 3  # at a batch over both connections, until they tell the same flags
NEARBY = 1000  # UIDs below a batch that are looked at where such moves were seen to work
MOST_LEFT = 3  # messages that a server leaves in both folders, one after the other, before nothing more is tried


@dataclass(frozen=True, slots=True)
class Batches:
    """How many messages are moved at once. The very first batch is one, unless such moves were seen to arrive."""

    first: int = 10  # where they were
    usual: int = 100
    large: int = 1000  # after a usual one, where MOVE is quick


BATCHES = Batches()


@dataclass(frozen=True, slots=True)
class MoveResults:
    """What became of the moves that were asked for; each message is in exactly one of the first four.

    `outcomes` are of those for which a command was sent. `stopped` is why not all were tried.
    """

    target: str
    outcomes: tuple[MoveOutcome, ...] = ()
    gone_before: tuple[NotFiled, ...] = ()  # you moved or deleted them before it was their turn
    not_tried: tuple[NotFiled, ...] = ()
    left_in_both: tuple[NotFiled, ...] = ()  # copied by an earlier run, and the server did not let the original go
    stopped: CleanupError | None = None

    @property
    def moved(self) -> tuple[MessageRef, ...]:
        """What arrived, by the places that it had before."""
        return tuple(one.ref for one in self.outcomes if one.state is MoveState.MOVED)

    @property
    def gone(self) -> tuple[NotFiled, ...]:
        """What somebody else moved or deleted meanwhile."""
        return (*self.gone_before, *self._in(MoveState.TAKEN, MoveState.RETURNED, otherwise="gone"))

    @property
    def not_moved(self) -> tuple[NotFiled, ...]:
        """What is where it was."""
        because = f": {self.stopped}" if self.stopped else ""
        return (*self._in(MoveState.KEPT, otherwise=f"the server did not move it{because}"), *self.not_tried)

    @property
    def unclear(self) -> tuple[NotFiled, ...]:
        """What the next run looks at again."""
        return self._in(MoveState.UNCLEAR, otherwise="nobody knows where it is")

    @property
    def doubled(self) -> tuple[NotFiled, ...]:
        """Of what arrived, what came into other folders, too."""
        return tuple(
            NotFiled(one.ref, f"in {folder}, too")
            for one in self.outcomes
            if one.state is MoveState.MOVED
            for folder in one.also_in
        )

    @property
    def altered(self) -> tuple[NotFiled, ...]:
        """Of what arrived, what is not quite as it was."""
        return tuple(
            NotFiled(one.ref, note) for one in self.outcomes if one.state is MoveState.MOVED for note in remarks(one)
        )

    @property
    def complete(self) -> bool:
        """Whether all that could be moved was."""
        return not self.not_moved and not self.unclear and self.stopped is None

    def in_words(self) -> str:
        """Return the outcome, a sentence a line; "" where nothing was to be done."""
        lines = [f"{len(self.moved):,} moved to {self.target}."] if self.moved else []
        lines += _counted(self.gone, "was moved or deleted by somebody else", "were moved or deleted by somebody else")
        lines += _counted(self.not_moved, "was not moved", "were not moved")
        lines += _counted(self.unclear, "is to be looked at again", "are to be looked at again")
        lines += self.remarks
        lines += _counted(self.left_in_both, "is in both folders", "are in both folders")
        lines += [f"Stopped: {self.stopped}"] if self.stopped else []
        return "\n".join(lines)

    @property
    def remarks(self) -> list[str]:
        """What is to be said of messages that arrived, in sentences; nothing where they are as they were."""
        altered = _counted(self.altered, "of them is not quite as it was", "of them are not quite as they were")
        return [*altered, *doubled_in_words(self.doubled)]

    def _in(self, *states: MoveState, otherwise: str) -> tuple[NotFiled, ...]:
        return tuple(NotFiled(one.ref, one.note or otherwise) for one in self.outcomes if one.state in states)


def remarks(one: MoveOutcome) -> list[str]:
    """Return in what way a message that arrived is not quite as it was."""
    lost = f"{one.record.intent.target} does not take the flags {', '.join(one.lost_flags)}" if one.lost_flags else None
    return [remark for remark in (one.note, lost) if remark]


def doubled_in_words(doubled: Sequence[NotFiled]) -> list[str]:
    """Return what is said of messages that are in other folders, too: a sentence a folder."""
    counts = Counter(one.reason for one in doubled)
    why = "a copy that the server keeps or shows there, or somebody moved or copied it at the same moment"
    return [f"{n:,} {'is' if n == 1 else 'are'} {where}: {why}. Nothing was removed." for where, n in counts.items()]


def _counted(ones: Sequence[NotFiled], one_is: str, several_are: str) -> list[str]:
    if not ones:
        return []
    reasons = list(dict.fromkeys(one.reason for one in ones))
    because = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")
    return [f"{len(ones):,} {one_is if len(ones) == 1 else several_are} ({because})."]


# --- a plan, and any moves -----------------------------------------------------------------------------------------


def file_all(
    plan: FilingPlan,
    mailbox: Mailbox,
    journal: Journal,
    *,
    reopen: Callable[[], Mailbox] | None = None,
    look_on: Callable[[], Mailbox] | None = None,
    batches: Batches = BATCHES,
    progress: Progress = unseen,
    pause: Callable[[float], None] = time.sleep,
) -> MoveResults:
    """Carry out a plan and return what became of each move. Raises nothing that is a CleanupError.

    The caller holds the mailbox's lock and has recovered earlier runs (recovery.recover). `reopen` makes a new
    connection after one broke; without it the first break is the end. `look_on` makes a second connection, which sees
    what others do meanwhile.
    """
    if plan.refusals:
        return _none_tried(plan, SafetyStop("Nothing was moved", why=" ".join(plan.refusals)))
    if not plan.moves:
        return MoveResults(plan.target)
    try:
        # what lies in both folders is known: each run tries to finish it, and it hinders no other move
        still_open = [record for record in journal.open_moves() if not is_in_both(record)]
    except CleanupError as error:
        return _none_tried(plan, error)
    if still_open:
        count = plural(len(still_open), "move")
        return _none_tried(
            plan, SafetyStop(f"{count} of an earlier run must be looked for first", why=still_open[0].note)
        )
    progress(MOVING, 0, len(plan.moves))
    return move_all(
        MoveRoute(plan.source, plan.uidvalidity, plan.target),
        plan.moves,
        Connection(mailbox, reopen, look_on, pause),
        journal,
        batches=batches,
        progress=lambda done: progress(MOVING, done, len(plan.moves)),
    )


def _none_tried(plan: FilingPlan, why: CleanupError) -> MoveResults:
    return MoveResults(plan.target, not_tried=tuple(NotFiled(move.ref, str(why)) for move in plan.moves), stopped=why)


def move_all(
    route: MoveRoute,
    moves: Sequence[PlannedMove],
    connection: Connection,
    journal: Journal,
    *,
    batches: Batches = BATCHES,
    progress: Callable[[int], None] = lambda _: None,
) -> MoveResults:
    """Move messages along one route; return what became of each. Raises nothing that is a CleanupError.

    `progress` is told after each batch how many were tried.
    """
    watch, done, stopped = Watch(connection, journal, route), list[MoveResults](), None
    waiting, left, not_tried = list(moves), list[NotFiled](), list[NotFiled]()
    try:
        check_able(connection.mailbox, route)
        known = journal.have_arrived(route.source, route.uidvalidity, route.target)
        waiting, left = _without_left(route, moves, journal)
    except CleanupError as error:
        known, stopped = False, error
    size = batches.first if known else 1
    while waiting and stopped is None:
        batch, waiting = waiting[:size], waiting[size:]
        # from which UID on the source's other messages are looked at; None: not any more
        nearby = known and connection.mailbox.can_move
        lowest = max(1, min(move.ref.uid for move in batch) - NEARBY) if nearby else 1
        others_from = lowest if len(done) < TRIALS else None
        one = None
        try:  # a signal waits until the batch is written down
            with finishing(f"this batch of {len(batch):,}"):
                one = _move_batch(route, batch, connection, journal, watch, others_from)
                progress(len(moves) - len(waiting))
        except CleanupError as error:
            stopped = error
        if one is None:  # nothing was sent
            waiting = batch + waiting
            break
        done.append(one)  # also where a signal came meanwhile: the batch is done
        stopped = stopped or one.stopped
        # where nothing arrived, a single message finds out whether the next one does
        size = _next_size(len(batch), batches, connection, watch) if one.moved else 1
    outcomes, late = _looked_after([o for one in done for o in one.outcomes], watch, journal)
    stopped = stopped or late
    not_tried += [NotFiled(move.ref, f"not tried: {stopped}" if stopped else "not tried") for move in waiting]
    return MoveResults(
        route.target,
        tuple(outcomes),
        tuple(gone for one in done for gone in one.gone_before),
        (*(kept for one in done for kept in one.not_tried), *not_tried),
        tuple(left),
        stopped,
    )


def _without_left(
    route: MoveRoute, moves: Sequence[PlannedMove], journal: Journal
) -> tuple[list[PlannedMove], list[NotFiled]]:
    """Return what is to be moved, and what an earlier run left in both folders: that would only be copied once more.

    It is known by its UID, and by its looks where the source was given new ones since. Raises SafetyStop where the
    server did so with the last few.
    """
    left = journal.left_in_both(route.source)
    if left and journal.left_since_arrival(route.source, route.uidvalidity) >= MOST_LEFT:
        raise SafetyStop(
            f"The server leaves what is moved from {route.source} in both folders, so nothing more is moved",
            why=left[-1].note,
            hint=f"Show this to its administrator; {plural(len(left), 'message')} came into {route.target} so far",
        )
    by_uid = {r.intent.uid: r for r in left if r.intent.source_uidvalidity == route.uidvalidity}
    # under new UIDs each line stands for one message that looks so, and for no second one: hence pop() below
    by_looks = {r.intent.fingerprint: r for r in left if r.intent.source_uidvalidity != route.uidvalidity}
    to_move: list[PlannedMove] = []
    stay: list[NotFiled] = []
    for move in moves:
        known = by_uid.get(move.ref.uid) or by_looks.pop(move.fingerprint, None)
        if known is None or known.intent.fingerprint != move.fingerprint:
            to_move.append(move)
        else:
            stay.append(NotFiled(move.ref, f"run {known.run_id} copied it: {why_in_both(known.note)}"))
    return to_move, stay


def _next_size(size: int, batches: Batches, connection: Connection, watch: Watch) -> int:
    """Return how many messages to move next, after `size` of them arrived."""
    if size < batches.usual or not connection.mailbox.can_move:
        return batches.usual
    in_time = int(size * LONGEST_MOVE_S / max(watch.last_took_s, 0.001))
    return max(batches.usual, min(batches.large, in_time))


def _looked_after(
    outcomes: list[MoveOutcome], watch: Watch, journal: Journal
) -> tuple[list[MoveOutcome], CleanupError | None]:
    """Return the outcomes after one more look at what somebody else did to the same messages."""
    try:
        with finishing("the last look at what was moved"):
            seen = watch.look_after()
            journal.write(one for one in seen if one.state is not one.record.state)
    except CleanupError as error:
        return outcomes, error
    now = {one.record.move_id: one for one in seen}
    return [now.get(one.record.move_id, one) for one in outcomes], None


# --- one batch -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sent:
    """One batch on its way: what every step after the command needs to know of it."""

    route: MoveRoute
    connection: Connection
    journal: Journal
    watch: Watch
    records: Sequence[MoveRecord]
    before: Before | None
    checked: Checked
    others_from: int | None

    def results(self, outcomes: Sequence[MoveOutcome], stopped: CleanupError | None = None) -> MoveResults:
        """Return what became of the batch."""
        return MoveResults(self.route.target, tuple(outcomes), self.checked.gone, self.checked.kept, stopped=stopped)


def _move_batch(
    route: MoveRoute,
    batch: Sequence[PlannedMove],
    connection: Connection,
    journal: Journal,
    watch: Watch,
    others_from: int | None,
) -> MoveResults:
    """Move one batch and return what became of it. Raises only what happens before anything is written down."""
    watch.begin()
    mailbox = connection.mailbox
    for _ in range(FIRST_LOOKS):
        # Both looks go out at once: what somebody does between them is seen by one of them alone, so they are repeated.
        mailbox.send_ahead(*watch.asks_at_first(), *what_check_asks(route, batch, others_from=others_from))
        before = watch.look_before([move.ref.uid for move in batch])
        checked = connection.reconnecting(lambda mailbox: check(route, batch, mailbox, others_from=others_from))
        if before is None or before.agrees_with(checked.present):
            break
    if not checked.present:
        return MoveResults(route.target, gone_before=checked.gone, not_tried=checked.kept)
    # Asked while a route is tried, and not of an undo: what that puts back nobody takes back once more.
    if others_from is not None and all(move.undoes is None for move in batch):
        connection.reconnecting(lambda mailbox: check_takes_back(mailbox, route.target))
        if connection.mailbox is not mailbox:  # a new one has nothing open
            connection.reconnecting(lambda mailbox: open_source(mailbox, route))
    # Written down before it is sent: after a kill the next run looks for a move that was perhaps never made, and does
    # not miss one that was.
    records = journal.intend(checked.present)
    sent = _Sent(route, connection, journal, watch, records, before, checked, others_from)
    try:
        return _send(sent)
    except CleanupError as error:  # written down as intended, and so found by the next run
        lost = [MoveOutcome(r, MoveState.UNCLEAR, None, f"nobody could look where it is: {error}") for r in records]
        return sent.results(lost, error)


def _send(sent: _Sent) -> MoveResults:
    """MOVE, look, write down; COPY where the server does not know MOVE."""
    mailbox, route = sent.connection.mailbox, sent.route
    if route.keeps_source or not mailbox.can_move:
        return _by_copy(sent)
    looks = expected(sent.records, others_from=sent.others_from)
    try:
        with sent.watch.timing():
            copyuid = dict(mailbox.move([r.intent.uid for r in sent.records], route.target, looks).pairs)
    except MoveNotSupported:  # nothing was sent
        return _by_copy(sent)
    except CommandUnknown as error:
        return _after_bad(sent, error)
    except CleanupError as error:
        return _after_trouble(sent, error)
    return _after_yes(sent, copyuid)


def _after_bad(sent: _Sent, error: CleanupError) -> MoveResults:
    """COPY what is where it was. Exchange 2010 offers MOVE and answers BAD; who knows whether nothing came of it."""
    if not sent.connection.mailbox.can_uid_expunge:
        return _after_trouble(sent, error)
    outcomes = reconcile(sent.records, sent.connection, sent.journal)
    kept = [one.record for one in outcomes if one.state is MoveState.KEPT]
    # what has arrived after all is written down before anything else is sent
    others = _written(sent, [one for one in outcomes if one.state is not MoveState.KEPT])
    if not kept:
        return sent.results(others)
    sent.connection.reconnecting(lambda mailbox: open_source(mailbox, sent.route))
    copied = _by_copy(replace(sent, records=kept))
    return replace(copied, outcomes=(*others, *copied.outcomes))


def _by_copy(sent: _Sent) -> MoveResults:
    """COPY, look; what arrived is then removed from the source by name, and looked at again (reconcile.py)."""
    mailbox, uids = sent.connection.mailbox, [r.intent.uid for r in sent.records]
    try:
        with sent.watch.timing():
            copyuid = dict(mailbox.copy(uids, sent.route.target, expected(sent.records)).pairs)
    except CleanupError as error:
        return _after_trouble(sent, error)
    return _after_yes(sent, copyuid)


def _after_yes(sent: _Sent, copyuid: Mapping[int, int]) -> MoveResults:
    """Look whether it is true; stop where the server said yes and a message is where it was, or nowhere."""
    outcomes = reconcile(sent.records, sent.connection, sent.journal, copyuid, others_from=sent.others_from)
    stopped: CleanupError | None = _more_than_asked(sent, outcomes)
    now = _written(sent, outcomes)
    states = [one.state for one in outcomes if not one.copy_gone]  # that was your doing
    if MoveState.KEPT in states or MoveState.UNCLEAR in states:  # its yes is worth nothing for the next ones, either
        notes = (one.note for one in outcomes if one.state in (MoveState.UNCLEAR, MoveState.KEPT) and one.note)
        route, why = sent.route, next(notes, None)
        # only what was seen: they may have come, and gone on before our first look
        what = f"The server said yes, and messages are still in {route.source} and not seen in {route.target}"
        if MoveState.UNCLEAR in states:
            what = f"Messages came into {route.target} and could not be taken from {route.source}"
        hint = "Unless you or another program moved them in the same moment, show this to the server's administrator"
        stopped = stopped or ServerMisbehaved(what, why=why, hint=hint)
    # A single one may have been yours, moved in that moment; several at once, or one after others, are no accident.
    elif set(states) == {MoveState.TAKEN} and (len(states) > 1 or sent.checked.gone):
        stopped = stopped or ServerMisbehaved(
            "Messages vanished while they were moved",
            hint="Another program may be moving them, too. Look for them before you run again",
        )
    return sent.results(now, stopped)


def _after_trouble(sent: _Sent, error: CleanupError) -> MoveResults:
    """Look what happened, and never try again: the server may still be at it. Too slow a server is asked no more.

    What has not arrived after a broken connection stays open in the journal, for the next run to look at again.
    """
    broken = isinstance(error, BROKEN)
    if broken:  # raises where there is no other connection: the moves stay written down as intended
        sent.connection.renew(error)
    outcomes = reconcile(sent.records, sent.connection, sent.journal, others_from=sent.others_from)
    stopped: CleanupError | None = _more_than_asked(sent, outcomes)
    if not broken or isinstance(error, TookTooLong):
        stopped = stopped or error
    if broken:  # the server may not have begun yet: what is not at the target may still come there
        where = {MoveState.KEPT: "still where it was", MoveState.TAKEN: "in neither folder"}
        outcomes = [
            MoveOutcome(one.record, MoveState.UNCLEAR, None, f"{where[one.state]}: {error}")
            if one.state in where
            else one
            for one in outcomes
        ]
    return sent.results(_written(sent, outcomes), stopped)


def _written(sent: _Sent, outcomes: list[MoveOutcome]) -> list[MoveOutcome]:
    """Return the outcomes with flags mended and given back, as they are written down."""
    if not outcomes:
        return []
    mended = sent.watch.with_flags_mended(outcomes, sent.before)
    return sent.journal.write(put_flags_right(mended, sent.connection, sent.journal))


def _more_than_asked(sent: _Sent, outcomes: Sequence[MoveOutcome]) -> SafetyStop | None:
    """Return why to stop where other messages left the source together with ours, decided by their UIDs.

    A server may take its word for all messages, or expunge all that are marked. What came into further folders
    meanwhile was moved there by you; what you expunge in that very moment looks like the server's doing, and is told.
    """
    others, source = sent.checked.others, sent.route.source
    if others is None:
        return None
    try:
        left = others - set(
            sent.connection.reconnecting(lambda mailbox: mailbox.uids(source, first=sent.others_from or 1))
        )
        if left:  # look once more, at the folder as it is now
            state = sent.connection.reconnecting(lambda mailbox: mailbox.examine(source))
            if state.uidvalidity != sent.route.uidvalidity:
                return None  # the next batch says so
            left = others - set(sent.connection.reconnecting(lambda mailbox: mailbox.uids(source)))
    except FolderNotFound:
        left = others
    if not left or len(left) <= sent.watch.came_elsewhere():
        return None
    moved = sum(one.state is MoveState.MOVED for one in outcomes)
    return SafetyStop(
        f"{plural(len(left), 'other message')} left {source} while {plural(moved, 'message')} "
        f"{'was' if moved == 1 else 'were'} moved to {sent.route.target}",
        why=f"the server moved or expunged more than it was told to, or you did so in that moment (UID "
        f"{', '.join(map(str, sorted(left)[:10]))}{', ...' if len(left) > 10 else ''})",
        hint=f"Look for them, in {sent.route.target} first; if they were yours to move, run again",
    )
