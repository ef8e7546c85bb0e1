"""How the host at the trusted hop stands to the owner, where it is none that is known: one more service, or a stranger.

Not being known is no proof. What else came from that network, and with that text, says more (senders.py).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from cleanup.detector.addresses import domain_of
from cleanup.detector.evidence.matching import Bond
from cleanup.detector.mailings import campaign_key
from cleanup.detector.message_ids import id_key, id_shape, right_side
from cleanup.detector.networks import is_public, organisation
from cleanup.detector.received import Hop, read_received
from cleanup.detector.senders import (
    AN_HOUR,
    FEW,
    MANY,
    MANY_WHERE_KNOWN,
    SCATTERED,
    Seen,
    is_line,
    neighbourhoods,
)
from cleanup.detector.spf import SpfResult
from cleanup.model import Family

if TYPE_CHECKING:
    from cleanup.detector.evidence.question import Question

NAMED = 0.9  # share of sent messages that show a name, from which on none is unlike them
MOST_BELOW = 5  # lower lines that are looked at
_SIGNED_BY = re.compile(r"(?:^|;)\s*d\s*=\s*([^\s;]+)", re.IGNORECASE)


class Kind(StrEnum):
    """What is to be thought of a host that is not known."""

    NONE = "none"  # there is no such host
    ANSWERED = "answered"  # a person said whose it is
    FORWARDED = "forwarded"  # a server of an addressee's, which passed the message on
    SERVICE = "service"  # may be one more service of the owner's
    DENIED = "denied"  # the domain's record, or the receiver, says that it may not send for the owner
    SPREAD = "spread"  # its text comes from many unrelated networks
    HOUR = "hour"  # so do the notices of its hour
    LINE = "line"  # a machine without a name of its own, one of many, or in a name that Sent never used
    OPEN = "open"  # nothing more can be said


class Standing(NamedTuple):
    """The kind, and a sentence that says why."""

    kind: Kind
    says: str = ""

    @property
    def accuses(self) -> bool:
        """Whether the way itself shows a stranger."""
        return self.kind in (Kind.SPREAD, Kind.HOUR, Kind.LINE)


def seen_of(question: Question) -> Seen | None:
    """Return a returned message as the survey of unknown senders sees it; None where no such host handed it over."""
    path, owner, returned = question.path, question.known.owner, question.returned
    hop = path.hop
    if hop is None or path.submitted or hop.address is None or not is_public(hop.address):
        return None
    if owner.has_own_address(hop) or owner.provider_of(hop) or question.match.bond in (Bond.ID, Bond.CONTENT):
        return None
    profile, rows, message_id = question.known.profile, question.known.rows, returned.message_id or ""
    made_by = organisation(right_side(message_id)) if message_id else ""
    made_there = made_by != "" and made_by == organisation(hop.name or hop.helo or "")
    name = (returned.from_name or "").casefold().strip()
    lies = owner.knows_addresses(hop.address.version) and owner.is_own_host_or_address(hop.helo)
    switched_off = question.known.policy.switched_off
    lower = [read_received(line) for line in path.below[:MOST_BELOW]]
    return Seen(
        address=hop.address,
        name=hop.name,
        is_line=is_line(hop, lies=lies),
        lies=lies,
        arrived=question.arrived,
        template=campaign_key(question.notice),
        in_sent=bool(returned.subject) and bool(rows.by_subject(returned.subject or "")),
        known_recipient=any(rows.written_to(person) for person in question.recipients),
        signed=Family.AUTHENTICATION not in switched_off and _is_signed(question),
        own_shape=bool(message_id) and id_shape(message_id) in profile.shapes,
        shown_name=name,
        known_name=name in profile.names if name else sum(profile.names.values()) < NAMED * profile.messages,
        made_at_home=made_there or made_by in owner.organisations,
        made_there=made_there,
        made_by_device=bool(message_id) and not made_by,
        message_id=id_key(message_id),
        id_shape=id_shape(message_id) if message_id else "",
        below=neighbourhoods(lower),
        forwarded=_is_forwarded(question, hop, lower),
    )


def standing_of(question: Question) -> Standing:
    """Return how the host stands to the owner; what spares comes first, then what is more certain."""
    seen = question.seen
    if seen is None:
        return Standing(Kind.NONE)
    if question.known.said_of(seen.address) is not None:
        return Standing(Kind.ANSWERED)
    if seen.forwarded:
        return Standing(Kind.FORWARDED, "passed it on")
    sender = question.known.senders.sender_of(seen)
    if sender.is_constant and (seen.known_name or not seen.lies):
        since = f" since {sender.first:%Y-%m-%d}" if sender.first else ""
        says = f"{sender.count} messages in your name came from there{since}, a few a day: a service of yours?"
        return Standing(Kind.SERVICE, says)
    denied = _is_denied(question)
    return _denied(question, seen) if denied else _undenied(question, seen)


def _denied(question: Question, seen: Seen) -> Standing:
    """Return what a "may not send" is worth: services that no record names get it, too."""
    senders = question.known.senders
    sender = senders.sender_of(seen)
    if senders.networks_of_text(seen) >= FEW:
        return Standing(Kind.DENIED)
    if seen.is_like_a_service or sender.is_like_a_service:
        return Standing(Kind.SERVICE, "it is made like mail of yours, so that it may be a service of yours.")
    return Standing(Kind.DENIED) if seen.is_line or sender.is_burst else Standing(Kind.OPEN)


def _undenied(question: Question, seen: Seen) -> Standing:
    senders, owner = question.known.senders, question.known.owner
    sender, networks = senders.sender_of(seen), senders.networks_of_text(seen)
    if networks >= (MANY_WHERE_KNOWN if owner.knows_hosts else MANY):
        return Standing(Kind.SPREAD, f"Messages of this text came from {networks} unrelated networks.")
    if seen.is_like_a_service or (sender.count > 1 and sender.is_like_a_service):
        return Standing(Kind.SERVICE, "it is made like mail of yours, so that it may be a service of yours.")
    if seen.is_proper or _is_passed_on(question, seen):
        return Standing(Kind.OPEN)
    hour = senders.networks_of_hour(seen) if sender.count == 1 else 0
    if hour >= AN_HOUR:
        return Standing(Kind.HOUR, f"Notices of that hour answer mail from {hour} unrelated networks.")
    odd = not seen.known_name or senders.scattered >= SCATTERED
    if owner.knows_hosts and seen.is_line and odd and not seen.made_by_device:
        return Standing(Kind.LINE, "It is a machine without a name of its own, which no service of yours would be.")
    return Standing(Kind.OPEN)


def _is_passed_on(question: Question, seen: Seen) -> bool:
    return not question.known.senders.passed_on.isdisjoint(seen.below)


def _is_denied(question: Question) -> bool:
    """Return whether the domain's record of today or the receiver of then says that the host may not send for it."""
    if Family.AUTHENTICATION in question.known.policy.switched_off:
        return False
    word, results = question.spf, question.written_results
    if word is not None and word.result is SpfResult.PASS:
        return False
    by_record = word is not None and word.result is SpfResult.FAIL and word.domain not in question.known.refuted
    return by_record or ("fail" in results and "pass" not in results)


def _is_signed(question: Question) -> bool:
    """Return whether a signature names the domain of From, or the one above it; nobody verified it."""
    domain = domain_of(question.returned.from_address or "")
    for name, value in question.returned.headers:
        if name.lower() == "dkim-signature" and (by := _SIGNED_BY.search(value)):
            signer = by[1].lower().rstrip(".")
            if domain and (domain == signer or domain.endswith(f".{signer}")):
                return True
    return False


def _is_forwarded(question: Question, hop: Hop, lower: list[Hop]) -> bool:
    """Return whether a recipient's server passed the message on to another address.

    Then it belongs to an addressee who is not the one that failed; or it wrote the next line, about another host.
    """
    passed_on_by = organisation(hop.name or hop.helo or "")
    if not passed_on_by:
        return False
    failed = {organisation(domain_of(person)) for person in question.recipients}
    addressees = {organisation(domain_of(person)) for person in question.addressees}
    if passed_on_by in addressees and passed_on_by not in failed:
        return True
    if not lower or organisation(lower[0].by or "") != passed_on_by or hop.name is None:
        return False
    return not lower[0].handed_over_inside and not lower[0].authenticated
