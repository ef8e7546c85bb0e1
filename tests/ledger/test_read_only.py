"""A ledger that cannot be written can be looked at: on a read-only disk, or another user's."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.ledger_lookup import find_ledger
from cleanup.notebook import load_frames


@pytest.fixture
def ledger(annas_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Anna's ledger in a folder that everybody may look into."""
    monkeypatch.setenv("CLEANUP_CONFIG", os.devnull)
    _look(annas_ledger)  # loads what a child that is nobody may not be allowed to load
    folder = Path(tempfile.mkdtemp(prefix="cleanup-read-only-", dir="/tmp"))
    with closing(sqlite3.connect(annas_ledger)) as source, closing(sqlite3.connect(folder / "ledger.sqlite")) as target:
        source.backup(target)
    yield folder / "ledger.sqlite"
    folder.chmod(0o700)
    shutil.rmtree(folder)


def _closed(ledger: Path) -> None:
    for file in ledger.parent.iterdir():
        file.chmod(0o444)
    ledger.parent.chmod(0o555)


def _as_anybody(act: Callable[[], object]) -> str:
    """Return what a child says that does this, and is not root: root may write everywhere."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(pwd.getpwnam("nobody").pw_gid)
                os.setuid(pwd.getpwnam("nobody").pw_uid)
            said = str(act())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as heard:
        said = heard.read().decode()
    os.waitpid(child, 0)
    return said


def _look(ledger: Path) -> str:
    frames = load_frames(ledger, "Anna.Berg@example.org")
    with Ledger.open(find_ledger((), ledger), looking=True) as opened:
        return f"{len(frames.runs)} runs, {len(opened.moves())} moves, {opened.mailboxes()}"


def test_a_ledger_on_a_read_only_disk_is_looked_at(ledger: Path) -> None:
    _closed(ledger)

    assert _as_anybody(lambda: _look(ledger)) == "2 runs, 72 moves, ['anna.berg@example.org']"
    assert [file.name for file in ledger.parent.iterdir()] == ["ledger.sqlite"]


def test_what_another_user_is_just_writing_is_read_from_the_log(ledger: Path) -> None:
    with Ledger.open(ledger) as writer:
        writer.start_run("ben@example.org", "run")
        _closed(ledger)

        assert _as_anybody(lambda: _look(ledger)).startswith("2 runs, 72 moves, ['anna.berg@example.org', 'ben@")


def test_what_cannot_be_written_there_says_so(ledger: Path) -> None:
    _closed(ledger)

    assert _as_anybody(lambda: Ledger.open(ledger)).startswith("LedgerUnusable: ")
    assert "readonly" in _as_anybody(lambda: Ledger.open(ledger, looking=True).start_run("x@y.test", "run"))


def test_an_older_ledger_is_brought_forward_in_memory_alone(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
        connection.execute("UPDATE runs SET mailbox = 'Anna.Berg@example.org'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _closed(ledger)
    before = ledger.read_bytes()

    assert _as_anybody(lambda: _look(ledger)) == "2 runs, 72 moves, ['anna.berg@example.org']"
    assert ledger.read_bytes() == before


@pytest.mark.parametrize("lies_there", [b"no ledger at all", b""])
def test_what_is_no_ledger_says_what_to_do(lies_there: bytes, ledger: Path) -> None:
    ledger.write_bytes(lies_there)
    _closed(ledger)

    said = _as_anybody(lambda: Ledger.open(ledger, looking=True))

    assert said.startswith(f"LedgerUnusable: The ledger {ledger} cannot be written, nor read as it is: ")
