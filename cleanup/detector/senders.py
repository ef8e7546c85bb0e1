"""Who else hands mail over in the owner's name, seen over all notices of a run.

Known hosts are what is known, not all there is: web shops, CRMs, former hosters send in the owner's name too and save
no copy in Sent. They look like forgeries but for constancy: one network for weeks, one kind of text. Bots look the
other way round: one text from many networks. What neither shows stays open.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cleanup.detector.networks import Address, neighbourhood, organisation
from cleanup.detector.received import Hop

A_DAY = timedelta(days=1)
BURST = 20  # of a network within a day: no few a day any more
MOSTLY = 0.8  # share of a network's notices in one day that make it a burst
MANY = 4  # unrelated networks that one text comes from: no service has so many
MANY_WHERE_KNOWN = 3  # the same where something is known of the owner's hosts
FEW = 2  # the same where the domain's own record, or the receiver, says no
REPEATED = 3  # messages of one text by which a network may be a service that others imitate
ALIKE = 3  # messages of one text with ids made alike, from machines that are no mail service
SHARED_BELOW = 3  # messages whose lower lines name one network: passed on from one place
SCATTERED = 8  # machines without a name of their own, each in a network of its own
AN_HOUR = 20  # networks that notices of one hour come from
KNOWN_SHARE = 0.1  # of recipients that the owner wrote to: more than chance

# Reverse names of lines, which hosters and carriers give by themselves: no mail service goes by one.
_LINE = re.compile(
    r"(?:^|[.\d-])(?:a?dsl|vdsl|dyn|dynamic|dial|dialup|dip0?|pool|ppp|pppoe|cable|dhcp|catv|broadband|cust|customer|"
    r"clients?|mobile|wireless|fiber|ftth|static|host|ip|node|unassigned|reverse|rev|vps|res)(?=[.\d-])"
)
_NOWHERE = (".localdomain", ".local", ".lan", ".internal", ".home", ".invalid")


class Seen(NamedTuple):
    """One returned message that a host which is not known handed over, as the survey sees it."""

    address: Address
    name: str | None  # what the receiver looked up
    is_line: bool  # the machine has no name, or that of a line
    lies: bool  # it says HELO as a host of the owner's, whose address it has not
    arrived: datetime | None
    template: str | None  # of its text: the subject without its numbers, else a digest
    in_sent: bool  # Sent holds a message of that subject
    known_recipient: bool
    signed: bool  # carries a signature of the owner's domain, which could not be verified
    own_shape: bool  # its id is made exactly as those in Sent
    shown_name: str  # the display name of From
    known_name: bool  # Sent shows that name, or as often none
    made_at_home: bool  # its id was made at the host that handed it over, or in the owner's domain
    made_there: bool  # at that host
    made_by_device: bool  # its id names no domain: so do those of printers and scanners
    message_id: str  # as ids are compared; "" where none came back
    id_shape: str
    below: tuple[str, ...]  # the neighbourhoods of the addresses in its lower lines
    forwarded: bool  # an addressee's server, or a host that says from whom it took it, passed it on

    @property
    def is_proper(self) -> bool:
        """Whether it came from a machine with a name of its own, and its id was made there or at the owner's."""
        return self.made_at_home and not self.is_line

    @property
    def is_like_a_service(self) -> bool:
        """Whether the message alone speaks for one more service of the owner's.

        Forgers take both ends from one address book, so that whom a machine without a name writes to says nothing.
        """
        return (self.known_recipient and not self.is_line) or self.signed or self.own_shape


@dataclass(frozen=True, slots=True)
class Sender:
    """One network that handed mail over in the owner's name: how often, since when, and what speaks for it."""

    count: int
    first: datetime | None
    last: datetime | None
    most_in_a_day: int
    known_recipients: int
    signed: int
    own_shapes: int
    names: frozenset[str]
    regular: bool  # one known name, one text, all ids made at home

    @property
    def is_burst(self) -> bool:
        """Whether nearly all of it came within a day, and much of it."""
        return self.most_in_a_day >= BURST and self.most_in_a_day >= MOSTLY * self.count

    @property
    def is_constant(self) -> bool:
        """Whether it comes again and again, a few a day."""
        if self.count < 2 or self.first is None or self.last is None:
            return False
        return self.last - self.first >= A_DAY and not self.is_burst

    @property
    def is_like_a_service(self) -> bool:
        """Whether what came from there speaks, taken together, for one more service of the owner's."""
        known = self.known_recipients >= 2 and self.known_recipients > KNOWN_SHARE * self.count
        return bool(known or self.signed or self.own_shapes * 2 >= self.count or self.regular)


_NOBODY = Sender(0, None, None, 0, 0, 0, 0, frozenset(), regular=False)


