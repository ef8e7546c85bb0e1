"""The evidence, a family a file. Every rule is a small function from a Question to Reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from cleanup.detector.evidence.authentication import authentication
from cleanup.detector.evidence.identity import identity
from cleanup.detector.evidence.question import Question
from cleanup.detector.evidence.sent_match import sent_match
from cleanup.detector.evidence.transport import people, transport
from cleanup.detector.evidence.upstream import upstream
from cleanup.model import Family, Reason

FamilyRules = Callable[[Question], Iterator[Reason]]

# What can be asked of one notice alone. The campaign family needs the others' findings first (campaign.py).
FAMILIES: tuple[tuple[Family, FamilyRules], ...] = (
    (Family.SENT, sent_match),
    (Family.TRANSPORT, transport),
    (Family.AUTHENTICATION, authentication),
    (Family.IDENTITY, identity),
    (Family.UPSTREAM, upstream),
    (Family.PEOPLE, people),
)


def gather(question: Question) -> tuple[Reason, ...]:
    """Return everything that was found, also what does not count, but for families that the policy switched off."""
    return tuple([reason for rules in _rules_without(question.known.policy.switched_off) for reason in rules(question)])


@lru_cache(maxsize=64)
def _rules_without(switched_off: frozenset[Family]) -> tuple[FamilyRules, ...]:
    return tuple(rules for family, rules in FAMILIES if family not in switched_off)
