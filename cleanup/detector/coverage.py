"""How far Sent can vouch: what was read, from when, with which holes, and how complete it was measured to be.

Absence counts only where Sent vouches. Completeness is measured three ways: *replies* in the Inbox that name ids of the
owner's making, *proved* bounces (own path, own signature) and *self-copies*; each is found in Sent or is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import nlargest
from itertools import pairwise
from math import log, sqrt
from typing import NamedTuple

from cleanup.detector.moments import MICROSECOND, moment, us
from cleanup.model import Policy, SentMessage, SentSource

SHORTEST_HOLE = timedelta(days=3)
IMPROBABLE_HOLE = 5.0  # with log(n): a silence so long comes by chance in less than one Sent folder of a hundred
HOLE_TO_LONGEST = 4.0  # times the longest but one silence: habits come in bursts, a purge does not
REWRITTEN_BELOW = 0.2  # share found below which a route's ids are rewritten after Sent is stored
REWRITTEN_N = 3
SMALL_SENT = 20  # messages below which an unmeasured Sent never vouches
_DAY_US = timedelta(days=1) // MICROSECOND


class Proof(NamedTuple):
    """One message that the owner certainly sent, and whether Sent holds it. `way`: replies, proved or self-copies."""

    way: str
    route: str  # the shape of its id
    found: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """How many of `samples` certainly sent messages Sent holds."""

    found: int = 0
    samples: int = 0

    @property
    def at_least(self) -> float:
        """The lower end of the 95 % interval."""
        return lower_bound(self.found, self.samples)

    @property
    def at_most(self) -> float:
        """The upper end of the 95 % interval."""
        return upper_bound(self.found, self.samples)

    def in_words(self) -> str:
        """Return "412 of 414 (99.5 %, at least 98.3 %)"."""
        return f"{self.found} of {self.samples} ({self.found / max(self.samples, 1):.1%}, at least {self.at_least:.1%})"


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch without sent mail that the usual rate makes improbable."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Coverage:
    """What Sent can vouch for. `complete_since`: a person's word that it is complete from then on."""

    sources: tuple[SentSource, ...] = ()
    messages: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    complete_since: datetime | None = None
    holes: tuple[Hole, ...] = ()
    odd_silence: timedelta | None = None  # a silence of this length is a hole; None: too few messages to say
    seen_until: datetime | None = None  # the mailbox is known to be in use until then
    proofs: tuple[tuple[Proof, int], ...] = ()  # with how often each was seen

    def in_use_until(self, moments: Iterable[datetime]) -> Coverage:
        """Return the coverage, knowing that mail came at these moments: silence in Sent since is a silence."""
        latest = max((m for m in (*moments, self.seen_until) if m is not None), default=None)
        return replace(self, seen_until=latest)

    @property
    def all_holes(self) -> tuple[Hole, ...]:
        """The holes, with the one at the end: mail still comes, and Sent has long been silent."""
        until, newest = self.seen_until, self.newest
        if until is None or newest is None or self.odd_silence is None or until - newest < self.odd_silence:
            return self.holes
        return (*self.holes, Hole(newest, until))

    def unusable(self) -> str | None:
        """Return why Sent says nothing at all: missing, unreadable, short or empty; None where it was read whole."""
        if not self.sources:
            return "No Sent folder was read."
        for source in self.sources:
            if source.problem:
                return f"The Sent folder {source.folder} could not be read: {source.problem}"
            if source.read < source.announced:
                return (
                    f"Of the Sent folder {source.folder} only {source.read} of {source.announced} messages were read."
                )
        return None if self.messages else "The Sent folder is empty."

    @property
    def floor(self) -> datetime | None:
        """The time from which Sent may vouch."""
        return self.complete_since or self.oldest

    def measured(self, *, way: str | None = None, route: str | None = None) -> Measure:
        """Return the measured completeness, of one way or one route alone where they are named."""
        fitting = [(p, n) for p, n in self.proofs if way in (None, p.way) and route in (None, p.route)]
        return Measure(sum(n for p, n in fitting if p.found), sum(n for _, n in fitting))

    def rewritten_routes(self) -> frozenset[str]:
        """Return the id shapes that are rewritten after Sent is stored: such ids can never be compared."""
        routes = {proof.route for proof, _ in self.proofs if not proof.found and proof.route}
        measures = {route: self.measured(route=route) for route in routes}
        return frozenset(
            route
            for route, seen in measures.items()
            if seen.samples >= REWRITTEN_N and seen.found / seen.samples < REWRITTEN_BELOW
        )

    def with_proofs(self, proofs: Iterable[Proof]) -> Coverage:
        """Return the coverage with further samples of completeness."""
        counts = Counter(dict(self.proofs))
        counts.update(proofs)
        return replace(self, proofs=tuple(sorted(counts.items(), key=lambda c: (c[0].way, c[0].route, c[0].found))))

    def why_silent(self, start: datetime, end: datetime) -> str | None:
        """Return why Sent cannot vouch for a message sent between `start` and `end`; None where time is no obstacle."""
        floor = self.floor
        if floor is None:
            return "Nothing says from when on Sent is complete."
        if start < floor:
            return f"Sent vouches from {floor:%Y-%m-%d} on; the message may have been sent earlier."
        for hole in self.all_holes:
            if start <= hole.end and hole.start < end:
                return f"Sent has a hole from {hole.start:%Y-%m-%d} to {hole.end:%Y-%m-%d}."
        return None

    def why_incomplete(self, policy: Policy) -> str | None:
        """Return why the measured completeness is too low to vouch; None where it is enough.

        One rule for any number of samples: Sent vouches if none is missing, or if the lower end of the interval reaches
        the policy's bound. A person's word (`complete_since`) holds unless several are missing and the upper end lies
        below that bound. So one found more never makes Sent less believable, and one missing never more.
        """
        seen = self.measured()
        missing = seen.samples - seen.found
        if self.complete_since is not None:
            refuted = missing >= policy.min_missing and seen.at_most < policy.min_completeness
            return f"Sent is said to be complete, yet holds only {seen.in_words()} sent messages." if refuted else None
        if missing and seen.at_least < policy.min_completeness:
            return f"Sent holds only {seen.in_words()} of the mail that was certainly sent."
        if self.messages < SMALL_SENT:
            return (
                f"Sent holds only {self.messages} messages: too few to show what is usual (say since when it is whole)."
            )
        return None

    def in_words(self) -> list[str]:
        """Return what Sent holds and how far it vouches, a sentence a line."""
        unusable = self.unusable()
        if unusable:
            return [f"{unusable} That a message is not there proves nothing."]
        span = f" from {self.oldest:%Y-%m-%d} to {self.newest:%Y-%m-%d}" if self.oldest and self.newest else ""
        lines = [f"Sent holds {self.messages:,} messages{span}."]
        if self.complete_since:
            lines.append(f"You say that it is complete since {self.complete_since:%Y-%m-%d}.")
        lines += [f"It has a hole from {h.start:%Y-%m-%d} to {h.end:%Y-%m-%d}." for h in self.all_holes]
        seen = self.measured()
        if not seen.samples:
            return [*lines, "Nothing in the mailbox measures how complete it is."]
        lines.append(f"Of the mail that you certainly sent, it holds {seen.in_words()}.")
        ways = sorted({proof.way for proof, _ in self.proofs})
        if len(ways) == 1:
            lines[-1] = f"{lines[-1][:-1]}, measured by {ways[0]}."
        else:
            lines += [f"  measured by {way}: {self.measured(way=way).in_words()}" for way in ways]
        for route in sorted({proof.route for proof, _ in self.proofs if not proof.found})[:5]:
            here = self.measured(route=route)
            if here.samples >= REWRITTEN_N:
                lines.append(f"  mail with ids like {route}: {here.in_words()}")
        return lines


