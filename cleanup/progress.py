"""How far a long work is: what the rooms tell, and the commands show."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, done, total


def unseen(stage: str, done: int, total: int) -> None:
    """Show nothing: nobody looks."""
