"""Servers that keep copies by themselves: Dovecot's lazy_expunge, and virtual folders that show everything again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.ledger import Ledger, MoveState
from cleanup.report.filing.execute import MoveResults
from cleanup.report.filing.undo import UndoOutcome
from tests.report.filing.acts import OWNER, file_these, plan_of, undo_run
from tests.report.filing.on_server import both, fill, uids_of, whole
from tests.servers.dovecot import WITHOUT_MOVE, dovecot
from tests.servers.running import RunningServer

COUNT = 12
KEPT = "EXPUNGED"

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", params=["", WITHOUT_MOVE], ids=["move", "copy"])
def keeping(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A Dovecot that puts all that is moved or expunged into a folder, too, with MOVE and without."""
    with dovecot("dovecot-keeping", capability=request.param, lazy_expunge=KEPT) as server:
        yield server


@pytest.fixture(scope="module", params=["", WITHOUT_MOVE], ids=["move", "copy"])
def showing(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A Dovecot with a virtual folder that shows everything and is not marked as such."""
    with dovecot("dovecot-showing", capability=request.param, virtual_all=True) as server:
        yield server


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def filed(ledger: Ledger, account: Account, target: str) -> MoveResults:
    with ExitStack() as stack:
        mailbox = stack.enter_context(open_mailbox(account))
        mailbox.folders()
        plan = plan_of(mailbox, uids_of(mailbox), target=target)
        beside = lambda: stack.enter_context(open_mailbox(account, read_only=True))  # noqa: E731
        return file_these(ledger, mailbox, plan, look_on=beside)


def undone(ledger: Ledger, account: Account, run: int) -> UndoOutcome:
    with ExitStack() as stack:
        mailbox = stack.enter_context(open_mailbox(account))
        mailbox.folders()
        beside = lambda: stack.enter_context(open_mailbox(account, read_only=True))  # noqa: E731
        return undo_run(ledger, mailbox, run, look_on=beside)


def inside(account: Account, folder: str) -> list[bytes]:
    with open_mailbox(account, read_only=True) as mailbox:
        return [raw for raw, _, _ in whole(mailbox, folder)]


def test_what_the_server_keeps_of_a_move_is_told_and_nothing_is_removed(ledger: Ledger, keeping: RunningServer) -> None:
    account = keeping.new_account()
    target = fill(account, COUNT)
    before, _ = both(account, target)

    outcome = filed(ledger, account, target)

    assert (len(outcome.moved), outcome.complete) == (COUNT, True), outcome.in_words()
    assert both(account, target) == ([], before)
    assert Counter(inside(account, KEPT)) == Counter(raw for raw, _, _ in before)
    assert {m.state for m in ledger.moves(mailbox=OWNER)} == {MoveState.MOVED}
    assert f"{COUNT} are in {KEPT}, too" in outcome.in_words()
    assert "elete one" not in outcome.in_words()


def test_what_the_server_keeps_of_a_move_hinders_no_undo(ledger: Ledger, keeping: RunningServer) -> None:
    account = keeping.new_account()
    target = fill(account, COUNT)
    before, _ = both(account, target)
    filed(ledger, account, target)

    outcome = undone(ledger, account, 1)

    assert (len(outcome.put_back), outcome.not_put_back, outcome.stopped) == (COUNT, (), None)
    assert both(account, target) == (before, [])


def test_what_lies_only_where_the_server_keeps_it_is_put_back_from_there(
    ledger: Ledger, keeping: RunningServer
) -> None:
    """You expunged what was filed, or an earlier version of the program took it for your own move and removed it."""
    account = keeping.new_account()
    target = fill(account, COUNT)
    before, _ = both(account, target)
    filed(ledger, account, target)
    with open_mailbox(account) as mailbox:
        uids = uids_of(mailbox, target)
        mailbox.select(target)
        mailbox.mark_deleted(uids)
        mailbox.uid_expunge(uids)

    outcome = undone(ledger, account, 1)

    assert len(outcome.put_back) == COUNT, outcome.in_words()
    assert both(account, target) == (before, [])
    assert {m.state for m in ledger.moves(run_id=1)} == {MoveState.UNDONE}


def test_a_folder_that_shows_everything_is_told_and_takes_nothing_away(ledger: Ledger, showing: RunningServer) -> None:
    account = showing.new_account()
    target = fill(account, COUNT)
    before, _ = both(account, target)

    outcome = filed(ledger, account, target)
    first = undone(ledger, account, 1)
    again = filed(ledger, account, target)
    second = undone(ledger, account, 3)

    assert (len(outcome.moved), len(again.moved)) == (COUNT, COUNT)
    assert both(account, target) == (before, [])
    for told in (outcome, first, again, second):
        assert told.stopped is None
        assert "elete one" not in told.in_words()
        assert "virtual/All" in told.in_words()
