"""What was read of the notices that lie in the Inbox, and of the sent mail that they ask about: a compressed row each.

A row holds all that judging needs of a message and no body: of what a notice returned neither its bytes nor its text.
It is good for one reader, whose name stands in it, and for one message, whose UID does; zlib's checksum tells a damaged
one. Whatever does not fit is left out, and so is read anew from the server.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from sqlalchemy import Connection, bindparam, delete, select

from cleanup.ledger.schema import kept_mail
from cleanup.ledger.statements import insert_many, pieces
from cleanup.ledger.values import KeptNotice
from cleanup.model import SentMessage

MOST_BYTES = 256 * 1024  # of one message, before it is compressed: what is larger is read each time
_OF_FOLDER = kept_mail.c.folder_id == bindparam("of_folder")
_ROWS = select(kept_mail.c.uid, kept_mail.c.read).where(_OF_FOLDER).order_by(kept_mail.c.uid)
_Read = KeptNotice | SentMessage
_One = TypeVar("_One", KeptNotice, SentMessage)


def write(connection: Connection, folder_id: int, reader: str, read: Sequence[_Read]) -> None:
    """Write what was read of messages of a folder, in place of what was known of them."""
    drop(connection, folder_id, [one.uid for one in read])
    packed = ((folder_id, one.uid, _packed(reader, one)) for one in read)
    insert_many(connection, kept_mail, [row for row in packed if row[2] is not None])


def notices(connection: Connection, folder_id: int, reader: str) -> dict[int, KeptNotice]:
    """Return what this reader read of a folder's notices, by UID."""
    rows = connection.execute(_ROWS, {"of_folder": folder_id})
    return {uid: one for uid, packed in rows if (one := _unpacked(packed, reader, uid, KeptNotice)) is not None}


def sent(connection: Connection, folder_id: int, reader: str, uids: Sequence[int]) -> dict[int, SentMessage]:
    """Return what this reader read of some messages of a Sent folder, by UID."""
    found: dict[int, SentMessage] = {}
    for some in pieces(uids):
        rows = connection.execute(_ROWS.where(kept_mail.c.uid.in_(some)), {"of_folder": folder_id})
        found |= {uid: one for uid, packed in rows if (one := _unpacked(packed, reader, uid, SentMessage)) is not None}
    return found


def uids_of(connection: Connection, folder_id: int) -> frozenset[int]:
    """Return the UIDs of the messages of a folder of which something is kept."""
    return frozenset(connection.execute(select(kept_mail.c.uid).where(_OF_FOLDER), {"of_folder": folder_id}).scalars())


def drop(connection: Connection, folder_id: int, uids: Iterable[int]) -> None:
    """Forget what was read of these messages."""
    for some in pieces(sorted(uids)):
        connection.execute(delete(kept_mail).where(_OF_FOLDER, kept_mail.c.uid.in_(some)), {"of_folder": folder_id})


def drop_folder(connection: Connection, folder_id: int) -> None:
    """Forget what was read of a whole folder's messages."""
    connection.execute(delete(kept_mail).where(_OF_FOLDER), {"of_folder": folder_id})


def drop_who_names(connection: Connection, address: str) -> None:
    """Forget what was read of messages in which an address stands, whosever mailbox they are of."""
    named: dict[int, list[int]] = {}
    for folder_id, uid, packed in connection.execute(select(kept_mail)):
        text = _text(packed)
        if text is None or address.lower() in text.lower():
            named.setdefault(folder_id, []).append(uid)
    for folder_id, uids in named.items():
        drop(connection, folder_id, uids)


# --- one row -------------------------------------------------------------------------------------------------------


def _packed(reader: str, one: _Read) -> bytes | None:
    text = json.dumps([reader, one.uid, _plain(one)], ensure_ascii=False, separators=(",", ":"))
    octets = text.encode("utf-8", "surrogatepass")
    return zlib.compress(octets, 1) if len(octets) <= MOST_BYTES else None


def _text(packed: bytes) -> str | None:
    """Return what was packed; None where it was damaged since."""
    try:
        return zlib.decompress(packed).decode("utf-8", "surrogatepass")
    except (zlib.error, UnicodeDecodeError):
        return None


def _unpacked(packed: bytes, reader: str, uid: int, kind: type[_One]) -> _One | None:
    """Return what was packed; None where that is not what this reader read of this message."""
    text = _text(packed)
    if text is None:
        return None
    try:
        read_by, of_uid, plain = json.loads(text)
        if (read_by, of_uid) != (reader, uid):
            return None
        as_told: Any = kind
        one: _One = _reads(as_told)(plain)
    except (ValueError, TypeError, KeyError):
        return None
    return one if one.uid == uid else None


def _plain(value: Any) -> Any:
    """Return a value of the model as JSON takes it: its fields in their order, without bytes."""
    if value is None or isinstance(value, bytes):
        return None
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return [_plain(getattr(value, f.name)) for f in fields(value)]
    return value.value if isinstance(value, Enum) else value


@cache
def _reads(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of this type again of what _plain() returned."""
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (one for one in get_args(kind) if one is not type(None))
        read = _reads(inner)
        return lambda plain: None if plain is None else read(plain)
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)
        if others == [Ellipsis]:
            read = _reads(first)
            return lambda plain: tuple(map(read, plain))
        each = [_reads(one) for one in (first, *others)]
        return lambda plain: tuple(read(one) for read, one in zip(each, plain, strict=True))
    if kind is datetime:
        return datetime.fromisoformat
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        of_fields = [_reads(hints[f.name]) for f in fields(kind)]
        make: Any = kind
        return lambda plain: make(*(read(one) for read, one in zip(of_fields, plain, strict=True)))
    return kind if isinstance(kind, type) and issubclass(kind, Enum) else lambda plain: plain
