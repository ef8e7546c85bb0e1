from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cleanup.errors import (
    CommandRefused,
    ConnectionLost,
    LedgerUnusable,
    MoveNotSupported,
    PermissionMissing,
    SafetyStop,
    ServerMisbehaved,
    UidValidityChanged,
)
from cleanup.ledger import Ledger, MoveState
from cleanup.model import FilingPlan
from cleanup.report.filing.execute import Batches
from tests.report.filing.acts import OWNER, TARGET, file_these, plan_of, recover_now
from tests.report.filing.model_mailbox import Mail, ModelMailbox, ModelServer

CHANGES = {"MOVE", "COPY", "STORE", "EXPUNGE", "CREATE"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def a_server(count: int = 5, **abilities: bool) -> tuple[ModelServer, ModelMailbox]:
    server = ModelServer(**abilities)
    for number in range(count):
        server.arrive(f"m{number}", "INBOX", "\\Seen")
    return server, ModelMailbox(server)


def once(command: str, mischief: str, *, at: int = 1):
    """Return a trouble that strikes the `at`-th command of that name, once."""
    seen = 0

    def trouble(name: str) -> str | None:
        nonlocal seen
        seen += name == command
        return mischief if name == command and seen == at else None

    return trouble


def always(command: str, mischief: str):
    return lambda name: mischief if name == command else None


def states(ledger: Ledger) -> list[MoveState]:
    return [move.state for move in ledger.moves(mailbox=OWNER)]


# --- the plain case ------------------------------------------------------------------------------------------------


def test_progress_is_told_after_every_batch(ledger: Ledger) -> None:
    _, mailbox = a_server(9)
    told: list[tuple[str, int, int]] = []

    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4, 5, 6, 7, 8]), progress=lambda *how: told.append(how))

    assert told == [("Moving", done, 8) for done in (0, 1, 4, 7, 8)]


@pytest.mark.parametrize(
    ("abilities", "move_takes_s", "tried"),
    [({}, 0.0, (1, 4, 12)), ({"move": False}, 0.0, (1, 4, 7, 10, 12)), ({}, 10.0, (1, 4, 7, 10, 12))],
    ids=["quick", "without MOVE", "slow"],
)
def test_batches_grow_where_a_move_is_quick(
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    abilities: dict[str, bool],
    move_takes_s: float,
    tried: tuple[int, ...],
) -> None:
    _, mailbox = a_server(13, **abilities)
    clock = itertools.count(step=move_takes_s)
    monkeypatch.setattr("cleanup.report.filing.races.time.monotonic", lambda: next(clock))
    told: list[int] = []

    plan = plan_of(mailbox, list(range(1, 13)))
    outcome = file_these(
        ledger, mailbox, plan, progress=lambda _, done, __: told.append(done), batches=Batches(3, 3, 9)
    )

    assert len(outcome.moved) == 12
    assert tuple(told) == (0, *tried)


@pytest.mark.parametrize("abilities", [{}, {"move": False}, {"uidplus": False}, {"tells_copyuid": False}])
def test_what_was_planned_is_moved_and_nothing_else(ledger: Ledger, abilities: dict[str, bool]) -> None:
    server, mailbox = a_server(**abilities)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 5]))

    assert server.names(TARGET) == ["m0", "m1", "m2", "m4"]
    assert server.names("INBOX") == ["m3"]
    assert [ref.uid for ref in outcome.moved] == [1, 2, 3, 5]
    assert outcome.complete
    assert all(mail.flags == {"\\Seen"} for mail in server.boxes[TARGET].mails.values())
    assert [m.target_uid for m in ledger.moves(mailbox=OWNER)] == [1, 2, 3, 4]


def test_a_server_without_move_and_uidplus_is_left_alone(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False, uidplus=False)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2]))

    assert isinstance(outcome.stopped, MoveNotSupported)
    assert not CHANGES & set(server.log)
    assert len(outcome.not_moved) == 2


def test_a_plan_with_refusals_is_never_carried_out(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1])
    refused = FilingPlan(plan.source, plan.target, plan.uidvalidity, plan.moves, refusals=("too many",))

    outcome = file_these(ledger, mailbox, refused)

    assert isinstance(outcome.stopped, SafetyStop)
    assert not CHANGES & set(server.log)


# --- what changed since the plan -----------------------------------------------------------------------------------


