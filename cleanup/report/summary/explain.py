"""The whole reasoning about one message in plain words: what was read, what was looked at, what would change it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cleanup.detector.policy import what_would_change
from cleanup.model import LABELLED, Extent, Finding, Notice, Reason, Recipient, Returned, Strength, Verdict
from cleanup.report.counts import Fate
from cleanup.report.text import (
    ONE_KIND,
    VERDICTS,
    cause_in_words,
    in_local_time,
    local_time,
    row_in_words,
    safe_text,
)

if TYPE_CHECKING:
    from cleanup.report.summary.labels import Said

_OVERRULED = "label.overrules"  # what the evidence says where a person's word stands above it

_UNSURE_AND = {
    **dict.fromkeys((Fate.STAYS, Fate.KEPT), "; it stays where it is"),
    **dict.fromkeys((Fate.FILED, Fate.PLANNED), "; --policy storm files it all the same"),
    **dict.fromkeys((Fate.OPEN, Fate.GONE), ""),
}
_EXTENTS = {
    Extent.FULL: "the whole message",
    Extent.HEADERS: "its header only",
    Extent.QUOTED: "some of it, quoted in the text",
    Extent.NOTHING: "nothing",
}


def explained_notice(notice: Notice) -> list[str]:
    """Return what was read, and by which reader (docs/formats.md), a line each."""
    action = f" ({notice.action.value})" if notice.action else ""
    lines = [f"What it is:   {ONE_KIND[notice.kind]}{action}, read as format {notice.format!r}"]
    if notice.too_hostile:
        lines.append(f"Not read:     {notice.too_hostile}")
    lines += _said("Subject", notice.subject)
    lines += _said("Reported by", notice.reporting_mta or notice.sender)
    lines += [f"Recipient:    {_recipient(recipient)}" for recipient in notice.recipients]
    lines.append(f"Why:          {cause_in_words(notice.cause)}")
    for returned in notice.returned:
        lines += _returned(returned)
    return [safe_text(in_local_time(line), limit=400) for line in lines]


def explained_finding(
    finding: Finding, said: Said | None = None, *, fate: Fate = Fate.STAYS, judged: datetime | None = None
) -> list[str]:
    """Return the verdict, every reason that was looked at, the nearest sent message and what would change it.

    `said` is the latest word of a person on the message, also one that the finding does not know yet, as it was
    `judged` before; `fate`: where the message is.
    """
    leaning = f", leaning towards {finding.leaning.value}" if finding.leaning else ""
    verdict = VERDICTS[finding.verdict] if finding.row != LABELLED else finding.verdict.value
    stays = _UNSURE_AND[fate] if finding.verdict is Verdict.UNSURE and not finding.is_kept else ""
    lines = [f"Verdict:      {verdict}{leaning}{stays}", *_decided_by(finding, said, judged)]
    if finding.flags:
        lines.append(f"Remarks:      {', '.join(flag.replace('_', ' ') for flag in finding.flags)}")
    counted = [reason for reason in finding.reasons if reason.strength is not Strength.NOTE]
    notes = [reason for reason in finding.reasons if reason.strength is Strength.NOTE and reason.rule != _OVERRULED]
    heading = "What counted:" if finding.row != LABELLED else "What would count without that word:"
    lines += _group(heading, counted) + _group("Looked at, but not counted:", notes) + _nearest(finding)
    lines += ["", "What would change it:", *(f"  * {line}" for line in what_would_change(finding))]
    return [safe_text(in_local_time(line), limit=600) for line in lines]


# --- pieces --------------------------------------------------------------------------------------------------------


def _decided_by(finding: Finding, said: Said | None, judged: datetime | None) -> list[str]:
    """Return what decided; where a person did, who and when, and what the evidence would say."""
    told = said.in_words() if said else None
    if finding.row != LABELLED:
        lines = [f"Decided by:   {row_in_words(finding.row)} [{finding.row}]"]
        if said and judged and said.when < judged:  # the run knew of it, and was told not to go by it
            return [*lines, f"Before that:  {told} The run was to file such messages again (--again)."]
        return [*lines, f"Since then:   {told} The next run goes by that."] if told else lines
    alone = [f"Evidence:     {reason.says}" for reason in finding.reasons if reason.rule == _OVERRULED]
    return [f"Decided by:   {told or row_in_words(finding.row)} [{finding.row}]", *alone]


def _said(name: str, text: str | None) -> list[str]:
    return [f"{name + ':':<14}{text}"] if text else []


def _recipient(recipient: Recipient) -> str:
    parts = (
        recipient.address,
        f"was {recipient.original}" if recipient.original else None,
        recipient.action.value if recipient.action else None,
        recipient.status,
        recipient.diagnostic,
    )
    return ", ".join(part for part in parts if part)


def _returned(returned: Returned) -> list[str]:
    lines = [f"Returned:     {_EXTENTS[returned.extent]}"]
    lines += _said("  id", returned.message_id or next(iter(returned.other_ids), None))
    lines += _said("  from", returned.from_address) + _said("  to", ", ".join(returned.to))
    lines += _said("  subject", returned.subject) + _said("  date", returned.date_text)
    if returned.ambiguous:
        lines.append(f"  twice there, and different: {', '.join(returned.ambiguous)}")
    return lines


def _group(title: str, reasons: list[Reason]) -> list[str]:
    return (
        ["", title, *(f"  {_weight(reason)}: {reason.says} [{reason.rule}]" for reason in reasons)] if reasons else []
    )


def _weight(reason: Reason) -> str:
    """Return what a reason does: for, against, or forbids to decide; the same words as in docs/how-it-decides.md."""
    if reason.points_to is Verdict.UNSURE:
        return "forbids to decide" if reason.strength is Strength.HARD else "unsure"
    side = "you sent it" if reason.points_to is Verdict.GENUINE else "you did not"
    return side if reason.strength is Strength.NOTE else f"{side} ({reason.strength.value})"


def _nearest(finding: Finding) -> list[str]:
    near = finding.nearest_sent
    if near is None:
        return []
    when = local_time(near.date, zone=True) if near.date else "without a date"
    return ["", f"Nearest in Sent: {near.folder}, {when}, to {', '.join(near.recipients[:3])}: {near.subject or ''}"]
