"""Ordinary mail of the Inbox as the memory keeps it, and what it says of Sent's completeness.

The same measure as detector.sent.measure_inbox, asked of the database; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, or_, select

from cleanup.detector.addresses import untagged_key
from cleanup.detector.message_ids import id_shape
from cleanup.detector.sent import SHARED_RIGHT_SIDE
from cleanup.detector.sent_coverage import Proof
from cleanup.detector.sent_header import InboxClue
from cleanup.detector.sent_profile import Profile
from cleanup.ledger.keys import Keys
from cleanup.ledger.schema import inbox_rows, sent_keys, sent_rows
from cleanup.ledger.texts import sure_text, to_us
from cleanup.ledger.values import InboxRow

_NOTHING = dict.fromkeys(
    ("date_us", "own_id", "own_right", "own_shape", "sender", "answered", "answered_right", "answered_shape",
     "only_recipient")
)  # fmt: skip


def inbox_values(folder_id: int, row: InboxRow, keys: Keys) -> dict[str, Any]:
    """Return the row of one message of the Inbox."""
    known = _of_clue(row.clue, keys) if row.clue else _NOTHING
    return {"folder_id": folder_id, "uid": row.uid, "sort": int(row.looks_like_notice), **known}


def _of_clue(clue: InboxClue, keys: Keys) -> dict[str, Any]:
    own, answered = clue.message_id, clue.answers[0] if len(clue.answers) == 1 and len(clue.to) == 1 else None
    return {
        "date_us": to_us(clue.date),
        "own_id": keys.message_id(own) if own else None,
        "own_right": keys.right_side(own) if own else None,
        "own_shape": sure_text(id_shape(own)) if own else None,
        "sender": keys.sender(clue.from_address or ""),
        "answered": keys.message_id(answered) if answered else None,
        "answered_right": keys.right_side(answered) if answered else None,
        "answered_shape": sure_text(id_shape(answered)) if answered else None,
        "only_recipient": keys.of("address", untagged_key(clue.to[0])) if answered else None,
    }


def proofs(
    connection: Connection, inbox: int, sent_folders: Select[Any], profile: Profile, keys: Keys
) -> Iterator[Proof]:
    """Yield what the mail of an Inbox proves to have been sent, in the order of UIDs, each message once."""
    owner = {keys.of("address", address) for address in profile.own_addresses}
    rights = {keys.of("right", side) for side, seen in profile.right_sides.items() if seen >= SHARED_RIGHT_SIDE}
    counted: set[int] = set()
    for row in connection.execute(_witnesses(inbox, owner, sent_folders)):
        proof = _proof(row, owner, rights)
        if proof and proof[0] not in counted:  # ten answers to one message are one sample
            counted.add(proof[0])
            yield proof[1]


def _proof(row: Row[Any], owner: set[int], rights: set[int]) -> tuple[int, Proof] | None:
    to_the_owner = row.only_recipient in owner and row.sender not in owner
    if to_the_owner and row.answered_right in rights and not row.received:
        return row.answered, Proof("replies", row.answered_shape, row.holds_answered)
    if row.own_id is not None and row.sender in owner and row.own_right in rights:
        return row.own_id, Proof("self-copies", row.own_shape, row.holds_own)
    return None


def _witnesses(inbox: int, owner: set[int], sent_folders: Select[Any]) -> Select[Any]:
    row, other = inbox_rows, inbox_rows.alias("other")
    received = exists().where(other.c.folder_id == inbox, other.c.own_id == row.c.answered)
    return (
        select(
            *(row.c.uid, row.c.sender, row.c.only_recipient),
            *(row.c.own_id, row.c.own_right, row.c.own_shape),
            *(row.c.answered, row.c.answered_right, row.c.answered_shape),
            received.label("received"),
            _sent_holds(row.c.answered, sent_folders).label("holds_answered"),
            _sent_holds(row.c.own_id, sent_folders).label("holds_own"),
        )
        .where(row.c.folder_id == inbox, row.c.sort == 0)
        .where(or_(row.c.sender.in_(owner), row.c.only_recipient.in_(owner)))
        .order_by(row.c.uid)
    )


def _sent_holds(key: ColumnElement[Any], sent_folders: Select[Any]) -> ColumnElement[bool]:
    there = (sent_rows.c.folder_id == sent_keys.c.folder_id) & (sent_rows.c.uid == sent_keys.c.uid)
    found = select(sent_keys.c.uid).join(sent_rows, there)
    mine = sent_keys.c.folder_id.in_(sent_folders)
    return exists(found.where(mine, sent_keys.c.key == key, sent_rows.c.gone == 0))
