"""PostgreSQL from a private folder, on loopback, for ledgers that machines share."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.running import free_port, needs, private_folder


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of an empty database."""
    needs("postgres", "initdb", "pg_ctl")
    with private_folder("postgres") as folder:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        cluster, port = folder / "cluster", free_port()
        _pg("initdb", "-D", cluster, "-U", "cleanup", "-A", "trust", "-E", "UTF8")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        _pg("pg_ctl", "-D", cluster, "-w", "-o", options, "start")
        try:
            yield f"postgresql://cleanup@127.0.0.1:{port}/postgres"
        finally:
            _pg("pg_ctl", "-D", cluster, "-m", "immediate", "stop")


def _pg(*command: str | Path) -> None:
    """Run one of its programs, which refuse to run as root."""
    plain = [str(part) for part in command]
    whole = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *plain] if os.geteuid() == 0 else plain
    subprocess.run(whole, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
