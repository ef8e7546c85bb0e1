"""The transport family: whose host handed the returned message over at the trusted hop (path.py)."""

from __future__ import annotations

from collections.abc import Iterator

from cleanup.detector.evidence.question import Question, points
from cleanup.detector.evidence.standing import Kind, standing_of
from cleanup.detector.networks import organisation
from cleanup.detector.path import handed_over_by, own_lines, written_at_home
from cleanup.detector.received import Hop, read_received
from cleanup.detector.spf import SpfResult
from cleanup.model import Family, Reason, Strength, Verdict

TRANSPORT = Family.TRANSPORT
MOST_OWN_LINES = 5


def transport(question: Question) -> Iterator[Reason]:
    """Yield what the way of the returned message says."""
    path, owner = question.path, question.known.owner
    if path.submitted:
        yield _submitted(question)
    elif path.hop is not None:
        yield from _trusted_hop(question, path.hop)
    elif path.untied is not None and owner.has_own_address(path.untied):
        says = f"{_named(path.untied)} is a host of yours, but nothing ties that line to this notice."
        yield points("origin.own_unproved", TRANSPORT, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif question.returned.received:
        says = "No line of the way can be tied to the host that wrote this notice."
        yield points("origin.unknown", TRANSPORT, Verdict.UNSURE, Strength.NOTE, says)


def people(question: Question) -> Iterator[Reason]:
    """Yield what a person said of the network at the trusted hop: a service of the owner's, or none."""
    hop, said = question.path.hop, question.said_of_sender
    if hop is None or said is None:
        return
    if said is Verdict.BACKSCATTER:
        says = f"You said that {_named(hop)} does not send for you."
        yield points("label.sender", Family.PEOPLE, said, Strength.HARD, says)
    elif question.path.certain and _handed_over_by(question, organisation(hop.by or "")):
        says = f"You said that {_named(hop)} sends for you."
        yield points("label.sender", Family.PEOPLE, said, Strength.HARD, says)
    else:
        says = f"You said that {_named(hop)} sends for you, but another organisation handed the notice over."
        yield points("label.sender", Family.PEOPLE, Verdict.UNSURE, Strength.HARD, says)


def _trusted_hop(question: Question, hop: Hop) -> Iterator[Reason]:
    owner = question.known.owner
    provider = owner.provider_of(hop)
    if provider:
        says = f"It came through {provider}, which you share with strangers."
        yield points("origin.shared_provider", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
    elif owner.has_own_address(hop):
        yield _own(question, hop)
    else:
        yield from _outside(question, hop)


def _submitted(question: Question) -> Reason:
    """Return that the own server took it in: hard, unless others handed the notice over, who can write such a line."""
    if not _handed_over_by(question, ""):
        says = "A line of your own mail server stands at the top, but strangers handed the notice over."
        return points("origin.own_unproved", TRANSPORT, Verdict.GENUINE, Strength.SUPPORTING, says)
    says = "Your own mail server took it from inside or from somebody who logged in."
    return points("origin.own_host", TRANSPORT, Verdict.GENUINE, Strength.HARD, says)


def _own(question: Question, hop: Hop) -> Reason:
    """Return the own host at the trusted hop: hard, unless a stranger wrote the line or handed the message to us."""
    if not question.path.certain:
        says = f"{_named(hop)} is a host of yours, but a stranger's HELO had to be believed to get there."
        return points("origin.own_unproved", TRANSPORT, Verdict.GENUINE, Strength.SUPPORTING, says)
    if not _handed_over_by(question, organisation(hop.by or "")):
        says = (
            f"{_named(hop)} is a host of yours, but another organisation handed the notice over than wrote that line."
        )
        return points("origin.own_unproved", TRANSPORT, Verdict.GENUINE, Strength.SUPPORTING, says)
    if question.path.at_own_server or _relayed_from_outside(question):
        says = f"{_named(hop)} is a host of yours, which itself took the message from outside without a login."
        return points("origin.own_relay", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
    return points(
        "origin.own_host", TRANSPORT, Verdict.GENUINE, Strength.HARD, f"It left by your own host {_named(hop)}."
    )


def _relayed_from_outside(question: Question) -> bool:
    """Return whether mail in the owner's name reached the outbound host through the owner's incoming one.

    Mail to an alias that the owner's server forwards goes that way, forged mail too. A hand-over from outside to the
    outbound host itself is a submission, though its line may not say that somebody logged in.
    """
    owner = question.known.owner
    if not owner.is_own_address(question.returned.from_address):
        return False
    for line in question.path.below[:MOST_OWN_LINES]:
        hop = read_received(line)
        if not owner.is_own_host(hop.by) or hop.authenticated:
            return False
        if not hop.handed_over_inside and not owner.has_own_address(hop):
            return not owner.configured.has_name(hop.by)
    return False


def _outside(question: Question, hop: Hop) -> Iterator[Reason]:
    """Yield what a hop says that is neither own nor shared."""
    owner = question.known.owner
    with_address, bare = own_lines(question.path.below, owner)
    # The owner's mail that a list or a forwarding server passes on looks just like this, and so does what a forger
    # makes who copies a whole header.
    if with_address or _a_known_sender_below(question):
        says = f"It came from {_named(hop)}, but a host of yours stands deeper down: forwarded, from a list, or forged."
        yield points("origin.own_name_below", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
        return
    if bare:
        says = "A host of yours is named deeper down, without its address; anybody can write that."
        yield points("origin.own_name_bare", TRANSPORT, Verdict.UNSURE, Strength.NOTE, says)
    # It bounced the mail of somebody who had logged in there, and put the notice into this mailbox itself: it may well
    # be the server through which the owner sends, though nobody has named it.
    if hop.authenticated and written_at_home(question.notice, organisation(hop.by or ""), owner):
        says = f"Somebody logged in at {hop.by}, which bounced it itself and may be your mail server."
        yield points("origin.own_unproved", TRANSPORT, Verdict.GENUINE, Strength.SUPPORTING, says)
        return
    if _claims_to_be_own(question, hop):
        says = f"{_named(hop)} goes by a name of your side, though its address is not known to be yours."
        yield points("origin.own_name_claimed", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
        return
    yield _unknown_host(question, hop)


def _unknown_host(question: Question, hop: Hop) -> Reason:
    """Return what a host is worth that is not known: hard where it shows itself a stranger, else a veto or a note."""
    owner, standing = question.known.owner, standing_of(question)
    # Outbound hosts stand side by side: mail-1 was learned, and mail-2 has sent nothing yet that bounced.
    if owner.learned.is_near(hop.address) or organisation(hop.name or "") in owner.learned.organisations:
        says = f"{_named(hop)} is, or is a neighbour of, a host that mail of yours came from."
        return points("origin.own_neighbour", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
    if standing.kind is Kind.FORWARDED:
        says = f"{_named(hop)} passed it on for somebody it was written to; whom it came from cannot be seen."
        return points("origin.forwarded", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
    if standing.kind is Kind.SERVICE:
        says = f"{_named(hop)} is a host that nobody knows, but {standing.says}"
        return points("origin.service", TRANSPORT, Verdict.UNSURE, Strength.HARD, says)
    says = f"It came from {_named(hop)}, which is no host of yours that is known."
    if not standing.accuses:
        says += " That alone proves nothing: there may be one more."
        return points("origin.foreign", TRANSPORT, Verdict.BACKSCATTER, Strength.NOTE, says)
    says += f" {standing.says}"
    if question.path.at_own_server:
        says += " Your server took it from outside and bounced it itself: unknown users are best refused at once."
    return points("origin.foreign", TRANSPORT, Verdict.BACKSCATTER, Strength.HARD, says)


def _a_known_sender_below(question: Question) -> bool:
    """Return whether a lower line shows a provider of the owner's, or a host that the domain's own record names."""
    owner, words = question.known.owner, question.known.spf.words
    if not owner.providers and not words:
        return False
    for line in question.path.below[:MOST_OWN_LINES]:
        hop = read_received(line)
        if hop.address is None or hop.handed_over_inside:
            continue
        if owner.provider_of(hop) in owner.providers:
            return True
        named = (words.get((domain, hop.address)) for domain in owner.domains)
        if any(word is not None and word.result is SpfResult.PASS for word in named):
            return True
    return False


def _claims_to_be_own(question: Question, hop: Hop) -> bool:
    """Return whether a host with another address goes by a name of the owner's side, so that it may be one more host.

    A name that the receiver looked up is such a claim; a mere HELO only where no own address could refute it.
    """
    owner = question.known.owner
    if hop.name is not None:  # a PTR record is its address owner's word: anyone can give his the owner's name
        return owner.is_own_host(hop.name)
    if hop.address is None or not owner.configured.has_name(hop.helo):
        return False
    return not owner.knows_addresses(hop.address.version)


def _handed_over_by(question: Question, wrote: str) -> bool:
    """Return whether the notice came from this organisation or the owner's own, as far as one can see.

    Whoever invents a whole notice can write any line into it; the host that handed it to the owner's server cannot be
    invented.
    """
    return handed_over_by(question.notice, wrote, question.known.owner)


def _named(hop: Hop) -> str:
    return f"{hop.name or hop.helo or 'a host'} [{hop.address}]" if hop.address else hop.name or hop.helo or "a host"
