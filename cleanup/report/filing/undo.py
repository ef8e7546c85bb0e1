"""Puts back what a run moved, wherever it is now.

In the folder that it was filed in it is found by UID where the numbering still holds, else by fingerprint, and moved
back. What is not there any more is looked for in all other folders and copied back from there, so that nothing is taken
from a folder that the program did not put it into.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cleanup.connector.mailbox import Mailbox
from cleanup.errors import CleanupError, CommandRefused, FolderNotFound, PermissionMissing, UsageError
from cleanup.ledger import Ledger, MoveRecord, MoveState
from cleanup.model import Fingerprint, MessageRef, NotFiled, PlannedMove
from cleanup.progress import Progress, unseen
from cleanup.report.filing.execute import BATCHES, Batches, doubled_in_words, move_all, remarks
from cleanup.report.filing.journal import Journal, MoveOutcome
from cleanup.report.filing.recovery import Recovered, reconcile_open
from cleanup.report.filing.verify import REDATED, Connection, FolderView, MoveRoute, grouped, likeness, view

UNDOABLE = (MoveState.MOVED, MoveState.LOST_SIGHT, MoveState.TAKEN)  # all that a command was sent for and that left
PUTTING_BACK = "Putting back"  # the stage, as progress shows it


@dataclass(frozen=True, slots=True)
class UndoOutcome:
    """What became of a run's moves; the references are the places that the messages had before the run."""

    run_id: int  # of the undo itself
    undone_run: int
    put_back: tuple[MessageRef, ...] = ()
    not_put_back: tuple[NotFiled, ...] = ()
    doubled: tuple[NotFiled, ...] = ()  # of what was put back, what is in another folder, too
    altered: tuple[NotFiled, ...] = ()  # of what was put back, what is not quite as it was
    stopped: CleanupError | None = None
    reconciled: tuple[MoveOutcome, ...] = ()  # what runs that were cut off had left open, looked for first

    def in_words(self) -> str:
        """Return the outcome, a sentence a line."""
        count = len(self.put_back)
        lines = Recovered(self.reconciled).in_words().splitlines()
        lines += [f"{count:,} message{'' if count == 1 else 's'} of run {self.undone_run} {_were(count)} put back."]
        reasons = dict.fromkeys(one.reason for one in self.not_put_back)
        for reason in reasons:
            uids = [str(one.ref.uid) for one in self.not_put_back if one.reason == reason]
            named = ", ".join(uids[:10]) + (", ..." if len(uids) > 10 else "")
            lines.append(f"{len(uids):,} {_were(len(uids))} not put back: {reason} (UID {named} before).")
        altered = Counter(one.reason for one in self.altered)
        lines += [
            f"{n:,} of them {'is' if n == 1 else 'are'} not quite as before: {why}." for why, n in altered.items()
        ]
        lines += doubled_in_words(self.doubled)
        if self.stopped:
            lines.append(f"Stopped: {self.stopped}")
        return "\n".join(lines)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def undo(
    run_id: int,
    mailbox: Mailbox,
    ledger: Ledger,
    *,
    only: Collection[int] = (),
    noted: Mapping[str, object] | None = None,
    reopen: Callable[[], Mailbox] | None = None,
    look_on: Callable[[], Mailbox] | None = None,
    batches: Batches = BATCHES,
    progress: Progress = unseen,
    pause: Callable[[float], None] = time.sleep,
) -> UndoOutcome:
    """Put back what a run moved, or `only` some of it (UIDs that the messages had before), and say what became of it.

    Flags and dates stay as they are now, but for flags that the folder had not taken: those are set again. What was put
    back is labelled, so that no run files it again. The caller holds the mailbox's lock; `noted` is written beside the
    undo's own run. Raises UsageError for a run that there is none of, LedgerUnusable where the ledger fails before
    anything was moved.
    """
    run = ledger.run(run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id}", hint="mailbox-cleanup history shows them")
    connection = Connection(mailbox, reopen, look_on, pause)
    number = ledger.start_run(run.mailbox, "undo", options={"run": run_id, **(noted or {})})
    journal = Journal(ledger, number, run.mailbox)
    done, reconciled = _Undone(), list[MoveOutcome]()
    try:
        # first what was cut off: some of it may be what is to be put back
        reconciled = reconcile_open(journal, connection, pause=pause)
        records = [r for r in undoable(ledger, run_id) if not only or r.intent.uid in only]
        putting = _PuttingBack(connection, journal, batches, lambda done: progress(PUTTING_BACK, done, len(records)))
        for group in grouped(records):
            if done.stopped is None:
                done = done.and_also(putting.group(group))
            else:
                not_tried = tuple(NotFiled(_ref(record), f"not tried: {done.stopped}") for record in group)
                done = done.and_also(_Undone(left=not_tried))
    except CleanupError as error:
        done = replace(done, stopped=error)
    outcome = UndoOutcome(
        journal.run_id, run_id, done.back, done.left, done.doubled, done.altered, done.stopped, tuple(reconciled)
    )
    counts = {"put_back": len(outcome.put_back), "not_put_back": len(outcome.not_put_back)}
    try:
        ledger.finish_run(outcome.run_id, counts, "partly" if outcome.not_put_back or outcome.stopped else "done")
    except CleanupError as error:
        return replace(outcome, stopped=error)
    return outcome


