"""Servers for every test that wants one: each is started once, and only when it is asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from cleanup.connector import redact
from cleanup.demo.embedded_server import embedded_server
from tests.servers.anna import anna_on_a_server
from tests.servers.courier import courier
from tests.servers.cyrus import cyrus
from tests.servers.dovecot import WITHOUT_MOVE, dovecot
from tests.servers.postgresql import postgresql
from tests.servers.running import RunningServer

SERVERS = ("embedded", "dovecot", "dovecot_without_move", "cyrus", "courier")
_MEMORY = Path("/dev/shm")
_ROOM_FOR_SERVERS = 4 * 2**30  # bytes; a container's own is often 64 MB
# Courier's paths are compiled in, so two of it cannot run at once: with xdist use --dist loadgroup.
REAL = tuple(pytest.param(name, marks=(pytest.mark.server, pytest.mark.xdist_group(name))) for name in SERVERS[1:])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What may take long is begun first, so that no worker is left alone with it in the end."""
    items.sort(key=lambda item: "timeout" not in item.keywords)


def _in_memory() -> None:
    """Keep the folders of tests and servers in memory where there is room, and a program in them may be run.

    Servers and ledgers wait for the disk at each step (fsync): half of the time of all tests. What is tested is that
    a killed program loses nothing; a disk that loses power is not.
    """
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK):
        runs_programs = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        if runs_programs and shutil.disk_usage(_MEMORY).free >= _ROOM_FOR_SERVERS:
            os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


_in_memory()

# How long an example takes is the machine's affair. A build tries the same examples each time, so that none is red by
# chance; `--hypothesis-profile=new` tries others.
hypothesis.settings.register_profile(
    "new", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("build", hypothesis.settings.get_profile("new"), derandomize=True)
hypothesis.settings.load_profile("build")


@pytest.fixture(scope="session", autouse=True)
def _a_cheap_hash() -> Iterator[None]:
    """Let pymap hash passwords once and not a million times: each login would take a fifth of a second."""
    try:
        from pymap.config import IMAPConfig
        from pysasl.hashing import BuiltinHash
    except ImportError:  # an extra
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IMAPConfig, "_get_hash_context", lambda *_: BuiltinHash(rounds=1))
        yield


@pytest.fixture(scope="session")
def embedded() -> Iterator[RunningServer]:
    users = {f"user{n}": "embedded secret" for n in range(150)}
    with embedded_server(users) as server:
        yield RunningServer("embedded", server.port, password="embedded secret")


@pytest.fixture(scope="session", name="dovecot")
def _dovecot() -> Iterator[RunningServer]:
    with dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_without_move() -> Iterator[RunningServer]:
    with dovecot("dovecot-without-move", capability=WITHOUT_MOVE) as server:
        yield server


@pytest.fixture(scope="session", name="cyrus")
def _cyrus() -> Iterator[RunningServer]:
    with cyrus() as server:
        yield server


@pytest.fixture(scope="session", name="courier")
def _courier() -> Iterator[RunningServer]:
    with courier() as server:
        yield server


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    pytest.importorskip("psycopg")
    with postgresql() as url:
        yield url


@pytest.fixture(params=("embedded", *REAL))
def server(request: pytest.FixtureRequest) -> RunningServer:
    """One of all servers: a test that takes it runs on each."""
    found: RunningServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session", autouse=True)
def _nobodys_own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the configuration, ledger or locks of the person who runs it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "CLEANUP_LOCK_DIR"):
            patch.setenv(variable, str(home))
        yield


@pytest.fixture(scope="session")
def annas_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of Anna's mailbox after two runs: the first files the backscatter, the second looks at the rest."""
    ledger = tmp_path_factory.mktemp("anna") / "ledger.sqlite"
    with anna_on_a_server(ledger) as anna:
        anna.run()
        anna.run(full=True)
    return ledger


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process hides whatever it has logged in with; the next test may want to read that very word."""
    monkeypatch.setattr(redact, "_shown", {})
