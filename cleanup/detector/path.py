"""The way a returned message came, walked from the top down to the trusted hop.

The top lines were written by hosts that the notice can be tied to, so they are believed; what stands below the first
address outside was handed over by a stranger, who can write what he likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.owner import Owner
from cleanup.detector.received import Hop, read_received
from cleanup.model import Notice, Returned

MOST_LINES = 60


class Path(NamedTuple):
    """Where the trusted part of the way ends.

    `hop` is the first hand-over from an address outside, None where there is none to be trusted. `certain` is False
    where a stranger's HELO had to be believed to get there. `submitted`: the owner's own server took the message from
    inside or from someone who logged in. `untied`: the topmost public hand-over, where no line could be tied at all.
    """

    hop: Hop | None = None
    certain: bool = True
    submitted: bool = False
    untied: Hop | None = None
    below: tuple[str, ...] = ()
    at_own_server: bool = False  # the trusted hop was a hand-over to the owner's own server


def named_organisations(notice: Notice) -> frozenset[str]:
    """Return the organisations that a notice names: of its reporting MTA, failed recipients and sender."""
    addresses = [notice.sender, *[a for r in notice.recipients for a in (r.address, r.original)]]
    named = {organisation(domain_of(address)) for address in addresses if address}
    return frozenset(named | {organisation(notice.reporting_mta or "")}) - {""}


def handing_over(notice: Notice, owner: Owner) -> frozenset[str]:
    """Return the organisation of the host that handed the notice to the owner's side; empty where none is shown.

    Hand-overs within one organisation, and by the owner's own hosts and providers, lie behind that point. Deeper lines
    are not looked at: whoever handed the notice over wrote them.
    """
    inside = ""
    for line in notice.received[:MOST_LINES]:
        hop = read_received(line)
        name = hop.name or hop.helo or ""
        came_from = organisation(name)
        if hop.handed_over_inside or not came_from:
            continue
        if not (owner.is_own_host(name) or came_from in owner.providers or came_from == organisation(hop.by or "")):
            return frozenset({came_from})
        inside = inside or came_from
    return frozenset({inside} if inside else ())


def handed_over_by(notice: Notice, wrote: str, owner: Owner) -> bool:
    """Return whether the organisation that wrote a line also handed the notice over, as far as one can see.

    The owner's own side is believed about anybody; where nobody wrote the line or it is the own server's (""), only it.
    """
    handed = handing_over(notice, owner)
    return not handed or wrote in handed or bool(handed & owner.organisations)


def written_at_home(notice: Notice, wrote: str, owner: Owner) -> bool:
    """Return whether an own address, or nobody outside, handed over a notice by the organisation that wrote a line."""
    written_by = set()
    for line in notice.received[:MOST_LINES]:
        hop = read_received(line)
        written_by.add(organisation(hop.by or ""))
        if not hop.handed_over_inside:
            return owner.has_own_address(hop) and organisation(hop.name or hop.helo or "") == wrote
    return wrote in written_by


def trusted_part(received: Sequence[str], tied: frozenset[str], owner: Owner) -> Path:
    """Return where the trusted part of these Received lines, topmost first, ends."""
    lines = received[:MOST_LINES]
    certain, last_tied_by = True, ""
    for position, line in enumerate(lines):
        hop = read_received(line)
        below = tuple(lines[position + 1 :])
        own = owner.is_own_host(hop.by)
        if not (own or _is_tied(hop, tied, certain and not last_tied_by)):
            untied = None if hop.handed_over_inside else hop
            if not last_tied_by:
                return Path(certain=False, untied=untied, below=below)
            # Below a tied line that came from inside, nobody outside has handed anything over: the last host that is
            # believed made the message, and if it is the owner's, the owner's side did.
            return Path(certain=certain, submitted=owner.is_own_host(last_tied_by), untied=untied, below=below)
        last_tied_by = hop.by or last_tied_by
        if own and hop.authenticated:
            return Path(hop, certain, submitted=True, below=below, at_own_server=True)
        if hop.handed_over_inside:
            continue
        if not _goes_on_inside(hop, below, tied, owner):
            return Path(hop, certain, below=below, at_own_server=own)
        certain = certain and hop.name is not None  # else only its HELO says that it is a machine of this organisation
    if last_tied_by and owner.is_own_host(last_tied_by):
        return Path(certain=certain, submitted=True, at_own_server=True)
    return Path(certain=certain)


def for_returned(notice: Notice, returned: Returned, owner: Owner) -> Path:
    """Return the trusted part of the way that this returned message came.

    Lines are tied to what the notice names and to the host that handed it over: reporting MTAs often carry internal
    names, so that one of them alone ties too rarely.
    """
    if not returned.received:
        return Path()
    named = named_organisations(notice)
    path = trusted_part(returned.received, named, owner)
    if path.hop is not None or path.submitted:
        return path
    # Whoever handed the notice over is a second choice: a forger's own host does that, and then ties his own lines.
    handed = handing_over(notice, owner)
    return path if handed <= named else trusted_part(returned.received, named | handed, owner)


def own_lines(lines: Iterable[str], owner: Owner) -> tuple[bool, bool]:
    """Return whether lines name an own host (with its address, by its bare name)."""
    own = (owner.configured, owner.learned.hosts)
    with_address = bare = False
    for line in lines:
        if owner.marks and not any(mark in line for mark in owner.marks):
            continue
        hop = read_received(line)
        if any(hosts.has_address(address) for hosts in own for address in (hop.address, hop.by_address)) or (
            # A looked-up own name is as good as its address where no known address could refute it.
            hop.address is not None
            and not owner.knows_addresses(hop.address.version)
            and any(hosts.has_name(hop.name) for hosts in own)
        ):
            with_address = True
        elif any(hosts.has_name(name) for hosts in own for name in (hop.helo, hop.by, hop.name)):
            bare = True
    return with_address, bare


def _is_tied(hop: Hop, tied: frozenset[str], at_top: bool) -> bool:
    """Return whether a line was written by a host of a tied organisation, or inside it."""
    if hop.by is None:
        return hop.handed_over_inside and at_top  # qmail's "(qmail 123 invoked by uid 89)"
    if organisation(hop.by) in tied:
        return True
    nameless = not organisation(hop.by)  # "by 10.1.2.3", "by localhost", "by store7"
    return nameless and hop.handed_over_inside


def _goes_on_inside(hop: Hop, below: tuple[str, ...], tied: frozenset[str], owner: Owner) -> bool:
    """Return whether a public address is a machine of the same organisation: so named, and it wrote the next line."""
    names = hop.name or hop.helo
    inside = organisation(names or "")
    if not below or not inside or not (inside in tied or owner.is_own_host(names)):
        return False
    following = read_received(below[0]).by
    if not following:
        return False
    reporting_is_own = owner.is_own_host(hop.by)
    if inside in owner.organisations or owner.has_own_address(hop):
        return reporting_is_own and owner.is_own_host(following)
    return organisation(following) == inside
