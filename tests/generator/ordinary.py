"""Ordinary mail that looks like a notice: people forwarding and answering bounces, lists, newsletters, calendars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from tests.generator.forged import forged_full
from tests.generator.genuine import genuine_by_id
from tests.generator.mail import write
from tests.generator.world import World


@dataclass(frozen=True)
class Letter:
    """One ordinary message."""

    what: str
    raw: bytes
    arrived: datetime


def _head(world: World, sender: str, subject: str, when: datetime, *more: str) -> str:
    host = sender.rpartition("@")[2].strip(">")
    lines = [
        f"Return-Path: <{sender.partition('<')[2].strip('>') or sender}>",
        f"Received: from mail.{host} (mail.{host} [198.18.44.4]) by mx.example.org (Postfix) with ESMTPS id 5A;"
        f" {format_datetime(when)}",
        f"Message-ID: <{world.rng.getrandbits(60):x}@{host}>",
        f"Date: {format_datetime(when)}",
        f"From: {sender}",
        f"To: {world.owner}",
        f"Subject: {subject}",
        "MIME-Version: 1.0",
        *more,
    ]
    return "\r\n".join(lines) + "\r\n"


def _bounce(world: World) -> str:
    specimen = world.rng.choice((forged_full, genuine_by_id))(world)
    return write(world.rng, specimen.report).decode()


def forwarded_bounce(world: World) -> bytes:
    """A colleague asks "is this yours?", with the bounce attached."""
    head = _head(
        world,
        f"Bert <{world.friend().address}>",
        "Fwd: Undelivered Mail Returned to Sender",
        world.arrived(),
        'Content-Type: multipart/mixed; boundary="outer"',
    )
    parts = (
        "--outer\r\nContent-Type: text/plain\r\n\r\nIs this yours?\r\n--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    return f"{head}\r\n{parts}{_bounce(world)}\r\n--outer--\r\n".encode()


def answered_bounce(world: World) -> bytes:
    """Somebody answers a bounce and quotes it."""
    quoted = "\r\n".join(f"> {line}" for line in _bounce(world).splitlines())
    subject = "Re: Mail delivery failed: returning message to sender"
    head = _head(world, world.friend().address, subject, world.arrived(), "Content-Type: text/plain")
    return f"{head}\r\nWhat shall I do about this?\r\n\r\n{quoted}\r\n".encode()


def pasted_bounce(world: World) -> bytes:
    """Somebody pastes a bounce into a letter."""
    head = _head(world, world.friend().address, "strange mail", world.arrived(), "Content-Type: text/plain")
    return f"{head}\r\nHello Anna, I got this:\r\n\r\n{_bounce(world)}\r\nBert\r\n".encode()


def bounce_on_a_list(world: World) -> bytes:
    """A bounce that a discussion list passed on to its members."""
    more = ("List-Id: <mail-admins.lists.test>", "List-Post: <mailto:mail-admins@lists.test>", "Precedence: list")
    head = _head(world, "admin@lists.test", "[mail-admins] Undeliverable: help", world.arrived(), *more)
    head = head.replace(f"To: {world.owner}", "To: mail-admins@lists.test")
    return f"{head}Content-Type: text/plain\r\n\r\nSee below.\r\n\r\n{_bounce(world)}\r\n".encode()


def newsletter(world: World) -> bytes:
    """A newsletter on deliverability."""
    more = ("List-Unsubscribe: <mailto:off@news.test>", "Precedence: bulk", "Content-Type: text/plain")
    head = _head(
        world, "The Weekly <weekly@news.test>", "Delivery Status Notification explained", world.arrived(), *more
    )
    return f"{head}\r\nWhy does <someone@example.com> answer 550 5.1.1 User unknown?\r\n".encode()


def personal_failure(world: World) -> bytes:
    """A person writes about a failed delivery of another kind."""
    head = _head(world, world.friend().address, "Delivery failed", world.arrived(), "Content-Type: text/plain")
    return f"{head}\r\nThe parcel could not be delivered to your address. Call {world.friend().address}.\r\n".encode()


def aggregate_report(world: World) -> bytes:
    """A DMARC aggregate report."""
    subject = "Report Domain: example.org Submitter: far.test Report-ID: 77"
    head = _head(world, "noreply-dmarc@far.test", subject, world.arrived(), "Auto-Submitted: auto-generated")
    kind = "Content-Type: application/gzip; name=r.xml.gz\r\nContent-Transfer-Encoding: base64"
    return f"{head}{kind}\r\n\r\nH4sI\r\n".encode()


def meeting_refused(world: World) -> bytes:
    """A calendar answer."""
    more = 'Content-Type: text/calendar; method=REPLY; charset="utf-8"'
    head = _head(world, world.friend().address, "Declined: budget meeting", world.arrived(), more)
    return f"{head}\r\nBEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nEND:VCALENDAR\r\n".encode()


def plain_letter(world: World) -> bytes:
    """A letter."""
    head = _head(world, world.friend().address, world.subject(), world.arrived(), "Content-Type: text/plain")
    return f"{head}\r\nDear Anna, thank you.\r\n".encode()


MAKERS: tuple[Callable[[World], bytes], ...] = (
    forwarded_bounce,
    answered_bounce,
    pasted_bounce,
    bounce_on_a_list,
    newsletter,
    personal_failure,
    aggregate_report,
    meeting_refused,
    plain_letter,
)


def letters(world: World, *, each: int) -> list[Letter]:
    """Return `each` messages of every kind of ordinary mail."""
    return [Letter(make.__name__, make(world), world.arrived()) for make in MAKERS for _ in range(each)]
