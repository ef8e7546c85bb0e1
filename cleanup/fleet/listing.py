"""Which mailboxes a fleet has: a CSV file or rows of a database, and the part of them that one machine takes."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cleanup.errors import UsageError
from cleanup.ledger.values import mailbox_key

COLUMN = "mailbox"


@dataclass(frozen=True, slots=True)
class Listed:
    """One mailbox of a list: a profile or an address, and further settings by their names."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def read_list(file: Path) -> list[Listed]:
    """Return the mailboxes of a CSV file: a column `mailbox`, and columns named like the settings of a profile.

    Raises UsageError where the file cannot be read, has no such column, or names a mailbox twice.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UsageError(f"The list {file} cannot be read", why=str(error)) from error
    return listed(rows, str(file))


def listed(rows: Iterable[Mapping[str, object]], where: str) -> list[Listed]:
    """Return the mailboxes of rows, in their order. Raises UsageError as read_list() does."""
    found: dict[str, Listed] = {}
    known: set[str] = set()
    for number, row in enumerate(rows, start=1):
        name = str(row.get(COLUMN) or "").strip()
        if not name:
            raise UsageError(f"{where}: row {number} names no mailbox", hint=f"A column {COLUMN!r} is needed")
        key = mailbox_key(name) if "@" in name else name
        if key in known:
            raise UsageError(f"{where}: {name} is there twice")
        known.add(key)
        found[name] = Listed(
            name, {str(k): str(v) for k, v in row.items() if k and k != COLUMN and v not in (None, "")}
        )
    return list(found.values())


def shard_of(mailboxes: Sequence[Listed], number: int, of: int) -> list[Listed]:
    """Return the mailboxes of one shard, numbered from 0: by a hash of the name, whatever the list's order."""
    if not 0 <= number < of:
        raise UsageError(f"There is no shard {number} of {of}", hint="Shards are numbered 0/N to N-1/N")
    return [one for one in mailboxes if int(hashlib.sha256(one.name.encode()).hexdigest(), 16) % of == number]
