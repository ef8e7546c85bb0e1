"""Many mailboxes on one server: each is done, and one that fails stops no other."""

from __future__ import annotations

import re
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from cleanup.config import MailboxSettings
from cleanup.errors import UsageError
from cleanup.jobs.fleet import (
    Ended,
    Limits,
    Listed,
    Result,
    by_cause,
    not_done,
    read_ends,
    read_list,
    run_fleet,
    shard_of,
    write_ends,
)
from cleanup.jobs.session import MOST_FAST_PATHS, Ledgers
from cleanup.ledger import Ledger
from tests.cli.command import cleanup
from tests.servers.lying import WATCHED, Session, lying_server, says
from tests.servers.running import RunningServer
from tests.whole_job.anna_lies import fill, settings_for

Make = Callable[[Listed], MailboxSettings]


@pytest.fixture
def users(embedded: RunningServer) -> list[str]:
    return [embedded.new_account().username for _ in range(6)]


@pytest.fixture
def settings_of(embedded: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("FLEET_SECRET", embedded.password)

    def make(one: Listed) -> MailboxSettings:
        return MailboxSettings.model_construct(
            address=f"{one.name}@example.org",
            host=one.options.get("host", "127.0.0.1"),
            port=embedded.port,
            security="plain",
            username=one.name,
            password_env=one.options.get("password_env", "FLEET_SECRET"),
            ledger=str(tmp_path / "ledger.sqlite"),
        )

    return make


def ended(users: list[str], settings_of: Make, *, bad: dict[str, str] | None = None, **limits: float) -> list[Ended]:
    listed = [Listed(name, bad or {} if number == 2 else {}) for number, name in enumerate(users)]
    return run_fleet(listed, settings_of, Limits(**{"threads": 4, **limits}), lambda _: None)  # type: ignore[arg-type]


def test_one_bad_mailbox_stops_no_other(users: list[str], settings_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "not the secret")

    ends = ended(users, settings_of, bad={"password_env": "WRONG"})

    assert [one.name for one in ends] == users
    assert [one.result for one in ends] == [Result.FAILED if n == 2 else Result.DONE for n in range(6)]
    assert by_cause(ends)[0][:2] == ("login-refused", 1)
    assert "not the secret" not in ends[2].says


def test_every_mailbox_leaves_a_run_in_the_ledger_they_share(
    users: list[str], settings_of: Make, tmp_path: Path
) -> None:
    ended(users, settings_of)

    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert {run.mailbox for run in ledger.runs()} == {f"{name}@example.org" for name in users}


def test_after_the_deadline_no_mailbox_is_begun(users: list[str], settings_of: Make) -> None:
    assert {one.result for one in ended(users, settings_of, deadline_s=-1)} == {Result.NOT_BEGUN}


def test_a_signal_lets_what_is_under_way_end_and_begins_no_more(users: list[str], settings_of: Make) -> None:
    heard: list[Ended] = []

    def tell(one: Ended) -> None:
        heard.append(one)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_fleet([Listed(name) for name in users], settings_of, Limits(threads=1), tell)

    assert len(heard) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mailbox")]


def test_a_mailbox_that_another_run_holds_is_left_to_it(users: list[str], settings_of: Make) -> None:
    from cleanup.access import account_of
    from cleanup.jobs.session import hold

    settings = settings_of(Listed(users[0]))
    with hold(account_of(settings, ask=str), settings, "run"):
        ends = ended(users, settings_of)

    assert [one.result for one in ends[:2]] == [Result.LOCKED, Result.DONE]


def test_shards_share_a_list_whatever_its_order() -> None:
    listed = [Listed(f"user{n}@example.org") for n in range(100)]

    shards = [shard_of(listed, n, 4) for n in range(4)]

    assert sorted(one.name for shard in shards for one in shard) == sorted(one.name for one in listed)
    assert all(10 < len(shard) < 40 for shard in shards)
    assert {one.name for one in shard_of(listed[::-1], 1, 4)} == {one.name for one in shards[1]}
    with pytest.raises(UsageError, match="shard 4 of 4"):
        shard_of(listed, 4, 4)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\nx\n", "names no mailbox"),
        ("mailbox\na@b.c\na@b.c\n", "there twice"),
        ("mailbox\nAnna@b.c\nanna@B.c\n", "there twice"),
        ("mailbox\n,\n", "names no mailbox"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "list.csv").write_text(text)

    with pytest.raises(UsageError, match=says):
        read_list(tmp_path / "list.csv")


def test_what_failed_is_known_the_next_time(tmp_path: Path) -> None:
    ends = [
        Ended("a", Result.DONE, ""),
        Ended("b", Result.FAILED, "x", "tls"),
        Ended("c", Result.NOT_BEGUN, "", "late"),
    ]
    write_ends(tmp_path / "results.csv", ends)

    assert not_done(read_ends(tmp_path / "results.csv")) == {"b", "c"}
    assert (tmp_path / "results.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["mailbox\na\n", "mailbox,result\na,odd\n", "mailbox,result\n\udcff,done\n"])
def test_what_is_no_list_of_results_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.csv").write_text(text, errors="surrogateescape")

    with pytest.raises(UsageError, match="does not tell"):
        read_ends(tmp_path / "results.csv")


def test_as_many_are_taken_up_again_as_were_counted_and_the_others_stay_in_the_list(
    embedded: RunningServer, users: list[str], tmp_path: Path
) -> None:
    """Failed, held by another run, and over its limits: three are told, three are taken, and nothing is overwritten."""
    secret, results = tmp_path / "secret", tmp_path / "results.csv"
    secret.write_text(embedded.password)
    secret.chmod(0o600)
    reach = f"127.0.0.1,{embedded.port},plain,{secret}"
    rows = [f"{name}@example.org,{name},{reach}" for name in users[:4]] + [f"bad@example.org,bad,{reach}"]
    (tmp_path / "list.csv").write_text("\n".join(["mailbox,username,host,port,security,password_file", *rows]))
    words = ["fleet", "run", "--mailboxes", str(tmp_path / "list.csv"), "--ledger", str(tmp_path / "l.sqlite"),
             "--results", str(results)]  # fmt: skip
    before = [
        Ended(f"{users[0]}@example.org", Result.LOCKED, "", "locked"),
        Ended(f"{users[1]}@example.org", Result.DONE, "", moved=7, took_s=1.5),
        Ended(f"{users[2]}@example.org", Result.REFUSED, "", "safety-stop"),
        Ended(f"{users[3]}@example.org", Result.DONE, ""),
        Ended("bad@example.org", Result.FAILED, "", "login-refused"),
    ]
    write_ends(results, before)
    done_before = results.read_text().splitlines()[2]

    ended = cleanup(*words, "--only-failed")

    assert "2 of 3 mailboxes are done." in ended.err
    assert "1 mailbox is not done" in ended.err
    lines = results.read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["done", "done", "done", "done", "failed"]
    assert lines[2] == done_before
    printed = re.search(r"To take them up again: mailbox-cleanup (.*)", ended.err)
    assert printed
    pasted = cleanup(*shlex.split(printed[1]))
    assert "0 of 1 mailboxes are done." in pasted.err
    assert len(results.read_text().splitlines()) == 6
    (tmp_path / "list.csv").write_text("\n".join(["mailbox,username,host,port,security,password_file", *rows[:-1]]))
    nothing = cleanup(*words, "--only-failed")
    assert nothing.code == 0
    assert "Not done the last time, and not listed now: 1 (bad@example.org)" in nothing.err


def test_the_command_says_a_line_a_mailbox_and_the_failures_by_cause(
    embedded: RunningServer, users: list[str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(embedded.password)
    secret.chmod(0o600)
    rows = [f"{name}@example.org,{name},127.0.0.1,{embedded.port},plain,{secret}" for name in users[:2]]
    rows.append(f"bad@example.org,bad,127.0.0.1,{embedded.port},plain,{secret}")
    (tmp_path / "list.csv").write_text("\n".join(["mailbox,username,host,port,security,password_file", *rows]))
    results = tmp_path / "results.csv"
    given = ("--mailboxes", tmp_path / "list.csv", "--ledger", tmp_path / "l.sqlite", "--results", results)

    done = cleanup("fleet", "run", *given)

    assert done.code == 3
    assert "2 of 3 mailboxes are done." in done.err
    assert "1 login-refused: bad@example.org" in done.err
    assert embedded.password not in done.err
    again = cleanup("fleet", "run", *given, "--only-failed")
    assert "0 of 1 mailboxes are done." in again.err


def test_a_ledger_for_each_mailbox_keeps_few_files_open(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    places = [str(tmp_path / f"{number}.sqlite") for number in range(3 * MOST_FAST_PATHS)]
    for where in places:
        Ledger.open(where).close()
    before = open_files()

    with closing(Ledgers()) as ledgers:
        first = ledgers.fast_path(places[0])
        for where in places:
            ledgers.fast_path(where).last_run("anna@example.org")
        assert open_files() <= before + 3 * MOST_FAST_PATHS  # the ledger, its log and the log's index each
        assert ledgers.fast_path(places[-1]) is ledgers.fast_path(places[-1])
        assert first.last_run("anna@example.org") is None

    assert open_files() == before


def test_no_idle_mailbox_waits_while_another_ones_ledger_is_opened(tmp_path: Path) -> None:
    busy, idle = str(tmp_path / "busy.sqlite"), str(tmp_path / "idle.sqlite")
    for where in (busy, idle):
        Ledger.open(where).close()

    with closing(sqlite3.connect(busy, isolation_level=None)) as another, closing(Ledgers()) as ledgers:
        another.execute("BEGIN IMMEDIATE")  # opening waits for it
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(ledgers.of, busy)
            while not opening.running():
                time.sleep(0.01)
            ledgers.fast_path(idle).last_run("anna@example.org")
            assert not opening.done()
            another.execute("ROLLBACK")
            assert opening.result()


@pytest.mark.parametrize("per_host", [1, 2, 3])
def test_every_connection_to_a_server_counts(tmp_path: Path, per_host: int) -> None:
    """Also the second one, which looks on while messages are moved; with one connection there is none."""
    logged_in: list[int] = []

    def counts(session: Session, name: str, _: list[bytes]) -> bool:
        if name in ("LOGIN", "LOGOUT"):
            logged_in.append((logged_in[-1] if logged_in else 0) + (1 if name == "LOGIN" else -1))
        return False

    with lying_server(counts, capabilities=WATCHED) as server:
        fill(server)
        settings = settings_for(server, tmp_path)

        def settings_of(one: Listed) -> MailboxSettings:
            changes = {"address": f"{one.name}@example.org", "username": one.name, "password_command": "echo secret"}
            return settings.model_copy(update=changes)

        server.lies.append(says("LOGIN"))  # whatever the password is
        ends = run_fleet([Listed(name) for name in ("anna", "ben", "cleo")], settings_of,
                         Limits(threads=4, per_host=per_host), lambda _: None)  # fmt: skip

    assert [one.result for one in ends if one.result is Result.FAILED] == []
    assert max(logged_in) <= per_host
    assert logged_in[-1] == 0
    assert sum(len(box.mails) for name, box in server.folders.items() if name == "Backscatter") > 50
