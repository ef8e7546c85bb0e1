"""What every server must let us do, and what must never happen on any: one suite for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cleanup.connector.connection import LOOKING
from cleanup.connector.credentials import from_text
from cleanup.connector.folders import backscatter_folder_name, find_sent
from cleanup.connector.mailbox import Account, Mailbox, open_mailbox
from cleanup.connector.pull import LONGEST_FIELDS, digest
from cleanup.errors import FolderNotFound, LoginRefused, PermissionMissing
from tests.servers.running import RunningServer

WHEN = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


def a_message(number: int, *, body: str = "Hello") -> bytes:
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.example\r\nTo: anna@example.org\r\n"
        f"Subject: Undelivered\r\n message {number}\r\nMessage-ID: <{number}@relay.example>\r\n"
        f"Date: Sun, 1 Mar 2026 12:30:00 +0000\r\n\r\n{body} {number}\r\n"
    ).encode()


def filled(mailbox: Mailbox, folder: str, count: int, flags: Sequence[str] = ()) -> list[int]:
    for number in range(count):
        mailbox.append(folder, a_message(number), flags, WHEN)
    return uids_in(mailbox, folder)


def uids_in(mailbox: Mailbox, folder: str) -> list[int]:
    mailbox.examine(folder)
    return mailbox.uids(folder)


@pytest.fixture
def account(server: RunningServer) -> Account:
    return server.new_account()


@pytest.fixture
def mailbox(account: Account) -> Iterator[Mailbox]:
    with open_mailbox(account) as opened:
        yield opened


@pytest.fixture
def target(mailbox: Mailbox) -> str:
    name = backscatter_folder_name(mailbox.folders())
    mailbox.create_folder(name)
    return name


# --- folders -------------------------------------------------------------------------------------------------------


def test_sent_is_found_whatever_the_server_calls_it(mailbox: Mailbox) -> None:
    found = [folder.name for folder in find_sent(mailbox.folders())]

    assert found in (["Sent"], ["INBOX.Sent"])


def test_a_folder_that_was_created_is_listed_and_empty(mailbox: Mailbox, target: str) -> None:
    assert target in {folder.name for folder in mailbox.folders()}
    assert mailbox.status(target).exists == 0


def test_the_owner_has_all_rights_in_a_folder_of_his_where_the_server_tells_rights(
    mailbox: Mailbox, target: str
) -> None:
    rights = mailbox.rights(target)

    assert rights is None or {"l", "r", "s", "w", "i"} <= rights
    assert rights is None or {"t", "e"} <= rights or "d" in rights  # Courier tells those of RFC 2086
    assert (rights is None) is ("ACL" not in mailbox.capabilities)


def test_what_is_marked_as_deleted_is_found(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 4)
    mailbox.select("INBOX")
    mailbox.mark_deleted(uids[1:3])

    assert mailbox.deleted("INBOX") == uids[1:3]


def test_creating_a_folder_that_is_there_already_is_fine(mailbox: Mailbox, target: str) -> None:
    mailbox.create_folder(target)


def test_a_folder_name_in_another_script_survives(mailbox: Mailbox, target: str) -> None:
    name = f"{target} Rückläufer & Ελλάδα"
    mailbox.create_folder(name)

    assert name in {folder.name for folder in mailbox.folders()}
    assert mailbox.examine(name).exists == 0


def test_a_missing_folder_is_named_in_the_error(mailbox: Mailbox) -> None:
    for look in (mailbox.examine, mailbox.status):
        with pytest.raises(FolderNotFound, match="nowhere"):
            look("nowhere")


def test_status_and_examine_agree(mailbox: Mailbox) -> None:
    filled(mailbox, "INBOX", 3)

    seen, opened = mailbox.status("INBOX"), mailbox.examine("INBOX")

    assert (seen.uidvalidity, seen.uidnext, seen.exists) == (opened.uidvalidity, opened.uidnext, 3)
    assert opened.exists == 3
    assert not opened.read_write
    assert mailbox.select("INBOX").read_write


# --- looking -------------------------------------------------------------------------------------------------------


def test_header_fields_come_with_flags_date_and_size(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 2, ["\\Flagged"])

    pulled = [one for chunk in mailbox.pull_headers("INBOX", ("To", "X-Nowhere")) for one in chunk]

    assert [one.ref.uid for one in pulled] == uids
    assert b"To: anna@example.org" in pulled[0].fields
    assert pulled[0].flags == ("\\Flagged",)
    assert pulled[0].arrived == WHEN
    assert pulled[0].size == len(a_message(0))
    assert digest(pulled[0].fields) != digest(pulled[1].fields)
    assert pulled[0].ref.uidvalidity == mailbox.status("INBOX").uidvalidity


def test_only_new_messages_come_after_the_last_uid(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 3)

    newer = [one.ref.uid for chunk in mailbox.pull_headers("INBOX", (), after_uid=uids[1]) for one in chunk]
    none = list(mailbox.pull_headers("INBOX", (), after_uid=uids[2]))  # "UID n:*" would name the last one

    assert newer == uids[2:]
    assert none == []


def test_an_empty_folder_gives_nothing(mailbox: Mailbox) -> None:
    assert list(mailbox.pull_headers("INBOX", ())) == []
    assert uids_in(mailbox, "INBOX") == []


def test_bodies_come_byte_for_byte_and_leave_the_message_unseen(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 2)

    bodies = dict(mailbox.pull_bodies("INBOX", uids))

    assert bodies == {uids[0]: a_message(0), uids[1]: a_message(1)}
    assert [seen.flags for seen in mailbox.fingerprints("INBOX", uids).values()] == [(), ()]


def test_a_body_is_cut_at_the_limit(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 1)

    assert dict(mailbox.pull_bodies("INBOX", uids, max_bytes=20)) == {uids[0]: a_message(0)[:20]}


def test_messages_that_are_gone_are_left_out(mailbox: Mailbox) -> None:
    [uid] = filled(mailbox, "INBOX", 1)

    assert set(mailbox.fingerprints("INBOX", [uid, uid + 1000])) == {uid}
    assert [found for found, _ in mailbox.pull_bodies("INBOX", [uid + 1000])] == []
    assert mailbox.still_there("INBOX", [uid, uid + 1000]) == [uid]


def test_looking_sends_no_command_that_changes_anything(account: Account) -> None:
    with open_mailbox(account) as mailbox:
        uids = filled(mailbox, "INBOX", 2)
    with open_mailbox(account, read_only=True) as mailbox:
        find_sent(mailbox.folders())
        mailbox.status("INBOX")
        list(mailbox.pull_headers("INBOX", ("To",)))
        list(mailbox.pull_bodies("INBOX", uids))
        log = mailbox.log

    assert {name.removeprefix("UID ") for name in log} <= LOOKING
    assert mailbox.bytes_read > 0
    with_the_next_one = mailbox.log.count("ID") + mailbox.log.count("NAMESPACE")
    assert mailbox.round_trips == len(mailbox.log) - with_the_next_one


# --- refusing ------------------------------------------------------------------------------------------------------


def test_a_dry_run_cannot_change_anything(account: Account) -> None:
    with open_mailbox(account) as mailbox:
        uids = filled(mailbox, "INBOX", 1)
    with open_mailbox(account, read_only=True) as mailbox:
        mailbox.examine("INBOX")
        for change in (
            lambda: mailbox.select("INBOX"),
            lambda: mailbox.move(uids, "Trash"),
            lambda: mailbox.copy(uids, "Trash"),
            lambda: mailbox.mark_deleted(uids),
            lambda: mailbox.uid_expunge(uids),
            lambda: mailbox.append("INBOX", a_message(1)),
            lambda: mailbox.create_folder("New"),
        ):
            with pytest.raises(PermissionMissing):
                change()
        assert uids_in(mailbox, "INBOX") == uids


def test_a_folder_opened_for_looking_is_not_changed(mailbox: Mailbox, target: str) -> None:
    uids = filled(mailbox, "INBOX", 1)
    mailbox.examine("INBOX")

    with pytest.raises(PermissionMissing):  # Dovecot and pymap would have moved it
        mailbox.move(uids, target)

    assert uids_in(mailbox, "INBOX") == uids


def test_a_wrong_password_is_refused_without_being_repeated(account: Account) -> None:
    wrong = replace(account, credential=from_text("wrong-and-secret"))

    with pytest.raises(LoginRefused) as refused, open_mailbox(wrong):
        pass

    assert "wrong-and-secret" not in str(refused.value) + repr(refused.value)
    assert account.username in str(refused.value)


# --- changing ------------------------------------------------------------------------------------------------------


def test_moving_or_copying_and_expunging_keeps_flags_date_and_bytes(mailbox: Mailbox, target: str) -> None:
    uids = filled(mailbox, "INBOX", 3, ["\\Seen", "\\Flagged"])
    before = mailbox.fingerprints("INBOX", uids)
    mailbox.select("INBOX")

    if mailbox.can_move:
        answer = mailbox.move(uids[:2], target)
    else:
        answer = mailbox.copy(uids[:2], target)
        mailbox.mark_deleted(uids[:2])
        mailbox.uid_expunge(uids[:2])

    assert uids_in(mailbox, "INBOX") == uids[2:]
    arrived = uids_in(mailbox, target)
    assert answer.pairs == tuple(zip(uids[:2], arrived, strict=True))
    assert answer.target_uidvalidity == mailbox.status(target).uidvalidity
    assert list(mailbox.fingerprints(target, arrived).values()) == [before[uid] for uid in uids[:2]]
    assert [raw for _, raw in mailbox.pull_bodies(target, arrived)] == [a_message(0), a_message(1)]


def test_expunging_takes_only_the_named_messages(mailbox: Mailbox) -> None:
    theirs, ours, untouched = filled(mailbox, "INBOX", 3)
    mailbox.select("INBOX")
    mailbox.mark_deleted([theirs, ours])

    mailbox.uid_expunge([ours])

    assert uids_in(mailbox, "INBOX") == [theirs, untouched]


def test_closing_leaves_what_the_owner_marked_as_deleted(account: Account) -> None:
    with open_mailbox(account) as mailbox:
        uids = filled(mailbox, "INBOX", 1)
        mailbox.select("INBOX")
        mailbox.mark_deleted(uids)
    with open_mailbox(account) as mailbox:
        assert uids_in(mailbox, "INBOX") == uids


def test_moving_a_message_that_is_gone_is_no_error(mailbox: Mailbox, target: str) -> None:
    [uid] = filled(mailbox, "INBOX", 1)
    mailbox.select("INBOX")

    relocate = mailbox.move if mailbox.can_move else mailbox.copy

    assert relocate([uid + 1000], target).pairs == ()


def test_moving_to_a_missing_folder_changes_nothing(mailbox: Mailbox, target: str) -> None:
    uids = filled(mailbox, "INBOX", 1)
    mailbox.select("INBOX")
    relocate = mailbox.move if mailbox.can_move else mailbox.copy

    with pytest.raises(FolderNotFound):
        relocate(uids, f"{target} that is not there")

    assert uids_in(mailbox, "INBOX") == uids


def test_a_message_is_appended_as_it_is(mailbox: Mailbox) -> None:
    raw = a_message(7, body="bare lines\r\n\r\nFrom the start\r\n.\r\n")

    uid = mailbox.append("INBOX", raw, ["\\Seen"], WHEN)

    assert uid is not None
    assert dict(mailbox.pull_bodies("INBOX", [uid])) == {uid: raw}
    seen = mailbox.fingerprints("INBOX", [uid])[uid]
    assert (seen.flags, seen.fingerprint.arrived) == (("\\Seen",), WHEN)


def test_many_scattered_messages_are_named_in_sets_that_every_server_takes(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 4)
    scattered = sorted({*uids, *range(1_000_001, 1_020_001, 3)})

    assert set(mailbox.fingerprints("INBOX", scattered)) == set(uids)


def test_several_hundred_messages_come_whole(mailbox: Mailbox) -> None:
    uids = filled(mailbox, "INBOX", 300)

    pulled = [one.ref.uid for chunk in mailbox.pull_headers("INBOX", ("Subject",)) for one in chunk]

    assert pulled == uids


def test_a_message_with_endless_header_fields_is_cut_and_the_next_one_comes(mailbox: Mailbox) -> None:
    to = b"".join(b"To: somebody%d@example.org\r\n" % number for number in range(8000))
    mailbox.append("INBOX", to + a_message(1))
    mailbox.append("INBOX", a_message(2))

    first, second = [one for chunk in mailbox.pull_headers("INBOX", ("To",)) for one in chunk]

    assert 20_000 < len(first.fields) <= LONGEST_FIELDS  # Cyrus keeps a thousand fields of one name
    assert b"Message-ID: <2@relay.example>" in second.fields


def test_the_last_flags_are_never_another_messages(mailbox: Mailbox, account: Account) -> None:
    uids = filled(mailbox, "INBOX", 3)
    mailbox.select("INBOX")
    mailbox.change_flags([uids[1]], add=["\\Answered"])
    with open_mailbox(account, read_only=True) as onlooker:
        onlooker.watch("INBOX")
        onlooker.flags(uids[1:])
        mailbox.mark_deleted(uids[:1])
        mailbox.uid_expunge(uids[:1])
        onlooker.fingerprints("INBOX", uids[1:])  # where some servers tell of the expunge: the numbers are others now

        unaware = onlooker.last_flags(uids[1:])
        onlooker.flags(uids[1:])
        aware = onlooker.last_flags(uids[1:])

    right = {uids[1]: ("\\Answered",), uids[2]: ()}
    assert aware == right
    assert unaware in ({}, right)
