"""What the reporting side wrote down of SPF, DKIM and DMARC on taking a message over (RFC 8601, ARC, Received-SPF)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import authres

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation

if TYPE_CHECKING:
    from cleanup.detector.evidence.question import Question

_RESULTS = ("authentication-results", "arc-authentication-results", "received-spf")
_ARC_INSTANCE = re.compile(r"^\s*i\s*=\s*\d+\s*;\s*")
_SPF_WORD = re.compile(r"^\s*([a-z]+)", re.IGNORECASE)


def written_results(question: Question) -> frozenset[str]:
    """Return "pass" and "fail" as far as the trusted hop's receiver wrote them above it of the owner's domain.

    Its own are those of its organisation, and where it is the owner's own server those that the owner names by their
    authserv-id (RFC 8601 section 2.5), which need not look like a host.
    """
    hop, domain = question.path.hop, domain_of(question.returned.from_address or "")
    owner = question.known.owner
    ours = owner.is_own_address(question.returned.from_address) or owner.is_own_domain(question.returned.from_address)
    if hop is None or not question.path.certain or not domain or not ours:
        return frozenset()
    named = question.known.identity.authserv_ids if question.path.at_own_server else frozenset()
    reporter = organisation(hop.by or "")
    return frozenset(word for value in _above_the_hop(question) for word in _outcome(value, domain, reporter, named))


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
