"""Who the owner is, ready to be asked: addresses, hosts, providers; from configuration and from what was learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from cleanup.detector.addresses import domain_of, untagged_key
from cleanup.detector.networks import (
    Address,
    Hosts,
    Network,
    neighbourhood,
    organisation,
    read_address,
    shared_provider,
)
from cleanup.detector.providers import is_bare_provider, is_gateway, is_provider, verifies_senders
from cleanup.detector.received import Hop
from cleanup.detector.sent import MIN_HABIT, Profile
from cleanup.model import Identity

ADDRESS_SHARE = 0.02  # of sent messages that make a From at another domain the owner's
SEEN_LATELY = timedelta(days=90)  # from a proved notice that showed a learned host, before or after
MOST_UNSEEN = 0.1  # share of proved notices whose host no other showed (Good-Turing: the chance of one unseen so far)
SURE_OF = 2  # organisations that must have seen a host elsewhere for a person to be told
MADE_AT_HOME = 0.5  # share of sent ids that the provider must have made which holds the mailbox
PROVIDER_SHARE = 0.02  # of sent ids that a provider must have made to count as the owner's


class SeenElsewhere(NamedTuple):
    """A host that proved mail of the owner's came from, though what is known does not name it."""

    address: Address
    witnesses: int  # organisations that saw it there
    when: tuple[datetime, ...] = ()

    @property
    def is_sure(self) -> bool:
        """Whether it is worth telling: what one organisation saw may be a gateway of its own."""
        return self.witnesses >= SURE_OF


