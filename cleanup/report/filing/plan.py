"""What is to be filed, and why the rest stays: decided without a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cleanup.model import (
    FilingPlan,
    Judged,
    Kind,
    LimitsMet,
    NotFiled,
    PlannedMove,
    Policy,
    Strength,
    Verdict,
)
from cleanup.report.text import EARLIER

MARKED = "You marked it as deleted."
MOVING = "Moving"  # the stage, as progress shows it
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
    early = {one.ref for one in judged if since is not None and one.fingerprint.arrived < since}
    reasons = [(one, why_not_filed(one, policy) or (EARLIER if one.ref in early else None)) for one in judged]
    moves = tuple(PlannedMove(one.ref, one.fingerprint, one.flags) for one, why in reasons if why is None)
    kept = tuple(NotFiled(one.ref, why) for one, why in reasons if why is not None)
    forbidden = [*refusals, *([f"{source} is the target, too."] if source == target else [])]
    limits = limits_met(len(moves), inbox_size, policy)
    exceeded = [] if source == target or limits is None else _in_words(limits, policy)
    alone = limits if not forbidden else None  # a person may let a plan through its limits, and through nothing else
    return FilingPlan(source, target, uidvalidity, moves, kept, (*forbidden, *exceeded), alone)


def limits_met(count: int, of: int, policy: Policy) -> LimitsMet | None:
    """Return which of the policy's limits forbid to move `count` of so many messages; None where none does.

    A share stops nothing up to `policy.max_share_floor` messages: a small folder may well hold little else.
    """
    too_many = count > policy.max_moves
    too_much = count > policy.max_share_floor and count > policy.max_share * of
    if not (too_many or too_much):
        return None
    # the least share, in hundredths, that such a plan keeps to by the very comparison above
    share = next((n / 100 for n in range(1, 100) if count <= n / 100 * of), 1.0)
    return LimitsMet(count, of, count if too_many else None, share if too_much else None)


def why_not_filed(one: Judged, policy: Policy) -> str | None:
    """Return why a notice stays where it is; None for one that is to be filed."""
    kind, finding = one.notice.kind, one.finding
    if finding.verdict is Verdict.GENUINE:
        return "It answers mail of yours."
    if finding.verdict is Verdict.UNSURE and not (policy.file_leaning and finding.leaning is Verdict.BACKSCATTER):
        vetoes = [r.says for r in finding.reasons if r.points_to is Verdict.UNSURE and r.strength is not Strength.NOTE]
        return vetoes[0] if vetoes else f"Unsure: {finding.row.replace('_', ' ').replace('-', ' ')}."
    if policy.name == "cautious":
        return "The policy is 'cautious': it files nothing."
    if kind in OTHER_NOTICES and not policy.file_other_notices:
        return f"Only bounces are filed; this is {_KIND_WORDS[kind]}."
    if kind not in (Kind.NDR, *OTHER_NOTICES):
        return "Only automatic notices are filed."
    if any(flag.lower() == "\\deleted" for flag in one.flags):
        return MARKED
    return None


_KIND_WORDS = {
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.CHALLENGE: "a challenge",
    Kind.VIRUS_NOTICE: "a virus notice",
    Kind.MDN: "a read receipt",
}


def _in_words(limits: LimitsMet, policy: Policy) -> list[str]:
    sentences = []
    if limits.max_moves is not None:
        sentences.append(
            f"{limits.count:,} messages would be moved, and the limit is {policy.max_moves:,} "
            f"(--max-moves {limits.max_moves} raises it)."
        )
    if limits.max_share is not None:
        share = limits.count / max(limits.of, 1)
        sentences.append(
            f"{share:.0%} of the folder would be moved ({limits.count:,} of {limits.of:,}), and the limit is "
            f"{policy.max_share:.0%} (--max-share {limits.max_share:g} raises it)."
        )
    return sentences
