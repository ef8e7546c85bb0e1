"""Many mailboxes on a Dask cluster: shards of the list are its tasks, and it repeats those of a lost worker.

A shard carries names, places of settings and ledger, and limits; every secret is found by the worker itself. A shard
that is repeated finds what the lost worker had done: the ledger says so, and an open move is reconciled first.
https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from distributed import Client, Future, Semaphore, Worker, as_completed, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.scheduler import KilledWorker

from cleanup import __version__
from cleanup.errors import CannotConnect, UsageError
from cleanup.jobs.fleet.results import Ended, Listed, Result
from cleanup.jobs.fleet.threads import Gates, Limits, Shared, run_fleet
from cleanup.jobs.session import Ledgers
from cleanup.ledger import has_password

CONNECT_TIMEOUT_S = 30
SHARDS_A_SLOT = 4  # so that the last ones end at about the same time
IDLE_S = 300  # between two shards of a worker
LARGEST_SHARD = 200  # mailboxes; what is looked at again when its worker is lost


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard, as it travels to a worker. `until` is in seconds since 1970; None: no end."""

    mailboxes: tuple[Listed, ...]
    shared: Shared
    limits: Limits
    until: float | None
    fleet: str  # the name of its OpenLedgers


def run_on_dask(
    scheduler: str, mailboxes: Sequence[Listed], shared: Shared, limits: Limits, report: Callable[[Ended], None]
) -> list[Ended]:
    """File the backscatter of many mailboxes on a cluster's workers; return how each ended, in the list's order.

    `limits.threads` are threads of each worker process, `limits.per_host` connections of the whole cluster. `report`
    is called with each mailbox as its shard ends. An exception in the calling thread, such as a signal's, begins no
    further shard.

    Raises CannotConnect where there is no scheduler, UsageError where it has no workers, they run another version of
    this program, or a password would travel.
    """
    for where in {shared.ledger, *(one.options.get("ledger") for one in mailboxes)} - {None}:
        if has_password(str(where)):
            raise UsageError(
                "The ledger's URL holds a password, which would travel with every task",
                hint="Set CLEANUP_LEDGER for the workers, or leave the password to ~/.pgpass",
            )
    ends: dict[str, Ended] = {}
    with _client(scheduler) as client, ExitStack() as stack:
        slots = _slots(client)
        fleet = stack.enter_context(_ledgers_in_workers(client))
        until = time.time() + limits.deadline_s if limits.deadline_s is not None else None
        size = min(LARGEST_SHARD, max(1, math.ceil(len(mailboxes) / (slots * SHARDS_A_SLOT))))
        parts = [tuple(mailboxes[first : first + size]) for first in range(0, len(mailboxes), size)]
        # Only as many shards as there are slots begin at once: the others have waited for their turn already.
        spread = replace(limits, spread_s=limits.spread_s * min(1.0, slots / max(1, len(parts))))
        shards = [Shard(part, shared, spread, until, fleet) for part in parts]
        # pure=False: Dask would take the result of an equal shard of another night for this one's
        futures = {client.submit(work, shard, pure=False): shard for shard in shards}
        try:
            for future in as_completed(list(futures), loop=client.loop):
                for ended in _ends(future, futures[future]):
                    ends[ended.name] = ended
                    report(ended)
        finally:
            client.cancel(list(futures))
    return [ends[one.name] for one in mailboxes]


