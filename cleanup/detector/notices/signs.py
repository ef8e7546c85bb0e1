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
from cleanup.detector.subjects import untagged

Header = Mapping[str, Sequence[str]]  # the values of each field by its name in lower case

_TYPES = ("multipart/report", "message/delivery-status", "message/disposition-notification", "message/feedback-report")
_NULL = re.compile(r"^\s*<\s*>\s*$")
_PROGRAM = re.compile(
    r"(?:no-?_?reply|do-?not-?reply|error|mailer|mail-?system|daemon|bounces?|gateway)[\w.+-]{0,30}@", re.I
)
_AUTOMATIC = {name.lower(): name for name in AUTOMATIC_FIELDS}


def reason(header: Header) -> str | None:
    """Return why a message with these fields may be a notice; None where it cannot be one."""
    return (
        _by_structure(header)
        or _by_sender(header)
        or _by_subject(untagged(decoded(_first(header, "subject"))))
        or _by_what_it_may_hold(header)
    )


def _first(header: Header, name: str) -> str:
    values = header.get(name)
    return values[0] if values else ""


def _by_structure(header: Header) -> str | None:
    declared = _first(header, "content-type").lower()
    if ("report" in declared or "message/" in declared) and any(kind in declared for kind in _TYPES):
        return "it is a report"
    if any(_NULL.match(path) for path in header.get("return-path", ())):
        return "it has no return path"
    if _first(header, "auto-submitted").strip().lower().startswith(("auto-replied", "auto-notified")):
        return "it says that it is an automatic answer"
    if "auto_reply" in _first(header, "precedence").lower():
        return "it says that it is an automatic answer"
    if header.keys().isdisjoint(_AUTOMATIC):
        return None
    return next(f"it carries {name}" for key, name in _AUTOMATIC.items() if key in header)


def _by_sender(header: Header) -> str | None:
    authors = header.get("from", ())
    if any(_told_of(one)[0] for one in (*authors, *header.get("sender", ()))):
        return "a mail system sent it"
    return "a list's own address sent it" if any(_told_of(author)[1] for author in authors) else None


def _by_what_it_may_hold(header: Header) -> str | None:
    """Return whether a program sent parts of several kinds: a message given back may be among them.

    Some notices show nothing else in their header. It costs little: one of two hundred ordinary mails is so.
    """
    if "multipart/mixed" not in _first(header, "content-type").lower():
        return None
    if not any(_PROGRAM.search(author) for author in header.get("from", ())):
        return None
    many = _first(header, "precedence").strip().lower() in ("bulk", "list", "junk")
    return None if many else "a program sent it, and a message may be in it"


def _told_of(sender: str) -> tuple[bool, bool]:
    """Return whether a sender is a mail system, and whether it is a list's own address."""
    return _known_senders(sender) if len(sender) <= SHORT else _signs_of(sender)


def _signs_of(sender: str) -> tuple[bool, bool]:
    text = decoded(sender)
    is_system = bool(_NULL.match(text)) or SENDER_ROLE.search(text) or SENDER_NAME.search(text)
    return is_system, LIST_SENDER.search(text)


_known_senders = lru_cache(maxsize=2_048)(_signs_of)


def _by_subject(subject: str) -> str | None:
    if NOTICE_SUBJECT.search(subject):
        return "its subject is that of a notice"
    return "its subject is that of an automatic answer" if AUTO_SUBJECT.search(subject) else None


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
