"""Delivery status notifications (RFC 3464, RFC 6533), whole and broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from cleanup.detector.header import read_date
from cleanup.detector.notices.addresses import lower_domain, split_type, typed_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.headers import Fields, decoded, read_fields
from cleanup.detector.notices.mail import STATUS_TYPES, Mail, walk
from cleanup.model import Action, Cause, Recipient

MOST_RECIPIENTS = 1_000
MOST_STATUS = 262_144

_RECIPIENT_FIELDS = (
    "Final-Recipient",
    "Original-Recipient",
    "X-Actual-Recipient",
    "Final-Recipent",
    "X-Failed-Recipient",
)
_OF_A_RECIPIENT = (*_RECIPIENT_FIELDS, "Action", "Status", "Diagnostic-Code")
_GAP = re.compile(rb"\n[ \t]*(?:\n[ \t]*)+")
_IN_TEXT = re.compile(
    r"^[ \t>|]{0,8}(?:Reporting-MTA|Final-Recipient|Original-Recipient)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_NEEDED = re.compile(r"^[ \t>|]{0,8}Final-Recipient[ \t]*:.{0,300}@", re.IGNORECASE | re.MULTILINE)
_MARKS = re.compile(r"^[ \t>|]{1,8}", re.MULTILINE)
_STATUS = re.compile(
    r"([245])(?<![\d.].)\s?\.\s?(\d{1,3})\s?\.\s?(\d{1,3})(?![\d.])"
)  # the digit first: it is quick to find
_REPLY = re.compile(r"([245](?<![\d.].)\d\d)(?=[ \-#:,)]|$)")
_WORD = re.compile(r"[a-z]+")
_ACTIONS = {
    "failed": Action.FAILED,
    "failure": Action.FAILED,
    "fail": Action.FAILED,
    "error": Action.FAILED,  # OpenSMTPD
    "bounced": Action.FAILED,
    "rejected": Action.FAILED,
    "denied": Action.FAILED,
    "undeliverable": Action.FAILED,
    "expired": Action.FAILED,
    "delayed": Action.DELAYED,
    "delay": Action.DELAYED,
    "deferred": Action.DELAYED,
    "delivered": Action.DELIVERED,
    "deliverable": Action.DELIVERED,
    "success": Action.DELIVERED,
    "relayed": Action.RELAYED,
    "relay": Action.RELAYED,
    "forwarded": Action.RELAYED,
    "expanded": Action.EXPANDED,
}
_EXIT_CODES = {  # "X-Unix; 67": with what a program ended that delivers locally (sysexits.h)
    "65": Cause.CONTENT,
    "67": Cause.NO_SUCH_USER,
    "68": Cause.NO_SUCH_HOST,
    "77": Cause.POLICY,
    **dict.fromkeys(("64", "66", "69", "70", "71", "72", "73", "74", "75", "76", "78"), Cause.SYSTEM),
}
_PROGRAMS = ("|", '"|', "/")  # mail went to a command or a file of the recipient's
_SEVEREST = (Action.FAILED, Action.DELAYED, Action.EXPANDED, Action.RELAYED, Action.DELIVERED)


@dataclass(frozen=True, slots=True)
class Report:
    """What the status parts of a notice say."""

    recipients: tuple[Recipient, ...] = ()
    reporting_mta: str | None = None
    envelope_id: str | None = None
    arrival_date: datetime | None = None
    other_ids: tuple[str, ...] = ()


def read_report(mail: Mail) -> Report | None:
    """Return what the status parts say; a report whose parts lost their structure is found in the text."""
    blocks = [part.octets for part in mail.of_type(*STATUS_TYPES)] or list(_wrapped(mail)) or list(_in_text(mail))
    groups = list(islice((group for block in blocks for group in _groups(block[:MOST_STATUS])), MOST_RECIPIENTS))
    if not any(group.has(*_OF_A_RECIPIENT, "Reporting-MTA") for group in groups):
        return None
    recipients: dict[str, Recipient] = {}
    for group in groups:
        recipient = _recipient(group) if group.has(*_OF_A_RECIPIENT) else None
        if recipient:
            recipients.setdefault(recipient.address.lower(), recipient)
    # The fields of the message itself are looked for in every group: some systems write them after the recipients.
    whole = Fields(tuple(item for group in groups for item in group.items))
    arrival = read_date(whole.first("Arrival-Date") or "")
    return Report(
        recipients=tuple(recipients.values()),
        reporting_mta=_host(whole.first("Reporting-MTA")),
        envelope_id=whole.first("Original-Envelope-Id"),
        arrival_date=arrival.time if arrival else None,
        other_ids=tuple(
            value.strip("<> ") for name in ("X-Original-Message-ID", "Original-Message-ID") for value in whole.all(name)
        ),
    )


def severest(recipients: tuple[Recipient, ...]) -> Action | None:
    """Return the gravest action of all recipients; None where none is said."""
    actions = {recipient.action for recipient in recipients}
    return next((action for action in _SEVEREST if action in actions), None)


def find_status(text: str) -> str | None:
    """Return the enhanced status code in a text (RFC 3463); None where there is none."""
    found = _STATUS.search(text[:2_000])
    return ".".join(found.groups()) if found else None


def find_reply(text: str) -> str | None:
    """Return the SMTP reply code in a text; None where there is none."""
    found = _REPLY.search(text[:2_000])
    return found[1] if found else None


def read_action(value: str | None) -> Action | None:
    """Return the action of a per-recipient block (RFC 3464 section 2.3.3); None for a word that means none.

    Comments after the word are dropped ("failed (bounced)"). OpenSMTPD writes "error"; it means FAILED.
    """
    word = _WORD.search((value or "").lower())
    return _ACTIONS.get(word[0]) if word else None


# --- where the report is -------------------------------------------------------------------------------------------


def _wrapped(mail: Mail) -> Iterator[bytes]:
    """Yield status parts that a report holds one level too deep: within a message part that is nothing else."""
    if not mail.is_report:
        return
    for outer in mail.of_type("message/rfc822", "message/global"):
        for inner in outer.children:
            if inner.type in STATUS_TYPES or inner.type.startswith("multipart/report"):
                yield from (part.octets for part in walk(inner) if part.type in STATUS_TYPES)


def _in_text(mail: Mail) -> Iterator[bytes]:
    """Yield reports that came as plain text, or as parts of a wrong type."""
    for part in mail.parts:
        if part.children or not (part.is_text or part.type.startswith(("application/", "message/"))):
            continue
        by_a_system = mail.is_report or mail.sent_by_a_mail_system
        if not (part.is_text or by_a_system) and read_fields(part.octets)[0].has("From", "Received"):
            continue  # somebody, or a ticket system, passes a whole notice on: ndr.eml
        text = part.text
        if "final-recipient" not in text.lower():
            continue
        if (start := _IN_TEXT.search(text)) and _NEEDED.search(text):
            yield _MARKS.sub("", text[start.start() :]).encode("utf-8", "replace")


# --- what it says --------------------------------------------------------------------------------------------------


def _groups(block: bytes) -> Iterator[Fields]:
    """Yield the groups of fields, which empty lines part (RFC 3464 section 2.1).

    A group that names a second final recipient is two: some systems leave the empty line out.
    """
    for piece in _GAP.split(block.replace(b"\r\n", b"\n").strip()):
        fields, _ = read_fields(piece.lstrip(b" \t\r\n") + b"\n")
        if len(fields.all("Final-Recipient")) < 2 and len(fields.all("Original-Recipient")) < 2:
            if fields.items:
                yield fields
            continue
        current: list[tuple[str, str]] = []
        seen: set[str] = set()
        for name, value in fields.items:
            key = name.lower()
            if key in seen and key in ("final-recipient", "original-recipient"):
                yield Fields(tuple(current))
                current, seen = [], set()
            seen.add(key)
            current.append((name, value))
        yield Fields(tuple(current))


def _host(value: str | None) -> str | None:
    """Return the name in a typed MTA field ("dns; mx.example.net"); None where it says none."""
    name = split_type(value or "")[1].split(" ")[0].strip("[]<>;")
    return name or None


def _recipient(group: Fields) -> Recipient | None:
    original = _address(group, "Original-Recipient")
    final = _address(group, "Final-Recipient", "Final-Recipent", "X-Failed-Recipient")
    if final and original and final.startswith(_PROGRAMS):
        final = original
    actual = _address(group, "X-Actual-Recipient")
    address = final or original or actual
    if address is None:
        return None
    typed = [split_type(value) for value in group.all("Diagnostic-Code")]
    if not typed:  # Cisco's appliances: "<host #5.0.0 smtp; 550 Unknown User>"
        typed = [("smtp", value.partition(";")[2].strip(" >")) for value in group.all("X-Supplementary-Info")]
    values = [value for _, value in typed]
    words = " ".join(" ".join(decoded(v) for v in values).split())
    status = find_status(group.first("Status") or "") or find_status(words)
    if status and status.endswith(".0.0"):
        status = find_status(words) or status
    reply = find_reply(words)
    cause = find_cause(words, status, reply)
    if cause is Cause.UNKNOWN and typed and typed[0][0] == "x-unix":
        cause = _EXIT_CODES.get(words, cause)
    action = read_action(group.first("Action"))
    if action is None:
        action = Action.DELIVERED if (status or "").startswith("2") else Action.FAILED
    return Recipient(
        address=address,
        original=original if original and original.lower() != address.lower() else None,
        action=action,
        status=status,
        reply=reply,
        diagnostic=words or None,
        remote_mta=_host(group.first("Remote-MTA")),
        cause=cause,
    )


def _address(group: Fields, *names: str) -> str | None:
    found = (typed_address(value) for name in names for value in group.all(name))
    address = next((a for a in found if a), None)
    return lower_domain(address) if address else None
