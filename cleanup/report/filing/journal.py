"""Each move is written down before it is made, and after: the ledger's moves, seen from the mover."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cleanup.ledger import Label, Ledger, MoveIntent, MoveRecord, MoveState
from cleanup.ledger.values import MOVED_BACK_LABEL, UNDO_LABEL
from cleanup.model import MessageRef, Verdict


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """What became of one message for which a move was sent, from the first look at it to the report.

    UNCLEAR with a `target_uid`: it is in both folders. `also_in` names further folders into which an equal message came
    since; `lost_flags` are those that it had at the source and that the target did not take. `came_marked`: it bears
    \\Deleted at the target, as it was copied while another machine had marked the original. `copy_gone`: its copy was
    moved or deleted before the original was removed, which therefore stays.
    """

    record: MoveRecord
    state: MoveState
    target_uid: int | None = None
    note: str | None = None
    also_in: tuple[str, ...] = ()
    lost_flags: tuple[str, ...] = ()
    came_marked: bool = False
    copy_gone: bool = False

    @property
    def ref(self) -> MessageRef:
        """Where the message was."""
        intent = self.record.intent
        return MessageRef(intent.source, intent.source_uidvalidity, intent.uid)

    @property
    def is_in_both(self) -> bool:
        """Whether it is at the target and still at the source."""
        return self.state is MoveState.UNCLEAR and self.target_uid is not None

    def with_note(self, note: str) -> MoveOutcome:
        """Return the same with something else to say of it."""
        return replace(self, note=note)


@dataclass(frozen=True, slots=True)
class Journal:
    """The moves of one run in one mailbox. What returns was written durably; it raises LedgerUnusable."""

    ledger: Ledger
    run_id: int
    mailbox: str

    def intend(self, intents: Sequence[MoveIntent]) -> list[MoveRecord]:
        """Write down moves before they are made; return their lines."""
        return self.ledger.intend(self.run_id, intents)

    def write(self, outcomes: Iterable[MoveOutcome]) -> list[MoveOutcome]:
        """Write down what became of moves, all or none; return it with their lines as they now are.

        What a person did with a message is a word of his on it, so that no run files it again: moved back by hand is
        genuine, undone is unsure, even where the server did not let go what it had copied back.
        """
        written = list(outcomes)
        labels = [label for one in written if (label := self._label(one))]
        self.ledger.advance(
            [(one.record.move_id, one.state, one.target_uid, one.note) for one in written],
            labels=labels,
            lost_flags={one.record.move_id: one.lost_flags for one in written if one.lost_flags},
        )
        return [replace(one, record=replace(one.record, state=one.state, target_uid=one.target_uid)) for one in written]

    def _label(self, one: MoveOutcome) -> Label | None:
        digest = one.record.intent.fingerprint.digest
        if one.state is MoveState.RETURNED:
            return Label(self.mailbox, digest, Verdict.GENUINE, MOVED_BACK_LABEL)
        if one.record.intent.undoes is not None and (one.state is MoveState.MOVED or one.is_in_both):
            return Label(self.mailbox, digest, Verdict.UNSURE, UNDO_LABEL)
        return None

    def open_moves(self) -> list[MoveRecord]:
        """Return the moves in this mailbox of which nobody knows yet what became of them."""
        return self.ledger.open_moves(self.mailbox)

    def have_arrived(self, source: str, uidvalidity: int, target: str) -> bool:
        """Return whether a move from one folder, numbered as it is now, into another was ever seen to arrive."""
        return self.ledger.have_arrived(self.mailbox, source, uidvalidity, target)

    def has_moved(self) -> bool:
        """Return whether any move in this mailbox was ever seen to arrive."""
        return bool(self.ledger.moves(mailbox=self.mailbox, states=[MoveState.MOVED, MoveState.UNDONE]))

    def claimed(self, folder: str, uidvalidity: int, *, among: Collection[int]) -> frozenset[int]:
        """Return which of some UIDs in a folder earlier moves of this mailbox put there."""
        if not among:
            return frozenset()
        return self.ledger.filed_uids(self.mailbox, folder, uidvalidity, first=min(among)) & frozenset(among)

    def left_in_both(self, source: str) -> list[MoveRecord]:
        """Return what the server copied from a folder and did not let go there. Each run tries to finish it first."""
        return [record for record in self.open_moves() if is_in_both(record) and record.intent.source == source]

    def left_since_arrival(self, source: str, uidvalidity: int) -> int:
        """Return how many of them came one after the other since the server last moved something as it should."""
        states = [MoveState.UNCLEAR, MoveState.MOVED, MoveState.UNDONE, MoveState.RETURNED, MoveState.LOST_SIGHT]
        left = 0
        for record in self.ledger.moves(mailbox=self.mailbox, states=states):  # in the order in which they were made
            if record.state is not MoveState.UNCLEAR:
                left = 0
            elif is_in_both(record):
                left += (record.intent.source, record.intent.source_uidvalidity) == (source, uidvalidity)
        return left

    def lost_flags(self, undone: Collection[int]) -> dict[int, tuple[str, ...]]:
        """Return, by move, the flags that the target did not take when these moves were made."""
        return self.ledger.lost_flags(undone)


def is_in_both(record: MoveRecord) -> bool:
    """Return whether a message was seen at the target and still at the source when it was last looked for."""
    return record.state is MoveState.UNCLEAR and record.target_uid is not None


def why_in_both(note: str | None) -> str:
    """Return why a message is in both folders, from the note that begins with saying that it is."""
    return _IN_BOTH.sub("", note or "") or "nobody knows why"


_IN_BOTH = re.compile(r"(it is )?in both folders(: |, and )?")  # notes of versions up to 0.2.1 begin with "it is"
