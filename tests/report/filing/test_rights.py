"""Folders that take no flags, and folders from which nothing can be taken back: on a real Cyrus with its ACL."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.connector.mailbox import Account, Mailbox, open_mailbox
from cleanup.errors import ExitCode, PermissionMissing
from cleanup.ledger import Ledger
from tests.report.filing.acts import file_these, plan_of, undo_run
from tests.report.filing.model_mailbox import ModelMailbox, ModelServer
from tests.report.filing.on_server import a_message, both, uids_of
from tests.servers.running import RunningServer

TARGET = "Backscatter"
FLAGS = ("\\Seen", "\\Flagged", "$Work")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def with_rights(account: Account, rights: str) -> None:
    """Fill the Inbox, make the target, and leave its owner these rights in it."""
    with open_mailbox(account) as mailbox:
        for number in range(4):
            mailbox.append("INBOX", a_message(number), FLAGS)
        mailbox.create_folder(TARGET)
        set_rights(mailbox, account, rights)


def set_rights(mailbox: Mailbox, account: Account, rights: str) -> None:
    mailbox._wire.command("SETACL", b'"%s"' % TARGET.encode(), account.username.encode(), rights.encode())


@pytest.mark.server
def test_flags_that_a_folder_does_not_take_are_told_and_given_back_by_an_undo(
    ledger: Ledger, cyrus: RunningServer
) -> None:
    account = cyrus.new_account()
    with_rights(account, "lripxktea")  # neither s (\Seen) nor w (other flags)
    before, _ = both(account, TARGET)

    with open_mailbox(account) as mailbox:
        outcome = file_these(ledger, mailbox, plan_of(mailbox, uids_of(mailbox)))
        filed = both(account, TARGET)[1]
        undone = undo_run(ledger, mailbox, 1)

    assert [flags for _, flags, _ in before] == [frozenset(FLAGS)] * 4
    assert [flags for _, flags, _ in filed] != [flags for _, flags, _ in before]  # else there is nothing to test
    assert "of them are not quite as they were (Backscatter does not take the flags" in outcome.in_words()
    assert both(account, TARGET)[0] == before
    assert (len(undone.put_back), undone.altered) == (4, ())


@pytest.mark.server
@pytest.mark.parametrize("rights", ["lrswipka", "lrswipkta", "lrswipkea"])
def test_a_folder_from_which_nothing_can_be_taken_back_is_refused(
    ledger: Ledger, cyrus: RunningServer, rights: str
) -> None:
    account = cyrus.new_account()
    with_rights(account, rights)
    before = both(account, TARGET)

    with open_mailbox(account) as mailbox:
        outcome = file_these(ledger, mailbox, plan_of(mailbox, uids_of(mailbox)))

    assert isinstance(outcome.stopped, PermissionMissing)
    assert outcome.stopped.exit_code is ExitCode.FOLDER_OR_PERMISSION
    assert TARGET in outcome.stopped.what
    assert "t and e (delete, expunge) are missing" in outcome.stopped.why
    assert both(account, TARGET) == before


@pytest.mark.parametrize(
    ("rights", "is_refused"),
    [(None, False), ("lrswipkxte", False), ("lrswipcda", False), ("lrswipcdat", True), ("lrs", True), ("", True)],
)
def test_rights_are_read_as_old_and_new_servers_tell_them(ledger: Ledger, rights: str | None, is_refused: bool) -> None:
    """RFC 2086 knows d alone; RFC 4314 tells t and e, and d for either of them."""
    server = ModelServer()
    server.arrive("m0", "INBOX")
    server.make(TARGET).rights = rights
    mailbox = ModelMailbox(server)

    outcome = file_these(ledger, mailbox, plan_of(mailbox, [1]))

    assert isinstance(outcome.stopped, PermissionMissing) is is_refused
    assert server.names(TARGET) == ([] if is_refused else ["m0"])
