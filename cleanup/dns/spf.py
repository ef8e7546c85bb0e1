"""Asks what the SPF records of the owner's domains say of addresses (RFC 7208); detector/spf.py says what it is worth.

The library (pyspf) evaluates; it asks through `_Lookups`, which is bounded in number and time and asks nothing twice.
First each record is surveyed: evaluated as if no network held the address, which shows all networks that it names. Then
one address of each stretch between their borders is evaluated, so that ten thousand addresses cost some dozens of
evaluations; each one by itself only where the record asks for the address (`exists:%{i}...`).
"""

from __future__ import annotations

import threading
import time
import warnings
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses, ip_network
from typing import Any, NamedTuple

import dns.exception
import dns.resolver

from cleanup.detector.networks import Address, is_public, organisation, read_address
from cleanup.detector.networks import Network as Networks
from cleanup.detector.providers import is_provider
from cleanup.detector.spf import (
    SpfAnswers,
    SpfQuestions,
    SpfRecord,
    SpfResult,
    SpfWord,
    names_own_host,
)
from cleanup.dns.client import AT_ONCE, LONGEST_TEXT, resolver_for
from cleanup.dns.network import Network
from cleanup.model import DNS_KEPT_FOR, DnsLookup

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)  # an escape in a docstring of its: said by Python 3.12 and later
    import spf

MOST_TIMEOUTS = 3  # one after the other: then the name server is taken for dead
MOST_RECORDS = 100  # in one answer
WIDEST = 2**24  # addresses that a record may name, as many as a /8 holds; of IPv6 so many /48, which one site is given
_RESERVED = frozenset({"test", "example", "invalid", "localhost", "local", "internal"})  # RFC 2606, 6761, 6762
_EXAMPLES = (".example.com", ".example.net", ".example.org")
_UNTOLD = "untold0word"  # stands for what a record may ask for and nobody knows: sender, HELO, name of the host
_ADDRESS = "untold0address"  # stands for the address while a record is surveyed


def ask_spf(
    questions: SpfQuestions, network: Network, now: datetime, kept: Iterable[DnsLookup] = ()
) -> tuple[SpfAnswers, tuple[DnsLookup, ...]]:
    """Return what the records say, and the look-ups that were made for it.

    What is not answered in time, or too much to ask, is SILENCE. `kept` are earlier look-ups. They are used for a day,
    and only where nothing has arrived since: whoever adds a host to the record and sends by it a minute later must not
    be accused on the word of this morning.
    """
    oldest = max(now - DNS_KEPT_FOR, min(questions.newest or now, now))
    lookups = _Lookups(network, now, [lookup for lookup in kept if oldest <= lookup.at <= now])
    records: dict[str, SpfRecord] = {}
    words: dict[tuple[str, Address], SpfWord] = {}
    for domain, addresses in questions.addresses.items():
        reserved = domain.rpartition(".")[2] in _RESERVED or f".{domain}".endswith(_EXAMPLES)
        if reserved and not network.nameservers:  # public DNS knows nothing of it
            continue
        versions = {4, *(address.version for address in addresses)}
        surveys: Mapping[int, _Survey] = {version: _survey(domain, version, lookups) for version in sorted(versions)}
        records[domain] = _record(domain, surveys.values())
        words |= {(domain, word.address): word for word in _words(domain, addresses, surveys, lookups)}
    return SpfAnswers(lookups.oldest, records, words), tuple(lookups.made)


# --- asking ---------------------------------------------------------------------------------------------------------


