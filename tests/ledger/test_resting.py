"""What an idle night reads and writes in plain SQL is what the ledger itself would."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.ledger.fast_path import FastPath
from cleanup.ledger.values import UNDO_LABEL, InboxRow, LastRun, Remembered
from cleanup.model import Verdict
from tests.ledger.memories import filled
from tests.ledger.some import MAILBOX, NOON, an_intent

RUN = {"mailbox": MAILBOX, "command": "run", "actor": "anna", "version": "1", "policy": "balanced"}
OPTIONS = {"resting_since": 3}


@pytest.fixture
def where(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.sqlite")


@pytest.fixture
def ledger(where: str) -> Iterator[Ledger]:
    with Ledger.open(where) as opened:
        memory = filled(opened)
        memory.vanished(memory.cursors()["Sent"], [3, 4])
        memory.add_inbox(memory.begin("INBOX", 9, is_sent=False), [InboxRow(n, n == 2) for n in range(1, 8)], 8)
        filled(opened)  # what was read of Sent before is retired
        memory.remember(Remembered("reader", "rules", 3, {"unsure": 2}))
        yield opened


def left_in(where: str, mailbox: str, *, without: str | None = None) -> LastRun | None:
    with closing(FastPath(where)) as resting:
        return resting.last_run(mailbox, without=without)


def write_rest(where: str, counts: dict[str, int], began: datetime) -> int | None:
    with closing(FastPath(where)) as resting:
        return resting.write(RUN | {"options": OPTIONS}, counts, began)


def said(ledger: Ledger, digest: str, verdict: Verdict, by: str) -> None:
    ledger.label(MAILBOX, digest, verdict, said_by=by)


def test_both_tell_the_same_of_a_mailbox(ledger: Ledger, where: str) -> None:
    said(ledger, "a", Verdict.BACKSCATTER, "review")
    said(ledger, "a", Verdict.UNSURE, UNDO_LABEL)

    plain = left_in(where, MAILBOX)

    assert plain is not None
    assert plain == ledger.last_run(MAILBOX)
    assert plain.cursors["INBOX"].held == 7
    assert left_in(where, MAILBOX, without=UNDO_LABEL) == ledger.last_run(MAILBOX, without=UNDO_LABEL) != plain


def test_an_answer_about_a_sender_leaves_idle_nights_as_quick_as_before(ledger: Ledger, where: str) -> None:
    said(ledger, "sender:198.51.100.0/24", Verdict.GENUINE, "senders")

    assert left_in(where, MAILBOX) == ledger.last_run(MAILBOX)

    said(ledger, "a", Verdict.GENUINE, "review")  # that one may speak for a whole mailing

    assert left_in(where, MAILBOX) is None


def test_both_know_what_was_said_and_left_open_under_another_address_of_the_login(ledger: Ledger, where: str) -> None:
    ledger.label("info@example.org", "a", Verdict.UNSURE, said_by=UNDO_LABEL)
    ledger.intend(ledger.start_run("info@example.org", "run"), [an_intent()])
    alone = left_in(where, MAILBOX)
    for address in (MAILBOX, "info@example.org"):
        ledger.note_names(address, ["login", address])

    plain = left_in(where, MAILBOX)

    assert alone is not None
    assert plain is not None
    assert (alone.labels, alone.open_moves) == ({}, False)
    assert (plain.labels, plain.open_moves) == ({"a": Verdict.UNSURE}, True)
    assert plain == ledger.last_run(MAILBOX)


def test_both_know_of_moves_that_are_open(ledger: Ledger, where: str) -> None:
    ledger.intend(ledger.start_run(MAILBOX, "run"), [an_intent()])

    plain = left_in(where, MAILBOX)

    assert plain is not None
    assert plain.open_moves
    assert plain == ledger.last_run(MAILBOX)


def test_what_is_not_plain_is_left_to_the_ledger(ledger: Ledger, where: str, tmp_path: Path) -> None:
    said(ledger, "b", Verdict.GENUINE, "review")  # it may speak for a whole mailing

    assert left_in(where, MAILBOX) is None
    assert left_in(where, "nobody@example.org") is None
    assert left_in("postgresql://host/name", MAILBOX) is None
    assert left_in(str(tmp_path / "none.sqlite"), MAILBOX) is None
    assert not (tmp_path / "none.sqlite").exists()


def test_an_older_or_broken_ledger_is_left_to_the_ledger(ledger: Ledger, where: str) -> None:
    ledger.close()
    with closing(sqlite3.connect(where)) as connection, connection:
        connection.execute("UPDATE meta SET value = '1' WHERE key = 'schema'")
    assert left_in(where, MAILBOX) is None

    Path(where).write_bytes(b"no ledger at all" * 1000)
    assert left_in(where, MAILBOX) is None
    assert write_rest(where, {}, NOON) is None


def test_both_write_the_same_line(ledger: Ledger, where: str) -> None:
    began = datetime.now(UTC)
    theirs = ledger.start_run(MAILBOX, "run", actor="anna", version="1", policy="balanced", options=OPTIONS)
    ledger.finish_run(theirs, {"filed": 0})

    ours = write_rest(where, {"filed": 0}, began)

    rows = ledger.rows("SELECT * FROM runs ORDER BY run_id DESC LIMIT 2")
    times = ("run_id", "started_us", "finished_us")
    assert rows[0]["run_id"] == ours == theirs + 1
    assert {k: v for k, v in rows[0].items() if k not in times} == {k: v for k, v in rows[1].items() if k not in times}
    assert [record.run_id for record in ledger.runs(limit=2)] == [ours, theirs]
    assert ledger.runs(limit=1)[0].finished is not None


def test_one_connection_serves_many_threads(ledger: Ledger, where: str) -> None:
    began, wanted = datetime.now(UTC), ledger.last_run(MAILBOX)

    def night(_: int) -> tuple[LastRun | None, int | None]:
        return resting.last_run(MAILBOX), resting.write(RUN | {"options": OPTIONS}, {"filed": 0}, began)

    with closing(FastPath(where)) as resting, ThreadPoolExecutor(8) as pool:
        nights = list(pool.map(night, range(200)))

    assert {run_id for _, run_id in nights} == {record.run_id for record in ledger.runs(limit=200)}
    assert all(left == wanted for left, _ in nights)


def test_while_another_program_writes_no_thread_waits_for_all_others(
    ledger: Ledger, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cleanup.ledger.fast_path.BUSY_TIMEOUT_S", 1.5)
    given_up: list[float] = []

    def night(_: int) -> int | None:
        began = time.monotonic()
        written = resting.write(RUN | {"options": OPTIONS}, {}, NOON)
        given_up.append(time.monotonic() - began)
        return written

    with closing(sqlite3.connect(where, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        with closing(FastPath(where)) as resting, ThreadPoolExecutor(8) as pool:
            assert set(pool.map(night, range(8))) == {None}
    assert max(given_up) < 8 * 1.5 / 2  # not one after the other


def test_it_sees_what_others_write_meanwhile(ledger: Ledger, where: str) -> None:
    with closing(FastPath(where)) as resting:
        assert resting.last_run(MAILBOX) == ledger.last_run(MAILBOX)
        said(ledger, "a", Verdict.BACKSCATTER, "review")
        ledger.intend(ledger.start_run(MAILBOX, "run"), [an_intent()])

        left = resting.last_run(MAILBOX)

    assert left == ledger.last_run(MAILBOX)
    assert left is not None
    assert left.open_moves


def test_whoever_asks_after_the_end_is_still_told(ledger: Ledger, where: str) -> None:
    resting = FastPath(where)
    resting.close()

    assert resting.last_run(MAILBOX) == ledger.last_run(MAILBOX)
    assert resting.write(RUN | {"options": OPTIONS}, {}, NOON) is not None
    assert not any(file.resolve() == Path(where).resolve() for file in _open_files_beside(ledger))


def _open_files_beside(ledger: Ledger) -> list[Path]:
    ledger.close()
    return [file for file in Path("/proc/self/fd").iterdir() if file.exists()]
