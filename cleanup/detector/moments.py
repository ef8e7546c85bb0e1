"""Moments as numbers: UTC microseconds since 1970, as they are counted with and stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    """Return a moment as UTC microseconds since 1970."""
    return (moment - _EPOCH) // MICROSECOND


def moment(time_us: int) -> datetime:
    """Return the moment of a time that us() gave."""
    return _EPOCH + timedelta(microseconds=time_us)