class _Lookups:
    """What was asked of DNS, once each. Not answered is None: then, and for ever after in this run."""

    def __init__(self, network: Network, now: datetime, kept: Iterable[DnsLookup]) -> None:
        self._known: dict[tuple[str, str], tuple[str, ...] | None] = {}
        self._kept = {(lookup.name, lookup.kind): lookup for lookup in kept}
        self._resolver = resolver_for(network)
        self._timeout_s = network.timeout_s
        self._left = network.most_spf_questions
        self._ends = time.monotonic() + network.budget_s
        self._timeouts = 0
        self._now = now
        self._lock = threading.Lock()
        self.made: list[DnsLookup] = []
        self.oldest = now  # of the answers that were used

    @property
    def exhausted(self) -> bool:
        """Whether nothing more may be asked."""
        dead = self._timeouts >= MOST_TIMEOUTS or self._resolver is None
        return dead or self._left <= 0 or time.monotonic() >= self._ends

    def __call__(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return the records of a lower-cased name; empty where there are none, None where it is not answered."""
        key = (name, kind)
        with self._lock:
            if key in self._known:
                return self._known[key]
            if key in self._kept:
                self.oldest = min(self.oldest, self._kept[key].at)
                self._known[key] = self._kept[key].values
                return self._known[key]
            if self.exhausted:
                return None
            self._left -= 1
        values = self._ask(name, kind)
        with self._lock:
            self._known[key] = values
            if values is not None:
                self.made.append(DnsLookup(name, kind, values, self._now))
        return values

    def _ask(self, name: str, kind: str) -> tuple[str, ...] | None:
        assert self._resolver is not None
        lifetime = min(self._timeout_s, self._ends - time.monotonic())
        if lifetime <= 0:
            return None
        try:
            answer = self._resolver.resolve(name, kind, search=False, lifetime=lifetime)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            self._timeouts = 0
            return ()
        except dns.exception.Timeout:
            self._timeouts += 1
            return None
        except (dns.exception.DNSException, OSError, UnicodeError, ValueError):
            return None
        self._timeouts = 0
        return _values(answer, kind)


def _values(answer: dns.resolver.Answer, kind: str) -> tuple[str, ...] | None:
    """Return the records as texts; of TXT only SPF records, or one empty text; None for more than is sensible."""
    records = list(answer)
    if len(records) > MOST_RECORDS:
        return None
    if kind != "TXT":
        return tuple(sorted(record.to_text() for record in records))
    texts = [b"".join(record.strings).decode("latin-1") for record in records]
    found = sorted(text for text in texts if text[:6].lower() == "v=spf1")
    if any(len(text) > LONGEST_TEXT for text in found):
        return None
    return tuple(found) or ("",)


# --- evaluating -----------------------------------------------------------------------------------------------------


class _Match(NamedTuple):
    """Where an evaluation stopped at a host or a network."""

    named_by: str
    mechanism: str
    network: Networks | None
    target: str


class _Evaluation(spf.query):  # type: ignore[misc] # the library has no types
    """One evaluation of a domain's record by the library, with everything that leads outside replaced.

    `address` None surveys the record: no network holds the address, and what is asked about it itself is not there.
    """

    def __init__(self, domain: str, version: int, address: Address | None, lookups: _Lookups) -> None:
        stand_in = address or ("192.0.2.1" if version == 4 else "2001:db8::1")
        super().__init__(i=str(stand_in), s=f"{_UNTOLD}@{domain}", h=_UNTOLD)
        self._lookups = lookups
        self._address = address
        self._home = domain
        self._looked_up: list[str] = []  # what the latest `a`, `mx` or `exists` found
        self._led_by = ""
        self._host_of: dict[str, str] = {}
        self.match: _Match | None = None
        self.networks: list[_Match] = []
        self.included: set[str] = set()
        self.asks_for_the_address = False
        self.unlikely = ""  # why the answers look like those of a name server that sees another Internet
        self.p = _UNTOLD
        if address is None:
            self.i = _ADDRESS

    def result(self) -> tuple[str, str]:
        """Return what the library says ("pass", "softfail", ...), and why."""
        try:
            result, _, why = self.check()
        except Exception as error:  # records are written by anybody, and the library is not hardened against them
            return "permerror", f"it cannot be read ({type(error).__name__})"
        return result, why

    # --- what the library calls

    def dns(self, name: str, qtype: str, cnames: Any = None, ignore_void: bool = False) -> list[Any]:  # noqa: ARG002
        plain = str(name).rstrip(".").lower()
        if _UNTOLD in plain:
            raise spf.TempError("its answer depends on more than the address")
        if _ADDRESS in plain:
            self.asks_for_the_address = True
            return []
        if "%" in plain or "{" in plain:
            raise spf.PermError("a macro is not closed")  # the library takes it for a name
        if not all(0 < len(label) < 64 for label in plain.split(".")) or len(plain) > 253:
            return []
        values = self._lookups(plain, qtype)
        if values is None:
            raise spf.TempError("it was not answered")
        if not values and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many of its names do not exist")
        return [_for_the_library(value, qtype) for value in values]

    def dns_spf(self, domain: str) -> str | None:
        if _ADDRESS in domain:
            self.asks_for_the_address = True
            return "v=spf1 -all"
        there = organisation(domain)
        if there and (there != organisation(self._home) or is_provider(there)) and domain != self._home:
            self.included.add(there)
        found: str | None = super().dns_spf(domain)
        return found

    def dns_a(self, domainname: str, A: str = "A") -> list[str]:  # noqa: N803 - the library's name
        self._looked_up = super().dns_a(domainname, A)
        self._led_by = "a"
        self._host_of.update(dict.fromkeys(self._looked_up, str(domainname).rstrip(".").lower()))
        self.match = _Match(self.d, "exists", None, "") if self._looked_up else None  # unless cidrmatch() follows
        return self._looked_up

    def dns_mx(self, domainname: str) -> list[str]:
        self._looked_up = super().dns_mx(domainname)
        self._led_by = "mx"
        return self._looked_up

    def cidrmatch(self, ipaddrs: Sequence[str], n: int) -> bool:
        led_by = self._led_by if ipaddrs is self._looked_up else ""
        if led_by:
            self.unlikely = self.unlikely or self._why_unlikely(ipaddrs)
        self.match = None
        for text in ipaddrs:
            network = _network(text, n)
            found = _Match(
                self.d, led_by or f"ip{network.version}", network, self._host_of.get(text, "") if led_by else ""
            )
            self.networks.append(found)
            if self._address is not None and self._address in network:
                self.match = found
                return True
        return False

    def validated_ptrs(self) -> list[str]:
        raise spf.TempError("it asks for the host's own name (ptr), which is not looked up")

    def get_explanation(self, spec: str) -> None:  # noqa: ARG002
        return None

    def _why_unlikely(self, found: Sequence[str]) -> str:
        """Return why a host that is named may have another address outside: companies have inner name servers."""
        if any((address := read_address(text)) is None or not is_public(address) for text in found):
            return "this name server shows inner addresses for a host that it names"
        if found:
            return ""
        return "a host that it names is not found here" if self.A == "A" else ""


def _for_the_library(value: str, kind: str) -> Any:
    """Return a record as the library takes it: texts as strings of bytes, MX as (preference, name)."""
    if kind == "TXT":
        return (value.encode("latin-1"),)
    if kind == "MX":
        preference, _, host = value.partition(" ")
        return int(preference), host.rstrip(".")
    return value


@lru_cache(maxsize=4_096)
def _network(address: str, length: int) -> Networks:
    return ip_network(f"{address}/{length}", strict=False)


# --- one domain -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a record holds for addresses of one IP version.

    `borders` are where its networks begin and end: between two of them it does not tell addresses apart, unless it
    `asks_for_the_address` itself.
    """

    why_nothing: str = ""  # why it says nothing of any address
    why_no_stranger: str = ""  # why it does not say that others may not send
    unlikely: str = ""
    asks_for_the_address: bool = False
    networks: frozenset[_Match] = frozenset()
    included: frozenset[str] = frozenset()
    borders: frozenset[int] = frozenset()


def _survey(domain: str, version: int, lookups: _Lookups) -> _Survey:
    evaluation = _Evaluation(domain, version, None, lookups)
    said, detail = evaluation.result()
    networks = frozenset(evaluation.networks)
    named = {match.network for match in networks if match.network is not None}
    result, why = _reading(said, detail)
    return _Survey(
        why if said == "pass" else "it names more addresses than anybody has" if _size(named) > WIDEST else "",
        "" if result is SpfResult.FAIL else why,
        evaluation.unlikely,
        evaluation.asks_for_the_address,
        networks,
        frozenset(evaluation.included),
        frozenset(_borders(networks)),
    )


def _reading(said: str, detail: str = "") -> tuple[SpfResult, str]:
    """Return the result for an address that no mechanism named, and the reason where it is SILENCE."""
    if said in ("fail", "softfail"):
        return SpfResult.FAIL, ""
    silent = {
        "pass": "it lets everybody send (+all)",
        "neutral": "it does not say that others may not send (?all)",
        "none": "there is no SPF record",
    }
    shown = "".join(character for character in detail.partition(": ")[2][:100] if character.isprintable())
    if said == "temperror":
        return SpfResult.SILENCE, shown
    return SpfResult.SILENCE, silent.get(said) or ("it is not valid" + (f": {shown}" if shown else ""))


def _size(networks: Iterable[Networks]) -> int:
    """Return how many addresses networks of one version hold; of IPv6 how many /48, at least one each."""
    apart: Iterable[Networks] = collapse_addresses(networks)  # type: ignore[type-var] # of one version
    return sum(
        network.num_addresses if isinstance(network, IPv4Network) else 2 ** max(48 - network.prefixlen, 0)
        for network in apart
    )


def _record(domain: str, surveys: Iterable[_Survey]) -> SpfRecord:
    surveys = list(surveys)
    own = {m.network for s in surveys for m in s.networks if m.network and names_own_host(domain, m.named_by, m.target)}
    return SpfRecord(
        domain,
        why=next((why for s in surveys if (why := s.why_nothing or s.why_no_stranger or s.unlikely)), ""),
        own_networks=tuple(sorted(own, key=lambda n: (n.version, int(n.network_address), n.prefixlen))),
        included=frozenset(name for s in surveys for name in s.included),
    )


def _words(
    domain: str, addresses: Sequence[Address], surveys: Mapping[int, _Survey], lookups: _Lookups
) -> Iterable[SpfWord]:
    """Yield a word for each address. One of each stretch that the record does not tell apart is evaluated.

    An evaluation may meet networks that the survey did not reach (one that broke off at an error): then the stretches
    get shorter, and what is new among them is evaluated, until nothing is.
    """
    unlikely = next((survey.unlikely for survey in surveys.values() if survey.unlikely), "")
    borders = {version: set(survey.borders) for version, survey in surveys.items()}
    evaluated: dict[Address, SpfWord] = {}

    def evaluate(address: Address) -> set[int]:
        word, networks = _evaluated(domain, address, surveys[address.version], lookups)
        refused = word.result is SpfResult.FAIL
        evaluated[address] = _silent(word, unlikely) if unlikely and refused else word
        return _borders(networks)

    while True:
        stretches = _stretches(addresses, surveys, {version: sorted(found) for version, found in borders.items()})
        new = [same[0] for same in stretches if same[0] not in evaluated]
        if not new:
            break
        several = any(survey.asks_for_the_address for survey in surveys.values())  # one question each
        with ThreadPoolExecutor(AT_ONCE if several else 1) as pool:
            for address, met in zip(new, pool.map(evaluate, new), strict=True):
                borders[address.version] |= met
    return (replace(evaluated[same[0]], address=address) for same in stretches for address in same)


def _stretches(
    addresses: Sequence[Address], surveys: Mapping[int, _Survey], borders: Mapping[int, Sequence[int]]
) -> list[list[Address]]:
    """Return the addresses, those together that lie between the same borders; each alone where it is asked for."""
    together: dict[Hashable, list[Address]] = {}
    for address in addresses:
        stretch = (address.version, bisect_right(borders[address.version], int(address)))
        alone = surveys[address.version].asks_for_the_address
        together.setdefault(address if alone else stretch, []).append(address)
    return list(together.values())


def _borders(networks: Iterable[_Match]) -> set[int]:
    """Return the addresses at which these networks begin, and those behind their ends."""
    named = [match.network for match in networks if match.network is not None]
    return {int(n.network_address) for n in named} | {int(n.broadcast_address) + 1 for n in named}


def _evaluated(domain: str, address: Address, survey: _Survey, lookups: _Lookups) -> tuple[SpfWord, Iterable[_Match]]:
    """Return what the record says of an address, and the networks that decided it."""
    silence = SpfWord(domain, address, SpfResult.SILENCE)
    if survey.why_nothing:
        return _silent(silence, survey.why_nothing), ()
    if (
        survey.asks_for_the_address
        and lookups.exhausted
        and not any(match.network is not None and address in match.network for match in survey.networks)
    ):
        return _silent(silence, "too much would have to be asked"), ()
    evaluation = _Evaluation(domain, address.version, address, lookups)
    said, detail = evaluation.result()
    result, why = _reading(said, detail)
    if said != "pass" or evaluation.match is None:
        return SpfWord(domain, address, result, why=why), evaluation.networks
    named_by, mechanism, network, target = evaluation.match
    return SpfWord(domain, address, SpfResult.PASS, "", named_by, mechanism, network, target), evaluation.networks


def _silent(word: SpfWord, why: str) -> SpfWord:
    return SpfWord(word.domain, word.address, SpfResult.SILENCE, why=why)
