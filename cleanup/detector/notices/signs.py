"""The signs in a header that a message may be a notice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from cleanup.detector.header import AUTOMATIC_FIELDS, SHORT, plain_fields
from cleanup.detector.notices.headers import decoded, read_fields
from cleanup.detector.notices.phrases import (
    AUTO_SUBJECT,
    LIST_SENDER,
    NOTICE_SUBJECT,
    SENDER_NAME,
    SENDER_ROLE,
)
from cleanup.detector.sent import InboxClue, clue_in, inbox_clue
from cleanup.detector.subjects import without_marks

Header = Mapping[str, Sequence[str]]  # the values of each field by its name in lower case

_TYPES = ("multipart/report", "message/delivery-status", "message/disposition-notification", "message/feedback-report")
_NULL = re.compile(r"^\s*<\s*>\s*$")
_PROGRAM = re.compile(
    r"(?:no-?_?reply|do-?not-?reply|error|mailer|mail-?system|daemon|bounces?|gateway)[\w.+-]{0,30}@", re.I
)
_AUTOMATIC = {name.lower(): name for name in AUTOMATIC_FIELDS}


def reason(header: Header) -> str | None:
    """Return why a message with these fields may be a notice; None where it cannot be one.

    A sieve, not a verdict: whatever passes is read whole, and what does not is never looked at. So it lets through too
    much rather than too little.
    """
    declared = _first(header, "content-type").lower()
    if ("report" in declared or "message/" in declared) and any(kind in declared for kind in _TYPES):
        return "it is a report"
    if any(_NULL.match(path) for path in header.get("return-path", ())):
        return "it has no return path"
    precedence = _first(header, "precedence").lower()
    submitted = _first(header, "auto-submitted").strip().lower()
    if submitted.startswith(("auto-replied", "auto-notified")) or "auto_reply" in precedence:
        return "it says that it is an automatic answer"
    if "vacation" in _first(header, "x-apple-action").lower():
        return "iCloud says that it is an automatic reply"
    if not header.keys().isdisjoint(_AUTOMATIC):
        return next(f"it carries {name}" for key, name in _AUTOMATIC.items() if key in header)
    authors = header.get("from", ())
    if any(_kind_of_sender(one)[0] for one in (*authors, *header.get("sender", ()))):
        return "a mail system sent it"
    if any(_kind_of_sender(author)[1] for author in authors):
        return "a list's own address sent it"
    subject = without_marks(decoded(_first(header, "subject")))
    if NOTICE_SUBJECT.search(subject):
        return "its subject is that of a notice"
    if AUTO_SUBJECT.search(subject):
        return "its subject is that of an automatic answer"
    # Some notices show nothing else in their header than that a program sent parts of several kinds, among which a
    # message given back may be. It costs little to look: one of two hundred ordinary mails is so.
    to_one = "multipart/mixed" in declared and precedence.strip() not in ("bulk", "list", "junk")
    if to_one and any(_PROGRAM.search(author) for author in authors):
        return "a program sent it, and a message may be in it"
    return None


def _first(header: Header, name: str) -> str:
    values = header.get(name)
    return values[0] if values else ""


def _kind_of_sender(sender: str) -> tuple[bool, bool]:
    """Return whether a sender is a mail system, and whether it is a list's own address."""
    return _known_senders(sender) if len(sender) <= SHORT else _signs_of(sender)


def _signs_of(sender: str) -> tuple[bool, bool]:
    text = decoded(sender)
    is_system = bool(_NULL.match(text)) or SENDER_ROLE.search(text) or SENDER_NAME.search(text)
    return is_system, LIST_SENDER.search(text)


_known_senders = lru_cache(maxsize=2_048)(_signs_of)


# --- Which messages may be notices, told from a few header fields alone ---------------------------------------------


def why_candidate(fields: bytes) -> str | None:
    """Return why a message may be a notice, from its raw header block; None where it cannot be one."""
    plain = plain_fields(fields)
    return reason(read_fields(fields)[0].by_name if plain is None else plain)


def clue_of_ordinary(fields: bytes) -> InboxClue | None:
    """Return what a message says of the owner's sent mail; None where it may be a notice.

    That is why_candidate() and inbox_clue(), the header read once.
    """
    plain = plain_fields(fields)
    if plain is None:
        return inbox_clue(fields) if why_candidate(fields) is None else None
    return clue_in(plain) if reason(plain) is None else None