def test_a_renumbered_folder_stops_everything(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1, 2])
    server.renumber("INBOX")

    outcome = file_these(ledger, mailbox, plan)

    assert isinstance(outcome.stopped, UidValidityChanged)
    assert len(server.names("INBOX")) == 5


def test_a_number_that_names_another_message_now_is_not_moved(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1, 2])
    server.boxes["INBOX"].mails[1] = Mail("other", server.boxes["INBOX"].mails[1].arrived)

    outcome = file_these(ledger, mailbox, plan)

    assert "other" in server.names("INBOX")
    assert [(n.ref.uid, n.reason) for n in outcome.not_moved] == [(1, "the UID now names another message")]


def test_what_the_owner_took_meanwhile_is_said_and_is_no_failure(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1, 2])
    del server.boxes["INBOX"].mails[2]

    outcome = file_these(ledger, mailbox, plan)

    assert [n.ref.uid for n in outcome.gone] == [2]
    assert outcome.complete


def test_what_the_owner_marked_deleted_meanwhile_stays(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False)
    plan = plan_of(mailbox, [1, 2])
    server.boxes["INBOX"].mails[1] = Mail("m0", server.boxes["INBOX"].mails[1].arrived, frozenset({"\\Deleted"}))

    file_these(ledger, mailbox, plan)

    assert "m0" in server.names("INBOX")


def test_flags_set_after_the_plan_are_kept(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1])
    server.boxes["INBOX"].mails[1] = Mail("m0", server.boxes["INBOX"].mails[1].arrived, frozenset({"\\Flagged"}))

    file_these(ledger, mailbox, plan)

    assert server.boxes[TARGET].mails[1].flags == {"\\Flagged"}


def test_the_owners_own_deleted_mail_is_never_expunged(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False)
    server.arrive("owner's", "INBOX", "\\Deleted")

    file_these(ledger, mailbox, plan_of(mailbox, [1, 2]))

    assert "owner's" in server.names("INBOX")


# --- servers that lie or refuse ------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", [True, False])
def test_a_yes_without_a_deed_is_found_out_with_one_message(ledger: Ledger, move: bool) -> None:
    server, mailbox = a_server(move=move)
    server.trouble = always("MOVE" if move else "COPY", "lie")

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3]))

    assert isinstance(outcome.stopped, ServerMisbehaved)
    assert not outcome.moved
    assert len(server.names("INBOX")) == 5
    assert sum(name in ("MOVE", "COPY") for name in server.log) == 1


@pytest.mark.parametrize("step", ["STORE", "EXPUNGE"])
def test_a_copy_that_cannot_be_removed_is_told_and_not_copied_again(ledger: Ledger, step: str) -> None:
    server, mailbox = a_server(move=False)
    server.trouble = always(step, "lie")
    plan = plan_of(mailbox, [1, 2])

    outcome = file_these(ledger, mailbox, plan)
    again = file_these(ledger, mailbox, plan)

    assert [n.ref.uid for n in outcome.unclear] == [1]
    assert [n.ref.uid for n in again.left_in_both] == [1]
    assert server.names(TARGET) == ["m0", "m1"]


def test_a_server_that_leaves_all_in_both_folders_is_not_tried_for_ever(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False)
    server.trouble = always("EXPUNGE", "lie")
    plan = plan_of(mailbox, [1, 2, 3, 4, 5])

    outcomes = [file_these(ledger, mailbox, plan) for _ in range(5)]

    assert isinstance(outcomes[-1].stopped, SafetyStop)
    assert "leaves what is moved from INBOX in both folders" in str(outcomes[-1].stopped)
    assert server.names(TARGET) == ["m0", "m1", "m2"]


def test_one_message_that_is_left_in_both_folders_hinders_no_later_run(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False)
    server.trouble = once("EXPUNGE", "lie")
    plan = plan_of(mailbox, [1, 2, 3])
    file_these(ledger, mailbox, plan)
    server.trouble = always("STORE", "refuse")  # and recovery cannot finish it either
    recovered = recover_now(ledger, mailbox)
    server.trouble = lambda _: None

    outcome = file_these(ledger, mailbox, plan)
    final = recover_now(ledger, mailbox)

    assert "came into Backscatter, too" in recovered.in_words()
    assert ([ref.uid for ref in outcome.moved], outcome.complete) == ([2, 3], True)
    assert "1 is in both folders (run 1 copied it: the server refuses to remove it from INBOX: " in outcome.in_words()
    assert [one.state for one in final.reconciled] == [MoveState.MOVED]
    assert (server.names(TARGET), ledger.open_moves(OWNER)) == (["m0", "m1", "m2"], [])


