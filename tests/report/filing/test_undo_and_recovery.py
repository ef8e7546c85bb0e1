from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.errors import UsageError
from cleanup.ledger import Ledger, MoveState
from cleanup.model import Verdict
from cleanup.report.filing.execute import file_all
from cleanup.report.filing.journal import Journal
from cleanup.report.filing.recovery import BEING_REMOVED
from tests.report.filing.acts import OWNER, TARGET, file_these, plan_of, recover_now, undo_run
from tests.report.filing.model_mailbox import Killed, Mail, ModelMailbox, ModelServer
from tests.report.filing.test_filing import CHANGES, a_server, once


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def a_filed_server(ledger: Ledger, **abilities: bool) -> tuple[ModelServer, ModelMailbox, int]:
    server, mailbox = a_server(**abilities)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]))
    return server, mailbox, ledger.runs()[0].run_id


def killed(ledger: Ledger, server: ModelServer) -> None:
    mailbox = ModelMailbox(server)
    with pytest.raises(Killed):
        file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]))
    server.trouble = lambda _: None


# --- undo ----------------------------------------------------------------------------------------------------------


def test_undo_puts_everything_back_and_no_run_files_it_again(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)

    outcome = undo_run(ledger, mailbox, run)

    assert server.names("INBOX") == ["m0", "m1", "m2", "m3", "m4"]
    assert [ref.uid for ref in outcome.put_back] == [1, 2, 3, 4]
    assert set(ledger.labels(OWNER).values()) == {Verdict.UNSURE}
    assert ledger.last_filing(OWNER) is None


