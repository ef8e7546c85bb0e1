"""What others do in the moment of a move, on a model server that copies first and removes then, as real ones do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.connector.mailbox import MessageState
from cleanup.ledger import Ledger, MoveState
from cleanup.model import Verdict
from cleanup.report.filing.execute import Batches, MoveResults
from tests.report.filing.acts import OWNER, TARGET, file_these, plan_of, recover_now, undo_run
from tests.report.filing.model_mailbox import Killed, Mail, ModelMailbox, ModelServer


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def a_server(count: int = 2, *, move: bool = True) -> ModelServer:
    server = ModelServer(move=move)
    server.make("Archive")
    server.make(TARGET)
    for number in range(count):
        server.arrive(f"m{number}", "INBOX", "\\Seen")
    return server


def once(act: Callable[[], None]) -> Callable[[], None]:
    left = [act]
    return lambda: left.pop()() if left else None


def filed(ledger: Ledger, server: ModelServer, uids: list[int]) -> MoveResults:
    mailbox = ModelMailbox(server)
    return file_these(ledger, mailbox, plan_of(mailbox, uids), look_on=lambda: ModelMailbox(server))


def copied(server: ModelServer, uid: int, target: str, source: str = "INBOX") -> Mail:
    """Let a message come into a folder, as the other half of somebody else's move."""
    mail = server.boxes[source].mails[uid]
    server.boxes[target].add(mail)
    return mail


def everywhere(server: ModelServer) -> list[str]:
    return sorted(name for folder in server.boxes for name in server.names(folder))


def flagged(server: ModelServer, uid: int, *flags: str, folder: str = "INBOX") -> None:
    mail = server.boxes[folder].mails[uid]
    server.boxes[folder].mails[uid] = Mail(mail.name, mail.arrived, frozenset(flags))


@pytest.mark.parametrize("move", [True, False])
def test_what_you_move_in_the_same_moment_is_in_both_folders_and_told(ledger: Ledger, move: bool) -> None:
    """It may be your move, or a copy that the server keeps there by itself: nobody can tell, so nothing is removed."""
    server = a_server(move=move)
    server.amid = once(lambda: copied(server, 1, "Archive"))

    outcome = filed(ledger, server, [1])

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], ["m0"])
    assert (len(outcome.moved), outcome.complete) == (1, True)
    assert "1 is in Archive, too" in outcome.in_words()
    assert ledger.open_moves(OWNER) == []


def test_what_two_machines_move_at_once_is_twice_in_the_folder_and_told(ledger: Ledger) -> None:
    server = a_server()
    server.amid = once(lambda: copied(server, 1, TARGET))

    outcome = filed(ledger, server, [1])

    assert server.names(TARGET) == ["m0", "m0"]
    assert f"1 is in {TARGET}, too" in outcome.in_words()


def test_what_is_only_in_another_folder_was_moved_by_somebody_else(ledger: Ledger) -> None:
    server = a_server()

    def takes_it_from_the_target() -> None:
        copied(server, 1, "Archive")
        server.boxes[TARGET].mails.clear()

    server.amid = once(takes_it_from_the_target)

    outcome = filed(ledger, server, [1])

    assert [one.reason for one in outcome.gone] == ["in Archive now: somebody moved or deleted it at the same moment"]


def test_an_undo_puts_back_what_somebody_else_moved_in_the_moment_of_the_move(ledger: Ledger) -> None:
    server = a_server()

    def takes_it_from_the_target() -> None:
        copied(server, 1, "Archive")
        server.boxes[TARGET].mails.clear()

    server.amid = once(takes_it_from_the_target)
    filed(ledger, server, [1])

    outcome = undo_run(ledger, ModelMailbox(server), 1)

    assert (server.names("INBOX"), server.names("Archive")) == (["m0", "m1"], ["m0"])
    assert "1 message of run 1 was put back" in outcome.in_words()
    assert "1 is in Archive, too" in outcome.in_words()


