"""Where did each message end up? Decided from what both folders show now, never from what the server answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import StrEnum

from cleanup.ledger import MoveRecord
from cleanup.model import Fingerprint

Likeness = tuple[int, str]


class Place(StrEnum):
    """Where a message was seen."""

    SOURCE = "source"  # it never left
    TARGET = "target"  # it arrived
    BOTH = "both"  # copied, not yet removed
    NEITHER = "neither"  # somebody else took it


@dataclass(frozen=True, slots=True)
class FolderView:
    """What was looked at of a folder. `uidvalidity` is 0 for one that is not there, `uidnext` where it is not known."""

    uidvalidity: int = 0
    seen: Mapping[int, Fingerprint] = field(default_factory=dict)
    uidnext: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where the message of one journal line is now."""

    record: MoveRecord
    place: Place
    target_uid: int | None = None
    renumbered: bool = False  # the source's UIDVALIDITY changed, so that no UID there may be touched
    redated: bool = False  # it arrived with another INTERNALDATE
    not_its_copy: int | None = None  # UID at the target of what the server calls its copy and is another message


def likeness(fingerprint: Fingerprint) -> Likeness:
    """Return what a copy has in common with its original on every server: size and digest (some set a new date)."""
    return fingerprint.size, fingerprint.digest


def locate(
    records: Sequence[MoveRecord],
    source: FolderView,
    target: FolderView,
    *,
    claimed: Set[int] = frozenset(),
    told: Mapping[int, int] | None = None,
) -> list[Sighting]:
    """Return where the message of each record is.

    `claimed` are UIDs at the target that belong to earlier moves. `told` is COPYUID, by source UID: believed only where
    the message there looks right. Of equal messages those that have left the source are matched first: that a message
    is in both folders is only said if the target holds one for each.
    """
    at_source = _at_source(records, source)
    arrived = _Arrivals(target, claimed)
    matched: dict[int, int | None] = {}
    for wanted_first in (False, True):  # those that left, then those that are still there
        for record in records:
            if (record.move_id in at_source) is wanted_first:
                told_uid = (told or {}).get(record.intent.uid)
                matched[record.move_id] = arrived.take(record, told_uid, left_the_source=not wanted_first)
    renumbered = source.uidvalidity != (records[0].intent.source_uidvalidity if records else 0)
    strange = set(target.seen) - claimed - set(matched.values())
    return [
        Sighting(
            record,
            _place(record.move_id in at_source, uid := matched[record.move_id]),
            uid,
            renumbered,
            redated=uid is not None and target.seen[uid].arrived != record.intent.fingerprint.arrived,
            not_its_copy=told_uid if (told_uid := (told or {}).get(record.intent.uid)) in strange else None,
        )
        for record in records
    ]


class _Arrivals:
    """The messages at the target that nobody has claimed yet, by likeness."""

    def __init__(self, target: FolderView, claimed: Set[int]) -> None:
        self._uidvalidity = target.uidvalidity
        self._uidnext = target.uidnext
        self._free: dict[Likeness, list[int]] = defaultdict(list)
        for uid in sorted(set(target.seen) - claimed):
            self._free[likeness(target.seen[uid])].append(uid)

    def take(self, record: MoveRecord, told: int | None, *, left_the_source: bool) -> int | None:
        """Return the UID of the record's message and claim it; None where none arrived.

        A UIDNEXT before the move that is above the one after it was not so: then any equal message counts, but only for
        one that is no longer at the source, so that nothing is removed from there because of it.
        """
        intent = record.intent
        free = self._free.get(likeness(intent.fingerprint), [])
        numbers_hold = intent.target_uidvalidity == self._uidvalidity
        if left_the_source and self._uidnext and self._uidnext < intent.target_uidnext:
            numbers_hold = False
        fitting = [uid for uid in free if not numbers_hold or uid >= intent.target_uidnext]
        if not fitting:
            return None
        chosen = told if told in fitting else fitting[0]
        free.remove(chosen)
        return chosen


def _at_source(records: Sequence[MoveRecord], source: FolderView) -> set[int]:
    """Return the moves whose message is still at the source: by its UID, or by likeness if UIDs were given anew."""
    here = set()
    left = _counted(source.seen.values())
    for record in records:
        intent = record.intent
        if intent.source_uidvalidity == source.uidvalidity:
            present = source.seen.get(intent.uid) == intent.fingerprint
        else:
            present = left[likeness(intent.fingerprint)] > 0
            left[likeness(intent.fingerprint)] -= 1
        if present:
            here.add(record.move_id)
    return here


def _counted(fingerprints: Iterable[Fingerprint]) -> dict[Likeness, int]:
    counts: dict[Likeness, int] = defaultdict(int)
    for fingerprint in fingerprints:
        counts[likeness(fingerprint)] += 1
    return counts


def _place(at_source: bool, target_uid: int | None) -> Place:
    if target_uid is None:
        return Place.SOURCE if at_source else Place.NEITHER
    return Place.BOTH if at_source else Place.TARGET
