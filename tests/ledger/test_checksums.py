"""What a Sent folder's checksums see: every change that no write of ours made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cleanup.ledger import Ledger
from cleanup.ledger.sync_state import Memory
from tests.ledger.memories import NOON, filled, sent
from tests.ledger.some import MAILBOX


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        yield filled(ledger)


def change(memory: Memory, statement: str, **values: int) -> None:
    with memory._engine.begin() as connection:
        assert connection.execute(text(statement), values).rowcount


@pytest.mark.parametrize("bit", range(0, 63, 3))
def test_one_flipped_bit_of_a_key_is_seen(memory: Memory, bit: int) -> None:
    change(memory, "UPDATE sent_keys SET key = (key | :bit) - (key & :bit) WHERE uid = 9", bit=1 << bit)

    assert memory.retire_the_damaged() == ["Sent"]
    assert "Sent" not in memory.cursors()
    assert memory.retire_the_damaged() == []


@pytest.mark.parametrize(
    "statement",
    (
        "UPDATE sent_keys SET uid = uid + 100 WHERE uid = 9",
        "DELETE FROM sent_keys WHERE uid = 9",
        "DELETE FROM sent_rows WHERE uid = 9",
        "UPDATE sent_rows SET gone = 1 WHERE uid = 9",
        "UPDATE sent_rows SET moment_us = moment_us + 256 WHERE uid = 9",
        "UPDATE sent_rows SET moment_us = NULL WHERE uid = 9",
        "UPDATE sent_rows SET stored_us = 0 WHERE uid = 9",
        "UPDATE sent_rows SET id_key = id_key + 1 WHERE uid = 9",
        """UPDATE cursors SET profile = replace(profile, '"messages": 40', '"messages": 48')""",
        "UPDATE cursors SET sums = NULL",
        "UPDATE cursors SET sums = '{}'",
    ),
)
def test_a_change_that_nobody_made_is_seen(memory: Memory, statement: str) -> None:
    change(memory, statement)

    assert memory.retire_the_damaged() == ["Sent"]


ACTS = st.lists(st.tuples(st.sampled_from(["add", "vanish", "room", "forget"]), st.integers(1, 60)), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_is_written_adds_up(acts: list[tuple[str, int]]) -> None:
    with Ledger.open(":memory:") as ledger:
        memory = filled(ledger)
        for act, uid in acts:
            do(memory, act, uid)
            assert memory.retire_the_damaged() == [], act


def do(memory: Memory, act: str, uid: int) -> None:
    cursor = memory.cursors()["Sent"]
    if act == "add":
        new = [sent(cursor.uidnext, f"{uid}@far.test"), sent(cursor.uidnext + 1, date=None)]
        memory.add_sent(cursor, new, cursor.uidnext + 2)
    elif act == "vanish":
        memory.vanished(cursor, [uid, uid + 1])
    elif act == "room":
        memory.make_room(cursor, [uid])
    else:
        memory.forget_the_gone(NOON)


def test_a_retired_folder_is_left_alone(memory: Memory) -> None:
    memory.retire(["Sent"])

    assert memory.retire_the_damaged() == []
    assert filled_again(memory).retire_the_damaged() == []


def filled_again(memory: Memory) -> Memory:
    memory.add_sent(memory.begin("Sent", 8, is_sent=True), [sent(uid) for uid in range(1, 4)], 4)
    return memory


def test_two_mailboxes_do_not_disturb_each_other(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        mine, other = filled(ledger), ledger.memory("other@example.org")
        other.add_sent(other.begin("Sent", 7, is_sent=True), [sent(1)], 2)
        folder_id = other.cursors()["Sent"].folder_id
        change(other, "UPDATE sent_keys SET key = key + 1 WHERE folder_id = :folder_id", folder_id=folder_id)

        assert ledger.memory(MAILBOX).retire_the_damaged() == []
        assert other.retire_the_damaged() == ["Sent"]
        assert mine.cursors()["Sent"].held == 40
