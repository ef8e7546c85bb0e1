"""A ledger that was damaged is named, repaired from the mailbox or given up: it is never a reason to move more."""

from __future__ import annotations

import copy
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cleanup.errors import LedgerUnusable
from tests.servers.lying import Box, LyingServer, lying_server
from tests.whole_job.anna_lies import TARGET, State, fill, run, truth_of, wrongly_filed

LATER = 20  # forged notices that come after the first night, with all the genuine ones
FIRST = 52
ONE_KEY_ALONE = 151  # UID in Sent: two genuine bounces answer it, and it is found by one of its keys alone

Damage = Callable[[Path], None]


@dataclass
class SecondNight:
    """A mailbox and a ledger after one run, with new mail since; each try begins there."""

    server: LyingServer
    folders: dict[str, Box]
    ledger: Path

    def after(self, damage: Damage, folder: Path) -> str:
        """Damage a copy of the ledger, run, and return what came of it: "done" or "unusable". Checks the mailbox."""
        self.server.folders = copy.deepcopy(self.folders)
        before = State.of(self.server)
        shutil.copy(self.ledger, folder / "ledger.sqlite")
        damage(folder / "ledger.sqlite")
        ended = run(self.server, folder)
        assert before.messages == State.of(self.server).messages, "lost or doubled"
        assert wrongly_filed(self.server) == []
        if ended.error is None:
            return "done"
        assert isinstance(ended.error, LedgerUnusable), ended.error
        assert ended.error.hint
        assert before == State.of(self.server)
        return "unusable"

    @property
    def filed(self) -> int:
        """How many messages lie in the target now."""
        return len(self.server.folders[TARGET].mails)


@pytest.fixture(scope="module")
def second_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondNight]:
    folder = tmp_path_factory.mktemp("first-night")
    with lying_server() as server:
        fill(server)
        inbox = server.folders["INBOX"]
        later = [*(m for m in inbox.mails if truth_of(m.raw) == "genuine"), *_forged(inbox)[-LATER:]]
        inbox.mails = [mail for mail in inbox.mails if mail not in later]
        assert run(server, folder).error is None
        for mail in later:
            inbox.add(mail.raw, mail.flags, mail.arrived)
        with closing(sqlite3.connect(folder / "ledger.sqlite")) as ledger:
            ledger.execute("PRAGMA journal_mode = DELETE")  # all in one file, which is then copied
        yield SecondNight(server, server.folders, folder / "ledger.sqlite")


def _forged(inbox: Box) -> list:  # type: ignore[type-arg]
    return [mail for mail in inbox.mails if truth_of(mail.raw) == "backscatter"]


# --- damages -------------------------------------------------------------------------------------------------------


def flipped(seed: int) -> Damage:
    """Change one byte anywhere."""

    def damage(file: Path) -> None:
        chance = random.Random(seed)
        octets = bytearray(file.read_bytes())
        octets[chance.randrange(len(octets))] ^= chance.randrange(1, 256)
        file.write_bytes(octets)

    return damage


def wrong_key(key: int) -> Damage:
    """Flip one bit of one key."""

    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file)) as ledger:
            ledger.execute("UPDATE sent_keys SET key = ? WHERE key = ?", (key ^ (1 << abs(key) % 60), key))
            ledger.commit()

    return damage


def flipped_in_sent(seed: int) -> Damage:
    """Change one thing that the ledger remembers of sent mail, where no structure can show it."""

    def damage(file: Path) -> None:
        chance = random.Random(seed)
        change = chance.choice(
            (
                "UPDATE sent_keys SET key = key + 1 WHERE rowid % 7 = {}",
                "UPDATE sent_keys SET uid = uid + 1 WHERE rowid % 7 = {} AND NOT EXISTS "
                "(SELECT 1 FROM sent_keys o WHERE o.folder_id = sent_keys.folder_id AND o.uid = sent_keys.uid + 1)",
                "DELETE FROM sent_keys WHERE rowid % 7 = {}",
                "UPDATE sent_rows SET moment_us = moment_us + 86400000000 * 400 WHERE rowid % 7 = {}",
                "UPDATE sent_rows SET stored_us = stored_us - 86400000000 * 4000 WHERE rowid % 7 = {}",
                "UPDATE sent_rows SET gone = 1 WHERE rowid % 7 = {}",
                "DELETE FROM sent_rows WHERE rowid % 7 = {}",
                "UPDATE cursors SET uidnext = uidnext + 3 + {}",
                "UPDATE cursors SET is_sent = 1 - is_sent",
                "UPDATE inbox_rows SET sort = {} % 3",
                "UPDATE memories SET counts = '{{}}'",
                "UPDATE meta SET value = 'ff' WHERE key NOT IN ('schema')",
            )
        ).format(chance.randrange(7))
        with closing(sqlite3.connect(file)) as ledger:
            try:
                ledger.execute(change)
            except sqlite3.IntegrityError:
                ledger.execute("DELETE FROM sent_rows")
            except sqlite3.OperationalError:  # a table without rowid
                ledger.execute("DELETE FROM sent_keys WHERE uid % 7 = 3")
            ledger.commit()

    return damage


