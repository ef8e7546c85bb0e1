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
from datetime import date, datetime, timedelta
from ipaddress import ip_network
from typing import NamedTuple

from cleanup.detector.networks import Address, neighbourhood, organisation
from cleanup.detector.providers import is_bare_provider
from cleanup.detector.received import Hop

A_DAY = timedelta(days=1)
BURST = 20  # of a network within a day: no few a day any more
MOSTLY = 0.8  # share of a network's notices in one day that make it a burst
MANY = 4  # unrelated networks that one text comes from: no service has so many
FEW = 3  # the same where something is known of the owner's hosts, or the domain's record or the receiver says no
REPEATED = 3  # messages of one text by which a network may be a service that others imitate
ALIKE = 3  # messages of one text with ids made alike, from machines that are no mail service
SHARED_BELOW = 3  # messages whose lower lines name one network: passed on from one place
FEW_NAMED = 3  # named hosts from which on they are part of a pattern, and no service that others imitate,
NAMED_SHARE = 0.2  # where they are no small part of it
DEVICES = 2  # pairs of a name and a maker of ids that one text shows where a device writes it, or two,
DEVICES_SHARE = 0.5  # or several: so many of its messages at most
LINES = 8  # addresses that the lines of such devices, which are renewed a few times a day, show in a day
AN_HOUR = 10  # unrelated networks that notices of one hour come from, with ids of one shape
KNOWN_SHARE = 0.1  # of recipients that the owner wrote to: more than chance

# Reverse names of lines, which hosters and carriers give by themselves: no mail service goes by one.
_LINE = re.compile(
    r"(?:^|[.\d-])(?:a?dsl|vdsl|dyn|dynamic|dial|dialup|dip0?|pool|ppp|pppoe|cable|dhcp|catv|broadband|cust|customer|"
    r"clients?|mobile|wireless|fiber|ftth|static|host|ip|node|unassigned|reverse|rev|vps|res)(?=[.\d-])"
)
_NOWHERE = (".localdomain", ".local", ".lan", ".internal", ".home", ".home.arpa", ".invalid", ".box", ".ip")


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
    made_by: str  # the organisation of the id's right side; "" where it names none, as with printers and scanners
    made_by_a_device: bool  # perhaps: it has no id, or one of no domain ("nas"), of the owner's or of a provider's
    is_alien: bool  # a machine without a name that is like nothing of the owner's and like no device (standing.py)
    message_id: str  # as ids are compared; "" where none came back
    id_shape: str
    below: tuple[str, ...]  # the neighbourhoods of the addresses in its lower lines
    forwarded: bool  # an addressee's server, or a host that says from whom it took it, passed it on

    @property
    def is_proper(self) -> bool:
        """Whether it came from a machine with a name of its own, and its id was made there or at the owner's."""
        return self.made_at_home and not self.is_line

    @property
    def may_be_a_device(self) -> bool:
        """Whether a machine without a name may be a device of the owner's, by where it makes its ids."""
        return self.made_by_a_device and not self.is_alien

    @property
    def left_shape(self) -> str:
        """The shape of its id without where it was made: "" where none came back."""
        return self.id_shape.rpartition("@")[0]

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
    uniform: bool  # one text, one shown name, all ids of one maker

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


_NOBODY = Sender(0, None, None, 0, 0, 0, 0, frozenset(), regular=False, uniform=False)


