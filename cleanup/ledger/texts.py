"""Times and texts as the ledger stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LONGEST_TEXT = 4000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime | None) -> int | None:
    """Return a moment as UTC microseconds since 1970."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def us(moment: datetime) -> int:
    """Return a moment, which is there, as UTC microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(stored: int | None) -> datetime | None:
    """Return the moment of a stored time."""
    return None if stored is None else moment(stored)


def moment(stored: int) -> datetime:
    """Return the moment of a stored time, which is there."""
    return _EPOCH + timedelta(microseconds=stored)


def text(given: str | None) -> str | None:
    """Return a stranger's text as every database takes it: no NUL, no lone surrogate, not endless."""
    return None if given is None else sure_text(given)


def sure_text(given: str) -> str:
    """Return a text, which is there, as every database takes it."""
    return given[:LONGEST_TEXT].replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
