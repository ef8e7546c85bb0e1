"""Connections to a server, counted over many machines: what one mailbox leaves the next one of its shard may use.

Asking the scheduler for leave takes longer than looking at a mailbox in which nothing happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol


class Counted(Protocol):
    """A semaphore that others count with, such as Dask's."""

    def acquire(self) -> object:
        """Wait for leave."""

    def release(self) -> object:
        """Give it back."""


class Gates(dict[str, AbstractContextManager[object]]):
    """A gate for each server, for one shard of so many mailboxes.

    Whoever has to wait at one gate first gives back what lies idle at all of them, so that no two shards wait for each
    other; and nothing lies idle at a gate while another one is used, or once all mailboxes have begun.
    """

    def __init__(self, counted: Callable[[str], Counted], mailboxes: int) -> None:
        super().__init__()
        self._counted = counted
        self._to_begin = mailboxes
        self._gates: list[_Gate] = []
        self._lock = threading.Lock()

    def __missing__(self, server: str) -> AbstractContextManager[object]:
        with self._lock:
            if server not in self:
                self._gates.append(_Gate(self._counted(server), self))
                self[server] = self._gates[-1]
            return self[server]

    def begun(self) -> None:
        """Count a mailbox that stands at a gate."""
        with self._lock:
            self._to_begin -= 1

    def let_go(self, but: _Gate | None = None) -> None:
        """Give back what lies idle; at the gate `but` only where no further mailbox comes."""
        with self._lock:
            gates = [gate for gate in self._gates if gate is not but or self._to_begin <= 0]
        for gate in gates:
            gate.give_back()

    def close(self) -> None:
        """Give back everything."""
        self.let_go()


class _Gate(AbstractContextManager[object]):
    def __init__(self, counted: Counted, gates: Gates) -> None:
        self._counted = counted
        self._gates = gates
        self._idle = 0
        self._lock = threading.Lock()

    def __enter__(self) -> object:
        self._gates.begun()
        if not self._take():
            self._gates.let_go()
            self._counted.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._idle += 1
        self._gates.let_go(but=self)

    def give_back(self) -> None:
        """Give back what lies idle."""
        while self._take():
            self._counted.release()

    def _take(self) -> bool:
        with self._lock:
            taken = self._idle > 0
            self._idle -= taken
            return taken
