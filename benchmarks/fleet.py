"""A fleet on one real Dovecot: the first night, then three more, beside the server's own login rate.

The nights: nothing happened anywhere; one mailbox in five has four new messages (small deltas); all have.

    python -m benchmarks.fleet --mailboxes 200 [--processes 2] [--ledger postgresql://...] [--scheduler tcp://...]
    python -m benchmarks.fleet --mailboxes 100 --workers 2

Each mailbox holds 500 messages and 200 sent ones. The floor is measured in the same run: as many threads that log in
and out and do nothing else. --workers starts a Dask cluster of so many processes, and a PostgreSQL for the ledger.
Needs Dovecot, and PostgreSQL for --workers (bash .ci/install-servers).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.first_run import give_to_dovecot, surroundings
from benchmarks.job import OWNER
from benchmarks.maildir import SETTLES_S, Size, build, deliver
from tests.servers.dask_cluster import a_cluster
from tests.servers.dovecot import dovecot
from tests.servers.postgresql import postgresql
from tests.servers.running import RunningServer

SIZE = Size(inbox=500, sent=200, notices=64, genuine=4)
FEW = 5  # one mailbox in so many has new mail on a night with small deltas
NEW = 4  # messages a mailbox, before the night with new mail; one of them is a forged bounce
THREADS = 16
NIGHTS = 3  # idle ones, of which the middle one counts


@dataclass(frozen=True, slots=True)
class Fleet:
    """Some mailboxes on a running server, and the list that names them."""

    server: RunningServer
    users: list[str]
    listed: Path
    only_first: Path
    work: Path


@dataclass(frozen=True, slots=True)
class How:
    """By what the nights are done: so many processes, each with its shard, or a Dask cluster."""

    processes: int = 1
    ledger: str | None = None  # None: a file
    scheduler: str | None = None


def main() -> None:
    """Measure and print a table, or JSON."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--mailboxes", type=int, default=200)
    wanted.add_argument("--ledger", help="database URL; without it a file")
    wanted.add_argument("--scheduler", help="of a Dask cluster whose workers can read this machine's files")
    wanted.add_argument("--processes", type=int, default=1, help="each with its shard")
    wanted.add_argument("--workers", type=int, default=0, help="of a Dask cluster that is started")
    wanted.add_argument("--json", action="store_true")
    given = wanted.parse_args()
    with ExitStack() as stack:
        ledger, scheduler = given.ledger, given.scheduler
        if given.workers:
            ledger = stack.enter_context(postgresql())
            scheduler = stack.enter_context(_on_dask(given.workers))
        figures = measure(given.mailboxes, How(given.processes, ledger, scheduler))
    print(json.dumps(figures, indent=1) if given.json else _table(figures))


