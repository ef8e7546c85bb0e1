"""Notices as JSON events: Amazon SES tells of bounces, complaints and deliveries through SNS in this form.

Source: docs.aws.amazon.com, "Amazon SNS notification contents for Amazon SES".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from cleanup.detector.header import read_date
from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.dsn import find_reply, find_status, read_action
from cleanup.detector.notices.headers import Fields
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.returned import from_fields
from cleanup.model import Action, Extent, Kind, Notice, Recipient, Returned

MOST_JSON = 131_072
MOST_NESTED = 60  # brackets in one another; the parser recurses

_KINDS = dict.fromkeys(("bounce", "delivery", "deliverydelay", "reject"), Kind.NDR) | {"complaint": Kind.ARF}
_ACTIONS = {"delivery": Action.DELIVERED, "deliverydelay": Action.DELAYED}


def read_json_event(mail: Mail) -> Notice | None:
    """Return the notice that an SES event in the text is; None where there is none."""
    if "aws" not in mail.sender.lower() and "aws notification" not in mail.subject.lower():
        return None
    event = _event(mail.words)
    name = (_text(event, "notificationType") or _text(event, "eventType")).lower()
    kind = _KINDS.get(name)
    if kind is None:
        return None
    body = _part(event, {"deliverydelay": "deliveryDelay"}.get(name, name))
    action = _ACTIONS.get(name, Action.FAILED) if kind is Kind.NDR else None
    recipients = tuple(replace(r, action=r.action or action) for r in _recipients(body))
    first = next((r for r in recipients if r.status), None)
    return Notice(
        kind=kind,
        format="ses-json",
        action=action,
        recipients=recipients,
        returned=(_returned(_part(event, "mail")),),
        reporting_mta=_text(body, "reportingMTA").rpartition(";")[2].strip() or None,
        status=first.status if first else None,
        cause=recipients[0].cause if recipients else find_cause(),
    )


def _event(text: str) -> dict[str, object]:
    """Return the event in a text; {} where there is none. Relays fold long lines with "!", a line end and a space."""
    return _parsed(text) or (_parsed(text.replace("!\n ", "")) if "!\n " in text else {})


def _parsed(text: str) -> dict[str, object]:
    start = text.find("{")
    if start < 0 or text.count("{") > 10_000:
        return {}
    depth = deepest = 0
    for character in text:
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    if deepest > MOST_NESTED:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start : start + MOST_JSON])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    wrapped = found.get("Message")  # SNS may wrap the event as a string
    return _event(wrapped) if isinstance(wrapped, str) and "mail" not in found else found


def _recipients(body: dict[str, object]) -> Iterator[Recipient]:
    response = " ".join(_text(body, key) for key in ("smtpResponse", "bounceType", "bounceSubType"))
    for name in ("bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"):
        for entry in _entries(body, name):
            address = plain_address(_text(entry, "emailAddress"))
            if address is None:
                continue
            words = _text(entry, "diagnosticCode").removeprefix("smtp;").strip() or response.strip()
            status, reply = find_status(_text(entry, "status")) or find_status(words), find_reply(words)
            yield Recipient(
                address=lower_domain(address),
                action=read_action(_text(entry, "action")),
                status=status,
                reply=reply,
                diagnostic=words or None,
                cause=find_cause(words, status, reply),
            )


def _returned(mail: dict[str, object]) -> Returned:
    """Return what the event says of the message. `mail.messageId` is the id SES gave it on the wire."""
    items = tuple((_text(e, "name"), _text(e, "value")) for e in _entries(mail, "headers") if _text(e, "name"))
    found = from_fields(Fields(items), Extent.HEADERS if items else Extent.NOTHING)
    given = _text(mail, "messageId")
    common = _part(mail, "commonHeaders")
    moment = read_date(_text(common, "date"))
    destinations = (plain_address(_text(e, "emailAddress")) for e in _entries(mail, "destination"))
    return replace(
        found,
        message_id=found.message_id or given or None,
        other_ids=(*found.other_ids, given) if given and found.message_id else found.other_ids,
        from_address=found.from_address or plain_address(_text(mail, "source")),
        to=found.to or tuple(address for address in destinations if address),
        subject=found.subject or _text(common, "subject") or None,
        date=found.date or (moment.time if moment else None),
    )


def _text(event: dict[str, object], key: str) -> str:
    value = event.get(key)
    return value[:8_192] if isinstance(value, str) else ""


def _part(event: dict[str, object], key: str) -> dict[str, object]:
    value = event.get(key)
    return value if isinstance(value, dict) else {}


def _entries(event: dict[str, object], key: str) -> Iterator[dict[str, object]]:
    """Yield the objects of a list; a plain string in it counts as an address."""
    value = event.get(key)
    for entry in value[:1_000] if isinstance(value, list) else []:
        if isinstance(entry, dict):
            yield entry
        elif isinstance(entry, str):
            yield {"emailAddress": entry}
