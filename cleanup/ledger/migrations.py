"""Walks an older ledger forward, one schema version at a time, each step in one transaction."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import PurePath

from sqlalchemy import Connection, Table, delete, func, inspect, select, text, union, update

from cleanup.errors import LedgerUnusable
from cleanup.ledger import sent_index as sent_memory
from cleanup.ledger.names import note_names
from cleanup.ledger.schema import (
    cursors,
    dns_lookups,
    inbox_rows,
    kept_mail,
    labels,
    mailbox_names,
    memories,
    meta,
    reasons,
    runs,
    sent_keys,
    sent_rows,
    tables,
    targets,
)
from cleanup.ledger.values import LOCK, SCHEMA, mailbox_key

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


def _keep_what_dns_said(connection: Connection) -> None:
    """From 3: what name servers answered."""
    tables.create_all(connection, tables=[dns_lookups])  # where it is not there yet


def _one_name_a_mailbox(connection: Connection) -> None:
    """From 4: a mailbox whose address was written in several ways was several; now it is one (values.mailbox_key).

    Runs, moves, labels and what was read of Sent all stay. Of what was read under several names the latest goes on; the
    others are retired, as if their folders were read anew: their sent messages may still spare a bounce.
    """
    for table in (runs, labels):
        for name in connection.execute(select(table.c.mailbox).distinct()).scalars().all():
            _rename(connection, table, name)
    names = connection.execute(union(select(memories.c.mailbox), select(cursors.c.mailbox))).scalars().all()
    by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_key[mailbox_key(name)].append(name)
    for same in by_key.values():
        latest = max(same, key=lambda name: _last_read(connection, name))
        for name in same:
            if name != latest:
                connection.execute(delete(memories).where(memories.c.mailbox == name))
                _retire(connection, name)
        for name in same:  # when all are retired that are to be: one of them may have the key's very name
            _rename(connection, cursors, name)
        _rename(connection, memories, latest)
        if len(same) > 1:  # what other runs left to be done is not known
            connection.execute(update(memories).where(memories.c.mailbox == mailbox_key(latest)).values(judged_by=None))


def _rename(connection: Connection, table: Table, name: str) -> None:
    if (key := mailbox_key(name)) != name:
        connection.execute(update(table).where(table.c.mailbox == name).values(mailbox=key))


def _last_read(connection: Connection, name: str) -> tuple[int, int]:
    run_id = connection.execute(select(memories.c.run_id).where(memories.c.mailbox == name)).scalar()
    read_us = connection.execute(select(func.max(cursors.c.updated_us)).where(cursors.c.mailbox == name)).scalar()
    return run_id or 0, read_us or 0


def _retire(connection: Connection, name: str) -> None:
    mine = cursors.c.mailbox == name
    for folder_id in connection.execute(select(cursors.c.folder_id).where(mine)).scalars().all():
        connection.execute(delete(inbox_rows).where(inbox_rows.c.folder_id == folder_id))
        sent_memory.retire(connection, folder_id)
    connection.execute(update(cursors).where(mine).values(is_current=0))


def _keep_what_was_lost(connection: Connection) -> None:
    """From 5: flags that a target did not take, and copies that leave their source as it is."""
    there = {column["name"] for column in inspect(connection).get_columns("moves")}
    for name, kind in (("keeps_source", "INTEGER"), ("lost_flags", "JSON")):
        if name not in there:
            connection.execute(text(f"ALTER TABLE moves ADD COLUMN {name} {kind}"))


def _keep_whom_to_ask_about(connection: Connection) -> None:
    """From 6: who sent in the owner's name and could not be placed. Earlier findings tell of nobody."""
    if "sender" not in {column["name"] for column in inspect(connection).get_columns("findings")}:
        connection.execute(text("ALTER TABLE findings ADD COLUMN sender JSON"))


def _keep_what_was_read_of_notices(connection: Connection) -> None:
    """From 7: what was read of notices in the Inbox, and what targets looked like. The next night looks once more."""
    tables.create_all(connection, tables=[kept_mail, targets])  # where they are not there yet


def _call_the_family_sent(connection: Connection) -> None:
    """From 8: the family of evidence "ledger" is called "sent"; a ledger is the database."""
    connection.execute(update(reasons).where(reasons.c.family == "ledger").values(family="sent"))


def _keep_names_of_mailboxes(connection: Connection) -> None:
    """From 9: what else a mailbox is known by. Each run notes it from now on.

    Earlier ones noted the file of their lock, which is called by the digest of server and login.
    """
    tables.create_all(connection, tables=[mailbox_names])  # where it is not there yet
    names = defaultdict(set)
    for mailbox, options in connection.execute(select(runs.c.mailbox, runs.c.options)):
        if isinstance(lock := options.get(LOCK), str):
            names[mailbox].add(PurePath(lock).stem)
    for mailbox, known in names.items():
        note_names(connection, mailbox, known)


STEPS: Mapping[int, Step] = {  # from which version: what changes
    1: _remember_what_was_read,
    2: _sum_what_was_read,
    3: _keep_what_dns_said,
    4: _one_name_a_mailbox,
    5: _keep_what_was_lost,
    6: _keep_whom_to_ask_about,
    7: _keep_what_was_read_of_notices,
    8: _call_the_family_sent,
    9: _keep_names_of_mailboxes,
}


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
