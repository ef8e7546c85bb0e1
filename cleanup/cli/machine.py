"""The stable machine interface of `scan --format jsonl`: one JSON object a message (docs/machine-interface.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cleanup.model import Finding, Notice


def message_row(
    path: str, notice: Notice | None, finding: Finding | None, problem: str | None = None
) -> dict[str, Any]:
    """Return the object that other programs rely on. Verdict and what a notice would say are null for ordinary mail.

    `problem` says why a message could not be read: then it is counted as ordinary and nothing is known of it.
    """
    if notice is None:
        return {"path": path, "kind": "ordinary"} | _ORDINARY | {"problem": problem}
    returned = notice.returned[0]
    return {
        "path": path,
        "kind": notice.kind.value,
        "action": notice.action.value if notice.action else None,
        "verdict": finding.verdict.value if finding else None,
        "leaning": finding.leaning.value if finding and finding.leaning else None,
        "recipients": [r.address for r in notice.recipients],
        "original_message_id": returned.message_id or next(iter(returned.other_ids), None),
        "original_subject": returned.subject,
        "original_date": returned.date_text,
        "original_date_utc": returned.date.isoformat() if returned.date else None,
        "original_from": returned.from_address,
        "returned": returned.extent.value,
        "originals": len(notice.returned),
        "reporting_mta": notice.reporting_mta,
        "status": notice.status,
        "cause": notice.cause.value,
        "format": notice.format,
        "decided_by": finding.row if finding else None,
        "flags": list(finding.flags) if finding else [],
        "reasons": _reasons(finding),
        "problem": problem,
    }


def _reasons(finding: Finding | None) -> list[dict[str, str]]:
    if finding is None:
        return []
    return [
        {
            "rule": reason.rule,
            "family": reason.family.value,
            "points_to": reason.points_to.value,
            "strength": reason.strength.value,
            "says": reason.says,
        }
        for reason in finding.reasons
    ]


_ORDINARY: dict[str, Any] = {
    "action": None,
    "verdict": None,
    "leaning": None,
    "recipients": [],
    "original_message_id": None,
    "original_subject": None,
    "original_date": None,
    "original_date_utc": None,
    "original_from": None,
    "returned": None,
    "originals": 0,
    "reporting_mta": None,
    "status": None,
    "cause": None,
    "format": None,
    "decided_by": None,
    "flags": [],
    "reasons": [],
}
