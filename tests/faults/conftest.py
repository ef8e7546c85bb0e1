"""What all fault tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.sweeping import Done


@pytest.fixture(scope="session")
def done(request: pytest.FixtureRequest) -> Done:
    """The points that earlier sweeps in this checkout did."""
    assert request.config.cache is not None
    return Done(Path(request.config.cache.mkdir("sweep")) / "points.jsonl")
