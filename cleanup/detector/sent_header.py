"""Reads the header of one message of the owner's Sent folder, or what an ordinary Inbox message says about Sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cleanup.detector.fields import decode_words, header_fields, read_date, read_ids, read_people
from cleanup.model import SentMessage

SENT_FIELDS = (
    "Message-ID",
    "Date",
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Thread-Index",
    "X-Mailer",
    "User-Agent",
    "X-Microsoft-Original-Message-ID",
    "X-Google-Original-Message-ID",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "X-Uniform-Type-Identifier",
)
_OTHER_IDS = ("x-microsoft-original-message-id", "x-google-original-message-id", "resent-message-id")
_RECIPIENTS = ("to", "cc", "bcc", "resent-to", "resent-cc")
_UNSENT = ("com.apple.mail-draft", "com.apple.mail-template")


class InboxClue(NamedTuple):
    """What an ordinary message in the Inbox says of the owner's sent mail: whom it answers, and who wrote it."""

    message_id: str | None = None
    answers: tuple[str, ...] = ()  # In-Reply-To, or the last of References
    from_address: str | None = None
    to: tuple[str, ...] = ()
    date: datetime | None = None


def read_sent_header(folder: str, uid: int, arrived: datetime | None, fields: bytes) -> SentMessage:
    """Return what the header block of a sent message says. Never raises: what cannot be read is None or empty."""
    header = header_fields(fields)
    author = next(iter(read_people(header.get("from", ()))), None)
    moment = read_date(next(iter(header.get("date", ())), ""))
    recipients = (person.address for name in _RECIPIENTS for person in read_people(header.get(name, ())))
    return SentMessage(
        folder=folder,
        uid=uid,
        message_id=next(iter(read_ids(header.get("message-id", ()))), None),
        other_ids=tuple(i for name in _OTHER_IDS for i in read_ids(header.get(name, ()))),
        from_address=author.address if author else None,
        from_name=author.name if author else None,
        recipients=tuple(dict.fromkeys(recipients)),
        subject=decode_words(header["subject"][0]) if "subject" in header else None,
        date=moment.time if moment else None,
        arrived=arrived,
        thread_index=next(iter(header.get("thread-index", ())), None),
        mailer=next(iter((*header.get("x-mailer", ()), *header.get("user-agent", ()))), None),
        zone_minutes=moment.zone_minutes if moment else None,
        forwarded=_does_not_teach(header),
    )


def inbox_clue(fields: bytes) -> InboxClue:
    """Return what the header block of an ordinary Inbox message says of the owner's sent mail."""
    return clue_in(header_fields(fields))


def clue_in(header: Mapping[str, Sequence[str]]) -> InboxClue:
    """Return what inbox_clue() does, from the values of each field by its name in lower case."""
    author = next(iter(read_people(header.get("from", ()))), None)
    moment = read_date(next(iter(header.get("date", ())), ""))
    answered = read_ids(header.get("in-reply-to", ())) or read_ids(header.get("references", ()))[-1:]
    return InboxClue(
        message_id=next(iter(read_ids(header.get("message-id", ()))), None),
        answers=answered[:1],
        from_address=author.address if author else None,
        to=tuple(p.address for name in ("to", "cc") for p in read_people(header.get(name, ()))),
        date=moment.time if moment else None,
    )


def _does_not_teach(header: dict[str, list[str]]) -> bool:
    """Return whether it is somebody else's mail passed on, or was never sent: it shows no habit of the owner's."""
    resent = any(name.startswith("resent-") for name in header)
    unsent = any(value.lower() in _UNSENT for value in header.get("x-uniform-type-identifier", ()))
    return resent or unsent