@dataclass(frozen=True, slots=True)
class LearnedHosts:
    """Outbound hosts learned from the trusted hops of proved notices (learning.py)."""

    hosts: Hosts = field(default_factory=Hosts)
    organisations: frozenset[str] = frozenset()  # of their names: a neighbour of a learned host is not foreign
    providers: frozenset[str] = frozenset()  # shared ones that the owner's mail went through
    glimpsed: frozenset[Address] = frozenset()  # seen in proved notices, whether or not often enough to be learned
    near: frozenset[Network] = frozenset()  # the neighbourhoods of those
    saturated: bool = False  # hardly any proved notice showed a host that no other showed
    seen_at: Mapping[Address, tuple[datetime, ...]] = field(default_factory=dict)  # when notices showed a learned host
    once_at: tuple[datetime, ...] = ()  # when hosts were shown that no other notice shows
    elsewhere: tuple[SeenElsewhere, ...] = ()  # hosts of proved mail that are neither told, nor a provider's, nor known

    def is_near(self, address: Address | None) -> bool:
        """Return whether proved mail came from the neighbourhood of an address."""
        return address is not None and bool(self.near) and neighbourhood(address) in self.near

    def at(self, moment: datetime | None) -> LearnedHosts:
        """Return what of it holds for a notice of that time: hosts change hands, and owners change hosters.

        What is too old is only glimpsed: neither the owner's nor foreign.
        """
        if moment is None or not (self.hosts or self.elsewhere):
            return self
        near = {a: sum(abs(when - moment) <= SEEN_LATELY for when in seen) for a, seen in self.seen_at.items()}
        lately = frozenset(address for address, times in near.items() if times)
        once = sum(abs(when - moment) <= SEEN_LATELY for when in self.once_at)
        saturated = self.saturated and bool(lately) and once <= MOST_UNSEEN * (once + sum(near.values()))
        elsewhere = tuple(
            one for one in self.elsewhere if not one.when or any(abs(when - moment) <= SEEN_LATELY for when in one.when)
        )
        return replace(self, hosts=Hosts(addresses=lately), saturated=saturated, elsewhere=elsewhere)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner, as the rules ask for it."""

    addresses: frozenset[str]  # compared forms, untagged
    domains: frozenset[str]  # the owner's own, not the providers'
    organisations: frozenset[str]  # registrable domains of own domains and hosts
    configured: Hosts
    learned: LearnedHosts
    shared_hosts: Hosts
    providers: frozenset[str]  # shared ones that the owner's mail goes through
    home: frozenset[str]  # organisations that hold the mailbox for its owner
    aliases: Mapping[str, tuple[str, ...]]  # where it leads -> what was written to
    foreign_sent: bool  # Sent holds mail of others only: it is not this owner's
    marks: tuple[str, ...]  # texts whose presence in a line makes it worth parsing; empty: parse every line
    _names: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)  # host names already looked at

    @property
    def knows_hosts(self) -> bool:
        """Whether enough is known of own hosts for "foreign" to mean something.

        Where proved mail left elsewhere, what was told and the provider that holds the mailbox are not all there is.
        """
        told = bool(self.configured or self.home) and not self.learned.elsewhere
        return told or (bool(self.learned.hosts) and self.learned.saturated)

    def knows_addresses(self, version: int) -> bool:
        """Return whether own hosts' addresses of this IP version are known, so that others are not the owner's."""
        learned = self.learned.saturated and self.learned.hosts.knows_addresses(version)
        return learned or self.configured.knows_addresses(version)

    def is_own_address(self, address: str | None) -> bool:
        """Return whether a mail address is the owner's."""
        return address is not None and untagged_key(address) in self.addresses

    def is_own_domain(self, address: str | None) -> bool:
        """Return whether a mail address is at a domain of the owner's."""
        return address is not None and domain_of(address) in self.domains

    def is_own_host(self, name: str | None) -> bool:
        """Return whether a host name belongs to the owner's side: an outbound host or a host of an own domain."""
        if not name:
            return False
        known = self._names.get(name)
        if known is None:
            known = self.configured.has_name(name) or organisation(name) in self.organisations
            self._names[name] = known
        return known

    def is_own_host_or_address(self, helo: str | None) -> bool:
        """Return whether what a sender says of itself is a host of the owner's, or the address of one."""
        if self.is_own_host(helo):
            return True
        address = read_address(helo) if helo else None
        return self.configured.has_address(address) or self.learned.hosts.has_address(address)

    def has_own_address(self, hop: Hop) -> bool:
        """Return whether a hop came from an own outbound host: by address, or by the name that the receiver looked up.

        The name alone does only where no own addresses of that kind are known, which would contradict it.
        """
        if self.configured.has_address(hop.address) or self.learned.hosts.has_address(hop.address):
            return True
        if hop.name is None or hop.address is None or self.knows_addresses(hop.address.version):
            return False
        return self.configured.has_name(hop.name)

    def provider_of(self, hop: Hop) -> str:
        """Return the shared provider that a hop came from, if the owner may send through it; else "".

        That is one that the owner uses, one that verifies senders, a gateway in front of another, or whoever holds the
        mailbox: other customers of theirs send from there, too.
        """
        if self.shared_hosts.has_address(hop.address) or self.shared_hosts.has_name(hop.name):
            return organisation(hop.name or "") or str(hop.address)
        # Where the receiver looked nothing up its HELO is enough to spare a provider's mail, never to accuse. But no
        # host of a provider goes by its bare domain: bots say "gmail.com" to be taken for it.
        said = "" if is_bare_provider(hop.helo) else hop.helo
        name = hop.name or said
        if self.home and name and (home := organisation(name)) in self.home:
            return home
        provider = shared_provider(name, hop.address)
        if provider:
            spared = provider in self.providers or verifies_senders(provider) or is_gateway(provider)
            return provider if spared or self.has_own_address(hop) else ""
        if not self.learned.hosts.has_address(hop.address) or self.configured.has_address(hop.address):
            return ""
        # A learned host that is not the owner's own is a hoster's, who has other customers.
        names = {organisation(hop.name)} if hop.name else self.learned.organisations
        return "" if not names or names & self.organisations else min(names)


