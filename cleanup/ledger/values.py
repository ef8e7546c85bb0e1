"""What goes into the ledger and comes out of it, as values."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cleanup.detector.addresses import domain_key
from cleanup.detector.sent import InboxClue
from cleanup.model import Fingerprint, Notice, SentMessage, Verdict

SCHEMA = 10  # of the tables: migrations.py walks an older ledger forward
LOCK = "lock"  # the option of a run that names the file that it holds (lock.lock_file)
SENDERS = "senders"  # the option of a run that tells who was known to send for the owner: who, source, words
TOLD_RECORDS = "told"  # the option of a run that names the own domains of whose incomplete SPF records people were told
# In what way it is noted that a person took a run back, or moved a message back by hand.
UNDO_LABEL, MOVED_BACK_LABEL = "undo", "moved-back"


def mailbox_key(address: str) -> str:
    """Return the name under which the ledger keeps a mailbox, however its address is written.

    Letter case makes no other mailbox: RFC 5321 allows it to matter in the local part, and nobody's does. NFC (RFC
    6532), and the domain as A-labels.
    """
    local, at, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{local.lower()}{at}{domain_key(domain)}"


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
    names the move that this one takes back. `keeps_source`: it is copied, and the source is left as it is.
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
    keeps_source: bool = False


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One line of the journal. `target_uid` is None until the message was seen at the target.

    UNCLEAR with a `target_uid`: the server copied it and did not let the original go; it is in both folders.
    """

    move_id: int
    run_id: int
    intent: MoveIntent
    state: MoveState
    target_uid: int | None
    note: str | None
    intended: datetime
    finished: datetime | None


@dataclass(frozen=True, slots=True)
class Target:
    """A folder into which moves that stand went, and what it looked like when all of them were last seen there.

    `uidnext` and `held`, the number of all its messages, are None where they never were, or not under this UIDVALIDITY.
    """

    folder: str
    uidvalidity: int
    uidnext: int | None = None
    held: int | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `filed` counts the moves that stand now; `finished` is None for one that is running or was cut off.

    `filed_once` counts what it moved, whatever became of it since; `put_back` what of that is back by now, or what an
    undo or a rescue put back.

    `status` is done, partly (some moves could not be made), refused (a safety limit), stopped (at the question),
    failed, running or cut off.
    """

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
    filed_once: int = 0
    put_back: int = 0


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
    """How far a folder has been read: everything below `uidnext`. `held` counts the messages that are known of it."""

    folder_id: int
    folder: str
    uidvalidity: int
    uidnext: int
    is_sent: bool
    held: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the last run left of a mailbox. `judged_by` is None while something is left to be done.

    `counts` are those of the run `run_id`.
    """

    read_by: str
    judged_by: str | None
    run_id: int | None
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the last run left of a mailbox: all that tells whether this night has anything to do.

    `labels` are what people said, by digest; `open_moves`: of some moves nobody knows yet what became of them.
    """

    last: Remembered | None
    cursors: Mapping[str, Cursor]
    labels: Mapping[str, Verdict]
    open_moves: bool


class InboxRow(NamedTuple):
    """What the memory keeps of one message of the Inbox: what tells whether Sent is complete (see InboxClue)."""

    uid: int
    looks_like_notice: bool
    clue: InboxClue | None = None  # of ordinary mail


@dataclass(frozen=True, slots=True)
class KeptNotice:
    """What is known of a notice that lies in the Inbox: all that judging needs of it.

    `flags` are those of when it was read, \\Deleted aside. `signed`: it returned signed mail, whose bytes are not kept.
    """

    uid: int
    fingerprint: Fingerprint
    flags: tuple[str, ...]
    signed: bool
    notice: Notice


Stretch = tuple[datetime, datetime]  # from, to: both included


@dataclass(slots=True)
class Stretches:
    """When messages to somebody matter: whether there is any within a long stretch, and all within a short one."""

    any_within: set[Stretch] = field(default_factory=set)
    all_within: set[Stretch] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SentQuery:
    """What some notices ask of Sent, in compared forms. `people` are recipients, with the times that matter."""

    ids: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    threads: frozenset[str] = frozenset()
    people: Mapping[str, Stretches] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentPlaces:
    """Which sent messages answer: where they are on the server, and what is still known of those that are gone."""

    there: Mapping[str, Sequence[int]]  # UIDs by folder
    gone: tuple[SentMessage, ...] = ()
