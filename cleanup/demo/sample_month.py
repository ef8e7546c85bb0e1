"""A made-up month of two mailboxes of one organisation, with the truth: the mail behind the sample ledger.

Anna is forged: a trickle all month, and a storm of 420 bounces in the night to 15 October. Ben has a small storm, and
from 5 October on his telephone saves no copies in Sent any more. Everybody and every host is invented (RFC 2606,
RFC 5737, RFC 2544). The same seed writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

from cleanup.model import Verdict

DOMAIN = "example.org"
OUTBOUND = (f"out1.{DOMAIN}", "192.0.2.10")
FIRST_SENT = datetime(2026, 6, 1, 7, tzinfo=UTC)
FIRST_NIGHT = datetime(2026, 9, 21, 4, tzinfo=UTC)
NIGHTS = 30
LAST = FIRST_NIGHT + timedelta(days=NIGHTS)

_WHERE = ("partner", "studio", "uni", "press", "club", "school", "bakery", "nordic")
_PEOPLE = tuple(f"{who}@{where}.test" for where in _WHERE for who in ("carla", "emeka", "ines", "jonas", "mira"))
_TOPICS = (
    "Minutes of Tuesday",
    "Offer for the fence",
    "Dates for the workshop",
    "Draft of chapter",
    "Question about the contract",
    "Order of chairs",
    "Timetable",
    "Proofs of the brochure",
)
_SPAM = (
    "Your parcel {n} is waiting at the depot",
    "Account notice {n}: confirm your address",
    "Prices down, offer {n} ends today",
    "Invoice {n} is overdue, see attachment",
    "A short question about order {n}",
)
# Who reports: organisation, how often, and whether its servers write down what SPF and DMARC said.
_REPORTERS = (
    ("freemail", 30, True),
    ("mailhaus", 18, True),
    ("postbox", 12, False),
    ("campus", 8, True),
    ("acmecorp", 6, False),
    ("oldhost", 6, False),
    ("smallshop", 3, False),
    ("town", 3, True),
    ("clinic", 2, False),
    ("harbour", 2, True),
)
_BOTNETS = ("203.0.113", "198.51.100", "198.18.44")


@dataclass(frozen=True, slots=True)
class SentMail:
    """A message that the owner sent; `saved` ones lie in Sent."""

    message_id: str
    sender: str
    to: str
    subject: str
    date: datetime
    saved: bool

    def header(self) -> str:
        """The header block."""
        return (
            f"Message-ID: <{self.message_id}>\nDate: {format_datetime(self.date)}\nFrom: {self.sender}\nTo: {self.to}\n"
            f"Subject: {self.subject}\nUser-Agent: Postbird 4.2\nMIME-Version: 1.0\n"
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message in the Inbox. `truth` is None for ordinary mail."""

    raw: bytes
    arrived: datetime
    truth: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Month:
    """One owner's mail: Sent since June, and what came between the first and the last night, in order."""

    owner: str
    sent: tuple[SentMail, ...]
    inbox: tuple[Arrival, ...]


def months(seed: int = 20261015) -> tuple[Month, ...]:
    """Return the months of Anna and Ben."""
    rng = Random(seed)
    storm_of_anna = (datetime(2026, 10, 14, 22, 40, tzinfo=UTC), 420)
    storm_of_ben = (datetime(2026, 9, 30, 1, 15, tzinfo=UTC), 60)
    phone = datetime(2026, 10, 5, tzinfo=UTC)
    return (
        _month(rng, f"anna.berg@{DOMAIN}", storm_of_anna, None),
        _month(rng, f"ben.costa@{DOMAIN}", storm_of_ben, phone),
    )


def _month(rng: Random, owner: str, storm: tuple[datetime, int], phone: datetime | None) -> Month:
    sent = tuple(_sent(rng, owner, phone))
    lately = [m for m in sent if FIRST_NIGHT - timedelta(days=1) < m.date < LAST - timedelta(days=1)]
    inbox = [
        *_replies(rng, sent),
        *_genuine(rng, rng.sample(lately, 22)),
        *_trickle(rng, owner),
        *_storm(rng, owner, *storm),
        *_riddles(rng, owner, lately),
    ]
    return Month(owner, sent, tuple(sorted(inbox, key=lambda one: one.arrived)))


