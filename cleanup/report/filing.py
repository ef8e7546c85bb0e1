"""What is to be filed, decided without a server; and the filing itself, told by value."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanup.errors import CleanupError, SafetyStop
from cleanup.ledger import MoveRecord
from cleanup.model import (
    FilingPlan,
    Finding,
    Judged,
    Kind,
    LimitsMet,
    MessageRef,
    NotFiled,
    PlannedMove,
    Policy,
    Strength,
    Verdict,
)
from cleanup.progress import Progress, unseen
from cleanup.report.journal import Journal
from cleanup.report.link import Link
from cleanup.report.mailbox import FilingMailbox
from cleanup.report.mover import BATCHES, Batches, Carried, carry
from cleanup.report.preparing import Way, Wish
from cleanup.report.words import EARLIER

MOVING = "Moving"  # the stage, as progress shows it
MARKED = "You marked it as deleted."
OTHER_NOTICES = (Kind.AUTO_REPLY, Kind.CHALLENGE, Kind.VIRUS_NOTICE, Kind.MDN)

# --- the plan ------------------------------------------------------------------------------------------------------


def plan_filing(
    judged: Sequence[Judged],
    *,
    source: str,
    target: str,
    uidvalidity: int,
    inbox_size: int,
    policy: Policy,
    since: datetime | None = None,
    refusals: Sequence[str] = (),
) -> FilingPlan:
    """Return what is to be moved, what stays and why, and what forbids moving anything. Pure.

    `inbox_size` counts all messages of the source folder. What arrived before `since` stays, whatever its verdict. A
    plan with refusals is never carried out.
    """
    reasons = [(one, why_not_filed(one, policy) or _too_early(one, since)) for one in judged]
    moves = tuple(PlannedMove(one.ref, one.fingerprint, one.flags) for one, why in reasons if why is None)
    kept = tuple(NotFiled(one.ref, why) for one, why in reasons if why is not None)
    forbidden = [*refusals, *([f"{source} is the target, too."] if source == target else [])]
    limits = limits_met(len(moves), inbox_size, policy)
    told = [] if source == target or limits is None else _in_words(limits, policy)
    alone = limits if not forbidden else None
    return FilingPlan(source, target, uidvalidity, moves, kept, (*forbidden, *told), alone)


def limits_met(count: int, of: int, policy: Policy) -> LimitsMet | None:
    """Return which of the policy's limits forbid to move `count` of so many messages; None where none does.

    A share stops nothing up to `policy.max_share_floor` messages: a small folder may well hold little else.
    """
    too_many = count > policy.max_moves
    too_much = count > policy.max_share_floor and count > policy.max_share * of
    if not (too_many or too_much):
        return None
    return LimitsMet(count, of, count if too_many else None, _least_share(count, of) if too_much else None)


def _least_share(count: int, of: int) -> float:
    """Return the least share, in hundredths, that such a plan keeps to by the very comparison of limits_met()."""
    return next((n / 100 for n in range(1, 100) if count <= n / 100 * of), 1.0)


def why_not_filed(one: Judged, policy: Policy) -> str | None:
    """Return why a notice stays where it is; None for one that is to be filed."""
    kind, finding = one.notice.kind, one.finding
    if finding.verdict is Verdict.GENUINE:
        return "It answers mail of yours."
    if finding.verdict is Verdict.UNSURE and not (policy.file_leaning and finding.leaning is Verdict.BACKSCATTER):
        return _unsure(finding)
    if policy.name == "cautious":
        return "The policy is 'cautious': it files nothing."
    if kind in OTHER_NOTICES and not policy.file_other_notices:
        return f"Only bounces are filed; this is {_KIND_WORDS[kind]}."
    if kind not in (Kind.NDR, *OTHER_NOTICES):
        return "Only automatic notices are filed."
    if any(flag.lower() == "\\deleted" for flag in one.flags):
        return MARKED
    return None


def _too_early(one: Judged, since: datetime | None) -> str | None:
    return EARLIER if since is not None and one.fingerprint.arrived < since else None


_KIND_WORDS = {
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.CHALLENGE: "a challenge",
    Kind.VIRUS_NOTICE: "a virus notice",
    Kind.MDN: "a read receipt",
}


def _unsure(finding: Finding) -> str:
    vetoes = [r.says for r in finding.reasons if r.points_to is Verdict.UNSURE and r.strength is not Strength.NOTE]
    return vetoes[0] if vetoes else f"Unsure: {finding.row.replace('_', ' ').replace('-', ' ')}."


def _in_words(limits: LimitsMet, policy: Policy) -> list[str]:
    told = []
    if limits.max_moves is not None:
        told.append(
            f"{limits.count:,} messages would be moved, and the limit is {policy.max_moves:,} "
            f"(--max-moves {limits.max_moves} raises it)."
        )
    if limits.max_share is not None:
        share = limits.count / max(limits.of, 1)
        told.append(
            f"{share:.0%} of the folder would be moved ({limits.count:,} of {limits.of:,}), and the limit is "
            f"{policy.max_share:.0%} (--max-share {limits.max_share:g} raises it)."
        )
    return told


# --- the filing ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilingOutcome:
    """What became of the planned moves; each is in exactly one of the four. `stopped`: why not all were tried."""

    target: str
    moved: tuple[MessageRef, ...] = ()
    gone: tuple[NotFiled, ...] = ()  # the owner moved or deleted them meanwhile
    not_moved: tuple[NotFiled, ...] = ()
    unclear: tuple[NotFiled, ...] = ()  # the next run looks again
    doubled: tuple[NotFiled, ...] = ()  # of the moved ones, what is in another folder, too
    altered: tuple[NotFiled, ...] = ()  # of the moved ones, what is not quite as it was
    stopped: CleanupError | None = None

    @property
    def complete(self) -> bool:
        """Whether all that could be moved was."""
        return not self.not_moved and not self.unclear and self.stopped is None

    def in_words(self) -> str:
        """Return the outcome, a sentence a line; "" where nothing was to be done."""
        lines = [f"{len(self.moved):,} moved to {self.target}."] if self.moved else []
        lines += _counted(self.gone, "were moved or deleted by somebody else meanwhile")
        lines += _counted(self.not_moved, "were not moved")
        lines += _counted(self.unclear, "are to be looked at again by the next run")
        lines += _counted(self.altered, "of them are not quite as they were")
        lines += _counted(self.doubled, "were moved by somebody else at the same moment; delete one by hand")
        lines += [f"Stopped: {self.stopped}"] if self.stopped else []
        return "\n".join(lines)


def file_all(
    plan: FilingPlan,
    mailbox: FilingMailbox,
    journal: Journal,
    *,
    reopen: Callable[[], FilingMailbox] | None = None,
    look_on: Callable[[], FilingMailbox] | None = None,
    batches: Batches = BATCHES,
    progress: Progress = unseen,
    pause: Callable[[float], None] = time.sleep,
) -> FilingOutcome:
    """Carry out a plan and return what became of each move. Raises nothing that is a CleanupError.

    The caller holds the mailbox's lock and has recovered earlier runs (recovery.recover). `reopen` makes a new
    connection after one broke; without it the first break is the end. `look_on` makes a second connection, which sees
    what others do meanwhile.
    """
    if plan.refusals:
        return _none_tried(plan, SafetyStop("Nothing was moved", why=" ".join(plan.refusals)))
    if not plan.moves:
        return FilingOutcome(plan.target)
    try:
        unsettled = journal.open_moves()
    except CleanupError as error:
        return _none_tried(plan, error)
    if unsettled:
        return _none_tried(plan, _unsettled(unsettled))
    total = len(plan.moves)
    progress(MOVING, 0, total)
    carried = carry(
        Way(plan.source, plan.uidvalidity, plan.target),
        [Wish(m.ref.uid, m.fingerprint) for m in plan.moves],
        Link(mailbox, reopen, look_on, pause),
        journal,
        batches=batches,
        progress=lambda done: progress(MOVING, done, total),
    )
    return _outcome(plan, carried)


def _none_tried(plan: FilingPlan, why: CleanupError) -> FilingOutcome:
    kept = tuple(NotFiled(move.ref, str(why)) for move in plan.moves)
    return FilingOutcome(plan.target, not_moved=kept, stopped=why)


def _unsettled(moves: Sequence[MoveRecord]) -> SafetyStop:
    """More would be moved while a server cannot even finish what was begun: every run would leave another double."""
    return SafetyStop(
        f"{len(moves):,} messages of an earlier run are not settled, so nothing more is moved",
        why=moves[0].note,
        hint="Run again once the server works; of what is in both folders, one may be deleted by hand",
    )


def _outcome(plan: FilingPlan, carried: Carried) -> FilingOutcome:
    by_uid = {move.ref.uid: move.ref for move in plan.moves}
    return FilingOutcome(
        target=plan.target,
        moved=tuple(by_uid[uid] for uid in carried.moved),
        gone=_not_filed(by_uid, carried.gone),
        not_moved=_not_filed(by_uid, carried.kept),
        unclear=_not_filed(by_uid, carried.unclear),
        doubled=_not_filed(by_uid, carried.doubled),
        altered=_not_filed(by_uid, carried.altered),
        stopped=carried.stopped,
    )


def _not_filed(by_uid: dict[int, MessageRef], reasons: dict[int, str]) -> tuple[NotFiled, ...]:
    return tuple(NotFiled(by_uid[uid], reason) for uid, reason in reasons.items())


def _counted(kept: Sequence[NotFiled], what: str) -> list[str]:
    if not kept:
        return []
    reasons = dict.fromkeys(one.reason for one in kept)
    because = "; ".join(list(reasons)[:3]) + ("; ..." if len(reasons) > 3 else "")
    return [f"{len(kept):,} {what} ({because})."]
