"""A dry run prints the very plan that a run would carry out, whatever earlier runs and the owner left behind."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanup.access import account_of
from cleanup.demo import LAST_DAY, OWNER
from cleanup.errors import CleanupError
from cleanup.jobs.idle_check import Look
from cleanup.jobs.run import look_at, run_mailbox
from cleanup.ledger import Ledger, MoveState
from cleanup.model import PlannedMove, Verdict
from cleanup.report.filing import recovery
from tests.servers.lying import CAPABILITIES, LyingServer, Session, lying_server
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import TARGET, fill, run, settings_for, undo
from tests.whole_job.test_lies import CHANGING

WITHOUT_MOVE = b" ".join(word for word in CAPABILITIES.split() if word != b"MOVE")
Act = Callable[[LyingServer, Path], object]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "CALM_S", 0.0)


def _strikes(command: str, *, nth: int = 1, obeyed: bool = False) -> Act:
    """Return a run whose connections all die at the nth such command, obeyed or not."""

    def act(server: LyingServer, folder: Path) -> None:
        left = [nth]

        def lie(session: Session, name: str, _: list[bytes]) -> bool:
            left[0] -= name == command
            if left[0] > 0:
                return False
            if left[0] == 0 and obeyed and name == command:
                left[0] = -1
                session.hang_up()
                return False
            session.hang_up()
            return True

        server.lies = [lie]
        try:
            run(server, folder)
        finally:
            server.lies = []

    return act


def _moves(count: int, there: str = "INBOX", here: str = TARGET) -> Act:
    def act(server: LyingServer, _: Path) -> None:
        box = server.folders.get(here)
        for mail in list(box.mails[:count]) if box and there in server.folders else []:
            server.folders[here].mails.remove(mail)
            server.folders[there].add(mail.raw, mail.flags, mail.arrived)

    return act


def _deletes(count: int) -> Act:
    def act(server: LyingServer, _: Path) -> None:
        if box := server.folders.get(TARGET):
            del box.mails[:count]

    return act


def _tidies_sent(server: LyingServer, _: Path) -> None:
    del server.folders["Sent"].mails[-40:]


def _says(verdict: Verdict) -> Act:
    def act(server: LyingServer, folder: Path) -> None:
        with Ledger.open(folder / "ledger.sqlite") as ledger:
            for move in ledger.moves(mailbox=OWNER)[:3]:
                ledger.label(OWNER, move.intent.fingerprint.digest, verdict, said_by="review")

    return act


def _undoes_if_it_can(server: LyingServer, folder: Path) -> None:
    try:
        undo(server, folder)
    except CleanupError:
        return


ACTS: dict[str, Act] = {
    "a run": run,
    "the owner moves two back": _moves(2),
    "the owner deletes two": _deletes(2),
    "the owner moves mail into the target": _moves(3, TARGET, "INBOX"),
    "the owner tidies Sent": _tidies_sent,
    "an undo": _undoes_if_it_can,
    "a word that three are genuine": _says(Verdict.GENUINE),
    "a word that three are backscatter": _says(Verdict.BACKSCATTER),
    "a run that dies before its first MOVE": _strikes("UID MOVE"),
    "a run that dies behind its first MOVE": _strikes("UID MOVE", obeyed=True),
    "a run that dies behind its second MOVE": _strikes("UID MOVE", nth=2, obeyed=True),
    "a run that dies between COPY and STORE": _strikes("UID STORE"),
    "a run that dies between STORE and EXPUNGE": _strikes("UID EXPUNGE"),
}


def _planned_and_done(
    server: LyingServer, folder: Path, *, again: bool = False, full: bool = False
) -> tuple[Look, Look]:
    """Return what a dry run and then a run find, and hold that the dry run changes nothing."""
    account = account_of(settings_for(server, folder), ask=lambda _: PASSWORD)
    before, ledger = copy.deepcopy(server.folders), _rows(folder)
    server.commands.clear()
    planned = look_at(
        account, settings_for(server, folder), now=LAST_DAY, progress=lambda *_: None, again=again, full=full
    )
    assert not {*CHANGING, "SELECT"} & set(server.commands)
    assert (server.folders, _rows(folder)) == (before, ledger)
    done = run_mailbox(
        account,
        settings_for(server, folder),
        now=LAST_DAY,
        agreed=lambda _: False,
        progress=lambda *_: None,
        again=again,
        full=full,
    )
    return planned, done.look


def _rows(folder: Path) -> object:
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        return (ledger.moves(), ledger.labels(OWNER), [run.run_id for run in ledger.runs()])


def _plan(seen: Look) -> tuple[tuple[PlannedMove, ...], tuple[str, ...]]:
    return seen.plan.moves, seen.plan.refusals


def _check(server: LyingServer, folder: Path, acts: list[str], *, again: bool = False, full: bool = False) -> None:
    fill(server)
    server.folders["INBOX"].mails = server.folders["INBOX"].mails[-100:]
    for act in acts:
        ACTS[act](server, folder)
    planned, done = _planned_and_done(server, folder, again=again, full=full)
    assert _plan(planned) == _plan(done)
    if done.resting is None:
        assert {one.ref: one.finding for one in planned.judged} == {one.ref: one.finding for one in done.judged}
        assert planned.ordinary == done.ordinary


CASES = [
    ["a run"],
    ["a run", "the owner moves two back"],
    ["a run", "the owner deletes two", "the owner moves two back"],
    ["a run", "an undo"],
    ["a run", "the owner tidies Sent", "an undo"],
    ["a run", "an undo", "a word that three are backscatter"],
    ["a run that dies before its first MOVE"],
    ["a run that dies behind its first MOVE"],
    ["a run that dies behind its second MOVE", "the owner moves two back"],
    ["a run", "a word that three are genuine", "an undo"],
]


@pytest.mark.parametrize("acts", CASES, ids=", ".join)
def test_a_dry_run_is_the_plan(acts: list[str], tmp_path: Path) -> None:
    with lying_server() as server:
        _check(server, tmp_path, acts)


@pytest.mark.parametrize(("again", "full"), [(True, False), (False, True)], ids=["again", "full"])
def test_so_it_is_with_again_and_with_full(again: bool, full: bool, tmp_path: Path) -> None:
    acts = ["a run", "the owner moves two back", "the owner tidies Sent", "an undo"]
    with lying_server() as server:
        _check(server, tmp_path, acts, again=again, full=full)


@pytest.mark.parametrize(
    "last", ["a run that dies between COPY and STORE", "a run that dies between STORE and EXPUNGE"]
)
def test_what_is_half_copied_is_not_planned_once_more(last: str, tmp_path: Path) -> None:
    """Such a message lies in both folders; a run takes it from the Inbox before it looks, a dry run passes it over."""
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        _check(server, tmp_path, [last])
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            assert {move.state for move in ledger.moves(mailbox=OWNER)} & {MoveState.MOVED}


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=6),
    moves=st.booleans(),
    again=st.booleans(),
    full=st.booleans(),
)
def test_whatever_happened_before_a_dry_run_is_the_plan(
    acts: list[str], moves: bool, again: bool, full: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with lying_server(capabilities=CAPABILITIES if moves else WITHOUT_MOVE) as server:
        _check(server, folder, acts, again=again, full=full)
    shutil.rmtree(folder)
