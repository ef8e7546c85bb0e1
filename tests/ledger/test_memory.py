"""What the ledger remembers of a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from cleanup.ledger import Ledger
from tests.ledger.memories import CHECKS, filled, places
from tests.ledger.some import MAILBOX


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_on_sqlite(check: Callable[[Ledger], None], tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        check(ledger)


def test_no_id_address_or_subject_of_sent_mail_stands_in_the_file(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        filled(ledger)

    octets = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert MAILBOX.encode() in octets
    for private in (b"bob", b"harvest", b"@example.org>", b"9@example.org"):
        assert private not in octets.replace(MAILBOX.encode(), b"")


def test_two_ledgers_hash_differently(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.sqlite") as one, Ledger.open(tmp_path / "b.sqlite") as other:
        assert filled(one).keys.message_id("x@y") != filled(other).keys.message_id("x@y")


def test_a_copy_answers_the_same_and_leaves_the_ledger_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger, Ledger.open(":memory:") as passing:
        memory = filled(ledger)
        copy = memory.copied_to(passing.engine)

        assert copy.cursors() == memory.cursors()
        assert places(copy, ids=frozenset({"9@example.org"})) == [9]
        copy.retire(["Sent"])
        assert memory.cursors()["Sent"].held == 40


def test_a_ledger_of_the_first_version_is_brought_forward(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        run = ledger.start_run(MAILBOX, "run")
    engine = create_engine(f"sqlite:///{tmp_path / 'old.sqlite'}")
    with engine.begin() as connection:
        for table in ("inbox_rows", "sent_keys", "sent_rows", "cursors", "memories"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("CREATE TABLE cursors (mailbox TEXT, folder TEXT)"))
        connection.execute(text("DELETE FROM meta WHERE key = 'hash_key'"))
        connection.execute(text("UPDATE meta SET value = '1' WHERE key = 'schema'"))
    engine.dispose()

    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        assert "sent_keys" in inspect(ledger.engine).get_table_names()
        assert ledger.run(run) is not None
        assert filled(ledger).cursors()["Sent"].held == 40


def test_what_was_read_without_checksums_is_read_anew(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        filled(ledger)
        with ledger.engine.begin() as connection:
            connection.execute(text("ALTER TABLE cursors DROP COLUMN sums"))
            connection.execute(text("UPDATE meta SET value = '2' WHERE key = 'schema'"))

    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        assert ledger.memory(MAILBOX).retire_the_damaged() == ["Sent"]
