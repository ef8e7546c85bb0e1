"""What judging would like to know from DNS: names only, worked out from notices and the owner's own domains.

Never a name or an address that a mail merely mentions: keys of the owner's own domains, and the one public address that
handed a notice to the owner's own server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import Address, organisation
from cleanup.detector.path import MOST_LINES
from cleanup.detector.received import read_received
from cleanup.detector.signatures import key_names
from cleanup.model import Identity, Kind, Notice

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+")


def keys_wanted(notices: Iterable[Notice], identity: Identity) -> frozenset[str]:
    """Return the names of the DKIM keys of the owner's own domains that returned messages were signed with."""
    own = {organisation(domain_of(address)) for address in identity.addresses} | {*identity.dkim_domains}
    signed = (returned.raw for notice in notices for returned in notice.returned if returned.raw is not None)
    names = {name for raw in signed if b"dkim-signature" in raw[:65_536].lower() for name in key_names(raw)}
    return frozenset(
        n for n in names if organisation(n.partition("._domainkey.")[2]) in own and _HOST_NAME.fullmatch(n)
    )


def blocklist_names(notices: Iterable[Notice], zone: str) -> frozenset[str]:
    """Return what a blocklist in Safe mode is asked: of bounces only, the public host that handed each over."""
    addresses = (taken_from(notice.received) for notice in notices if notice.kind is Kind.NDR)
    return frozenset(blocklist_name(address, zone) for address in addresses if address is not None)


def taken_from(received: tuple[str, ...]) -> Address | None:
    """Return the public address from which the owner's own side took a notice; None where no line shows one."""
    for line in received[:MOST_LINES]:
        hop = read_received(line)
        if not hop.handed_over_inside:
            return hop.address
    return None


def blocklist_name(address: Address, zone: str) -> str:
    """Return the name under which a DNS blocklist lists an address (RFC 5782 section 2)."""
    return f"{address.reverse_pointer.rsplit('.', 2)[0]}.{zone}"
