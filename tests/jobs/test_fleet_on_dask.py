"""A fleet on a real Dask cluster of worker processes: real users of a real Dovecot, one ledger in PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.fleet import Fleet, a_fleet
from benchmarks.maildir import Size
from cleanup.errors import UsageError
from cleanup.jobs.fleet import Limits, Listed, Shared
from cleanup.ledger import Ledger
from tests.cli.command import Ended, cleanup
from tests.servers.dask_cluster import Cluster, a_cluster

pytest.importorskip("distributed")

from cleanup.jobs.fleet import on_dask

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("dask")]
USERS, AT_PEACE = 16, 6  # the others' night is the one on which a worker is killed
MANY_USERS = 200
SIZE = Size(inbox=160, sent=80, notices=34, genuine=4)
FORGED = 30  # in each mailbox, of one storm


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with a_fleet(USERS, SIZE) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three workers, of which the last test of this file kills one."""
    with a_cluster(tmp_path_factory.mktemp("cluster"), 3) as started:
        yield started


def some_of(fleet: Fleet, first: int, end: int) -> Fleet:
    """Return these mailboxes of a fleet, and a list that names only them."""
    users, listed = fleet.users[first:end], fleet.work / f"{first}-{end}.csv"
    listed.write_text("mailbox,username\n" + "".join(f"{user}@example.org,{user}\n" for user in users))
    return replace(fleet, users=users, listed=listed)


def by_command(fleet: Fleet, cluster: Cluster, ledger: str, *more: str) -> Ended:
    results = ("--results", fleet.work / "results.csv")
    given = ("--mailboxes", fleet.listed, "--config", fleet.work / "config.toml", "--ledger", ledger, *results)
    return cleanup("fleet", "run", *given, "--scheduler", cluster.address, *more, timeout_s=400)


def folders(fleet: Fleet) -> set[tuple[int, int]]:
    """Return how many messages lie in the Inbox and in the backscatter folder, over all users."""
    assert fleet.server.folder
    mail = fleet.server.folder / "mail"
    return {(_count(mail / user), _count(mail / user / ".Backscatter")) for user in fleet.users}


def _count(maildir: Path) -> int:
    return sum(1 for part in ("cur", "new") for _ in (maildir / part).glob("*"))


def runs(database: str) -> list[tuple[str, str, int]]:
    with Ledger.open(database) as ledger:
        return [(run.mailbox, run.status, run.filed) for run in ledger.runs(limit=1_000)]


def test_workers_of_another_version_are_refused_before_anything_is_sent_to_them(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_dask, "__version__", "99.9")

    with pytest.raises(UsageError, match=r"do not all have mailbox-cleanup 99\.9"):
        on_dask.run_on_dask(cluster.address, [Listed("anna@example.org", {})], Shared(), Limits(), lambda _: None)
    assert "mailbox-cleanup ledgers" not in cluster.said()


def test_workers_do_every_mailbox_once_and_never_hear_a_secret(fleet: Fleet, cluster: Cluster, database: str) -> None:
    fleet = some_of(fleet, 0, AT_PEACE)

    done = by_command(fleet, cluster, database)
    said = cluster.said()

    assert (done.code, done.err.splitlines()[-1]) == (0, f"{AT_PEACE} of {AT_PEACE} mailboxes are done.")
    assert folders(fleet) == {(SIZE.inbox - FORGED, FORGED)}
    assert sorted(mailbox for mailbox, _, _ in runs(database)) == sorted(f"{user}@example.org" for user in fleet.users)
    assert fleet.server.password not in said + done.err + done.out


def test_ledgers_that_no_shard_asks_for_are_closed_though_their_client_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ledger.sqlite"
    kept = on_dask.OpenLedgers("fleet")
    kept.setup(None)
    with kept.lent() as ledgers, kept.lent() as the_same:
        assert ledgers is the_same
        ledgers.of(str(file))
    with kept.lent() as at_once:
        assert at_once is ledgers
        monkeypatch.setattr(on_dask, "IDLE_S", 0.1)
    assert is_open(file)

    wait_until(lambda: not is_open(file))

    with kept.lent() as later:
        assert later.of(str(file)).runs() == []
    kept.teardown(None)
    assert not is_open(file)


def is_open(file: Path) -> bool:
    return any(link.resolve() == file for link in Path("/proc/self/fd").iterdir())


def wait_until(so: Callable[[], bool], at_most_s: float = 120) -> None:
    end = time.monotonic() + at_most_s
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_two_hundred_users_are_done_once_though_a_worker_is_killed(database: str, tmp_path: Path) -> None:
    with a_fleet(MANY_USERS, SIZE) as fleet, a_cluster(tmp_path, 3) as cluster:
        killer = threading.Thread(target=_kill_in_the_middle, args=(cluster.workers[1], database))
        killer.start()
        done = by_command(fleet, cluster, database)
        killer.join()
        idle = by_command(fleet, cluster, database)

        assert (done.code, done.err.splitlines()[-1]) == (0, f"{MANY_USERS} of {MANY_USERS} mailboxes are done.")
        assert folders(fleet) == {(SIZE.inbox - FORGED, FORGED)}
        assert (idle.code, idle.err.count("nothing new since")) == (0, MANY_USERS)


def _kill_in_the_middle(victim: subprocess.Popen[bytes], database: str) -> None:
    give_up = time.monotonic() + 300
    before = len(runs(database))
    while len(runs(database)) < before + 3 and time.monotonic() < give_up:  # all three workers are at it
        time.sleep(0.05)
    victim.kill()


def test_a_password_in_the_ledgers_url_is_not_handed_to_workers(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("mailbox\na@example.org\n")
    given = ("fleet", "run", "--mailboxes", tmp_path / "list.csv", "--scheduler", "tcp://127.0.0.1:1")

    for ledger in ("postgresql://me:geheim@db/ledger", "postgresql://me@db/ledger?password=geheim"):
        refused = cleanup(*given, "--ledger", ledger)

        assert (refused.code, "CLEANUP_LEDGER" in refused.err, "geheim" in refused.err) == (2, True, False)


def test_a_cluster_that_cannot_work_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("mailbox\na@example.org\n")
    given = ("fleet", "run", "--mailboxes", tmp_path / "list.csv")
    with a_cluster(tmp_path, 0) as cluster:
        idle = cleanup(*given, "--scheduler", cluster.address)

    assert (idle.code, "has no workers" in idle.err) == (2, True)


def test_a_worker_that_is_killed_in_the_middle_costs_nothing(fleet: Fleet, cluster: Cluster, database: str) -> None:
    fleet, victim = some_of(fleet, AT_PEACE, USERS), cluster.workers[1]
    killer = threading.Thread(target=_kill_in_the_middle, args=(victim, database))

    killer.start()
    done = by_command(fleet, cluster, database)
    killer.join()

    assert victim.wait(60) == -signal.SIGKILL
    assert (done.code, done.err.splitlines()[-1]) == (
        0,
        f"{len(fleet.users)} of {len(fleet.users)} mailboxes are done.",
    )
    assert folders(fleet) == {(SIZE.inbox - FORGED, FORGED)}
    with Ledger.open(database) as ledger:
        for user in fleet.users:
            assert ledger.open_moves(f"{user}@example.org") == []