def undoable(ledger: Ledger, run_id: int) -> list[MoveRecord]:
    """Return the moves of a run that an undo looks for."""
    return ledger.moves(run_id=run_id, states=UNDOABLE, undoing=False)


def _ref(record: MoveRecord) -> MessageRef:
    return MessageRef(record.intent.source, record.intent.source_uidvalidity, record.intent.uid)


@dataclass(frozen=True, slots=True)
class _Undone:
    """What became of some of the moves."""

    back: tuple[MessageRef, ...] = ()
    left: tuple[NotFiled, ...] = ()
    doubled: tuple[NotFiled, ...] = ()
    altered: tuple[NotFiled, ...] = ()
    stopped: CleanupError | None = None

    def and_also(self, other: _Undone) -> _Undone:
        return _Undone(
            self.back + other.back,
            self.left + other.left,
            self.doubled + other.doubled,
            self.altered + other.altered,
            self.stopped or other.stopped,
        )


# --- one pair of folders -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """Where messages are now: in one folder, by move."""

    folder: str
    uidvalidity: int
    messages: Mapping[int, tuple[int, Fingerprint]] = field(default_factory=dict)


@dataclass(slots=True)
class _PuttingBack:
    """All that the steps of one undo share."""

    connection: Connection
    journal: Journal
    batches: Batches
    progress: Callable[[int], None]
    _tried: int = 0

    def group(self, group: Sequence[MoveRecord]) -> _Undone:
        """Put back what was moved between two folders."""
        self.progress(self._tried)
        intent = group[0].intent
        filed, is_there, back = self.connection.reconnecting(lambda mailbox: _find(group, mailbox, self.journal))
        done = self._move(group, filed, intent.source, keeps_source=False)
        lost = [r for r in group if r.move_id not in filed.messages and r.move_id not in back]
        # copied and left there: the program has put nothing into these folders, so it takes nothing out of them
        for place in self._elsewhere(lost, done):
            done = done.and_also(self._move(lost, place, intent.source, keeps_source=True))
            lost = [record for record in lost if record.move_id not in place.messages]
        reason = f"no longer in {intent.target}, and in no other folder"
        if not is_there:
            reason = f"no folder {intent.target} any more, and in no other one"
        again = [NotFiled(_ref(r), f"in {intent.source} again already") for r in group if r.move_id in back]
        self._tried += len(group)
        if done.stopped is None:  # all folders were looked through
            self.journal.write(MoveOutcome(r, MoveState.LOST_SIGHT) for r in lost if r.state is MoveState.TAKEN)
        return done.and_also(_Undone(left=(*again, *(NotFiled(_ref(r), reason) for r in lost))))

    def _elsewhere(self, lost: Sequence[MoveRecord], done: _Undone) -> Iterator[_Found]:
        """Yield other folders that hold some of the messages, as long as some are missing and nothing stopped it."""
        missing = list(lost)
        if not missing or done.stopped is not None:
            return
        ours = {missing[0].intent.source, missing[0].intent.target}
        folders = self.connection.reconnecting(lambda mailbox: mailbox.folders())
        for name in (folder.name for folder in folders if folder.selectable and folder.name not in ours):
            if not missing:
                return
            place = self.connection.reconnecting(partial(_search, missing, name))
            missing = [record for record in missing if record.move_id not in place.messages]
            if place.messages:
                yield place

    def _move(self, group: Sequence[MoveRecord], found: _Found, to: str, *, keeps_source: bool) -> _Undone:
        there = [(record, *found.messages[record.move_id]) for record in group if record.move_id in found.messages]
        if not there:
            return _Undone()
        route = MoveRoute(found.folder, found.uidvalidity, to, keeps_source)
        moves = [
            PlannedMove(MessageRef(found.folder, found.uidvalidity, uid), fingerprint, undoes=record.move_id)
            for record, uid, fingerprint in there
        ]
        before = self._tried
        results = move_all(
            route, moves, self.connection, self.journal, batches=self.batches,
            progress=lambda done: self.progress(before + done),
        )  # fmt: skip
        outcomes = {one.ref.uid: one for one in results.outcomes if one.state is MoveState.MOVED}
        left = (*results.gone, *results.not_moved, *results.unclear, *results.left_in_both)
        reasons = {one.ref.uid: one.reason for one in left}
        return _Undone(
            back=tuple(_ref(record) for record, uid, _ in there if uid in outcomes),
            left=tuple(NotFiled(_ref(record), reasons[uid]) for record, uid, _ in there if uid in reasons),
            doubled=tuple(
                NotFiled(_ref(record), f"in {folder}, too")
                for record, uid, _ in there
                if uid in outcomes
                for folder in dict.fromkeys([*([found.folder] if keeps_source else []), *outcomes[uid].also_in])
            ),
            altered=tuple(
                NotFiled(_ref(record), why)
                for record, uid, now in there
                if uid in outcomes
                for why in remarks(outcomes[uid])
                or ([REDATED] if now.arrived != record.intent.fingerprint.arrived else [])
            ),
            stopped=results.stopped,
        )


