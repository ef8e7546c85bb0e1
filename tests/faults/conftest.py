"""What all fault tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.sweeping import Done
from tests.servers.running import RunningServer


@pytest.fixture(scope="session")
def done(request: pytest.FixtureRequest) -> Done:
    """The points that earlier sweeps in this checkout did."""
    assert request.config.cache is not None
    return Done(Path(request.config.cache.mkdir("sweep")) / "points.jsonl")


@pytest.fixture(params=("dovecot", "dovecot_without_move", "cyrus"))
def moving_server(request: pytest.FixtureRequest) -> RunningServer:
    """One of the three on which every fault is tried."""
    found: RunningServer = request.getfixturevalue(request.param)
    return found
