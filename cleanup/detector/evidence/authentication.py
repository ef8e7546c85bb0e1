"""The authentication family: signatures, results written by the reporting side, and the envelope (envelope.py)."""

from __future__ import annotations

from collections.abc import Iterator

from cleanup.detector.addresses import domain_of
from cleanup.detector.evidence.envelope import envelope
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.evidence.replay import could_be_a_replay
from cleanup.detector.evidence.standing import Kind
from cleanup.detector.signatures import Signature, read_signatures
from cleanup.detector.spf import SpfResult
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
            says += (
                f" But mail of yours by {proved_by} fails that record too, so it does not say who else sends for you."
            )
            yield points("spf.refuted", AUTHENTICATION, Verdict.UNSURE, Strength.NOTE, says)
        else:
            yield points("spf.not_named", AUTHENTICATION, Verdict.BACKSCATTER, _of_a_denial(question), says)


def _of_a_denial(question: Question) -> Strength:
    """Return how much a "may not send" weighs: little where a service or a forwarding server would get it, too."""
    return Strength.HARD if question.standing.kind is Kind.DENIED else Strength.NOTE
