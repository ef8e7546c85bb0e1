"""Hosts, addresses and organisations: what belongs together, what is public, what is the owner's or shared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from publicsuffixlist import PublicSuffixList

from cleanup.detector.addresses import domain_key
from cleanup.detector.providers import is_provider, organisation_of_name, providers

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not `is_private`: that calls the documentation networks private, which examples and demonstrations live in.
_PRIVATE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/127",
    "fc00::/7",
    "fe80::/10",
)
_OCTET = r"(0|[1-9][0-9]{0,2})"
_RULE = re.compile(r"^(?!//)\S+", re.MULTILINE)  # what follows a space is no part of it
_DOTTED = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}(?:%.*)?")


@lru_cache(maxsize=1)
def _rules_by_top() -> dict[str, list[str]]:
    """Return the rules of the list of public suffixes by their last label; those in other scripts as they stand."""
    rules = defaultdict[str, list[str]](list)
    whole = (files("publicsuffixlist") / "public_suffix_list.dat").read_text(encoding="utf-8")
    for rule in _RULE.findall(whole.lower()):
        rules[rule.rpartition(".")[2]].append(rule)
    return dict(rules)


@lru_cache(maxsize=2_048)
def _suffixes(top: str) -> PublicSuffixList:
    """Return the public suffixes below a top-level domain: no other line of the list decides about a name there.

    Reading all ten thousand takes half as long as importing imapclient. "" stands for a name in another script, which
    is compared with every line in both its spellings.
    """
    return PublicSuffixList(_rules_by_top().get(top, ())) if top else PublicSuffixList()


@lru_cache(maxsize=65_536)
def organisation(host: str) -> str:
    """Return the registrable domain of a host name (public suffix list), with companies of several names joined.

    "" for addresses, single labels, and names of the own machine.
    """
    name = domain_key(host)
    if "." not in name or read_address(name) is not None:
        return ""
    top = name.rpartition(".")[2]
    is_plain = top.isascii() and not top.startswith("xn--")
    domain = _suffixes(top if is_plain else "").privatesuffix(name) or name
    return organisation_of_name().get(domain, domain)


@lru_cache(maxsize=65_536)
def read_address(text: str) -> Address | None:
    """Return an IP address, IPv4-mapped ones as IPv4; None for anything else. "IPv6:" and zones are dropped."""
    plain = text.strip().strip("[]")
    if not plain or plain[-1] == ".":
        return None
    if plain[:5].lower() == "ipv6:":  # RFC 5321 section 4.1.3
        plain = plain[5:]
    if ":" not in plain:
        # At a quarter of what ip_address() takes, for most texts asked about are host names.
        parts = _DOTTED.fullmatch(plain)
        if parts is None:
            return None
        a, b, c, d = map(int, parts.groups())
        return IPv4Address(a << 24 | b << 16 | c << 8 | d) if max(a, b, c, d) < 256 else None
    try:
        address = ip_address(plain.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_public(address: Address) -> bool:
    """Return whether an address is routed on the Internet; documentation networks count as routed."""
    return not any(address in network for _, network in _PRIVATE_NETWORKS.get(_first_part(address), ()))


@dataclass(frozen=True, slots=True)
class Hosts:
    """A set of hosts: exact names, names with everything below, addresses and networks."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    addresses: frozenset[Address] = frozenset()

    @classmethod
    def read(cls, entries: Iterable[str]) -> Hosts:
        """Return the hosts that these names, addresses and CIDR networks mean; what is none of them is a name."""
        names, networks, addresses = set(), [], set()
        for entry in entries:
            if address := read_address(entry):
                addresses.add(address)
                continue
            try:
                if "/" in entry:
                    networks.append(ip_network(entry.strip(), strict=False))
                    continue
            except ValueError:
                pass
            names.add(domain_key(entry.removeprefix("*.").removeprefix(".")))
        return cls(frozenset(names), tuple(networks), frozenset(addresses))

    def __bool__(self) -> bool:
        return bool(self.names or self.networks or self.addresses)

    def has_address(self, address: Address | None) -> bool:
        """Return whether the address is one of these hosts'."""
        if address is None:
            return False
        if self.addresses and address in self.addresses:
            return True
        return bool(self.networks) and any(
            address.version == network.version and address in network for network in self.networks
        )

    def has_name(self, name: str | None) -> bool:
        """Return whether the name is one of these hosts', or stands below one of them."""
        if not name or not self.names:
            return False
        labels = domain_key(name).split(".")  # "mx1.mail.example.org" stands below "mail.example.org"; "org" is no host
        return any(".".join(labels[i:]) in self.names for i in range(len(labels) - 1))

    def knows_addresses(self, version: int) -> bool:
        """Return whether addresses of this IP version are among what is known."""
        return any(a.version == version for a in self.addresses) or any(n.version == version for n in self.networks)


@lru_cache(maxsize=65_536)
def shared_provider(name: str | None, address: Address | None) -> str:
    """Return the organisation of the provider that a verified name or an address belongs to; "" for none.

    Addresses are those of the superset that spares, not only the published ones.
    """
    domain = organisation(name) if name else ""
    if is_provider(domain):
        return domain
    # By its address, too: Microsoft sends from hosts that its own list leaves out (Microsoft Q&A 5815332).
    for provider, network in _provider_networks().get(_first_part(address), ()) if address is not None else ():
        if address in network:
            return provider
    return ""


@lru_cache(maxsize=65_536)
def neighbourhood(address: Address) -> Network:
    """Return the network that one customer of a hoster commonly has: a /24, of IPv6 a /48.

    In the networks set aside for documentation (RFC 5737, RFC 3849) each address stands for a network of its own: all
    the hosts of an example have to live in three of them.
    """
    if any(address in network for _, network in _EXAMPLES.get(_first_part(address), ())):
        return ip_network(address)
    return ip_network((address, 24 if address.version == 4 else 48), strict=False)


def _first_part(address: Address) -> tuple[int, int]:
    """Return (version, first octet or first 16 bits), by which provider networks are kept."""
    return address.version, int(address) >> (24 if address.version == 4 else 112)


def _by_first_part(known: Iterable[tuple[str, Iterable[str]]]) -> dict[tuple[int, int], list[tuple[str, Network]]]:
    """Return named networks under each first part that they reach into."""
    table: dict[tuple[int, int], list[tuple[str, Network]]] = {}
    for name, texts in known:
        for network in map(ip_network, texts):
            version, first = _first_part(network.network_address)
            _, last = _first_part(network.broadcast_address)
            for part in range(first, last + 1):
                table.setdefault((version, part), []).append((name, network))
    return table


@lru_cache(maxsize=1)
def _provider_networks() -> dict[tuple[int, int], list[tuple[str, Network]]]:
    """Return the networks that spare, by their first part."""
    return _by_first_part((name, provider.spares) for name, provider in providers().items())


_EXAMPLES = _by_first_part([("documentation", ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))])
_PRIVATE_NETWORKS = _by_first_part([("private", _PRIVATE)])
