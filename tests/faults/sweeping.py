"""The points of the long sweep that are done, a JSON line each: a sweep that was stopped goes on where it was.

The file lies in pytest's cache (`.pytest_cache/d/sweep/points.jsonl`); `pytest --cache-clear` begins anew.
`python -m tests.faults.sweeping` prints the table of what it holds.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.faults.points import Outcome

FILE = Path(".pytest_cache/d/sweep/points.jsonl")
NOT_REACHED = "not reached"  # the run was over before the fault could strike


class Done:
    """The points of all servers that were tried so far. Without a file nothing is remembered."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        lines = file.read_text().splitlines() if file and file.exists() else []
        self.outcomes = {(told["server"], told["point"]): _outcome(told) for told in map(json.loads, lines)}

    def once(self, server: str, point: str, strike: Callable[[], Outcome]) -> Outcome:
        """Return what a point ended in, trying it only if it was not yet. Points that failed are tried again."""
        if self._file is None:
            return strike()
        known = self.outcomes.get((server, point))
        if known is not None and known.word in ("ok", NOT_REACHED):
            return known
        outcome = self.outcomes[server, point] = strike()
        with self._file.open("a") as file:
            file.write(json.dumps({"server": server, **asdict(outcome)}) + "\n")
        return outcome


def _outcome(told: dict[str, str]) -> Outcome:
    return Outcome(told["point"], told["word"], told["seen"])


def table(done: Done) -> str:
    """Return how many points of each kind ended how, a line a server and kind."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for (server, point), outcome in done.outcomes.items():
        if outcome.word != NOT_REACHED:
            counts.setdefault((server, _kind(point)), Counter())[outcome.word] += 1
    lines = [f"{server:<22} {kind:<44} {dict(words)}" for (server, kind), words in sorted(counts.items())]
    total = sum((words for words in counts.values()), Counter[str]())
    return "\n".join([*lines, f"{'all':<22} {'':<44} {dict(total)}"])


def _kind(point: str) -> str:
    return point.rpartition(" at ")[0] if " at " in point else f"connection: {point.split(' ')[0]}"


if __name__ == "__main__":
    print(table(Done(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)))
