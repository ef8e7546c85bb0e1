"""Which messages may be notices, told from a few header fields alone: only these are worth their body."""

from __future__ import annotations

from cleanup.detector.fields import plain_fields
from cleanup.detector.notices.headers import read_fields
from cleanup.detector.notices.signs import reason
from cleanup.detector.sent_header import InboxClue, clue_in, inbox_clue


def why_candidate(fields: bytes) -> str | None:
    """Return why a message may be a notice, from its raw header block; None where it cannot be one."""
    plain = plain_fields(fields)
    return reason(read_fields(fields)[0].by_name if plain is None else plain)


def clue_of_ordinary(fields: bytes) -> InboxClue | None:
    """Return what a message says of the owner's sent mail; None where it may be a notice.

    That is why_candidate() and inbox_clue(), the header read once.
    """
    plain = plain_fields(fields)
    if plain is None:
        return inbox_clue(fields) if why_candidate(fields) is None else None
    return clue_in(plain) if reason(plain) is None else None
