"""The campaign family: notices that answer the same forged mass mail, and storms of them. Supporting only.

A cluster says something about a member only where it is tight: twenty or more within a day, nine of ten disproved on
their own, and not one of them with a hint of being genuine. Where it touches the owner's own mail (a subject in Sent,
an id of the owner's making, some alike ones that no disproved one is like) it says nothing, nor does its hour.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from cleanup.detector.evidence.question import Question
from cleanup.detector.mailings import campaign_key
from cleanup.detector.message_ids import right_side
from cleanup.model import Family, Finding, Reason, Strength, Verdict

CAMPAIGN = Family.CAMPAIGN
MIN_MEMBERS = 20
WITHIN = timedelta(hours=24)
MIN_DISPROVED = 0.9
MIN_ALIKE = 3  # with one right side of their ids that no disproved one has: another's mailing under the same subject
BURST = 20  # notices in an hour
BURST_TO_USUAL = 5  # times the usual number of an hour with notices
_SILENT = ("sent.unusable", "sent.cannot_vouch")  # say nothing of the message itself


class Member(NamedTuple):
    """A judged notice, as clustering sees it."""

    key: str | None  # what was forged: subject template or body; None where nothing came back
    arrived: datetime | None
    hour: datetime | None  # in which it arrived
    verdict: Verdict
    spared: bool  # genuine, or a hint or veto speaks for it
    made_by: str = ""  # the right side of its id; "" where none came back
    touches_sent: bool = False  # its subject is in Sent, or its id is of the owner's making


def member_of(question: Question, finding: Finding) -> Member:
    """Return a judged notice as a member of whatever cluster it may be in."""
    notice, known, arrived = question.notice, question.known, question.arrived
    returned = notice.returned[0]
    made_by = right_side(returned.message_id) if returned.message_id else ""
    in_sent = bool(returned.subject) and bool(known.rows.by_subject(returned.subject or ""))
    counting = [r for r in finding.reasons if r.strength is not Strength.NOTE]
    spared = any(r.points_to is not Verdict.BACKSCATTER and r.rule not in _SILENT for r in counting)
    touches_sent = in_sent or made_by in known.profile.right_sides
    hour = arrived.replace(minute=0, second=0, microsecond=0) if arrived else None
    return Member(campaign_key(notice), arrived, hour, finding.verdict, spared, made_by, touches_sent)


def campaign_reasons(members: Sequence[Member]) -> list[tuple[Reason, ...]]:
    """Return for each member, in their order, what its cluster and the hour say."""
    groups = _dense_groups(members)
    owners = {key for key, group in groups.items() if _may_be_the_owners(group)}
    tight = {
        key
        for key, group in groups.items()
        if not any(member.spared for member in group) and _disproved_share(group) >= MIN_DISPROVED
    }
    clusters = {key: _Cluster.of(groups[key]) for key in tight - owners}
    hours = storm_hours(member.hour for member in members) - {m.hour for key in owners for m in groups[key]}
    quiet = _disproved_share([m for m in members if m.hour in hours]) < MIN_DISPROVED
    return [(*_of_cluster(m, clusters), *_of_storm(m, clusters, set() if quiet else hours)) for m in members]


def storm_hours(hours: Iterable[datetime | None]) -> set[datetime | None]:
    """Return those of the hours of arrival in which notices came in a burst: twenty, and five times what is usual."""
    counts = Counter(hour for hour in hours if hour is not None)
    quieter = [n for n in counts.values() if n < BURST]
    usual = median(quieter) if quieter else 1
    return {hour for hour, n in counts.items() if n >= max(BURST, BURST_TO_USUAL * usual)}


class _Cluster(NamedTuple):
    """What a tight cluster says of a member: how many there are, and what made the ids of the disproved ones."""

    size: int
    made_by: frozenset[str]

    @classmethod
    def of(cls, group: Sequence[Member]) -> _Cluster:
        return cls(len(group), frozenset(m.made_by for m in group if m.verdict is Verdict.BACKSCATTER))

    def has_one_like(self, member: Member) -> bool:
        return not member.made_by or member.made_by in self.made_by


def _dense_groups(members: Sequence[Member]) -> dict[str, list[Member]]:
    """Return the notices that answer the same mass mail, twenty or more of them within a day."""
    by_key: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if member.key is not None:
            by_key[member.key].append(member)
    dense = {}
    for key, group in by_key.items():
        times = sorted(m.arrived for m in group if m.arrived is not None)
        # each with the nineteenth after it: a day may begin at any of them
        if any(later - earlier <= WITHIN for earlier, later in zip(times, times[MIN_MEMBERS - 1 :], strict=False)):
            dense[key] = group
    return dense


def _may_be_the_owners(group: Sequence[Member]) -> bool:
    """Return whether a mailing of the owner's may be in it: it touches Sent, or a sender of its own stands out."""
    forgers = {m.made_by for m in group if m.verdict is Verdict.BACKSCATTER}
    others = Counter(m.made_by for m in group if m.made_by and m.made_by not in forgers)
    return any(m.touches_sent for m in group) or max(others.values(), default=0) >= MIN_ALIKE


def _disproved_share(group: Sequence[Member]) -> float:
    """Return the share of those disproved among those that are decided either way."""
    disproved = sum(member.verdict is Verdict.BACKSCATTER for member in group)
    undecided_alone = sum(member.verdict is Verdict.UNSURE and member.key is not None for member in group)
    return disproved / max(disproved + undecided_alone, 1)


def _of_cluster(member: Member, clusters: Mapping[str, _Cluster]) -> tuple[Reason, ...]:
    cluster = clusters.get(member.key or "")
    if cluster is None or not cluster.has_one_like(member):
        return ()
    says = f"It answers a mass mail that {cluster.size} notices answer, nine of ten of them disproved."
    return (Reason("campaign.member", CAMPAIGN, Verdict.BACKSCATTER, Strength.SUPPORTING, says),)


def _of_storm(member: Member, clusters: Mapping[str, _Cluster], hours: set[datetime | None]) -> tuple[Reason, ...]:
    """Return what the hour says: of what answers another mailing than those that made the storm, nothing."""
    if member.spared or member.hour is None or member.hour not in hours:
        return ()
    if member.verdict is not Verdict.BACKSCATTER and member.key is not None and not _of_cluster(member, clusters):
        return ()
    says = "It came in a storm of notices that answer forged mail."
    return (Reason("storm", CAMPAIGN, Verdict.BACKSCATTER, Strength.SUPPORTING, says),)
