"""What SPF says of the hosts that mail in the owner's name came from (RFC 7208): the questions, and what answers mean.

A domain's record is its owner's own word on who may send for it. Here it is worked out what to ask (pairs of a domain
of the owner's and the address at a trusted hop) and what an answer is worth for one notice; dns/spf.py asks. An answer
is PASS, FAIL or SILENCE; whatever is missing, doubtful or too wide is SILENCE, so that DNS can only ever add what
somebody published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import Address, Network, is_public, organisation
from cleanup.detector.owner import Owner, know_owner
from cleanup.detector.path import for_returned
from cleanup.detector.providers import is_provider
from cleanup.detector.sent import Profile
from cleanup.model import Identity, Notice, Returned

JUDGES_FOR = timedelta(
    days=90
)  # DNS has no history: a record of today accuses mail of so long ago; it spares older mail
MOST_DOMAINS = 8  # of the owner's that are asked about in one run
HOST_MECHANISMS = frozenset({"ip4", "ip6", "a", "mx"})  # they name hosts; an include names whoever the other side names


class SpfResult(StrEnum):
    """What a record says of an address. Softfail (`~all`) counts as FAIL: both say "no others"."""

    PASS = "pass"  # noqa: S105 - the word of RFC 7208
    FAIL = "fail"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class SpfWord:
    """What the record of one of the owner's domains says of one address.

    `why` is set with SILENCE: plain words, for a sentence. The rest is set with PASS: the domain whose record names the
    address (`named_by`; the owner's, or one that the record includes), by which mechanism, the network that matched
    (None for `exists`), and the host name that `a` or `mx` led to.
    """

    domain: str
    address: Address
    result: SpfResult
    why: str = ""
    named_by: str = ""
    mechanism: str = ""
    network: Network | None = None
    target: str = ""

    @property
    def is_own_host(self) -> bool:
        """Whether the owner's own record names the host itself, rather than a provider that strangers use, too.

        A web server named by `a` may still be shared with other customers of the hoster.
        """
        named = self.result is SpfResult.PASS and self.mechanism in HOST_MECHANISMS
        return named and names_own_host(self.domain, self.named_by, self.target)

    @property
    def shared_by(self) -> str:
        """The organisation whose other customers can pass, too; "" where the owner's own record names the host."""
        if self.result is not SpfResult.PASS or self.is_own_host:
            return ""
        names, home = (organisation(self.named_by), organisation(self.target)), organisation(self.domain)
        return next((name for name in names if name and name != home), home)


def names_own_host(domain: str, named_by: str, target: str) -> bool:
    """Return whether a mechanism in the record of `named_by`, leading to `target` ("" for networks), is a domain's own.

    An include of another organisation is not, nor the incoming servers of a provider (`mx`), nor anything in the record
    of a provider whose domain the owner only has an address at.
    """
    home = organisation(domain)
    theirs = {organisation(named_by), *([organisation(target)] if target else [])}
    return theirs == {home} and not is_provider(home)


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """What is known of the record of one of the owner's domains, whichever address is asked about.

    `why` says in plain words why it accuses nobody; "" where it does. `own_networks` are named by the record itself
    (`ip4`, `ip6`, `a`, `mx`); `included` are the organisations that it includes, whose other customers can pass, too.
    """

    domain: str
    why: str = ""
    own_networks: tuple[Network, ...] = ()
    included: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SpfAnswers:
    """What was found out in one run. Where nothing was asked, everything is SILENCE."""

    asked_at: datetime | None = None
    records: Mapping[str, SpfRecord] = field(default_factory=dict)  # by domain
    words: Mapping[tuple[str, Address], SpfWord] = field(default_factory=dict)

    def word(self, domain: str, address: Address, arrived: datetime | None) -> SpfWord:
        """Return what a domain's record says of an address, as far as it holds for what arrived then.

        The record of today accuses mail of the last 90 days only (JUDGES_FOR), and nothing that arrived after it was
        asked for; it spares mail of any age.
        """
        word = self.words.get((domain, address))
        if word is None:
            return SpfWord(domain, address, SpfResult.SILENCE, why="it was not asked")
        if word.result is not SpfResult.FAIL or self._judges(arrived):
            return word
        return SpfWord(domain, address, SpfResult.SILENCE, why="the record of today does not judge mail of that time")

    def of(
        self, notice: Notice, returned: Returned, address: Address | None, arrived: datetime | None, owner: Owner
    ) -> SpfWord | None:
        """Return what the owner's domains, in whose name a message was sent, say of the address that it came from.

        A message may name one domain in From and be returned to another. If one of them names the host, that counts; it
        is refused only where each of them refuses it. None where there is nothing to be asked about.
        """
        if address is None:
            return None
        named = {domain_of(a): a for a in _senders(notice, returned)}
        ours = {d for d, a in named.items() if d in self.records or owner.is_own_domain(a) or owner.is_own_address(a)}
        words = [self.word(domain, address, arrived) for domain in sorted(ours)]
        for result in (SpfResult.PASS, SpfResult.SILENCE, SpfResult.FAIL):
            if found := next((word for word in words if word.result is result), None):
                return found
        return None

    def _judges(self, arrived: datetime | None) -> bool:
        if arrived is None or self.asked_at is None:
            return False
        return self.asked_at - JUDGES_FOR <= arrived <= self.asked_at


@dataclass(frozen=True, slots=True)
class SpfQuestions:
    """What to ask: by domain the addresses, those first that most notices show. `newest` is the latest arrival."""

    addresses: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    newest: datetime | None = None


def sent_as(notice: Notice, returned: Returned) -> frozenset[str]:
    """Return the domains in whose name a message was sent: of its From, and of whom it was returned to (RFC 5321)."""
    return frozenset(domain for address in _senders(notice, returned) if (domain := domain_of(address)))


def _senders(notice: Notice, returned: Returned) -> Iterable[str]:
    return (address for address in (returned.from_address, *notice.addressed_to) if address)


def domains_to_ask(owner: Owner, identity: Identity, profile: Profile) -> tuple[str, ...]:
    """Return the owner's mail domains, the configured ones first, then those that Sent uses most; a few.

    A provider's domain is among them where the owner has an address there: gmail.com is then the owner's mail domain.
    """
    configured = Counter(domain_of(address) for address in identity.addresses)
    used = Counter[str]()
    for address, times in profile.addresses.items():
        used[domain_of(address)] += times
    domains = {domain for address in owner.addresses if (domain := domain_of(address))}
    return tuple(sorted(domains, key=lambda d: (d not in configured, -used[d], d))[:MOST_DOMAINS])


def spf_questions(
    cases: Iterable[tuple[Notice, datetime | None]],
    identity: Identity,
    profile: Profile,
    *,
    more: Iterable[tuple[str, Address]] = (),
) -> SpfQuestions:
    """Return what SPF is to be asked for these notices, each with its arrival.

    Asked are the owner's domains that something was returned for, about the addresses at trusted hops (path.py). `more`
    are further pairs of a domain and an address, for instance of own mail that came back; domains that are not the
    owner's are left out.
    """
    owner = know_owner(identity, profile)
    domains = domains_to_ask(owner, identity, profile)
    seen: dict[str, Counter[Address]] = {domain: Counter() for domain in domains}
    newest: datetime | None = None
    for notice, arrived in cases:
        if arrived is not None and (newest is None or arrived > newest):
            newest = arrived
        for returned in notice.returned:
            concerned = [domain for domain in sent_as(notice, returned) if domain in seen]
            hop = for_returned(notice, returned, owner).hop if concerned else None
            if hop is not None and hop.address is not None and is_public(hop.address):
                for domain in concerned:
                    seen[domain][hop.address] += 1
    for domain, address in more:
        if domain in seen:
            seen[domain][address] += 1
    ordered = {
        domain: sorted(counted, key=lambda a: (-counted[a], a.version, int(a))) for domain, counted in seen.items()
    }
    return SpfQuestions({domain: tuple(addresses) for domain, addresses in ordered.items() if addresses}, newest)
