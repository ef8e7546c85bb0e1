"""The mover on every server: embedded, Dovecot with and without MOVE, Cyrus, Courier (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.ledger import Ledger, MoveState
from cleanup.model import Verdict
from tests.report.filing.acts import OWNER, file_these, plan_of, recover_now, undo_run
from tests.report.filing.on_server import a_message, both, fill, uids_of
from tests.servers.running import RunningServer

COUNT = 12
CHANGING = ("MOVE", "COPY", "STORE", "EXPUNGE", "CREATE", "APPEND")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


@pytest.fixture
def account(server: RunningServer) -> Account:
    return server.new_account()


def filed(ledger: Ledger, account: Account, target: str, *, every: int = 2) -> int:
    """File every second message of the Inbox; return the run's number."""
    with open_mailbox(account) as mailbox:
        outcome = file_these(ledger, mailbox, plan_of(mailbox, uids_of(mailbox)[::every], target=target))
    assert outcome.complete, outcome.in_words()
    return ledger.runs()[0].run_id


def changes(log: tuple[str, ...]) -> list[str]:
    return [line for line in log if any(word in line.split() for word in CHANGING)]


def test_messages_arrive_with_bytes_flags_and_dates(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    before, _ = both(account, target)

    filed(ledger, account, target)

    inbox, backscatter = both(account, target)
    assert len(backscatter) == COUNT // 2
    assert sorted(inbox + backscatter, key=str) == sorted(before, key=str)
    assert {m.state for m in ledger.moves(mailbox=OWNER)} == {MoveState.MOVED}


def test_undo_leaves_the_mailbox_as_it_was(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    before, _ = both(account, target)
    run = filed(ledger, account, target)

    with open_mailbox(account) as mailbox:
        outcome = undo_run(ledger, mailbox, run)
        again = undo_run(ledger, mailbox, run)

    assert (len(outcome.put_back), outcome.not_put_back) == (COUNT // 2, ())
    assert (again.put_back, again.not_put_back) == ((), ())
    assert both(account, target) == (before, [])


def test_a_part_can_be_undone(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    run = filed(ledger, account, target)
    wanted = tuple(m.intent.uid for m in ledger.moves(run_id=run))[:2]

    with open_mailbox(account) as mailbox:
        outcome = undo_run(ledger, mailbox, run, only=wanted)

    assert {ref.uid for ref in outcome.put_back} == set(wanted)
    assert len(both(account, target)[1]) == COUNT // 2 - 2


def test_what_the_owner_marked_deleted_survives(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT, also=[(900, "\\Deleted")])

    filed(ledger, account, target)

    inbox, backscatter = both(account, target)
    assert [raw for raw, flags, _ in inbox if "\\Deleted" in flags] == [a_message(900)]
    assert len(backscatter) == COUNT // 2
    assert not any("\\Deleted" in flags for _, flags, _ in backscatter)


def test_a_second_run_changes_nothing(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    with open_mailbox(account) as mailbox:
        plan = plan_of(mailbox, uids_of(mailbox)[::2], target=target)
        file_these(ledger, mailbox, plan)

    with open_mailbox(account) as mailbox:
        recover_now(ledger, mailbox)
        outcome = file_these(ledger, mailbox, plan)
        assert changes(mailbox.log) == []

    assert len(outcome.gone) == COUNT // 2


def test_a_message_that_the_owner_moved_back_is_genuine_from_now_on(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    filed(ledger, account, target)
    with open_mailbox(account) as mailbox:
        uid = uids_of(mailbox, target)[0]
        mailbox.select(target)
        mailbox.copy([uid], "INBOX")
        mailbox.mark_deleted([uid])
        mailbox.uid_expunge([uid])

        recovered = recover_now(ledger, mailbox)

    assert len(recovered.returned) == 1
    digest = recovered.returned[0].intent.fingerprint.digest
    assert ledger.labels(OWNER) == {digest: Verdict.GENUINE}


def test_an_undo_says_what_the_owner_took_and_puts_back_the_rest(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    run = filed(ledger, account, target)
    with open_mailbox(account) as mailbox:
        first, second, *_ = uids_of(mailbox, target)
        mailbox.select(target)
        mailbox.copy([second], "INBOX")
        mailbox.mark_deleted([first, second])
        mailbox.uid_expunge([first, second])

        outcome = undo_run(ledger, mailbox, run)

    assert len(outcome.put_back) == COUNT // 2 - 2
    assert sorted(n.reason for n in outcome.not_put_back) == [
        "in INBOX again already",
        f"no longer in {target}, and in no other folder",
    ]


def test_an_undo_finds_messages_in_a_folder_that_was_made_anew(ledger: Ledger, account: Account) -> None:
    target = fill(account, COUNT)
    before, _ = both(account, target)
    run = filed(ledger, account, target)
    other = f"{target} made anew"
    with open_mailbox(account) as mailbox:
        mailbox.create_folder(other)
        mailbox.select(target)
        mailbox.copy(mailbox.uids(target), other)
    with open_mailbox(account) as mailbox:
        mailbox.folders()
        renumber(mailbox, target, other)

        outcome = undo_run(ledger, mailbox, run)

    assert len(outcome.put_back) == COUNT // 2, outcome.in_words()
    assert both(account, target)[0] == before


def renumber(mailbox, target: str, other: str) -> None:
    """Put `other` in the target's place, so that its messages have other numbers under another UIDVALIDITY."""
    command = mailbox._wire.command
    mailbox.examine("INBOX")
    command("DELETE", mailbox._session.written(target))
    command("RENAME", mailbox._session.written(other), mailbox._session.written(target))
