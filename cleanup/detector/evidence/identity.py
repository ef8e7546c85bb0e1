"""The identity family: whether the returned message looks like the owner's. All but the first are supporting only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cleanup.detector.addresses import untagged_key
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.message_ids import right_side
from cleanup.detector.notices.addresses import plain_addresses
from cleanup.detector.sent import MIN_NEVER_USED, mailer_key
from cleanup.model import Extent, Family, Kind, Reason, Returned, Strength, Verdict

IDENTITY = Family.IDENTITY
_SENDERS = ("from", "sender", "return-path", "resent-from", "x-envelope-from", "envelope-from", "x-original-from")
_ENVELOPE_FROM = re.compile(r"envelope-(?:from|sender)[ =:]<?([^\s<>()]{1,200}@[^\s<>();,]{1,255})", re.IGNORECASE)
CHARACTERISTIC = 0.9  # share of sent messages that must show a habit before its absence says something


def identity(question: Question) -> Iterator[Reason]:
    """Yield what names, ids, programs and zones say."""
    yield from _never_used(question)
    yield from _not_the_owners(question)
    yield from _asked_for(question)
    if question.known.profile.has_habits:
        yield from _name_foreign(question)
        yield from _id_foreign(question)
        yield from _mailer_foreign(question)
        yield from _zone_foreign(question)
        yield from _never_written(question)


def _never_used(question: Question) -> Iterator[Reason]:
    """Yield whether the forged From is an address of the owner's that Sent has never used."""
    owner, profile, sender = question.known.owner, question.known.profile, question.returned.from_address
    if not sender or not question.sender or not _is_ours(question):
        return
    used = profile.addresses.get(question.sender, 0) or profile.addresses.get(untagged_key(sender), 0)
    leads_here = any(untagged_key(sender) in names for names in owner.aliases.values())
    if used or leads_here or "from" in (name.lower() for name in question.returned.ambiguous):
        return
    # In a small Sent an address that the owner does use, seldom, may well be missing.
    enough = profile.messages >= MIN_NEVER_USED
    strength = Strength.HARD if enough else Strength.NOTE
    says = f"None of your {profile.messages:,} sent messages was written as {question.sender}."
    yield points("sender.never_used", IDENTITY, Verdict.BACKSCATTER, strength, says)


def _is_ours(question: Question) -> bool:
    """Return whether the From is the owner's: configured, or at an own domain and the address the notice came to."""
    owner, sender = question.known.owner, question.returned.from_address
    if owner.is_own_address(sender):
        return True
    # With a catch-all every address at the domain is the owner's; a bounce that came to it shows that it is delivered.
    came_to = {untagged_key(a) for a in question.notice.addressed_to}
    return owner.is_own_domain(sender) and untagged_key(sender or "") in came_to


def _not_the_owners(question: Question) -> Iterator[Reason]:
    """Yield that the returned message is somebody else's: a veto where its envelope names the owner no more than From.

    Who forges only the envelope sender leaves From as it is; what then comes back shows the owner in Return-Path.
    """
    owner = question.known.owner
    if not question.sender or not owner.addresses or _is_ours(question):
        return
    says = f"The returned message was written as {question.sender}, which is not an address of yours."
    if any(owner.is_own_address(a) or owner.is_own_domain(a) for a in _senders(question.returned)):
        yield points("sender.not_the_owner", IDENTITY, Verdict.UNSURE, Strength.NOTE, says)
    else:
        says += " Nothing in it names you as its sender: it may be a copy of somebody else's mail."
        yield points("sender.not_the_owner", IDENTITY, Verdict.UNSURE, Strength.HARD, says)


def _asked_for(question: Question) -> Iterator[Reason]:
    """Yield that an abuse or authentication report is no answer: it goes to who asked for it (RFC 5965, RFC 6591)."""
    if question.notice.kind is Kind.ARF:
        says = "Abuse and authentication reports go to those who asked for them; they answer no mail."
        yield points("notice.asked_for", IDENTITY, Verdict.UNSURE, Strength.HARD, says)


def _senders(returned: Returned) -> Iterator[str]:
    """Yield the addresses that a returned message was sent as, in its header and in its envelope."""
    for name, value in returned.headers:
        key = name.lower()
        if key in _SENDERS:
            yield from plain_addresses(value)
        elif key == "received" and (sent_as := _ENVELOPE_FROM.search(value)):
            yield sent_as[1]


def _name_foreign(question: Question) -> Iterator[Reason]:
    # Only with the owner's own address: with another one the name is somebody else's by right (a list, an assistant).
    names, name = question.known.profile.names, (question.returned.from_name or "").casefold().strip()
    if name and names and name not in names and question.known.owner.is_own_address(question.returned.from_address):
        says = f"No sent message of yours was signed with the name “{question.returned.from_name}”."
        yield points("sender.name_foreign", IDENTITY, Verdict.BACKSCATTER, Strength.SUPPORTING, says)


def _id_foreign(question: Question) -> Iterator[Reason]:
    rights, message_id = question.known.profile.right_sides, question.returned.message_id
    if message_id and rights and right_side(message_id) not in rights:
        says = f"No sent message of yours has an id at {right_side(message_id) or 'no host at all'}."
        yield points("profile.message_id", IDENTITY, Verdict.BACKSCATTER, Strength.SUPPORTING, says)


def _mailer_foreign(question: Question) -> Iterator[Reason]:
    profile = question.known.profile
    if question.returned.extent not in (Extent.FULL, Extent.HEADERS):
        return  # a quoted part of the header leaves such fields out
    if profile.name_their_mailer < CHARACTERISTIC * profile.messages:
        return
    named = (v for n, v in question.returned.headers if n.lower() in ("x-mailer", "user-agent"))
    mailer = mailer_key(next(named, ""))
    if mailer not in profile.mailers:
        says = (
            f"No sent message of yours was written with “{mailer}”."
            if mailer
            else "Your sent messages name their mail program."
        )
        yield points("profile.mailer", IDENTITY, Verdict.BACKSCATTER, Strength.SUPPORTING, says)


def _zone_foreign(question: Question) -> Iterator[Reason]:
    # "Mon, 19 Oct 2026 10:00:00 +0200 (CEST)": the comment goes. Names of zones say nothing (RFC 5322 section 4.3).
    zones, text = question.known.profile.zones, (question.returned.date_text or "").split("(")[0].split()
    zone = text[-1] if text else ""
    if len(zone) == 5 and zone[0] in "+-" and zone[1:].isdigit() and zones:
        minutes = (int(zone[1:3]) * 60 + int(zone[3:])) * (-1 if zone[0] == "-" else 1)
        if minutes not in zones:
            says = f"No sent message of yours was written in the time zone {zone}."
            yield points("profile.zone", IDENTITY, Verdict.BACKSCATTER, Strength.SUPPORTING, says)


def _never_written(question: Question) -> Iterator[Reason]:
    people, rows = question.recipients, question.known.rows
    if people and not any(rows.written_to(person) for person in people):
        says = f"You never wrote to {people[0]}."
        yield points("recipient.never_written", IDENTITY, Verdict.BACKSCATTER, Strength.SUPPORTING, says)
