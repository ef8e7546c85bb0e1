"""Many mailboxes in one process: threads, a limit for each server, a deadline, and failures by cause.

Threads, as a mailbox mostly waits for its server. A mailbox is locked by its run (on PostgreSQL against other machines,
too), so several machines may share a list: what one works on, the others leave out.
"""

from __future__ import annotations

import csv
import hashlib
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cleanup.access import account_of, host_of
from cleanup.config import MailboxSettings
from cleanup.errors import CleanupError, MailboxLocked, SafetyStop, UsageError
from cleanup.run import Done, run_mailbox

THREADS = 16  # a mailbox mostly waits for its server
PER_HOST = 8  # connections to one server; ask the provider what it allows
COLUMN = "mailbox"


class Result(StrEnum):
    """What became of one mailbox."""

    DONE = "done"
    REFUSED = "refused"  # a safety limit was met, nothing was moved
    FAILED = "failed"
    LOCKED = "locked"  # somebody else works on it
    NOT_BEGUN = "not begun"  # the deadline came, or a signal


@dataclass(frozen=True, slots=True)
class Listed:
    """One mailbox of a list: a profile or an address, and further settings by their names."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How one mailbox ended. `cause` is the code of the error, `says` its words."""

    name: str
    result: Result
    says: str
    cause: str | None = None
    moved: int = 0
    took_s: float = 0.0

    @property
    def to_be_tried_again(self) -> bool:
        """Whether `--only-failed` takes it up."""
        return self.result in (Result.FAILED, Result.NOT_BEGUN)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and for how long. `deadline_s` counts from the beginning; None: no end."""

    threads: int = THREADS
    per_host: int = PER_HOST
    deadline_s: float | None = None
    spread_s: float = 0.0  # mailboxes begin within this time, at random


# --- which mailboxes -----------------------------------------------------------------------------------------------


def read_list(file: Path) -> list[Listed]:
    """Return the mailboxes of a CSV file: a column `mailbox`, and columns named like the settings of a profile.

    Raises UsageError where the file cannot be read, has no such column, or names a mailbox twice.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UsageError(f"The list {file} cannot be read", why=str(error)) from error
    return listed(rows, str(file))


def listed(rows: Iterable[Mapping[str, object]], where: str) -> list[Listed]:
    """Return the mailboxes of rows, in their order. Raises UsageError as read_list() does."""
    found: dict[str, Listed] = {}
    for number, row in enumerate(rows, start=1):
        name = str(row.get(COLUMN) or "").strip()
        if not name:
            raise UsageError(f"{where}: row {number} names no mailbox", hint=f"A column {COLUMN!r} is needed")
        if name in found:
            raise UsageError(f"{where}: {name} is there twice")
        found[name] = Listed(
            name, {str(k): str(v) for k, v in row.items() if k and k != COLUMN and v not in (None, "")}
        )
    return list(found.values())


def shard_of(mailboxes: Sequence[Listed], number: int, of: int) -> list[Listed]:
    """Return the mailboxes of one shard, numbered from 0: by a hash of the name, whatever the list's order."""
    if not 0 <= number < of:
        raise UsageError(f"There is no shard {number} of {of}", hint="Shards are numbered 0/N to N-1/N")
    return [one for one in mailboxes if int(hashlib.sha256(one.name.encode()).hexdigest(), 16) % of == number]


# --- the work ------------------------------------------------------------------------------------------------------


