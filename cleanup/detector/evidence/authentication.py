"""The authentication family: signatures, results written by the reporting side, and the envelope (envelope.py)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import authres

from cleanup.detector.addresses import domain_of
from cleanup.detector.evidence.envelope import envelope
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.evidence.replay import could_be_a_replay
from cleanup.detector.networks import organisation
from cleanup.detector.signatures import Signature, read_signatures
from cleanup.model import Family, Reason, Strength, Verdict

AUTHENTICATION = Family.AUTHENTICATION
_RESULTS = ("authentication-results", "arc-authentication-results", "received-spf")
_ARC_INSTANCE = re.compile(r"^\s*i\s*=\s*\d+\s*;\s*")
_SPF_WORD = re.compile(r"^\s*([a-z]+)", re.IGNORECASE)


def authentication(question: Question) -> Iterator[Reason]:
    """Yield what signatures, results and the envelope say."""
    yield from _signed(question)
    yield from _inner_results(question)
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


# --- results that the reporting side wrote -------------------------------------------------------------------------


def _inner_results(question: Question) -> Iterator[Reason]:
    """Yield what the reporting side found when it took the message over: only above the trusted hop, only its own.

    Its own are those of its organisation, and where it is the owner's own server those that the owner names by their
    authserv-id (RFC 8601 section 2.5), which need not look like a host.
    """
    hop, domain = question.path.hop, domain_of(question.returned.from_address or "")
    owner = question.known.owner
    ours = owner.is_own_address(question.returned.from_address) or owner.is_own_domain(question.returned.from_address)
    if hop is None or not question.path.certain or not domain or not ours:
        return
    named = question.known.identity.authserv_ids if question.path.at_own_server else frozenset()
    reporter = organisation(hop.by or "")
    found = {word for value in _above_the_hop(question) for word in _outcome(value, domain, reporter, named)}
    if "pass" in found:
        says = f"{hop.by} found the sender authenticated for {domain}."
        yield points("auth.inner_pass", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif "fail" in found:
        says = f"{hop.by} found that the sender may not send for {domain} (SPF or DMARC failed)."
        yield points("auth.inner_fail", AUTHENTICATION, Verdict.BACKSCATTER, Strength.HARD, says)


def _above_the_hop(question: Question) -> Iterator[tuple[str, str]]:
    """Yield results as (field, value) that stand above the trusted hop's Received line."""
    consumed = len(question.returned.received) - len(question.path.below)
    seen = 0
    for name, value in question.returned.headers:
        field = name.lower()
        seen += field == "received"
        if seen >= consumed:
            return
        if field in _RESULTS:
            yield field, value


@lru_cache(maxsize=4_096)
def _outcome_of(value: str, domain: str, reporter: str, named: frozenset[str]) -> frozenset[str]:
    """Return "pass" or "fail" where the reporter's own Authentication-Results, or `named` ones, say so of a domain."""
    header = _read_results(_ARC_INSTANCE.sub("", value), reporter)
    if header is None:
        return frozenset()
    by = str(header.authserv_id)
    if not (reporter and organisation(by) == reporter) and by.lower() not in named:
        return frozenset()
    found = set()
    for result in header.results:
        about = {domain_of(f"x@{str(p.value).rpartition('@')[2]}") for p in result.properties if p.value}
        if domain not in about:
            continue
        if result.result == "pass" and result.method in ("spf", "dkim", "dmarc"):
            found.add("pass")
        elif result.result == "fail" and result.method in ("spf", "dmarc"):
            found.add("fail")
    return frozenset(found)


def _outcome(field_value: tuple[str, str], domain: str, reporter: str, named: frozenset[str]) -> frozenset[str]:
    field, value = field_value
    if field != "received-spf":
        return _outcome_of(value[:2_000], domain, reporter, named)
    word = _SPF_WORD.match(value)
    if word is None or domain not in value.lower() or reporter not in value.lower():
        return frozenset()
    return frozenset({word[1].lower()} & {"pass", "fail"})


def _read_results(value: str, reporter: str) -> authres.AuthenticationResultsHeader | None:
    """Return the parsed field. Exchange Online leaves the authserv-id out; only there is that forgiven."""
    texts = [value] + ([f"{reporter}; {value}"] if reporter == "outlook.com" else [])
    for text in texts:
        try:
            return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text}")
        except authres.core.AuthResError:
            continue
    return None