def cover(
    messages: Sequence[SentMessage],
    sources: Sequence[SentSource],
    *,
    now: datetime,
    complete_since: datetime | None = None,
) -> Coverage:
    """Return what these sent messages can vouch for. Dates after `now` are wrong clocks and bound nothing."""
    times = sorted(us(t) for m in messages if (t := m.arrived or m.date) is not None and t <= now)
    return cover_times(times, len(messages), sources, complete_since=complete_since)


def cover_times(
    times_us: Sequence[int],
    messages: int,
    sources: Sequence[SentSource],
    *,
    complete_since: datetime | None = None,
) -> Coverage:
    """Return what so many sent messages can vouch for that were stored at these times.

    The times are in UTC microseconds since 1970, in order and not after now: a large Sent has a million of them.
    """
    odd = odd_silence(times_us)
    odd_us = None if odd is None else odd // MICROSECOND
    return Coverage(
        sources=tuple(sources),
        messages=messages,
        oldest=moment(times_us[0]) if times_us else None,
        newest=moment(times_us[-1]) if times_us else None,
        complete_since=complete_since,
        odd_silence=odd,
        holes=tuple(
            Hole(moment(a), moment(b)) for a, b in pairwise(times_us) if odd_us is not None and b - a >= odd_us
        ),
    )


def odd_silence(times_us: Sequence[int]) -> timedelta | None:
    """Return how long a silence must be to be a hole; None where too few messages show what is usual.

    At least three days, four times what the longer silences usually last, and improbable at the usual rate. The rate
    counts days with mail, so that a burst does not make every other week a hole. Times are as in cover_times().
    """
    if len(times_us) < SMALL_SENT:
        return None
    silences = len(times_us) - 1
    # The longest of the others, the longest 2 % (three at least) left out: those may be holes themselves.
    usual = nlargest(min(max(3, silences // 50), silences - 1) + 1, (b - a for a, b in pairwise(times_us)))[-1]
    per_day = len({time // _DAY_US for time in times_us}) / max((times_us[-1] - times_us[0]) // _DAY_US, 1)
    improbable = timedelta(days=(IMPROBABLE_HOLE + log(len(times_us))) / per_day)
    return max(SHORTEST_HOLE, HOLE_TO_LONGEST * usual * MICROSECOND, improbable)


# --- The Wilson score interval --------------------------------------------------------------------------------------

Z_95 = 1.96


def lower_bound(found: int, samples: int) -> float:
    """Return the lower end of the 95 % interval of found/samples; 0.0 where there are no samples."""
    return _bound(found, samples, -1) if samples else 0.0


def upper_bound(found: int, samples: int) -> float:
    """Return the upper end of the 95 % interval of found/samples; 1.0 where there are no samples."""
    return _bound(found, samples, 1) if samples else 1.0


# Wilson (1927): of 3 found in 3 it does not say "all", as the plain share would, but "at least 44 %".


def _bound(found: int, samples: int, side: int) -> float:
    share, z2 = found / samples, Z_95 * Z_95
    centre = share + z2 / (2 * samples)
    spread = Z_95 * sqrt(share * (1 - share) / samples + z2 / (4 * samples * samples))
    return (centre + side * spread) / (1 + z2 / samples)
