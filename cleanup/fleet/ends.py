"""How the mailboxes of a fleet ended: what became of each, failures by cause, and what to try again."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cleanup.errors import SafetyStop, UsageError
from cleanup.report.counts import Counts
from cleanup.run.done import Done


class Result(StrEnum):
    """What became of one mailbox."""

    DONE = "done"
    REFUSED = "refused"  # a safety limit was met, nothing was moved
    FAILED = "failed"
    LOCKED = "locked"  # somebody else works on it
    NOT_BEGUN = "not begun"  # the deadline came, or a signal


_AGAIN = (Result.FAILED, Result.NOT_BEGUN)  # what `--only-failed` takes up


@dataclass(frozen=True, slots=True)
class Ended:
    """How one mailbox ended. `cause` is the code of the error, `says` its words; `counts` where it was looked at."""

    name: str
    result: Result
    says: str
    cause: str | None = None
    moved: int = 0
    took_s: float = 0.0
    counts: Counts | None = None

    @classmethod
    def of(cls, name: str, done: Done, took_s: float) -> Ended:
        """Return how a mailbox ended whose run came to its end."""
        plan = done.look.plan
        if plan.refusals and plan.moves:
            return cls(
                name, Result.REFUSED, " ".join(plan.refusals), SafetyStop.code, took_s=took_s, counts=done.counts
            )
        if done.not_moved:
            says = f"{done.not_moved} messages could not be moved"
            return cls(name, Result.FAILED, says, "partly", done.moved, took_s, done.counts)
        return cls(name, Result.DONE, done.in_words(), None, done.moved, took_s, done.counts)


def by_cause(ends: Iterable[Ended]) -> list[tuple[str, int, str]]:
    """Return the failures by cause, most frequent first: code, how many, and the words of the first one."""
    failed = [one for one in ends if one.result is not Result.DONE]
    counts = Counter(one.cause or one.result.value for one in failed)
    first = {one.cause or one.result.value: one for one in reversed(failed)}
    return [(cause, count, f"{first[cause].name}: {first[cause].says}") for cause, count in counts.most_common()]


def write_ends(file: Path, ends: Iterable[Ended]) -> None:
    """Write how each mailbox ended, as CSV: `--only-failed` reads it."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("mailbox", "result", "cause", "moved", "took_s"))
        writer.writerows((e.name, e.result.value, e.cause or "", e.moved, f"{e.took_s:.1f}") for e in ends)


def read_failed(file: Path) -> frozenset[str]:
    """Return the mailboxes that did not come to an end the last time. Raises UsageError where nobody wrote that."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        return frozenset(r["mailbox"] for r in rows if r["result"] in _AGAIN)
    except (OSError, KeyError, csv.Error) as error:
        raise UsageError(
            f"{file} does not tell which mailboxes failed", hint="Run once without --only-failed"
        ) from error
