"""What stands in the backscatter folder costs nothing while that did not change, and is missed as soon as it left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, Demo
from cleanup.jobs.result import Done
from cleanup.ledger import Ledger, MoveState
from cleanup.ledger.store import Ledger as Whole
from tests.servers.anna import anna_on_a_server

LETTER = b"From: x@y.test\r\nTo: anna.berg@example.org\r\nSubject: hello\r\nMessage-ID: <%d@y.test>\r\n\r\nHi\r\n"


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Demo]:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        yield demo


def a_night_with_a_letter(anna: Demo, number: int) -> Done:
    with open_mailbox(anna.account) as mailbox:
        mailbox.append("INBOX", LETTER % number, (), LAST_DAY)
    return anna.run()


def states(anna: Demo) -> dict[MoveState, int]:
    with Ledger.open(str(anna.settings.ledger)) as ledger:
        moves = ledger.moves(mailbox=str(anna.settings.address))
    return {state: sum(move.state is state for move in moves) for state in {move.state for move in moves}}


def put_back(anna: Demo, count: int) -> None:
    """Move so many filed messages to the Inbox by hand, the oldest first."""
    with open_mailbox(anna.account) as mailbox:
        mailbox.select("Backscatter")
        mailbox.move(mailbox.uids("Backscatter")[:count], "INBOX")


def test_no_move_is_loaded_while_the_target_only_grows(anna: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    anna.run()
    a_night_with_a_letter(anna, 1)  # now the folder is known
    loaded: list[object] = []
    real = Whole.standing

    def noted(self: Whole, *given: object) -> object:
        loaded.append(real(self, *given))  # type: ignore[arg-type]
        return loaded[-1]

    monkeypatch.setattr(Whole, "standing", noted)
    monkeypatch.setattr(
        Whole, "standing_uids", lambda *_, first=1: [] if first > 1 else pytest.fail("all are asked for")
    )
    quiet = a_night_with_a_letter(anna, 2)
    with open_mailbox(anna.account) as mailbox:
        mailbox.append("Backscatter", LETTER % 3, (), LAST_DAY)
    grown = a_night_with_a_letter(anna, 4)

    assert not any(loaded)
    assert (quiet.round_trips, grown.round_trips) == (3, 3)


@pytest.mark.parametrize("nights_before", [0, 2])
def test_what_was_put_back_by_hand_is_genuine_from_then_on(anna: Demo, nights_before: int) -> None:
    anna.run()
    for number in range(nights_before):
        a_night_with_a_letter(anna, number)
    put_back(anna, 3)
    with open_mailbox(anna.account) as mailbox:  # as many came: the count alone tells nothing
        for number in range(3):
            mailbox.append("Backscatter", LETTER % (70 + number), (), LAST_DAY)

    night = a_night_with_a_letter(anna, 9)

    assert night.recovered
    assert len(night.recovered.returned) == 3
    assert states(anna) == {MoveState.MOVED: 69, MoveState.RETURNED: 3}
    put_back(anna, 1)
    assert len(getattr(a_night_with_a_letter(anna, 10).recovered, "returned", ())) == 1


def test_what_a_run_filed_since_is_watched_too(anna: Demo) -> None:
    anna.run()
    a_night_with_a_letter(anna, 1)
    with open_mailbox(anna.account) as mailbox:
        mailbox.examine("Backscatter")
        for _, raw in list(mailbox.pull_bodies("Backscatter", mailbox.uids("Backscatter")[:20])):
            mailbox.append("INBOX", raw.replace(b"Message-ID: <", b"Message-ID: <again-", 1), (), LAST_DAY)
    filed = anna.run().moved
    with open_mailbox(anna.account) as mailbox:
        mailbox.select("Backscatter")
        mailbox.move(mailbox.uids("Backscatter")[73:75], "INBOX")

    night = a_night_with_a_letter(anna, 2)

    assert filed == 20
    assert len(getattr(night.recovered, "returned", ())) == 2
