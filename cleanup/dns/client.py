"""Asks name servers: bounded in number and time, several at once; what goes wrong is an answer left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

import dns.exception
import dns.resolver

from cleanup.dns.network import Network

MOST_QUESTIONS = 500
AT_ONCE = 8
LONGEST_TEXT = 4096
LISTED = ip_network("127.0.0.0/8")

Question = Callable[[dns.resolver.Resolver, str], str | None]


def text_records(names: Iterable[str], network: Network) -> dict[str, str]:
    """Return the TXT records that can be DKIM keys, by name."""
    return _ask(names, network, _text_record)


def listed_hosts(names: frozenset[str], zone: str, network: Network) -> dict[str, str]:
    """Return which names are listed. A zone that lists 127.0.0.1, or not 127.0.0.2, is broken (RFC 5782 section 5)."""
    if not names:
        return {}
    never, always = f"1.0.0.127.{zone}", f"2.0.0.127.{zone}"
    test = _ask((never, always), network, _address_record)
    return _ask(names, network, _address_record) if always in test and never not in test else {}


def _ask(names: Iterable[str], network: Network, one: Question) -> dict[str, str]:
    """Return the answers by name; what is not answered in time is left out."""
    wanted = sorted(names)[:MOST_QUESTIONS]
    if not wanted:
        return {}
    resolver = resolver_for(network)
    if resolver is None:
        return {}
    end = time.monotonic() + network.budget_s

    def ask_one(name: str) -> str | None:
        return one(resolver, name) if time.monotonic() < end else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(wanted, pool.map(ask_one, wanted), strict=True))
    return {name: answer for name, answer in answers.items() if answer is not None}


def resolver_for(network: Network) -> dns.resolver.Resolver | None:
    """Return a resolver for the name servers of the settings, or the system's; None where there are none."""
    try:
        resolver = dns.resolver.Resolver(configure=not network.nameservers)
    except dns.exception.DNSException:  # no usable resolv.conf
        return None
    if network.nameservers:
        resolver.nameservers = list(network.nameservers)
        resolver.port = network.port
    resolver.lifetime = network.timeout_s
    resolver.search = []  # never ask for a name with somebody else's domain appended
    return resolver


def _text_record(resolver: dns.resolver.Resolver, name: str) -> str | None:
    """Return the first TXT record that can be a key (RFC 6376 section 3.6.2.2)."""
    try:
        answer = resolver.resolve(name, "TXT", search=False)
    except (dns.exception.DNSException, OSError, UnicodeError, ValueError):
        return None
    texts = (b"".join(record.strings)[:LONGEST_TEXT].decode("ascii", "ignore") for record in answer)
    return next((text for text in texts if "p=" in text), None)


def _address_record(resolver: dns.resolver.Resolver, name: str) -> str | None:
    """Return the first address that stands for a listing (RFC 5782 section 2.1: inside 127.0.0.0/8)."""
    try:
        answer = resolver.resolve(name, "A", search=False)
    except (dns.exception.DNSException, OSError, UnicodeError, ValueError):
        return None
    return next((record.address for record in answer if ip_address(record.address) in LISTED), None)
