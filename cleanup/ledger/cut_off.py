"""Was a run that nobody ended cut off, or is it still at it? Told from the ledger and the locks, never by a clock."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import Connection, RowMapping, func, select
from sqlalchemy import text as sql

from cleanup.ledger.schema import runs
from cleanup.ledger.values import LOCK
from cleanup.lock import is_free

RUNNING, CUT_OFF, LOCKED = "running", "cut off", "locked"

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
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _lock_is_free(connection: Connection, run: RowMapping) -> bool:
    if connection.dialect.name == "postgresql":  # held on whatever machine; a file says nothing of the others
        return connection.execute(_HELD, {"key": exclusive_key(run["mailbox"])}).scalar() == 0
    lock = run["options"].get(LOCK)
    return bool(lock) and is_free(Path(str(lock)))
