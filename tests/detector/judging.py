"""Builders for judging: Anna of example.org, her sent mail, and notices that answer it or pretend to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cleanup.detector.sent import InboxClue, MemorySentIndex
from cleanup.detector.verdict import judge
from cleanup.model import (
    Action,
    Extent,
    Finding,
    Identity,
    Kind,
    Notice,
    Policy,
    Recipient,
    Returned,
    SentMessage,
    SentSource,
)

NOW = datetime(2026, 9, 20, 12, 0, tzinfo=UTC)
ARRIVED = datetime(2026, 9, 14, 9, 30, tzinfo=UTC)
WRITTEN = datetime(2026, 9, 14, 9, 0, tzinfo=UTC)
SINCE = datetime(2020, 1, 1, tzinfo=UTC)
ANNA = Identity(addresses=frozenset({"anna@example.org"}), outbound_hosts=frozenset({"out1.example.org", "192.0.2.10"}))
STRANGER = "from zombie (dsl9.zombie.isp.test [203.0.113.9]) by mx.far.test (Postfix) with ESMTP id 4F1; Mon"
OUT1 = "from out1.example.org (out1.example.org [192.0.2.10]) by mx.far.test (Postfix) with ESMTPS id 4F2; Mon"


def a_sent_message(number: int = 1, **changes: Any) -> SentMessage:
    """One of Anna's messages; the number makes it unlike the others."""
    when = changes.pop("date", NOW - timedelta(hours=20 * (number % 1000) + number % 5))
    base = SentMessage(
        folder="Sent",
        uid=number,
        message_id=f"20260914.{number:05d}@example.org",
        from_address="anna@example.org",
        from_name="Anna Berg",
        recipients=(f"friend{number % 37}@pals.test",),
        subject=f"Minutes of meeting number {number}",
        date=when,
        arrived=when,
        mailer="Thunderbird/128.2",
        zone_minutes=120,
    )
    return replace(base, **changes)


def a_sent_index(*messages: SentMessage, others: int = 200, **how: Any) -> MemorySentIndex:
    """Anna's Sent folder: these messages among `others`, vouched for since 2020 unless said otherwise."""
    held = [*messages, *(a_sent_message(n) for n in range(1000, 1000 + others))]
    sources = how.pop("sources", (SentSource("Sent", len(held), len(held)),))
    how.setdefault("complete_since", SINCE)
    return MemorySentIndex.build(held, sources, now=NOW, **how)


def replies_to_sent(*, found: int = 100, lost: int = 0) -> list[InboxClue]:
    """Answers in the Inbox to messages that Sent holds, and to some that it lost."""
    ids = [f"20260914.{n:05d}@example.org" for n in range(1000, 1000 + found)]
    ids += [f"20260914.{n:05d}@example.org" for n in range(90_000, 90_000 + lost)]
    return [
        InboxClue(f"r{i}@pals.test", (one,), "friend@pals.test", ("anna@example.org",)) for i, one in enumerate(ids)
    ]


def a_returned(**changes: Any) -> Returned:
    """A forgery as returned with all its headers: nothing in it is Anna's but the address."""
    base = Returned(
        extent=Extent.HEADERS,
        message_id="spam.1@zombie.isp.test",
        from_address="anna@example.org",
        from_name="Security",
        to=("victim@far.test",),
        subject="Your invoice is overdue today",
        date=WRITTEN,
        received=(STRANGER,),
    )
    return replace(base, **changes)


def a_copy_of(sent: SentMessage, **changes: Any) -> Returned:
    """A sent message as a notice returns it, by Anna's own way."""
    base = Returned(
        extent=Extent.HEADERS,
        message_id=sent.message_id,
        from_address=sent.from_address,
        from_name=sent.from_name,
        to=sent.recipients,
        subject=sent.subject,
        date=sent.date,
        received=(OUT1,),
    )
    return replace(base, **changes)


def a_notice(*returned: Returned, to: tuple[str, ...] = ("victim@far.test",), **changes: Any) -> Notice:
    """A bounce by mx.far.test for these recipients."""
    base = Notice(
        kind=Kind.NDR,
        format="rfc3464",
        action=Action.FAILED,
        recipients=tuple(Recipient(address, action=Action.FAILED, status="5.1.1") for address in to),
        returned=returned or (Returned(Extent.NOTHING),),
        reporting_mta="mx.far.test",
        sender="MAILER-DAEMON@mx.far.test",
        addressed_to=("anna@example.org",),
    )
    return replace(base, **changes)


def judged(
    notice: Notice,
    sent: MemorySentIndex | None = None,
    *,
    identity: Identity = ANNA,
    policy: Policy | None = None,
    arrived: datetime | None = ARRIVED,
) -> Finding:
    """The finding on a notice, against Anna's Sent unless another index is given."""
    return judge(notice, sent or a_sent_index(), identity, policy or Policy(), arrived=arrived)


def rules_of(finding: Finding) -> set[str]:
    """The names of all rules that said something."""
    return {reason.rule for reason in finding.reasons}
