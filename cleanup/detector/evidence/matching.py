"""Whether a true message of the owner's could have been sent again, by a stranger to other people (a replay)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from cleanup.detector.addresses import domain_of, untagged_key
from cleanup.detector.evidence.question import Question, once_a_question
from cleanup.detector.networks import organisation
from cleanup.detector.path import own_lines
from cleanup.detector.providers import is_provider
from cleanup.detector.sent import moment_of
from cleanup.detector.subjects import is_telling, is_uncommon, subjects_agree
from cleanup.model import Kind, SentMessage


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


# --- Finds what Sent holds of a returned message, and says how well the two agree -----------------------------------

SAME_MINUTE = timedelta(seconds=60)
COMMON_SUBJECT = 5  # sent messages with one subject from which it tells nothing


class Bond(StrEnum):
    """What ties a returned message to a sent one, weakest last."""

    ID = "id"  # the id, and the rest agrees
    CONTENT = "content"  # recipient, subject and Date
    ID_ONLY = "id_only"  # the id, with nothing or too little to compare
    ID_REUSED = "id_reused"  # the id, and everything comparable contradicts
    PARTLY = "partly"  # two of recipient, subject and Date
    THREAD = "thread"  # the conversation
    NONE = "none"


class Agreement(NamedTuple):
    """How a returned message compares with a sent one; None = cannot be compared."""

    recipient: bool | None  # a failed recipient
    addressee: bool | None  # To or Cc
    subject: bool | None
    date: bool | None

    @property
    def agrees(self) -> bool:
        """Whether an id that is ours is believed: a recipient agrees, or subject and Date do.

        Where a recipient agrees and yet subject and Date both differ, someone who was on that mail made up another.
        """
        anyone = bool(self.recipient or self.addressee)
        content = (self.subject, self.date)
        return (anyone and content != (False, False)) or content == (True, True)

    @property
    def contradicts(self) -> bool:
        """Whether everything that can be compared differs, two things at least; or both subject and Date do."""
        compared = [x for x in (self.recipient, self.addressee, self.subject, self.date) if x is not None]
        return (len(compared) >= 2 and not any(compared)) or (self.subject is False and self.date is False)


class Match(NamedTuple):
    """The sent message that fits best, and how."""

    bond: Bond = Bond.NONE
    sent: SentMessage | None = None
    agreement: Agreement | None = None
    ambiguous: int = 0  # further sent messages that fit as well


@once_a_question
def best_match(question: Question) -> Match:
    """Return what Sent holds of the returned message: by id, by content, in part, by conversation, or nothing."""
    named = [sent for message_id in question.ids for sent in question.known.rows.by_id(message_id)]
    by_id = [compare(question, sent) for sent in _each_once(named)]
    agreeing = [m for m in by_id if m.agreement and m.agreement.agrees]
    if agreeing:
        return Match(Bond.ID, agreeing[0].sent, agreeing[0].agreement, len(agreeing) - 1)
    content = _by_content(question)
    if content.bond is Bond.CONTENT:
        return content
    # The id is there and nothing else agrees. Where much else differs it was copied out of a letter of the owner's.
    for match in by_id:
        if match.agreement and not match.agreement.contradicts:
            return Match(Bond.ID_ONLY, match.sent, match.agreement)
    if by_id:
        return Match(Bond.ID_REUSED, by_id[0].sent, by_id[0].agreement)
    if content.bond is not Bond.NONE:
        return content
    thread = question.returned.thread_index
    same = question.known.rows.by_thread(thread) if thread else ()
    return Match(Bond.THREAD, same[0]) if same else Match()


def compare(question: Question, sent: SentMessage) -> Match:
    """Return how the returned message agrees with this sent one; the bond is that of an id."""
    wrote_to = {untagged_key(r) for r in sent.recipients}
    returned, tolerance = question.returned, question.known.policy.date_tolerance
    date = None
    if returned.date is not None and sent.date is not None:
        date = abs(returned.date - sent.date) <= tolerance
    agreement = Agreement(
        recipient=_any_in(question.recipients, wrote_to) or _answers_for(question, sent),
        addressee=_any_in(question.addressees, wrote_to),
        subject=subjects_agree(returned.subject, sent.subject),
        date=date,
    )
    return Match(Bond.ID, sent, agreement)


def _answers_for(question: Question, sent: SentMessage) -> bool | None:
    """Return what an address that answers by itself says where it is not one that was written to.

    People are answered for by a colleague's mailbox, a helpdesk or an address that takes no mail: one of the same
    organisation agrees, and any other says nothing. What a bounce names is compared as it stands.
    """
    if question.notice.kind not in (Kind.AUTO_REPLY, Kind.CHALLENGE, Kind.MDN):
        return _any_in(question.recipients, {untagged_key(r) for r in sent.recipients})
    answering = organisation(domain_of(question.notice.sender or ""))
    if not answering or is_provider(answering):  # everybody at gmail.com would answer for everybody there
        return None
    return True if answering in {organisation(domain_of(r)) for r in sent.recipients} else None


def _any_in(keys: Sequence[str], wrote_to: set[str]) -> bool | None:
    return not wrote_to.isdisjoint(keys) if keys and wrote_to else None


def _by_content(question: Question) -> Match:
    """Return the sent message with the same recipient, subject and Date, or with two of the three."""
    rows, returned = question.known.rows, question.returned
    candidates: list[SentMessage] = []
    for person in dict.fromkeys((*question.recipients, *question.addressees)):
        if returned.subject:
            candidates += rows.by_recipient_subject(person, returned.subject)
        if returned.date is not None:
            candidates += rows.near(person, returned.date, question.known.policy.date_tolerance)
    if returned.subject and len(same := rows.by_subject(returned.subject)) < COMMON_SUBJECT:
        candidates += same
    full, partly = [], []
    for sent in _each_once(candidates):
        agreement = compare(question, sent).agreement
        if agreement is None:
            continue
        anyone = bool(agreement.recipient or agreement.addressee)
        agreed = (anyone, agreement.subject is True, agreement.date is True or _fits_the_arrival(question, sent))
        if all(agreed):
            full.append(Match(Bond.CONTENT, sent, agreement))
        elif sum(agreed) == 2 and _tells(question, sent, agreement):
            partly.append(Match(Bond.PARTLY, sent, agreement))
    best = full or partly
    return Match(best[0].bond, best[0].sent, best[0].agreement, len(best) - 1) if best else Match()


def _fits_the_arrival(question: Question, sent: SentMessage) -> bool:
    """Return whether, with no Date returned, the sent message left within the queue lifetime before the notice came.

    Days suffice here only for a subject that few sent messages share and that is no mere "Hello".
    """
    moment, subject = moment_of(sent), question.returned.subject or ""
    if question.returned.date is not None or question.arrived is None or moment is None:
        return False
    if not question.arrived - question.known.policy.queue_lifetime <= moment <= question.arrived:
        return False
    return is_uncommon(subject) and len(question.known.rows.by_subject(subject)) < COMMON_SUBJECT


def _each_once(messages: Sequence[SentMessage]) -> list[SentMessage]:
    return list({(m.folder, m.uid): m for m in messages}.values()) if len(messages) > 1 else list(messages)


def _tells(question: Question, sent: SentMessage, agreement: Agreement) -> bool:
    """Return whether two of recipient, subject and Date that agree say anything.

    A subject says something if it has three words and few sent messages share it. Where it differs, recipient and Date
    do only if the Date is the same to the minute: it is copied, and a friend is written to often.
    """
    returned = question.returned
    if agreement.subject is False and returned.date is not None and sent.date is not None:
        return abs(returned.date - sent.date) <= SAME_MINUTE
    if not agreement.subject:
        return True
    rare = len(question.known.rows.by_subject(returned.subject or "")) < COMMON_SUBJECT
    return is_telling(returned.subject) and (rare or agreement.date is True)
