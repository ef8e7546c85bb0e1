"""Whether a true message of the owner's could have been sent again, by a stranger to other people (a replay)."""

from __future__ import annotations

from cleanup.detector.addresses import domain_of
from cleanup.detector.evidence.question import Question
from cleanup.detector.networks import organisation
from cleanup.detector.path import own_lines


def could_be_a_replay(question: Question) -> bool:
    """Return whether a stranger handed the message over to somebody whom it was not written to.

    Lists and forwards do that too. Then the host that hands over belongs to one of the addressees, or the owner's host
    stands deeper down with its address.
    """
    path, owner = question.path, question.known.owner
    if path.hop is None or path.submitted or not owner.knows_hosts:
        return False
    if owner.has_own_address(path.hop) or owner.provider_of(path.hop):
        return False
    written_to, reached = set(question.addressees), set(question.recipients)
    if not reached or not written_to or reached & written_to:
        return False
    passed_on_by = organisation(path.hop.name or path.hop.helo or "")
    addressees = {organisation(domain_of(address)) for address in written_to}
    return passed_on_by not in addressees and not own_lines(path.below, owner)[0]
