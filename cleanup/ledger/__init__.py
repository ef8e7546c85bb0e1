"""The ledger: the record of runs, findings, moves and what people said. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanup.ledger.values import LOCK, KeptNotice, Label, MoveIntent, MoveRecord, MoveState, Remembered, RunRecord

if TYPE_CHECKING:
    from cleanup.ledger.opening import has_password, is_there
    from cleanup.ledger.store import Ledger
    from cleanup.ledger.sync_state import Memory

__all__ = [
    "LOCK",
    "KeptNotice",
    "Label",
    "Ledger",
    "Memory",
    "MoveIntent",
    "MoveRecord",
    "MoveState",
    "Remembered",
    "RunRecord",
    "has_password",
    "is_there",
]

# What needs SQLAlchemy, imported when it is asked for: an idle night does without (fast_path.py).
_LATER = {
    "Ledger": "cleanup.ledger.store",
    "Memory": "cleanup.ledger.sync_state",
    "has_password": "cleanup.ledger.opening",
    "is_there": "cleanup.ledger.opening",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'cleanup.ledger' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)
