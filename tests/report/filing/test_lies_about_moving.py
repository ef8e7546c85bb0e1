"""The mover against a scripted server that lies about moves: nothing lost or doubled, and the truth is told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.errors import OverQuota, SafetyStop, ServerMisbehaved
from cleanup.ledger import Ledger, MoveState
from cleanup.report.filing.execute import MoveResults
from tests.report.filing.acts import OWNER, TARGET, file_these, plan_of, recover_now, undo_run
from tests.report.filing.on_server import a_message
from tests.servers import lying
from tests.servers.lying import Box, Lie, LyingServer, Session, lying_server, says, uid_set
from tests.servers.running import PASSWORD

WITHOUT_MOVE = lying.CAPABILITIES.replace(b" MOVE", b"")
COUNT = 6


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


@contextmanager
def a_mailbox(server: LyingServer, **changes: Any) -> Iterator[Mailbox]:
    account = Account(
        "127.0.0.1", "anna", from_text(PASSWORD), port=server.port, security="plain", command_timeout_s=60
    )
    with open_mailbox(replace(account, **changes)) as mailbox:
        yield mailbox


def filled(server: LyingServer, count: int = COUNT) -> Counter[bytes]:
    for number in range(count):
        server.folders["INBOX"].add(a_message(number), {"\\Seen"})
    server.folders[TARGET] = Box(uidvalidity=11)
    return messages(server)


def messages(server: LyingServer) -> Counter[bytes]:
    return Counter(mail.raw for box in server.folders.values() for mail in box.mails)


def filed(ledger: Ledger, server: LyingServer, *lies: Lie, uids: tuple[int, ...] = (1, 2, 3, 4)) -> MoveResults:
    """File some messages while the server lies; then it is honest again."""
    with a_mailbox(server) as mailbox:
        plan = plan_of(mailbox, list(uids))
        server.lies += lies
        outcome = file_these(ledger, mailbox, plan)
    server.lies.clear()
    return outcome


def again(ledger: Ledger, server: LyingServer) -> MoveResults:
    """Run once more, as the next night does."""
    with a_mailbox(server) as mailbox:
        assert recover_now(ledger, mailbox).stopped is None
        mailbox.examine("INBOX")
        wanted = [uid for uid in mailbox.uids("INBOX") if uid <= 4]
        return file_these(ledger, mailbox, plan_of(mailbox, wanted))


def _moves_another(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate({5}, args[1].decode(), keep=False)
    session.done(b"OK [COPYUID 11 %s 1] moved" % args[0])
    return True


def test_another_message_is_moved_than_was_named(ledger: Ledger) -> None:
    with lying_server() as server:
        before = filled(server)

        outcome = filed(ledger, server, _moves_another)

        assert isinstance(outcome.stopped, SafetyStop)
        assert "1 other message left INBOX while 0 messages were moved" in str(outcome.stopped)
        assert outcome.moved == ()
        assert messages(server) == before
        assert len(server.folders[TARGET].mails) == 1  # one, as the first batch is one message


@pytest.mark.parametrize("by", [-3, 5])
def test_a_numbering_of_the_target_that_is_not_so_hides_no_arrival(ledger: Ledger, by: int) -> None:
    def misnumbers(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "STATUS":
            return False
        box = session.server.folders[args[0].decode()]
        session.say(
            b'* STATUS "%s" (MESSAGES %d UIDNEXT %d UIDVALIDITY %d)\r\n'
            % (args[0], len(box.mails), max(1, box.uidnext + by), box.uidvalidity)
        )
        session.done()
        return True

    with lying_server() as server:
        before = filled(server)
        for number in range(20, 26):
            server.folders[TARGET].add(a_message(number))
        before = messages(server)

        outcome = filed(ledger, server, misnumbers)
        final = again(ledger, server)

        assert messages(server) == before
        assert len(server.folders[TARGET].mails) == 10
        assert outcome.gone == () and final.gone == ()
        assert all(move.state is MoveState.MOVED for move in ledger.moves(mailbox=OWNER))
        with a_mailbox(server) as mailbox:
            runs = {move.run_id for move in ledger.moves(mailbox=OWNER)}
            assert sum(len(undo_run(ledger, mailbox, run).put_back) for run in runs) == 4
        assert len(server.folders["INBOX"].mails) == COUNT


def _renames_the_target(session: Session, name: str, args: list[bytes]) -> bool:
    if name == "UID MOVE" and "Elsewhere" not in session.server.folders:
        session.relocate(uid_set(args[0], session.box), TARGET, keep=False)
        session.server.folders["Elsewhere"] = session.server.folders.pop(TARGET)
        session.done()
        return True
    return False


def _deletes_the_target(session: Session, name: str, _: list[bytes]) -> bool:
    if name == "UID MOVE":
        session.server.folders.pop(TARGET, None)
    return False


def _fails_half_way(session: Session, name: str, args: list[bytes]) -> bool:
    uids = sorted(uid_set(args[0], session.box)) if name in ("UID MOVE", "UID COPY") else []
    if len(uids) < 2:
        return False
    session.relocate(set(uids[: len(uids) // 2]), args[1].decode(), keep=name == "UID COPY")
    session.done(b"NO [OVERQUOTA] Quota exceeded")
    return True


def _breaks_in_a_literal(session: Session, name: str, _: list[bytes]) -> bool:
    if name == "UID FETCH":
        session.say(b"* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (FROM)] {5000}\r\n* BYE good night\r\n")
        session.hang_up()
    return False


def _answers_for_others(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID FETCH":
        return False
    for number, mail in enumerate(session.box.mails, start=1):
        if mail.uid not in uid_set(args[0], session.box):
            session.say(session.fetch_data(number, mail, b" ".join(args[1:]).upper()))
    session.done()
    return True


def _changes_its_dates(session: Session, name: str, _: list[bytes]) -> bool:
    if name == "UID FETCH":
        for mail in session.box.mails:
            mail.arrived = b"02-Mar-2026 12:00:00 +0000"
    return False


LIES: dict[str, Lie] = {
    "the target is renamed in the middle": _renames_the_target,
    "the target is deleted in between": _deletes_the_target,
    "over quota after half of a batch": _fails_half_way,
    "TRYCREATE for a folder that is there": says("UID MOVE", then=b"NO [TRYCREATE] no such folder"),
    "read-only after all": says("UID MOVE", then=b"NO [READ-ONLY] look only"),
    "MOVE is offered and unknown": says("UID MOVE", then=b"BAD unknown command"),
    "a literal breaks off": _breaks_in_a_literal,
    "FETCH answers for other messages": _answers_for_others,
    "dates change between two looks": _changes_its_dates,
    "messages cannot be shown": says("UID FETCH", then=b"NO [UNKNOWN-CTE] cannot decode"),
    "messages were expunged, it says": says("UID FETCH", then=b"NO [EXPUNGEISSUED] some are gone"),
    "others vanish in the middle": lying.chatters("UID MOVE", b"* VANISHED 900:4000\r\n* 5 EXPUNGE\r\n"),
    "a look at the target shows nothing": says("EXAMINE", b"* 0 EXISTS\r\n* OK [UIDVALIDITY 11] .\r\n"),
    "the target is refused": says("EXAMINE", then=b"NO [NOPERM] not for you"),
}


@pytest.mark.parametrize("capabilities", [lying.CAPABILITIES, WITHOUT_MOVE], ids=["MOVE", "COPY"])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_nothing_is_lost_or_doubled_and_the_next_run_ends_as_an_undisturbed_one(
    ledger: Ledger, lie: Lie, capabilities: bytes
) -> None:
    with lying_server(capabilities=capabilities) as server:
        before = filled(server)

        outcome = filed(ledger, server, lie)

        assert before - messages(server) == Counter()
        told = {ref.uid for ref in outcome.moved} | {
            one.ref.uid for one in (*outcome.gone, *outcome.not_moved, *outcome.unclear)
        }
        assert told == {1, 2, 3, 4}
        assert not ({ref.uid for ref in outcome.moved} & {mail.uid for mail in server.folders["INBOX"].mails})
        stays = {one.ref.uid for one in outcome.gone}
        assert not (stays & {mail.uid for mail in server.folders["INBOX"].mails}), "told as gone and still there"
        if lie is not _changes_its_dates:
            again(ledger, server)
        assert messages(server) == before
        assert ledger.open_moves(OWNER) == []


def test_a_full_mailbox_is_told_as_such(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)

        outcome = filed(ledger, server, _fails_half_way)

        assert isinstance(outcome.stopped, OverQuota)


def _redates(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    moved = session.box.named(uid_set(args[0], session.box))
    for mail in moved:
        mail.arrived = b"19-Oct-2026 03:00:00 +0000"
    return False


def test_new_dates_of_arrival_are_told_and_so_is_that_an_undo_leaves_them(ledger: Ledger) -> None:
    with lying_server() as server:
        before = filled(server)

        outcome = filed(ledger, server, _redates)
        with a_mailbox(server) as mailbox:
            undone = undo_run(ledger, mailbox, ledger.runs()[0].run_id)

        assert outcome.complete
        assert {ref.uid for ref in outcome.moved} == {1, 2, 3, 4}
        assert "4 of them are not quite as they were (the server gave it a new date of arrival)." in outcome.in_words()
        assert {move.note for move in ledger.moves(run_id=1)} == {"the server gave it a new date of arrival"}
        assert len(undone.put_back) == 4
        assert "4 of them are not quite as before: the server gave it a new date of arrival." in undone.in_words()
        assert messages(server) == before


def _copies_something_else(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID COPY":
        return False
    uids = sorted(uid_set(args[0], session.box))
    target = session.server.folders[args[1].decode()]
    copies = [target.add(a_message(99)) for _ in uids]
    named = [b",".join(b"%d" % uid for uid in some) for some in (uids, copies)]
    session.done(b"OK [COPYUID %d %b %b] copied" % (target.uidvalidity, *named))
    return True


def _copies_another_body(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID COPY":
        return False
    session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=True)
    for mail in session.server.folders[args[1].decode()].mails:
        mail.raw = mail.raw[:-3] + b"?\r\n"
    session.done()
    return True


def _copies_and_takes_them_away(session: Session, name: str, args: list[bytes]) -> bool:
    """As where another program, or the owner, moves on what has just come into the folder."""
    if name == "UID COPY":
        taken = session.server.folders[args[1].decode()].mails
        session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=True)
        session.server.folders["Elsewhere"].mails += taken
        taken.clear()
        session.done()
    return name == "UID COPY"


@pytest.mark.parametrize(
    ("lie", "capabilities"),
    [
        (says("UID MOVE"), lying.CAPABILITIES),
        (says("UID COPY"), WITHOUT_MOVE),
        (_copies_and_takes_them_away, WITHOUT_MOVE),
    ],
    ids=["a move that was none", "a copy that was none", "copies that were taken away"],
)
def test_a_yes_of_which_nothing_is_seen_is_told_as_what_is_seen(ledger: Ledger, lie: Lie, capabilities: bytes) -> None:
    with lying_server(capabilities=capabilities) as server:
        server.folders["Elsewhere"] = Box()
        before = filled(server)

        outcome = filed(ledger, server, lie)

    assert outcome.moved == ()
    assert outcome.stopped is not None
    assert str(outcome.stopped).startswith(
        f"The server said yes, and messages are still in INBOX and not seen in {TARGET}"
    )
    assert before == Counter(mail.raw for mail in server.folders["INBOX"].mails)  # the originals


@pytest.mark.parametrize("lie", [_copies_something_else, _copies_another_body])
def test_a_copy_that_is_another_message_is_named_and_the_original_stays(ledger: Ledger, lie: Lie) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        filled(server)

        outcome = filed(ledger, server, lie)

        assert [mail.uid for mail in server.folders["INBOX"].mails] == [1, 2, 3, 4, 5, 6]
        assert outcome.moved == ()
        reasons = [one.reason for one in (*outcome.not_moved, *outcome.unclear) if one.ref.uid == 1]
        assert len(reasons) == 1
        assert TARGET in reasons[0]
        assert "UID 1" in reasons[0]


def test_two_equal_bounces_of_which_one_is_moved_and_named(ledger: Ledger) -> None:
    def moves_one(session: Session, name: str, args: list[bytes]) -> bool:
        uids = uid_set(args[0], session.box) if name == "UID MOVE" else set()
        if len(uids) < 2:
            return False
        code = session.relocate({max(uids)}, args[1].decode(), keep=False)
        session.done(b"OK " + code + b" done")
        return True

    with lying_server() as server:
        filled(server, 1)
        for _ in range(3):
            server.folders["INBOX"].add(a_message(7))
        before = messages(server)

        outcome = filed(ledger, server, moves_one, uids=(1, 2, 3, 4))

        assert messages(server) == before
        assert {ref.uid for ref in outcome.moved} == {1, 4}
        again(ledger, server)
        assert messages(server) == before
        assert len(server.folders[TARGET].mails) == 4


def test_a_message_that_cannot_be_shown_stops_nothing_else() -> None:
    def not_the_second(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "UID FETCH" or 2 not in uid_set(args[0], session.box):
            return False
        session.done(b"NO [UNKNOWN-CTE] cannot decode")
        return True

    with lying_server(not_the_second) as server:
        filled(server)
        with a_mailbox(server) as mailbox:
            shown = [h.ref.uid for chunk in mailbox.pull_headers("INBOX", ("To",)) for h in chunk]

        assert shown == [1, 3, 4, 5, 6]


def test_the_owner_empties_the_target_before_recovery(ledger: Ledger) -> None:
    def moves_and_hangs_up(session: Session, name: str, args: list[bytes]) -> bool:
        if name == "UID MOVE":
            session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
            session.hang_up()
        return False

    with lying_server() as server:
        filled(server)
        filed(ledger, server, moves_and_hangs_up)
        server.folders[TARGET].mails.clear()

        with a_mailbox(server) as mailbox:
            recovered = recover_now(ledger, mailbox)

        assert "1 message left both folders" in recovered.in_words()
        assert ledger.open_moves(OWNER) == []


def test_an_undo_finds_what_the_server_says_another_size_of_today(ledger: Ledger) -> None:
    with lying_server() as server:
        before = filled(server)
        filed(ledger, server)
        server.alter = lambda said: re.sub(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 77", said)  # Exchange estimates sizes
        with a_mailbox(server) as mailbox:
            outcome = undo_run(ledger, mailbox, ledger.runs()[0].run_id)

        assert (len(outcome.put_back), outcome.not_put_back) == (4, ())
        assert len(server.folders["INBOX"].mails) == COUNT
        assert messages(server) == before


def test_a_list_without_an_end_is_an_error_in_time() -> None:
    endless = lying.floods("LIST", b'* LIST () "/" "x"\r\n')
    with (
        lying_server(endless) as server,
        pytest.raises(ServerMisbehaved),
        a_mailbox(server, max_answer_bytes=2**20) as mailbox,
    ):
        mailbox.folders()
