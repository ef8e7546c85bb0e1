"""The figures of mailboxes of the five kinds: who was accused, what was found, who was deceived.

`python -m tests.generator.figures [SEEDS] [MODE ...]` prints them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from cleanup.detector.account_state import JudgedNotice
from cleanup.detector.sender_questions import foremost, sender_questions
from cleanup.detector.spf import SpfAnswers, SpfRecord, SpfResult, SpfWord, spf_questions
from cleanup.detector.verdict import Case, judge_all
from cleanup.dns import spf_for
from cleanup.dns.network import Network
from cleanup.model import Finding, Identity, Policy, Verdict
from tests.generator.records import spf
from tests.generator.senders import KINDS, Placed, a_placed_mailbox
from tests.generator.world import NOW
from tests.servers.nameserver import nameserver

GIVEN = {"fail": SpfResult.FAIL, "softfail": SpfResult.FAIL, "pass": SpfResult.PASS}
ASKED = "with SPF, asked"  # of a name server on loopback, by the resolver and the library that a run uses
MODES = ("nothing told", "hosts told", "wrong hosts told", "with SPF", ASKED)


@dataclass
class Tally:
    """Counts over many mailboxes."""

    judged: int = 0
    genuine: int = 0
    ordinary: int = 0
    accused: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)  # ordinary mail that was accused
    deceived: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)  # forged, by what it is
    found: Counter[str] = field(default_factory=Counter)
    decidable: Counter[str] = field(default_factory=Counter)
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: float = 0.0
    most_asked: int = 0  # DNS questions for one mailbox
    to_say: list[int] = field(default_factory=list)  # by mailbox: questions that a person is asked

    def share(self, *whats: str) -> float:
        """Return the share found of the decidable forgeries of these kinds; of all where none is named."""
        names = whats or tuple(self.decidable)
        return sum(self.found[n] for n in names) / max(sum(self.decidable[n] for n in names), 1)

    def __str__(self) -> str:
        found = ", ".join(f"{w} {self.found[w]}/{n}" for w, n in sorted(self.decidable.items()))
        return (
            f"{self.judged:,} judged, accused {self.accused.total()} of {self.genuine:,} {dict(self.accused)}, "
            f"ordinary accused {self.wrong.total()} of {self.ordinary:,} {dict(self.wrong)}, "
            f"deceived {self.deceived.total()} {dict(self.deceived)}, "
            f"found {self.share():.1%} ({found}), {self.seconds:.1f} s, at most {self.most_asked} DNS questions, "
            f"{median(self.to_say or [0]):g} questions to a person, at most {max(self.to_say, default=0)}"
        )


def identity(placed: Placed, mode: str) -> Identity:
    """Return what is told: the address alone, or also the hosts, or hosts of somebody else."""
    place = placed.place
    told = {
        "hosts told": place.told,
        "wrong hosts told": frozenset({"198.51.100.77", "mail.otherhoster.example"}),
    }.get(mode, frozenset())
    return Identity(addresses=frozenset({place.address}), outbound_hosts=told, imap_host=place.imap_host)


def answers(placed: Placed, cases: Sequence[Case]) -> SpfAnswers:
    """Return what the records of this mailbox's place say of all addresses at trusted hops, asked today."""
    asked = spf_questions([(c.notice, c.arrived) for c in cases], identity(placed, ""), placed.index().profile)
    words = {}
    for domain, addresses in asked.addresses.items():
        for address in addresses:
            result = GIVEN.get(spf(placed.place.records, domain, str(address)), SpfResult.SILENCE)
            words[domain, address] = SpfWord(domain, address, result, named_by=domain, mechanism="include")
    return SpfAnswers(NOW, {domain: SpfRecord(domain) for domain in asked.addresses}, words)


def asked_answers(placed: Placed, cases: Sequence[Case]) -> tuple[SpfAnswers, int]:
    """Return what a run finds out by asking a name server that holds these records, and how many questions it cost."""
    zone: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for key, value in placed.place.records.items():
        kind, name = key.split(" ")
        zone[name][kind] = [f"10 {value}." if kind == "MX" else value]
    with nameserver(zone) as (port, asked):
        network = Network(spf=True, nameservers=("127.0.0.1",), port=port)
        notices = [(case.notice, case.arrived) for case in cases]
        found, _ = spf_for(notices, identity(placed, ""), placed.index().profile, network, NOW)
    return found, len(asked)


def judged(placed: Placed, mode: str) -> list[Finding]:
    """Return the findings on the specimens of one mailbox, then those on other mail that reads as a notice."""
    return judged_asking(placed, mode)[0]


def judged_asking(placed: Placed, mode: str) -> tuple[list[Finding], int]:
    """Return the findings as judged() does, and how many DNS questions they cost."""
    cases = [*placed.cases(), *placed.other_cases()]
    spf, questions = asked_answers(placed, cases) if mode == ASKED else (None, 0)
    if mode == "with SPF":
        spf = answers(placed, cases)
    return judge_all(cases, placed.index(), identity(placed, mode), Policy(), spf=spf), questions


def add(tally: Tally, placed: Placed, findings: Sequence[Finding], mode: str) -> None:
    """Count one mailbox. Without its record nobody can tell a rented host from one more service."""
    cases = [*placed.cases(), *placed.other_cases()]
    told = [JudgedNotice(case.notice, found, case.arrived) for case, found in zip(cases, findings, strict=True)]
    tally.to_say.append(len(foremost(sender_questions(told))))
    tally.ordinary += len(placed.others)
    tally.judged += len(placed.others)
    for finding, case in zip(findings[len(placed.specimens) :], placed.other_cases(), strict=True):
        tally.wrong[case.key.rpartition(" ")[0]] += finding.verdict is Verdict.BACKSCATTER
    for specimen, finding in zip(placed.specimens, findings, strict=False):
        tally.judged += 1
        tally.rows[specimen.what, finding.row] += 1
        if specimen.truth is Verdict.GENUINE:
            tally.genuine += 1
            tally.accused[specimen.what] += finding.verdict is Verdict.BACKSCATTER
        else:
            tally.there[specimen.what] += 1
            tally.deceived[specimen.what] += finding.verdict is Verdict.GENUINE
            if specimen.expected is not None and (mode in ("with SPF", ASKED) or specimen.what != "rented host"):
                tally.decidable[specimen.what] += 1
                tally.found[specimen.what] += finding.verdict is Verdict.BACKSCATTER


def measured(kind: str, mode: str, seeds: Sequence[int]) -> Tally:
    """Return the figures of one kind of mailbox in one mode."""
    tally = Tally()
    for seed in seeds:
        placed = a_placed_mailbox(kind, seed)
        start = time.process_time()
        findings, questions = judged_asking(placed, mode)
        tally.seconds += time.process_time() - start
        tally.most_asked = max(tally.most_asked, questions)
        add(tally, placed, findings, mode)
    tally.accused, tally.wrong, tally.deceived = +tally.accused, +tally.wrong, +tally.deceived
    return tally


if __name__ == "__main__":
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    for mode in [m for m in MODES if not sys.argv[2:] or m in sys.argv[2:]]:
        for kind in KINDS:
            print(f"{mode:>17} | {kind:<13} | {measured(kind, mode, seeds)}", flush=True)
