"""Fills in what every notice has: itself as a message, what it returned, the marks that filters left on it."""

from __future__ import annotations

from dataclasses import replace

from cleanup.detector.header import read_date, read_ids
from cleanup.detector.notices.addresses import first_person, people, plain_address
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.returned import MOST_RETURNED, returned_by_parts
from cleanup.model import Extent, Kind, Notice, Returned

_MARKS = (
    "x-customspam",
    "authentication-results",
    "arc-authentication-results",
    "x-forefront-antispam-report",
    "received-spf",
)
_MARK_FAMILIES = ("x-spam", "x-rspamd", "x-ms-exchange-", "x-microsoft-antispam", "x-barracuda-spam", "x-virus-")
_ADDRESSED = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "X-RCPT-To",
    "To",
    "Cc",
)


def completed(notice: Notice, mail: Mail) -> Notice:
    """Return the notice with what it returned and everything that its own header says."""
    if not any(one.extent is not Extent.NOTHING or one.other_ids for one in notice.returned):
        notice = replace(notice, returned=_returned(mail))
    return _with_header(notice, mail)


def _with_header(notice: Notice, mail: Mail) -> Notice:
    fields = mail.fields
    sender, _ = first_person(fields.all("From"))
    moment = read_date(fields.first("Date") or "")
    return replace(
        notice,
        subject=fields.text("Subject") or None,
        sender=sender,
        return_path=return_path(mail),
        message_id=next(iter(read_ids(fields.all("Message-ID"))), None),
        date=moment.time if moment else None,
        addressed_to=tuple(dict.fromkeys(a for name in _ADDRESSED for a, _ in people(fields.all(name)))),
        in_reply_to=read_ids(fields.all("In-Reply-To")),
        references=read_ids(fields.all("References")),
        received=tuple(fields.all("Received")),
        marks=tuple((name, value) for name, value in fields.items if _is_mark(name.lower())),
    )


def hostile(mail: Mail, why: str) -> Notice | None:
    """Return a notice that says why it was not read; None where the header alone shows no notice."""
    if not (
        mail.null_sender or mail.role_sender or "multipart/report" in (mail.fields.first("Content-Type") or "").lower()
    ):
        return None
    return _with_header(Notice(Kind.NDR, "too-hostile", too_hostile=why), mail)


def return_path(mail: Mail) -> str | None:
    """Return the Return-Path: "" for the null sender, None where there is no field."""
    value = mail.fields.first("Return-Path")
    if value is None:
        return None
    return "" if mail.null_sender else plain_address(value) or value.strip("<> ")


_NOTHING = (Returned(Extent.NOTHING),)


def _returned(mail: Mail) -> tuple[Returned, ...]:
    if mail.fields.first("Content-Type") is None:
        return _NOTHING
    return tuple(one for one, _ in zip(returned_by_parts(mail), range(MOST_RETURNED), strict=False)) or _NOTHING


def _is_mark(name: str) -> bool:
    return name in _MARKS or name.startswith(_MARK_FAMILIES)
