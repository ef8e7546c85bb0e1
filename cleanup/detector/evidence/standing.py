"""How the host at the trusted hop stands to the owner, where it is none that is known: one more service, or a stranger.

Not being known is no proof. What else came from that network, and with that text, says more (senders.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from cleanup.detector.addresses import domain_of
from cleanup.detector.evidence.matching import Bond, best_match
from cleanup.detector.evidence.question import Question, once_a_question
from cleanup.detector.mailings import campaign_key
from cleanup.detector.message_ids import id_key, id_shape, right_side
from cleanup.detector.networks import is_public, organisation
from cleanup.detector.providers import is_provider
from cleanup.detector.received import Hop, read_received
from cleanup.detector.senders import (
    AN_HOUR,
    FEW,
    MANY,
    Seen,
    Senders,
    is_line,
    is_of_no_domain,
    neighbourhoods,
    survey,
)
from cleanup.detector.spf import SpfResult
from cleanup.model import Family

NAMED = 0.9  # share of sent messages that show a name, from which on none is unlike them
MOST_BELOW = 5  # lower lines that are looked at
# Display names that devices and programs give themselves.
_DEVICE = re.compile(
    r"\b(?:admin\w*|android|backup|camera|cron|disk\w*|fax|iphone|kamera|kopierer|drucker|mail\w*|monitor\w*|nas|phone|"
    r"print\w*|raspberry\w*|report\w*|root|router|scan\w*|server|shop|system\w*|telefon|web\w*|wordpress)\b"
)
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
    ALIEN = "alien"  # a machine without a name, and nothing about its message is like the owner or like a device
    OPEN = "open"  # nothing more can be said


class Standing(NamedTuple):
    """The kind, and a sentence that says why."""

    kind: Kind
    says: str = ""

    @property
    def accuses(self) -> bool:
        """Whether the way itself shows a stranger."""
        return self.kind in (Kind.SPREAD, Kind.HOUR, Kind.ALIEN)


@once_a_question
def seen_of(question: Question) -> Seen | None:
    """Return a returned message as the survey of unknown senders sees it; None where no such host handed it over."""
    path, owner, returned = question.path, question.known.owner, question.returned
    hop = path.hop
    if hop is None or path.submitted or hop.address is None or not is_public(hop.address):
        return None
    if owner.has_own_address(hop) or owner.provider_of(hop) or best_match(question).bond in (Bond.ID, Bond.CONTENT):
        return None
    profile, rows, message_id = question.known.profile, question.known.rows, returned.message_id or ""
    made_at = right_side(message_id)
    made_by = organisation(made_at) if made_at else ""
    made_by_a_device = is_of_no_domain(made_at) or made_by in owner.organisations or is_provider(made_by)
    made_there = made_by != "" and made_by == organisation(hop.name or hop.helo or "")
    name = (returned.from_name or "").casefold().strip()
    lies = owner.knows_addresses(hop.address.version) and owner.is_own_host_or_address(hop.helo)
    # Bots say HELO as the domain that they forge. Where a provider sends for it none of its own hosts goes by that.
    line = is_line(hop, lies=lies or (bool(owner.providers) and hop.helo in owner.domains))
    switched_off = question.known.policy.switched_off
    lower = lower_hops(question)
    return Seen(
        address=hop.address,
        name=hop.name,
        is_line=line,
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
        made_by=made_by,
        made_by_a_device=made_by_a_device,
        is_alien=line
        and not (message_id and made_by_a_device)
        and _is_alien(question, name, made_at, "" if lies else hop.helo or ""),
        message_id=id_key(message_id),
        id_shape=id_shape(message_id) if message_id else "",
        below=neighbourhoods(lower),
        forwarded=is_forwarded(question, hop, lower),
    )


def survey_of(questions: Iterable[Question]) -> Senders:
    """Return who handed these messages over, of all hosts that are not known."""
    return survey([seen for question in questions if (seen := seen_of(question)) is not None])


@once_a_question
def standing_of(question: Question) -> Standing:
    """Return how the host stands to the owner; what spares comes first, then what is more certain."""
    seen = seen_of(question)
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
    """Return what a "may not send" is worth: services that no record names get it, too.

    A mailing of one text, under one name, with ids of one maker may be such a service's; a single message from a
    machine without a name may be a printer's or a telephone's.
    """
    senders = question.known.senders
    sender = senders.sender_of(seen)
    if senders.networks_of_text(seen) >= FEW:
        return Standing(Kind.DENIED)
    if seen.is_like_a_service or (sender.count > 1 and sender.is_like_a_service):
        return Standing(Kind.SERVICE, "it is made like mail of yours, so that it may be a service of yours.")
    if seen.is_alien or (sender.is_burst and not sender.uniform) or _networks_of_hour(question, seen) >= AN_HOUR:
        return Standing(Kind.DENIED)
    return Standing(Kind.OPEN)


def _undenied(question: Question, seen: Seen) -> Standing:
    senders, owner = question.known.senders, question.known.owner
    sender, networks = senders.sender_of(seen), senders.networks_of_text(seen)
    if networks >= (FEW if owner.knows_hosts else MANY):
        return Standing(Kind.SPREAD, f"Messages of this text came from {networks} unrelated networks.")
    if seen.is_like_a_service or (sender.count > 1 and sender.is_like_a_service):
        return Standing(Kind.SERVICE, "it is made like mail of yours, so that it may be a service of yours.")
    hour = _networks_of_hour(question, seen)
    if hour >= AN_HOUR:
        says = f"Notices of that hour answer mail from {hour} unrelated networks, with ids made alike."
        return Standing(Kind.HOUR, says)
    if owner.knows_hosts and seen.is_alien:
        return Standing(Kind.ALIEN, "It is a machine without a name of its own, and its message is like none of yours.")
    return Standing(Kind.OPEN)


def _is_alien(question: Question, name: str, made_at: str, helo: str) -> bool:
    """Return whether nothing that a message shows is like the owner, or like a device or a program of the owner's.

    Its id, if any, was made at a domain of somebody else's (`made_at`). It is in a name that shares no word with the
    owner's names and addresses, and it did not go to the owner's. A printer, a server at home and a telephone fail one
    of these.
    """
    known, owner = question.known, question.known.owner
    if not name or name in known.profile.names or _DEVICE.search(name):
        return False
    if any(owner.is_own_address(who) for who in question.recipients):
        return False
    shown = f"{name} {made_at} {helo}".lower()
    return not any(word in shown for word in known.words)


def _networks_of_hour(question: Question, seen: Seen) -> int:
    """Return from how many networks notices of its hour came; 0 where it may be a service's, or was passed on."""
    senders = question.known.senders
    if not seen.is_line or _is_passed_on(question, seen) or senders.sender_of(seen).count > 1:
        return 0
    return senders.networks_of_hour(seen)


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


def lower_hops(question: Question) -> list[Hop]:
    """Return the first hops below the trusted one."""
    return [read_received(line) for line in question.path.below[:MOST_BELOW]]


def is_forwarded(question: Question, hop: Hop, lower: list[Hop]) -> bool:
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
