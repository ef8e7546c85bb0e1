"""Runs and labels: written and read."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, union, update
from sqlalchemy import text as sql

from cleanup.detector.mailings import label_of_mailing, subject_template
from cleanup.ledger.journal import Moved, moved_by_run
from cleanup.ledger.names import SAME_MAILBOX
from cleanup.ledger.schema import findings, labels, moves, runs
from cleanup.ledger.statements import insert_one
from cleanup.ledger.texts import from_us, moment, text, us
from cleanup.ledger.values import LOCK, Label, MoveState, RunRecord, mailbox_key
from cleanup.lock import is_free
from cleanup.model import Verdict

STANDING = (MoveState.MOVED.value,)
TOUCHED = (MoveState.MOVED.value, MoveState.TAKEN.value)  # what an undo may find somewhere


def write_run(connection: Connection, now: datetime, values: Mapping[str, Any]) -> int:
    """Write that a run begins; return its number."""
    row = {"started_us": us(now), "status": RUNNING, "counts": {}, "options": {}} | dict(values)
    return insert_one(connection, runs, row)


def end_run(connection: Connection, run_id: int, now: datetime, status: str, counts: Mapping[str, int]) -> None:
    """Write how a run ended."""
    values = {"finished_us": us(now), "status": status, "counts": dict(counts)}
    connection.execute(_END, {"of_run": run_id, **values})


_END = update(runs).where(runs.c.run_id == bindparam("of_run"))


def read_runs(
    connection: Connection,
    *,
    mailbox: str | None = None,
    run_id: int | None = None,
    moved_in: Sequence[str] = (),
    limit: int,
) -> list[RunRecord]:
    """Return the latest runs, newest first; `moved_in` leaves out those of which no move is in one of these states."""
    own = select(func.count()).where(moves.c.run_id == runs.c.run_id, moves.c.undoes.is_(None))
    filed = own.where(moves.c.state.in_(STANDING)).scalar_subquery()
    query = select(runs, filed.label("filed")).order_by(runs.c.run_id.desc()).limit(limit)
    if mailbox is not None:
        query = query.where(runs.c.mailbox == mailbox)
    if run_id is not None:
        query = query.where(runs.c.run_id == run_id)
    if moved_in:
        query = query.where(own.where(moves.c.state.in_(moved_in)).scalar_subquery() > 0)
    rows = connection.execute(query).mappings().all()
    # newest first; runs of other mailboxes lie between them, and are counted for nothing: still one question
    moved = moved_by_run(connection, rows[-1]["run_id"], rows[0]["run_id"]) if rows else {}
    return [_run(connection, row, moved.get(row["run_id"], Moved())) for row in rows]


def read_mailboxes(connection: Connection) -> list[str]:
    """Return the addresses that runs or people's words are of, sorted."""
    return sorted(connection.execute(union(select(runs.c.mailbox), select(labels.c.mailbox))).scalars())


def write_label(connection: Connection, label: Label, now: datetime) -> None:
    """Write what a person said of a message; the latest word counts."""
    row = asdict(label) | {
        "mailbox": mailbox_key(label.mailbox),
        "verdict": label.verdict.value,
        "note": text(label.note),
        "said_us": us(now),
    }
    connection.execute(insert(labels).values(row))


def read_labels(connection: Connection, mailbox: str, without: Collection[str] = ()) -> dict[str, Verdict]:
    """Return people's latest word on each message, by fingerprint digest, and on mailings (label_of_mailing).

    A mailing is called genuine where one of its messages is. `without` leaves out what was said in these ways.
    """
    query = _LABELS.where(labels.c.said_by.not_in(tuple(without))) if without else _LABELS
    said = {row.digest: Verdict(row.verdict) for row in connection.execute(query, {"of_mailbox": mailbox})}
    return said | dict.fromkeys(_genuine_mailings(connection, mailbox, said), Verdict.GENUINE)


_LABELS = (
    select(labels.c.digest, labels.c.verdict).where(labels.c.mailbox.in_(SAME_MAILBOX)).order_by(labels.c.label_id)
)


def _genuine_mailings(connection: Connection, mailbox: str, said: Mapping[str, Verdict]) -> set[str]:
    """Return the mailings that messages called genuine answer, as far as the ledger knows their subjects."""
    if Verdict.GENUINE not in said.values():
        return set()
    labelled = select(labels.c.digest).where(
        labels.c.mailbox.in_(SAME_MAILBOX), labels.c.verdict == Verdict.GENUINE.value
    )
    query = (
        select(findings.c.digest, findings.c.original_subject)
        .join(runs)
        .where(runs.c.mailbox.in_(SAME_MAILBOX), findings.c.digest.in_(labelled))
        .distinct()
    )
    found = connection.execute(query, {"of_mailbox": mailbox})
    subjects = {row.original_subject for row in found if said.get(row.digest) is Verdict.GENUINE}
    return {label_of_mailing(key) for subject in subjects if (key := subject_template(subject))}


def _run(connection: Connection, row: RowMapping, moved: Moved) -> RunRecord:
    return RunRecord(
        run_id=row["run_id"],
        mailbox=row["mailbox"],
        command=row["command"],
        started=moment(row["started_us"]),
        finished=from_us(row["finished_us"]),
        status=status_of(connection, row),
        filed=row["filed"],
        counts=dict(row["counts"]),
        options=dict(row["options"]),
        actor=row["actor"],
        filed_once=moved.filed,
        put_back=moved.put_back,
    )


# --- Was a run that nobody ended cut off, or is it still at it ------------------------------------------------------

RUNNING, CUT_OFF, LOCKED = "running", "cut off", "locked"

# A key of 64 bits is shown in two halves, with objsubid 1: https://www.postgresql.org/docs/15/view-pg-locks.html
_HELD = sql(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::bigint << 32) | objid::bigint) = :key"
)


def status_of(connection: Connection, run: RowMapping) -> str:
    """Return how a run ended; one that never wrote its end was "cut off" or is "running".

    It was cut off if a later run of its mailbox began, as one begins only when no other is at it (those that found it
    "locked" did not begin), or if its lock is free. Where nobody can know that (no lock was noted, or its file is on
    another machine), it is called running.
    """
    if run["status"] != RUNNING:
        return str(run["status"])
    began = select(func.max(runs.c.run_id)).where(runs.c.mailbox == run["mailbox"], runs.c.status != LOCKED)
    last = connection.execute(began).scalar()
    return CUT_OFF if last != run["run_id"] or _lock_is_free(connection, run) else RUNNING


def exclusive_key(name: str) -> int:
    """Return the number of the advisory lock that holds a mailbox on PostgreSQL, by one of its names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)  # a bigint


def _lock_is_free(connection: Connection, run: RowMapping) -> bool:
    if connection.dialect.name == "postgresql":  # held on whatever machine; a file says nothing of the others
        return connection.execute(_HELD, {"key": exclusive_key(run["mailbox"])}).scalar() == 0
    lock = run["options"].get(LOCK)
    return bool(lock) and is_free(Path(str(lock)))
