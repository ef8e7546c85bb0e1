"""The memory of a very large Sent folder, without a server: reading it in, what 200 notices ask of it, one more night.

    python -m benchmarks.sent_memory --sent 100000 1000000

Each size is a process of its own, so that peak memory is its own. What grows faster than Sent shows in the last column.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.job import peak_rss_mb
from cleanup.detector.coverage import cover_times
from cleanup.ledger import Ledger
from cleanup.ledger.values import SentQuery, Stretches
from cleanup.model import SentMessage, SentSource

CHUNK = 2_000
NOTICES, NEW = 200, 80
OWNER = "anna.berg@example.org"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
Took = dict[str, float]


def main() -> None:
    """Measure and print a table."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--sent", type=int, nargs="+", default=[100_000, 1_000_000])
    wanted.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = wanted.parse_args()
    if given.one:
        print(json.dumps(measure(given.one)))
        return
    took = [_in_a_process(size) for size in given.sent]
    print(f"{'':<26}" + "".join(f"{size:>12,}" for size in given.sent) + f"{'ratio':>10}")
    for step in took[0]:
        figures = [one[step] for one in took]
        print(f"{step:<26}" + "".join(f"{f:>12}" for f in figures) + f"{figures[-1] / max(figures[0], 1e-3):>10.1f}")


def _in_a_process(size: int) -> Took:
    argv = [sys.executable, "-m", "benchmarks.sent_memory", "--one", str(size)]
    took: Took = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    return took


def measure(size: int) -> Took:
    """Return what each step took, in seconds, and what it left."""
    took: Took = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        with Ledger.open(file) as ledger:
            memory = ledger.memory(OWNER)
            cursor = memory.begin("Sent", 1, is_sent=True)
            with _timed(took, "read in, s"):
                for first in range(1, size + 1, CHUNK):
                    many = min(CHUNK, size + 1 - first)
                    memory.add_sent(cursor, [_sent(uid, size) for uid in range(first, first + many)], first + many)
            took["peak after it, MB"] = peak_rss_mb()
        took["ledger, MB"] = round(file.stat().st_size / 1e6, 1)
        with _timed(took, "opened, s"):
            ledger = Ledger.open(file)
        with ledger:
            _a_night(ledger, size, took)
    took["peak, MB"] = peak_rss_mb()
    return took


def _a_night(ledger: Ledger, size: int, took: Took) -> None:
    memory = ledger.memory(OWNER)
    with _timed(took, "cursors, s"):
        cursor = memory.cursors()["Sent"]
    with _timed(took, "checksums, s"):
        assert memory.retire_the_damaged() == []
    with _timed(took, "80 new, s"):
        memory.add_sent(cursor, [_sent(size + n, size) for n in range(1, NEW + 1)], size + NEW + 1)
    with _timed(took, "gone ones, s"):
        memory.forget_the_gone(NOW - timedelta(days=30))
    with _timed(took, "200 notices ask, s"):
        places = memory.answers(_asked(size))
    took["places they name"] = sum(len(uids) for uids in places.there.values())
    with _timed(took, "times and coverage, s"):
        cover_times(memory.sent_times(NOW), size, (SentSource("Sent", size, size),))
    with _timed(took, "habits, s"):
        memory.profile()


def _sent(uid: int, size: int) -> SentMessage:
    rng = random.Random(uid)
    person = int(rng.paretovariate(0.8)) % max(size // 50, 1)  # a few are written to very often
    when = NOW - timedelta(days=3650 * (1 - uid / (size + NEW + 1)))
    return SentMessage(
        "Sent",
        uid,
        message_id=f"{uid:x}.{rng.getrandbits(40):x}@postbird.example.org",
        from_address=OWNER,
        recipients=(f"person{person}@far{person % 900}.test",),
        subject=f"Re: matter {rng.randrange(max(size // 4, 1))}",
        date=when,
        arrived=when,
    )


def _asked(size: int) -> SentQuery:
    """What notices ask: ids, subjects, and whether their recipients were ever or just then written to."""
    sent = [_sent(uid, size) for uid in range(size - NOTICES, size)]
    long, short = timedelta(days=5), timedelta(minutes=30)
    people = {
        m.recipients[0]: Stretches({(m.date - long, m.date)}, {(m.date - short, m.date + short)})
        for m in sent
        if m.date
    }
    return SentQuery(
        frozenset(m.message_id or "" for m in sent), frozenset(m.subject or "" for m in sent), people=people
    )


class _timed:  # noqa: N801 - reads as a statement
    def __init__(self, took: Took, step: str) -> None:
        self._took, self._step = took, step

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._took[self._step] = round(time.perf_counter() - self._began, 3)


if __name__ == "__main__":
    main()
