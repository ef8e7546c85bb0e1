"""What the ledger remembers of a mailbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from cleanup.ledger import Ledger
from cleanup.ledger.values import Remembered, SentQuery
from cleanup.model import Verdict
from tests.ledger.memories import CHECKS, filled, places, sent
from tests.ledger.some import MAILBOX, an_intent


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


def test_a_ledger_that_keeps_nothing_of_notices_is_brought_forward(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        filled(ledger)
        with ledger.engine.begin() as connection:
            connection.execute(text("DROP TABLE kept_mail"))
            connection.execute(text("UPDATE meta SET value = '7' WHERE key = 'schema'"))

    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        memory = ledger.memory(MAILBOX)
        assert memory.cursors()["Sent"].held == 40
        memory.keep_sent([sent(3)], "reader")
        assert memory.kept_sent({"Sent": [3]}, "reader") == [sent(3)]


def test_a_mailbox_that_had_two_spellings_becomes_one_and_loses_nothing(tmp_path: Path) -> None:
    """Runs, open moves, labels and what was read of Sent: those of `Anna@` and of `anna@` are one mailbox's."""
    file, upper = tmp_path / "old.sqlite", "Anna@example.org"
    with Ledger.open(file) as ledger:
        filled(ledger).remember(Remembered("reader", "rules", 1, {}))
        first = ledger.start_run(MAILBOX, "run")
        ledger.label(MAILBOX, "d1", Verdict.UNSURE, said_by="undo")
        ledger.label(MAILBOX, "d2", Verdict.GENUINE, said_by="review")
        with ledger.engine.begin() as connection:
            for table in ("runs", "labels", "memories", "cursors"):
                connection.execute(text(f"UPDATE {table} SET mailbox = '{upper}'"))  # noqa: S608
            connection.execute(text("UPDATE meta SET value = '3' WHERE key = 'schema'"))
        second = ledger.start_run(MAILBOX, "run")
        later = ledger.memory(MAILBOX)
        later.add_sent(later.begin("Sent", 8, is_sent=True), [sent(uid) for uid in range(60, 80)], 80)
        later.remember(Remembered("reader", "rules", 2, {}))
        ledger.label(MAILBOX, "d2", Verdict.BACKSCATTER, said_by="review")
        (move,) = ledger.intend(first, [an_intent(7)])

    with Ledger.open(file) as ledger:
        assert ledger.mailboxes() == [MAILBOX]
        assert {run.run_id for run in ledger.runs("ANNA@Example.org")} == {first, second}
        assert ledger.open_moves(MAILBOX) == [move]
        assert ledger.labels(upper) == {"d1": Verdict.UNSURE, "d2": Verdict.BACKSCATTER}
        memory = ledger.memory(upper)
        assert memory.remembered() == Remembered("reader", None, 2, {})
        assert (memory.cursors()["Sent"].uidvalidity, memory.cursors()["Sent"].held) == (8, 20)
        assert memory.retire_the_damaged() == []
        asked = SentQuery(frozenset({"9@example.org", "70@example.org"}))
        assert [one.message_id for one in memory.answers(asked).gone] == ["9@example.org"]
        assert places(memory, ids=frozenset({"70@example.org"})) == [70]
    with Ledger.open(file) as again:
        assert again.mailboxes() == [MAILBOX]


def test_a_mailbox_that_was_only_spelled_with_capitals_goes_on_where_it_was(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        filled(ledger).remember(Remembered("reader", "rules", 1, {}))
        with ledger.engine.begin() as connection:
            for table in ("memories", "cursors"):
                connection.execute(text(f"UPDATE {table} SET mailbox = 'Anna@example.org'"))  # noqa: S608
            connection.execute(text("UPDATE meta SET value = '3' WHERE key = 'schema'"))

    with Ledger.open(tmp_path / "old.sqlite") as ledger:
        memory = ledger.memory(MAILBOX)
        assert memory.remembered() == Remembered("reader", "rules", 1, {})
        assert memory.cursors()["Sent"].held == 40