@dataclass(frozen=True, slots=True)
class Senders:
    """All networks that are not known, and the texts that come from many of them."""

    by_network: Mapping[str, Sender] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)  # neighbourhood -> organisation that a notice shows there
    spread: Mapping[str, int] = field(default_factory=dict)  # text -> unrelated places that it comes from
    shapes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # text and shape of ids -> places of those
    named_of_text: Mapping[str, int] = field(default_factory=dict)  # text -> places of those that have a name
    of_text: Mapping[tuple[str, str], int] = field(default_factory=dict)  # text and network -> messages
    days: Mapping[tuple[str, date], frozenset[str]] = field(default_factory=dict)  # text and day -> its places
    addresses: Mapping[tuple[str, date], int] = field(default_factory=dict)  # text and day -> its addresses
    of_devices: frozenset[str] = frozenset()  # texts under few names with ids of few makers, as devices write
    hours: Mapping[tuple[datetime, str], int] = field(default_factory=dict)  # hour and shape, whole or left -> places
    passed_on: frozenset[str] = frozenset()  # neighbourhoods that lower lines of several name

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
        Nor does it of a host with a name that makes ids of its own, or otherwise than the others that send this text,
        or that is nearly the only one of them with a name: somebody may imitate what a service of the owner's writes.
        Of what such a host sends only what came around the same day counts.

        A machine without a name may be a device of the owner's, on a line that gets an address in another network each
        night. Devices show the same few names and makers of ids again and again: of their text only a day counts that
        has more addresses than such lines get.
        """
        text = seen.template
        if text is None or seen.forwarded or not self.passed_on.isdisjoint(seen.below):
            return 0
        network = self.network_of(seen.address, seen.name, is_line=seen.is_line)
        if self.of_text.get((text, network), 0) >= REPEATED:
            return 0
        alone = self.shapes.get((text, seen.left_shape), 0) < ALIKE or self._has_few_names(text)
        if not seen.is_line and (seen.made_there or alone):
            return 0
        if seen.is_line and not (text in self.of_devices and seen.may_be_a_device):
            return self.spread.get(text, 0)
        if seen.arrived is None:
            return 0
        days = [seen.arrived.date() + timedelta(days=n) for n in (-1, 0, 1)]
        around = [self.days.get((text, day), frozenset()) for day in days]
        if not seen.is_line:
            return len(frozenset().union(*around))
        in_a_day, addresses = max(map(len, around)), max(self.addresses.get((text, day), 0) for day in days)
        return in_a_day if addresses > LINES else 0

    def _has_few_names(self, text: str) -> bool:
        return self.named_of_text.get(text, 0) < max(FEW_NAMED, NAMED_SHARE * self.spread.get(text, 0))

    def networks_of_hour(self, seen: Seen) -> int:
        """Return from how many unrelated networks notices of its hour came whose ids are made like its own.

        The bounce of a device may come in the middle of a storm. So where it may be one it counts only if ids made at
        that very place came from more networks than a few.
        """
        if seen.arrived is None or not seen.message_id:
            return 0
        hour = _hour(seen.arrived)
        if seen.may_be_a_device and self.hours.get((hour, seen.id_shape), 0) < MANY:
            return 0
        return self.hours.get((hour, seen.left_shape), 0)


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
    spread: dict[str, set[str]] = defaultdict(set)
    named_of_text: dict[str, set[str]] = defaultdict(set)
    shapes: dict[tuple[str, str], set[str]] = defaultdict(set)
    days: dict[tuple[str, date], set[str]] = defaultdict(set)
    addresses: dict[tuple[str, date], set[Address]] = defaultdict(set)
    makers: dict[str, list[tuple[str, str]]] = defaultdict(list)
    hours: dict[tuple[datetime, str], set[str]] = defaultdict(set)
    carriers: dict[str, str] = {}
    for seen in messages:
        if seen.name and (carrier := organisation(seen.name)):
            carriers[_region(seen.address)] = min(carrier, carriers.get(_region(seen.address), carrier))
    for seen in (s for group in direct.values() for s in group):
        place = organisation(seen.name) if seen.name else ""
        place = place or carriers.get(_region(seen.address), _region(seen.address))
        if seen.template and seen.template not in own_texts and not seen.is_proper:
            spread[seen.template].add(place)
            makers[seen.template].append((seen.shown_name, seen.made_by))
            if seen.arrived:
                days[seen.template, seen.arrived.date()].add(place)
                addresses[seen.template, seen.arrived.date()].add(seen.address)
            shapes[seen.template, seen.left_shape].add(place)
        if seen.arrived and seen.message_id:
            for shape in (seen.left_shape, seen.id_shape):
                hours[_hour(seen.arrived), shape].add(place)
        if seen.template and not seen.is_line and not seen.made_there:
            named_of_text[seen.template].add(place)
    return Senders(
        by_network={network: _sender(group) for network, group in groups.items()},
        named=named,
        spread={text: len(places) for text, places in spread.items()},
        shapes={alike: len(places) for alike, places in shapes.items()},
        named_of_text={text: len(places) for text, places in named_of_text.items()},
        of_text=texts,
        days={text_and_day: frozenset(places) for text_and_day, places in days.items()},
        addresses={text_and_day: len(some) for text_and_day, some in addresses.items()},
        of_devices=frozenset(
            text for text, pairs in makers.items() if len(set(pairs)) <= max(DEVICES, DEVICES_SHARE * len(pairs))
        ),
        hours={alike: len(places) for alike, places in hours.items()},
        passed_on=passed_on,
    )


def _region(address: Address) -> str:
    """Return what stands for the carrier of a machine without a name: a /16, of IPv6 a /32.

    At home a machine has another address each day, all of them its carrier's.
    """
    return str(ip_network((address, 16 if address.version == 4 else 32), strict=False))


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
    if hop.name is None and (lies or hop.unnamed or is_of_no_domain(name) or is_bare_provider(name)):
        return True
    if _LINE.search(name):
        return True
    octets = str(hop.address).split(".") if hop.address is not None and hop.address.version == 4 else []
    numbers = re.findall(r"\d+", name)
    return len(octets) == 4 and sum(octet in numbers for octet in octets[1:]) >= 2 and octets[3] in numbers


def is_of_no_domain(host: str) -> bool:
    """Return whether a host's name belongs to no registered domain: a device's at home or in an office."""
    return not organisation(host) or host.lower().endswith(_NOWHERE)


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
        uniform=one_text and len(names) == 1 and len({s.made_by for s in group}) == 1,
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
