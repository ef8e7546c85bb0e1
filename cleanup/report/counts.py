"""How many notices there are of what: the one place that counts, for screens, reports, digests, logs and figures.

A notice counts by its verdict, a person's last word included, and by where it is. Those are two things: `--policy
storm` also files unsure ones, and an undo puts backscatter back. Imports no pandas: the commands that move mail count,
too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from cleanup.model import FilingPlan, Finding, Judged, Kind, MessageRef, Verdict
from cleanup.report.text import plural


class Fate(StrEnum):
    """Where a notice is, and what becomes of it."""

    STAYS = "stays"  # in the Inbox, and it stays there
    KEPT = "kept"  # the same at a person's word: an undo put it back, or somebody called it unsure
    PLANNED = "planned"  # in the Inbox, and the plan is to file it
    FILED = "filed"  # in the backscatter folder
    OPEN = "open"  # a run or an undo was cut off while it moved it: the next one looks where it is
    GONE = "gone"  # in neither folder: somebody moved or deleted it


Cells = Mapping[tuple[Verdict, Fate], int]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many notices there are, by verdict and by where they are. `ordinary` mail lay beside them in the Inbox.

    `undelivered` of them are genuine bounces: the owner's own mail that did not arrive.
    """

    cells: Cells = field(default_factory=dict)
    ordinary: int = 0
    undelivered: int = 0

    def of(self, *wanted: Verdict | Fate) -> int:
        """Return how many have one of the wanted verdicts, where any is named, and one of the wanted fates."""
        verdicts = [one for one in wanted if isinstance(one, Verdict)] or list(Verdict)
        fates = [one for one in wanted if isinstance(one, Fate)] or list(Fate)
        return sum(count for (verdict, fate), count in self.cells.items() if verdict in verdicts and fate in fates)

    @property
    def notices(self) -> int:
        """All of them, wherever they are."""
        return self.of()

    @property
    def messages(self) -> int:
        """Ordinary mail and notices together."""
        return self.ordinary + self.notices

    @property
    def waiting(self) -> int:
        """Unsure ones in the Inbox that nobody has decided about."""
        return self.of(Verdict.UNSURE, Fate.STAYS)

    def in_words(self) -> str:
        """Return "92 notices: 72 backscatter, 14 genuine, 6 unsure; 78 filed (6 of them unsure)"."""
        order = (Verdict.BACKSCATTER, Verdict.GENUINE, Verdict.UNSURE)
        verdicts = ", ".join(f"{self.of(verdict):,} {verdict.value}" for verdict in order)
        return "; ".join([f"{plural(self.notices, 'notice')}: {verdicts}", *self.places()])

    def places(self) -> list[str]:
        """Return where those are that do not simply lie in the Inbox, as parts of a sentence; "0 filed" is said too."""
        wrong = {v: self.of(v, Fate.FILED) for v in (Verdict.GENUINE, Verdict.UNSURE)}
        others = [f"{n:,} of them {v.value}" for v, n in wrong.items() if n]
        told = [f"{self.of(Fate.FILED):,} filed" + (f" ({', '.join(others)})" if others else "")]
        told += [f"{n:,} kept at your word" for n in [self.of(Fate.KEPT)] if n]
        told += [f"{n:,} not settled yet" for n in [self.of(Fate.OPEN)] if n]
        told += [f"{n:,} moved or deleted by somebody" for n in [self.of(Fate.GONE)] if n]
        return told

    def stored(self) -> dict[str, int]:
        """Return what the ledger keeps of a run: what lay in the Inbox when it looked, by verdict."""
        by_verdict = {verdict.value: self.of(verdict) for verdict in Verdict}
        kept = {"kept": self.of(Fate.KEPT)} if self.of(Fate.KEPT) else {}
        return {"messages": self.messages, "notices": self.notices, **by_verdict, **kept}

    @classmethod
    def read(cls, stored: Mapping[str, int]) -> Counts:
        """Return the counts of what a run left in the Inbox, from what the ledger keeps of it."""
        kept = stored.get("kept", 0)
        cells = {(verdict, Fate.STAYS): stored.get(verdict.value, 0) for verdict in Verdict}
        cells[Verdict.UNSURE, Fate.STAYS] -= kept
        cells[Verdict.UNSURE, Fate.KEPT] = kept
        return cls(cells, stored.get("messages", 0) - stored.get("notices", 0))


def count_judged(
    judged: Sequence[Judged], plan: FilingPlan | None = None, *, ordinary: int = 0, moved: Collection[MessageRef] = ()
) -> Counts:
    """Return the counts of what a look found in an Inbox. A plan with refusals is carried out by nobody.

    `moved` were filed since.
    """
    planned = frozenset(move.ref for move in plan.moves) if plan and not plan.refusals else frozenset()
    gone = frozenset(moved)
    fates = ((one, fate_of(one.finding, planned=one.ref in planned, filed=one.ref in gone)) for one in judged)
    cells = Counter((one.finding.verdict, fate) for one, fate in fates)
    return Counts(dict(cells), ordinary, sum(is_undelivered(one.finding.verdict, one.notice.kind) for one in judged))


def fate_of(finding: Finding, *, planned: bool = False, filed: bool = False) -> Fate:
    """Return what becomes of a notice that was looked at."""
    if filed or planned:
        return Fate.FILED if filed else Fate.PLANNED
    return Fate.KEPT if finding.is_kept else Fate.STAYS


def is_undelivered(verdict: Verdict | str, kind: Kind | str) -> bool:
    """Return whether a notice says that mail of the owner's own did not arrive."""
    return verdict == Verdict.GENUINE and kind == Kind.NDR


def added(counts: Iterable[Counts]) -> Counts:
    """Return the counts of several mailboxes together."""
    cells: Counter[tuple[Verdict, Fate]] = Counter()
    ordinary = undelivered = 0
    for one in counts:
        cells.update(one.cells)
        ordinary, undelivered = ordinary + one.ordinary, undelivered + one.undelivered
    return Counts(dict(cells), ordinary, undelivered)
