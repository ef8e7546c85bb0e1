"""The first run on a large mailbox of a real Dovecot, then undo: time, memory, bytes, and what was moved wrongly.

    python -m benchmarks.first_run --inbox 20000 --sent 10000 --notices 400

Prints a table, and JSON with --json. Needs Dovecot (bash .ci/install-servers).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.job import Server
from benchmarks.maildir import Size, build, snapshot
from tests.servers.dovecot import dovecot
from tests.servers.running import RunningServer

USER = "bench"


def main() -> None:
    """Build, measure, print."""
    wanted = argparse.ArgumentParser(description=__doc__)
    for name, default in (("inbox", 20_000), ("sent", 10_000), ("notices", 400), ("genuine", 40), ("seed", 1)):
        wanted.add_argument(f"--{name}", type=int, default=default)
    wanted.add_argument("--json", action="store_true")
    given = wanted.parse_args()
    figures = measure(Size(given.inbox, given.sent, given.notices, given.genuine), given.seed)
    print(json.dumps(figures, indent=1) if given.json else _table(figures))


def measure(size: Size, seed: int = 1) -> dict[str, dict[str, Any]]:
    """Return the figures of each phase by its name, and the floor: the same header fields fetched raw."""
    with mailbox_on_dovecot(size, seed) as (server, maildir, forged):
        before = snapshot(maildir)
        floor = raw_floor(server)
        first = job("run", server)
        filed = _ids(maildir / ".Backscatter")
        again = job("run", server)
        undone = job("undo", server)
        check = {
            "wrongly_moved": len(filed - forged),
            "left_behind": len(forged - filed),
            "equal_after_undo": snapshot(maildir) == before,
        }
    return {"floor": floor, "first run": first, "second run": again, "undo": undone, "check": check}


@contextmanager
def mailbox_on_dovecot(size: Size, seed: int) -> Iterator[tuple[Server, Path, set[str]]]:
    """Yield a made-up mailbox on a running Dovecot, its Maildir, and the ids of what is backscatter."""
    with dovecot("bench") as running, tempfile.TemporaryDirectory() as work:
        assert running.folder
        maildir = running.folder / "mail" / USER
        forged = build(maildir, size, seed)
        give_to_dovecot(maildir)
        yield _server(running, Path(work) / "ledger.sqlite"), maildir, forged


def job(command: str, server: Server) -> dict[str, Any]:
    """Return what one command took, in a process of its own."""
    argv = [sys.executable, "-m", "benchmarks.job", command, json.dumps(asdict(server))]
    began = time.perf_counter()
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env=surroundings(Path(server.ledger).parent)
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return {"process_s": round(time.perf_counter() - began, 3)} | told


def surroundings(work: Path) -> dict[str, str]:
    """Return the environment of a measured process: compiled as an installed program is, with locks of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"CLEANUP_LOCK_DIR": str(work / "locks")}


def raw_floor(server: Server, first: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return what a socket takes that logs in and fetches the same header fields, and looks at nothing.

    `first`: by folder, the UID of the first message that counts; without it all do.
    """
    from cleanup.detector.header import INBOX_FIELDS
    from cleanup.detector.sent import SENT_FIELDS

    began = time.perf_counter()
    with socket.create_connection((server.host, server.port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with ssl.create_default_context(cafile=server.ca_file).wrap_socket(plain, server_hostname=server.host) as sock:
            commands = [f'LOGIN {server.username} "{server.password}"']
            for folder, fields in (("INBOX", INBOX_FIELDS), ("Sent", SENT_FIELDS)):
                asked = " ".join(fields)
                commands += [
                    f"EXAMINE {folder}",
                    f"UID FETCH {first[folder] if first else 1}:* "
                    f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ({asked})])",
                ]
            read = sum(_answered(sock, f"a{n}", command) for n, command in enumerate(commands))
    return {"wall_s": round(time.perf_counter() - began, 3), "bytes_read": read, "round_trips": len(commands)}


def _answered(sock: ssl.SSLSocket, tag: str, command: str) -> int:
    sock.sendall(f"{tag} {command}\r\n".encode())
    read, tail, end = 0, b"", f"\r\n{tag} OK".encode()
    while True:
        chunk = sock.recv(1 << 18)
        read, tail = read + len(chunk), tail[-64:] + chunk
        if end in tail or tail.startswith(end[2:]):
            return read
        if not chunk:
            raise SystemExit(f"{command}: the server went away")


def _server(running: RunningServer, ledger: Path) -> Server:
    account = running.new_account(username=USER)
    return Server(account.host, account.port or 993, "tls", str(running.ca_file), USER, running.password, str(ledger))


def make_cold(maildir: Path) -> None:
    """Remove what Dovecot keeps beside the mail: its indexes, its cache of header fields, its list of folders."""
    for file in maildir.rglob("dovecot*"):
        if file.name.startswith(("dovecot.index", "dovecot.list")):
            file.unlink()


def give_to_dovecot(maildir: Path) -> None:
    """Let Dovecot's user own what was written."""
    if os.geteuid() == 0:
        for folder, _, files in os.walk(maildir):
            shutil.chown(folder, "mail", "mail")
            for name in files:
                shutil.chown(Path(folder) / name, "mail", "mail")


def _ids(maildir: Path) -> set[str]:
    """Return the Message-IDs of what lies in a Maildir folder."""
    files = [file for part in ("cur", "new") for file in (maildir / part).iterdir()]
    found = (re.search(rb"^Message-ID: <([^>]*)>", file.read_bytes(), re.MULTILINE) for file in files)
    return {one[1].decode() for one in found if one}


def _table(figures: dict[str, dict[str, Any]]) -> str:
    return "\n".join(f"{phase:<12}" + "  ".join(f"{k}={v}" for k, v in took.items()) for phase, took in figures.items())


if __name__ == "__main__":
    main()