def run_fleet(
    mailboxes: Sequence[Listed],
    settings_of: Callable[[Listed], MailboxSettings],
    limits: Limits,
    told: Callable[[Ended], None],
    *,
    stop: threading.Event | None = None,
) -> list[Ended]:
    """File the backscatter of many mailboxes; return how each ended, in the order of the list.

    `told` hears of each as it ends, in the calling thread. One bad mailbox stops no other. After the deadline, or once
    `stop` is set, none is begun; those that are under way are finished. An exception in the calling thread, such as a
    signal's, does the same and goes on.
    """
    stop = stop or threading.Event()
    began = time.monotonic()
    hosts: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(limits.per_host))
    late = random.Random(began)
    ends: dict[str, Ended] = {}

    def work(one: Listed, starts_s: float) -> Ended:
        stop.wait(max(0.0, starts_s - (time.monotonic() - began)))
        if stop.is_set() or (limits.deadline_s is not None and time.monotonic() - began > limits.deadline_s):
            return Ended(one.name, Result.NOT_BEGUN, "The time was over.", "not-begun")
        return _one(one, settings_of, hosts)

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(limits.threads, thread_name_prefix="mailbox"))
        stack.callback(stop.set)  # before the pool waits for its threads
        waiting = {pool.submit(work, one, late.uniform(0, limits.spread_s)) for one in mailboxes}
        for ended in _as_they_end(waiting):
            ends[ended.name] = ended
            told(ended)
    return [ends[one.name] for one in mailboxes]


def _as_they_end(waiting: set[Future[Ended]]) -> Iterator[Ended]:
    while waiting:
        finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)  # signals come in between
        yield from (future.result() for future in finished)


def _one(
    one: Listed, settings_of: Callable[[Listed], MailboxSettings], hosts: Mapping[str, threading.Semaphore]
) -> Ended:
    began = time.monotonic()
    try:
        settings = settings_of(one)
        with hosts[host_of(settings) or ""]:
            done = _file(settings)
    except MailboxLocked as error:
        return Ended(one.name, Result.LOCKED, str(error), error.code, took_s=time.monotonic() - began)
    except CleanupError as error:
        return Ended(one.name, Result.FAILED, str(error), error.code, took_s=time.monotonic() - began)
    except Exception as error:  # a fleet goes on, whatever one mailbox does
        says = f"{type(error).__name__}: {error}"
        return Ended(one.name, Result.FAILED, says, "unexpected", took_s=time.monotonic() - began)
    return _ended(one, done, time.monotonic() - began)


def _file(settings: MailboxSettings) -> Done:
    account = account_of(settings, ask=_nobody)
    return run_mailbox(account, settings, now=datetime.now(UTC), agreed=lambda _: True, progress=lambda *_: None)


def _ended(one: Listed, done: Done, took_s: float) -> Ended:
    plan = done.look.plan
    if plan.refusals and plan.moves:
        return Ended(one.name, Result.REFUSED, " ".join(plan.refusals), SafetyStop.code, took_s=took_s)
    if done.not_moved:
        says = f"{done.not_moved} messages could not be moved"
        return Ended(one.name, Result.FAILED, says, "partly", done.moved, took_s)
    return Ended(one.name, Result.DONE, done.in_words(), None, done.moved, took_s)


def _nobody(login: str) -> str:
    raise UsageError(f"No password for {login}", hint="Name its source in the profile or in the list's columns")


# --- what is said of it --------------------------------------------------------------------------------------------


def by_cause(ends: Iterable[Ended]) -> list[tuple[str, int, str]]:
    """Return the failures by cause, most frequent first: code, how many, and the words of the first one."""
    failed = [one for one in ends if one.result is not Result.DONE]
    counts = Counter(one.cause or one.result.value for one in failed)
    first = {one.cause or one.result.value: one for one in reversed(failed)}
    return [(cause, count, f"{first[cause].name}: {first[cause].says}") for cause, count in counts.most_common()]


def write_ends(file: Path, ends: Iterable[Ended]) -> None:
    """Write how each mailbox ended, as CSV: `--only-failed` reads it."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("mailbox", "result", "cause", "moved", "took_s"))
        writer.writerows((e.name, e.result.value, e.cause or "", e.moved, f"{e.took_s:.1f}") for e in ends)


def read_failed(file: Path) -> frozenset[str]:
    """Return the mailboxes that did not come to an end the last time. Raises UsageError where nobody wrote that."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        return frozenset(r["mailbox"] for r in rows if r["result"] in (Result.FAILED, Result.NOT_BEGUN))
    except (OSError, KeyError, csv.Error) as error:
        raise UsageError(
            f"{file} does not tell which mailboxes failed", hint="Run once without --only-failed"
        ) from error
