"""Full disks, failing disks and kill -9 at the k-th system call, injected by strace from outside the process."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from tests.faults.points import Outcome, Stage, a_stage, judge
from tests.faults.sweeping import NOT_REACHED, Done
from tests.faults.victim import write
from tests.servers.running import RunningServer, needs

# (system calls, what is injected): "+" goes on failing from then on, as a full disk does
FULL = ("pwrite64,ftruncate", "error=ENOSPC", "+")
FAILING = ("fdatasync,fsync", "error=EIO", "+")
KILLED_WRITING = ("pwrite64,fdatasync", "signal=SIGKILL", "")
KILLED_SENDING = ("sendto", "signal=SIGKILL", "")
NOTHING = Done()

pytestmark = pytest.mark.server


def struck(stage: Stage, fault: tuple[str, str, str], at: int) -> bool:
    """Run under strace; return whether the fault happened."""
    calls, what, on = fault
    folder = stage.ledger.parent
    write(stage, folder / "stage.json")
    inject = f"inject={calls}:{what}:when={at}{on}"
    command = ["strace", "-f", "-qq", "-o", folder / "trace", "-e", f"trace={calls}", "-e", inject, sys.executable,
               "-m", "tests.faults.victim", folder / "stage.json"]  # fmt: skip
    done = subprocess.run(
        [str(part) for part in command], cwd=Path(__file__).parents[2], capture_output=True, timeout=120, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    trace = (folder / "trace").read_text()
    return "INJECTED" in trace or "SIGKILL" in trace


def points(
    server: RunningServer, fault: tuple[str, str, str], numbers: Iterable[int], done: Done = NOTHING
) -> list[Outcome]:
    """Return the outcomes up to the last system call that a run makes."""
    needs("strace")

    def strike(at: int) -> Outcome:
        point = f"{fault[0]} {fault[1]} at {at}"
        with a_stage(server) as stage:
            if not struck(stage, fault, at):
                return Outcome(point, NOT_REACHED)
            return judge(stage, point, doubles_allowed=3 if "without" in server.name else 0)

    tried = (done.once(server.name, f"{fault[0]} {fault[1]} at {at}", partial(strike, at)) for at in numbers)
    outcomes = list(itertools.takewhile(lambda outcome: outcome.word != NOT_REACHED, tried))
    print(f"{server.name} {fault[0]} {fault[1]}: {len(outcomes)} points, {dict(Counter(o.word for o in outcomes))}")
    return outcomes


@pytest.mark.timeout(1200)
def test_disk_and_kill_at_a_choice_of_system_calls(moving_server: RunningServer) -> None:
    outcomes = [
        *points(moving_server, FULL, (30,)),
        *points(moving_server, FAILING, (3, 6)),
        *points(moving_server, KILLED_WRITING, (60,)),
        *points(moving_server, KILLED_SENDING, (20,)),
    ]

    assert [o for o in outcomes if o.word != "ok"] == []
    assert len(outcomes) >= 4


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fault", [FULL, FAILING, KILLED_WRITING, KILLED_SENDING], ids=lambda f: f"{f[0]}-{f[1]}")
def test_every_system_call(moving_server: RunningServer, fault: tuple[str, str, str], done: Done) -> None:
    assert [o for o in points(moving_server, fault, range(1, 1000), done) if o.word != "ok"] == []
