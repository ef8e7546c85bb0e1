"""The real command, struck in the middle: nothing lost or altered, and one clean run ends as an undisturbed one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from tests.faults.points import Outcome
from tests.faults.sweeping import NOT_REACHED, Done
from tests.whole_job.job import Template
from tests.whole_job.striking import SIGNALS, Stricken, Strike

BROKEN = ("cut", "reset", "drop_answer")
CHOSEN = (
    Strike("kill", "UID FETCH", 3),
    Strike("kill", "CREATE", after=True),
    Strike("kill", "UID MOVE", 2),
    Strike("term", "UID MOVE", 2, after=True),
    Strike("interrupt", "UID MOVE", 2),
    Strike("cut", "UID FETCH", 2, after=True),
    Strike("drop_answer", "UID MOVE", 2, after=True),
    Strike("reset", "APPEND", 1),
)
WITHOUT_MOVE = (
    Strike("kill", "UID COPY", 2, after=True),
    Strike("kill", "UID STORE", 2),
    Strike("kill", "UID EXPUNGE", 2),
)
ON_CYRUS = (
    Strike("drop_answer", "UID MOVE", 2, after=True),
    Strike("kill", "FETCH", 1),
)

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]


@pytest.fixture
def stricken(template: Template, tmp_path: Path) -> Stricken:
    return Stricken(template, tmp_path)


def all_good(outcomes: Iterable[Outcome], at_least: int) -> None:
    reached = [outcome for outcome in outcomes if outcome.word != NOT_REACHED]
    print(f"{len(reached)} points, {dict(Counter(o.word for o in reached))}")
    assert [outcome for outcome in reached if outcome.word != "ok"] == []
    assert len(reached) >= at_least


@pytest.mark.server
def test_a_run_struck_at_the_wire_is_finished_by_the_next(anna_on_dovecot: Template, tmp_path: Path) -> None:
    stricken = Stricken(anna_on_dovecot, tmp_path)

    all_good(map(stricken.by_wire, CHOSEN), len(CHOSEN))


def test_a_run_struck_between_copy_and_expunge_is_finished_by_the_next(
    anna_without_move: Template, tmp_path: Path
) -> None:
    stricken = Stricken(anna_without_move, tmp_path)

    all_good(map(stricken.by_wire, WITHOUT_MOVE), len(WITHOUT_MOVE))


def test_a_run_on_cyrus_struck_at_the_wire_is_finished_by_the_next(anna_on_cyrus: Template, tmp_path: Path) -> None:
    stricken = Stricken(anna_on_cyrus, tmp_path)

    all_good(map(stricken.by_wire, ON_CYRUS), len(ON_CYRUS))


def test_a_full_disk_stops_a_run_and_the_next_finishes_it(anna_on_dovecot: Template, tmp_path: Path) -> None:
    stricken = Stricken(anna_on_dovecot, tmp_path)

    all_good(map(stricken.by_disk, (0, 128, 192, 224)), 4)


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_every_strike_at_the_wire(stricken: Stricken, done: Done) -> None:
    """Each signal and each break, before and after each command of an undisturbed run."""
    seen: Counter[str] = Counter()
    outcomes = []
    for command in stricken.commands:
        seen[command] += 1
        for what in (*SIGNALS, *BROKEN):
            for after in (False, True):
                strike = Strike(what, command, seen[command], after)
                name = stricken.template.server.name
                outcomes.append(done.once(name, strike.name, partial(stricken.by_wire, strike)))

    all_good(outcomes, 100)


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_a_disk_that_is_full_at_any_size(stricken: Stricken, done: Done) -> None:
    name = stricken.template.server.name
    points = [(f"whole job, disk full at {blocks} KiB", blocks) for blocks in range(0, 400, 8)]

    all_good([done.once(name, point, partial(stricken.by_disk, blocks)) for point, blocks in points], 50)
