"""The nightly job on a real Dovecot: the first run, an idle night, a night with new mail; beside raw floors and peers.

    python -m benchmarks.nightly --inbox 10000 20000 50000

Sent holds 0.4 times as many messages, 2 % of the Inbox are notices. Ratios are to floors of the same run: a socket that
fetches the same header fields, and `python -c "import imapclient"` for nights with little to do. Cold: Dovecot's index
and cache files were removed before, as on a server that nobody has asked for long; warm: it has answered so before.
Peers (what a user would write) fetch everything every night, so they are compared with each of our nights.
`--kept N`: so many genuine bounces lie in the Inbox and stay there. A night with new mail is compared with what the new
messages' own header fields and the new notices themselves take to fetch raw (`x_new_bytes`).
`--realistic`: messages as large as real ones, 60 kB on average. Needs Dovecot.

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

from benchmarks.first_run import give_to_dovecot, job, mailbox_on_dovecot, make_cold, raw_floor
from benchmarks.job import Server
from benchmarks.latency import delayed
from benchmarks.maildir import SETTLES_S, Size, deliver
from benchmarks.peers import PEERS, peer
from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import FolderState, open_mailbox

NEW, NEW_SENT, NEW_NOTICES = 200, 80, 4
NIGHTS = 5  # of which the median counts
SLICE = 2_000  # messages that a peer is timed on; the rest is extrapolated
Figures = dict[str, dict[str, Any]]


def main() -> None:
    """Measure mailboxes of some sizes and print a table, or JSON."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--inbox", type=int, nargs="+", default=[10_000, 20_000, 50_000])
    wanted.add_argument("--no-peers", action="store_true")
    wanted.add_argument("--realistic", action="store_true")
    wanted.add_argument("--kept", type=int)
    wanted.add_argument("--json", action="store_true")
    wanted.add_argument("--round-trip-ms", type=float)
    given = wanted.parse_args()
    sizes = {str(inbox): _size(inbox, realistic=given.realistic, kept=given.kept) for inbox in given.inbox}
    if given.round_trip_ms:
        figures = {name: near_and_far(size, given.round_trip_ms) for name, size in sizes.items()}
    else:
        figures = {name: measure(size, peers=not given.no_peers) for name, size in sizes.items()}
    if given.json:
        print(json.dumps(figures, indent=1))
    else:
        print("\n\n".join([*(_table(*one) for one in figures.items()), *_growth(figures)]))


def near_and_far(size: Size, round_trip_ms: float) -> Figures:
    """Return what the first run takes near and far. An undo in between leaves the mailbox as it was."""
    with mailbox_on_dovecot(size, 1) as (server, _, _):
        raw_floor(server)
        near = _first_run(server)
        with delayed(server.port, round_trip_ms) as port:
            far = job("run", replace(server, port=port))
    far["more_s"] = round(far["process_s"] - near["process_s"], 2)
    return {"near": near, f"far ({round_trip_ms:g} ms)": far}


def _size(inbox: int, *, realistic: bool = False, kept: int | None = None) -> Size:
    genuine = max(inbox // 500, 8) if kept is None else kept
    return Size(inbox, max(inbox * 2 // 5, genuine), inbox // 50 + (kept or 0), genuine, realistic)


def _first_run(server: Server) -> dict[str, Any]:
    """Return what a first run takes, and leave mailbox and ledger as they were before."""
    took = job("run", server)
    job("undo", server)
    Path(server.ledger).unlink()
    return took


def measure(size: Size, *, peers: bool = True) -> Figures:
    """Return the figures of each phase by its name."""
    with mailbox_on_dovecot(size, 1) as (server, maildir, _):
        raw_floor(server)  # the files of a mailbox that was just made come from memory then: for both sides
        make_cold(maildir)
        cold_floor = raw_floor(server)
        make_cold(maildir)
        cold = _first_run(server)
        floor, start = raw_floor(server), _start_up_s()
        compared = {name: peer(name, server, SLICE, size.inbox) for name in PEERS} if peers else {}
        warm = job("run", server)
        time.sleep(SETTLES_S)
        idle = sorted((job("run", server) for _ in range(NIGHTS)), key=lambda took: float(took["process_s"]))[
            NIGHTS // 2
        ]
        first = {folder: state.uidnext for folder, state in _states(server).items()}
        notices = deliver(maildir, random.Random(2), NEW, NEW_SENT, NEW_NOTICES)
        give_to_dovecot(maildir)
        new = raw_floor(server, first)["bytes_read"] + notices
        delta = job("run", server)
        delta["x_new_bytes"] = round(delta["bytes_read"] / new, 2)
        time.sleep(SETTLES_S)
        deliver(maildir, random.Random(3), 1, 0, 0, first=NEW)
        give_to_dovecot(maildir)
        letter = job("run", server)
    _compare(cold, cold_floor)
    _compare(warm, floor)
    for took in (idle, delta, letter):
        took["x_import_imapclient"] = round(took["process_s"] / start, 2)
    for took in compared.values():
        for name, ours in (("first_run_cold", cold), ("first_run_warm", warm), ("idle", idle), ("delta", delta)):
            took[f"x_{name}"] = round(took["wall_s_extrapolated"] / ours["process_s"], 1)
    floors = {"floor, cold": cold_floor, "floor, warm": floor, "import imapclient": {"process_s": start}}
    return {
        **floors,
        "first run, cold": cold,
        "first run, warm": warm,
        "idle": idle,
        "delta": delta,
        "one letter": letter,
        **compared,
    }


def _states(server: Server) -> dict[str, FolderState]:
    account = Account(
        server.host, server.username, from_text(server.password), port=server.port, ca_file=Path(server.ca_file or "")
    )
    with open_mailbox(account, read_only=True) as mailbox:
        return {folder: mailbox.status(folder) for folder in ("INBOX", "Sent")}


def _compare(first: dict[str, Any], floor: dict[str, Any]) -> None:
    first["x_floor_wall"] = round(first["process_s"] / floor["wall_s"], 2)
    first["x_floor_bytes"] = round(first["bytes_read"] / floor["bytes_read"], 2)


def _growth(figures: dict[str, Figures]) -> list[str]:
    """Return how much longer the first run takes in the largest mailbox than in the smallest."""
    if len(figures) < 2 or "first run, cold" not in next(iter(figures.values())):
        return []
    small, large = min(figures, key=int), max(figures, key=int)
    times = int(large) / int(small)
    grown = {
        phase: figures[large][phase]["process_s"] / figures[small][phase]["process_s"]
        for phase in ("first run, cold", "first run, warm")
    }
    told = "  ".join(f"{phase}: {ratio:.2f}" for phase, ratio in grown.items())
    return [f"Times as long at {large} as at {small}, {times:g} times as many messages: {told}"]


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
