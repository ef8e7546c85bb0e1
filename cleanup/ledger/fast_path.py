"""What an idle night asks of a ledger in SQLite, and the one line that it writes there, in plain SQL.

SQLAlchemy takes longer to load than such a night takes, so it is not used here and not imported on the way. Whatever is
not plain (another database, an older ledger, people's words on whole mailings) is left to Memory and Ledger, and so
is every failure: they say what is wrong. tests/ledger/test_resting.py holds both to the same answers.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cleanup.ledger.texts import text, us
from cleanup.ledger.values import OPEN_STATES, SCHEMA, Cursor, LastRun, Remembered, mailbox_key
from cleanup.model import LABEL_OF_SENDER, Verdict

BUSY_TIMEOUT_S = 3  # the ledger, opened in full, is more patient

_OPEN = ", ".join(f"'{state.value}'" for state in OPEN_STATES)
_SCHEMA = "SELECT value FROM meta WHERE key = 'schema'"
_SAME_MAILBOX = """
    SELECT ?1 UNION SELECT o.mailbox FROM mailbox_names o JOIN mailbox_names m USING (name) WHERE m.mailbox = ?1"""
_OPEN_MOVES = f"""
    SELECT count(*) FROM moves JOIN runs USING (run_id)
    WHERE runs.mailbox IN ({_SAME_MAILBOX}) AND state IN ({_OPEN})"""  # noqa: S608 - ours
_LABELS = f"SELECT digest, verdict, said_by FROM labels WHERE mailbox IN ({_SAME_MAILBOX}) ORDER BY label_id"  # noqa: S608 - ours
_REMEMBERED = "SELECT read_by, judged_by, run_id, counts FROM memories WHERE mailbox = ?"
_CURSORS = """
    SELECT folder_id, folder, uidvalidity, uidnext, is_sent,
           CASE is_sent WHEN 1 THEN (SELECT count(*) FROM sent_rows s WHERE s.folder_id = c.folder_id AND gone = 0)
                        ELSE (SELECT count(*) FROM inbox_rows i WHERE i.folder_id = c.folder_id) END
    FROM cursors c WHERE mailbox = ? AND is_current = 1 ORDER BY folder_id"""
_WRITE = """
    INSERT INTO runs (mailbox, command, actor, version, policy, options, started_us, finished_us, status, counts)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'done', ?)"""


class FastPath:
    """The plain connection to a ledger in SQLite, for any number of mailboxes and threads, opened when first needed.

    A fleet keeps one: the last connection that closes a ledger writes its log back, which takes longer than all the
    rest that an idle mailbox asks of it.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._connection: sqlite3.Connection | None = None
        self._stays = True
        self._lock = threading.Lock()

    def last_run(self, mailbox: str, *, without: str | None = None) -> LastRun | None:
        """Return what the last run left of a mailbox; None where that is not plain to see.

        `without` leaves out what people said in this way.
        """
        try:
            if not Path(self._where).expanduser().exists():
                return None
            with self._opened() as connection:
                return _last_run(connection, mailbox_key(mailbox), without)
        except (OSError, sqlite3.Error, ValueError, TypeError, KeyError):
            return None

    def write(self, run: Mapping[str, Any], counts: Mapping[str, int], began: datetime) -> int | None:
        """Write a run that found nothing new; return its number, None where it could not be written.

        `run` is what Ledger.start_run() takes, by its names.
        """
        who = (mailbox_key(run["mailbox"]), run["command"], text(run["actor"]), run["version"], run["policy"])
        told = (*who, json.dumps(run["options"]), us(began), us(datetime.now(UTC)), json.dumps(counts))
        try:
            with self._opened() as connection, connection:
                return connection.execute(_WRITE, told).lastrowid
        except sqlite3.Error:
            return None

    def close(self) -> None:
        """Let the ledger go; whoever still asks opens it for that alone."""
        with self._lock:
            self._stays = False
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection to one thread at a time; the others wait no longer than for another program."""
        if "://" in self._where:
            raise sqlite3.OperationalError("another kind of database")
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            raise sqlite3.OperationalError("another thread waits for the ledger")
        try:
            connection = self._connection or _connected(self._where)
            if not self._stays:
                with closing(connection):
                    yield connection
                return
            self._connection = connection
            yield connection
        finally:
            self._lock.release()


def _connected(where: str) -> sqlite3.Connection:
    file = Path(where).expanduser().absolute().as_uri()
    # mode=rw makes no file where there is none; threads take turns (_opened)
    connection = sqlite3.connect(f"{file}?mode=rw", timeout=BUSY_TIMEOUT_S, uri=True, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may take a line: it says that nothing was done
    except BaseException:
        connection.close()
        raise
    return connection


def _last_run(connection: sqlite3.Connection, mailbox: str, without: str | None) -> LastRun | None:
    if connection.execute(_SCHEMA).fetchone() != (str(SCHEMA),):  # whoever opens it in full brings it forward
        return None
    labels = {digest: Verdict(said) for digest, said, by in connection.execute(_LABELS, [mailbox]) if by != without}
    last = connection.execute(_REMEMBERED, [mailbox]).fetchone()
    genuine = [key for key, verdict in labels.items() if verdict is Verdict.GENUINE]
    if last is None or not all(key.startswith(LABEL_OF_SENDER) for key in genuine):  # others may speak for mailings
        return None
    read_by, judged_by, run_id, counts = last
    cursors = {
        folder: Cursor(folder_id, folder, uidvalidity, uidnext, bool(is_sent), held)
        for folder_id, folder, uidvalidity, uidnext, is_sent, held in connection.execute(_CURSORS, [mailbox])
    }
    (open_moves,) = connection.execute(_OPEN_MOVES, [mailbox]).fetchone()
    return LastRun(Remembered(read_by, judged_by, run_id, json.loads(counts)), cursors, labels, bool(open_moves))
