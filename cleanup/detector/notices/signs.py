"""The signs in a header that a message may be a notice."""

from __future__ import annotations

import re

from cleanup.detector.fields_asked import AUTOMATIC_FIELDS
from cleanup.detector.notices.headers import Fields, decoded
from cleanup.detector.notices.phrases import (
    AUTO_SUBJECT,
    LIST_SENDER,
    NOTICE_SUBJECT,
    SENDER_NAME,
    SENDER_ROLE,
)

_TYPES = ("multipart/report", "message/delivery-status", "message/disposition-notification", "message/feedback-report")
_NULL = re.compile(r"^\s*<\s*>\s*$")


def reason(fields: Fields) -> str | None:
    """Return why a message with these fields may be a notice; None where it cannot be one."""
    return _by_structure(fields) or _by_sender(fields) or _by_subject(decoded(fields.first("Subject") or ""))


def _by_structure(fields: Fields) -> str | None:
    declared = (fields.first("Content-Type") or "").lower()
    if any(kind in declared for kind in _TYPES):
        return "it is a report"
    if any(_NULL.match(path) for path in fields.all("Return-Path")):
        return "it has no return path"
    submitted = (fields.first("Auto-Submitted") or "").strip().lower()
    if submitted.startswith(("auto-replied", "auto-notified")):
        return "it says that it is an automatic answer"
    if "auto_reply" in (fields.first("Precedence") or "").lower():
        return "it says that it is an automatic answer"
    return next((f"it carries {name}" for name in AUTOMATIC_FIELDS if fields.has(name)), None)


def _by_sender(fields: Fields) -> str | None:
    for sender in (*fields.all("From"), *fields.all("Sender")):
        text = decoded(sender)
        if _NULL.match(text) or SENDER_ROLE.search(text) or SENDER_NAME.search(text):
            return "a mail system sent it"
    if any(LIST_SENDER.search(decoded(sender)) for sender in fields.all("From")):
        return "a list's own address sent it"
    return None


def _by_subject(subject: str) -> str | None:
    if NOTICE_SUBJECT.search(subject):
        return "its subject is that of a notice"
    return "its subject is that of an automatic answer" if AUTO_SUBJECT.search(subject) else None
