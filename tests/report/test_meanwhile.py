"""What others do in the moment of a move, on a model server that copies first and removes then, as real ones do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cleanup.ledger import Ledger, MoveState
from cleanup.model import Verdict
from cleanup.report.doubles import BEING_REMOVED
from cleanup.report.filing import FilingOutcome
from cleanup.report.mover import Batches
from tests.report.acts import OWNER, TARGET, file_these, plan_of, recover_now, undo_run
from tests.report.model_mailbox import Killed, Mail, ModelMailbox, ModelServer


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


def filed(ledger: Ledger, server: ModelServer, uids: list[int]) -> FilingOutcome:
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
def test_what_the_owner_moves_in_the_same_moment_is_where_he_moved_it(ledger: Ledger, move: bool) -> None:
    server = a_server(move=move)
    server.amid = once(lambda: copied(server, 1, "Archive"))

    outcome = filed(ledger, server, [1])

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], [])
    assert everywhere(server) == ["m0", "m1"]
    assert [gone.reason for gone in outcome.gone] == ["it is in Archive: somebody moved it at the same moment"]
    assert ledger.open_moves(OWNER) == []


def test_a_new_folder_that_is_numbered_twice_hides_no_double(ledger: Ledger) -> None:
    server = a_server()

    def moves_it_while_the_target_is_numbered() -> None:
        server.renumber(TARGET)
        copied(server, 1, "Archive")

    server.amid = once(moves_it_while_the_target_is_numbered)

    filed(ledger, server, [1])

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], [])


def test_what_the_owner_moves_while_an_undo_moves_it_is_put_back_once(ledger: Ledger) -> None:
    server = a_server()
    filed(ledger, server, [1])
    server.amid = once(lambda: copied(server, 1, "INBOX", TARGET))

    outcome = undo_run(ledger, ModelMailbox(server), ledger.runs()[0].run_id, look_on=lambda: ModelMailbox(server))

    assert len(outcome.put_back) == 1
    assert everywhere(server) == ["m0", "m1"]


def test_a_move_of_somebody_else_that_ends_after_ours_is_seen_too(ledger: Ledger) -> None:
    server = a_server()
    mail = server.boxes["INBOX"].mails[1]
    mailbox = ModelMailbox(server)
    plan, ends = plan_of(mailbox, [1]), once(lambda: _ended(server, mail))

    file_these(ledger, mailbox, plan, look_on=lambda: ModelMailbox(server), pause=lambda _: ends())

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], [])


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

    outcome = filed(ledger, server, [1])

    assert (server.names("Archive"), server.names(TARGET)) == (["m0"], ["m0"])
    assert "another one that was equal" in outcome.in_words()


def test_a_folder_that_only_shows_what_is_elsewhere_takes_nothing_away(ledger: Ledger) -> None:
    server = a_server(4)
    shown = server.boxes[TARGET]
    server.amid = lambda: server.boxes.update(Virtual=shown)

    outcome = filed(ledger, server, [1, 2, 3])

    assert server.names(TARGET) == ["m0", "m1", "m2"]
    assert all("\\Deleted" not in mail.flags for mail in shown.mails.values())
    assert (len(outcome.moved), outcome.doubled) == (3, ())


def test_what_the_owner_moves_back_at_once_is_genuine_from_now_on(ledger: Ledger) -> None:
    server = a_server()

    def moves_back() -> None:
        server.boxes["INBOX"].add(server.boxes[TARGET].mails.pop(1))

    server.amid = once(moves_back)

    filed(ledger, server, [1])

    assert server.names("INBOX") == ["m0", "m1"]
    assert list(ledger.labels(OWNER).values()) == [Verdict.GENUINE]


@pytest.mark.parametrize("at", range(1, 80))
def test_a_kill_while_one_of_two_is_removed_loses_nothing_and_leaves_no_mark(ledger: Ledger, at: int) -> None:
    server = a_server()
    server.amid = once(lambda: copied(server, 1, "Archive"))
    commands = 0

    def trouble(_: str) -> str | None:
        nonlocal commands
        commands += 1
        return "kill-before" if commands == at else None

    plan = plan_of(ModelMailbox(server), [1])
    server.trouble = trouble
    with contextlib.suppress(Killed):
        file_these(ledger, ModelMailbox(server), plan, look_on=lambda: ModelMailbox(server))
    server.trouble = lambda _: None

    recover_now(ledger, ModelMailbox(server))

    assert "m0" in everywhere(server)
    assert ledger.open_moves(OWNER) == []
    assert all("\\Deleted" not in mail.flags for box in server.boxes.values() for mail in box.mails.values())


def test_a_mark_is_written_down_before_it_is_set(ledger: Ledger) -> None:
    server = a_server()
    server.amid = once(lambda: copied(server, 1, "Archive"))
    plan = plan_of(ModelMailbox(server), [1])
    server.trouble = lambda name: "kill-before" if name == "STORE" else None
    with pytest.raises(Killed):
        file_these(ledger, ModelMailbox(server), plan, look_on=lambda: ModelMailbox(server))

    assert [(m.state, m.note) for m in ledger.open_moves(OWNER)] == [(MoveState.UNCLEAR, BEING_REMOVED)]


class OwnerMovesTheMarked(ModelMailbox):
    """A mailbox whose owner moves a message out of the target in the moment in which we have marked it."""

    has_moved: bool = False

    def mark_deleted(self, uids: Sequence[int]) -> None:
        super().mark_deleted(uids)
        target = self.server.boxes[TARGET]
        waiting, self.has_moved = [] if self.has_moved else uids, True
        for uid in waiting:
            if uid in target.mails:
                self.server.boxes["INBOX"].add(target.mails[uid])
                target.expunge(uid)


def test_what_the_owner_moves_while_it_is_marked_loses_the_mark(ledger: Ledger) -> None:
    server = a_server()
    server.amid = once(lambda: copied(server, 1, "Archive"))
    mailbox = OwnerMovesTheMarked(server)

    file_these(ledger, mailbox, plan_of(mailbox, [1]), look_on=lambda: ModelMailbox(server))

    assert (server.names("Archive"), server.names(TARGET), server.names("INBOX")) == (["m0"], [], ["m0", "m1"])
    assert not any("\\Deleted" in mail.flags for box in server.boxes.values() for mail in box.mails.values())
