"""A sample ledger for notebooks and trials: a month of nightly runs over made-up mail, judged by the real code.

No server takes part: the mail is read and judged as a run does it, and the moves are written as a mail server would
have made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random

from cleanup import __version__
from cleanup.detector.account_state import JudgedNotice, account_state
from cleanup.detector.header import header_block
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.sent import InboxClue, MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.verdict import Case, judge_all
from cleanup.ledger import Ledger, MoveIntent, MoveState
from cleanup.model import (
    Fingerprint,
    Identity,
    Judged,
    MessageRef,
    PlannedMove,
    Policy,
    SentMessage,
    SentSource,
    Verdict,
)
from cleanup.report.filing.journal import Journal, MoveOutcome
from cleanup.report.filing.plan import plan_filing

SOURCE, TARGET = "INBOX", "Backscatter"
OLD_MAIL = 2_500  # ordinary messages that lie in each Inbox besides
_UIDVALIDITY = 1_750_000_000
_REVIEWED = 50  # of the plain ones, a mailbox
_HALF_A_MINUTE = timedelta(seconds=30)


def make_sample_ledger(path: Path) -> Path:
    """Write the sample ledger to a new file and return its path. Takes some five seconds.

    Raises FileExistsError: it is never mixed with a real one.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    clock = _Clock(FIRST_NIGHT)
    with Ledger.open(path, clock=clock.now) as ledger:
        owners = [_Owner(month) for month in months()]
        for night in range(1, NIGHTS + 1):
            for owner in owners:
                clock.moment = FIRST_NIGHT + timedelta(days=night)
                _run(ledger, owner, clock)
        for owner in owners:
            # label what a careful person would: everything that is genuine or unsure, and some of the rest
            genuine = [digest for digest, truth in owner.truth.items() if truth is Verdict.GENUINE]
            others = sorted(owner.truth.keys() - set(genuine) - set(owner.unsure))
            for digest in dict.fromkeys(
                (*genuine, *owner.unsure, *Random(owner.month.owner).sample(others, min(_REVIEWED, len(others))))
            ):
                ledger.label(owner.month.owner, digest, owner.truth[digest], said_by="review")
    return path


@dataclass
class _Clock:
    moment: datetime

    def now(self) -> datetime:
        """Return the time that it is said to be."""
        return self.moment


@dataclass
class _Owner:
    """A mailbox on its way through the month: what has been looked at, and the truth of what was judged."""

    month: Month
    seen: int = 0
    filed: int = 0
    truth: dict[str, Verdict] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    @cached_property
    def saved(self) -> list[SentMessage]:
        """Return what will ever lie in Sent, read."""
        saved = (m for m in self.month.sent if m.saved)
        return [read_sent_header("Sent", n, m.date, m.header().encode()) for n, m in enumerate(saved, 1)]

    @cached_property
    def clues(self) -> list[tuple[datetime, InboxClue]]:
        """Return what ordinary mail says of Sent's completeness, by the time of its arrival."""
        ordinary = (one for one in self.month.inbox if one.truth is None)
        return [(one.arrived, inbox_clue(header_block(one.raw))) for one in ordinary]

    def arrived_by(self, now: datetime) -> list[tuple[int, Arrival]]:
        """Return what came since the last run, with UIDs."""
        new = [(uid, one) for uid, one in enumerate(self.month.inbox, 1) if uid > self.seen and one.arrived < now]
        self.seen += len(new)
        return new


def _run(ledger: Ledger, owner: _Owner, clock: _Clock) -> None:
    new = owner.arrived_by(clock.moment)
    # the index over what Sent holds by then; replies by then measure how complete it is
    saved = [m for m in owner.saved if m.arrived and m.arrived < clock.moment]
    clues = [clue for arrived, clue in owner.clues if arrived < clock.moment]
    sent = MemorySentIndex.build(saved, [SentSource("Sent", len(saved), len(saved))], now=clock.moment, inbox=clues)
    judged = _judge(new, sent, owner)
    state = account_state([JudgedNotice(j.notice, j.finding, j.fingerprint.arrived) for j in judged])
    plan = plan_filing(
        judged,
        source=SOURCE,
        target=TARGET,
        uidvalidity=_UIDVALIDITY,
        inbox_size=OLD_MAIL + owner.seen - owner.filed,
        policy=Policy(),
    )
    options = {"answer": state.answer.value, "headline": state.headline, "target": TARGET}
    address = owner.month.owner
    run = ledger.start_run(address, "run", actor="nightly", version=__version__, policy=Policy().name, options=options)
    ledger.record_findings(run, judged, plan)
    ledger.record_sent(run, sent.coverage.sources, sent.coverage)
    if not plan.refusals:
        _file(Journal(ledger, run, address), plan.moves, owner)
    clock.moment += _HALF_A_MINUTE
    words = [j.finding.verdict for j in judged]
    counts = {"messages": len(new), "notices": len(judged), "filed": 0 if plan.refusals else len(plan.moves)}
    status = "refused" if plan.refusals and plan.moves else "done"
    ledger.finish_run(run, counts | {v.value: words.count(v) for v in Verdict}, status)


def _judge(new: Iterable[tuple[int, Arrival]], sent: MemorySentIndex, owner: _Owner) -> list[Judged]:
    who = Identity(addresses=frozenset({owner.month.owner}), outbound_hosts=frozenset(OUTBOUND))
    read = [(uid, one, notice) for uid, one in new if one.truth and (notice := read_notice(one.raw))]
    cases = [Case(notice, one.arrived, sha256(one.raw).hexdigest()) for _, one, notice in read]
    owner.truth |= {case.key: one.truth for case, (_, one, _) in zip(cases, read, strict=True) if one.truth}
    findings = judge_all(cases, sent, who, Policy())
    pairs = zip(cases, findings, strict=True)
    owner.unsure += [case.key for case, finding in pairs if finding.verdict is Verdict.UNSURE]
    return [
        Judged(
            MessageRef(SOURCE, _UIDVALIDITY, uid),
            Fingerprint(len(one.raw), one.arrived, case.key),
            (),
            notice,
            finding,
        )
        for (uid, one, notice), case, finding in zip(read, cases, findings, strict=True)
    ]


def _file(journal: Journal, moves: Iterable[PlannedMove], owner: _Owner) -> None:
    first = owner.filed + 1
    intents = [
        MoveIntent(SOURCE, _UIDVALIDITY, m.ref.uid, TARGET, _UIDVALIDITY + 1, first, m.fingerprint, m.flags)
        for m in moves
    ]
    records = journal.intend(intents)
    journal.write(MoveOutcome(record, MoveState.MOVED, first + n) for n, record in enumerate(records))
    owner.filed += len(records)


# --- A made-up month of two mailboxes of one organisation, with the truth -------------------------------------------

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
_BOTNETS = ("203.0.113", "198.51.100")


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
    carrier = f"carrier{int(forger.rpartition('.')[2]) % 7}.invalid"
    name = f"dsl-{forger.replace('.', '-')}.{carrier}" if rng.random() < 0.3 else ""
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
        way = _received("mx.postbox.test", "dsl.carrier7.invalid", f"203.0.113.{rng.randint(2, 250)}", when)
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
