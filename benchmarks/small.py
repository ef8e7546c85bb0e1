"""A benchmark small enough for every build: prints figures and ratios, asserts no times.

    python -m benchmarks.small

Each figure stands beside a floor or a peer measured in the same run; the ratio is what can be compared across machines.
"""

from __future__ import annotations

import email
import time
from collections.abc import Callable

import mailparser

from benchmarks.first_run import measure
from benchmarks.maildir import ROOT, Size
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Policy
from tests.generator.mailbox import a_mailbox, as_notice

ROUNDS = 3


def main() -> None:
    """Measure and print."""
    _reading([file.read_bytes() for file in sorted((ROOT / "sample_data" / "notices").glob("*.eml"))])
    _judging()
    _first_run()


def _reading(raw: list[bytes]) -> None:
    ours = _per_second(len(raw), lambda: [read_notice(one) for one in raw])
    floor = _per_second(len(raw), lambda: [list(email.message_from_bytes(one).walk()) for one in raw])
    peer = _per_second(len(raw), lambda: [mailparser.parse_from_bytes(one) for one in raw])
    print(f"reading    {ours:8,.0f} notices/s   {ours / floor:5.2f} x email.message_from_bytes ({floor:,.0f}/s)")
    print(f"           {'':8} {'':11}  {ours / peer:5.2f} x mail-parser, which reads no notices ({peer:,.0f}/s)")


def _judging() -> None:
    mailbox = a_mailbox(1, each=20)
    cases = [Case(as_notice(specimen), specimen.arrived, str(n)) for n, specimen in enumerate(mailbox.specimens)]
    index = mailbox.index()
    ours = _per_second(len(cases), lambda: judge_all(cases, index, mailbox.identity, Policy()))
    print(f"judging    {ours:8,.0f} notices/s   of {len(cases):,} against {len(mailbox.sent):,} sent messages")


def _first_run() -> None:
    figures = measure(Size(inbox=2000, sent=1000, notices=100, genuine=20))
    first, floor, check = figures["first run"], figures["floor"], figures["check"]
    print(
        f"first run  {first['wall_s']:8.2f} s           {first['wall_s'] / floor['wall_s']:5.1f} x a raw fetch of the "
        f"same header fields ({floor['wall_s']:.2f} s), {first['bytes_read'] / floor['bytes_read']:.2f} x its bytes"
    )
    print(f"           {first['peak_rss_mb']:8.1f} MB          {first['round_trips']} round trips")
    print(f"           wrongly moved {check['wrongly_moved']}, equal after undo: {check['equal_after_undo']}")


def _per_second(count: int, work: Callable[[], object]) -> float:
    """Return how many of `count` are done a second of CPU, in the best of a few rounds."""
    best = min(_cpu(work) for _ in range(ROUNDS))
    return count / best


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
