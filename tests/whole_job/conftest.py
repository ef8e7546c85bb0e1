"""Anna's mailbox, prepared once a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.conftest import done as done
from tests.servers.running import RunningServer
from tests.whole_job.job import Job, Template, anna_on


@pytest.fixture(scope="session")
def anna_on_dovecot(dovecot: RunningServer) -> Template:
    return Template(dovecot)


@pytest.fixture(scope="session")
def anna_without_move(dovecot_without_move: RunningServer) -> Template:
    return Template(dovecot_without_move)


@pytest.fixture(scope="session")
def anna_on_cyrus(cyrus: RunningServer) -> Template:
    return Template(cyrus)


@pytest.fixture(params=[pytest.param("anna_on_dovecot", marks=pytest.mark.server),
                        pytest.param("anna_without_move", marks=pytest.mark.server),
                        pytest.param("anna_on_cyrus", marks=pytest.mark.server)])  # fmt: skip
def template(request: pytest.FixtureRequest) -> Template:
    found: Template = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["embedded", pytest.param("dovecot", marks=pytest.mark.server)])
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    """Anna's mailbox on the embedded server and on a real one."""
    ledger = tmp_path / "ledger.sqlite"
    if request.param == "dovecot":
        prepared: Template = request.getfixturevalue("anna_on_dovecot")
        return prepared.job(ledger)
    return anna_on(request.getfixturevalue("embedded"), ledger)