def cut_to(share: float) -> Damage:
    """Keep the first part of the file."""
    return lambda file: _write(file, file.read_bytes()[: int(file.stat().st_size * share)])


def zeroed(start: float, length: int) -> Damage:
    """Fill a stretch with zeros, as a file system does after a crash."""

    def damage(file: Path) -> None:
        octets = bytearray(file.read_bytes())
        at = int(len(octets) * start)
        octets[at : at + length] = bytes(len(octets[at : at + length]))
        _write(file, bytes(octets))

    return damage


def with_garbage_beside(suffix: str) -> Damage:
    """Leave a file of SQLite's own beside it that is not what it should be."""
    return lambda file: _write(file.with_name(file.name + suffix), random.Random(1).randbytes(40_000))


def _write(file: Path, octets: bytes) -> None:
    file.write_bytes(octets)


DAMAGES: dict[str, Damage] = {
    "deleted": Path.unlink,
    "emptied": cut_to(0),
    "cut to a half": cut_to(0.5),
    "cut to its header": cut_to(0.001),
    "cut by a page": cut_to(0.98),
    "a page of zeros at the beginning": zeroed(0, 4096),
    "pages of zeros in the middle": zeroed(0.5, 16384),
    "no WAL that belongs to it": with_garbage_beside("-wal"),
    "a journal that is none": with_garbage_beside("-journal"),
    "something else": lambda file: _write(file, b"PK\x03\x04" + bytes(5000)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_no_damage_is_a_reason_to_move_more(second_night: SecondNight, damage: Damage, tmp_path: Path) -> None:
    second_night.after(damage, tmp_path)


def test_without_its_ledger_a_mailbox_is_read_anew_and_ends_the_same(second_night: SecondNight, tmp_path: Path) -> None:
    assert second_night.after(lambda _: None, tmp_path) == "done"
    assert second_night.filed == FIRST + LATER

    assert second_night.after(Path.unlink, tmp_path) == "done"
    assert second_night.filed == FIRST + LATER


def test_no_wrong_key_of_a_bounced_message_is_a_reason_to_move_more(second_night: SecondNight, tmp_path: Path) -> None:
    """A flipped bit inside of a key hides a sent message, and the database's own checks say that all is well."""
    keys = sent_keys(second_night, of=ONE_KEY_ALONE)

    assert attacked(second_night, tmp_path, map(wrong_key, keys)) == {"done": len(keys), "unusable": 0}


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_no_wrong_key_is_a_reason_to_move_more(second_night: SecondNight, tmp_path: Path) -> None:
    keys = sent_keys(second_night)

    assert attacked(second_night, tmp_path, map(wrong_key, keys)) == {"done": len(keys), "unusable": 0}


def sent_keys(second_night: SecondNight, of: int | None = None) -> list[int]:
    with closing(sqlite3.connect(second_night.ledger)) as ledger:
        return [key for key, uid in ledger.execute("SELECT key, uid FROM sent_keys ORDER BY key") if of in (None, uid)]


def attacked(second_night: SecondNight, folder: Path, damages: Iterable[Damage]) -> dict[str, int]:
    counts = {"done": 0, "unusable": 0}
    for number, damage in enumerate(damages):
        here = folder / str(number)
        here.mkdir()
        counts[second_night.after(damage, here)] += 1
        shutil.rmtree(here)
    print(counts)
    return counts


@pytest.mark.timeout(1200)
def test_a_flipped_byte_is_no_reason_to_move_more(second_night: SecondNight, tmp_path: Path) -> None:
    attacked(second_night, tmp_path, [*map(flipped, range(12)), *map(flipped_in_sent, range(12))])


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_five_hundred_flipped_bytes_are_no_reason_to_move_more(second_night: SecondNight, tmp_path: Path) -> None:
    attacked(second_night, tmp_path, [*map(flipped, range(100, 500)), *map(flipped_in_sent, range(100, 200))])
