"""The ledger: the record of runs, findings, moves and what people said. SQLite by default, PostgreSQL by URL."""

from cleanup.ledger.store import Ledger
from cleanup.ledger.values import Cursor, Label, MoveIntent, MoveRecord, MoveState, RunRecord

__all__ = ["Cursor", "Label", "Ledger", "MoveIntent", "MoveRecord", "MoveState", "RunRecord"]
