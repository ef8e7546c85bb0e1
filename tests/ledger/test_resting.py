"""What an idle night reads and writes in plain SQL is what the ledger itself would."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.ledger.resting import left_in, write_rest
from cleanup.ledger.values import UNDO_LABEL, InboxRow, Remembered
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


def said(ledger: Ledger, digest: str, verdict: Verdict, by: str) -> None:
    ledger.label(MAILBOX, digest, verdict, said_by=by)


def test_both_tell_the_same_of_a_mailbox(ledger: Ledger, where: str) -> None:
    said(ledger, "a", Verdict.BACKSCATTER, "review")
    said(ledger, "a", Verdict.UNSURE, UNDO_LABEL)

    plain = left_in(where, MAILBOX)

    assert plain is not None
    assert plain == ledger.left(MAILBOX)
    assert plain.cursors["INBOX"].held == 7
    assert left_in(where, MAILBOX, without=UNDO_LABEL) == ledger.left(MAILBOX, without=UNDO_LABEL) != plain


def test_both_know_of_moves_that_are_open(ledger: Ledger, where: str) -> None:
    ledger.intend(ledger.start_run(MAILBOX, "run"), [an_intent()])

    plain = left_in(where, MAILBOX)

    assert plain is not None
    assert plain.open_moves
    assert plain == ledger.left(MAILBOX)


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
    assert write_rest(where, RUN | {"options": OPTIONS}, {}, NOON) is None


def test_both_write_the_same_line(ledger: Ledger, where: str) -> None:
    began = datetime.now(UTC)
    theirs = ledger.start_run(MAILBOX, "run", actor="anna", version="1", policy="balanced", options=OPTIONS)
    ledger.finish_run(theirs, {"filed": 0})

    ours = write_rest(where, RUN | {"options": OPTIONS}, {"filed": 0}, began)

    rows = ledger.rows("SELECT * FROM runs ORDER BY run_id DESC LIMIT 2")
    times = ("run_id", "started_us", "finished_us")
    assert rows[0]["run_id"] == ours == theirs + 1
    assert {k: v for k, v in rows[0].items() if k not in times} == {k: v for k, v in rows[1].items() if k not in times}
    assert [record.run_id for record in ledger.runs(limit=2)] == [ours, theirs]
    assert ledger.runs(limit=1)[0].finished is not None
