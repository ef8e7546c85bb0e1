"""Each move is written down before it is made, and after: the ledger's moves, seen from the mover."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cleanup.ledger import Label, Ledger, MoveIntent, MoveRecord, MoveState
from cleanup.ledger.values import MOVED_BACK_LABEL, UNDO_LABEL
from cleanup.model import Verdict


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one move."""

    record: MoveRecord
    state: MoveState
    target_uid: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """The moves of one run in one mailbox. What returns was written durably; it raises LedgerUnusable."""

    ledger: Ledger
    run_id: int
    mailbox: str

    def intend(self, intents: Sequence[MoveIntent]) -> list[MoveRecord]:
        """Write down moves before they are made; return their lines."""
        return self.ledger.intend(self.run_id, intents)

    def settle(self, settled: Iterable[Settled]) -> list[Settled]:
        """Write down what became of moves, all or none; return it with their lines as they now are.

        What a person did with a message is a word of his on it, so that no run files it again: moved back by hand is
        genuine, undone is unsure.
        """
        told = list(settled)
        labels = [label for one in told if (label := self._label(one))]
        self.ledger.advance([(s.record.move_id, s.state, s.target_uid, s.note) for s in told], labels=labels)
        return [replace(s, record=replace(s.record, state=s.state, target_uid=s.target_uid)) for s in told]

    def _label(self, one: Settled) -> Label | None:
        digest = one.record.intent.fingerprint.digest
        if one.state is MoveState.RETURNED:
            return Label(self.mailbox, digest, Verdict.GENUINE, MOVED_BACK_LABEL)
        if one.state is MoveState.MOVED and one.record.intent.undoes is not None:
            return Label(self.mailbox, digest, Verdict.UNSURE, UNDO_LABEL)
        return None

    def open_moves(self) -> list[MoveRecord]:
        """Return the moves in this mailbox of which nobody knows yet what became of them."""
        return self.ledger.open_moves(self.mailbox)

    def have_arrived(self, source: str, uidvalidity: int, target: str) -> bool:
        """Return whether a move from one folder, numbered as it is now, into another was ever seen to arrive."""
        return self.ledger.have_arrived(self.mailbox, source, uidvalidity, target)

    def claimed(self, folder: str, uidvalidity: int, *, among: Collection[int]) -> frozenset[int]:
        """Return which of some UIDs in a folder earlier moves of this mailbox put there."""
        if not among:
            return frozenset()
        return self.ledger.filed_uids(self.mailbox, folder, uidvalidity, first=min(among)) & frozenset(among)