def know_owner(identity: Identity, profile: Profile, learned: LearnedHosts | None = None) -> Owner:
    """Return the owner, from configuration, from the habits in Sent and from learned hosts."""
    learned = learned or LearnedHosts()
    configured = Hosts.read(identity.outbound_hosts)
    addresses = _addresses(identity, profile)
    domains = frozenset(d for a in addresses if (d := domain_of(a)) and not is_provider(organisation(d)))
    made_ids: Counter[str] = Counter()  # how many ids in Sent each organisation made
    for right, seen in profile.right_sides.items():
        made_ids[organisation(right)] += seen
    home = _home(identity, profile, domains, made_ids)
    aliases: dict[str, tuple[str, ...]] = {}
    for alias, target in identity.aliases:
        aliases[untagged_key(target)] = (*aliases.get(untagged_key(target), ()), untagged_key(alias))
    return Owner(
        addresses=addresses,
        domains=domains,
        organisations=frozenset(
            o for name in (*domains, *configured.names) if (o := organisation(name)) and not is_provider(o)
        ),
        configured=configured,
        learned=learned,
        shared_hosts=Hosts.read(identity.shared_providers),
        providers=_providers(identity, profile, addresses, made_ids) | learned.providers | home,
        home=home,
        aliases=aliases,
        foreign_sent=_is_somebody_elses(identity, profile),
        marks=() if home else _marks(configured, learned.hosts),
    )


def _addresses(identity: Identity, profile: Profile) -> frozenset[str]:
    """Return the configured addresses, and those that Sent shows often, or at a domain of those.

    Whole conversations get filed in Sent, and redirected mail: a few letters there make no correspondent the owner.
    """
    least = ADDRESS_SHARE * profile.messages
    sure = {untagged_key(a) for a in identity.addresses}
    sure |= {untagged_key(a) for a in profile.own_addresses if profile.addresses[a] >= least}
    domains = {d for a in sure if not is_provider(organisation(d := domain_of(a)))}
    return frozenset(sure | {untagged_key(a) for a in profile.own_addresses if domain_of(a) in domains})


def _providers(
    identity: Identity, profile: Profile, addresses: frozenset[str], made_ids: Mapping[str, int]
) -> frozenset[str]:
    """Return the shared providers that the owner uses: named, shown by ids in Sent, or by the mail domain itself."""
    named = {organisation(name) for name in identity.shared_providers if not read_address(name)}
    at_home = {organisation(domain_of(address)) for address in addresses}
    least = max(3.0, PROVIDER_SHARE * profile.messages) if profile.messages >= MIN_HABIT else 3.0
    shown = {o for o, seen in made_ids.items() if seen >= least}
    return frozenset(o for o in named if o) | frozenset(o for o in at_home | shown if is_provider(o))


def _home(
    identity: Identity, profile: Profile, own_domains: frozenset[str], made_ids: Mapping[str, int]
) -> frozenset[str]:
    """Return the organisations that hold the mailbox, as far as they are not the owner's own.

    The server that we are logged in to tells it, the provider's mail domain, or that it made most ids in Sent: programs
    make ids of their own, web mail and telephones leave it to the provider.
    """
    server = organisation(identity.imap_host)
    at_home = {organisation(domain_of(address)) for address in identity.addresses}
    least = MADE_AT_HOME * profile.messages
    most = {o for o, seen in made_ids.items() if profile.messages >= MIN_HABIT and seen >= least}
    ours = {organisation(domain) for domain in own_domains}
    return frozenset(({server} - ours - {""}) | {o for o in at_home | most if is_provider(o)})


def _is_somebody_elses(identity: Identity, profile: Profile) -> bool:
    """Return whether Sent, though not tiny, was written neither as a configured address nor at one of their domains."""
    if not identity.addresses or profile.messages < MIN_HABIT:
        return False
    domains = {domain_of(address) for address in identity.addresses}
    addresses = {untagged_key(address) for address in identity.addresses}
    written_as = {untagged_key(address) for address in profile.addresses}
    return not written_as & addresses and not any(domain_of(address) in domains for address in written_as)


def _marks(*known: Hosts) -> tuple[str, ...]:
    if any(hosts.networks for hosts in known):
        return ()  # no text of a line shows that its address is in a network
    if any(address.version == 6 for hosts in known for address in hosts.addresses):
        return ()  # an IPv6 address has many spellings
    texts = [str(a) for hosts in known for a in hosts.addresses] + [n for hosts in known for n in hosts.names]
    return tuple(sorted(texts))
