"""The nightly job on a real Dovecot: the first run, an idle night, a night with new mail; beside raw floors and peers.

    python -m benchmarks.nightly --inbox 10000 20000 50000

Sent holds 0.4 times as many messages, 2 % of the Inbox are notices. Ratios are to floors of the same run: a socket that
fetches the same header fields, and `python -c "import imapclient"` for nights with little to do. Needs Dovecot.

    python -m benchmarks.nightly --inbox 20000 --round-trip-ms 30

measures the first run near and far instead: once as above, and once over a way on which a round trip takes that long.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.first_run import give_to_dovecot, job, mailbox_on_dovecot, raw_floor
from benchmarks.latency import delayed
from benchmarks.maildir import Size, deliver
from benchmarks.peers import PEERS, peer

NEW, NEW_SENT, NEW_NOTICES = 200, 80, 4
NIGHTS = 5  # of which the median counts
SLICE = 2_000  # messages that a peer is timed on; the rest is extrapolated
Figures = dict[str, dict[str, Any]]


def main() -> None:
    """Measure mailboxes of some sizes and print a table, or JSON."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--inbox", type=int, nargs="+", default=[10_000, 20_000, 50_000])
    wanted.add_argument("--no-peers", action="store_true")
    wanted.add_argument("--json", action="store_true")
    wanted.add_argument("--round-trip-ms", type=float)
    given = wanted.parse_args()
    if given.round_trip_ms:
        figures = {str(inbox): near_and_far(inbox, given.round_trip_ms) for inbox in given.inbox}
    else:
        figures = {str(inbox): measure(inbox, peers=not given.no_peers) for inbox in given.inbox}
    print(json.dumps(figures, indent=1) if given.json else "\n\n".join(_table(*one) for one in figures.items()))


def near_and_far(inbox: int, round_trip_ms: float) -> Figures:
    """Return what the first run takes near and far. An undo in between leaves the mailbox as it was."""
    with mailbox_on_dovecot(_size(inbox), 1) as (server, _, _):
        raw_floor(server)
        near = job("run", server)
        job("undo", server)
        Path(server.ledger).unlink()
        with delayed(server.port, round_trip_ms) as port:
            far = job("run", replace(server, port=port))
    far["more_s"] = round(far["process_s"] - near["process_s"], 2)
    return {"near": near, f"far ({round_trip_ms:g} ms)": far}


def _size(inbox: int) -> Size:
    return Size(inbox, inbox * 2 // 5, inbox // 50, max(inbox // 500, 8))


def measure(inbox: int, *, peers: bool = True) -> Figures:
    """Return the figures of each phase by its name."""
    with mailbox_on_dovecot(_size(inbox), 1) as (server, maildir, _):
        raw_floor(server)  # Dovecot builds its index and cache: both sides find them warm
        floor, start = raw_floor(server), _start_up_s()
        compared = {name: peer(name, server, SLICE, inbox) for name in PEERS} if peers else {}
        first = job("run", server)
        idle = sorted((job("run", server) for _ in range(NIGHTS)), key=lambda took: float(took["process_s"]))[
            NIGHTS // 2
        ]
        deliver(maildir, random.Random(2), NEW, NEW_SENT, NEW_NOTICES)
        give_to_dovecot(maildir)
        delta = job("run", server)
    first["x_floor_wall"] = round(first["process_s"] / floor["wall_s"], 2)
    first["x_floor_bytes"] = round(first["bytes_read"] / floor["bytes_read"], 2)
    for took in (idle, delta):
        took["x_import_imapclient"] = round(took["process_s"] / start, 2)
    for took in compared.values():
        took["x_first_run"] = round(took["wall_s_extrapolated"] / first["process_s"], 1)
    base = {"floor": floor, "import imapclient": {"process_s": start}}
    return {**base, "first run": first, "idle": idle, "delta": delta, **compared}


def _start_up_s() -> float:
    """Return the median time of processes that only import imapclient."""
    took = []
    for _ in range(NIGHTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import imapclient"], check=True)
        took.append(time.perf_counter() - began)
    return round(statistics.median(took), 3)


def _table(inbox: str, figures: Figures) -> str:
    lines = [f"{inbox} in the Inbox, {int(inbox) * 2 // 5} in Sent"]
    lines += [f"  {phase:<24}" + "  ".join(f"{k}={v}" for k, v in took.items()) for phase, took in figures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
