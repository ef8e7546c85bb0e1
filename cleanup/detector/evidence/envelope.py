"""What the owner's side put into the envelope and the notice brings back: tags in the sender, the envelope id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cleanup.detector.addresses import domain_key, untagged_key
from cleanup.detector.evidence.matching import compare
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.message_ids import envelope_id_key
from cleanup.detector.tags import Tag, check_batv, check_own, check_srs
from cleanup.model import Family, Reason, Strength, Verdict

AUTHENTICATION = Family.AUTHENTICATION
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
        says = "The notice came to a tagged address whose tag only the owner's server can make."
        yield points("tag.valid", AUTHENTICATION, Verdict.GENUINE, Strength.HARD, says)
    elif Tag.STALE in checks:
        says = "The notice came to a tagged address whose tag had run out; who has an old letter can copy it."
        yield points("tag.stale", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif Tag.UNCHECKED in checks:
        says = "The notice came to a tagged address; there is no key to check the tag with."
        yield points("tag.unchecked", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    elif _should_be_tagged(question):
        says = f"All outbound mail is tagged since {question.known.identity.tagged_since:%Y-%m-%d}, and this is not."
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
        says = "It carries a digest that only the owner's server can make, but a stranger's host brought it: copied?"
        yield points("tag.own_copied", AUTHENTICATION, Verdict.GENUINE, Strength.SUPPORTING, says)
    else:
        says = "Its id or envelope sender ends in a digest that only the owner's server can make."
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