def test_an_undo_copies_back_what_you_have_moved_on_and_takes_nothing_away(ledger: Ledger) -> None:
    server = a_server()
    filed(ledger, server, [1, 2])
    server.boxes["Archive"].add(server.boxes[TARGET].mails.pop(1))

    outcome = undo_run(ledger, ModelMailbox(server), 1)
    again = undo_run(ledger, ModelMailbox(server), 1)

    assert (server.names("INBOX"), server.names("Archive"), server.names(TARGET)) == (["m0", "m1"], ["m0"], [])
    assert (len(outcome.put_back), len(again.put_back), again.not_put_back) == (2, 0, ())


def test_an_undo_that_dies_while_it_copies_back_takes_nothing_away(ledger: Ledger) -> None:
    server = a_server()
    filed(ledger, server, [1])
    server.boxes["Archive"].add(server.boxes[TARGET].mails.pop(1))
    server.trouble = lambda name: "kill-after" if name == "COPY" else None
    with pytest.raises(Killed):
        undo_run(ledger, ModelMailbox(server), 1)
    server.trouble = lambda _: None

    recovered = recover_now(ledger, ModelMailbox(server))

    assert [one.state for one in recovered.reconciled] == [MoveState.MOVED]
    assert (server.names("INBOX"), server.names("Archive")) == (["m0", "m1"], ["m0"])
    assert [m.state for m in ledger.moves(run_id=1)] == [MoveState.UNDONE]


def test_a_move_of_somebody_else_that_ends_after_ours_is_seen_too(ledger: Ledger) -> None:
    server = a_server()
    mail = server.boxes["INBOX"].mails[1]
    mailbox = ModelMailbox(server)
    plan, ends = plan_of(mailbox, [1]), once(lambda: _ended(server, mail))

    outcome = file_these(ledger, mailbox, plan, look_on=lambda: ModelMailbox(server), pause=lambda _: ends())

    assert "1 is in Archive, too" in outcome.in_words()


def _ended(server: ModelServer, mail: Mail) -> None:
    server.boxes["Archive"].add(mail)


@pytest.mark.parametrize("move", [True, False])
def test_a_flag_that_is_set_in_the_moment_of_the_move_goes_along(ledger: Ledger, move: bool) -> None:
    server = a_server(move=move)
    server.amid = once(lambda: flagged(server, 1, "\\Flagged"))

    filed(ledger, server, [1])

    assert server.boxes[TARGET].mails[1].flags == {"\\Flagged"}


def test_a_flag_that_the_owner_changes_at_the_target_stays_as_he_wants_it(ledger: Ledger) -> None:
    server = a_server()
    server.amid = once(lambda: flagged(server, 1, "\\Flagged", "\\Seen", folder=TARGET))

    filed(ledger, server, [1])

    assert server.boxes[TARGET].mails[1].flags == {"\\Flagged", "\\Seen"}


class HearsOldNews(ModelMailbox):
    """A connection over a proxy that tells flags of an hour ago, and then that they are gone."""

    def flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        super().flags(uids)
        return dict.fromkeys(uids, ("\\Flagged", "\\Seen"))

    def last_flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        super().flags(uids)
        return dict.fromkeys(uids, ())


def test_flags_are_not_changed_on_the_word_of_the_second_connection_alone(ledger: Ledger) -> None:
    server = a_server()
    mailbox = ModelMailbox(server)

    file_these(ledger, mailbox, plan_of(mailbox, [1]), look_on=lambda: HearsOldNews(server))

    assert server.boxes[TARGET].mails[1].flags == {"\\Seen"}


class TellsNewFlags(ModelMailbox):
    """A connection over a proxy that tells of a change that nobody made, once the messages are gone."""

    def last_flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        super().flags(uids)
        return dict.fromkeys(uids, ("\\Seen", "\\Flagged"))