def test_with_neither_move_nor_uidplus_nothing_is_opened_for_writing(ledger: Ledger) -> None:
    server, mailbox = a_server(move=False, uidplus=False)
    plan = plan_of(mailbox, [1, 2])
    server.log.clear()

    outcome = file_these(ledger, mailbox, plan, look_on=lambda: ModelMailbox(server))

    assert isinstance(outcome.stopped, MoveNotSupported)
    assert server.log == []


def test_exchange_2010_offers_move_and_does_not_know_it(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.trouble = always("MOVE", "bad")

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2]))

    assert server.names(TARGET) == ["m0", "m1"]
    assert outcome.complete


def test_a_refusal_stops_the_run_without_a_storm_of_tries(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.trouble = always("MOVE", "refuse")

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3]))

    assert isinstance(outcome.stopped, CommandRefused)
    assert server.log.count("MOVE") == 1
    assert states(ledger) == [MoveState.KEPT]


def test_a_read_only_folder_is_left_alone(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.boxes["INBOX"].read_only = True

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1]))

    assert isinstance(outcome.stopped, PermissionMissing)


# --- connections that break ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize("mischief", ["drop-before", "half", "drop-after", "copy-only", "late"])
@pytest.mark.parametrize("at", [1, 2])
def test_after_a_cut_nothing_is_lost_or_doubled_and_the_next_run_ends_as_an_undisturbed_one(
    ledger: Ledger, move: bool, mischief: str, at: int
) -> None:
    server, mailbox = a_server(move=move)
    server.trouble = once("MOVE" if move else "COPY", mischief, at=at)

    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]), reopen=lambda: ModelMailbox(server))
    server.carry_out_late()

    mailbox = ModelMailbox(server)
    recover_now(ledger, mailbox)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]))
    assert (server.names("INBOX"), server.names(TARGET)) == (["m4"], ["m0", "m1", "m2", "m3"])
    assert ledger.open_moves(OWNER) == []


def test_a_move_that_takes_effect_after_we_looked_is_still_in_the_journal(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.trouble = once("MOVE", "late", at=2)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3]), reopen=lambda: ModelMailbox(server))
    server.carry_out_late()
    recovered = recover_now(ledger, ModelMailbox(server))

    assert {n.ref.uid for n in outcome.unclear} == {2, 3}
    assert [s.state for s in recovered.reconciled] == [MoveState.MOVED] * 2


def test_without_a_new_connection_the_run_ends_and_says_so(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.trouble = once("MOVE", "drop-after", at=2)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3]))

    assert isinstance(outcome.stopped, ConnectionLost)
    assert ([r.uid for r in outcome.moved], [n.ref.uid for n in outcome.unclear]) == ([1], [2, 3])


def test_a_connection_is_renewed_three_times_at_most(ledger: Ledger) -> None:
    server, mailbox = a_server()
    server.trouble = always("STATUS", "drop-before")
    plan = plan_of(mailbox, [1])
    opened = 0

    def reopen() -> ModelMailbox:
        nonlocal opened
        opened += 1
        return ModelMailbox(server)

    outcome = file_these(ledger, mailbox, plan, reopen=reopen)

    assert opened == 3
    assert isinstance(outcome.stopped, ConnectionLost)


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_nothing_is_moved_that_could_not_be_written_down(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1, 2])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON moves BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )

    outcome = file_these(ledger, mailbox, plan)

    assert isinstance(outcome.stopped, LedgerUnusable)
    assert not {"MOVE", "COPY"} & set(server.log)


def test_a_disk_that_fills_up_after_the_move_stops_before_the_next(ledger: Ledger) -> None:
    server, mailbox = a_server()
    plan = plan_of(mailbox, [1, 2, 3])
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON moves BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )

    outcome = file_these(ledger, mailbox, plan)

    assert server.log.count("MOVE") == 1
    assert [n.ref.uid for n in outcome.unclear] == [1]
    assert "Make room" in str(outcome.stopped)


def test_a_second_run_sends_no_changing_command(ledger: Ledger) -> None:
    server, mailbox = a_server()
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2]))
    server.log.clear()

    recover_now(ledger, mailbox)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2]))

    assert not CHANGES & set(server.log)
