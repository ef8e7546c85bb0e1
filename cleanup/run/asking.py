"""What a batch of notices asks of Sent: the ids, recipients, subjects, conversations and times that rules look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cleanup.detector.addresses import untagged_key
from cleanup.detector.sent import wanted_by
from cleanup.detector.verdict import Case
from cleanup.ledger.values import Asked, Stretch, Stretches
from cleanup.model import Identity, Notice, Policy

SLACK = timedelta(minutes=1)
EARLIEST, LATEST = datetime(1902, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)  # room for arithmetic


def what_they_ask(cases: Sequence[Case], identity: Identity, policy: Policy) -> Asked:
    """Return at least what judging these cases looks up."""
    wanted = wanted_by(case.notice for case in cases)
    people: dict[str, Stretches] = defaultdict(Stretches)
    aliases = [untagged_key(alias) for alias, _ in identity.aliases]
    for case in cases:
        lifetime, dates = _lifetime(case, policy), _dates(case.notice, policy)
        for person in (*_people(case.notice), *aliases):
            people[person].any_within |= lifetime
            people[person].all_within |= dates
    return Asked(wanted.ids, wanted.subjects, wanted.threads, people)


def _people(notice: Notice) -> Iterable[str]:
    """Return everybody whom the answered message may have been sent to; who answers by a machine is one of them."""
    named = [a for r in notice.recipients for a in (r.address, r.original) if a]
    named += [a for returned in notice.returned for a in returned.to]
    if notice.sender:
        named.append(notice.sender)
    return dict.fromkeys(key for a in named if (key := untagged_key(a)))


def _lifetime(case: Case, policy: Policy) -> set[Stretch]:
    """Return the queue lifetime before the notice came."""
    arrived = _in_utc(case.arrived)
    return {(arrived - policy.queue_lifetime, arrived)} if arrived is not None else set()


def _dates(notice: Notice, policy: Policy) -> set[Stretch]:
    """Return the stretches around the Dates of what was returned."""
    around = policy.date_tolerance + SLACK
    dates = [date for returned in notice.returned if (date := _in_utc(returned.date)) is not None]
    return {(date - around, date + around) for date in dates if EARLIEST < date < LATEST}


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
