"""Read one notice: who failed, why, and what was returned. The most authoritative reader answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from cleanup.detector.guard import guard
from cleanup.detector.header import read_date, read_ids
from cleanup.detector.notices.addresses import (
    first_person,
    lower_domain,
    people,
    plain_address,
    typed_address,
)
from cleanup.detector.notices.bounces import read_bounce
from cleanup.detector.notices.headers import Fields, read_fields
from cleanup.detector.notices.is_bounce import is_a_copy
from cleanup.detector.notices.json_events import read_json_event
from cleanup.detector.notices.list_refusals import read_list_refusal
from cleanup.detector.notices.lookalikes import RECEIPT_TYPES, other_kind
from cleanup.detector.notices.mail import Mail, unwrapped
from cleanup.detector.notices.returned import MOST_RETURNED, returned_by_parts, with_other_ids
from cleanup.detector.notices.signs import reason
from cleanup.model import Extent, Kind, Notice, Recipient, Returned

Reader = Callable[[Mail], Notice | None]

# What filters and gateways leave in a header; detector/evidence/ reads them (upstream.py, authentication.py).
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


def read_other_notice(mail: Mail) -> Notice | None:
    """Return what is a notice and no bounce, or no notice at all; None where the next reader is to be asked."""
    kind = other_kind(mail)
    if kind is Kind.MDN:
        return _read_receipt(mail)
    return Notice(kind, format=kind.value) if kind else None


def _read_receipt(mail: Mail) -> Notice:
    """Return a receipt with who gives it and the id of what it is for (RFC 8098 sections 3.2.4 and 3.2.5)."""
    stated = Fields(tuple(item for part in mail.of_type(*RECEIPT_TYPES) for item in read_fields(part.octets)[0].items))
    address = next((a for value in stated.all("Final-Recipient") if (a := typed_address(value))), None)
    found = tuple(islice(returned_by_parts(mail), MOST_RETURNED)) or (Returned(Extent.NOTHING),)
    return Notice(
        Kind.MDN,
        format=Kind.MDN.value,
        recipients=(Recipient(lower_domain(address)),) if address else (),
        returned=(with_other_ids(found[0], read_ids(stated.all("Original-Message-ID"))), *found[1:]),
    )


# Most authoritative first: a service's own event, a list's own refusal, then what only looks like a bounce, because a
# receipt or an auto-reply may be worded, or even built, like one; what is left over is read as a bounce.
READERS: tuple[Reader, ...] = (read_json_event, read_list_refusal, read_other_notice, read_bounce)


def read_notice(raw: bytes) -> Notice | None:
    """Return the notice that a message is; None for ordinary mail. Never raises, however odd the mail.

    `Notice.too_hostile` says why a mail that looks like a notice was not read.
    """
    guarded = guard(raw)
    fields, body_at = read_fields(guarded.raw)
    if reason(fields.by_name) is None:
        return None
    mail = Mail(fields, guarded.raw, body_at)
    if guarded.too_hostile:
        return _hostile(mail, guarded.too_hostile)
    try:
        # A journal's or ticket system's copy is judged as the copy that it is, never as the notice inside.
        inner = mail if is_a_copy(mail) else unwrapped(mail)
        notice = next((found for reader in READERS if (found := reader(inner))), None)
        if notice is None or notice.kind is Kind.ORDINARY:
            return None
        if not any(one.extent is not Extent.NOTHING or one.other_ids for one in notice.returned):
            has_parts = mail.fields.first("Content-Type") is not None
            parts = tuple(islice(returned_by_parts(mail), MOST_RETURNED)) if has_parts else ()
            notice = replace(notice, returned=parts or (Returned(Extent.NOTHING),))
        return _with_header(notice, mail)
    except (RecursionError, MemoryError, ValueError, LookupError, ArithmeticError) as error:
        return _hostile(mail, f"reading it failed ({type(error).__name__})")


def _hostile(mail: Mail, why: str) -> Notice | None:
    """Return a notice that says why it was not read; None where the header alone shows no notice."""
    declared = (mail.fields.first("Content-Type") or "").lower()
    if not (mail.null_sender or mail.role_sender or "multipart/report" in declared):
        return None
    return _with_header(Notice(Kind.NDR, "too-hostile", too_hostile=why), mail)


def _with_header(notice: Notice, mail: Mail) -> Notice:
    """Return the notice with everything that its own header says of it as a message."""
    fields = mail.fields
    sender, _ = first_person(fields.all("From"))
    moment = read_date(fields.first("Date") or "")
    path = fields.first("Return-Path")
    if path is not None:  # "" is the null sender "<>" (RFC 5321 section 4.5.5); None: there is no such field
        path = "" if mail.null_sender else plain_address(path) or path.strip("<> ")
    return replace(
        notice,
        subject=fields.text("Subject") or None,
        sender=sender,
        return_path=path,
        message_id=next(iter(read_ids(fields.all("Message-ID"))), None),
        date=moment.time if moment else None,
        addressed_to=tuple(dict.fromkeys(a for name in _ADDRESSED for a, _ in people(fields.all(name)))),
        in_reply_to=read_ids(fields.all("In-Reply-To")),
        references=read_ids(fields.all("References")),
        received=tuple(fields.all("Received")),
        marks=tuple(
            (name, value)
            for name, value in fields.items
            if (key := name.lower()) in _MARKS or key.startswith(_MARK_FAMILIES)
        ),
    )
