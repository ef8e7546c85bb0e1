"""Which notices in Junk or in the backscatter folder are genuine and worth offering back. Nothing is moved here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cleanup.detector.message_ids import id_key
from cleanup.model import LABELLED, Action, Family, Judged, Kind, Strength, Verdict

_SENT_AND_FAILED, _SENT_AND_LATE, _UNSENT, _OTHER = range(4)
_SAYS = {
    _SENT_AND_FAILED: "It tells you that a message in Sent was not delivered.",
    _SENT_AND_LATE: "It tells you how a message in Sent fares.",
    _UNSENT: "It answers a message that left by your own server and is not in Sent.",
    _OTHER: "It answers a message of yours.",
}


@dataclass(frozen=True, slots=True)
class Rescue:
    """A notice that should not lie where it lies, and why, in one sentence."""

    judged: Judged
    says: str


def worth_rescuing(found: Iterable[Judged]) -> tuple[Rescue, ...]:
    """Return the genuine notices among these, the most important first: failures of what Sent holds, newest first.

    A filter put them away, or an earlier run did, so that doubt leaves them there: nothing hard may speak against one.
    Bounces of an own forwarding rule are left out, as they repeat; so are second copies, and news of a delay where the
    failure of the same message is offered.
    """
    genuine = [one for one in found if _is_beyond_doubt(one)]
    failed = {_answers(one) for one in genuine if one.notice.action is Action.FAILED}
    kept: dict[tuple[object, ...], Judged] = {}  # by what second copies of a notice share
    for one in sorted(genuine, key=lambda one: one.ref):
        notice, answers = one.notice, _answers(one)
        if not answers:
            kept.setdefault((notice.message_id or one.ref,), one)
        elif notice.action in (None, Action.FAILED) or answers not in failed:
            people = frozenset(recipient.address.casefold() for recipient in notice.recipients)
            kept.setdefault((notice.kind, notice.action, answers, people), one)
    ordered = sorted(kept.values(), key=lambda one: (_rank(one), -one.fingerprint.arrived.timestamp(), one.ref))
    return tuple(Rescue(one, _SAYS[_rank(one)]) for one in ordered)


def _is_beyond_doubt(one: Judged) -> bool:
    finding = one.finding
    if finding.verdict is not Verdict.GENUINE or "forwarded" in finding.flags:
        return False
    if finding.row == LABELLED:
        return True
    return not any(
        r.points_to is not Verdict.GENUINE and r.strength is Strength.HARD and r.family is not Family.SENT
        for r in finding.reasons
    )


def _rank(one: Judged) -> int:
    if one.notice.kind is not Kind.NDR:
        return _OTHER
    if "sent_gap" in one.finding.flags:
        return _UNSENT
    return _SENT_AND_FAILED if one.notice.action in (None, Action.FAILED) else _SENT_AND_LATE


def _answers(one: Judged) -> str:
    """Return the id of the message that it answers; "" where none is known."""
    return id_key(one.notice.returned[0].message_id or "")
