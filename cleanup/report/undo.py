"""Puts back what a run filed: by UID where the folder's numbering still holds, else by fingerprint."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from cleanup.errors import CleanupError, UsageError
from cleanup.ledger import Ledger, MoveRecord, MoveState
from cleanup.model import Fingerprint, MessageRef, NotFiled
from cleanup.progress import Progress, unseen
from cleanup.report.journal import Journal
from cleanup.report.link import Link
from cleanup.report.looking import BROKEN, REDATED, grouped, view
from cleanup.report.mailbox import FilingMailbox
from cleanup.report.mover import BATCHES, Batches, Carried, carry
from cleanup.report.preparing import Way, Wish
from cleanup.report.recovery import settle_open
from cleanup.report.settling import FolderView, likeness

UNDOABLE = (MoveState.MOVED, MoveState.LOST_SIGHT)
PUTTING_BACK = "Putting back"  # the stage, as progress shows it
HALF_WAY = "an earlier undo copied it, and nobody knows yet what became of it"


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

    def in_words(self) -> str:
        """Return the outcome, a sentence a line."""
        lines = [f"{len(self.put_back):,} messages of run {self.undone_run} were put back."]
        reasons = dict.fromkeys(one.reason for one in self.not_put_back)
        for reason in reasons:
            uids = [str(one.ref.uid) for one in self.not_put_back if one.reason == reason]
            named = ", ".join(uids[:10]) + (", ..." if len(uids) > 10 else "")
            lines.append(f"{len(uids):,} were not put back: {reason} (UID {named} before).")
        altered = Counter(one.reason for one in self.altered)
        lines += [f"{count:,} of them are not quite as they were: {reason}." for reason, count in altered.items()]
        lines += [f"UID {one.ref.uid} before: {one.reason}. Delete one by hand." for one in self.doubled[:10]]
        if self.stopped:
            lines.append(f"Stopped: {self.stopped}")
        return "\n".join(lines)


def undo(
    run_id: int,
    mailbox: FilingMailbox,
    ledger: Ledger,
    *,
    only: Collection[int] = (),
    noted: Mapping[str, object] | None = None,
    reopen: Callable[[], FilingMailbox] | None = None,
    look_on: Callable[[], FilingMailbox] | None = None,
    batches: Batches = BATCHES,
    progress: Progress = unseen,
    pause: Callable[[float], None] = time.sleep,
) -> UndoOutcome:
    """Move back what a run filed, or `only` some of it (UIDs that the messages had before), and say what became of it.

    Flags and dates stay as they are now: MOVE keeps them. What was put back is labelled, so that no run files it again.
    The caller holds the mailbox's lock; `noted` is written beside the undo's own run. Raises UsageError for a run that
    there is none of, LedgerUnusable where the ledger fails before anything was moved.
    """
    run = ledger.run(run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id}", hint="mailbox-cleanup history shows them")
    link = Link(mailbox, reopen, look_on, pause)
    number = ledger.start_run(run.mailbox, "undo", options={"run": run_id, **(noted or {})})
    journal = Journal(ledger, number, run.mailbox)
    told = _Told()
    try:
        settle_open(journal, link, pause=pause)
        records = [r for r in ledger.moves(run_id=run_id, states=UNDOABLE, undoing=False) if _wanted(r, only)]
        half_way = {r.intent.undoes: r.note or HALF_WAY for r in journal.open_moves()}
        told.left += [NotFiled(_ref(r), half_way[r.move_id]) for r in records if r.move_id in half_way]
        records = [r for r in records if r.move_id not in half_way]
        tried = 0
        for group in grouped(records):
            seen = partial(_show, progress, tried, len(records))
            seen(0)
            _undo_group(group, link, journal, told, batches, seen)
            tried += len(group)
    except CleanupError as error:
        told.stopped = error
    outcome = UndoOutcome(
        journal.run_id,
        run_id,
        tuple(told.back),
        tuple(told.left),
        tuple(told.doubled),
        tuple(told.altered),
        told.stopped,
    )
    return _ended(outcome, ledger)


@dataclass(slots=True)
class _Told:
    back: list[MessageRef] = field(default_factory=list)
    left: list[NotFiled] = field(default_factory=list)
    doubled: list[NotFiled] = field(default_factory=list)
    altered: list[NotFiled] = field(default_factory=list)
    stopped: CleanupError | None = None


def _show(progress: Progress, before: int, total: int, done: int) -> None:
    progress(PUTTING_BACK, before + done, total)


def _ended(outcome: UndoOutcome, ledger: Ledger) -> UndoOutcome:
    counts = {"put_back": len(outcome.put_back), "not_put_back": len(outcome.not_put_back)}
    try:
        ledger.finish_run(outcome.run_id, counts, "partly" if outcome.not_put_back or outcome.stopped else "done")
    except CleanupError as error:
        return replace(outcome, stopped=error)
    return outcome


def _wanted(record: MoveRecord, only: Collection[int]) -> bool:
    return not only or record.intent.uid in only


def _ref(record: MoveRecord) -> MessageRef:
    return MessageRef(record.intent.source, record.intent.source_uidvalidity, record.intent.uid)


# --- one pair of folders -------------------------------------------------------------------------------------------


def _undo_group(
    group: Sequence[MoveRecord],
    link: Link,
    journal: Journal,
    told: _Told,
    batches: Batches,
    seen: Callable[[int], None],
) -> None:
    source, target = group[0].intent.source, group[0].intent.target
    if told.stopped is not None:
        told.left += [NotFiled(_ref(r), f"not tried: {told.stopped}") for r in group]
        return
    found, there, back = _find(group, link, journal)
    reasons = {True: f"it is in {source} again already", False: f"it is no longer in {target}"}
    if not there.uidvalidity:
        reasons[False] = (
            f"there is no folder {target} any more; if it was renamed, give it its name back and undo again"
        )
    told.left += [NotFiled(_ref(r), reasons[r.move_id in back]) for r in group if r.move_id not in found]
    wishes = [Wish(uid, fingerprint, undoes=move_id) for move_id, (uid, fingerprint) in found.items()]
    carried = carry(Way(target, there.uidvalidity, source), wishes, link, journal, batches=batches, progress=seen)
    _tell(group, found, carried, told)


def _tell(
    group: Sequence[MoveRecord], found: Mapping[int, tuple[int, Fingerprint]], carried: Carried, told: _Told
) -> None:
    reasons = carried.gone | carried.kept | carried.unclear
    for record in group:
        uid, fingerprint = found.get(record.move_id, (None, record.intent.fingerprint))
        if uid in carried.moved:
            told.back.append(_ref(record))
            redated = REDATED if fingerprint.arrived != record.intent.fingerprint.arrived else None
            if altered := carried.altered.get(uid, redated):
                told.altered.append(NotFiled(_ref(record), altered))
        elif uid in reasons:
            told.left.append(NotFiled(_ref(record), reasons[uid]))
        if uid in carried.doubled:
            told.doubled.append(NotFiled(_ref(record), carried.doubled[uid]))
    told.stopped = carried.stopped


def _find(
    group: Sequence[MoveRecord], link: Link, journal: Journal
) -> tuple[dict[int, tuple[int, Fingerprint]], FolderView, set[int]]:
    """Return where the filed messages are now (UID and fingerprint by move), their folder, and which are back."""
    while True:
        try:
            there = view(link.mailbox, group[0].intent.target)
            found = match(group, there, journal)
            lost = [r for r in group if r.move_id not in found]
            source = view(link.mailbox, group[0].intent.source) if lost else FolderView()
            return found, there, _present(lost, source)
        except BROKEN as error:
            link.renew(error)


def match(group: Sequence[MoveRecord], there: FolderView, journal: Journal) -> dict[int, tuple[int, Fingerprint]]:
    """Return UID and fingerprint of each move's message in its folder now.

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
    free: dict[tuple[int, str], list[int]] = {}
    for uid in sorted(set(there.seen) - taken, reverse=True):
        free.setdefault(likeness(there.seen[uid]), []).append(uid)
    for record in group:
        equal = free.get(likeness(record.intent.fingerprint), [])
        if record.move_id not in found and equal:
            uid = equal.pop()
            found[record.move_id] = (uid, there.seen[uid])
    return found


def _present(lost: Sequence[MoveRecord], source: FolderView) -> set[int]:
    here = {likeness(fingerprint) for fingerprint in source.seen.values()}
    return {r.move_id for r in lost if likeness(r.intent.fingerprint) in here}
