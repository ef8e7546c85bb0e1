"""Writes what a run found: one row a notice, its failed recipients, its reasons, and what Sent could vouch for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select

from cleanup.detector.sender_questions import Met
from cleanup.ledger import schema
from cleanup.ledger.statements import pieces
from cleanup.ledger.texts import moment, sure_text, text, to_us, us
from cleanup.model import FilingPlan, Judged, MessageRef, Recipient, SentSource, UnknownSender, Verdict

Row = dict[str, Any]
AT_ONCE = 500  # findings whose rows are made before they are written: a storm has ten thousand


def write_findings(connection: Connection, run_id: int, judged: Sequence[Judged], plan: FilingPlan | None) -> None:
    """Write the findings of a run; `plan` says which of them are to be filed, and why others are not."""
    planned = {move.ref for move in plan.moves} if plan else set()
    why_not = {kept.ref: kept.reason for kept in plan.not_filed} if plan else {}
    for some in pieces(judged, AT_ONCE):
        found = [_finding_row(run_id, one, planned=one.ref in planned, why_not=why_not.get(one.ref)) for one in some]
        _write_all(connection, schema.findings, found)
    # the number that the database gave each finding of a run, by its place
    numbers = {tuple(place): number for number, *place in connection.execute(_NUMBERS, {"of_run": run_id})}
    for some in pieces(judged, AT_ONCE):
        numbered = [(numbers[tuple(_place(one.ref).values())], one) for one in some]
        recipients = [row for number, one in numbered for row in _recipient_rows(number, one.notice.recipients)]
        _write_all(connection, schema.recipients, recipients)
        _write_all(connection, schema.reasons, [row for number, one in numbered for row in _reason_rows(number, one)])


_row = schema.findings.c
_NUMBERS = select(_row.finding_id, _row.folder, _row.uidvalidity, _row.uid).where(_row.run_id == bindparam("of_run"))


def read_unplaced(connection: Connection, run_id: int) -> Iterator[tuple[str, Met]]:
    """Yield whom a run could not place, with the digest of the notice that showed them, in the order of their UIDs."""
    for row in connection.execute(_UNPLACED, {"of_run": run_id}):
        if row.sender is not None:
            yield row.digest, Met(UnknownSender(**row.sender), moment(row.arrived_us), row.original_subject)


_UNPLACED = (
    select(_row.digest, _row.sender, _row.arrived_us, _row.original_subject)
    .where(_row.run_id == bindparam("of_run"), _row.verdict == Verdict.UNSURE.value)
    .order_by(_row.uid)
)


def write_sources(connection: Connection, run_id: int, sources: Iterable[SentSource]) -> None:
    """Write which Sent folders a run read, and how far."""
    rows = [
        {
            "run_id": run_id,
            "folder": sure_text(s.folder),
            "announced": s.announced,
            "read": s.read,
            "problem": text(s.problem),
        }
        for s in sources
    ]
    _write_all(connection, schema.sent_sources, rows)


def _write_all(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _finding_row(run_id: int, one: Judged, *, planned: bool, why_not: str | None) -> Row:
    finding, notice, first = one.finding, one.notice, one.notice.returned[0]
    return {
        "run_id": run_id,
        "planned": int(planned),
        "not_filed_because": text(why_not),
        **_place(one.ref),
        "size": one.fingerprint.size,
        "arrived_us": us(one.fingerprint.arrived),
        "digest": one.fingerprint.digest,
        "imap_flags": [sure_text(flag) for flag in one.flags],
        # what was decided
        "verdict": finding.verdict.value,
        "leaning": finding.leaning.value if finding.leaning else None,
        "row": finding.row,
        "flags": list(finding.flags),
        "campaign": text(finding.campaign),
        "trusted_hop": text(finding.trusted_hop),
        "sender": asdict(finding.sender) if finding.sender else None,
        # the notice
        "kind": notice.kind.value,
        "action": notice.action.value if notice.action else None,
        "format": notice.format,
        "reporting_mta": text(notice.reporting_mta),
        "status": text(notice.status),
        "cause": notice.cause.value,
        "notice_id": text(notice.message_id),
        "notice_subject": text(notice.subject),
        "notice_sender": text(notice.sender),
        "notice_date_us": to_us(notice.date),
        # the first message that it returns, or a part of it
        "extent": first.extent.value,
        "originals": len(notice.returned),
        "original_id": text(first.message_id),
        "original_subject": text(first.subject),
        "original_date_us": to_us(first.date),
        "original_from": text(first.from_address),
    }


def _place(ref: MessageRef) -> Row:
    return {"folder": sure_text(ref.folder), "uidvalidity": ref.uidvalidity, "uid": ref.uid}


def _recipient_rows(finding_id: int, recipients: Sequence[Recipient]) -> list[Row]:
    return [
        {
            "finding_id": finding_id,
            "position": position,
            "address": sure_text(recipient.address),
            "domain": text(recipient.address.rpartition("@")[2].lower() or None),
            "original": text(recipient.original),
            "action": recipient.action.value if recipient.action else None,
            "status": text(recipient.status),
            "reply": text(recipient.reply),
            "cause": recipient.cause.value,
            "remote_mta": text(recipient.remote_mta),
            "diagnostic": text(recipient.diagnostic),
        }
        for position, recipient in enumerate(recipients)
    ]


def _reason_rows(finding_id: int, one: Judged) -> list[Row]:
    return [
        {
            "finding_id": finding_id,
            "position": position,
            "rule": reason.rule,
            "family": reason.family.value,
            "points_to": reason.points_to.value,
            "strength": reason.strength.value,
            "says": sure_text(reason.says),
        }
        for position, reason in enumerate(one.finding.reasons)
    ]
