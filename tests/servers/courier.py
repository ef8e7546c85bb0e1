"""Courier-IMAP 5.0: no MOVE, no SPECIAL-USE, everything below INBOX. Needs root: its paths are compiled in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shlex
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.running import (
    START_TIMEOUT_S,
    RunningServer,
    cannot_run,
    free_port,
    needs,
    private_folder,
    running,
    unpacked,
)

COURIER_PASSWORD = "courier-secret"
_AUTH_DAEMON = Path("/usr/lib/courier/courier-authlib/authdaemond")
_AUTH_SQLITE = Path("/usr/lib/courier-authlib/libauthsqlite.so")
_AUTH_SOCKET = Path("/run/courier/authdaemon/socket")
_CONFIG = Path("/etc/courier")
_USERS = """##NAME: MARKER:0
SQLITE_DATABASE {database}
SQLITE_USER_TABLE users
SQLITE_CLEAR_PWFIELD clear
SQLITE_LOGIN_FIELD id
SQLITE_UID_FIELD uid
SQLITE_GID_FIELD gid
SQLITE_HOME_FIELD home
SQLITE_MAILDIR_FIELD maildir
"""


@contextlib.contextmanager
def courier() -> Iterator[RunningServer]:
    """Yield a running Courier on loopback, in plain text."""
    prefix = unpacked()
    login = prefix / "usr/lib/courier/courier/imaplogin"
    needs(_AUTH_DAEMON, "couriertcpd", _AUTH_SQLITE, "maildirmake.courier", login)
    if os.geteuid() != 0:
        cannot_run("Courier's authentication daemon has its paths compiled in: it needs root")
    with _alone(), private_folder("courier") as folder, _auth_daemon(folder):
        port = free_port()
        command = ["couriertcpd", "-address=127.0.0.1", "-maxprocs=40", "-maxperip=40", "-nodnslookup",
                   "-noidentlookup", port, login, prefix / "usr/bin/imapd", "Maildir"]  # fmt: skip
        with running(command, folder / "imapd.log", port=port, env=_environment(prefix)):
            yield RunningServer("courier", port, None, None, folder, COURIER_PASSWORD, lambda u: _make_user(folder, u))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Refuse to start a second one beside a first: they would take each other's users and socket away."""
    with Path(tempfile.gettempdir(), "mailbox-cleanup-courier.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail("another Courier runs on this machine: with xdist use --dist loadgroup")
        yield


def _environment(prefix: Path) -> dict[str, str]:
    """Return the environment that the package's own start script would have made of its settings."""
    script = f"set -a; . {shlex.quote(str(prefix / 'etc/courier/imapd'))}; env -0"
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    settings = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
    return settings | {"IMAP_STARTTLS": "NO", "IMAP_EMPTYTRASH": "", "IMAP_ULIMITD": "0", "MAILDIRPATH": "Maildir"}


@contextlib.contextmanager
def _auth_daemon(folder: Path) -> Iterator[None]:
    """Run the daemon over a database of users. (With userdb it now and then refused a user, whom gdbm had lost.)"""
    with sqlite3.connect(folder / "users.sqlite") as users:
        users.execute("CREATE TABLE users (id TEXT PRIMARY KEY, clear TEXT, uid INT, gid INT, home TEXT, maildir TEXT)")
    users.close()
    shutil.chown(folder / "users.sqlite", "courier", "courier")
    settings = _CONFIG / "authdaemonrc"
    lines = settings.read_text().splitlines()
    wanted = ['authmodulelist="authsqlite"' if line.startswith("authmodulelist=") else line for line in lines]
    settings.write_text("\n".join(wanted) + "\n")
    (_CONFIG / "authsqliterc").write_text(_USERS.format(database=folder / "users.sqlite"))
    _AUTH_SOCKET.parent.mkdir(parents=True, exist_ok=True)
    shutil.chown(_AUTH_SOCKET.parent, "courier", "courier")
    _AUTH_SOCKET.unlink(missing_ok=True)
    with (folder / "auth.log").open("wb") as log:
        daemon = subprocess.Popen([_AUTH_DAEMON], stdout=log, stderr=log, start_new_session=True)
    try:
        give_up = time.monotonic() + START_TIMEOUT_S
        while not _AUTH_SOCKET.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        yield
    finally:
        daemon.terminate()
        daemon.wait(60)


def _make_user(folder: Path, user: str) -> None:
    home = folder / user
    maildir = home / "Maildir"
    home.mkdir()
    for command in (["maildirmake.courier", maildir], ["maildirmake.courier", "-f", "Sent", maildir]):
        subprocess.run(command, check=True)
    for path in (home, *home.rglob("*")):
        shutil.chown(path, "mail", "mail")
    mail = pwd.getpwnam("mail")
    row = (user, COURIER_PASSWORD, mail.pw_uid, mail.pw_gid, str(home), str(maildir))
    with sqlite3.connect(folder / "users.sqlite") as users:
        users.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", row)
    users.close()
