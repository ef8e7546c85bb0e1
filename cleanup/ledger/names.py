"""Which addresses are one mailbox: those under which the same login was worked on.

What a person said of a message, and what became of messages that were moved, holds for the mailbox under each of them.
Runs, findings and what was read stay with the address under which they were made.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Text, bindparam, insert, select, type_coerce

from cleanup.ledger.schema import mailbox_names

_other = mailbox_names.alias()
# The addresses of the mailbox `of_mailbox`, itself among them, also where no name of it was noted yet.
SAME_MAILBOX = select(type_coerce(bindparam("of_mailbox", type_=Text), Text)).union(
    select(_other.c.mailbox)
    .join(mailbox_names, mailbox_names.c.name == _other.c.name)
    .where(mailbox_names.c.mailbox == bindparam("of_mailbox"))
)


def note_names(connection: Connection, mailbox: str, names: Collection[str]) -> None:
    """Write what a mailbox is known by, as far as that is new."""
    known = connection.execute(select(mailbox_names.c.name).where(mailbox_names.c.mailbox == mailbox)).scalars()
    if new := sorted({*names} - {*known}):
        connection.execute(insert(mailbox_names), [{"name": name, "mailbox": mailbox} for name in new])


def same_mailbox(connection: Connection, mailbox: str, names: Collection[str] = ()) -> list[str]:
    """Return the addresses of a mailbox, sorted, itself among them; also those known by `names`, if not noted yet."""
    named = select(mailbox_names.c.mailbox).where(mailbox_names.c.name.in_(names))
    return sorted(
        {*connection.execute(SAME_MAILBOX, {"of_mailbox": mailbox}).scalars(), *connection.execute(named).scalars()}
    )
