"""Flags that somebody changed in the moment in which we moved the message: seen too late to go along, and put right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cleanup.ledger import MoveIntent, MoveState
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
    """A message that may lack a change, and its UID at the target."""

    intent: MoveIntent
    uid: int
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
        Lacking(one.record.intent, one.target_uid, change)
        for one in settled
        if one.state is MoveState.MOVED and one.target_uid is not None
        if (change := changes.get(one.record.intent.uid)) is not None
    ]


def is_credible(lacking: Sequence[Lacking], settled: Sequence[Settled]) -> bool:
    """Return whether an owner may have changed so many at once. A server that invents flags tells of most of them."""
    return len(lacking) <= max(MOST_AT_ONCE, len(settled) // 2)


def mend(lacking: Sequence[Lacking], mailbox: FilingMailbox) -> None:
    """Make the changes that a move to one folder lost, and no others. May be begun again after it was done.

    A server with CONDSTORE sets no flag on a message that changed after we looked; then we look again.
    """
    first = lacking[0].intent
    for _ in range(MOST_LOOKS):
        opened = mailbox.select(first.target)
        if opened.uidvalidity != first.target_uidvalidity:
            return
        left = list(_left_to_do(lacking, mailbox))
        for uid, change in left:
            mailbox.change_flags([uid], add=change.set, remove=change.cleared, since=opened.highest_modseq)
        if not left:
            return


def _left_to_do(lacking: Sequence[Lacking], mailbox: FilingMailbox) -> Iterator[tuple[int, Change]]:
    """Yield the UID of every message that lacks a change, and what is left of it. It has to look like the message."""
    seen = mailbox.fingerprints(lacking[0].intent.target, [one.uid for one in lacking])
    for one in lacking:
        there = seen.get(one.uid)
        if there is None or likeness(there.fingerprint) != likeness(one.intent.fingerprint):
            continue
        now = _carried(there.flags)
        left = Change(set=one.change.set - now, cleared=one.change.cleared & now)
        if left.set or left.cleared:
            yield one.uid, left


def _carried(flags: Sequence[str]) -> frozenset[str]:
    """Return the flags that go along with a message and can be set again as they are written."""
    return frozenset(flag for flag in flags if _A_FLAG.fullmatch(flag) and flag.lower() not in _NOT_CARRIED)
