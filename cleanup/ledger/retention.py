"""How long the ledger keeps what: old findings go, what undo needs stays, and a person can be forgotten."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, delete, func, or_, select, update

from cleanup.errors import LedgerUnusable, UsageError
from cleanup.ledger.kept_mail import drop_who_names
from cleanup.ledger.names import same_mailbox
from cleanup.ledger.opening import ledger_errors, writing
from cleanup.ledger.schema import findings, labels, moves, reasons, recipients, runs, sent_coverage, sent_sources
from cleanup.ledger.schema import tables as all_tables
from cleanup.ledger.statements import pieces
from cleanup.ledger.store import Ledger
from cleanup.ledger.texts import us
from cleanup.ledger.values import OPEN_STATES, mailbox_key

FORGOTTEN = "(forgotten)"


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows went: what was found in messages, and runs.

    `addresses` are others of the same mailbox, of which the ledger holds data still.
    """

    findings: int
    runs: int
    addresses: tuple[str, ...] = ()


def prune(ledger: Ledger, before: datetime) -> Removed:
    """Drop what runs before a moment found: subjects, addresses, reasons. Runs and moves stay, so undo still works.

    Runs that moved nothing go whole. Raises LedgerUnusable.
    """
    with writing(ledger.engine) as connection:
        old = select(runs.c.run_id).where(runs.c.started_us < us(before))
        gone = _drop_findings(connection, findings.c.run_id.in_(old))
        idle = old.where(runs.c.run_id.not_in(select(moves.c.run_id)))
        removed = Removed(gone, _drop_runs(connection, idle))
    _overwrite_free_pages(ledger)
    return removed


def forget(ledger: Ledger, address: str) -> Removed:
    """Drop everything of this person: the mailbox of that address whole, and the address wherever it stands elsewhere.

    Raises UsageError where a run in that mailbox is not settled yet, LedgerUnusable.
    """
    with writing(ledger.engine) as connection:
        whose = mailbox_key(address)
        others = tuple(one for one in same_mailbox(connection, whose) if one != whose)
        ours = select(runs.c.run_id).where(runs.c.mailbox == whose)
        open_states = [state.value for state in OPEN_STATES]
        waiting = (
            select(func.count())
            .select_from(moves)
            .where(moves.c.run_id.in_(ours), moves.c.state.in_(open_states), moves.c.target_uid.is_(None))
        )  # with a UID there it is known where the message is: in both folders, as the server did not let it go
        if connection.execute(waiting).scalar():
            raise UsageError(
                f"A run in the mailbox of {address} was cut off and is not settled",
                hint="Run it once more, then forget it",
            )
        gone = _drop_findings(connection, findings.c.run_id.in_(ours))
        connection.execute(delete(moves).where(moves.c.run_id.in_(ours)))
        gone_runs = _drop_runs(connection, ours)
        for table in all_tables.sorted_tables:
            if "mailbox" in table.c and table is not runs:
                connection.execute(delete(table).where(table.c.mailbox == whose))
        removed = Removed(gone + _blank(connection, address), gone_runs, others)
    _overwrite_free_pages(ledger)
    return removed


def _overwrite_free_pages(ledger: Ledger) -> None:
    """Make a SQLite file hold only what its tables hold: what was dropped would otherwise stay in free pages."""
    if ledger.engine.dialect.name == "sqlite":
        # a connection below SQLAlchemy's, as VACUUM runs in no transaction
        with ledger_errors("written"), closing(ledger.engine.raw_connection()) as connection:
            connection.cursor().execute("VACUUM")
            # what was dropped stands in the log, too, until that is written back and cut off
            busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                what = "What was dropped is still in the ledger's write-ahead log"
                raise LedgerUnusable(what, why="another program holds the ledger open", hint="Run it once more later")


# --- pieces --------------------------------------------------------------------------------------------------------


def _drop_findings(connection: Connection, which: ColumnElement[bool]) -> int:
    ids = select(findings.c.finding_id).where(which)
    for table in (recipients, reasons):
        connection.execute(delete(table).where(table.c.finding_id.in_(ids)))
    return connection.execute(delete(findings).where(which)).rowcount


def _drop_runs(connection: Connection, which: Select[tuple[int]]) -> int:
    """Drop the runs that a query names, without ever listing them: nights of a fleet are more than SQL takes values."""
    for table in (sent_sources, sent_coverage):
        connection.execute(delete(table).where(table.c.run_id.in_(which)))
    return connection.execute(delete(runs).where(runs.c.run_id.in_(which))).rowcount


def _blank(connection: Connection, address: str) -> int:
    """Blank an address in what was found in other people's mailboxes; return in how many rows it stood.

    What was read of mail that names it is dropped; where such mail is still in the Inbox, the next night reads it anew.
    """
    drop_who_names(connection, address)
    named = func.lower(recipients.c.address) == address.lower()
    original = func.lower(recipients.c.original) == address.lower()
    values = {"address": FORGOTTEN, "original": None, "domain": None, "diagnostic": None}
    count = connection.execute(update(recipients).where(or_(named, original)).values(values)).rowcount
    return count + sum(
        _blank_texts(connection, table, address) for table in (runs, findings, recipients, reasons, labels)
    )


def _blank_texts(connection: Connection, table: Table, address: str) -> int:
    """Blank each text of a table in which the address stands by itself, not as the end of a longer one."""
    alone = re.compile(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", re.IGNORECASE)
    (key,) = table.primary_key.columns
    count = 0
    for column in (c for c in table.c if isinstance(c.type, Text)):
        found = select(key, column).where(column.icontains(address, autoescape=True))
        rows = [row[0] for row in connection.execute(found) if alone.search(row[1])]
        blank = None if column.nullable else FORGOTTEN
        for some in pieces(rows):
            connection.execute(update(table).where(key.in_(some)).values({column: blank}))
        count += len(rows)
    return count
