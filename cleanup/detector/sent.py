"""The Sent index: what is known of the owner's sent mail, how far it can vouch, and the owner's habits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from cleanup.detector.addresses import address_key, untagged_key
from cleanup.detector.message_ids import id_key, id_shape, right_side
from cleanup.detector.sent_coverage import Coverage, Proof, cover
from cleanup.detector.sent_header import SENT_FIELDS, InboxClue, inbox_clue, read_sent_header
from cleanup.detector.sent_profile import MIN_ADDRESS, Profile, learn_profile
from cleanup.detector.sent_rows import SentRows, Wanted, wanted_by
from cleanup.model import Notice, SentMessage, SentSource

__all__ = [
    "SENT_FIELDS",
    "Coverage",
    "InboxClue",
    "MemorySentIndex",
    "Profile",
    "SentIndex",
    "SentRows",
    "Wanted",
    "inbox_clue",
    "read_sent_header",
    "wanted_by",
]

SHARED_RIGHT_SIDE = 3  # sent messages that make the right side of their ids the owner's


class SentIndex(Protocol):
    """What judging asks of sent mail. A database form selects `wanted_by(notices)` in one batch."""

    @property
    def coverage(self) -> Coverage:
        """How far absence from Sent counts."""
        ...

    @property
    def profile(self) -> Profile:
        """The owner's habits."""
        ...

    def rows_for(self, notices: Sequence[Notice]) -> SentRows:
        """Return at least every sent message that these notices could answer."""
        ...


class MemorySentIndex:
    """Sent mail held in memory: some hundred bytes a message."""

    def __init__(self, rows: SentRows, coverage: Coverage, profile: Profile) -> None:
        self._rows = rows
        self._coverage = coverage
        self._profile = profile

    @classmethod
    def build(
        cls,
        messages: Iterable[SentMessage],
        sources: Sequence[SentSource],
        *,
        now: datetime,
        inbox: Iterable[InboxClue] = (),
        complete_since: datetime | None = None,
    ) -> MemorySentIndex:
        """Return the index of these messages. `inbox` is what ordinary mail says of Sent's completeness.

        `complete_since` is a person's word that Sent holds everything from then on. Without it Sent vouches from its
        oldest message on, and only as far as its measured completeness allows.
        """
        held = tuple(messages)
        rows, profile = SentRows(held), learn_profile(held)
        clues = tuple(inbox)
        coverage = cover(held, sources, now=now, complete_since=complete_since)
        coverage = coverage.in_use_until(clue.date for clue in clues if clue.date is not None and clue.date <= now)
        return cls(rows, coverage.with_proofs(measure_inbox(clues, rows, profile)), profile)

    @property
    def coverage(self) -> Coverage:
        """How far absence from Sent counts."""
        return self._coverage

    @property
    def profile(self) -> Profile:
        """The owner's habits."""
        return self._profile

    def rows_for(self, notices: Sequence[Notice]) -> SentRows:  # noqa: ARG002 - all of it is here already
        """Return all sent messages."""
        return self._rows


def measure_inbox(clues: Sequence[InboxClue], rows: SentRows, profile: Profile) -> Iterator[Proof]:
    """Yield what ordinary Inbox mail proves to have been sent, and whether Sent holds it.

    A reply counts if the owner is its only recipient and the id that it answers is of the owner's making: its right
    side is one that Sent shows, and no message in the Inbox carries it. Everyone's mail provider hands out the same
    right sides, and colleagues share one, which is why the one-recipient rule is there.
    """
    received = {id_key(c.message_id) for c in clues if c.message_id}
    rights = {right for right, seen in profile.right_sides.items() if seen >= SHARED_RIGHT_SIDE}
    owner = {a for a, seen in profile.addresses.items() if seen >= MIN_ADDRESS}
    counted: Counter[str] = Counter()
    for clue in clues:
        proof = _reply_proof(clue, rows, received, rights, owner) or _self_copy_proof(clue, rows, rights, owner)
        if proof is None:
            continue
        key, found = proof
        counted[key[1]] += 1
        if counted[key[1]] == 1:  # ten answers to one message are one sample
            yield Proof(key[0], id_shape(key[1]), found)


def _reply_proof(
    clue: InboxClue, rows: SentRows, received: set[str], rights: set[str], owner: set[str]
) -> tuple[tuple[str, str], bool] | None:
    if len(clue.answers) != 1 or len(clue.to) != 1 or untagged_key(clue.to[0]) not in owner:
        return None
    answered = clue.answers[0]
    if address_key(clue.from_address or "") in owner or id_key(answered) in received:
        return None
    if right_side(answered) not in rights:
        return None
    return ("replies", answered), bool(rows.by_id(answered))


def _self_copy_proof(
    clue: InboxClue, rows: SentRows, rights: set[str], owner: set[str]
) -> tuple[tuple[str, str], bool] | None:
    if clue.message_id is None or address_key(clue.from_address or "") not in owner:
        return None
    # Spam forged from the owner to the owner is common: only ids of the owner's own making count.
    if right_side(clue.message_id) not in rights:
        return None
    return ("self-copies", clue.message_id), bool(rows.by_id(clue.message_id))
