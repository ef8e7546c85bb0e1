"""The authentication family: signatures, results written by the reporting side, and the envelope (envelope.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cleanup.detector.addresses import domain_key, domain_of, untagged_key
from cleanup.detector.evidence.matching import compare, could_be_a_replay
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.evidence.standing import Kind, standing_of
from cleanup.detector.message_ids import envelope_id_key
from cleanup.detector.signatures import Signature, read_signatures
from cleanup.detector.spf import SpfResult
from cleanup.detector.tags import Tag, check_batv, check_own, check_srs
from cleanup.model import Family, Reason, Strength, Verdict

AUTHENTICATION = Family.AUTHENTICATION


def authentication(question: Question) -> Iterator[Reason]:
    """Yield what signatures, results and the envelope say."""
    yield from _signed(question)
    yield from _inner_results(question)
    yield from _own_record(question)
    yield from envelope(question)


# --- signatures ----------------------------------------------------------------------------------------------------


def _signed(question: Question) -> Iterator[Reason]:
    raw = question.returned.raw
    if not question.known.dns_answers or raw is None or b"dkim-signature" not in raw[:65_536].lower():
        return
    for signature in read_signatures(raw, question.known.dns_answers):
        if _is_the_owners(question, signature):
            yield _judge_signature(question, signature)


def _is_the_owners(question: Question, signature: Signature) -> bool:
    """Return whether the From is the owner's and its domain, or the domain above it, signed."""
    domain, owner = domain_of(question.returned.from_address or ""), question.known.owner
    ours = owner.is_own_address(question.returned.from_address) or owner.is_own_domain(question.returned.from_address)
    aligned = domain == signature.domain or domain.endswith(f".{signature.domain}")
    return ours and (aligned or signature.domain in question.known.identity.dkim_domains)


