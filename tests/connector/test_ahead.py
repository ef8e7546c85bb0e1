"""What is sent ahead is answered as if it had been asked for when it was wanted, in whatever order a server answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from cleanup.connector.commands import size_commands
from cleanup.connector.folders import backscatter_folder_name
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.connector.pull import MessageState
from cleanup.connector.questions import (
    Examine,
    Fingerprints,
    Flags,
    Folders,
    Question,
    Select,
    Status,
    StillThere,
    Uids,
)
from cleanup.errors import FolderNotFound, PermissionMissing, ServerMisbehaved
from tests.connector.test_contract import filled
from tests.connector.test_lies import account
from tests.servers.lying import Box, Session, lying_server
from tests.servers.running import RunningServer

COUNT = 3


@pytest.fixture
def mailbox(server: RunningServer) -> Iterator[Mailbox]:
    with open_mailbox(server.new_account()) as opened:
        opened.folders()
        yield opened


def looked(mailbox: Mailbox, folder: str, first: int) -> dict[int, MessageState]:
    mailbox.examine(folder)
    return mailbox.fingerprints(folder, mailbox.uids(folder, first=first))


def view_of(folder: str, first: int, uids: Sequence[int]) -> tuple[Question[Any], ...]:
    return Examine(folder), Uids(folder, first), Fingerprints(folder, uids)


def test_three_looks_take_one_round_trip(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    plain = looked(mailbox, "INBOX", uids[0])
    before = mailbox.round_trips

    mailbox.send_ahead(*view_of("INBOX", uids[0], uids))

    assert looked(mailbox, "INBOX", uids[0]) == plain
    assert len(plain) == COUNT
    if mailbox.round_trips != before + 1:  # Courier does not say UIDNEXT when a folder is opened, so it is asked for
        assert "STATUS" in mailbox.log[-2 * COUNT :]


def test_what_is_asked_at_once_is_answered_in_order_for_one_round_trip(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    plain = looked(mailbox, "INBOX", uids[0])
    mailbox.examine("INBOX")
    before = mailbox.round_trips

    opened, listed, seen = mailbox.ask_all(Examine("INBOX"), Uids("INBOX", uids[0]), Fingerprints("INBOX", uids))

    assert (opened.folder, opened.exists) == ("INBOX", COUNT)
    assert (listed, seen) == (uids, plain)
    assert mailbox.round_trips == before + 1 or "STATUS" in mailbox.log[-2 * COUNT :]


def test_a_question_about_a_folder_that_is_not_open_opens_it(mailbox: Mailbox) -> None:
    filled(mailbox, "INBOX", COUNT)
    sent = next(folder.name for folder in mailbox.folders() if folder.name.endswith("Sent"))
    others = filled(mailbox, sent, 1)

    mailbox.examine("INBOX")

    assert mailbox.ask_all(Uids(sent), Uids("INBOX"))[0] == others
    assert mailbox.folder == "INBOX"


def test_behind_a_question_that_fails_nothing_more_is_asked(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)

    with pytest.raises(FolderNotFound):
        mailbox.ask_all(Examine("INBOX"), Status("Nowhere"), Flags(uids))

    assert mailbox.ask(StillThere("INBOX", uids)) == uids


@pytest.mark.parametrize("expected", [(), (1, 2), (4711,), range(1, 50)])
def test_what_was_sent_ahead_wrongly_is_asked_for_anew(mailbox: Mailbox, expected: Sequence[int]) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    plain = looked(mailbox, "INBOX", uids[1])

    mailbox.send_ahead(*view_of("INBOX", uids[1], expected))

    assert looked(mailbox, "INBOX", uids[1]) == plain


def test_who_asks_for_another_folder_sees_that_one(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    sent = next(folder.name for folder in mailbox.folders() if folder.name.endswith("Sent"))
    filled(mailbox, sent, 1)

    mailbox.examine(sent)
    mailbox.send_ahead(*view_of("INBOX", 1, uids))  # opens the Inbox, and nobody asks for it

    assert len(mailbox.fingerprints(sent, uids)) == 1
    assert len(mailbox.uids(sent)) == 1


def test_a_folder_that_is_asked_for_ahead_and_not_there_is_not_found(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)

    mailbox.send_ahead(*view_of("Nowhere", 1, uids))

    with pytest.raises(FolderNotFound):
        mailbox.examine("Nowhere")
    assert len(mailbox.fingerprints("INBOX", uids)) == COUNT


def test_what_is_sent_ahead_opens_no_other_folder_for_who_does_not_ask_for_it(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    sent = next(folder.name for folder in mailbox.folders() if folder.name.endswith("Sent"))
    filled(mailbox, sent, COUNT)

    mailbox.select("INBOX")
    mailbox.send_ahead(*view_of(sent, 1, [1, 2, 3]))
    mailbox.mark_deleted(uids)

    assert all("\\Deleted" in one.flags for one in looked(mailbox, "INBOX", 1).values())
    assert not any("\\Deleted" in one.flags for one in looked(mailbox, sent, 1).values())


def test_what_was_opened_to_look_is_not_open_for_changes_after_looks_ahead(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)

    mailbox.examine("INBOX")
    mailbox.send_ahead(Select("INBOX"), Fingerprints("INBOX", uids))

    with pytest.raises(PermissionMissing):
        mailbox.mark_deleted(uids)


def test_two_folders_take_one_round_trip(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    sent = next(folder.name for folder in mailbox.folders() if folder.name.endswith("Sent"))
    others = filled(mailbox, sent, 1)
    plain = looked(mailbox, sent, 1), looked(mailbox, "INBOX", 1)
    before = mailbox.round_trips

    mailbox.send_ahead(*view_of(sent, 1, others), *view_of("INBOX", 1, uids))

    assert (looked(mailbox, sent, 1), looked(mailbox, "INBOX", 1)) == plain
    assert mailbox.round_trips == before + 1


def test_a_move_and_what_both_folders_show_then_take_one_round_trip(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    mailbox.create_folder(target := backscatter_folder_name(mailbox.folders()))
    expected = looked(mailbox, "INBOX", 1)
    first = mailbox.status(target).uidnext
    mailbox.select("INBOX")
    before = mailbox.round_trips

    there_now = view_of(target, first, range(first, first + COUNT))
    relocate = mailbox.move if mailbox.can_move else mailbox.copy
    relocate(uids, target, [*there_now, Examine("INBOX"), StillThere("INBOX", uids)])
    there = looked(mailbox, target, first)
    mailbox.examine("INBOX")
    left = mailbox.still_there("INBOX", uids)

    assert [one.fingerprint.digest for one in there.values()] == [one.fingerprint.digest for one in expected.values()]
    assert left == ([] if mailbox.can_move else uids)
    assert mailbox.round_trips == before + 1


def test_after_look_afresh_nothing_is_answered_by_what_was_sent_before(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    mailbox.send_ahead(*view_of("INBOX", 1, uids))
    with open_mailbox(mailbox.account) as another:
        another.select("INBOX")
        another.mark_deleted(uids)

    mailbox.look_afresh()

    assert all("\\Deleted" in one.flags for one in looked(mailbox, "INBOX", 1).values())


@pytest.mark.parametrize("when", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_messages_from_the_ends_of_time_are_asked_for_by_size_alone(when: datetime) -> None:
    (asked,) = size_commands({178}, {when})

    assert asked.args == (b"LARGER 177 SMALLER 179",)


def test_one_by_one_nothing_is_sent_ahead(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    mailbox.one_by_one = True
    before = mailbox.round_trips

    mailbox.send_ahead(*view_of("INBOX", 1, uids))
    looked(mailbox, "INBOX", 1)

    assert mailbox.round_trips >= before + 3


def test_a_folder_that_is_renumbered_while_looks_are_under_way_is_not_taken_for_the_same() -> None:
    def renumbers(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "EXAMINE" and args[0].strip(b'"') == b"Sent":
            session.server.folders["INBOX"].uidvalidity += 1
        return False

    with lying_server(renumbers) as server:
        server.folders["INBOX"].add(b"Subject: one\r\n\r\none\r\n")
        with open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")
            mailbox.send_ahead(*view_of("Sent", 1, [1]))

            with pytest.raises(ServerMisbehaved, match="renumbered"):
                mailbox.mark_deleted([1])


def test_data_of_the_folder_that_was_open_are_not_taken_for_those_of_the_next_one() -> None:
    """Another client flags a message of the old folder in the moment in which the next one is opened."""

    def late_news(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "EXAMINE" and args[0].strip(b'"') == b"Sent":
            session.say(b"* 2 FETCH (UID 2 FLAGS (\\Flagged))\r\n")
        return False

    with lying_server(late_news) as server:
        for folder in ("INBOX", "Sent"):
            server.folders[folder].add(b"Subject: one\r\n\r\none\r\n")
        with open_mailbox(account(server)) as mailbox:
            mailbox.examine("INBOX")
            mailbox.send_ahead(Examine("Sent"), Flags([1, 2]))
            mailbox.examine("Sent")

            assert mailbox.flags([1, 2]) == {1: ()}


def test_a_server_may_tell_of_messages_before_it_ends_the_search() -> None:
    """Dovecot does."""
    held_back: list[bytes] = []

    def late(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "UID SEARCH":
            held_back.append(session.tag)
            return True
        if name == "UID FETCH" and held_back:
            tag, session.tag = session.tag, held_back.pop()
            session.say(session.fetch_data(1, session.box.mails[0], b" ".join(args[1:]).upper()))
            session.say(tag, b" OK fetched\r\n* SEARCH 1\r\n")
            session.done()
            return True
        return False

    with lying_server(late) as server:
        server.folders["INBOX"].add(b"Subject: one\r\n\r\none\r\n")
        with open_mailbox(account(server)) as mailbox:
            mailbox.send_ahead(*view_of("INBOX", 1, [1]))

            assert set(looked(mailbox, "INBOX", 1)) == {1}


def test_a_list_that_ends_while_the_next_folder_is_opened_leaves_that_its_numbers() -> None:
    """Dovecot does so behind a long answer, saying what EXAMINE shows, then that LIST is done, then that EXAMINE is."""
    held: list[bytes] = []

    def overlaps(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "LIST":
            session.say(b'* LIST () "/" INBOX\r\n')
            held.append(session.tag)
        elif name == "EXAMINE" and held:
            session.selected = "INBOX"
            session.say(b"* OK [CLOSED] .\r\n* 0 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1] .\r\n")
            session.say(held.pop(), b" OK done\r\n")
            session.done(b"OK [READ-ONLY] open")
        return name in ("LIST", "EXAMINE")

    with lying_server(overlaps) as server, open_mailbox(account(server)) as mailbox:
        mailbox.send_ahead(Folders(), Examine("INBOX"))

        assert [folder.name for folder in mailbox.folders()] == ["INBOX"]
        assert mailbox.examine("INBOX").uidvalidity == 7


@pytest.mark.parametrize("name", ["MOVE", "COPY"])
def test_what_is_asked_behind_a_move_takes_nothing_of_what_the_move_is_told(name: str) -> None:
    with lying_server() as server:
        server.folders["INBOX"].add(b"Subject: one\r\n\r\none\r\n")
        server.folders["There"] = Box()
        with open_mailbox(account(server)) as mailbox:
            mailbox.select("INBOX")
            relocate = mailbox.move if name == "MOVE" else mailbox.copy

            told = relocate([1], "There", view_of("There", 1, [1]))

            assert told.pairs == ((1, 1),)
            assert told.target_uidvalidity == server.folders["There"].uidvalidity
            assert set(looked(mailbox, "There", 1)) == {1}
