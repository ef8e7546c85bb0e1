"""What goes into the ledger and comes out of it, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cleanup.model import Fingerprint, Verdict


class MoveState(StrEnum):
    """How far one journalled move got. Open ones are looked at again by the next run."""

    INTENDED = "intended"  # written down before the command was sent
    UNCLEAR = "unclear"  # both places were looked at and contradict each other, or could not be looked at
    MOVED = "moved"  # seen at the target, and gone from the source
    KEPT = "kept"  # seen at the source, not at the target: it never ran, or the server refused
    TAKEN = "taken"  # seen at neither place: the owner moved or deleted it meanwhile
    UNDONE = "undone"  # put back by us
    RETURNED = "returned"  # the owner moved it back: a person's word that it is genuine
    LOST_SIGHT = "lost_sight"  # was filed, and the owner has since moved or deleted it


OPEN_STATES = (MoveState.INTENDED, MoveState.UNCLEAR)


@dataclass(frozen=True, slots=True)
class MoveIntent:
    """One move, before it is made: enough to find the message again whatever happens.

    `target_uidnext` is the target's UIDNEXT before the command: what arrives has that UID or a higher one. `undoes`
    names the move that this one takes back.
    """

    source: str
    source_uidvalidity: int
    uid: int
    target: str
    target_uidvalidity: int
    target_uidnext: int
    fingerprint: Fingerprint
    flags: tuple[str, ...] = ()
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One line of the journal. `target_uid` is None until the message was seen at the target."""

    move_id: int
    run_id: int
    intent: MoveIntent
    state: MoveState
    target_uid: int | None
    note: str | None
    intended: datetime
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `finished` is None for a run that was cut off; `filed` counts the moves that stand now."""

    run_id: int
    mailbox: str
    command: str
    started: datetime
    finished: datetime | None
    status: str
    filed: int
    counts: dict[str, int] = field(default_factory=dict)
    options: dict[str, object] = field(default_factory=dict)
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of a message, in words or by an act, by its fingerprint digest."""

    mailbox: str
    digest: str
    verdict: Verdict
    said_by: str  # review, moved-back, undo, ...
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read: everything below `uidnext`, under this UIDVALIDITY."""

    folder: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int | None = None
