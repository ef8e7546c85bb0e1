"""Servers that do to other messages what they are told to do to one: found out with the first, and said."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.report.filing.execute import MoveResults
from tests.report.filing.acts import TARGET, file_these, plan_of, recover_now, undo_run
from tests.report.filing.on_server import a_message
from tests.report.filing.test_lies_about_moving import a_mailbox, filled, messages
from tests.servers.lying import CAPABILITIES, WATCHED, Box, Lie, LyingServer, Session, lying_server, uid_set

WITHOUT_MOVE = CAPABILITIES.replace(b" MOVE", b"")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def filed(ledger: Ledger, server: LyingServer, *lies: Lie) -> MoveResults:
    with ExitStack() as stack:
        mailbox = stack.enter_context(a_mailbox(server))
        plan = plan_of(mailbox, [1, 2, 3, 4])
        server.lies += lies
        return file_these(ledger, mailbox, plan, look_on=lambda: stack.enter_context(a_mailbox(server)))


def with_nine_marked(server: LyingServer) -> None:
    for number in range(50, 59):
        server.folders["INBOX"].add(a_message(number), {"\\Deleted"})


def _expunges_all_that_is_marked(session: Session, name: str, _: list[bytes]) -> bool:
    if name != "UID EXPUNGE":
        return False
    session.box.mails = [mail for mail in session.box.mails if "\\Deleted" not in mail.flags]
    session.done()
    return True


def test_a_uid_expunge_that_ignores_its_set_is_found_out_on_our_own_copy(ledger: Ledger) -> None:
    """It took along nine messages that the owner had marked: it is tried first on a copy whose original is there."""
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)
        with_nine_marked(server)
        before = list(server.folders["INBOX"].mails)

        outcome = filed(ledger, server, _expunges_all_that_is_marked)

        assert server.folders["INBOX"].mails == before
        assert sum("\\Deleted" in mail.flags for mail in before) == 9
        assert (server.folders[TARGET].mails, outcome.moved) == ([], ())
        assert "the server expunged in Backscatter what it was not told to" in str(outcome.stopped)
        assert server.commands.count("UID EXPUNGE") == 1
        with a_mailbox(server) as mailbox:
            assert recover_now(ledger, mailbox).stopped is None
        assert server.folders["INBOX"].mails == before


def test_a_uid_expunge_that_heeds_its_set_is_tried_once_and_goes_on(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        before = filled(server)
        with_nine_marked(server)
        before = messages(server)

        outcome = filed(ledger, server)

        assert outcome.complete and len(outcome.moved) == 4
        assert messages(server) == before
        assert sum("\\Deleted" in mail.flags for mail in server.folders["INBOX"].mails) == 9
        assert not any("\\Deleted" in mail.flags for mail in server.folders[TARGET].mails)
        assert server.commands.count("UID EXPUNGE") == 1 + 2  # and one for each batch


def test_where_you_marked_messages_in_both_folders_nothing_can_be_tried_and_nothing_is_expunged(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)
        with_nine_marked(server)
        server.folders[TARGET].add(a_message(70), {"\\Deleted"})
        before = messages(server)

        outcome = filed(ledger, server)

        assert "UID EXPUNGE" not in server.commands
        assert before - messages(server) == Counter()
        assert str(outcome.stopped).startswith("Messages came into Backscatter and could not be taken from INBOX")
        assert "9 other messages in INBOX and 1 in Backscatter are marked as deleted" in str(outcome.stopped)
        assert [sum("\\Deleted" in mail.flags for mail in server.folders[f].mails) for f in ("INBOX", TARGET)] == [9, 1]


def test_marks_in_both_folders_hinder_nothing_where_moves_were_seen_to_work(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)
        with a_mailbox(server) as mailbox:
            assert file_these(ledger, mailbox, plan_of(mailbox, [1])).complete
        with_nine_marked(server)
        server.folders[TARGET].add(a_message(70), {"\\Deleted"})
        before = messages(server)

        with a_mailbox(server) as mailbox:
            outcome = file_these(ledger, mailbox, plan_of(mailbox, [2, 3, 4]))

        assert outcome.complete, outcome.in_words()
        assert messages(server) == before
        assert [sum("\\Deleted" in mail.flags for mail in server.folders[f].mails) for f in ("INBOX", TARGET)] == [9, 1]


def test_two_names_of_one_message_are_seen_before_anything_is_tried(ledger: Ledger) -> None:
    def marks_both(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "UID STORE" and args[1].startswith(b"+"):
            session.server.folders["INBOX"].mails[0].flags.add("\\Deleted")
        if name == "UID STORE" and args[1].startswith(b"-"):
            session.server.folders["INBOX"].mails[0].flags.discard("\\Deleted")
        return False

    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)
        with_nine_marked(server)

        outcome = filed(ledger, server, marks_both)

        assert "UID EXPUNGE" not in server.commands
        assert "show one and the same message" in str(outcome.stopped)
        assert sum("\\Deleted" in mail.flags for mail in server.folders["INBOX"].mails) == 9


def _marks_everything(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID STORE" or not args[1].startswith(b"+"):
        return False
    for mail in session.box.mails:
        mail.flags.add("\\Deleted")
    session.done()
    return True


def test_a_store_that_marks_everything_is_taken_back_and_nothing_is_expunged(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        before = filled(server)
        inbox = server.folders["INBOX"]
        for number in range(50, 59):
            inbox.add(a_message(number))
        before = messages(server)

        outcome = filed(ledger, server, _marks_everything)

        assert before - messages(server) == Counter()
        assert "UID EXPUNGE" not in server.commands
        assert not any("\\Deleted" in mail.flags for mail in inbox.mails)
        assert "marked 14 more" in outcome.in_words() or "marked" in str(outcome.stopped)
        assert outcome.moved == ()


def _moves_everything(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate({mail.uid for mail in session.box.mails}, args[1].decode(), keep=False)
    session.done()
    return True


def test_a_move_that_takes_everything_along_is_noticed_with_the_first_message(ledger: Ledger) -> None:
    with lying_server(capabilities=WATCHED) as server:
        before = filled(server)
        count = len(server.folders["INBOX"].mails)

        outcome = filed(ledger, server, _moves_everything)

        assert f"{count - 1} other messages left INBOX while 1 message was moved" in str(outcome.stopped)
        assert "Look for them, in Backscatter first" in outcome.stopped.hint
        assert messages(server) == before


def _moves_from_the_first_to_the_last(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    named = uid_set(args[0], session.box)
    session.relocate(
        {m.uid for m in session.box.mails if min(named) <= m.uid <= max(named)}, args[1].decode(), keep=False
    )
    session.done()
    return True


def test_a_move_that_takes_a_set_for_a_range_is_noticed_with_the_first_set(ledger: Ledger) -> None:
    with lying_server(capabilities=WATCHED) as server:
        filled(server)
        with a_mailbox(server) as mailbox:
            plan = plan_of(mailbox, [1, 2, 4])
            server.lies.append(_moves_from_the_first_to_the_last)
            outcome = file_these(ledger, mailbox, plan)

        assert "1 other message left INBOX while 2 messages were moved" in str(outcome.stopped)


def test_what_you_move_elsewhere_at_the_same_moment_stops_nothing(ledger: Ledger) -> None:
    def moves_two_to_the_trash(session: Session, name: str, _: list[bytes]) -> bool:
        inbox = session.server.folders["INBOX"]
        if name == "UID MOVE" and not session.server.folders["Trash"].mails:
            for mail in inbox.mails[-2:]:
                session.server.folders["Trash"].add(mail.raw, mail.flags)
            inbox.mails = inbox.mails[:-2]
        return False

    with lying_server(capabilities=WATCHED) as server:
        filled(server)
        server.folders["INBOX"].add(a_message(70))
        server.folders["INBOX"].add(a_message(71))
        server.folders["Trash"] = Box(uidvalidity=77)

        outcome = filed(ledger, server, moves_two_to_the_trash)

        assert outcome.complete, outcome.in_words()


def test_new_mail_at_the_same_moment_stops_nothing(ledger: Ledger) -> None:
    def arrives(session: Session, name: str, _: list[bytes]) -> bool:
        if name == "UID MOVE":
            session.server.folders["INBOX"].add(a_message(80 + len(session.server.commands)))
        return False

    with lying_server() as server:
        filled(server)

        assert filed(ledger, server, arrives).complete


# --- flags that a target does not take -----------------------------------------------------------------------------


def _keeps_no_keyword(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE" or args[1].decode() != TARGET:
        return False
    code = session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
    for mail in session.server.folders[args[1].decode()].mails:
        mail.flags = {flag for flag in mail.flags if flag.startswith("\\S")}
    session.done(b"OK %s moved" % code)
    return True


def test_flags_that_the_folder_does_not_take_are_told_and_given_back_by_an_undo(ledger: Ledger) -> None:
    with lying_server() as server:
        filled(server)
        inbox = server.folders["INBOX"]
        inbox.mails[0].flags = {"\\Seen", "\\Flagged", "$Work"}
        flags = {mail.raw: set(mail.flags) for mail in inbox.mails}

        outcome = filed(ledger, server, _keeps_no_keyword)
        with a_mailbox(server) as mailbox:
            undone = undo_run(ledger, mailbox, 1)

        assert "Backscatter does not take the flags" in outcome.in_words()
        assert "$Work" in outcome.in_words()
        assert {mail.raw: mail.flags for mail in inbox.mails} == flags
        assert undone.altered == ()
