"""`history`, `history show`, `history prune` and `forget`, on a copy of Anna's ledger."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.command import cleanup

OWNER = "anna.berg@example.org"


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
    assert "72     where they were moved to" in done.out
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


def test_a_correspondent_is_blanked_wherever_the_address_stands(ledger: Path) -> None:
    assert b"carla@studio.test" in _bytes(ledger)

    cleanup("forget", "Carla@studio.test", "--yes", "--ledger", ledger)

    assert b"carla@studio.test" not in _bytes(ledger)
    assert _count(ledger, "runs") == 2


def test_without_a_terminal_nothing_is_dropped_unasked(ledger: Path) -> None:
    assert cleanup("forget", OWNER, "--ledger", ledger).code == 2
    assert cleanup("history", "prune", "--keep", "0d", "--ledger", ledger).code == 2
    assert _count(ledger, "runs") == 2


def _count(ledger: Path, table: str) -> int:
    with sqlite3.connect(ledger) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own names


def _bytes(ledger: Path) -> bytes:
    """Return all that the database's files hold, free pages and the write-ahead log included."""
    return b"".join(file.read_bytes() for file in sorted(ledger.parent.glob("ledger.sqlite*")))