# --- the owner's own mail ------------------------------------------------------------------------------------------


def _sent(rng: Random, owner: str, phone: datetime | None) -> Iterator[SentMail]:
    for day in range((LAST - FIRST_SENT).days):
        for number in range(rng.randint(3, 7)):
            when = FIRST_SENT + timedelta(days=day, minutes=rng.randint(0, 600))
            local = "phone" if rng.random() < 0.5 else "postbird"
            saved = phone is None or when < phone or local == "postbird"
            message_id = f"{rng.getrandbits(64):016x}.{day}{number}@{local}.{DOMAIN}"
            subject = f"{rng.choice(_TOPICS)} {rng.randint(1, 400)}"
            yield SentMail(message_id, owner, rng.choice(_PEOPLE), subject, when, saved)


def _replies(rng: Random, sent: tuple[SentMail, ...]) -> Iterator[Arrival]:
    for m in sent:
        when = m.date + timedelta(hours=rng.randint(1, 40))
        if rng.random() < 0.5 and when < LAST:
            text = (
                f"From: {m.to}\nTo: {m.sender}\nSubject: Re: {m.subject}\nDate: {format_datetime(when)}\n"
                f"Message-ID: <{rng.getrandbits(60):x}@{_domain(m.to)}>\nIn-Reply-To: <{m.message_id}>\n"
                f"References: <{m.message_id}>\n\nThank you, that suits me well.\n"
            )
            yield Arrival(text.encode(), when)


def _genuine(rng: Random, chosen: list[SentMail]) -> Iterator[Arrival]:
    causes = (("5.1.1", "User unknown"), ("5.2.2", "Mailbox full"), ("5.7.1", "Message refused by policy"))
    for number, m in enumerate(chosen):
        mta = f"mx.{_domain(m.to)}"
        out, address = OUTBOUND
        way = _received(mta, out, address, m.date) + _received(out, f"laptop.{DOMAIN}", "10.0.3.7", m.date)
        late = number % 9 == 8
        when = m.date + (timedelta(hours=4) if late else timedelta(minutes=rng.randint(1, 12)))
        status, says = ("4.4.1", "Connection timed out") if late else causes[number % 3]
        text = _report(rng, m, mta, when, way, status, says, action="delayed" if late else "failed")
        yield Arrival(text.encode(), when, Verdict.GENUINE)


# --- forged mail ---------------------------------------------------------------------------------------------------


def _trickle(rng: Random, owner: str) -> Iterator[Arrival]:
    for day in range(NIGHTS):
        for _ in range(rng.choice((0, 1, 1, 2, 3, 4))):
            when = FIRST_NIGHT + timedelta(days=day, minutes=rng.randint(0, 24 * 60 - 1))
            if when < LAST:
                yield _forged(rng, owner, when, rng.choice(_SPAM))


def _storm(rng: Random, owner: str, begin: datetime, bounces: int) -> Iterator[Arrival]:
    """Bounces come fast at first, and thin out over some nine hours."""
    for _ in range(bounces):
        yield _forged(rng, owner, begin + timedelta(minutes=540 * rng.betavariate(1.3, 3.2)), _SPAM[0])


def _forged(rng: Random, owner: str, when: datetime, subject: str) -> Arrival:
    who, _, writes_down = rng.choices(_REPORTERS, [weight for _, weight, _ in _REPORTERS])[0]
    host, mta = f"{who}.test", f"mx{rng.randint(1, 3)}.{who}.test"
    sent = when - timedelta(seconds=rng.choice((4, 9, 30, 90, 400, 3_000)))
    forger = f"{rng.choice(_BOTNETS)}.{rng.randint(2, 250)}"
    name = f"dsl-{forger.replace('.', '-')}.pool.invalid" if rng.random() < 0.3 else ""
    about = subject.format(n=rng.randint(1, 99_999))
    spam = SentMail(
        f"{rng.getrandbits(50):x}@{name or 'localhost'}", owner, f"{_name(rng)}@{host}", about, sent, saved=False
    )
    results = f"Authentication-Results: {mta}; spf=fail smtp.mailfrom={DOMAIN}; dmarc=fail header.from={DOMAIN}\n"
    way = (results if writes_down else "") + _received(mta, name, forger, sent)
    text = _report(rng, spam, mta, when, way, "5.1.1", "User unknown")
    return Arrival(text.encode(), when, Verdict.BACKSCATTER)


