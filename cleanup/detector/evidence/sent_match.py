"""The family "sent": what Sent holds of the message that a notice answers."""

from __future__ import annotations

from collections.abc import Iterator

from cleanup.detector.evidence.matching import Agreement, Bond, best_match, could_be_a_replay
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.evidence.standing import Kind, standing_of
from cleanup.detector.message_ids import id_shape
from cleanup.model import Family, Reason, SentMessage, Strength, Verdict

SENT = Family.SENT


def sent_match(question: Question) -> Iterator[Reason]:
    """Yield what the Sent index says for and against."""
    bond = best_match(question).bond
    if question.unusable:
        yield points("sent.unusable", SENT, Verdict.UNSURE, Strength.HARD, question.unusable)
    elif bond in _BONDS:
        yield _BONDS[bond](question)
    if bond is Bond.NONE:
        why = question.silent or question.incomplete
        if why and not question.unusable:
            yield points("sent.cannot_vouch", SENT, Verdict.UNSURE, Strength.HARD, why)
        yield from _recently_written(question)
        yield _absent(question)


def _by_id(question: Question) -> Reason:
    match = best_match(question)
    sent, agreement = match.sent, match.agreement
    looks_at_ways = Family.TRANSPORT not in question.known.policy.switched_off
    if agreement and not agreement.recipient and looks_at_ways and could_be_a_replay(question):
        says = f"The message is in {_where(sent)}, but a stranger sent it again to somebody else: a replay?"
        return points("sent.id_replayed", SENT, Verdict.UNSURE, Strength.HARD, says)
    says = f"The id of the returned message is in {_where(sent)}, and {_agreed(agreement)}."
    return points("sent.message_id", SENT, Verdict.GENUINE, Strength.HARD, says)


def _by_content(question: Question) -> Reason:
    match = best_match(question)
    says = f"Recipient, subject and Date agree with a message in {_where(match.sent)}."
    if match.ambiguous:
        says = f"{says} So they do with {match.ambiguous} more."
    return points("sent.recipient_subject_date", SENT, Verdict.GENUINE, Strength.HARD, says)


def _id_only(question: Question) -> Reason:
    says = f"The id is in {_where(best_match(question).sent)}, but too little else can be compared to believe it."
    return points("sent.id_only", SENT, Verdict.GENUINE, Strength.SUPPORTING, says)


def _id_reused(question: Question) -> Reason:
    sent = best_match(question).sent
    says = f"The id is that of a message in {_where(sent)}, yet everything else differs: it was reused."
    return points("sent.id_reused", SENT, Verdict.UNSURE, Strength.HARD, says)


def _partly(question: Question) -> Reason:
    match = best_match(question)
    says = f"It agrees in part with a message in {_where(match.sent)}: {_agreed(match.agreement)}."
    return points("sent.two_of_three", SENT, Verdict.GENUINE, Strength.SUPPORTING, says)


def _thread(question: Question) -> Reason:
    says = f"It belongs to a conversation in {_where(best_match(question).sent)} (Thread-Index)."
    return points("sent.thread_index", SENT, Verdict.GENUINE, Strength.SUPPORTING, says)


_BONDS = {
    Bond.ID: _by_id,
    Bond.CONTENT: _by_content,
    Bond.ID_ONLY: _id_only,
    Bond.ID_REUSED: _id_reused,
    Bond.PARTLY: _partly,
    Bond.THREAD: _thread,
}


def _recently_written(question: Question) -> Iterator[Reason]:
    """Yield whether a recipient was written to within the queue lifetime.

    That spares where nothing was returned to compare, and where neither a person vouches for Sent nor the way shows a
    stranger; otherwise it is only said: spammers take both ends from one address book.
    """
    if question.arrived is None or question.unusable:
        return
    start = question.arrived - question.known.policy.queue_lifetime
    rows = question.known.rows
    written = next((r for r in question.recipients if rows.written_between(r, start, question.arrived)), None)
    if written is None:
        return
    # Only what shows a stranger by itself: one text from many networks, or a host that may not send for the domain.
    # Any other unknown host may be one more of the owner's, and then this hint is all that spares the notice.
    stranger = standing_of(question).kind in (Kind.SPREAD, Kind.DENIED)
    vouched = question.known.coverage.complete_since is not None and question.known.owner.knows_hosts
    certain = _comparable(question) and (vouched or stranger)
    strength = Strength.NOTE if certain else Strength.SUPPORTING
    says = f"You wrote to {written} in the {question.known.policy.queue_lifetime.days} days before the notice came."
    yield points("sent.recipient_recent", SENT, Verdict.GENUINE, strength, says)


def _absent(question: Question) -> Reason:
    """Return that Sent lacks the message: hard where it vouches and the message could be compared, else a note."""
    rule = "sent.absent" if question.ids else "sent.absent_by_content"
    counts = question.vouched and _comparable(question)
    strength = Strength.HARD if counts else Strength.NOTE
    says = "No message in Sent has this id" if question.ids else "No message in Sent looks like it"
    says += ", nor its recipient and subject." if question.ids and question.returned.subject else "."
    if not counts:
        says += " That proves nothing here."
    return points(rule, SENT, Verdict.BACKSCATTER, strength, says)


def _comparable(question: Question) -> bool:
    """Return whether absence says something: by the id, on a route that keeps ids, or by the whole header.

    Without any id the header must have come back with recipient, subject and Date, and the owner's own messages must
    all carry an id: every mail program gives one.
    """
    returned = question.returned
    # Two different Message-IDs, or two Dates: one of them is not the original's, and nobody knows which.
    if returned.ambiguous and (not question.ids or "message-id" in (name.lower() for name in returned.ambiguous)):
        return False
    if question.ids:
        rewritten = question.known.rewritten
        return not rewritten or not any(id_shape(i) in rewritten for i in question.ids)
    whole = bool(returned.received) and bool(returned.from_address)  # in text too: who quotes the way quotes the rest
    shown = bool(question.recipients or question.addressees) and bool(returned.subject) and returned.date is not None
    profile = question.known.profile
    return whole and shown and profile.has_habits and profile.without_id == 0


def _where(sent: SentMessage | None) -> str:
    if sent is None:
        return "Sent"
    return f"{sent.folder} ({sent.date:%Y-%m-%d %H:%M} UTC)" if sent.date else sent.folder


def _agreed(agreement: Agreement | None) -> str:
    if agreement is None:
        return "nothing else can be compared"
    words = (
        ("the recipient", agreement.recipient),
        ("To or Cc", agreement.addressee),
        ("the subject", agreement.subject),
        ("the Date", agreement.date),
    )
    same = [word for word, agrees in words if agrees]
    return f"{', '.join(same)} agree{'s' if len(same) == 1 else ''}" if same else "nothing else agrees"