def _judge_signature(question: Question, signature: Signature) -> Reason:
    """Return what an own signature says: hard, unless it could be a replay; a broken one says nothing.

    A replay sends a truly signed message again to other people: then a stranger hands it over and nobody whom it
    reaches stands in its To or Cc.
    """
    by = f"The signature of {signature.domain}"
    if signature.verified is None:
        says = f"{by} cannot be verified without its key; that is never held against a message."
        return points("dkim.unknown", AUTHENTICATION, Verdict.GENUINE, Strength.NOTE, says)
    if not signature.verified or not {"from", "message-id"} <= signature.signed:
        says = f"{by} does not verify, or leaves From or Message-ID out; mail is changed on its way."
        return points("dkim.broken", AUTHENTICATION, Verdict.BACKSCATTER, Strength.NOTE, says)
    if could_be_a_replay(question):
        says = f"{by} verifies, but a stranger handed the message over to somebody it was not written to: a replay?"
        return points("dkim.replay", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    says = f"{by} verifies over the returned headers."
    return points("dkim.owner", AUTHENTICATION, Verdict.GENUINE, Strength.HARD, says)


# --- who may send for the domain -------------------------------------------------------------------------------------


def _inner_results(question: Question) -> Iterator[Reason]:
    """Yield what the reporting side found when it took the message over: only above the trusted hop, only its own."""
    hop, found = question.path.hop, question.written_results
    domain = domain_of(question.returned.from_address or "")
    if "pass" in found:
        says = f"{hop and hop.by} found the sender authenticated for {domain}."
        yield points("auth.inner_pass", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif "fail" in found:
        says = f"{hop and hop.by} found that the sender may not send for {domain} (SPF or DMARC failed)."
        yield points("auth.inner_fail", AUTHENTICATION, Verdict.BACKSCATTER, _of_a_denial(question), says)


def _own_record(question: Question) -> Iterator[Reason]:
    """Yield what the record of the owner's domain says of the trusted hop today (spf.py)."""
    word = question.spf
    if word is None:
        return
    if word.result is SpfResult.PASS:
        says = f"The SPF record of {word.domain} names {word.address} among the hosts that may send for it."
        yield points("spf.named", AUTHENTICATION, Verdict.UNSURE, Strength.HARD, says)
    elif word.result is SpfResult.FAIL:
        proved_by = question.known.refuted.get(word.domain)
        says = (
            f"The SPF record of {word.domain} names the hosts that may send for it; {word.address} is not one of them."
        )
        if proved_by is not None:
            says += f" But mail of yours by {proved_by.address} fails it, too: it does not say who else sends for you."
            yield points("spf.refuted", AUTHENTICATION, Verdict.UNSURE, Strength.NOTE, says)
        else:
            yield points("spf.not_named", AUTHENTICATION, Verdict.BACKSCATTER, _of_a_denial(question), says)


def _of_a_denial(question: Question) -> Strength:
    """Return how much a "may not send" weighs: little where a service or a forwarding server would get it, too."""
    return Strength.HARD if standing_of(question).kind is Kind.DENIED else Strength.NOTE


# --- What the owner's side put into the envelope and the notice brings back -----------------------------------------

# "list-bob=far.test@example.org": the recipient inside the sender (variable envelope return path).
_VERP = re.compile(
    r"^(?!prvs=|btv1=|msprvs1=|srs[01][=+-])[^@]+?[+-](?P<local>[^@=+-][^@=]*)=(?P<domain>[^@=]+)@", re.I
)


def envelope(question: Question) -> Iterator[Reason]:
    """Yield what tags in the envelope sender and the envelope id say."""
    senders = _envelope_senders(question)
    yield from _tagged(question, senders)
    yield from _own_digest(question)
    yield from _names_its_recipient(question, senders)
    yield from _envelope_id(question)


def _tagged(question: Question, senders: Sequence[str]) -> Iterator[Reason]:
    """Yield what BATV and SRS tags are worth. A tag that has run out was copied from an old letter, or came late."""
    checks = _checked(question, senders)
    if Tag.VALID in checks:
        says = "The notice came to a tagged address whose tag only your server can make."
        yield points("tag.valid", AUTHENTICATION, Verdict.GENUINE, Strength.HARD, says)
    elif Tag.STALE in checks:
        says = "The notice came to a tagged address whose tag had run out; who has an old letter can copy it."
        yield points("tag.stale", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif Tag.UNCHECKED in checks:
        says = "The notice came to a tagged address; there is no key to check the tag with."
        yield points("tag.unchecked", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif _should_be_tagged(question):
        says = f"All mail of yours is tagged since {question.known.identity.tagged_since:%Y-%m-%d}, and this is not."
        yield points("tag.missing", AUTHENTICATION, Verdict.BACKSCATTER, Strength.SUPPORTING, says)


def _checked(question: Question, senders: Sequence[str]) -> set[Tag]:
    identity, arrived = question.known.identity, question.arrived
    return {
        worth
        for address in senders
        for worth in (check_batv(address, identity.batv_keys, arrived), check_srs(address, identity.srs_keys, arrived))
    }


def _addresses(question: Question) -> tuple[str, ...]:
    """Return where the notice came to, and the Return-Path that it gives back."""
    paths = (v.strip("<> ") for n, v in question.returned.headers if n.lower() == "return-path")
    return (*question.notice.addressed_to, *paths)


def _envelope_senders(question: Question) -> list[str]:
    """Return the addresses with a tag of the owner's side: the owner's inside, or rewritten by an own domain."""
    tagged = [a for a in _addresses(question) if "=" in a]
    owner = question.known.owner
    return [a for a in tagged if owner.is_own_address(a) or domain_key(a.rpartition("@")[2]) in owner.domains]


def _own_digest(question: Question) -> Iterator[Reason]:
    """Yield whether an id or the envelope sender ends in a digest that only the owner's server can make.

    It is as old as the letter that it was made for, which every reader of can copy: brought by a stranger's host it
    only spares.
    """
    keys = question.known.identity.hmac_keys
    returned = question.returned
    carriers = (*filter(None, (returned.message_id,)), *returned.other_ids, *_addresses(question)) if keys else ()
    if not any(check_own(carrier, keys) is Tag.VALID for carrier in carriers):
        return
    if _by_a_strangers_host(question):
        says = "It carries a digest that only your server can make, but a stranger's host brought it: copied?"
        yield points("tag.own_copied", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    else:
        says = "Its id or envelope sender ends in a digest that only your server can make."
        yield points("tag.own", AUTHENTICATION, Verdict.GENUINE, Strength.HARD, says)


def _by_a_strangers_host(question: Question) -> bool:
    path, owner = question.path, question.known.owner
    if path.hop is None:
        return False
    return not (path.submitted or owner.has_own_address(path.hop) or owner.provider_of(path.hop))


def _should_be_tagged(question: Question) -> bool:
    since = question.known.identity.tagged_since
    if since is None or question.arrived is None or not question.notice.addressed_to:
        return False
    return question.arrived - question.known.policy.queue_lifetime >= since


def _names_its_recipient(question: Question, senders: Sequence[str]) -> Iterator[Reason]:
    """Yield whether the notice came to an address that was made for the recipient that failed."""
    for address in senders:
        made_for = _VERP.match(address)
        if made_for and untagged_key(f"{made_for['local']}@{made_for['domain']}") in question.recipients:
            says = f"The notice came to {address}, which was made for that recipient."
            yield points("tag.verp", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
            return


def _envelope_id(question: Question) -> Iterator[Reason]:
    """Yield whether the envelope id (RFC 3461 section 4.4) is the id of a sent message, and the recipient agrees.

    Programs that ask for delivery reports commonly give the Message-ID for it. It is compared like one: it may be
    copied, so that it is believed only where the rest agrees.
    """
    given = question.notice.envelope_id
    key = envelope_id_key(given) if given else ""
    compared = [compare(question, sent).agreement for sent in question.known.rows.by_id(key)] if key else []
    if any(agreement and agreement.agrees for agreement in compared):
        says = "The envelope id is that of a sent message, and its recipient, or subject and Date, agree."
        yield points("envid.match", AUTHENTICATION, Verdict.GENUINE, Strength.HARD, says)
    elif any(agreement and not agreement.contradicts for agreement in compared):
        says = "The envelope id is that of a sent message, but too little else can be compared to believe it."
        yield points("envid.only", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
