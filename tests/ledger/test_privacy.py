"""What docs/privacy.md promises: what the ledger holds, and that what was dropped is gone from its files."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from cleanup.errors import LedgerUnusable
from cleanup.ledger import Ledger, retention
from cleanup.ledger.opening import BUSY_TIMEOUT_S

OWNER = "anna.berg@example.org"
_ADDRESS = re.compile(r"[a-z0-9.]+@partner\.test")


@pytest.fixture
def ledger(annas_ledger: Path, tmp_path: Path) -> Path:
    """A ledger of one's own, after two runs in Anna's mailbox."""
    with sqlite3.connect(annas_ledger) as source, closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as target:
        source.backup(target)
    return tmp_path / "ledger.sqlite"


def _bytes(ledger: Path) -> bytes:
    return b"".join(file.read_bytes() for file in ledger.parent.glob("ledger.sqlite*")).lower()


def _change(ledger: Path, statement: str) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute(statement)


def test_the_memory_of_received_mail_names_nobody(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        rows = connection.execute("SELECT * FROM inbox_rows").fetchall()
        kinds = {
            type(value) for table in ("sent_rows", "sent_keys") for row in _rows(connection, table) for value in row
        }

    texts = {value for row in rows for value in row if isinstance(value, str)}
    assert len(rows) > 300
    assert texts  # shapes of ids, such as "h*.d"
    assert {text for text in texts if "@" in text or ".test" in text} == set()
    assert kinds <= {int, type(None)}


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - our own names


def test_a_person_is_forgotten_in_every_text_and_a_longer_address_is_somebody_else(ledger: Path) -> None:
    _change(ledger, "UPDATE findings SET notice_subject = 'Undeliverable: to BOB@partner.test' WHERE finding_id = 1")
    _change(ledger, "UPDATE findings SET original_subject = 'About jimbob@partner.test' WHERE finding_id = 2")
    _change(ledger, "UPDATE findings SET notice_sender = 'bob@partner.test.example' WHERE finding_id = 3")
    _change(ledger, "UPDATE runs SET actor = 'bob@partner.test' WHERE run_id = 1")

    with Ledger.open(ledger) as opened:
        retention.forget(opened, "bob@partner.test")

    left = _bytes(ledger)
    assert left.count(b"bob@partner.test") == 2
    assert b"jimbob@partner.test" in left
    assert b"bob@partner.test.example" in left


def test_what_was_read_of_mail_that_names_a_person_is_forgotten_with_the_person(ledger: Path) -> None:
    def told() -> list[str]:
        with closing(sqlite3.connect(ledger)) as connection:
            rows = connection.execute("SELECT read FROM kept_mail").fetchall()
        return [zlib.decompress(row[0]).decode("utf-8", "surrogatepass") for row in rows]

    before = told()
    person = Counter(_ADDRESS.findall("\n".join(before))).most_common()[-1][0]

    with Ledger.open(ledger) as opened:
        retention.forget(opened, person.upper())

    assert 0 < len(told()) < len(before)
    assert all(person not in one for one in told())


def test_what_was_read_of_notices_holds_no_body(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        rows = connection.execute("SELECT read FROM kept_mail").fetchall()

    told = [zlib.decompress(row[0]).decode("utf-8", "surrogatepass") for row in rows]
    assert len(told) > 40
    assert max(map(len, told)) < 4_000
    assert not any("This is the mail system" in one or "Best regards" in one for one in told)


def test_an_owner_is_forgotten_however_the_address_is_written(ledger: Path) -> None:
    with Ledger.open(ledger) as opened:
        retention.forget(opened, OWNER.upper())

    assert b"anna.berg" not in _bytes(ledger)


def test_weeks_of_a_fleet_are_pruned_and_forgotten(ledger: Path) -> None:
    """SQLite takes 32,766 values in a statement, unless a distribution allows more: here it never does."""
    nights = (
        "WITH RECURSIVE night(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM night WHERE n < 33500) "
        "INSERT INTO runs (mailbox, command, options, started_us, status, counts) "
        "SELECT '{}', 'run', '{{}}', 1, 'done', '{{}}' FROM night"
    )
    _change(ledger, nights.format("ben@example.org"))
    with _of_any_distribution(ledger) as opened:
        assert retention.prune(opened, datetime(2020, 1, 1, tzinfo=UTC)).runs == 33_500

    _change(ledger, nights.format("ben@example.org"))
    with _of_any_distribution(ledger) as opened:
        assert retention.forget(opened, "ben@example.org").runs == 33_500


def _of_any_distribution(ledger: Path) -> Ledger:
    opened = Ledger.open(ledger)

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)

    event.listen(opened.engine, "checkout", limit)
    return opened


def test_what_cannot_leave_the_log_because_somebody_reads_is_said(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert BUSY_TIMEOUT_S > 1
    monkeypatch.setattr("cleanup.ledger.opening.BUSY_TIMEOUT_S", 0.1)
    with Ledger.open(ledger) as opened, closing(sqlite3.connect(ledger)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM findings").fetchall()

        with pytest.raises(LedgerUnusable, match="write-ahead log"):
            retention.forget(opened, OWNER)
        reader.rollback()

        retention.forget(opened, OWNER)

    assert b"anna.berg" not in _bytes(ledger)
