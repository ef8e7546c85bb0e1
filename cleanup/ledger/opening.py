"""Opens the database: private file, write-ahead log, full synchronisation, and every failure by name."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, Pool, StaticPool

from cleanup.errors import LedgerUnusable, UsageError
from cleanup.extras import install_command
from cleanup.ledger.migrations import bring_up_to_date
from cleanup.ledger.values import SCHEMA

BUSY_TIMEOUT_S = 30  # others write
OPENING_TIMEOUT_S = 5  # no reader waits for writers; who keeps it closed to readers, too, keeps it so for long
_SWITCHES = 50  # others may begin to write between our waiting and our turn
THREADS_AT_ONCE = 32  # connections that are kept; each is made when it is first needed
_AT_ONCE = {"sqlite_begin": "BEGIN IMMEDIATE"}  # two programs may open a new ledger at the same time
_SOON = _AT_ONCE | {"sqlite_synchronous": "NORMAL"}
_MAKING = 0x6C656467  # PostgreSQL's lock while tables are made or changed; any number that nobody else uses
_MOVE_AWAY = "Restore it from a backup, or move it away: the mailbox is untouched, only history is lost"


def open_engine(where: str | Path, *, looking: bool = False) -> Engine:
    """Return the engine of a ledger, by path or database URL, checked and of the current schema.

    A ledger in SQLite belongs to this user alone, and so does its folder if that is new. A file that is no ledger is
    left as it is. Who is only `looking` may do so where nothing can be written. Raises LedgerUnusable, or UsageError
    for a URL that means nothing.
    """
    url = _url(where)
    file = Path(str(url.database)) if url.get_backend_name() == "sqlite" and not _in_memory(url) else None
    if file and looking and file.is_file() and not all(os.access(place, os.W_OK) for place in (file, file.parent)):
        return _as_it_lies(file)
    if file:
        _make(file)
    engine = _engine(url)
    try:
        with ledger_errors("opened"), engine.connect().execution_options(**_AT_ONCE) as connection, connection.begin():
            if engine.dialect.name == "sqlite":
                _check_whole(connection.execute(text("PRAGMA integrity_check(1)")).scalar())
            elif engine.dialect.name == "postgresql":  # many machines may open a new ledger at the same time
                connection.execute(select(func.pg_advisory_xact_lock(_MAKING)))
            bring_up_to_date(connection)
        if file:  # the log last: what is no ledger has been refused by now, and gets none beside it
            _close_to_others(file)
            _write_ahead(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _as_it_lies(file: Path) -> Engine:
    """Return the engine of a ledger that cannot be written: on a read-only disk, or another user's.

    A write-ahead log beside it, which somebody may be writing, is read too; without one the file is taken as it is, as
    SQLite would else make a log. https://sqlite.org/wal.html#read_only_databases
    One of an older version is brought forward in memory.
    """
    beside = any(Path(f"{file}{end}").exists() for end in ("-wal", "-shm"))
    uri = f"{file.absolute().as_uri()}?{'mode=ro' if beside else 'immutable=1'}"

    def connected() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, check_same_thread=False)

    def engine_of(pool: type[Pool], connect: Callable[[], sqlite3.Connection]) -> Engine:
        engine = create_engine("sqlite://", creator=connect, poolclass=pool, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
        return engine

    try:
        with ledger_errors("opened"), closing(connected()) as plain:
            _check_whole(plain.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if plain.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == (str(SCHEMA),):
                return engine_of(NullPool, connected)
            copy = sqlite3.connect(":memory:", check_same_thread=False)
            plain.backup(copy)
            engine = engine_of(StaticPool, lambda: copy)
            with engine.connect() as connection, connection.begin():
                bring_up_to_date(connection)
            return engine
    except LedgerUnusable as error:
        hint = "Copy it, with the files beside it, to where you can write, and name the copy with --ledger"
        why = error.why or error.what
        raise LedgerUnusable(f"The ledger {file} cannot be written, nor read as it is", why=why, hint=hint) from error


def has_password(where: str) -> bool:
    """Return whether a ledger's URL holds a password: as such, or as a parameter of the query."""
    url = _url(where)
    return bool(url.password or "password" in url.query)


