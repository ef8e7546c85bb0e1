"""The figures of mailboxes of the five kinds: who was accused, what was found, who was deceived.

`python -m tests.generator.figures [SEEDS] [MODE ...]` prints them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from cleanup.detector.spf import SpfAnswers, SpfRecord, SpfResult, SpfWord, spf_questions
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Finding, Identity, Policy, Verdict
from tests.generator.records import spf
from tests.generator.senders import KINDS, Placed, a_placed_mailbox
from tests.generator.world import NOW

GIVEN = {"fail": SpfResult.FAIL, "softfail": SpfResult.FAIL, "pass": SpfResult.PASS}
MODES = ("nothing told", "hosts told", "wrong hosts told", "with SPF")


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
            f"found {self.share():.1%} ({found}), {self.seconds:.1f} s"
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


def judged(placed: Placed, mode: str) -> list[Finding]:
    """Return the findings on the specimens of one mailbox, then those on other mail that reads as a notice."""
    cases = [*placed.cases(), *placed.other_cases()]
    asked = answers(placed, cases) if mode == "with SPF" else None
    return judge_all(cases, placed.index(), identity(placed, mode), Policy(), spf=asked)


def add(tally: Tally, placed: Placed, findings: Sequence[Finding], mode: str) -> None:
    """Count one mailbox. Without its record nobody can tell a rented host from one more service."""
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
            if specimen.expected is not None and (mode == "with SPF" or specimen.what != "rented host"):
                tally.decidable[specimen.what] += 1
                tally.found[specimen.what] += finding.verdict is Verdict.BACKSCATTER


def measured(kind: str, mode: str, seeds: Sequence[int]) -> Tally:
    """Return the figures of one kind of mailbox in one mode."""
    tally = Tally()
    for seed in seeds:
        placed = a_placed_mailbox(kind, seed)
        start = time.process_time()
        findings = judged(placed, mode)
        tally.seconds += time.process_time() - start
        add(tally, placed, findings, mode)
    tally.accused, tally.wrong, tally.deceived = +tally.accused, +tally.wrong, +tally.deceived
    return tally


if __name__ == "__main__":
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    for mode in [m for m in MODES if not sys.argv[2:] or m in sys.argv[2:]]:
        for kind in KINDS:
            print(f"{mode:>17} | {kind:<13} | {measured(kind, mode, seeds)}")
