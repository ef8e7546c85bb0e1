"""Times and texts as the ledger stores them."""

from __future__ import annotations

from datetime import datetime

from cleanup.detector.moments import moment, us

__all__ = ["LONGEST_TEXT", "from_us", "moment", "sure_text", "text", "to_us", "us"]

LONGEST_TEXT = 4000


def to_us(moment: datetime | None) -> int | None:
    """Return a moment as UTC microseconds since 1970."""
    return None if moment is None else us(moment)


def from_us(stored: int | None) -> datetime | None:
    """Return the moment of a stored time."""
    return None if stored is None else moment(stored)


def text(given: str | None) -> str | None:
    """Return a stranger's text as every database takes it: no NUL, no lone surrogate, not endless."""
    return None if given is None else sure_text(given)


def sure_text(given: str) -> str:
    """Return a text, which is there, as every database takes it."""
    return given[:LONGEST_TEXT].replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