@dataclass(frozen=True, slots=True)
class Senders:
    """All networks that are not known, and the texts that come from many of them."""

    by_network: Mapping[str, Sender] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)  # neighbourhood -> organisation that a notice shows there
    spread: Mapping[str, int] = field(default_factory=dict)  # text -> unrelated networks that it comes from
    shapes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # text and shape of ids -> messages of those
    of_text: Mapping[tuple[str, str], int] = field(default_factory=dict)  # text and network -> messages
    hours: Mapping[datetime, int] = field(default_factory=dict)  # networks that notices of that hour came from
    passed_on: frozenset[str] = frozenset()  # neighbourhoods that lower lines of several name
    scattered: int = 0  # networks from which one machine without a name of its own sent once

    def network_of(self, address: Address, name: str | None, *, is_line: bool) -> str:
        """Return the network of a host: the organisation of its name, else what one customer of a hoster has."""
        near = str(neighbourhood(address))
        mine = organisation(name) if name and not is_line else ""
        return mine or self.named.get(near, near)

    def sender_of(self, seen: Seen) -> Sender:
        """Return what is known of the network that handed a message over."""
        return self.by_network.get(self.network_of(seen.address, seen.name, is_line=seen.is_line), _NOBODY)

    def networks_of_text(self, seen: Seen) -> int:
        """Return from how many unrelated networks its text comes; 0 where that says nothing of this message.

        It says nothing where its own network sent that text repeatedly, or where several were passed on from one place.
        Nor does it of a message from a host that makes ids of its own, or one in the owner's domain that are made
        otherwise than those of the others: somebody may imitate what a service of the owner's writes.
        """
        if seen.template is None or seen.forwarded or not self.passed_on.isdisjoint(seen.below):
            return 0
        network = self.network_of(seen.address, seen.name, is_line=seen.is_line)
        if self.of_text.get((seen.template, network), 0) >= REPEATED:
            return 0
        if seen.is_proper and (seen.made_there or self.shapes.get((seen.template, seen.id_shape), 0) < ALIKE):
            return 0
        return self.spread.get(seen.template, 0)

    def networks_of_hour(self, seen: Seen) -> int:
        """Return from how many networks notices of its hour came."""
        return self.hours.get(_hour(seen.arrived), 0) if seen.arrived else 0


def survey(messages: Sequence[Seen]) -> Senders:
    """Return who handed these messages over. Their order changes nothing; several notices of one message are one."""
    messages = _each_once(messages)
    named: dict[str, str] = {}
    for seen in messages:
        mine = organisation(seen.name) if seen.name and not seen.is_line else ""
        near = str(neighbourhood(seen.address))
        if mine:
            named[near] = min(mine, named.get(near, mine))
    senders = Senders(named=named)
    groups: dict[str, list[Seen]] = defaultdict(list)
    for seen in messages:
        groups[senders.network_of(seen.address, seen.name, is_line=seen.is_line)].append(seen)
    repeated = {str(neighbourhood(s.address)) for group in groups.values() if len(group) > 1 for s in group}
    below = Counter(near for seen in messages for near in set(seen.below))
    passed_on = frozenset(near for near, times in below.items() if times >= SHARED_BELOW or near in repeated)
    direct = {
        network: [s for s in group if not s.forwarded and passed_on.isdisjoint(s.below)]
        for network, group in groups.items()
    }
    own_texts = {s.template for s in messages if s.in_sent}
    texts = Counter((s.template or "", network) for network, group in direct.items() for s in group)
    improper = {(s.template or "", network): s for network, group in direct.items() for s in group if not s.is_proper}
    spread = Counter(text for text, _ in improper if text and text not in own_texts)
    shapes = Counter((text, s.id_shape) for (text, _), s in improper.items())
    hours: dict[datetime, set[str]] = defaultdict(set)
    for network, group in direct.items():
        for seen in group:
            if seen.arrived:
                hours[_hour(seen.arrived)].add(network)
    return Senders(
        by_network={network: _sender(group) for network, group in groups.items()},
        named=named,
        spread=spread,
        shapes=shapes,
        of_text=texts,
        hours={hour: len(networks) for hour, networks in hours.items() if len(networks) >= AN_HOUR},
        passed_on=passed_on,
        scattered=sum(len(group) == 1 and group[0].is_line for group in direct.values()),
    )


def _each_once(messages: Sequence[Seen]) -> list[Seen]:
    """Return the first notice of each message: a delay and the failure days later answer the same one."""
    first: dict[tuple[str, str], Seen] = {}
    without_id = [seen for seen in messages if not seen.message_id]
    for seen in messages:
        key = seen.message_id, str(seen.address)
        if seen.message_id and (key not in first or _moment(seen) < _moment(first[key])):
            first[key] = seen
    return [*without_id, *first.values()]


def _moment(seen: Seen) -> float:
    return seen.arrived.timestamp() if seen.arrived else 0.0


def is_line(hop: Hop, *, lies: bool) -> bool:
    """Return whether a machine has no name of its own: none at all and a HELO that is none, or the name of a line.

    `lies`: its HELO is known to be another's.
    """
    name = (hop.name or hop.helo or "").lower()
    if hop.name is None and (lies or hop.unnamed or not organisation(name) or name.endswith(_NOWHERE)):
        return True
    if _LINE.search(name):
        return True
    octets = str(hop.address).split(".") if hop.address is not None and hop.address.version == 4 else []
    numbers = re.findall(r"\d+", name)
    return len(octets) == 4 and sum(octet in numbers for octet in octets[1:]) >= 2 and octets[3] in numbers


def _sender(group: Sequence[Seen]) -> Sender:
    times = sorted(s.arrived for s in group if s.arrived)
    names = frozenset(s.shown_name for s in group)
    one_text = len({s.template for s in group}) == 1
    known = all(s.known_name and s.shown_name for s in group)
    return Sender(
        count=len(group),
        first=times[0] if times else None,
        last=times[-1] if times else None,
        most_in_a_day=_most_within(times, A_DAY),
        known_recipients=sum(s.known_recipient and not s.is_line for s in group),
        signed=sum(s.signed for s in group),
        own_shapes=sum(s.own_shape for s in group),
        names=names,
        regular=one_text and known and len(names) == 1 and all(s.made_at_home for s in group),
    )


def _most_within(times: Sequence[datetime], span: timedelta) -> int:
    most = start = 0
    for end, time in enumerate(times):
        while time - times[start] > span:
            start += 1
        most = max(most, end - start + 1)
    return most


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def neighbourhoods(hops: Iterable[Hop]) -> tuple[str, ...]:
    """Return the neighbourhoods of the public addresses that lines show, each once."""
    near = (str(neighbourhood(h.address)) for h in hops if h.address is not None and not h.handed_over_inside)
    return tuple(dict.fromkeys(near))
