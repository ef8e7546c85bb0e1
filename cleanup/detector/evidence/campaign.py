"""The campaign family: notices that answer the same forged mass mail, and storms of them. Supporting only.

A cluster says something about a member only where it is tight: twenty or more within a day, nine of ten disproved on
their own, and not one of them with a hint of being genuine.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from cleanup.detector.subjects import subject_key
from cleanup.model import Family, Finding, Notice, Reason, Strength, Verdict

CAMPAIGN = Family.CAMPAIGN
MIN_MEMBERS = 20
WITHIN = timedelta(hours=24)
MIN_DISPROVED = 0.9
BURST = 20  # notices in an hour
BURST_TO_USUAL = 5  # times the usual number of an hour with notices
_SILENT = ("sent.unusable", "sent.cannot_vouch")  # say nothing of the message itself
_NUMBERS = re.compile(r"\d+")
_SHORTEST_TEMPLATE = 8
_LABEL_OF_MAILING = "mailing:"


class Member(NamedTuple):
    """A judged notice, as clustering sees it."""

    key: str | None  # what was forged: subject template or body; None where nothing came back
    arrived: datetime | None
    hour: datetime | None  # in which it arrived
    verdict: Verdict
    spared: bool  # genuine, or a hint or veto speaks for it


def campaign_key(notice: Notice) -> str | None:
    """Return what a mass mail has in common: the subject without its numbers, else the digest of its text."""
    returned = notice.returned[0]
    return subject_template(returned.subject) or returned.body_digest


def subject_template(subject: str | None) -> str | None:
    """Return a subject without its numbers, in compared form; None where too little is left to tell mailings apart."""
    template = _NUMBERS.sub("#", subject_key(subject or ""))
    return template if len(template) >= _SHORTEST_TEMPLATE else None


def label_of_mailing(key: str) -> str:
    """Return the key in labels of a whole mailing, beside the keys of single messages."""
    return f"{_LABEL_OF_MAILING}{key}"


def vouched_for(cases: Iterable[tuple[str, Notice]], labels: Mapping[str, Verdict]) -> frozenset[str]:
    """Return the keys of the mailings of which a person called a notice genuine, now or in an earlier run."""
    genuine = {key for key, verdict in labels.items() if verdict is Verdict.GENUINE}
    now = {campaign_key(notice) for key, notice in cases if key in genuine}
    earlier = {key.removeprefix(_LABEL_OF_MAILING) for key in genuine if key.startswith(_LABEL_OF_MAILING)}
    return frozenset(key for key in now | earlier if key)


def member_of(notice: Notice, finding: Finding, arrived: datetime | None) -> Member:
    """Return a judged notice as a member of whatever cluster it may be in."""
    counting = [r for r in finding.reasons if r.strength is not Strength.NOTE]
    spared = any(r.points_to is not Verdict.BACKSCATTER and r.rule not in _SILENT for r in counting)
    return Member(campaign_key(notice), arrived, _hour(arrived), finding.verdict, spared)


def campaign_reasons(members: Sequence[Member]) -> list[tuple[Reason, ...]]:
    """Return for each member, in their order, what its cluster and the hour say."""
    clusters = _tight_clusters(members)
    hours = storm_hours(member.hour for member in members)
    quiet = _disproved_share([m for m in members if m.hour in hours]) < MIN_DISPROVED
    return [(*_of_cluster(m, clusters), *_of_storm(m, set() if quiet else hours)) for m in members]


def storm_hours(hours: Iterable[datetime | None]) -> set[datetime]:
    """Return those of the hours of arrival in which notices came in a burst: twenty, and five times what is usual."""
    counts = Counter(hour for hour in hours if hour is not None)
    quieter = [n for n in counts.values() if n < BURST]
    usual = median(quieter) if quieter else 1
    return {hour for hour, n in counts.items() if n >= max(BURST, BURST_TO_USUAL * usual)}


def _tight_clusters(members: Sequence[Member]) -> dict[str, int]:
    """Return the size of each cluster that says something."""
    by_key: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if member.key is not None:
            by_key[member.key].append(member)
    return {key: len(group) for key, group in by_key.items() if _is_tight(group)}


def _is_tight(group: Sequence[Member]) -> bool:
    if len(group) < MIN_MEMBERS or any(member.spared for member in group):
        return False
    times = sorted(m.arrived for m in group if m.arrived is not None)
    dense = any(later - earlier <= WITHIN for earlier, later in zip(times, times[MIN_MEMBERS - 1 :], strict=False))
    return dense and _disproved_share(group) >= MIN_DISPROVED


def _disproved_share(group: Sequence[Member]) -> float:
    """Return the share of those disproved among those that are decided either way."""
    disproved = sum(member.verdict is Verdict.BACKSCATTER for member in group)
    undecided_alone = sum(member.verdict is Verdict.UNSURE and member.key is not None for member in group)
    return disproved / max(disproved + undecided_alone, 1)


def _of_cluster(member: Member, clusters: dict[str, int]) -> tuple[Reason, ...]:
    if member.key is None or member.key not in clusters:
        return ()
    says = f"It answers a mass mail that {clusters[member.key]} notices answer, nine of ten of them disproved."
    return (Reason("campaign.member", CAMPAIGN, Verdict.BACKSCATTER, Strength.SUPPORTING, says),)


def _of_storm(member: Member, hours: set[datetime]) -> tuple[Reason, ...]:
    if member.spared or member.hour not in hours:
        return ()
    says = "It came in a storm of notices that answer forged mail."
    return (Reason("storm", CAMPAIGN, Verdict.BACKSCATTER, Strength.SUPPORTING, says),)


def _hour(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(minute=0, second=0, microsecond=0)
