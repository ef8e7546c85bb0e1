"""Ordinary mail of the Inbox as the memory keeps it, and what it says of Sent's completeness.

The same measure as detector.sent.measure_inbox, asked of the database; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, or_, select

from cleanup.detector.addresses import untagged_key
from cleanup.detector.coverage import Proof
from cleanup.detector.message_ids import id_shape
from cleanup.detector.sent import SHARED_RIGHT_SIDE, InboxClue, Profile
from cleanup.ledger.keys import Keys
from cleanup.ledger.schema import inbox_rows, sent_keys, sent_rows
from cleanup.ledger.statements import each_row, each_value, pieces
from cleanup.ledger.texts import sure_text, to_us
from cleanup.ledger.values import InboxRow

_NOTHING = (None,) * 9
_Values = tuple[int | str | None, ...]


def inbox_values(folder_id: int, row: InboxRow, keys: Keys) -> _Values:
    """Return the row of one message of the Inbox, in the order of the table's columns."""
    return (folder_id, row.uid, int(row.looks_like_notice), *(_of_clue(row.clue, keys) if row.clue else _NOTHING))


def _of_clue(clue: InboxClue, keys: Keys) -> _Values:
    # Only an answer to one message, which went to one person, tells who wrote that message.
    own, answered = clue.message_id, clue.answers[0] if len(clue.answers) == 1 and len(clue.to) == 1 else None
    return (
        to_us(clue.date),
        *(_of_id(own, keys) if own else (None, None, None)),
        keys.sender(clue.from_address or ""),
        *(_of_id(answered, keys) if answered else (None, None, None)),
        keys.address(untagged_key(clue.to[0])) if answered else None,
    )


def _of_id(message_id: str, keys: Keys) -> tuple[int, int, str]:
    """Return the hash of an id, that of its right side, and its shape."""
    # the shape of an id without its right side, which would name other people's domains
    return keys.message_id(message_id), keys.right_side(message_id), sure_text(id_shape(message_id).rpartition("@")[0])


def proofs(
    connection: Connection, inbox: int, sent_folders: Sequence[int], profile: Profile, keys: Keys
) -> Iterator[Proof]:
    """Yield what the mail of an Inbox proves to have been sent, in the order of UIDs, each message once."""
    owner = {keys.of("address", address) for address in profile.own_addresses}
    sides = [side for side, seen in profile.right_sides.items() if seen >= SHARED_RIGHT_SIDE]
    rights = {keys.of("right", side): id_shape(f"@{side}") for side in sides}
    # which of the answered messages lie in the Inbox: those were written by somebody else
    received = set(connection.execute(_RECEIVED, {"inbox": inbox, "owner": list(owner)}).scalars())
    sent: dict[int, tuple[str, str]] = {}
    for row in each_row(connection, _WITNESSES, {"inbox": inbox, "owner": list(owner)}):
        for key, way_and_route in _proved(row, owner, rights, received):
            sent.setdefault(key, way_and_route)  # ten answers to one message are one sample
    held = _held(connection, list(sent), sent_folders)
    for key, (way, route) in sent.items():
        yield Proof(way, route, key in held)


def _proved(
    row: Row[Any], owner: set[int], rights: Mapping[int, str], received: set[int]
) -> list[tuple[int, tuple[str, str]]]:
    """Return the key of the message that one message of the Inbox proves to have been sent, with way and route.

    `rights` are the right sides of the owner's ids, by key: as they end the shape of an id.
    """
    to_the_owner = row.only_recipient in owner and row.sender not in owner
    if to_the_owner and row.answered_right in rights and row.answered not in received:
        return [(row.answered, ("replies", row.answered_shape + rights[row.answered_right]))]
    if row.own_id is not None and row.sender in owner and row.own_right in rights:
        return [(row.own_id, ("self-copies", row.own_shape + rights[row.own_right]))]
    return []


def _held(connection: Connection, ids: Sequence[int], folders: Sequence[int]) -> set[int]:
    """Return which ids Sent holds. Joined in Python: a join in SQL took a thousand times as long on SQLite."""
    found: set[int] = set()
    for folder_id in folders:
        gone = set(each_value(connection, _GONE, {"of_folder": folder_id}))
        for some in pieces(ids):
            rows = connection.execute(_WITH_KEYS, {"of_folder": folder_id, "keys": list(some)})
            found.update(row.key for row in rows if row.uid not in gone)
    return found


# --- what the database is asked ------------------------------------------------------------------------------------

_row = inbox_rows.c
_OWNER: BindParameter[Any] = bindparam("owner", expanding=True)
_ORDINARY = and_(_row.folder_id == bindparam("inbox"), _row.sort == 0)
_WITNESSES = (
    select(_row.sender, _row.only_recipient, _row.own_id, _row.own_right, _row.own_shape)
    .add_columns(_row.answered, _row.answered_right, _row.answered_shape)
    .where(_ORDINARY, or_(_row.sender.in_(_OWNER), _row.only_recipient.in_(_OWNER)))
    .order_by(_row.uid)
)
_RECEIVED = (
    select(_row.answered)
    .where(_ORDINARY, _row.only_recipient.in_(_OWNER), _row.answered.is_not(None))
    .intersect(select(_row.own_id).where(_ORDINARY))
)
_OF_FOLDER: BindParameter[int] = bindparam("of_folder")
_GONE = select(sent_rows.c.uid).where(sent_rows.c.folder_id == _OF_FOLDER, sent_rows.c.gone == 1)
_WITH_KEYS = select(sent_keys.c.key, sent_keys.c.uid).where(
    sent_keys.c.folder_id == _OF_FOLDER, sent_keys.c.key.in_(bindparam("keys", expanding=True))
)
