"""Runs while others work in the mailbox, its owner and a second run: nothing lost, doubled or with stale flags.

Nobody waits for anybody. Dovecot does not carry out a MOVE at once (measured with imaplib alone: of 75 pairs of MOVEs
at one moment 70 doubled messages, of 225 flags that were confirmed during a MOVE 20 were lost): what such a moment
leaves in flags is put right; what is in two folders is told and left (cleanup/report/filing/races.py), as nobody can
tell it from a copy that the server keeps. What the owner did not move himself is never there twice.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from cleanup.connector.mailbox import open_mailbox
from cleanup.errors import MailboxLocked
from cleanup.ledger import Ledger
from cleanup.lock import hold_mailbox
from tests.faults.owner import Owner, everything, number_of
from tests.faults.points import Stage, a_stage, run_once
from tests.report.filing.acts import undo_run
from tests.report.filing.on_server import FLAGS
from tests.servers.running import RunningServer

ACTS = 8

pytestmark = pytest.mark.server


def one_round(server: RunningServer, seed: int) -> list[str]:
    """Let an owner work while two runs begin at once on one machine; now and then undo. Return what is wrong."""
    with a_stage(server) as stage:
        owner = an_owner(stage, seed)
        together([lambda: run_locked(stage), lambda: run_locked(stage), lambda: owner.work(ACTS)])
        if seed % 3 == 0:
            together([lambda: undo_last(stage), lambda: owner.work(ACTS // 2)])
        run_once(stage, pause=time.sleep)
        return wrongs(stage, [stage], owner)


def two_machines(server: RunningServer, seed: int) -> list[str]:
    """The same from two machines that share neither lock nor ledger, which nobody should do."""
    with a_stage(server) as stage:
        owner = an_owner(stage, seed)
        machines = [replace(stage, ledger=stage.ledger.with_name(f"{n}.sqlite")) for n in range(2)]
        together(
            [
                lambda: run_once(machines[0], pause=time.sleep),
                lambda: run_once(machines[1], pause=time.sleep),
                lambda: owner.work(ACTS),
            ]
        )
        for machine in machines:
            run_once(machine, pause=time.sleep)
        return wrongs(stage, machines, owner)


def an_owner(stage: Stage, seed: int) -> Owner:
    flags = {number: frozenset(FLAGS[number % len(FLAGS)]) for number in range(len(stage.before))}
    return Owner(stage.account, random.Random(seed), flags)


def run_locked(stage: Stage) -> None:
    """Run as the command does; where another run holds the mailbox, do nothing."""
    with suppress(MailboxLocked), hold_mailbox("host", stage.account.username, "run", folder=stage.ledger.parent):
        run_once(stage, pause=time.sleep)


def together(jobs: Sequence[Callable[[], None]]) -> None:
    """Do all at once; an exception of any is raised."""
    broken: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]


def undo_last(stage: Stage) -> None:
    with Ledger.open(stage.ledger) as ledger, ExitStack() as connections:
        mailbox = connections.enter_context(open_mailbox(stage.account))
        mailbox.folders()
        if last := ledger.last_filing("anna@example.org"):
            look_on = open_mailbox(stage.account, read_only=True)
            undo_run(
                ledger,
                mailbox,
                last.run_id,
                look_on=lambda: connections.enter_context(look_on),
                pause=time.sleep,
            )


def wrongs(stage: Stage, stages: Sequence[Stage], owner: Owner) -> list[str]:
    """Return every message that is lost, doubled, altered or wrongly filed, in words."""
    found = everything(stage.account)
    places = [(folder, one) for folder, messages in found.items() for one in messages]
    counts = Counter(number_of(one) for _, one in places)
    arrived = {number_of(one): one[2] for one in stage.before}
    wrong = [f"{n} is lost" for n in arrived if not counts[n] and n not in owner.marked]
    folders = {n: sorted(folder for folder, one in places if number_of(one) == n) for n in counts}
    his = {n for n in counts if owner.moved[n]}  # in the moment of our move, perhaps
    wrong += [f"{n} is there {times} times: {folders[n]}" for n, times in counts.items() if times > 1 and n not in his]
    for folder, one in places:
        number, flags = number_of(one), one[1] - {"\\Deleted"}
        if number in his and (counts[number] > 1 or number in owner.marked):
            continue  # of the two only one has the flags that he set later, and that one he may have deleted
        if (flags ^ owner.flags[number]) - owner.either.get(number, set()):
            wrong.append(f"{number} in {folder} has {sorted(flags)} and not {sorted(owner.flags[number])}")
        if one[2] != arrived[number]:
            wrong.append(f"{number} has another date")
        if "\\Deleted" in one[1] and number not in owner.marked:
            wrong.append(f"{number} is marked as deleted, and not by the owner")
        if folder == stage.target and number >= len(stage.bad):
            wrong.append(f"{number} is good and was filed")
    for one_stage in stages:
        with Ledger.open(one_stage.ledger) as ledger:
            wrong += [f"not settled: {move.note}" for move in ledger.open_moves("anna@example.org")]
    return wrong


def rounds(server: RunningServer, seeds: range) -> dict[int, list[str]]:
    found = {seed: one_round(server, seed) for seed in seeds}
    bad = {seed: wrong for seed, wrong in found.items() if wrong}
    print(f"{server.name}: {len(found)} rounds, {len(bad)} with something wrong")
    return bad


def rounds_of_two_machines(server: RunningServer, seeds: range) -> tuple[list[str], list[str]]:
    """Return what is wrong in words, and apart from that the doubles and lost flags of the very same milliseconds.

    Each machine sees the other's copy and leaves it: neither can know whose it is.
    """
    found = [f"{seed}: {wrong}" for seed in seeds for wrong in two_machines(server, seed)]
    slight = [wrong for wrong in found if " has [" in wrong or " times: " in wrong]
    print(f"{server.name}: {len(seeds)} rounds of two machines, {len(found) - len(slight)} wrong, and {slight}")
    return [wrong for wrong in found if wrong not in slight], slight


@pytest.mark.timeout(1200)
def test_an_owner_who_tidies_and_a_second_run_meanwhile(moving_server: RunningServer) -> None:
    assert rounds(moving_server, range(4)) == {}


@pytest.mark.timeout(1200)
def test_two_machines_that_cannot_see_each_other_lose_nothing(moving_server: RunningServer) -> None:
    wrong, _ = rounds_of_two_machines(moving_server, range(3))

    assert wrong == []


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_two_hundred_rounds(moving_server: RunningServer) -> None:
    assert rounds(moving_server, range(1000, 1220)) == {}


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_two_hundred_rounds_of_two_machines(moving_server: RunningServer) -> None:
    wrong, _ = rounds_of_two_machines(moving_server, range(2000, 2200))

    assert wrong == []
