"""Writes the made-up mailbox of Anna Berg: Inbox.mbox, Sent.mbox and truth.csv. Same seed, same bytes.

Run from the repository root: `python sample_data/mailboxes/generate.py`.
Everybody and every host in it is invented (RFC 2606 names, RFC 5737 addresses). `truth.csv` has one row per Inbox
message: its Message-ID, what it is, and the verdict that it should get (empty for ordinary mail).
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

SEED = 20261015
OWNER = "anna.berg@example.org"
OWNER_NAME = "Anna Berg"
OUTBOUND = "out1.example.org"
OUTBOUND_IP = "192.0.2.10"
MX = "mx.example.org"
START = datetime(2026, 7, 1, 7, 30, tzinfo=UTC)
STORM = datetime(2026, 10, 14, 3, 10, tzinfo=UTC)
DAYS = 110

PEOPLE = ("bob@partner.test", "carla@studio.test", "d.okafor@uni.test", "emma@bakery.test", "f.lindqvist@nordic.test",
          "gil@lawyers.test", "hana@press.test", "ivo@printer.test", "june@club.test", "kofi@school.test")  # fmt: skip
TOPICS = ("Offer for the garden fence", "Minutes of Tuesday", "Invoice 2026-{n}", "Dates for the workshop",
          "Photos from the summer party", "Question about the contract", "Draft of chapter {n}", "Train to Utrecht",
          "Order {n}", "Proofs of the brochure")  # fmt: skip
SPAM_SUBJECTS = (
    "You have (1) pending refund",
    "Re: your parcel is waiting",
    "Win a phone today",
    "Pharmacy prices down 80%",
)
BODY = "Hello,\n\nplease find the details below. I am happy to answer questions.\n\nBest regards\nAnna\n"


@dataclass(frozen=True)
class Sent:
    """A message that Anna wrote."""

    message_id: str
    to: str
    subject: str
    date: datetime

    def headers(self) -> str:
        return (
            f"From: {OWNER_NAME} <{OWNER}>\nTo: {self.to}\nSubject: {self.subject}\n"
            f"Date: {format_datetime(self.date)}\nMessage-ID: <{self.message_id}>\nMIME-Version: 1.0\n"
            "User-Agent: Postbird 4.2\nContent-Type: text/plain; charset=utf-8\n"
        )


@dataclass(frozen=True)
class Item:
    """A message in the Inbox with its truth."""

    text: str
    arrived: datetime
    what: str
    verdict: str


def main() -> None:
    """Write the three files beside this script, in anna/."""
    rng = random.Random(SEED)
    sent = list(sent_mail(rng))
    inbox = [
        *replies(rng, sent),
        *letters(rng),
        *newsletters(rng),
        *lookalikes(rng, sent),
        *genuine(rng, sent),
        *unsure(rng, sent),
        *storm(rng),
    ]
    inbox.sort(key=lambda item: item.arrived)
    folder = Path(__file__).parent / "anna"
    write_mbox(folder / "Inbox.mbox", ((item.text, item.arrived) for item in inbox))
    write_mbox(folder / "Sent.mbox", ((f"{m.headers()}\n{BODY}", m.date) for m in sent))
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("message_id", "what", "verdict"))
        rows.writerows((own_id(item.text), item.what, item.verdict) for item in inbox)


# --- Sent and ordinary mail ----------------------------------------------------------------------------------------


def sent_mail(rng: random.Random) -> Iterator[Sent]:
    for day in range(DAYS):
        moment = START + timedelta(days=day)
        if moment.weekday() > 4:
            continue
        for k in range(rng.randint(2, 4)):
            when = moment + timedelta(minutes=rng.randint(0, 500) + k)
            subject = rng.choice(TOPICS).format(n=100 + day)
            yield Sent(f"{rng.getrandbits(64):016x}.{day}{k}@postbird.example.org", rng.choice(PEOPLE), subject, when)


def replies(rng: random.Random, sent: list[Sent]) -> Iterator[Item]:
    for m in rng.sample(sent, 80):
        when = m.date + timedelta(hours=rng.randint(1, 30))
        text = (
            route(MX, f"mail.{domain(m.to)}", "198.51.100.77", when)
            + f"From: {m.to}\nTo: {OWNER}\nSubject: Re: {m.subject}\nDate: {format_datetime(when)}\n"
            f"Message-ID: <{rng.getrandbits(60):x}@{domain(m.to)}>\nIn-Reply-To: <{m.message_id}>\n"
            f"References: <{m.message_id}>\nContent-Type: text/plain; charset=utf-8\n\nThank you, that suits me well.\n"
        )
        yield Item(text, when, "a reply", "")


def letters(rng: random.Random) -> Iterator[Item]:
    for _ in range(260):
        when = START + timedelta(minutes=rng.randint(0, DAYS * 24 * 60))
        sender = rng.choice(PEOPLE)
        text = (
            route(MX, f"mail.{domain(sender)}", "198.51.100.77", when)
            + f"From: {sender}\nTo: {OWNER}\nSubject: {rng.choice(TOPICS).format(n=rng.randint(100, 900))}\n"
            f"Date: {format_datetime(when)}\nMessage-ID: <{rng.getrandbits(60):x}@{domain(sender)}>\n"
            "Content-Type: text/plain; charset=utf-8\n\nDear Anna,\n\nas promised, here are the papers.\n"
        )
        yield Item(text, when, "a letter", "")


def newsletters(rng: random.Random) -> Iterator[Item]:
    for week in range(14):
        when = START + timedelta(days=7 * week, hours=3)
        text = (
            route(MX, "news.letters.test", "198.51.100.80", when)
            + f"From: The Weekly <weekly@letters.test>\nTo: {OWNER}\nSubject: Why is my mail undeliverable? Issue {week}\n"
            f"Date: {format_datetime(when)}\nMessage-ID: <weekly-{week}-{rng.getrandbits(40):x}@letters.test>\n"
            "List-Id: <weekly.letters.test>\nList-Unsubscribe: <mailto:off@letters.test>\nPrecedence: bulk\n"
            "Content-Type: text/plain; charset=utf-8\n\nThis week: delivery failures explained, and how to read a bounce.\n"
        )
        yield Item(text, when, "a newsletter about bounces", "")


def lookalikes(rng: random.Random, sent: list[Sent]) -> Iterator[Item]:
    m = sent[200]
    forwarded = postfix(rng, m, "mx.partner.test", m.date + timedelta(minutes=3), own_route(m, "mx.partner.test"))
    when = m.date + timedelta(hours=5)
    text = (
        route(MX, "mail.partner.test", "198.51.100.77", when)
        + f"From: Bob <bob@partner.test>\nTo: {OWNER}\nSubject: Fwd: Undelivered Mail Returned to Sender\n"
        f"Date: {format_datetime(when)}\nMessage-ID: <fwd-{rng.getrandbits(40):x}@partner.test>\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="fwd1"\n\n--fwd1\nContent-Type: text/plain\n\nIs this one yours?\n\n'
        f"--fwd1\nContent-Type: message/rfc822\n\n{forwarded}\n--fwd1--\n"
    )
    yield Item(text, when, "a colleague forwards a bounce", "")
    for m in sent[120:123]:
        when = m.date + timedelta(seconds=40)
        text = (
            route(MX, f"mail.{domain(m.to)}", "198.51.100.77", when)
            + f"Return-Path: <>\nFrom: {m.to}\nTo: {OWNER}\nSubject: Out of office: {m.subject}\nAuto-Submitted: auto-replied\n"
            f"Date: {format_datetime(when)}\nMessage-ID: <ooo-{rng.getrandbits(40):x}@{domain(m.to)}>\n"
            f"In-Reply-To: <{m.message_id}>\nContent-Type: text/plain\n\nI am out of the office until Monday.\n"
        )
        yield Item(text, when, "an automatic reply to Anna's own mail", "genuine")


# --- notices -------------------------------------------------------------------------------------------------------


def genuine(rng: random.Random, sent: list[Sent]) -> Iterator[Item]:
    late = [m for m in sent if m.date > STORM - timedelta(days=3)]
    chosen = [*rng.sample(sent[:-40], 5), *rng.sample(late, 4)]
    writers = (postfix, exim, exchange, qmail, postfix, postfix, exim, exchange, postfix)
    for m, write in zip(chosen, writers, strict=True):
        mta = f"mx.{domain(m.to)}"
        when = m.date + timedelta(minutes=rng.randint(1, 9))
        yield Item(
            write(rng, m, mta, when, own_route(m, mta)), when, f"{write.__name__}: Anna's own message", "genuine"
        )
    m = sent[77]
    when = m.date + timedelta(hours=4)
    rewritten = Sent(f"0100{rng.getrandbits(80):020x}@relay.mailgate.test", m.to, m.subject, m.date)
    mta = f"mx.{domain(m.to)}"
    yield Item(
        postfix(rng, rewritten, mta, when, own_route(m, mta)), when, "the id was rewritten on the way", "genuine"
    )
    m = sent[90]
    when = m.date + timedelta(hours=4)
    text = postfix(rng, m, OUTBOUND, when, own_submission(m), action="delayed", status="4.4.1")
    yield Item(text, when, "a delay notice", "genuine")


def unsure(rng: random.Random, sent: list[Sent]) -> Iterator[Item]:
    for n in range(3):
        when = STORM + timedelta(minutes=40 * n)
        yield Item(bare(rng, f"nobody{n}@faraway.test", when), when, "nothing returned", "unsure")
    stolen = sent[150]
    for n in range(2):
        when = STORM + timedelta(minutes=15 * n)
        fake = Sent(stolen.message_id, f"stranger{n}@faraway.test", "Cheap watches", when - timedelta(minutes=2))
        yield Item(postfix(rng, fake, "mx.faraway.test", when, foreign_route(rng, "mx.faraway.test", when)), when,
                   "quotes an id of Anna's", "unsure")  # fmt: skip
    old = START - timedelta(days=60)
    fake = Sent(f"{rng.getrandbits(60):x}@spam.invalid", "x@faraway.test", "Old offer", old)
    yield Item(postfix(rng, fake, "mx.faraway.test", old, foreign_route(rng, "mx.faraway.test", old)), old,
               "older than the Sent folder", "unsure")  # fmt: skip


def storm(rng: random.Random) -> Iterator[Item]:
    writers = (postfix, exim, exchange, qmail)
    for n in range(72):
        write = writers[n % 4]
        when = STORM + timedelta(seconds=int(rng.expovariate(1 / 240)) + 97 * n)
        host = f"victim{rng.randint(1, 30)}.test"
        mta = f"mx.{host}"
        forged = Sent(f"{rng.getrandbits(50):x}@{rng.choice(('host', 'dsl', 'pool'))}{rng.randint(1, 99)}.invalid",
                      f"user{rng.randint(1000, 9999)}@{host}", rng.choice(SPAM_SUBJECTS), when - timedelta(minutes=3))  # fmt: skip
        yield Item(
            write(rng, forged, mta, when, foreign_route(rng, mta, when)),
            when,
            f"{write.__name__}: forged",
            "backscatter",
        )


def postfix(rng: random.Random, m: Sent, mta: str, when: datetime, way: str, action: str = "failed",
            status: str = "5.1.1") -> str:  # fmt: skip
    title = "Undelivered Mail Returned to Sender" if action == "failed" else "Delayed Mail (still being retried)"
    says = (
        "could not\nbe delivered to one or more recipients."
        if action == "failed"
        else "could not\nbe delivered yet; it will be retried."
    )
    far = f"mx.{domain(m.to)}"
    refused = f"host {mta}[203.0.113.5] said: 550 5.1.1 <{m.to}>: Recipient\n    address rejected (in reply to RCPT TO command)"
    timed_out = f"connect to {far}[203.0.113.5]:25: Connection timed out"
    why, told = (
        (refused, f"smtp; 550 5.1.1 <{m.to}>: Recipient address rejected")
        if action == "failed"
        else (timed_out, f"X-Postfix; {timed_out}")
    )
    part = report(
        f"This is the mail system at host {mta}.\n\nI'm sorry to have to inform you that your message {says}\n\n"
        f"<{m.to}>: {why}\n",
        f"Reporting-MTA: dns; {mta}\nX-Postfix-Queue-ID: {rng.getrandbits(40):010X}\nX-Postfix-Sender: rfc822; {OWNER}\n"
        f"Arrival-Date: {format_datetime(m.date)}\n\nFinal-Recipient: rfc822; {m.to}\nOriginal-Recipient: rfc822;{m.to}\n"
        f"Action: {action}\nStatus: {status}\nRemote-MTA: dns; {mta}\nDiagnostic-Code: {told}\n",
        "text/rfc822-headers", way + m.headers())  # fmt: skip
    return outer(rng, mta, when, "Mail Delivery System", "MAILER-DAEMON", title) + part


def exchange(rng: random.Random, m: Sent, mta: str, when: datetime, way: str) -> str:
    part = report(
        f"Delivery has failed to these recipients or groups:\n\n{m.to}\nThe e-mail address you entered couldn't be found.\n\n"
        f"Diagnostic information for administrators:\n\nGenerating server: {mta}\n\n{m.to}\n#550 5.1.10 RESOLVER.ADR.RecipientNotFound ##\n",
        f"Reporting-MTA: dns;{mta}\nReceived-From-MTA: dns;edge.{domain(m.to)}\nArrival-Date: {format_datetime(m.date)}\n\n"
        f"Final-Recipient: rfc822;{m.to}\nAction: failed\nStatus: 5.1.10\n"
        "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found\n",
        "message/rfc822", way + m.headers() + "\n" + BODY)  # fmt: skip
    return outer(rng, mta, when, "Microsoft Outlook", "postmaster", f"Undeliverable: {m.subject}") + part


def exim(rng: random.Random, m: Sent, mta: str, when: datetime, way: str) -> str:
    head = outer(
        rng, mta, when, "Mail Delivery System", "Mailer-Daemon", "Mail delivery failed: returning message to sender"
    )
    return (
        f"{head}X-Failed-Recipients: {m.to}\nAuto-Submitted: auto-replied\nContent-Type: text/plain; charset=us-ascii\n\n"
        "This message was created automatically by mail delivery software.\n\n"
        "A message that you sent could not be delivered to one or more of its\nrecipients. This is a permanent error. "
        f"The following address(es) failed:\n\n  {m.to}\n    Unrouteable address\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n"
        f"Return-path: <{OWNER}>\n{way}{m.headers()}\n{BODY}"
    )


def qmail(rng: random.Random, m: Sent, mta: str, when: datetime, way: str) -> str:
    head = outer(rng, mta, when, "", "MAILER-DAEMON", "failure notice")
    return (
        f"{head}\nHi. This is the qmail-send program at {mta}.\nI'm afraid I wasn't able to deliver your message to the following "
        "addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        f"<{m.to}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n"
        f"Return-Path: <{OWNER}>\n{way}{m.headers()}\n{BODY}"
    )


def bare(rng: random.Random, recipient: str, when: datetime) -> str:
    head = outer(rng, "mx.faraway.test", when, "", "MAILER-DAEMON", "failure notice")
    return f"{head}\nYour message could not be delivered to the following address:\n\n<{recipient}>:\n550 5.1.1 User unknown\n"


# --- pieces --------------------------------------------------------------------------------------------------------


def outer(rng: random.Random, mta: str, when: datetime, name: str, local: str, subject: str) -> str:
    return (
        f"Return-Path: <>\nDelivered-To: {OWNER}\n{route(MX, mta, '203.0.113.5', when)}"
        f"From: {name} <{local}@{mta}>\nTo: {OWNER}\nSubject: {subject}\nDate: {format_datetime(when)}\n"
        f"Message-ID: <{rng.getrandbits(64):016x}@{mta}>\n"
    )


def report(text: str, status: str, kind: str, returned: str) -> str:
    return (
        'Auto-Submitted: auto-replied\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n boundary="=_part"\n\n'
        f"This is a MIME-encapsulated message.\n\n--=_part\nContent-Description: Notification\nContent-Type: text/plain; charset=utf-8\n\n{text}\n"
        f"--=_part\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n{status}\n"
        f"--=_part\nContent-Description: Undelivered Message\nContent-Type: {kind}\n\n{returned}\n--=_part--\n"
    )


def own_route(m: Sent, mta: str) -> str:
    return route(mta, OUTBOUND, OUTBOUND_IP, m.date + timedelta(seconds=2), for_=m.to) + own_submission(m)


def own_submission(m: Sent) -> str:
    return (
        f"Received: from [10.0.3.7] (laptop.example.org [10.0.3.7])\n\t(Authenticated sender: anna)\n\tby {OUTBOUND} (Postfix) "
        f"with ESMTPSA id 4XyZ1;\n\t{format_datetime(m.date)}\n"
    )


def foreign_route(rng: random.Random, mta: str, when: datetime) -> str:
    address = f"203.0.113.{rng.randint(20, 250)}"
    carrier = f"carrier{int(address.rpartition('.')[2]) % 23}.invalid"  # bots are customers of many
    return route(mta, f"dsl-{address.replace('.', '-')}.{carrier}", address, when - timedelta(minutes=1))


def route(by: str, name: str, address: str, when: datetime, for_: str = OWNER) -> str:
    return f"Received: from {name} ({name} [{address}])\n\tby {by} (Postfix) with ESMTP id 7F3A2\n\tfor <{for_}>; {format_datetime(when)}\n"


def domain(address: str) -> str:
    return address.rpartition("@")[2]


def own_id(text: str) -> str:
    """Return the Message-ID of the message itself (its first)."""
    start = text.index("Message-ID: <") + len("Message-ID: <")
    return text[start : text.index(">", start)]


def write_mbox(path: Path, messages: Iterator[tuple[str, datetime]]) -> None:
    """Write messages in mboxrd form (RFC 4155), From_ lines with the arrival time in UTC."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for text, when in messages:
            body = "\n".join(">" + line if line.lstrip(">").startswith("From ") else line for line in text.split("\n"))
            file.write(f"From MAILER-DAEMON {when:%a %b %d %H:%M:%S %Y}\n{body.rstrip()}\n\n")


if __name__ == "__main__":
    main()
