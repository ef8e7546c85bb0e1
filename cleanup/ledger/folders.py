"""Which folders of the memory are a mailbox's: what the statements that ask it have in common.

Statements that every night sends are made once, with places for their values: SQLAlchemy takes five times as long to
make one anew and to recognise that it is the same.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select

from cleanup.ledger.schema import cursors

CURRENT = (cursors.c.mailbox == bindparam("mailbox")) & (cursors.c.is_current == 1)
CURRENT_SENT = CURRENT & (cursors.c.is_sent == 1)
MINE = select(cursors.c.folder_id).where(cursors.c.mailbox == bindparam("mailbox"))  # the retired ones, too
SENT = select(cursors.c.folder_id).where(CURRENT_SENT)