def test_new_flags_of_all_at_once_are_told_and_not_believed(ledger: Ledger) -> None:
    server = a_server(20)
    mailbox = ModelMailbox(server)
    uids, ten = list(range(1, 12)), Batches(first=10, usual=10, large=10)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, uids), look_on=lambda: TellsNewFlags(server), batches=ten)

    flagged = [mail for mail in server.boxes[TARGET].mails.values() if "\\Flagged" in mail.flags]
    assert len(flagged) == 1  # of the first batch, which is one message
    assert len(outcome.altered) == 10
    assert "10 of them are not quite as they were (the server tells new flags of most of them" in outcome.in_words()


def test_flags_that_cannot_be_mended_are_told_and_stop_nothing(ledger: Ledger) -> None:
    server = a_server(4)
    server.amid = once(lambda: flagged(server, 1, "\\Flagged"))
    server.trouble = lambda name: "refuse" if name == "STORE" else None

    outcome = filed(ledger, server, [1, 2, 3])

    assert outcome.complete
    assert len(outcome.moved) == 3
    assert [m.note for m in ledger.moves(run_id=1) if m.note] == [
        "flags that were changed in the moment of the move are lost: STORE refused"
    ]


def test_of_two_equal_messages_the_owner_may_move_one(ledger: Ledger) -> None:
    server = a_server()
    server.boxes["INBOX"].add(server.boxes["INBOX"].mails[1])

    def moves_the_other() -> None:
        server.boxes["Archive"].add(server.boxes["INBOX"].mails.pop(3))

    server.amid = once(moves_the_other)

    filed(ledger, server, [1])

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], ["m0"])


@pytest.mark.parametrize("move", [True, False])
def test_a_folder_that_only_shows_what_is_elsewhere_takes_nothing_away(ledger: Ledger, move: bool) -> None:
    server = a_server(4, move=move)
    shown = server.boxes[TARGET]
    server.amid = lambda: server.boxes.update(Virtual=shown)

    outcome = filed(ledger, server, [1, 2, 3])

    assert server.names(TARGET) == ["m0", "m1", "m2"]
    assert all("\\Deleted" not in mail.flags for mail in shown.mails.values())
    assert (len(outcome.moved), outcome.complete) == (3, True)
    assert "3 are in Virtual, too" in outcome.in_words()


def test_what_the_owner_moves_back_at_once_is_genuine_from_now_on(ledger: Ledger) -> None:
    server = a_server()

    def moves_back() -> None:
        server.boxes["INBOX"].add(server.boxes[TARGET].mails.pop(1))

    server.amid = once(moves_back)

    filed(ledger, server, [1])

    assert server.names("INBOX") == ["m0", "m1"]
    assert list(ledger.labels(OWNER).values()) == [Verdict.GENUINE]


def test_a_copy_of_what_another_machine_had_just_marked_loses_the_mark(ledger: Ledger) -> None:
    server = a_server(move=False)

    def marks_before_the_copy(name: str) -> None:
        if name == "COPY":
            flagged(server, 1, "\\Seen", "\\Deleted")

    server.trouble = marks_before_the_copy

    outcome = filed(ledger, server, [1])

    assert outcome.complete, outcome.in_words()
    assert server.boxes[TARGET].mails[1].flags == {"\\Seen"}


def moved(server: ModelServer, uid: int, source: str, target: str) -> None:
    server.boxes[target].add(server.boxes[source].mails.pop(uid))


@pytest.mark.parametrize("move", [True, False])
@pytest.mark.parametrize("flags", [("\\Seen", "\\Flagged"), ()], ids=["set", "cleared"])
def test_a_flag_of_that_moment_goes_along_to_where_you_moved_the_message_on(
    ledger: Ledger, move: bool, flags: tuple[str, ...]
) -> None:
    server = a_server(move=move)

    def flags_it_and_moves_the_copy_on() -> None:
        flagged(server, 1, *flags, *(() if move else ("\\Deleted",)))  # which is our mark
        moved(server, 1, TARGET, "Archive")

    act = once(flags_it_and_moves_the_copy_on)
    if move:
        server.amid = act
    else:
        server.trouble = lambda name: act() if name == "EXPUNGE" else None

    filed(ledger, server, [1])

    assert [set(mail.flags) for mail in server.boxes["Archive"].mails.values()] == [set(flags)]