def _find(group: Sequence[MoveRecord], mailbox: Mailbox, journal: Journal) -> tuple[_Found, bool, set[int]]:
    """Return what is where it was filed, whether that folder is there, and which moves' messages are back already."""
    intent = group[0].intent
    there = view(mailbox, intent.target)
    found = match(group, there, journal)
    lost = [record for record in group if record.move_id not in found]
    source = view(mailbox, intent.source) if lost else FolderView()
    here = Counter(likeness(fingerprint) for fingerprint in source.seen.values())
    back = {record.move_id for record in lost if here[likeness(record.intent.fingerprint)]}
    return _Found(intent.target, there.uidvalidity, found), bool(there.uidvalidity), back


def _search(missing: Sequence[MoveRecord], folder: str, mailbox: Mailbox) -> _Found:
    """Return which of the messages are in a folder that nothing was filed in; nothing where it cannot be opened."""
    wanted = [record.intent.fingerprint for record in missing]
    try:
        state = mailbox.examine(folder)
        uids = mailbox.of_size(folder, {one.size for one in wanted}, {one.arrived for one in wanted})
        seen = mailbox.fingerprints(folder, uids) if uids else {}
    except (CommandRefused, FolderNotFound, PermissionMissing):
        return _Found(folder, 0)
    free: dict[tuple[int, str], list[int]] = defaultdict(list)
    for uid in sorted(seen, reverse=True):
        free[likeness(seen[uid].fingerprint)].append(uid)
    messages = {}
    for record in missing:
        if equal := free[likeness(record.intent.fingerprint)]:
            uid = equal.pop()
            messages[record.move_id] = (uid, seen[uid].fingerprint)
    return _Found(folder, state.uidvalidity, messages)


def match(group: Sequence[MoveRecord], there: FolderView, journal: Journal) -> dict[int, tuple[int, Fingerprint]]:
    """Return UID and fingerprint of each move's message in the folder that it was filed in.

    By the UID that it got, if the numbering still holds and the message looks right (not by its size, of which some
    servers say now this and now that: Exchange estimates it); else any equal message there that no other move has
    claimed.
    """
    found: dict[int, tuple[int, Fingerprint]] = {}
    for record in group:
        seen = there.seen.get(record.target_uid or 0)
        same_numbers = record.intent.target_uidvalidity == there.uidvalidity
        if same_numbers and seen and seen.digest == record.intent.fingerprint.digest:
            found[record.move_id] = (record.target_uid or 0, seen)
    taken = {uid for uid, _ in found.values()}
    taken |= journal.claimed(group[0].intent.target, there.uidvalidity, among=there.seen)
    free: dict[tuple[int, str], list[int]] = defaultdict(list)
    for uid in sorted(set(there.seen) - taken, reverse=True):  # pop() then gives the oldest first
        free[likeness(there.seen[uid])].append(uid)
    for record in group:
        equal = free[likeness(record.intent.fingerprint)]
        if record.move_id not in found and equal:
            uid = equal.pop()
            found[record.move_id] = (uid, there.seen[uid])
    return found