def test_undo_tells_how_far_it_is_over_all_folders(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    server.make("Junk")
    for number in range(2):
        server.arrive(f"junk{number}", "Junk")
    journal = Journal(ledger, run, OWNER)
    file_all(plan_of(mailbox, [1, 2], source="Junk"), mailbox, journal)
    told: list[tuple[str, int, int]] = []

    undo_run(ledger, mailbox, run, progress=lambda *how: told.append(how))

    assert [done for _, done, _ in told] == [0, 1, 4, 4, 5, 6]
    assert {(stage, total) for stage, _, total in told} == {("Putting back", 6)}


def test_a_second_undo_has_nothing_left_to_do(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    undo_run(ledger, mailbox, run)
    server.log.clear()

    again = undo_run(ledger, mailbox, run)

    assert (again.put_back, again.not_put_back) == ((), ())
    assert not CHANGES & set(server.log)


def test_undo_finds_messages_by_fingerprint_after_a_renumbering(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    server.renumber(TARGET)
    server.renumber("INBOX")

    outcome = undo_run(ledger, mailbox, run)

    assert len(outcome.put_back) == 4
    assert server.names(TARGET) == []


def test_undo_of_a_folder_that_was_renamed_copies_back_out_of_it(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    before = server.names(TARGET)
    server.boxes["Old"] = server.boxes.pop(TARGET)

    renamed = undo_run(ledger, mailbox, run)

    assert len(renamed.put_back) == 4
    assert "4 are in Old, too" in renamed.in_words()
    assert (server.names("Old"), set(before) <= set(server.names("INBOX"))) == (before, True)


def test_undo_says_what_is_in_no_folder_any_more(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    del server.boxes[TARGET]

    outcome = undo_run(ledger, mailbox, run)

    assert {one.reason for one in outcome.not_put_back} == {f"no folder {TARGET} any more, and in no other one"}


def test_undo_never_takes_what_it_did_not_file(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    server.arrive("the owner's own", TARGET)
    server.renumber(TARGET)

    undo_run(ledger, mailbox, run)

    assert server.names(TARGET) == ["the owner's own"]


def test_of_two_equal_messages_each_undo_takes_its_own(ledger: Ledger) -> None:
    server = ModelServer()
    for _ in range(3):
        server.arrive("same")
    mailbox = ModelMailbox(server)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3]))
    run = ledger.runs()[0].run_id

    undo_run(ledger, mailbox, run, only=(2,))

    assert (server.names("INBOX"), server.names(TARGET)) == (["same"], ["same", "same"])
    assert [m.state for m in ledger.moves(run_id=run)] == [MoveState.MOVED, MoveState.UNDONE, MoveState.MOVED]


def test_flags_set_since_the_filing_are_kept_by_undo(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    for uid, mail in server.boxes[TARGET].mails.items():
        server.boxes[TARGET].mails[uid] = type(mail)(mail.name, mail.arrived, frozenset({"\\Flagged"}))

    undo_run(ledger, mailbox, run)

    back = [mail for mail in server.boxes["INBOX"].mails.values() if mail.name != "m4"]
    assert {mail.flags for mail in back} == {frozenset({"\\Flagged"})}


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize("mischief", ["drop-before", "half", "drop-after", "copy-only", "late"])
def test_an_undo_that_was_cut_off_is_finished_by_the_next(ledger: Ledger, move: bool, mischief: str) -> None:
    server, mailbox, run = a_filed_server(ledger, move=move)
    server.trouble = once("MOVE" if move else "COPY", mischief, at=2)

    undo_run(ledger, mailbox, run, reopen=lambda: ModelMailbox(server))
    server.carry_out_late()
    undo_run(ledger, ModelMailbox(server), run)

    assert (server.names("INBOX"), server.names(TARGET)) == (["m0", "m1", "m2", "m3", "m4"], [])
    assert {m.state for m in ledger.moves(run_id=run)} == {MoveState.UNDONE}
    assert len(ledger.labels(OWNER)) == 4


def test_what_an_undo_that_was_killed_had_put_back_is_told_by_the_next(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    server.trouble = once("MOVE", "kill-after")
    with pytest.raises(Killed):
        undo_run(ledger, mailbox, run)
    server.trouble = lambda _: None

    told = undo_run(ledger, ModelMailbox(server), run).in_words()

    assert told.splitlines() == [
        "Of an earlier run that was cut off, 1 message had arrived.",
        f"3 messages of run {run} were put back.",
    ]


@pytest.mark.parametrize("then", ["run", "undo"])
def test_what_an_undo_that_was_killed_had_copied_back_is_said_to_be_in_both(ledger: Ledger, then: str) -> None:
    server, mailbox, run = a_filed_server(ledger)
    server.boxes["Old"] = server.boxes.pop(TARGET)
    server.trouble = once("COPY", "kill-after")
    with pytest.raises(Killed):
        undo_run(ledger, mailbox, run)
    server.trouble = lambda _: None

    mailbox = ModelMailbox(server)
    told = (recover_now(ledger, mailbox) if then == "run" else undo_run(ledger, mailbox, run)).in_words()

    assert "1 message had been copied back from Old to INBOX. Nothing was removed from Old." in told


def test_the_inbox_cannot_be_undone_into_a_run_that_never_was(ledger: Ledger) -> None:
    _, mailbox, _ = a_filed_server(ledger)

    with pytest.raises(UsageError, match="no run 99"):
        undo_run(ledger, mailbox, 99)


# --- recovery ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize(
    "command", ["MOVE", "COPY", "STORE", "EXPUNGE", "STATUS", "SELECT", "EXAMINE", "SEARCH", "FETCH"]
)
@pytest.mark.parametrize("when", ["kill-before", "kill-after"])
@pytest.mark.parametrize("at", [1, 2])
def test_a_kill_at_any_command_ends_as_an_undisturbed_run(
    ledger: Ledger, move: bool, command: str, when: str, at: int
) -> None:
    server, mailbox = a_server(move=move)
    plan = plan_of(mailbox, [1, 2, 3, 4])
    server.trouble = once(command, when, at=at)
    try:
        file_these(ledger, mailbox, plan)
    except Killed:
        server.trouble = lambda _: None

    mailbox = ModelMailbox(server)
    recovered = recover_now(ledger, mailbox)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]))

    assert recovered.stopped is None
    assert (server.names("INBOX"), server.names(TARGET)) == (["m4"], ["m0", "m1", "m2", "m3"])
    assert sum(m.state is MoveState.MOVED for m in ledger.moves(mailbox=OWNER)) == 4


def test_a_half_copied_message_is_finished_and_not_copied_twice(ledger: Ledger) -> None:
    server, _ = a_server(move=False)
    server.trouble = once("STORE", "kill-before")
    killed(ledger, server)
    assert server.names("INBOX").count("m0") == server.names(TARGET).count("m0") == 1

    recovered = recover_now(ledger, ModelMailbox(server))

    assert [s.state for s in recovered.reconciled] == [MoveState.MOVED]
    assert "m0" not in server.names("INBOX")


@pytest.mark.parametrize("command, at", [("STORE", 1), ("EXPUNGE", 1), ("STORE", 2), ("STORE", 3), ("EXPUNGE", 2)])
@pytest.mark.parametrize("when", ["kill-before", "kill-after"])
def test_a_kill_while_it_is_tried_what_is_expunged_ends_as_an_undisturbed_run(
    ledger: Ledger, command: str, at: int, when: str
) -> None:
    server, _ = a_server(move=False)
    server.arrive("the owner's own", "INBOX", "\\Deleted")
    server.trouble = once(command, when, at=at)
    killed(ledger, server)

    mailbox = ModelMailbox(server)
    recovered = recover_now(ledger, mailbox)
    file_these(ledger, mailbox, plan_of(mailbox, [1, 2, 3, 4]))

    assert recovered.stopped is None
    assert (server.names("INBOX"), server.names(TARGET)) == (["m4", "the owner's own"], ["m0", "m1", "m2", "m3"])
    marked = {mail.name for box in server.boxes.values() for mail in box.mails.values() if "\\Deleted" in mail.flags}
    assert marked == {"the owner's own"}


@pytest.mark.parametrize("yours_are_gone", [True, False])
@pytest.mark.parametrize("command, at", [("EXPUNGE", 1), ("STORE", 2)])
def test_what_was_tried_on_a_copy_leaves_no_mark_on_it_though_its_folder_was_renumbered(
    ledger: Ledger, command: str, at: int, yours_are_gone: bool
) -> None:
    """Found by the machine: the copy kept our mark, or was left in both folders for ever."""
    server, _ = a_server(move=False)
    yours = server.arrive("the owner's own", "INBOX", "\\Deleted")
    server.trouble = once(command, "kill-before", at=at)
    killed(ledger, server)
    assert "\\Deleted" in server.boxes[TARGET].mails[1].flags
    server.renumber(TARGET)
    if yours_are_gone:
        server.boxes["INBOX"].expunge(yours)

    recovered = recover_now(ledger, ModelMailbox(server))

    assert [one.state for one in recovered.reconciled] == [MoveState.MOVED]
    assert server.names(TARGET) == ["m0"] and "m0" not in server.names("INBOX")
    assert not any("\\Deleted" in mail.flags for mail in server.boxes[TARGET].mails.values())


def test_a_folder_that_was_renumbered_meanwhile_is_never_expunged_by_number(ledger: Ledger) -> None:
    server, _ = a_server(move=False)
    server.trouble = once("STORE", "kill-before")
    killed(ledger, server)
    server.renumber("INBOX")

    recovered = recover_now(ledger, ModelMailbox(server))

    assert [s.state for s in recovered.reconciled] == [MoveState.UNCLEAR]
    assert "INBOX was renumbered meanwhile" in recovered.in_words()
    assert len(server.names("INBOX")) == 5


def test_what_the_owner_moved_back_is_genuine_and_what_he_deleted_is_noted(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    back = server.boxes[TARGET].mails.pop(1)
    server.boxes["INBOX"].add(back)
    del server.boxes[TARGET].mails[2]

    recovered = recover_now(ledger, mailbox)
    again = recover_now(ledger, mailbox)

    assert [r.intent.uid for r in recovered.returned] == [1]
    assert ledger.labels(OWNER) == {back.fingerprint.digest: Verdict.GENUINE}
    assert [m.state for m in ledger.moves(run_id=run)][:2] == [MoveState.RETURNED, MoveState.LOST_SIGHT]
    assert again.returned == ()


@pytest.mark.parametrize("what", ["renumbered", "deleted"])
def test_a_target_that_was_renumbered_or_deleted_says_nothing_of_single_messages(ledger: Ledger, what: str) -> None:
    server, mailbox, run = a_filed_server(ledger)
    if what == "renumbered":
        server.renumber(TARGET)
    else:
        del server.boxes[TARGET]

    assert recover_now(ledger, mailbox).returned == ()
    assert {m.state for m in ledger.moves(run_id=run)} == {MoveState.MOVED}


def test_a_new_ledger_sends_nothing(ledger: Ledger) -> None:
    server, mailbox = a_server()

    recover_now(ledger, mailbox)

    assert server.log == []


def test_the_mark_of_an_older_version_that_was_killed_while_it_removed_is_taken_off(ledger: Ledger) -> None:
    server, mailbox, run = a_filed_server(ledger)
    first = ledger.moves(run_id=run)[0]
    mail = server.boxes[TARGET].mails[first.target_uid]
    server.boxes[TARGET].mails[first.target_uid] = Mail(mail.name, mail.arrived, mail.flags | {"\\Deleted"})
    ledger.advance([(first.move_id, MoveState.UNCLEAR, first.target_uid, BEING_REMOVED)])

    recover_now(ledger, mailbox)

    assert not any("\\Deleted" in mail.flags for mail in server.boxes[TARGET].mails.values())
    assert {move.state for move in ledger.moves(run_id=run)} == {MoveState.MOVED}
