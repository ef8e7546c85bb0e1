from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select

from cleanup.detector.coverage import Coverage
from cleanup.errors import LedgerUnusable, UsageError
from cleanup.ledger import Ledger, MoveState, schema
from cleanup.ledger.migrations import STEPS
from cleanup.ledger.opening import BUSY_TIMEOUT_S
from cleanup.ledger.texts import from_us, us
from cleanup.ledger.values import LOCK, SCHEMA, UNDO_LABEL, Remembered
from cleanup.lock import lasting_names, lock_file
from cleanup.model import Family, FilingPlan, NotFiled, SentSource, Verdict
from tests.ledger.some import MAILBOX, NOON, a_judged, an_intent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.sqlite"


@pytest.fixture
def ledger(file: Path) -> Ledger:
    return Ledger.open(file, clock=lambda: NOON)


def test_a_new_ledger_belongs_to_its_user_alone(ledger: Ledger, file: Path) -> None:
    ledger.start_run(MAILBOX, "run")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_ledger_that_others_may_read_is_closed_to_them(file: Path) -> None:
    Ledger.open(file).close()
    file.chmod(0o644)

    Ledger.open(file).close()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_log_beside_a_ledger_is_closed_to_others_too(file: Path) -> None:
    Ledger.open(file).close()
    file.chmod(0o644)

    with Ledger.open(file):
        parts = [file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")]
        assert {stat.S_IMODE(part.stat().st_mode) for part in parts} == {0o600}


def test_a_ledger_that_is_closed_to_readers_is_said_soon(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger.open(file).close()
    monkeypatch.setattr("cleanup.ledger.opening.OPENING_TIMEOUT_S", 0.1)  # and not BUSY_TIMEOUT_S
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()

        with pytest.raises(LedgerUnusable, match="Another program holds it open"):
            Ledger.open(file)

    assert time.monotonic() - began < BUSY_TIMEOUT_S / 2


def test_commits_reach_the_disk_before_they_return(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_a_run_is_told_back_with_its_times_and_counts(ledger: Ledger) -> None:
    number = ledger.start_run(MAILBOX, "run", actor="helpdesk", options={"policy": "balanced"})
    assert ledger.runs()[0].finished is None

    ledger.finish_run(number, {"moved": 3})

    run = ledger.run(number)
    assert run is not None
    assert (run.mailbox, run.status, run.counts, run.actor) == (MAILBOX, "done", {"moved": 3}, "helpdesk")
    assert run.started == run.finished == NOON  # microseconds and zone kept


def test_findings_come_with_recipients_reasons_and_the_plan(ledger: Ledger) -> None:
    filed, kept = a_judged(7), a_judged(8, verdict=Verdict.UNSURE)
    plan = FilingPlan("INBOX", "Backscatter", 11, not_filed=(NotFiled(kept.ref, "unsure"),))

    ledger.record_findings(ledger.start_run(MAILBOX, "run"), [filed, kept], plan)

    with ledger.engine.connect() as connection:
        rows = connection.execute(select(schema.findings)).mappings().all()
        assert [(r["uid"], r["verdict"], r["not_filed_because"]) for r in rows] == [
            (7, "backscatter", None),
            (8, "unsure", "unsure"),
        ]
        assert from_us(rows[0]["original_date_us"]) == NOON
        assert rows[0]["trusted_hop"] == "203.0.113.9"
        assert connection.execute(select(schema.recipients.c.domain)).scalars().all() == ["far.test"] * 2
        assert connection.execute(select(schema.reasons.c.rule)).scalars().all() == ["sent.absent"] * 2


@pytest.mark.parametrize("odd", ["a\0b", "lone \udcff surrogate", "x" * 100_000, "\x1b[31m", "‮"])
def test_a_strangers_text_never_stops_the_writing(ledger: Ledger, odd: str) -> None:
    ledger.record_findings(ledger.start_run(MAILBOX, "run"), [a_judged(subject=odd)])

    with ledger.engine.connect() as connection:
        stored = connection.execute(select(schema.findings.c.notice_subject)).scalar_one()
    assert "\0" not in stored
    assert len(stored) <= 4000


def test_the_same_notice_cannot_be_recorded_twice_in_a_run_and_nothing_of_the_batch_stays(ledger: Ledger) -> None:
    run = ledger.start_run(MAILBOX, "run")

    with pytest.raises(LedgerUnusable):
        ledger.record_findings(run, [a_judged(7), a_judged(7)])

    with ledger.engine.connect() as connection:
        assert connection.execute(select(schema.findings)).all() == []


def test_what_sent_can_vouch_for_is_recorded(ledger: Ledger) -> None:
    run = ledger.start_run(MAILBOX, "scan")

    ledger.record_sent(run, [SentSource("Sent", 10, 9, problem="one is missing")], Coverage(messages=9, oldest=NOON))

    with ledger.engine.connect() as connection:
        assert connection.execute(select(schema.sent_sources.c.problem)).scalar_one() == "one is missing"
        assert connection.execute(select(schema.sent_coverage.c.oldest_us)).scalar_one() == us(NOON)


def test_an_intended_move_stays_open_until_it_is_known_what_became_of_it(ledger: Ledger) -> None:
    run = ledger.start_run(MAILBOX, "run")
    first, second = ledger.intend(run, [an_intent(7), an_intent(8)])
    assert [m.intent for m in ledger.open_moves(MAILBOX)] == [an_intent(7), an_intent(8)]

    ledger.advance(
        [(first.move_id, MoveState.MOVED, 41, None), (second.move_id, MoveState.UNCLEAR, None, "both places")]
    )

    assert [(m.move_id, m.state, m.note) for m in ledger.open_moves(MAILBOX)] == [
        (second.move_id, MoveState.UNCLEAR, "both places")
    ]
    moved = ledger.moves(run_id=run, states=[MoveState.MOVED])
    assert [(m.target_uid, m.finished) for m in moved] == [(41, NOON)]
    assert ledger.open_moves("someone@else.test") == []


def test_a_move_that_is_taken_back_no_longer_stands(ledger: Ledger) -> None:
    run = ledger.start_run(MAILBOX, "run")
    (filed,) = ledger.intend(run, [an_intent()])
    ledger.advance([(filed.move_id, MoveState.MOVED, 41, None)])
    last = ledger.last_filing(MAILBOX)
    assert last is not None
    assert (last.run_id, last.filed) == (run, 1)

    (back,) = ledger.intend(ledger.start_run(MAILBOX, "undo"), [an_intent(41, undoes=filed.move_id)])
    ledger.advance([(back.move_id, MoveState.MOVED, 90, None)])

    assert [m.state for m in ledger.moves(run_id=run)] == [MoveState.UNDONE]
    assert ledger.last_filing(MAILBOX) is None


def test_a_damaged_line_of_the_journal_is_never_acted_on(ledger: Ledger) -> None:
    ledger.intend(ledger.start_run(MAILBOX, "run"), [an_intent()])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE moves SET uid = 8")

    with pytest.raises(LedgerUnusable, match="damaged"):
        ledger.open_moves(MAILBOX)


def test_a_persons_latest_word_counts(ledger: Ledger) -> None:
    ledger.label(MAILBOX, "d1", Verdict.BACKSCATTER, said_by="review")
    ledger.label(MAILBOX, "d1", Verdict.GENUINE, said_by="moved-back")
    ledger.label("other@example.org", "d1", Verdict.UNSURE, said_by="review")

    assert ledger.labels(MAILBOX) == {"d1": Verdict.GENUINE}


# --- ledgers that cannot be used -----------------------------------------------------------------------------------


def test_another_programs_file_is_left_as_it_is(tmp_path: Path) -> None:
    database, words = tmp_path / "theirs.sqlite", tmp_path / "words.txt"
    with closing(sqlite3.connect(database)) as theirs:
        theirs.execute("CREATE TABLE recipes (name)")
    words.write_bytes(b"Dear diary, " * 100)
    for file, says in ((database, "not a ledger"), (words, "move it away")):
        file.chmod(0o644)
        before = file.read_bytes()

        with pytest.raises(LedgerUnusable, match=says):
            Ledger.open(file)

        assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (before, 0o644)
    assert sorted(tmp_path.iterdir()) == [database, words]


@pytest.mark.parametrize(
    ("version", "says"), [("99", "newer version"), ("0", "cannot be brought forward"), ("x", "which version")]
)
def test_a_ledger_of_another_version_says_what_to_do(file: Path, version: str, says: str) -> None:
    Ledger.open(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE meta SET value = ?", (version,))

    with pytest.raises(LedgerUnusable, match=says):
        Ledger.open(file)


def test_a_ledger_that_knew_nobody_to_ask_about_is_brought_forward_also_after_a_step_that_was_cut_off(
    file: Path,
) -> None:
    with Ledger.open(file) as ledger:
        run_id = ledger.start_run(MAILBOX, "run")
        ledger.record_findings(run_id, [a_judged()])
    before = next(version for version, step in STEPS.items() if step.__name__ == "_keep_whom_to_ask_about")
    for dropped in (True, False):  # the column is not there, then it is there already
        with closing(sqlite3.connect(file)) as plain, plain:
            plain.execute("UPDATE meta SET value = ? WHERE key = 'schema'", [str(before)])
            if dropped:
                plain.execute("ALTER TABLE findings DROP COLUMN sender")

        with Ledger.open(file) as ledger:
            assert ledger.rows("SELECT sender FROM findings") == [{"sender": None}]
            assert ledger.rows("SELECT value FROM meta WHERE key = 'schema'") == [{"value": str(SCHEMA)}]


def test_the_family_that_was_called_ledger_is_called_sent(file: Path) -> None:
    with Ledger.open(file) as ledger:
        ledger.record_findings(ledger.start_run(MAILBOX, "run"), [a_judged()])
        before = ledger.rows("SELECT rule, family FROM reasons ORDER BY reason_id")
    with closing(sqlite3.connect(file)) as plain, plain:
        plain.execute("UPDATE meta SET value = '8' WHERE key = 'schema'")
        plain.execute("UPDATE reasons SET family = 'ledger' WHERE family = 'sent'")

    with Ledger.open(file) as ledger:
        after = ledger.rows("SELECT rule, family FROM reasons ORDER BY reason_id")

    assert "sent" in {row["family"] for row in after}
    assert after == before
    assert Family("ledger") is Family.SENT  # a configuration may still say so


def test_addresses_that_one_login_had_before_names_were_kept_are_one_mailbox(file: Path) -> None:
    with Ledger.open(file) as ledger:
        for address, login in ((MAILBOX, "anna"), ("info@example.org", "anna"), ("ben@example.org", "ben")):
            ledger.start_run(address, "run", options={LOCK: str(lock_file("imap.example.org", login))})
        ledger.start_run(MAILBOX, "run")  # a version that noted no lock
        ledger.label(MAILBOX, "digest", Verdict.GENUINE, said_by=UNDO_LABEL)
    for dropped in (True, False):  # the table is not there, then it is there already
        with closing(sqlite3.connect(file)) as plain, plain:
            plain.execute("UPDATE meta SET value = '9' WHERE key = 'schema'")
            if dropped:
                plain.execute("DROP TABLE mailbox_names")

        with Ledger.open(file) as ledger:
            ledger.note_names(MAILBOX, lasting_names(MAILBOX, "imap.example.org", 993, "anna"))
            said = [ledger.labels(address) for address in (MAILBOX, "Info@example.org", "ben@example.org")]
            kept = ledger.rows("SELECT count(*) AS names FROM mailbox_names")
        assert said == [{"digest": Verdict.GENUINE}, {"digest": Verdict.GENUINE}, {}]
        assert kept == [{"names": 4}]  # what runs noted, and the address itself


def test_a_ledger_without_one_of_its_columns_is_refused(file: Path) -> None:
    Ledger.open(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("ALTER TABLE moves DROP COLUMN note")

    with pytest.raises(LedgerUnusable, match="moves lacks note"):
        Ledger.open(file)


def test_a_device_is_no_ledger_and_keeps_its_mode(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")
    device.chmod(0o666)

    with pytest.raises(LedgerUnusable, match="cannot be used as a ledger"):
        Ledger.open(device)

    assert stat.S_IMODE(device.stat().st_mode) == 0o666


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LedgerUnusable, match="--ledger"):
        Ledger.open(tmp_path / "file" / "ledger.sqlite")


@pytest.mark.parametrize("url", ["nosuchdb://x/y", "http://[bad"])
def test_a_url_that_means_nothing_is_a_mistake_of_the_user(url: str) -> None:
    with pytest.raises(UsageError):
        Ledger.open(url)


def test_a_ledger_in_memory_serves_a_notebook() -> None:
    with Ledger.open("sqlite://") as ledger:
        assert ledger.runs() == []


def test_a_ledger_whose_making_was_cut_off_is_made_by_the_next(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_making(file)

    with Ledger.open(file) as ledger:
        assert ledger.runs() == []


def interrupted_making(file: Path) -> None:
    """Stop in the middle of creating the tables, as a kill would."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    event.listen(schema.moves, "before_create", stop)
    try:
        Ledger.open(file)
    finally:
        event.remove(schema.moves, "before_create", stop)


def test_many_programs_may_open_a_new_ledger_at_once(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: Ledger.open(file), range(16)))

    assert all(ledger.runs() == [] for ledger in opened)


def test_a_new_ledger_waits_for_another_program_that_is_making_it(file: Path) -> None:
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        soon = threading.Timer(0.3, other.execute, ["COMMIT"])
        soon.start()

        Ledger.open(file).close()
        soon.join()


def test_a_new_ledger_gets_its_log_though_another_program_begins_to_write(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        soon = threading.Timer(0.3, other.execute, ["COMMIT"])

        def meanwhile(_: Path) -> None:  # after the tables were made
            other.execute("BEGIN IMMEDIATE")
            soon.start()

        monkeypatch.setattr("cleanup.ledger.opening._close_to_others", meanwhile)
        Ledger.open(file).close()
        soon.join()

        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_moves_and_peoples_words_wait_for_the_disk_and_nothing_else_does(ledger: Ledger) -> None:
    waits: dict[str, set[int]] = {}

    @event.listens_for(ledger.engine, "before_cursor_execute")
    def note(connection: Connection, cursor: sqlite3.Cursor, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            asked = cursor.connection.execute("PRAGMA synchronous").fetchone()[0]
            waits.setdefault(statement.replace("INSERT INTO", "UPDATE").split()[1], set()).add(asked)

    run_id = ledger.start_run(MAILBOX, "run")
    ledger.record_findings(run_id, [a_judged()])
    (move,) = ledger.intend(run_id, [an_intent()])
    ledger.memory(MAILBOX).remember(Remembered("reader", "rules", run_id, {}))
    ledger.advance([(move.move_id, MoveState.MOVED, 40, None)])
    ledger.label(MAILBOX, "digest", Verdict.GENUINE, said_by="review")
    ledger.finish_run(run_id)

    full, normal = 2, 1
    assert {table for table, asked in waits.items() if asked == {full}} == {"moves", "labels"}
    assert {asked for table in ("runs", "findings", "memories") for asked in waits[table]} == {normal}


def test_a_ledger_of_schema_3_opens_and_its_moves_mean_what_they_meant(tmp_path: Path) -> None:
    where = tmp_path / "ledger.sqlite"
    with Ledger.open(where) as ledger:
        (move,) = ledger.intend(ledger.start_run(MAILBOX, "run"), [an_intent(7)])
    with closing(sqlite3.connect(where)) as connection:
        for column in ("keeps_source", "lost_flags"):
            connection.execute(f"ALTER TABLE moves DROP COLUMN {column}")
        connection.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
        connection.commit()

    with Ledger.open(where) as ledger:
        assert ledger.open_moves(MAILBOX) == [move]
        ledger.advance([(move.move_id, MoveState.MOVED, 41, None)], lost_flags={move.move_id: ("$Work",)})
        assert ledger.lost_flags([move.move_id]) == {move.move_id: ("$Work",)}
        assert [m.state for m in ledger.moves(mailbox=MAILBOX)] == [MoveState.MOVED]
