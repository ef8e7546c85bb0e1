"""Logging in to a server that may be busy: it is asked at most three times."""

from __future__ import annotations

import time

from cleanup.connector.account import Account
from cleanup.connector.login import TurnedAway
from cleanup.connector.wire import Wire

PAUSES_S = (1.0, 3.0)  # before it is asked again


def connected(account: Account, read_only: bool, run_deadline: float | None) -> Wire:
    """Return a logged-in connection; a server that is busy is asked at most three times."""
    for pause_s in PAUSES_S:
        try:
            return Wire(account, read_only=read_only, run_deadline=run_deadline)
        except TurnedAway:
            if run_deadline is not None and time.monotonic() + pause_s > run_deadline:
                raise
            time.sleep(pause_s)
    return Wire(account, read_only=read_only, run_deadline=run_deadline)
