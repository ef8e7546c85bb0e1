"""Connections counted over many machines: never more than allowed, nothing kept idle, nobody waits for each other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from cleanup.jobs.fleet.threads import Gates


class Scheduler:
    """Counts like Dask's: so many leases for each server, and how often it was asked."""

    def __init__(self, per_host: int) -> None:
        self.free = defaultdict(lambda: threading.Semaphore(per_host))
        self.asked: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self._lock = threading.Lock()

    def counted(self, server: str) -> Lease:
        return Lease(self, server)

    def note(self, server: str, held: int) -> None:
        with self._lock:
            self.held[server] += held
            self.asked[server] += held > 0


class Lease:
    def __init__(self, scheduler: Scheduler, server: str) -> None:
        self._scheduler, self._server = scheduler, server

    def acquire(self) -> None:
        assert self._scheduler.free[self._server].acquire(timeout=20), "two shards wait for each other"
        self._scheduler.note(self._server, 1)

    def release(self) -> None:
        self._scheduler.note(self._server, -1)
        self._scheduler.free[self._server].release()


def shard(scheduler: Scheduler, servers: list[str], threads: int, inside: Counter[str], most: Counter[str]) -> None:
    gates, lock = Gates(scheduler.counted, len(servers)), threading.Lock()

    def mailbox(server: str) -> None:
        with gates[server]:
            with lock:
                inside[server] += 1
                most[server] = max(most[server], inside[server])
            time.sleep(random.random() / 500)
            with lock:
                inside[server] -= 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(mailbox, servers))
    gates.close()


def test_the_mailboxes_of_a_shard_ask_once_for_each_thread() -> None:
    scheduler = Scheduler(per_host=8)

    shard(scheduler, ["mail.example"] * 200, 4, Counter(), Counter())

    assert scheduler.asked["mail.example"] <= 8
    assert scheduler.held["mail.example"] == 0


@pytest.mark.parametrize("per_host", [1, 3])
def test_shards_on_the_same_servers_do_not_wait_for_each_other(per_host: int) -> None:
    scheduler, most = Scheduler(per_host), Counter[str]()
    servers = [random.Random(n).choice(["one", "two", "three"]) for n in range(120)]

    with ThreadPoolExecutor(4) as workers:
        inside = [Counter[str]() for _ in range(4)]
        list(workers.map(lambda n: shard(scheduler, servers[n * 30 :][:30], 5, inside[n], most), range(4)))

    assert +scheduler.held == Counter()
    assert max(most.values()) <= per_host


def test_nothing_lies_idle_once_all_have_begun() -> None:
    scheduler = Scheduler(per_host=8)
    gates = Gates(scheduler.counted, 2)

    with gates["mail.example"]:
        with gates["mail.example"]:
            assert scheduler.held["mail.example"] == 2
        assert scheduler.held["mail.example"] == 1
    assert scheduler.held["mail.example"] == 0


def test_another_server_gets_what_lies_idle_back() -> None:
    scheduler = Scheduler(per_host=1)
    gates = Gates(scheduler.counted, 9)

    with gates["one"]:
        pass
    assert scheduler.held == {"one": 1}
    with gates["two"]:
        assert +scheduler.held == {"two": 1}
