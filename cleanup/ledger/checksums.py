"""Checksums over what is remembered of each Sent folder.

One flipped bit inside of a key hides a message that was sent, and no database notices: SQLite's own checks look at the
structure alone. So each folder's cursor keeps sums over its rows and habits, which every write adds to and nothing else
does. A folder that no longer adds up is read anew before anything is judged by it.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, update

from cleanup.ledger.schema import cursors, sent_keys, sent_rows

Sums = Counter[str]  # by table and column

_PRIME = 2**31 - 1  # a changed byte changes a number by less than 256 times a power of two: never by a multiple of this
_SUMMED: Mapping[Table, tuple[str, ...]] = {
    sent_rows: ("uid", "moment_us", "stored_us", "id_key", "gone"),
    sent_keys: ("uid", "key"),
}


def added_up(table: Table, rows: Sequence[Sequence[Any]]) -> Sums:
    """Return the sums of rows that are about to be written, each in the order of the table's columns."""
    if not rows:
        return Counter()
    by_column = dict(zip((column.name for column in table.columns), zip(*rows, strict=True), strict=True))
    sums = {f"{table.name}.{name}": sum(abs(v or 0) % _PRIME for v in by_column[name]) for name in _SUMMED[table]}
    return Counter({table.name: len(rows), **sums})


def stored(connection: Connection, table: Table, folder_id: int, uids: Sequence[int] | None = None) -> Sums:
    """Return the sums of the rows that stand in a table: of a whole folder, or of these messages of it."""
    query = _STORED[table]
    query = query if uids is None else query.where(table.c.uid.in_(uids))
    found = connection.execute(query, {"of_folder": folder_id}).mappings().one()
    return Counter({name: int(value) for name, value in found.items()})


def of_gone(messages: int) -> Sums:
    """Return what the sums rise by when so many messages are marked as gone."""
    return Counter({f"{sent_rows.name}.gone": messages})


def of_profile(profile: Mapping[str, Any]) -> Sums:
    """Return the checksum of a folder's habits, as they are stored."""
    text = json.dumps(profile, sort_keys=True)
    return Counter({"profile": zlib.crc32(text.encode()) if profile else 0})


def change_by(connection: Connection, folder_id: int, added: Sums | None = None, *, taken: Sums | None = None) -> None:
    """Add to the sums that a folder's cursor keeps, and take from them."""
    kept = connection.execute(_KEPT, {"of_folder": folder_id}).scalar()
    connection.execute(_KEEP, {"of_folder": folder_id, "sums": changed(kept, added, taken=taken)})


def changed(kept: Mapping[str, int] | None, added: Sums | None = None, *, taken: Sums | None = None) -> Sums:
    """Return the sums that a folder's cursor is to keep in place of those that it kept."""
    sums = Counter(kept or {})
    sums.update(added or {})
    sums.subtract(taken or {})
    return sums


def add_up(connection: Connection, folder_id: int, kept: Mapping[str, int] | None, profile: Mapping[str, Any]) -> bool:
    """Return whether a folder's rows and habits are those that were written, as the sums that were kept say."""
    found = of_profile(profile)
    for table in _SUMMED:
        found.update(stored(connection, table, folder_id))
    return {name: value for name, value in found.items() if value} == {n: v for n, v in (kept or {}).items() if v}


_KEPT = select(cursors.c.sums).where(cursors.c.folder_id == bindparam("of_folder"))
_KEEP = update(cursors).where(cursors.c.folder_id == bindparam("of_folder"))
_STORED = {
    table: select(
        func.count().label(table.name),
        *(
            func.coalesce(func.sum(func.abs(func.coalesce(table.c[name], 0)) % _PRIME), 0).label(f"{table.name}.{name}")
            for name in names
        ),
    ).where(table.c.folder_id == bindparam("of_folder"))
    for table, names in _SUMMED.items()
}
