"""Kill -9 and broken connections on real servers: nothing lost or altered, and the next run ends as an undisturbed one.

In CI every seventh kill point and a choice of cuts on three servers; `-m sweep` takes them all, and can be stopped and
started again (sweeping.py).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import pytest

from tests.faults.points import Outcome, a_stage, judge, kill_at, run_once, steps_of
from tests.faults.sweeping import NOT_REACHED, Done
from tests.servers.faultproxy import Fault, Kind, fault_proxy
from tests.servers.running import RunningServer

BATCH = 3  # what may be in both folders at once where there is no MOVE
MOVING = ("UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE")
LOOKING = ("STATUS", "SELECT", "EXAMINE", "UID SEARCH", "UID FETCH")
ON_THE_SIDE = ("LIST", "FETCH")  # FETCH without UID is the second connection's only
NOTHING = Done()
KINDS: Sequence[Kind] = ("cut", "reset", "half_close", "drop_answer", "corrupt")

pytestmark = pytest.mark.server


def doubles_allowed(server: RunningServer) -> int:
    """A server with MOVE may show a message twice for the moment that its own move takes; without it a batch may be."""
    return BATCH if "without" in server.name else 0


def kill_points(server: RunningServer, numbers: Iterable[int], done: Done = NOTHING) -> list[Outcome]:
    def strike(number: int) -> Outcome:
        with a_stage(server) as stage:
            assert kill_at(stage, number), f"step {number} was never reached"
            return judge(stage, f"kill at {number}", doubles_allowed=doubles_allowed(server))

    return [done.once(server.name, f"kill at {number}", partial(strike, number)) for number in numbers]


def cut_points(server: RunningServer, faults: Iterable[Fault], done: Done = NOTHING) -> list[Outcome]:
    def strike(fault: Fault) -> Outcome:
        with a_stage(server) as stage, fault_proxy(server.port, fault) as proxy:
            run_once(stage, replace(stage.account, port=proxy.port, command_timeout_s=5))
            if not proxy.struck:
                return Outcome(named(fault), NOT_REACHED)
            return judge(stage, named(fault), doubles_allowed=doubles_allowed(server))

    tried = [done.once(server.name, named(fault), partial(strike, fault)) for fault in faults]
    return [outcome for outcome in tried if outcome.word != NOT_REACHED]


def named(fault: Fault) -> str:
    where = f"byte {fault.at_byte} of the answer to" if fault.in_answer else "before"
    return f"{fault.kind} {where} {fault.command} {fault.nth}"


def all_good(server: RunningServer, outcomes: list[Outcome]) -> None:
    print(f"{server.name}: {len(outcomes)} points, {dict(Counter(o.word for o in outcomes))}")
    assert [o for o in outcomes if o.word != "ok"] == []


def all_steps(server: RunningServer) -> int:
    with a_stage(server) as stage:
        return steps_of(stage)


def all_cuts() -> list[Fault]:
    where = [(command, nth) for command in MOVING for nth in (1, 2, 3)]
    where += [(command, nth) for command in LOOKING for nth in (2, 5, 8)]
    where += [(command, nth) for command in ON_THE_SIDE for nth in (1, 2, 3)]
    before = [Fault(kind, command, nth, in_answer=False) for kind in KINDS[:3] for command, nth in where]
    within = [
        Fault(kind, c, nth, at_byte=at) for kind in KINDS for (c, nth), at in itertools.product(where, (0, 9, 40))
    ]
    return before + within


@pytest.mark.timeout(1200)
def test_a_kill_at_any_step_loses_nothing(moving_server: RunningServer) -> None:
    outcomes = kill_points(moving_server, range(1, all_steps(moving_server) + 1, 7))

    assert len(outcomes) >= 12
    all_good(moving_server, outcomes)


@pytest.mark.timeout(1200)
def test_a_broken_connection_loses_nothing(moving_server: RunningServer) -> None:
    chosen = [Fault("drop_answer", command, nth) for command in MOVING for nth in (1, 2)]
    chosen += [Fault("cut", command, 2, in_answer=False) for command in (*MOVING, *ON_THE_SIDE, "UID FETCH")]
    chosen += [Fault("corrupt", "UID SEARCH", 2, at_byte=9), Fault("reset", "STATUS", 2)]

    outcomes = cut_points(moving_server, chosen)

    assert len(outcomes) >= 5
    all_good(moving_server, outcomes)


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_every_kill_point(moving_server: RunningServer, done: Done) -> None:
    all_good(moving_server, kill_points(moving_server, range(1, all_steps(moving_server) + 1), done))


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_every_cut(moving_server: RunningServer, done: Done) -> None:
    all_good(moving_server, cut_points(moving_server, all_cuts(), done))
