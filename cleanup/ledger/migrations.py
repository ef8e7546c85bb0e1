"""Walks an older ledger forward, one schema version at a time, each step in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from sqlalchemy import Connection, inspect, select, text, update

from cleanup.errors import LedgerUnusable
from cleanup.ledger.schema import cursors, inbox_rows, memories, meta, sent_keys, sent_rows, tables
from cleanup.ledger.values import SCHEMA

HASH_KEY = "hash_key"  # what ids and addresses in the memory are hashed with: a secret of this ledger
Step = Callable[[Connection], None]


def _remember_what_was_read(connection: Connection) -> None:
    """From 1: the memory of what was read. Version 1 had a table of cursors that nothing wrote to."""
    connection.execute(text("DROP TABLE cursors"))
    tables.create_all(connection, tables=[memories, cursors, sent_rows, sent_keys, inbox_rows])
    connection.execute(meta.insert().values(key=HASH_KEY, value=secrets.token_hex(16)))


def _sum_what_was_read(connection: Connection) -> None:
    """From 2: checksums. What was read without them is read anew."""
    if "sums" not in {column["name"] for column in inspect(connection).get_columns("cursors")}:  # 1 makes it at once
        connection.execute(text("ALTER TABLE cursors ADD COLUMN sums JSON"))


def _keep_what_was_lost(connection: Connection) -> None:
    """From 3: flags that a target did not take, and copies that leave their source as it is."""
    there = {column["name"] for column in inspect(connection).get_columns("moves")}
    for name, kind in (("keeps_source", "INTEGER"), ("lost_flags", "JSON")):
        if name not in there:
            connection.execute(text(f"ALTER TABLE moves ADD COLUMN {name} {kind}"))


# from which version: what changes
STEPS: Mapping[int, Step] = {1: _remember_what_was_read, 2: _sum_what_was_read, 3: _keep_what_was_lost}


def bring_up_to_date(connection: Connection, *, steps: Mapping[int, Step] = STEPS, wanted: int = SCHEMA) -> None:
    """Create the tables of a new ledger, or migrate an older one.

    Raises LedgerUnusable for something that is no ledger, and for a ledger of a newer or a forgotten version.
    """
    there = set(inspect(connection).get_table_names())
    if not there:
        tables.create_all(connection)
        connection.execute(meta.insert().values(key="schema", value=str(wanted)))
        connection.execute(meta.insert().values(key=HASH_KEY, value=secrets.token_hex(16)))
        return
    version = _version(connection, there)
    if version > wanted:
        raise LedgerUnusable(
            f"The ledger was written by a newer version of this program (schema {version}, known is {wanted})",
            hint="Upgrade mailbox-cleanup on this machine",
        )
    while version < wanted:
        if version not in steps:
            raise LedgerUnusable(
                f"The ledger is of schema {version}, which cannot be brought forward",
                hint="Move the file away and run again: the mailbox itself is untouched, only history is lost",
            )
        steps[version](connection)
        version += 1
        connection.execute(update(meta).where(meta.c.key == "schema").values(value=str(version)))
    _check_tables(connection)


def _version(connection: Connection, there: set[str]) -> int:
    if "meta" not in there:
        raise LedgerUnusable("This database is not a ledger of mailbox-cleanup", hint="Name another file with --ledger")
    found = connection.execute(select(meta.c.value).where(meta.c.key == "schema")).scalar()
    if found is None or not str(found).isdigit():
        raise LedgerUnusable(
            "The ledger does not say which version it is", hint="Restore it from a backup, or move it away"
        )
    return int(found)


def _check_tables(connection: Connection) -> None:
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    for table in tables.sorted_tables:
        columns = {c["name"] for c in inspector.get_columns(table.name)} if table.name in there else set()
        missing = {column.name for column in table.columns} - columns
        if missing:
            raise LedgerUnusable(
                f"The ledger's table {table.name} lacks {', '.join(sorted(missing)[:3])}",
                hint="Restore it from a backup, or move it away: only history is lost",
            )
