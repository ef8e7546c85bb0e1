"""A whole generated mailbox, and its notices as values for judging alone, without the reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr

from cleanup.detector.sent import MemorySentIndex, read_sent_header
from cleanup.model import (
    Action,
    Extent,
    Finding,
    Identity,
    Kind,
    Notice,
    Recipient,
    Returned,
    SentMessage,
    SentSource,
    Verdict,
)
from tests.generator.attackers import Scenario
from tests.generator.forged import FORGED_MAKERS
from tests.generator.genuine import GENUINE_MAKERS
from tests.generator.mail import write
from tests.generator.specimens import Specimen
from tests.generator.world import NOW, OLDEST, World, a_world


@dataclass(frozen=True)
class Mailbox:
    """What a seed makes: the owner, the specimens in the order of arrival, and Sent as stored."""

    world: World
    specimens: tuple[Specimen, ...]
    sent: tuple[SentMessage, ...]

    @property
    def identity(self) -> Identity:
        """The owner as configured: addresses and the outbound host."""
        world = self.world
        return Identity(
            addresses=frozenset({world.owner, world.alias, world.receive_only}),
            outbound_hosts=frozenset({world.out_name, world.out_address}),
        )

    def index(self, *, complete_since: datetime | None = NOW - OLDEST) -> MemorySentIndex:
        """The Sent index over all Sent folders."""
        per_folder = Counter(message.folder for message in self.sent)
        sources = [SentSource(folder, n, n) for folder, n in sorted(per_folder.items())]
        return MemorySentIndex.build(self.sent, sources, now=NOW, complete_since=complete_since)

    def raw(self) -> list[bytes]:
        """The specimens as mail."""
        return [write(self.world.rng, specimen.report) for specimen in self.specimens]


def a_mailbox(seed: int, *, each: int = 10, attack: Scenario | None = None) -> Mailbox:
    """Return a mailbox with `each` specimens of every kind, and what an attacker added."""
    world = a_world(seed)
    specimens = [make(world) for make in (*GENUINE_MAKERS, *FORGED_MAKERS) for _ in range(each)]
    specimens += attack(world) if attack else []
    return of_world(world, specimens)


def of_world(world: World, specimens: Sequence[Specimen]) -> Mailbox:
    """Return the mailbox of this owner with these specimens, in any order."""
    specimens = world.rng.sample(specimens, len(specimens))
    sent = tuple(read_sent_header(s.folder, n, s.date, s.header()) for n, s in enumerate(world.sent, 1))
    return Mailbox(world, tuple(specimens), sent)


def as_notice(specimen: Specimen) -> Notice:
    """Return what a perfect reader would read."""
    report = specimen.report
    action = Action(report.action)
    return Notice(
        kind=Kind.NDR,
        format=report.style,
        action=action,
        recipients=tuple(Recipient(address, action=action, status="5.1.1") for address in report.failed),
        returned=(_returned(specimen),),
        reporting_mta=report.reporter if report.style in ("postfix", "sendmail", "exchange") else None,
        sender=f"MAILER-DAEMON@{report.reporter}",
        addressed_to=(report.to,),
        received=report.handed_over_by
        or (f"from {report.reporter} ({report.reporter} [{report.reporter_address}]) by mx.example.org with ESMTP",),
        date=report.arrived,
    )


def _returned(specimen: Specimen) -> Returned:
    report, original = specimen.report, specimen.report.original
    if report.returns == "nothing":
        return Returned(Extent.NOTHING)
    to = tuple(address.strip() for address in original.to.split(","))
    if report.returns == "quoted":
        return Returned(Extent.QUOTED, subject=original.subject, to=to)
    name, sender = parseaddr(original.sender)
    received = tuple(" ".join(line.split()) for line in original.received)
    return Returned(
        extent=Extent.FULL if report.returns == "full" else Extent.HEADERS,
        message_id=original.message_id,
        from_address=sender,
        from_name=name or None,
        to=to,
        subject=original.subject,
        date=original.date,
        date_text=original.date.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        received=received,
        headers=tuple(("Received", line) for line in received),
        raw=original.header().encode(),
    )


@dataclass(frozen=True)
class Score:
    """How verdicts compare with the truth, in the figures that must be reached."""

    genuine_accused: tuple[str, ...]
    deceived: tuple[str, ...]
    found: float  # decidable backscatter called backscatter
    kept: float  # decidable genuine called genuine
    unsure: float  # of the decidable
    missed: Counter[tuple[str, str]]

    def __str__(self) -> str:
        return (
            f"accused {len(self.genuine_accused)}, deceived {len(self.deceived)}, found {self.found:.2%}, "
            f"kept {self.kept:.2%}, unsure {self.unsure:.2%}, missed {dict(self.missed)}"
        )


def score(specimens: Sequence[Specimen], findings: Sequence[Finding]) -> Score:
    """Return the figures for specimens and what was found of them, in the same order."""
    pairs = list(zip(specimens, findings, strict=True))
    decidable = [(s, f) for s, f in pairs if s.expected is not None]
    wrong = [(s, f) for s, f in decidable if f.verdict is not s.expected]
    return Score(
        genuine_accused=tuple(
            s.what for s, f in pairs if s.truth is Verdict.GENUINE and f.verdict is Verdict.BACKSCATTER
        ),
        deceived=tuple(s.what for s, f in pairs if s.truth is Verdict.BACKSCATTER and f.verdict is Verdict.GENUINE),
        found=_share(decidable, Verdict.BACKSCATTER),
        kept=_share(decidable, Verdict.GENUINE),
        unsure=sum(f.verdict is Verdict.UNSURE for _, f in decidable) / max(len(decidable), 1),
        missed=Counter((f"{s.truth.value}: {s.what}", f.row) for s, f in wrong),
    )


def _share(decidable: Sequence[tuple[Specimen, Finding]], verdict: Verdict) -> float:
    there = [f for s, f in decidable if s.expected is verdict]
    return sum(f.verdict is verdict for f in there) / max(len(there), 1)
