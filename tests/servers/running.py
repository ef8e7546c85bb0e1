"""What every real server of the tests has in common: folders, ports, certificates, starting and stopping."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text

PASSWORD = 'a secret "word" with \\ in it'
START_TIMEOUT_S = 90.0  # a machine may be busy with other things
_PORTS = range(20_000, 32_000)  # below those that a system gives to whoever asks for any (ip_local_port_range)


@dataclass(frozen=True)
class RunningServer:
    """A server that runs, and how to get a mailbox on it. `make_user` prepares a user of that name; it may be free."""

    name: str
    port: int  # STARTTLS or plain text
    tls_port: int | None = None
    ca_file: Path | None = None
    folder: Path | None = None
    password: str = PASSWORD
    make_user: Callable[[str], None] = lambda _: None
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def new_account(self, **changes: Any) -> Account:
        """Return the account of a new user, whose mailbox is empty; over TLS where the server has it."""
        username = f"user{next(self.numbers)}"
        self.make_user(username)
        account = Account("localhost" if self.ca_file else "127.0.0.1", username, from_text(self.password),
                          port=self.tls_port or self.port, security="tls" if self.tls_port else "plain",
                          ca_file=self.ca_file, connect_timeout_s=60, command_timeout_s=60)  # fmt: skip
        return replace(account, **changes)


def free_port() -> int:
    """Return a port that was free a moment ago, and that no client is given in the meantime."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def needs(*programs: str | Path) -> None:
    """Skip, or fail where servers are required, unless all the programs are there."""
    missing = [str(program) for program in programs if not (Path(program).exists() or shutil.which(str(program)))]
    if missing:
        cannot_run(f"not installed: {', '.join(missing)} (bash .ci/install-servers)")


def cannot_run(reason: str) -> None:
    """Skip the test, or fail it where servers are required."""
    if os.environ.get("CLEANUP_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def unpacked() -> Path:
    """Return where .ci/install-servers unpacked the servers that cannot be installed beside one another."""
    return Path(os.environ.get("CLEANUP_SERVER_PREFIX", "/opt/mailbox-cleanup-servers"))


@contextlib.contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """Yield a temporary folder that the server's own users may enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"cleanup-{name}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_certificate(folder: Path) -> Path:
    """Write server.pem and server.key for localhost; return the file of the authority that signed them."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "ca.pem"


@contextlib.contextmanager
def running(command: Sequence[str | Path], log: Path, *, port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    """Run a server in the foreground until the block ends; yield its pid once it listens."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=output, env=env, start_new_session=True
        )
    try:
        _wait_for(port, process, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")