def work(shard: Shard) -> list[Ended]:
    """Do one shard in a worker; return how its mailboxes ended."""
    worker = get_worker()
    left_s = shard.until - time.time() if shard.until is not None else None  # monotonic clocks differ by machine
    threads = max(1, shard.limits.threads // worker.state.nthreads)
    limits = replace(shard.limits, threads=threads, deadline_s=left_s)
    kept: OpenLedgers | None = worker.plugins.get(shard.fleet)  # gone where the client is
    settings_of = shard.shared.settings_of
    counted = Gates(lambda host: _semaphore(worker, host, limits.mailboxes_at_once), len(shard.mailboxes))
    second = _SecondGates(lambda host: _semaphore(worker, f"{host} again", limits.looking_on))
    with kept.lent() if kept else nullcontext() as ledgers, closing(counted) as gates:
        return run_fleet(
            shard.mailboxes,
            settings_of,
            limits,
            lambda _: None,
            gates=gates,
            second_gates=second if limits.looking_on else None,
            ledgers=ledgers,
        )


class _SecondGates(dict[str, AbstractContextManager[object]]):
    """Of each server that somebody files on."""

    def __init__(self, counted: Callable[[str], Semaphore]) -> None:
        super().__init__()
        self._counted = counted

    def __missing__(self, host: str) -> AbstractContextManager[object]:
        return self.setdefault(host, self._counted(host))


def _semaphore(worker: Worker, host: str, leases: int) -> Semaphore:
    """Return the semaphore of a server, which the scheduler keeps: it counts the connections of all workers."""
    name = f"mailbox-cleanup {host} {leases}"  # with another number it would be refused
    return Semaphore(leases, name, scheduler_rpc=worker.scheduler, loop=worker.loop)


class OpenLedgers(WorkerPlugin):  # type: ignore[misc] # distributed is typed in part
    """Keeps ledgers open in each worker while a fleet runs: opening one checks the whole of it, for every shard.

    Where no shard comes for long, they are closed: a client that was killed takes nothing away.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def setup(self, worker: Worker | None) -> None:  # noqa: ARG002 - Dask names it
        """Begin to keep them in a worker."""
        self._ledgers = Ledgers()
        self._lent = 0
        self._lock = threading.Lock()
        self._closing: threading.Timer | None = None

    @contextmanager
    def lent(self) -> Iterator[Ledgers]:
        """Yield them to one shard."""
        with self._lock:
            self._lent += 1
            if self._closing:
                self._closing.cancel()
            ledgers = self._ledgers
        try:
            yield ledgers
        finally:
            with self._lock:
                self._lent -= 1
                self._closing = threading.Timer(IDLE_S, self._close_what_is_idle)
                self._closing.daemon = True
                self._closing.start()

    def _close_what_is_idle(self) -> None:
        with self._lock:
            if not self._lent:
                self._ledgers.close()
                self._ledgers = Ledgers()

    def teardown(self, worker: Worker | None) -> None:  # noqa: ARG002
        """Close them."""
        with self._lock:
            if self._closing:
                self._closing.cancel()
            self._ledgers.close()


# --- pieces --------------------------------------------------------------------------------------------------------


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is one
        raise CannotConnect(
            f"The Dask scheduler {scheduler} does not answer", why=str(error), hint="Give it as tcp://HOST:8786"
        ) from error
    with client:
        yield client


@contextmanager
def _ledgers_in_workers(client: Client) -> Iterator[str]:
    """Keep ledgers open in all workers, those that come later too; yield the name under which they are kept."""
    plugin = OpenLedgers(f"mailbox-cleanup ledgers {uuid4()}")
    client.register_plugin(plugin)
    try:
        yield plugin.name
    finally:
        with suppress(OSError):  # the scheduler may be gone
            client.unregister_worker_plugin(plugin.name)


def _slots(client: Client) -> int:
    """Return how many shards run at once. Raises UsageError where the workers cannot do them."""
    threads = client.nthreads()
    if not threads:
        raise UsageError("The Dask scheduler has no workers", hint="Start some: dask worker SCHEDULER --nthreads 1")
    versions = Counter(str(version) for version in client.run(_version, on_error="return").values())
    if set(versions) != {__version__}:
        raise UsageError(
            f"The Dask workers do not all have mailbox-cleanup {__version__}",
            why=", ".join(f"{count} say: {version}" for version, count in versions.items()),
            hint="Install the same version on each",
        )
    return sum(threads.values())


def _version() -> str:
    """Return the version of this program in the worker that runs it: a function of a module travels by its name."""
    return __version__


def _ends(future: Future, shard: Shard) -> list[Ended]:
    error = future.exception()
    if error is None:
        ends: list[Ended] = future.result()
        return ends
    if isinstance(error, KilledWorker):
        lost = "Dask lost every worker that tried it"
        return [Ended(one.name, Result.FAILED, lost, "worker-lost") for one in shard.mailboxes]
    return [Ended.of_error(one.name, error) for one in shard.mailboxes]