def test_what_you_moved_on_and_flagged_yourself_keeps_your_flags(ledger: Ledger) -> None:
    server = a_server()

    def flags_it_and_the_copy_otherwise() -> None:
        flagged(server, 1, "\\Seen", "\\Flagged")
        flagged(server, 1, "\\Answered", folder=TARGET)
        moved(server, 1, TARGET, "Archive")

    server.amid = once(flags_it_and_the_copy_otherwise)

    filed(ledger, server, [1])

    assert server.boxes["Archive"].mails[1].flags == {"\\Answered"}


def test_your_copy_of_what_we_had_just_marked_loses_the_mark(ledger: Ledger) -> None:
    server = a_server(move=False)

    def copies_what_is_marked(name: str) -> None:
        if name == "EXPUNGE" and not server.names("Archive"):
            copied(server, 1, "Archive")

    server.trouble = copies_what_is_marked

    outcome = filed(ledger, server, [1])

    assert server.boxes["Archive"].mails[1].flags == {"\\Seen"}
    assert "1 is in Archive, too" in outcome.in_words()


@pytest.mark.parametrize("folder", ["Archive", "INBOX", None])
def test_an_original_whose_copy_is_gone_by_now_stays(ledger: Ledger, folder: str | None) -> None:
    """The copy is moved, moved back, or deleted while the original bears our mark: it may be the last one there is."""
    server = a_server(4, move=False)
    marked = iter([False, True])

    def takes_the_copy(name: str) -> None:
        if name == "STORE" and next(marked, False):  # of the second batch
            copy = server.boxes[TARGET].mails.pop(2)
            if folder:
                server.boxes[folder].add(copy)

    server.trouble = takes_the_copy

    outcome = filed(ledger, server, [1, 2, 3])

    inbox = server.boxes["INBOX"].mails
    assert server.names("INBOX") == (["m1", "m1", "m3"] if folder == "INBOX" else ["m1", "m3"])
    assert inbox[2].name == "m1"
    assert all("\\Deleted" not in mail.flags for mail in inbox.values())
    assert [len(outcome.moved), outcome.stopped] == [2, None]
    assert "its copy in Backscatter was moved or deleted at the same moment, so it stays in INBOX" in outcome.in_words()
    assert list(ledger.labels(OWNER).values()) == [Verdict.GENUINE]
    assert ledger.open_moves(OWNER) == []


def test_a_copy_that_is_gone_while_it_is_put_back_leaves_the_filed_one(ledger: Ledger) -> None:
    server = a_server(2, move=False)
    filed(ledger, server, [1])
    server.trouble = lambda name: server.boxes["INBOX"].mails.pop(3, None) and None if name == "STORE" else None

    outcome = undo_run(ledger, ModelMailbox(server), 1)

    assert (server.names("INBOX"), server.names(TARGET)) == (["m1"], ["m0"])
    assert "so it stays in Backscatter" in outcome.in_words()
    assert all("\\Deleted" not in mail.flags for mail in server.boxes[TARGET].mails.values())


class SawItBefore(ModelMailbox):
    """A connection whose look at the source was answered before you cleared a flag there."""

    def fingerprints(self, folder: str, uids: Sequence[int]) -> dict[int, MessageState]:
        seen = super().fingerprints(folder, uids)
        return {uid: replace(one, flags=("\\Seen",)) for uid, one in seen.items()} if folder == "INBOX" else seen


@pytest.mark.parametrize("move", [True, False])
def test_a_flag_that_you_cleared_after_our_look_is_not_one_that_the_target_does_not_take(
    ledger: Ledger, move: bool
) -> None:
    server = a_server(move=move)
    mailbox = SawItBefore(server)
    flagged(server, 1)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1]), look_on=lambda: ModelMailbox(server))
    undo_run(ledger, ModelMailbox(server), 1)

    assert outcome.altered == ()
    assert [mail.flags for mail in server.boxes["INBOX"].mails.values() if mail.name == "m0"] == [frozenset()]
