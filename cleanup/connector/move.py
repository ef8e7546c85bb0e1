"""The steps that change a mailbox. Each does one thing and proves nothing: the journal drives and verifies them.

Never a bare EXPUNGE and never CLOSE: both take away what the owner marked as deleted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanup.connector.commands import Answer, Ask, read_set, uid_sets, written
from cleanup.connector.connection import Wire
from cleanup.connector.fetch import written_internal_date
from cleanup.errors import MoveNotSupported

_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f(){%*\"\\]+")


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """What the server says of a MOVE or COPY: (UID before, UID in the target) where it says so. It proves nothing."""

    pairs: tuple[tuple[int, int], ...] = ()
    target_uidvalidity: int | None = None


def can_move(wire: Wire) -> bool:
    """Return whether the server knows MOVE (RFC 6851)."""
    return wire.has("MOVE")


def can_uid_expunge(wire: Wire) -> bool:
    """Return whether the server can expunge named messages only (UIDPLUS, RFC 4315; part of IMAP4rev2)."""
    return wire.has("UIDPLUS") or wire.has("IMAP4REV2")


def move_uids(wire: Wire, uids: Sequence[int], target: bytes, then: Sequence[Ask] = ()) -> MoveAnswer:
    """Send MOVE, and looks right behind it. Raises MoveNotSupported before anything is sent where there is no MOVE."""
    if not can_move(wire):
        raise MoveNotSupported("The server does not know MOVE")
    return _relocate(wire, "MOVE", uids, target, then)


def copy(wire: Wire, uids: Sequence[int], target: bytes, then: Sequence[Ask] = ()) -> MoveAnswer:
    """Send COPY, and looks right behind it."""
    return _relocate(wire, "COPY", uids, target, then)


def store(
    wire: Wire, uids: Sequence[int], sign: bytes, flags: Iterable[str], *, unchanged_since: int | None = None
) -> None:
    """Set ("+") or clear ("-") flags of exactly these messages, unless they changed since (RFC 7162 section 3.1.3)."""
    condition = () if unchanged_since is None else (b"(UNCHANGEDSINCE %d)" % unchanged_since,)
    names = sendable(flags)
    for some in uid_sets(uids) if names else ():
        wire.command("STORE", written(some), *condition, sign + b"FLAGS.SILENT", b"(%s)" % b" ".join(names), uid=True)


def sendable(flags: Iterable[str]) -> list[bytes]:
    """Return the flags as the server wrote them (fetch.py), without what is no flag (RFC 9051 section 9, flag)."""
    return [written for flag in flags if _FLAG.fullmatch(written := flag.encode("latin-1", "replace"))]


def uid_expunge(wire: Wire, uids: Sequence[int], then: Sequence[Ask] = ()) -> None:
    """Expunge those of exactly these messages that are marked as deleted (RFC 4315 section 2.1), and look then."""
    if not can_uid_expunge(wire):
        raise MoveNotSupported("The server cannot expunge named messages only (no UIDPLUS)")
    for some, looks in _with_looks(uids, then):
        wire.command("EXPUNGE", written(some), uid=True, then=looks)


def append(wire: Wire, target: bytes, raw: bytes, flags: Sequence[str], when: datetime | None) -> int | None:
    """Add a message as it is and return its UID where the server tells (APPENDUID)."""
    args = [target, b"(%s)" % b" ".join(sendable(flags))]
    if when is not None:
        args.append(written_internal_date(when))
    told = wire.command("APPEND", *args, literal=raw).code("APPENDUID")
    words = told.split() if told else []
    return int(words[1]) if len(words) == 2 and words[1].isdigit() and len(words[1]) <= 10 else None


def create(wire: Wire, folder: bytes) -> None:
    """Create a folder and subscribe to it, so that mail programs show it."""
    wire.command("CREATE", folder)
    wire.command("SUBSCRIBE", folder)


def _relocate(wire: Wire, name: str, uids: Sequence[int], target: bytes, then: Sequence[Ask]) -> MoveAnswer:
    answers = [
        _copied(wire.command(name, written(some), target, uid=True, then=looks), some)
        for some, looks in _with_looks(uids, then)
    ]
    told = {answer.target_uidvalidity for answer in answers}
    if len(told) != 1:
        return MoveAnswer()
    return MoveAnswer(tuple(pair for answer in answers for pair in answer.pairs), told.pop())


def _copied(answer: Answer, asked: Sequence[int]) -> MoveAnswer:
    """Return what COPYUID says, or nothing where it is absent, malformed, or speaks of messages nobody named."""
    words = (answer.code("COPYUID") or b"").split()
    if len(words) != 3 or not (words[0].isdigit() and len(words[0]) <= 10):
        return MoveAnswer()
    before, after = (read_set(word, most=len(asked)) for word in words[1:])
    if before is None or after is None or len(before) != len(after) or len(set(after)) != len(after):
        return MoveAnswer()
    if len(set(before)) != len(before) or not set(before) <= set(asked):
        return MoveAnswer()
    return MoveAnswer(tuple(zip(before, after, strict=True)), int(words[0]))


def _with_looks(uids: Sequence[int], then: Sequence[Ask]) -> Iterator[tuple[tuple[int, ...], Sequence[Ask]]]:
    """Yield sets of UIDs; with the last one the looks that go out behind it."""
    sets = uid_sets(uids)
    for number, some in enumerate(sets, start=1):
        yield some, then if number == len(sets) else ()
