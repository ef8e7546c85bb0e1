"""An owner who acts exactly between two of our commands: each act in each gap, on real servers.

test_meanwhile.py leaves the moment to chance; here every gap of a filing is tried, so that what is found can be found
again. Two acts in one filing stand for what a person does with one message within the moment of its move.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from cleanup.connector.client import BoundedImap
from tests.faults.owner import Owner
from tests.faults.points import a_stage, run_once
from tests.faults.test_meanwhile import an_owner, undo_last, wrongs
from tests.servers.running import RunningServer

ACTS = ("flag", "unsee", "keyword", "move", "delete", "back", "copy")
MOST_GAPS = 90  # of a filing in three batches without MOVE; what is beyond its end happens behind it
SEEN_BY_ONE = 151  # a keyword between the looks of our two connections, and a flag once it is copied
Act = tuple[int, str, int]  # in which gap, what, with which message

pytestmark = pytest.mark.server


def chosen(seed: int) -> list[Act]:
    """Return one to three acts, most of them with one and the same message."""
    chance = random.Random(seed)
    number, gap = chance.randrange(7), chance.randrange(MOST_GAPS)
    acts = []
    for _ in range(chance.choice((1, 2, 2, 3))):
        acts.append((gap, chance.choice(ACTS), number if chance.random() < 0.8 else chance.randrange(10)))
        gap += chance.randrange(1, 12)
    return acts


def one_filing(server: RunningServer, acts: Sequence[Act], *, undone: bool) -> list[str]:
    """File, let the owner act in the gaps, perhaps undo, run once more; return what is wrong."""
    with a_stage(server) as stage:
        owner = an_owner(stage, 0)
        with acting(owner, acts):
            run_once(stage)
        if undone:
            with acting(owner, [(gap // 2, act, number) for gap, act, number in acts[:1]]):
                undo_last(stage)
        run_once(stage)
        return wrongs(stage, [stage], owner)


@contextmanager
def acting(owner: Owner, acts: Sequence[Act]) -> Iterator[None]:
    """Let the owner act each time before the program sends its command number `gap`."""
    left, sent, ours = list(acts), 0, threading.get_ident()
    plain_send = BoundedImap.send

    def send(self: BoundedImap, data: object) -> None:
        nonlocal sent
        if threading.get_ident() == ours:
            sent += 1
            while left and left[0][0] <= sent:
                _, act, number = left.pop(0)
                owner.do(act, number)
        plain_send(self, data)

    BoundedImap.send = send  # type: ignore[method-assign]
    try:
        yield
    finally:
        BoundedImap.send = plain_send  # type: ignore[method-assign]


def rounds(server: RunningServer, seeds: Iterable[int]) -> dict[str, list[str]]:
    found = {f"{seed}: {chosen(seed)}": one_filing(server, chosen(seed), undone=seed % 3 == 0) for seed in seeds}
    bad = {what: wrong for what, wrong in found.items() if wrong}
    print(f"{server.name}: {len(found)} filings with acts in their gaps, {len(bad)} with something wrong")
    return bad


@pytest.mark.timeout(600)
def test_acts_between_two_commands(moving_server: RunningServer) -> None:
    assert rounds(moving_server, [*range(6), SEEN_BY_ONE]) == {}


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_acts_between_any_two_commands(moving_server: RunningServer) -> None:
    assert rounds(moving_server, range(100, 700)) == {}
