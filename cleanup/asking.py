"""What a batch of notices asks of Sent: the ids, recipients, subjects, conversations and times that rules look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cleanup.detector.addresses import untagged_key
from cleanup.detector.sent import wanted_by
from cleanup.detector.verdict import Case
from cleanup.ledger.values import Asked
from cleanup.model import Identity, Notice, Policy

SLACK = timedelta(minutes=1)
Stretch = tuple[datetime, datetime]


def what_they_ask(cases: Sequence[Case], identity: Identity, policy: Policy) -> Asked:
    """Return at least what judging these cases looks up."""
    wanted = wanted_by(case.notice for case in cases)
    people: dict[str, list[Stretch]] = defaultdict(list)
    aliases = [untagged_key(alias) for alias, _ in identity.aliases]
    for case in cases:
        stretches = list(_stretches(case, policy))
        for person in (*_people(case.notice), *aliases):
            people[person] += stretches
    return Asked(wanted.ids, wanted.subjects, wanted.threads, people)


def _people(notice: Notice) -> Iterable[str]:
    """Return everybody whom the answered message may have been sent to; who answers by a machine is one of them."""
    named = [a for r in notice.recipients for a in (r.address, r.original) if a]
    named += [a for returned in notice.returned for a in returned.to]
    if notice.sender:
        named.append(notice.sender)
    return dict.fromkeys(key for a in named if (key := untagged_key(a)))


def _stretches(case: Case, policy: Policy) -> Iterator[Stretch]:
    """Yield when it may have been sent: within the queue lifetime before the notice came, or at its Date."""
    arrived = _in_utc(case.arrived)
    if arrived is not None:
        yield arrived - policy.queue_lifetime - SLACK, arrived + SLACK
    for returned in case.notice.returned:
        date = _in_utc(returned.date)
        if date is not None and datetime(1902, 1, 1, tzinfo=UTC) < date < datetime(9000, 1, 1, tzinfo=UTC):
            yield date - policy.date_tolerance - SLACK, date + policy.date_tolerance + SLACK


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
