"""The ledger: the record of runs, findings, moves and what people said. SQLite by default, PostgreSQL by URL."""

from cleanup.ledger.memory import Memory
from cleanup.ledger.opening import has_password, is_there
from cleanup.ledger.store import Ledger
from cleanup.ledger.values import Label, MoveIntent, MoveRecord, MoveState, RunRecord

__all__ = [
    "Label",
    "Ledger",
    "Memory",
    "MoveIntent",
    "MoveRecord",
    "MoveState",
    "RunRecord",
    "has_password",
    "is_there",
]
