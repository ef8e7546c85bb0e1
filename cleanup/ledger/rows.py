"""Inserting a row and learning its number, on every database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert


def insert_one(connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
    """Insert one row; return the number that the database gave it."""
    key = connection.execute(insert(table).values(dict(row))).inserted_primary_key
    assert key is not None
    return int(key[0])
