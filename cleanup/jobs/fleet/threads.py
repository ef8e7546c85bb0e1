"""Many mailboxes in one process: threads, as a mailbox mostly waits for its server, and a limit for each server."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol

from cleanup.access import account_of, host_of
from cleanup.config import MailboxSettings, load_mailbox
from cleanup.errors import UsageError
from cleanup.jobs.fleet.results import Ended, Listed, Result
from cleanup.jobs.run import run_mailbox
from cleanup.jobs.session import Ledgers

THREADS = 16
PER_HOST = 8  # connections to one server; ask the provider what it allows

SettingsOf = Callable[[Listed], MailboxSettings]


@dataclass(frozen=True, slots=True)
class Shared:
    """What all mailboxes of a fleet share beside their list: where settings and ledger are. No secret is in it."""

    config: Path | None = None
    ledger: str | None = None

    def settings_of(self, one: Listed) -> MailboxSettings:
        """Return the settings of one mailbox: what the list says comes first."""
        more = {"ledger": self.ledger} if self.ledger else {}
        return load_mailbox(one.name, config=self.config, options={**one.options, **more})


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and for how long. `deadline_s` counts from the beginning; None: no end."""

    threads: int = THREADS
    per_host: int = PER_HOST
    deadline_s: float | None = None
    spread_s: float = 0.0  # mailboxes begin within this time, at random

    @property
    def looking_on(self) -> int:
        """How many of a server's connections are for the second one of a mailbox, which looks on while it files.

        Who waits for a second connection holds a first one; so they are counted apart, and nobody waits for ever.
        """
        return max(1, self.per_host // 4) if self.per_host > 1 else 0

    @property
    def mailboxes_at_once(self) -> int:
        """How many mailboxes of one server are worked on at once."""
        return self.per_host - self.looking_on


GateByServer = Mapping[str, AbstractContextManager[object]]  # waits until one more connection is allowed


def run_fleet(
    mailboxes: Sequence[Listed],
    settings_of: SettingsOf,
    limits: Limits,
    report: Callable[[Ended], None],
    *,
    stop: threading.Event | None = None,
    gates: GateByServer | None = None,
    second_gates: GateByServer | None = None,
    ledgers: Ledgers | None = None,
) -> list[Ended]:
    """File the backscatter of many mailboxes; return how each ended, in the order of the list.

    `report` is called with each as it ends, in the calling thread. One bad mailbox stops no other. After the deadline,
    or once `stop` is set, none is begun; those that are under way are finished. An exception in the calling thread,
    such as a signal's, does the same and goes on. `gates` and `second_gates`, of a mailbox's first and second
    connection, replace `limits.per_host`; `ledgers` are open for longer.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    gates = gates if gates is not None else defaultdict(lambda: threading.Semaphore(limits.mailboxes_at_once))
    if second_gates is None and limits.looking_on:
        second_gates = defaultdict(lambda: threading.Semaphore(limits.looking_on))
    late = random.Random(began)
    ends: dict[str, Ended] = {}

    def work(one: Listed, starts_s: float) -> Ended:
        # `stop` also ends the wait: a fleet that is told to end need not sit out its spread
        stop.wait(max(0.0, starts_s - (time.monotonic() - began)))
        if stop.is_set() or (limits.deadline_s is not None and time.monotonic() - began > limits.deadline_s):
            return Ended(one.name, Result.NOT_BEGUN, "The time was over.", "not-begun")
        return _run_one(one, settings_of, gates, second_gates, shared)

    with ExitStack() as stack:
        shared = ledgers or stack.enter_context(closing(Ledgers()))
        pool = stack.enter_context(ThreadPoolExecutor(limits.threads, thread_name_prefix="mailbox"))
        stack.callback(stop.set)  # before the pool waits for its threads
        waiting = {pool.submit(work, one, late.uniform(0, limits.spread_s)) for one in mailboxes}
        while waiting:
            finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)  # signals come in between
            for ended in (future.result() for future in finished):
                ends[ended.name] = ended
                report(ended)
    return [ends[one.name] for one in mailboxes]


def _run_one(
    one: Listed, settings_of: SettingsOf, gates: GateByServer, second_gates: GateByServer | None, ledgers: Ledgers
) -> Ended:
    began = time.monotonic()
    try:
        settings = settings_of(one)
        host = host_of(settings) or ""
        with gates[host]:  # before anything is asked of the server, its login included
            done = run_mailbox(
                account_of(settings, ask=_no_password),
                settings,
                now=datetime.now(UTC),
                agreed=lambda _: True,
                progress=lambda *_: None,
                ledgers=ledgers,
                second_gate=second_gates[host] if second_gates is not None else None,
            )
    except Exception as error:  # a fleet goes on, whatever one mailbox does
        return Ended.of_error(one.name, error, time.monotonic() - began)
    return Ended.of(one.name, done, time.monotonic() - began)


def _no_password(login: str) -> str:
    raise UsageError(f"No password for {login}", hint="Name its source in the profile or in the list's columns")


# --- Connections to a server, counted over many machines ------------------------------------------------------------


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
