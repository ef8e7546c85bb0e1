"""Flags that somebody changed in the moment in which we moved the message: seen too late to go along, and put right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from cleanup.ledger import MoveIntent, MoveState
from cleanup.model import Fingerprint
from cleanup.report.doubles import Spot
from cleanup.report.journal import Settled
from cleanup.report.mailbox import FilingMailbox
from cleanup.report.settling import likeness

NOT_BELIEVED = "the server tells new flags of most of them from the moment of the move, which is not believed"
MOST_AT_ONCE = 3  # messages that an owner flags in the same moment, most of a batch
MOST_LOOKS = 4  # at flags that the owner may be changing
_A_FLAG = re.compile(r"\\?[A-Za-z0-9$_.+-]{1,100}")
_NOT_CARRIED = frozenset({"\\deleted", "\\recent"})


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did to a message's flags."""

    set: frozenset[str]
    cleared: frozenset[str]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A message that may lack a change, where it is now. It has to look like the one that was moved."""

    spot: Spot
    fingerprint: Fingerprint
    change: Change


def changed(
    intents: Sequence[MoveIntent], before: Mapping[int, Sequence[str]], last: Mapping[int, Sequence[str]]
) -> dict[int, Change]:
    """Return by UID how flags changed from `before` to `last`, both as one connection told them. Pure.

    What it told before must be what another one saw, too, and wrote into the intents: what stands before a server may
    tell one of them old things.
    """
    changes = {}
    for intent in intents:
        if intent.uid in before and intent.uid in last:
            was, now = _carried(before[intent.uid]), _carried(last[intent.uid])
            if was != now and was == _carried(intent.flags):
                changes[intent.uid] = Change(set=now - was, cleared=was - now)
    return changes


def may_lack(settled: Sequence[Settled], changes: Mapping[int, Change]) -> list[Lacking]:
    """Return where the messages with changed flags arrived. Pure.

    What is no longer there is left alone: what the owner moved on took its flags along, and he may have changed them.
    """
    return [
        Lacking(Spot(one.record.intent.target, one.target_uid), one.record.intent.fingerprint, change)
        for one in settled
        if one.state is MoveState.MOVED and one.target_uid is not None
        if (change := changes.get(one.record.intent.uid)) is not None
    ]


def is_credible(lacking: Sequence[Lacking], settled: Sequence[Settled]) -> bool:
    """Return whether an owner may have changed so many at once. A server that invents flags tells of most of them."""
    return len(lacking) <= max(MOST_AT_ONCE, len(settled) // 2)


def mend(lacking: Sequence[Lacking], mailbox: FilingMailbox) -> None:
    """Make the changes that a move lost, and no others. May be begun again after it was done."""
    ordered = sorted(lacking, key=lambda one: (one.spot.folder, one.spot.uid))
    for folder, here in groupby(ordered, key=lambda one: one.spot.folder):
        _mend_in(folder, list(here), mailbox)


def _mend_in(folder: str, lacking: Sequence[Lacking], mailbox: FilingMailbox) -> None:
    """A server with CONDSTORE sets no flag on a message that changed after we looked; then we look again."""
    for _ in range(MOST_LOOKS):
        opened = mailbox.select(folder)
        left = list(_left_to_do(folder, lacking, mailbox))
        for uid, change in left:
            mailbox.change_flags([uid], add=change.set, remove=change.cleared, since=opened.highest_modseq)
        if not left:
            return


def _left_to_do(folder: str, lacking: Sequence[Lacking], mailbox: FilingMailbox) -> Iterator[tuple[int, Change]]:
    seen = mailbox.fingerprints(folder, [one.spot.uid for one in lacking])
    for one in lacking:
        there = seen.get(one.spot.uid)
        if there is None or likeness(there.fingerprint) != likeness(one.fingerprint):
            continue
        now = _carried(there.flags)
        left = Change(set=one.change.set - now, cleared=one.change.cleared & now)
        if left.set or left.cleared:
            yield one.spot.uid, left


def _carried(flags: Sequence[str]) -> frozenset[str]:
    """Return the flags that go along with a message and can be set again as they are written."""
    return frozenset(flag for flag in flags if _A_FLAG.fullmatch(flag) and flag.lower() not in _NOT_CARRIED)
