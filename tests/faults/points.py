"""One fault point: a fresh mailbox, a run that is struck, what is there afterwards, and a clean run to the end.

A killed run is a process of its own (fork), so that SIGKILL is real: nothing of it runs on, no `finally`, no flush.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import event

from cleanup.connector.client import BoundedImap
from cleanup.connector.mailbox import Account, Mailbox, open_mailbox
from cleanup.errors import CleanupError
from cleanup.ledger import Ledger
from tests.report.filing.acts import file_these, plan_of, recover_now
from tests.report.filing.on_server import Whole, both, fill, uids_of
from tests.servers.running import RunningServer

COUNT = 10
MOVES = 7  # in three batches: 1, 3, 3
SERVER_ENDS_S = 5.0  # a command whose client is gone
Step = Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What a point ended in: one word, and what was seen."""

    point: str
    word: str  # "ok", "LOST", "DOUBLED", "ALTERED", "WRONG END", "NOT SETTLED"
    seen: str = ""


@dataclass
class Stage:
    """A fresh mailbox with everything that a point needs."""

    account: Account
    ledger: Path
    target: str
    before: list[Whole]
    bad: list[int]

    @property
    def expected(self) -> tuple[list[Whole], list[Whole]]:
        """What an undisturbed run leaves: the Inbox and the target."""
        filed = {f"<{n}@relay.example>".encode() for n in range(MOVES)}
        ours = [one for one in self.before if any(name in one[0] for name in filed)]
        return [one for one in self.before if one not in ours], ours


@contextmanager
def a_stage(server: RunningServer) -> Iterator[Stage]:
    """Yield a mailbox of COUNT messages, of which the first MOVES are to be filed."""
    account = replace(server.new_account(), host="127.0.0.1", port=server.port, security="plain", ca_file=None)
    target = fill(account, COUNT)
    before, _ = both(account, target)
    with open_mailbox(account, read_only=True) as mailbox:
        bad = uids_of(mailbox)[:MOVES]
    with tempfile.TemporaryDirectory(prefix="cleanup-fault-") as folder:
        yield Stage(account, Path(folder) / "ledger.sqlite", target, before, bad)


def run_once(
    stage: Stage,
    account: Account | None = None,
    watch: Callable[[Ledger], None] | None = None,
    pause: Callable[[float], None] = lambda _: None,
) -> None:
    """Do what a run does: recover, plan, file; renew a broken connection."""
    opened: list[Mailbox] = []

    with Ledger.open(stage.ledger) as ledger, ExitStack() as looking_on, ExitStack() as connections:

        def connect() -> Mailbox:
            connections.close()
            opened[:] = [connections.enter_context(open_mailbox(account or stage.account))]
            opened[0].folders()
            return opened[0]

        def look_on() -> Mailbox:
            return looking_on.enter_context(open_mailbox(account or stage.account, read_only=True))

        if watch:
            watch(ledger)
        try:
            mailbox = connect()
            if recover_now(ledger, mailbox, connect).stopped is None:
                here = set(uids_of(opened[0]))
                plan = plan_of(opened[0], [uid for uid in stage.bad if uid in here], target=stage.target)
                file_these(ledger, opened[0], plan, connect, look_on, pause)
        except CleanupError:
            pass  # a struck run may end in any named error; what counts is the mailbox


# --- kill -9 -------------------------------------------------------------------------------------------------------


def kill_at(stage: Stage, number: int) -> bool:
    """Run in a process of its own that SIGKILL ends at its step `number`; return whether it came to that."""
    child = os.fork()
    if child == 0:
        try:
            _run_counting(stage, number)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def steps_of(stage: Stage) -> int:
    """Return how many steps an undisturbed run has."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(_run_counting(stage, 0)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as told:
        return int(told.read())


def _run_counting(stage: Stage, number: int) -> int:
    """A step is each moment before and after a command is sent, and before and after the journal is written."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == number:
            os.kill(os.getpid(), signal.SIGKILL)

    plain_send = BoundedImap.send

    def send(self: BoundedImap, data: object) -> None:
        step()
        plain_send(self, data)
        step()

    BoundedImap.send = send  # type: ignore[method-assign]

    def watch(ledger: Ledger) -> None:
        event.listen(ledger.engine, "commit", lambda _: step())
        event.listen(ledger.engine, "checkin", lambda *_: step())

    run_once(stage, watch=watch)
    return steps


# --- judging -------------------------------------------------------------------------------------------------------


def judge(stage: Stage, point: str, *, doubles_allowed: int) -> Outcome:
    """Look after the fault, run once undisturbed, look again.

    A server ends the MOVE of a client that was killed, and shows copies as long as it is at it (Dovecot on a busy
    machine: 0.1 s). What is there twice afterwards counts.
    """
    ends = time.monotonic() + SERVER_ENDS_S
    while (bad := _between(stage, doubles_allowed)) and bad[0] == "DOUBLED" and time.monotonic() < ends:
        pass
    if bad:
        return Outcome(point, *bad)
    run_once(stage)
    with Ledger.open(stage.ledger) as ledger:
        unsettled = ledger.open_moves("anna@example.org")
    if unsettled:
        return Outcome(point, "NOT SETTLED", str([(m.state, m.note) for m in unsettled]))
    after = both(stage.account, stage.target)
    return Outcome(point, "ok") if after == stage.expected else Outcome(point, "WRONG END", _short(after))


def _between(stage: Stage, doubles_allowed: int) -> tuple[str, str] | None:
    inbox, target = both(stage.account, stage.target)
    bodies = Counter(raw for raw, _, _ in inbox + target)
    if any(bodies[raw] == 0 for raw, _, _ in stage.before):
        return "LOST", _short((inbox, target))
    doubles = sum(n - 1 for n in bodies.values())
    if doubles > doubles_allowed:
        return "DOUBLED", f"{doubles} messages"
    original = {raw: (flags, arrived) for raw, flags, arrived in stage.before}
    for raw, flags, arrived in inbox + target:
        if (flags - {"\\Deleted"}, arrived) != original.get(raw):
            return "ALTERED", repr((raw[:60], flags, arrived))
    return None


def _short(folders: tuple[list[Whole], list[Whole]]) -> str:
    return f"{len(folders[0])} in the Inbox, {len(folders[1])} in the target"
