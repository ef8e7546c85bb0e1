"""`history`, `history show`, `history prune` and `forget`, on a copy of Anna's ledger."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cleanup.demo import Demo
from cleanup.ledger import Ledger
from cleanup.lock import hold_mailbox, name_of
from tests.cli.command import PROGRAM, cleanup
from tests.servers.anna import anna_on_a_server

OWNER = "anna.berg@example.org"
RUN = ("run", OWNER, "--yes", "--host", "127.0.0.1", "--security", "plain", "--username", "anna", "--port")


@pytest.fixture
def ledger(annas_ledger: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(annas_ledger, tmp_path / "ledger.sqlite"))


def test_the_latest_run_comes_first(ledger: Path) -> None:
    rows = [json.loads(line) for line in cleanup("history", "--ledger", ledger, "--format", "jsonl").out.splitlines()]

    assert [(row["run"], row["filed_now"]) for row in rows] == [(2, 0), (1, 72)]
    assert "anna.berg@example.org" in cleanup("history", "--ledger", ledger).out


def test_one_run_shows_what_became_of_its_moves(ledger: Path) -> None:
    done = cleanup("history", "show", 1, "--ledger", ledger)

    assert done.code == 0
    assert "72     moved, still in Backscatter" in done.out
    assert cleanup("history", "show", 99, "--ledger", ledger).code == 2


def test_pruning_drops_what_was_found_and_keeps_what_undo_needs(ledger: Path) -> None:
    done = cleanup("history", "prune", "--keep", "0d", "--yes", "--ledger", ledger)

    assert done.code == 0
    assert _count(ledger, "findings") == _count(ledger, "recipients") == _count(ledger, "reasons") == 0
    assert _count(ledger, "moves") == 72
    assert _count(ledger, "runs") == 1
    assert b"pending refund" not in _bytes(ledger)


def test_what_is_young_enough_stays(ledger: Path) -> None:
    cleanup("history", "prune", "--keep", "1d", "--yes", "--ledger", ledger)

    assert _count(ledger, "runs") == 2


def test_a_mailbox_is_forgotten_whole(ledger: Path) -> None:
    done = cleanup("forget", OWNER, "--yes", "--ledger", ledger)

    assert done.code == 0
    assert sum(_count(ledger, table) for table in ("runs", "findings", "recipients", "reasons", "moves", "labels")) == 0
    assert b"anna.berg" not in _bytes(ledger)


def test_who_is_forgotten_under_one_address_is_told_of_the_other(ledger: Path) -> None:
    with Ledger.open(ledger) as opened:
        for address in (OWNER, "info@example.org"):
            opened.note_names(address, ["login"])

    done = cleanup("forget", OWNER, "--yes", "--ledger", ledger)

    assert f"mailbox-cleanup forget info@example.org --ledger {ledger}" in done.err
    assert _count(ledger, "mailbox_names") == 1


def test_a_mailbox_in_which_a_run_is_at_work_is_not_forgotten(ledger: Path) -> None:
    with hold_mailbox(*name_of(OWNER), "mailbox-cleanup run"):
        done = cleanup("forget", "Anna.Berg@example.org", "--yes", "--ledger", ledger)

    assert done.code == 11
    assert "mailbox-cleanup run" in done.err
    assert _count(ledger, "runs") == 2


def test_a_correspondent_is_blanked_wherever_the_address_stands(ledger: Path) -> None:
    assert b"carla@studio.test" in _bytes(ledger)

    cleanup("forget", "Carla@studio.test", "--yes", "--ledger", ledger)

    assert b"carla@studio.test" not in _bytes(ledger)
    assert _count(ledger, "runs") == 2


def test_without_a_terminal_nothing_is_dropped_unasked(ledger: Path) -> None:
    assert cleanup("forget", OWNER, "--ledger", ledger).code == 2
    assert cleanup("history", "prune", "--keep", "0d", "--ledger", ledger).code == 2
    assert _count(ledger, "runs") == 2


# --- nights that failed --------------------------------------------------------------------------------------------


def test_a_night_that_did_not_even_get_in_leaves_a_trace(ledger: Path) -> None:
    refused = cleanup(*RUN, 9, "--ledger", ledger, CLEANUP_PASSWORD="x")

    (row, *_) = json.loads(cleanup("history", "--ledger", ledger, "--format", "json").out)
    report = " ".join(cleanup("report", "--ledger", ledger).out.split())

    assert refused.code == 10
    assert (row["status"], row["error"], row["filed"], row["notices"]) == ("failed", "cannot-connect", 0, None)
    assert row["says"] in refused.err
    assert "cannot-connect" in cleanup("history", "--ledger", ledger).out
    assert f"The last run of {OWNER} failed on" in report
    assert "127.0.0.1:9 refused the connection" in report
    assert "92 notices: 72 backscatter" in report


def test_the_very_first_night_leaves_one_too(tmp_path: Path) -> None:
    cleanup(*RUN, 9, "--ledger", tmp_path / "ledger.sqlite", CLEANUP_PASSWORD="x")

    assert _statuses(tmp_path / "ledger.sqlite") == ["failed"]


def test_a_run_that_finds_the_mailbox_locked_says_so_and_cuts_nobody_off(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    with anna_on_a_server(ledger) as anna, _waiting_for_an_answer(anna):
        second = cleanup(*RUN, anna.account.port, "--ledger", ledger, CLEANUP_PASSWORD="anna")

        assert second.code == 11
        assert _statuses(ledger) == ["locked", "running"]


# --- a run that never wrote its end --------------------------------------------------------------------------------


def test_a_run_that_was_killed_is_cut_off_as_soon_as_it_is_dead(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.sqlite"
    with anna_on_a_server(ledger) as anna, _waiting_for_an_answer(anna) as run:
        before = _statuses(ledger)
        run.kill()
        run.wait(60)

        assert (before, _statuses(ledger)) == (["running"], ["cut off"])
        assert "cut off" in cleanup("history", "show", 1, "--ledger", ledger).out
        assert "cut off" in cleanup("report", "--ledger", ledger, "--format", "csv", "--frame", "runs").out


def test_a_run_was_cut_off_if_a_later_one_of_its_mailbox_began(ledger: Path) -> None:
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE runs SET status = 'running', finished_us = NULL, options = '{}'")

    assert _statuses(ledger) == ["running", "cut off"]  # of the last one nobody knows


def _statuses(ledger: Path) -> list[str]:
    return [row["status"] for row in json.loads(cleanup("history", "--ledger", ledger, "--format", "json").out)]


@contextmanager
def _waiting_for_an_answer(anna: Demo) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a run that holds the mailbox and asks whether to go on."""
    ours, theirs = pty.openpty()
    reach = ("--host", "127.0.0.1", "--port", anna.account.port, "--security", "plain", "--username", "anna")
    rules = ("--ledger", anna.settings.ledger, "--outbound-host", "192.0.2.10", "--now", "2026-10-20")
    words = [str(PROGRAM), *map(str, ("run", OWNER, *reach, *rules))]
    environment = {**os.environ, "CLEANUP_PASSWORD": "anna", "TERM": "dumb"}
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        shown = b""
        while not shown.endswith(b"[y/N] "):
            shown += os.read(ours, 4096)
        yield run
        run.kill()
    os.close(ours)


def _count(ledger: Path, table: str) -> int:
    with sqlite3.connect(ledger) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


def _bytes(ledger: Path) -> bytes:
    """Return all that the database's files hold, free pages and the write-ahead log included."""
    return b"".join(file.read_bytes() for file in sorted(ledger.parent.glob("ledger.sqlite*")))