def _riddles(rng: Random, owner: str, lately: list[SentMail]) -> Iterator[Arrival]:
    """Notices that nobody can decide: nothing comes back, no way is shown and Sent has a gap, an id is planted."""
    for number in range(12):
        when = FIRST_NIGHT + timedelta(hours=rng.randint(1, 24 * NIGHTS - 30))
        truth = Verdict.GENUINE if number % 4 == 0 else Verdict.BACKSCATTER
        text = _outer(rng, owner, "mx.oldhost.test", when, "failure notice") + (
            f"\nYour message could not be delivered to:\n\n<{_name(rng)}@oldhost.test>:\n550 5.1.1 User unknown\n"
        )
        yield Arrival(text.encode(), when, truth)
    for m in [m for m in lately if not m.saved][:6]:
        when = m.date + timedelta(minutes=7)
        text = _report(rng, m, f"mx.{_domain(m.to)}", when, "", "5.2.2", "Mailbox full")
        yield Arrival(text.encode(), when, Verdict.GENUINE)
    for m in rng.sample(lately, 3):
        when = m.date + timedelta(hours=9)
        planted = SentMail(m.message_id, owner, f"{_name(rng)}@postbox.test", "Cheap watches", when, saved=False)
        way = _received("mx.postbox.test", "dsl.pool.invalid", f"203.0.113.{rng.randint(2, 250)}", when)
        text = _report(rng, planted, "mx.postbox.test", when, way, "5.1.1", "User unknown")
        yield Arrival(text.encode(), when, Verdict.BACKSCATTER)


# --- how it is written ---------------------------------------------------------------------------------------------


def _outer(rng: Random, owner: str, mta: str, when: datetime, subject: str) -> str:
    return (
        f"Return-Path: <>\nDelivered-To: {owner}\n{_received(f'mx.{DOMAIN}', mta, '198.18.0.25', when)}"
        f"From: Mail Delivery System <MAILER-DAEMON@{mta}>\nTo: {owner}\nSubject: {subject}\n"
        f"Date: {format_datetime(when)}\nMessage-ID: <{rng.getrandbits(64):016x}@{mta}>\n"
    )


def _report(
    rng: Random, m: SentMail, mta: str, when: datetime, way: str, status: str, says: str, action: str = "failed"
) -> str:
    subject = "Undelivered Mail Returned to Sender" if action == "failed" else "Delayed Mail (still being retried)"
    return (
        f"{_outer(rng, m.sender, mta, when, subject)}Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_part"\n\n'
        f"--=_part\nContent-Type: text/plain\n\nThis is the mail system at host {mta}.\n\n<{m.to}>: {says}\n\n"
        f"--=_part\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; {mta}\n"
        f"Arrival-Date: {format_datetime(m.date)}\n\nFinal-Recipient: rfc822; {m.to}\n"
        f"Action: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; 550 {status} <{m.to}>: {says}\n\n"
        f"--=_part\nContent-Type: text/rfc822-headers\n\n{way}{m.header()}\n--=_part--\n"
    )


def _received(by: str, name: str, address: str, when: datetime) -> str:
    stamp = f"by {by} (Postfix) with ESMTP id 7F3A2; {format_datetime(when)}"
    return f"Received: from {name or 'pc'} ({name or 'unknown'} [{address}])\n\t{stamp}\n"


def _name(rng: Random) -> str:
    return f"{rng.choice(('info', 'j.smith', 'sales', 'k.meyer', 'office', 'a.rossi'))}{rng.randint(1, 999)}"


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
