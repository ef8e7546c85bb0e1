"""What a long history costs an active night: one new letter, with few and with many moves that stand, on Dovecot.

    python -m benchmarks.history --standing 50000

The moves are written into the journal as runs would have written them, and as many messages lie in the folder. Prints
time, CPU, round trips and bytes of nights with one new letter: the median of some, each in a process of its own, first
without the history and then with it; and of the night after one message of the history was deleted by hand.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from benchmarks.first_run import USER, give_to_dovecot, job, mailbox_on_dovecot
from benchmarks.job import NOW, OWNER, Server
from benchmarks.maildir import Size, Writer, deliver
from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.ledger import Ledger, MoveIntent, MoveState
from cleanup.model import Fingerprint

NIGHTS = 5  # of which the median by CPU counts
LETTER = (
    "From: x@y.test\nTo: {owner}\nSubject: note {n}\nDate: Mon, 19 Oct 2026 10:00:00 +0000\n"
    "Message-ID: <{n}@old.test>\n\nHi\n"
)


def main() -> None:
    """Measure and print."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--standing", type=int, default=50_000)
    given = wanted.parse_args()
    for phase, took in measure(given.standing).items():
        print(f"{phase:<34}" + json.dumps(took))


def measure(standing: int) -> dict[str, dict[str, Any]]:
    """Return what nights with one new letter take, by the history that they have."""
    with mailbox_on_dovecot(Size(2_000, 1_000, 100, 20), 1) as (server, maildir, _):
        job("run", server)
        few = _median(server, maildir, 0)
        number_of = _fill(server, maildir, standing)
        first = _night(server, maildir, NIGHTS)
        many = _median(server, maildir, NIGHTS + 1)
        with open_mailbox(_account(server)) as mailbox:
            mailbox.select("Backscatter")
            mailbox.mark_deleted([number_of])
            mailbox.uid_expunge([number_of])
        left = _night(server, maildir, 2 * NIGHTS + 1)
    return {
        "short history": few,
        f"{standing:,} more, first night": first,
        f"{standing:,} more": many,
        "one of them was deleted": left,
    }


def _median(server: Server, maildir: Path, first: int) -> dict[str, Any]:
    nights = [_night(server, maildir, first + n) for n in range(NIGHTS)]
    return sorted(nights, key=lambda took: float(took["cpu_s"]))[NIGHTS // 2]


def _night(server: Server, maildir: Path, number: int) -> dict[str, Any]:
    deliver(maildir, random.Random(number), 1, 0, 0, first=number)
    give_to_dovecot(maildir)
    took = job("run", server)
    return {name: took[name] for name in ("process_s", "wall_s", "cpu_s", "round_trips", "bytes_read", "notices")}


def _fill(server: Server, maildir: Path, standing: int) -> int:
    """Put so many messages into the backscatter folder, with the moves that brought them; return one's UID."""
    write, folder = Writer(None), maildir / ".Backscatter"
    for n in range(standing):
        write(folder, LETTER.format(owner=OWNER, n=n), NOW.timestamp(), 20_000_000 + n)
    give_to_dovecot(maildir)
    with open_mailbox(_account(server)) as mailbox, Ledger.open(server.ledger) as ledger:
        state = mailbox.examine("Backscatter")
        uids = mailbox.uids("Backscatter")[-standing:]
        run_id = ledger.start_run(OWNER, "run")
        intents = [
            MoveIntent("INBOX", 1, n, "Backscatter", state.uidvalidity, uids[0], Fingerprint(200, NOW, f"{n:064x}"))
            for n in range(standing)
        ]
        moves = ledger.intend(run_id, intents)
        ledger.advance([(move.move_id, MoveState.MOVED, uid, None) for move, uid in zip(moves, uids, strict=True)])
        ledger.finish_run(run_id)
    return uids[0]


def _account(server: Server) -> Account:
    return Account(
        server.host,
        USER,
        from_text(server.password),
        port=server.port,
        security="tls",
        ca_file=Path(server.ca_file or ""),
    )


if __name__ == "__main__":
    main()