def is_there(where: str) -> bool:
    """Return whether a ledger exists at a path. Of a database behind a URL nobody knows before it is opened."""
    return "://" in where or Path(where).expanduser().exists()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection to read with. Raises LedgerUnusable for whatever fails in the database meanwhile."""
    with ledger_errors("read"), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine, *, durably: bool = True) -> Iterator[Connection]:
    """Yield a connection in a transaction that may write from its first statement on. Raises as reading() does.

    SQLite refuses at once, without waiting, to let a transaction write that read before another one wrote. What need
    not be written `durably` is on the disk when the next durable transaction is, at the latest: a power cut takes the
    last ones away, never one from the middle, as a kill before them would have. Each durable one waits for the disk,
    and all others of the ledger with it. https://sqlite.org/pragma.html#pragma_synchronous
    """
    options = _AT_ONCE if durably else _SOON
    with (
        ledger_errors("written"),
        engine.connect().execution_options(**options) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def ledger_errors(what: str) -> Iterator[None]:
    """Turn every database failure into LedgerUnusable, in words; `what` could not be done: opened, read, written."""
    try:
        yield
    except SQLAlchemyError as error:
        raise LedgerUnusable(f"The ledger could not be {what}", why=_why(error), hint=_hint(error)) from error
    except (sqlite3.Error, ValueError, KeyError) as error:  # a damaged row
        raise LedgerUnusable(f"The ledger could not be {what}", why=str(error), hint=_MOVE_AWAY) from error


def _url(where: str | Path) -> URL:
    named = str(where)
    if "://" not in named:
        return URL.create("sqlite", database=str(Path(named).expanduser()))
    try:
        url = make_url(named)
    except ArgumentError as error:
        raise UsageError(
            "The ledger's URL cannot be read", hint="sqlite:///path or postgresql://user@host/name"
        ) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _engine(url: URL) -> Engine:
    # A thread of a fleet must not wait for a connection: it may hold one already, its mailbox's lock.
    pool: dict[str, Any] = {} if _in_memory(url) else {"pool_size": THREADS_AT_ONCE, "max_overflow": -1}
    try:
        engine = create_engine(url, hide_parameters=True, **pool)
    except (NoSuchModuleError, ImportError) as error:
        is_known = url.get_backend_name().startswith("postgres")
        hint = install_command("postgres") if is_known else "Ledgers are SQLite files or PostgreSQL"
        raise UsageError(f"There is no driver for {url.drivername}", hint=hint) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
    return engine


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """FULL, as a journal that is lost with the power is none; foreign keys, as SQLite leaves them off."""
    connection.isolation_level = None  # transactions are ours: Python's sqlite3 commits before every CREATE TABLE
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {round(OPENING_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA journal_mode").fetchone()  # the first read, which only who keeps readers out can hold up
    cursor.execute(f"PRAGMA busy_timeout = {round(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(engine: Engine) -> None:
    """Switch a new ledger to its write-ahead log, for good; others may just then do so, too.

    SQLite refuses the switch at once, without waiting, while another connection writes. https://sqlite.org/wal.html
    """
    with ledger_errors("opened"), engine.connect() as connection:
        plain: Any = connection.connection.dbapi_connection
        for _ in range(_SWITCHES):
            with suppress(sqlite3.OperationalError):
                plain.execute("PRAGMA journal_mode = WAL")
                return
            plain.execute("BEGIN IMMEDIATE")  # waits for them
            plain.execute("ROLLBACK")
        plain.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    plain: Any = connection.connection.dbapi_connection  # fifty a night, and SQLAlchemy takes its time
    if "sqlite_begin" in options:
        plain.execute(f"PRAGMA synchronous = {options.get('sqlite_synchronous', 'FULL')}")
    plain.execute(options.get("sqlite_begin", "BEGIN"))


def _make(file: Path) -> None:
    """Make the file, and its folder, where there is none."""
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True, mode=0o700, exist_ok=True)  # another program may be quicker
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        if not file.is_file():  # root may open a device, and must not change its mode
            what = "folder" if file.is_dir() else "device file"
            raise LedgerUnusable(
                f"A {what} cannot be used as a ledger", why=str(file), hint="Name another with --ledger"
            )
    except OSError as error:
        raise _cannot_be_opened(file, error) from error


def _close_to_others(file: Path) -> None:
    """Leave a ledger to this user alone, and the log and the index beside it, which took its mode."""
    try:
        for part in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
            if os.name == "posix" and part.exists() and part.stat().st_mode & 0o077:
                part.chmod(0o600)
    except OSError as error:
        raise _cannot_be_opened(file, error) from error


def _cannot_be_opened(file: Path, error: OSError) -> LedgerUnusable:
    return LedgerUnusable(f"The ledger {file} cannot be opened", why=error.strerror, hint="Name another with --ledger")


def _check_whole(answer: Any) -> None:
    if answer != "ok":
        raise LedgerUnusable("The ledger is damaged", why=str(answer), hint=_MOVE_AWAY)


def _why(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n")[0]


def _hint(error: SQLAlchemyError) -> str:
    why = _why(error).lower()
    if "malformed" in why or "not a database" in why:
        return _MOVE_AWAY
    if "full" in why:
        return "Make room on the disk that holds it, then run again"
    if "disk i/o" in why:  # SQLite says so of a full disk, too, and of what is no plain file
        return "The disk that holds it may be full or failing: look at it, then run again"
    if "locked" in why:
        return "Another program holds it open; try again"
    if "readonly" in why or "read-only" in why:
        return "Give this user the right to write it, or name another with --ledger"
    return "Check that it can be reached and written, or name another with --ledger"