@contextmanager
def _on_dask(workers: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, a_cluster(Path(folder), workers) as cluster:
        yield cluster.address


def measure(mailboxes: int, how: How) -> dict[str, dict[str, Any]]:
    """Return the figures of each phase by its name.

    `x_logins`: mailboxes a second, as a share of raw logins; `x_logins_running`: the same without what the command
    takes for one mailbox alone, which is its start. `start` is that.
    """
    with a_fleet(mailboxes) as fleet:
        _logins(fleet)  # the server warms up
        floor = _logins(fleet)
        phases = {"first": _night(fleet, how)}
        time.sleep(SETTLES_S)
        idle = sorted((_night(fleet, how) for _ in range(NIGHTS)), key=lambda took: float(took["wall_s"]))
        phases["idle"] = idle[NIGHTS // 2]
        start = _night(fleet, how, fleet.only_first)
        _new_mail(fleet, fleet.users[::FEW], 1)
        phases["few"] = _night(fleet, how)
        _new_mail(fleet, fleet.users, 2)
        phases["all"] = _night(fleet, how)
        floor = max(floor, _logins(fleet), key=lambda took: float(took["a_second"]))
    for took in phases.values():
        running_s = took["wall_s"] - start["wall_s"]
        took["x_logins"] = round(took["a_second"] / floor["a_second"], 2)
        took["x_logins_running"] = round((mailboxes - 1) / running_s / floor["a_second"], 2)
    return {"logins": floor, "start": start, **phases}


def _new_mail(fleet: Fleet, users: Sequence[str], night: int) -> None:
    assert fleet.server.folder
    mail = fleet.server.folder / "mail"
    for number, user in enumerate(users):
        deliver(mail / user, random.Random(night * 100_000 + number), NEW, 2, 1)
    give_to_dovecot(mail)


@contextmanager
def a_fleet(mailboxes: int, size: Size = SIZE) -> Iterator[Fleet]:
    """Yield mailboxes that are copies of one, on a Dovecot of their own."""
    with dovecot("fleet") as server, tempfile.TemporaryDirectory() as folder:
        assert server.folder
        work, mail = Path(folder), server.folder / "mail"
        users = [f"user{number}" for number in range(mailboxes)]
        build(mail / users[0], size, 1)
        for user in users[1:]:
            shutil.copytree(mail / users[0], mail / user, copy_function=os.link)
        give_to_dovecot(mail)
        (work / "secret").write_text(server.password)
        (work / "secret").chmod(0o600)
        (work / "config.toml").write_text(
            f'[defaults]\nhost = "localhost"\nport = {server.tls_port}\nca_file = "{server.ca_file}"\n'
            f'password_file = "{work / "secret"}"\ndigest = "never"\n'
            f'[defaults.identity]\naddresses = ["{OWNER}"]\noutbound_hosts = ["out1.example.org", "192.0.2.10"]\n'
        )
        for name, some in (("list.csv", users), ("first.csv", users[:1])):
            with (work / name).open("w", newline="") as opened:
                csv.writer(opened).writerows([("mailbox", "username"), *((f"{u}@example.org", u) for u in some)])
        yield Fleet(server, users, work / "list.csv", work / "first.csv", work)


def _logins(fleet: Fleet) -> dict[str, Any]:
    """Return what it takes to log in to every mailbox and out again, and nothing else."""
    context = ssl.create_default_context(cafile=str(fleet.server.ca_file))

    def one(user: str) -> None:
        with socket.create_connection(("localhost", fleet.server.tls_port)) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(plain, server_hostname="localhost") as sock:
                _until(sock, b"\r\n")
                sock.sendall(f'a LOGIN {user} "{fleet.server.password}"\r\n'.encode())
                _until(sock, b"a OK")
                sock.sendall(b"b LOGOUT\r\n")
                _until(sock, b"b OK")

    def all_of_them() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(one, fleet.users))

    return _timed(all_of_them, len(fleet.users), resource.RUSAGE_SELF)


def _until(sock: ssl.SSLSocket, what: bytes) -> None:
    heard = b""
    while what not in heard:
        piece = sock.recv(4096)
        if not piece:
            raise SystemExit("the server went away")
        heard += piece


def _night(fleet: Fleet, how: How, listed: Path | None = None) -> dict[str, Any]:
    """Return what one run over all mailboxes, or those `listed`, took in processes of its own."""
    files = [fleet.work / f"results{number}.csv" for number in range(1 if listed else how.processes)]

    def run() -> None:
        begun = [_begin(fleet, how, listed, file, f"{number}/{len(files)}") for number, file in enumerate(files)]
        for process in begun:
            _, said = process.communicate()
            if process.returncode:
                raise SystemExit(said[-2000:])

    took = _timed(run, 1 if listed else len(fleet.users), resource.RUSAGE_CHILDREN)
    return took | {"moved": sum(_moved(file) for file in files)}


def _begin(fleet: Fleet, how: How, listed: Path | None, results: Path, shard: str) -> subprocess.Popen[str]:
    program, threads = Path(sys.executable).parent / "mailbox-cleanup", max(1, THREADS // how.processes)
    where = ("--config", fleet.work / "config.toml", "--ledger", how.ledger or fleet.work / "ledger.sqlite")
    many = ("--threads", threads, "--per-host", threads, "--shard", shard, "--results", results)
    argv = [program, "fleet", "run", "--mailboxes", listed or fleet.listed, *where, *many]
    argv += ["--scheduler", how.scheduler] if how.scheduler else []
    return subprocess.Popen(
        list(map(str, argv)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings(fleet.work),
    )


def _moved(results: Path) -> int:
    with results.open(newline="") as opened:
        return sum(int(row["moved"]) for row in csv.DictReader(opened))


def _timed(act: Callable[[], None], mailboxes: int, whose: int) -> dict[str, Any]:
    before, began = resource.getrusage(whose), time.perf_counter()
    act()
    wall_s, after = time.perf_counter() - began, resource.getrusage(whose)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "a_second": round(mailboxes / wall_s, 1)}


def _table(figures: dict[str, dict[str, Any]]) -> str:
    return "\n".join(f"{phase:<10}" + "  ".join(f"{k}={v}" for k, v in took.items()) for phase, took in figures.items())


if __name__ == "__main__":
    main()
