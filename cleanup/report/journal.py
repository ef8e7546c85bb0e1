"""Each move is written down before it is made, and after: the ledger's moves, seen from the mover."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from cleanup.ledger import Ledger, MoveIntent, MoveRecord, MoveState
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
        """Write down what became of moves; return it with their lines as they now are."""
        all_of_it = list(settled)
        for one in all_of_it:
            if one.state is MoveState.MOVED and one.record.intent.undoes is not None:
                self.label(one.record, Verdict.UNSURE, said_by="undo")
        self.ledger.advance((s.record.move_id, s.state, s.target_uid, s.note) for s in all_of_it)
        return [replace(s, record=replace(s.record, state=s.state, target_uid=s.target_uid)) for s in all_of_it]

    def open_moves(self) -> list[MoveRecord]:
        """Return the moves in this mailbox of which nobody knows yet what became of them."""
        return self.ledger.open_moves(self.mailbox)

    def label(self, record: MoveRecord, verdict: Verdict, *, said_by: str) -> None:
        """Write down what a person's act says of a message."""
        self.ledger.label(self.mailbox, record.intent.fingerprint.digest, verdict, said_by=said_by)

    def claimed(self, folder: str, uidvalidity: int, *, among: Collection[int]) -> frozenset[int]:
        """Return which of some UIDs in a folder earlier moves of this mailbox put there."""
        if not among:
            return frozenset()
        return self.ledger.filed_uids(self.mailbox, folder, uidvalidity, first=min(among)) & frozenset(among)
