"""How far a long work is: what the rooms tell, and the commands show."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, done, total


def unseen(stage: str, done: int, total: int) -> None:
    """Show nothing: nobody looks."""


class Bars:
    """The bars of a terminal that shows none; `cli/screen.py` has those that are drawn."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done in a stage."""

    def stop(self) -> None:
        """Clear away what is shown, before a question or an answer."""
