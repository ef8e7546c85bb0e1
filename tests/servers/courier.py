"""Courier-IMAP 5.0: no MOVE, no SPECIAL-USE, everything below INBOX. Needs root: its paths are compiled in."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers.running import RunningServer, cannot_run, free_port, needs, private_folder, running, unpacked

COURIER_PASSWORD = "courier-secret"
_AUTH_DAEMON = Path("/usr/lib/courier/courier-authlib/authdaemond")
_AUTH_SOCKET = Path("/run/courier/authdaemon/socket")
_CONFIG = Path("/etc/courier")
_USERS = frozenset(f"user{number}" for number in range(5000))


@contextlib.contextmanager
def courier() -> Iterator[RunningServer]:
    """Yield a running Courier on loopback, in plain text."""
    prefix = unpacked()
    login = prefix / "usr/lib/courier/courier/imaplogin"
    needs(_AUTH_DAEMON, "couriertcpd", "makeuserdb", "maildirmake.courier", login)
    if os.geteuid() != 0:
        cannot_run("Courier's authentication daemon has its paths compiled in: it needs root")
    with private_folder("courier") as folder, _auth_daemon(folder):
        port = free_port()
        command = ["couriertcpd", "-address=127.0.0.1", "-maxprocs=40", "-maxperip=40", "-nodnslookup",
                   "-noidentlookup", port, login, prefix / "usr/bin/imapd", "Maildir"]  # fmt: skip
        with running(command, folder / "imapd.log", port=port, env=_environment(prefix)):
            yield RunningServer("courier", port, None, None, folder, COURIER_PASSWORD, lambda u: _make_user(folder, u))


def _environment(prefix: Path) -> dict[str, str]:
    """Return the environment that the package's own start script would have made of its settings."""
    script = f"set -a; . {shlex.quote(str(prefix / 'etc/courier/imapd'))}; env -0"
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    settings = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
    return settings | {"IMAP_STARTTLS": "NO", "IMAP_EMPTYTRASH": "", "IMAP_ULIMITD": "0", "MAILDIRPATH": "Maildir"}


@contextlib.contextmanager
def _auth_daemon(folder: Path) -> Iterator[None]:
    _write_users(folder)
    settings = _CONFIG / "authdaemonrc"
    lines = settings.read_text().splitlines()
    wanted = ['authmodulelist="authuserdb"' if line.startswith("authmodulelist=") else line for line in lines]
    settings.write_text("\n".join(wanted) + "\n")
    _AUTH_SOCKET.parent.mkdir(parents=True, exist_ok=True)
    shutil.chown(_AUTH_SOCKET.parent, "courier", "courier")
    _AUTH_SOCKET.unlink(missing_ok=True)
    with (folder / "auth.log").open("wb") as log:
        daemon = subprocess.Popen([_AUTH_DAEMON], stdout=log, stderr=log, start_new_session=True)
    try:
        give_up = time.monotonic() + 10
        while not _AUTH_SOCKET.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        yield
    finally:
        daemon.terminate()
        daemon.wait(10)


def _write_users(folder: Path) -> None:
    """Make every user known before the daemon starts: one that is added later is refused now and then."""
    mail = pwd.getpwnam("mail")
    hashed = subprocess.run(["openssl", "passwd", "-1", COURIER_PASSWORD], check=True, capture_output=True, text=True)
    target = _CONFIG / "userdb"
    with target.open("w") as file:
        for user, home in ((name, folder / name) for name in _USERS):
            secret = hashed.stdout.strip()
            file.write(f"{user}\tuid={mail.pw_uid}|gid={mail.pw_gid}|home={home}|mail={home}/Maildir|imappw={secret}\n")
    target.chmod(0o600)
    shutil.chown(target, "courier", "courier")
    subprocess.run(["makeuserdb"], check=True, capture_output=True)


def _make_user(folder: Path, user: str) -> None:
    if user not in _USERS:
        raise LookupError(f"Courier knows {len(_USERS)} users, and {user} is none of them")
    home = folder / user
    maildir = home / "Maildir"
    home.mkdir()
    for command in (["maildirmake.courier", maildir], ["maildirmake.courier", "-f", "Sent", maildir]):
        subprocess.run(command, check=True)
    for path in (home, *home.rglob("*")):
        shutil.chown(path, "mail", "mail")
