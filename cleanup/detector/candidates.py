"""Which messages may be notices, told from a few header fields alone: only these are worth their body."""

from __future__ import annotations

from cleanup.detector.notices.headers import read_fields
from cleanup.detector.notices.signs import reason


def why_candidate(fields: bytes) -> str | None:
    """Return why a message may be a notice, from its raw header block; None where it cannot be one."""
    return reason(read_fields(fields)[0])
