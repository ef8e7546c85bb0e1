"""What is sent ahead is answered as if it had been asked for when it was wanted, in whatever order a server answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from cleanup.connector.pull import Seen
from cleanup.connector.session import Mailbox, open_mailbox
from cleanup.errors import FolderNotFound, PermissionMissing
from tests.connector.test_contract import filled
from tests.connector.test_lies import account
from tests.servers.lying import Session, lying_server
from tests.servers.running import RunningServer

COUNT = 3


@pytest.fixture
def mailbox(server: RunningServer) -> Iterator[Mailbox]:
    with open_mailbox(server.new_account()) as opened:
        opened.folders()
        yield opened


def looked(mailbox: Mailbox, folder: str, first: int) -> dict[int, Seen]:
    mailbox.examine(folder)
    return mailbox.fingerprints(folder, mailbox.uids(folder, first=first))


def test_three_looks_take_one_round_trip(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    plain = looked(mailbox, "INBOX", uids[0])
    before = mailbox.round_trips

    mailbox.foresee_view("INBOX", first=uids[0], uids=uids)

    assert looked(mailbox, "INBOX", uids[0]) == plain
    assert len(plain) == COUNT
    if mailbox.round_trips != before + 1:  # Courier does not say UIDNEXT when a folder is opened, so it is asked for
        assert "STATUS" in mailbox.log[-2 * COUNT :]


@pytest.mark.parametrize("expected", [(), (1, 2), (4711,), range(1, 50)])
def test_what_was_foreseen_wrongly_is_asked_for_anew(mailbox: Mailbox, expected: Sequence[int]) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    plain = looked(mailbox, "INBOX", uids[1])

    mailbox.foresee_view("INBOX", first=uids[1], uids=expected)

    assert looked(mailbox, "INBOX", uids[1]) == plain


def test_who_asks_for_another_folder_sees_that_one(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)
    sent = next(folder.name for folder in mailbox.folders() if folder.name.endswith("Sent"))
    filled(mailbox, sent, 1)

    mailbox.examine(sent)
    mailbox.foresee_view("INBOX", first=1, uids=uids)  # opens the Inbox, and nobody asks for it

    assert len(mailbox.fingerprints(sent, uids)) == 1
    assert len(mailbox.uids(sent)) == 1


def test_a_folder_that_is_foreseen_and_not_there_is_not_found(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)

    mailbox.foresee_view("Nowhere", first=1, uids=uids)

    with pytest.raises(FolderNotFound):
        mailbox.examine("Nowhere")
    assert len(mailbox.fingerprints("INBOX", uids)) == COUNT


def test_what_is_foreseen_opens_nothing_for_changes(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", COUNT)

    mailbox.select("INBOX")
    mailbox.foresee_view("INBOX", first=1, uids=uids)

    with pytest.raises(PermissionMissing):
        mailbox.mark_deleted(uids)


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
            mailbox.foresee_view("INBOX", first=1, uids=[1])

            assert set(looked(mailbox, "INBOX", 1)) == {1}
