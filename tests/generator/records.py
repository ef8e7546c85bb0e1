"""What SPF records that a test holds as values say of an address: enough of RFC 7208 for usual records."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

_ANSWERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


def spf(records: Mapping[str, str], domain: str, address: str) -> str:
    """Return pass, fail, softfail or neutral; "none" where the domain has no record. `records` are by "TYPE name"."""
    record = records.get(f"TXT {domain}")
    if record is None:
        return "none"
    redirect = ""
    for term in record.split()[1:]:
        sign, mechanism = (term[0], term[1:]) if term[0] in _ANSWERS else ("+", term)
        if mechanism.startswith("redirect="):
            redirect = mechanism.removeprefix("redirect=")
        elif _matches(records, domain, mechanism, address):
            return _ANSWERS[sign]
    return spf(records, redirect, address) if redirect else "neutral"


def _matches(records: Mapping[str, str], domain: str, mechanism: str, address: str) -> bool:
    kind, _, value = mechanism.partition(":")
    if kind == "all":
        return True
    if kind == "include":
        return spf(records, value, address) == "pass"
    if kind in ("ip4", "ip6"):
        network = ip_network(value, strict=False)
        found = ip_address(address)
        return found.version == network.version and found in network
    host = value or domain
    host = records.get(f"MX {host}", host) if kind == "mx" else host
    return records.get(f"A {host}") == address
