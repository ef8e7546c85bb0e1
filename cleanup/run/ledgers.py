"""The ledgers that runs write to: each is opened when it is first asked for, once for all mailboxes of a fleet."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cleanup.ledger.resting import Resting

if TYPE_CHECKING:
    from cleanup.ledger import Ledger


MOST_RESTING = 16  # plain connections at once: a list may name a ledger for each of a million mailboxes


class Ledgers:
    """One open ledger for each place that is named, for all threads: opening one checks the whole of it.

    On a night on which nothing happened the plain connection is all that is opened.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[str, Ledger] = {}
        self._resting: dict[str, Resting] = {}
        self._opening = threading.Lock()
        self._lock = threading.Lock()  # of its own: idle mailboxes do not wait while a ledger is opened

    def of(self, where: str) -> Ledger:
        """Return the ledger at a path or URL. Raises LedgerUnusable."""
        with self._opening:
            if where not in self._open:
                from cleanup.ledger import Ledger

                self._open[where] = self._stack.enter_context(Ledger.open(where))
            return self._open[where]

    def resting(self, where: str) -> Resting:
        """Return what answers for the ledger at a path while nothing happens."""
        with self._lock:
            if where not in self._resting:
                if len(self._resting) >= MOST_RESTING:
                    self._resting.pop(next(iter(self._resting))).close()
                self._resting[where] = Resting(where)
            return self._resting[where]

    def close(self) -> None:
        """Close them all."""
        self._stack.close()
        for resting in self._resting.values():
            resting.close()
