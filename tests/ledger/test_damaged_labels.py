"""A flipped byte never hides what a person said: the message would be filed once more."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cleanup.errors import LedgerUnusable
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from tests.ledger.some import MAILBOX

SAID = {f"{number:064x}"[::-1]: Verdict.GENUINE for number in range(8)}


@pytest.fixture
def octets(tmp_path: Path) -> bytes:
    """A ledger with people's words, all in one file."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for digest, verdict in SAID.items():
            ledger.label(MAILBOX, digest, verdict, said_by="review")
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as file:
        file.execute("PRAGMA journal_mode = DELETE")
    return (tmp_path / "ledger.sqlite").read_bytes()


def places_of_labels(file: Path) -> list[int]:
    """Return where in the file the table of labels and its index lie."""
    with closing(sqlite3.connect(file)) as ledger:
        (size,) = ledger.execute("PRAGMA page_size").fetchone()
        pages = ledger.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'labels'").fetchall()
    return [at for (page,) in pages for at in range((page - 1) * size, page * size)]


def test_a_flipped_byte_never_hides_what_a_person_said(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "ledger.sqlite"
    used = [at for at in places_of_labels(file) if octets[at]]
    outcomes = {said_after(file, octets, at) for at in random.Random(5).sample(used, 150)}

    assert outcomes == {"the same", "unusable"}


def said_after(file: Path, octets: bytes, at: int) -> str:
    file.write_bytes(octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :])
    try:
        with Ledger.open(file) as ledger:
            return "the same" if ledger.labels(MAILBOX) == SAID else f"lost by byte {at}"
    except LedgerUnusable:
        return "unusable"
