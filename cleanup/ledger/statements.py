"""Inserting one row and learning its number, or many at once, on every database; and long lists, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Row, Select, Table, bindparam, insert, select

from cleanup.ledger.schema import cursors

One = TypeVar("One")
_INSERTS: dict[tuple[Table, str], str | None] = {}  # by table and dialect: made once
FETCHED_AT_ONCE = 5_000  # rows of an answer that may have one for each message
AT_ONCE = 5_000  # parameters of one statement: SQLite takes 32,766, PostgreSQL 65,535


def insert_one(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Insert one row; return the number that the database gave it."""
    key = connection.execute(insert(table), dict(row)).inserted_primary_key
    assert key is not None
    return int(key[0])


def insert_many(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Insert rows of integers and texts, each in the order of the table's columns.

    SQLAlchemy binds each value of each row by name, which takes longer than SQLite takes to write them; drivers that
    take values by their place get them as they are.
    """
    if not rows:
        return
    if statement := _in_place(table, connection.dialect):
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])
    else:
        names = [column.name for column in table.columns]
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _in_place(table: Table, dialect: Dialect) -> str | None:
    """Return the statement that takes values by their place; None where the driver takes them by name."""
    if (table, dialect.name) not in _INSERTS:
        statement = insert(table).compile(dialect=dialect, column_keys=[column.name for column in table.columns])
        _INSERTS[table, dialect.name] = str(statement) if statement.positional else None
    return _INSERTS[table, dialect.name]


def each_row(connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None) -> Iterator[Row[Any]]:
    """Yield the rows of an answer that may have one for each message, without holding them all.

    Fetched some thousands at once: one by one takes SQLAlchemy three times as long.
    """
    answer = connection.execute(query, values, execution_options={"yield_per": FETCHED_AT_ONCE})
    for some in answer.partitions():
        yield from some


def each_value(
    connection: Connection, query: Select[tuple[One]], values: Mapping[str, Any] | None = None
) -> Iterator[One]:
    """Yield the values of an answer of one column, as each_row()."""
    return (row[0] for row in each_row(connection, query, values))


def pieces(many: Sequence[One], at_once: int = AT_ONCE) -> Iterator[Sequence[One]]:
    """Yield a long sequence a piece at a time."""
    for start in range(0, len(many), at_once):
        yield many[start : start + at_once]


# --- Which folders of the memory are a mailbox's --------------------------------------------------------------------

CURRENT = (cursors.c.mailbox == bindparam("mailbox")) & (cursors.c.is_current == 1)
CURRENT_SENT = CURRENT & (cursors.c.is_sent == 1)
MINE = select(cursors.c.folder_id).where(cursors.c.mailbox == bindparam("mailbox"))  # the retired ones, too
SENT = select(cursors.c.folder_id).where(CURRENT_SENT)
