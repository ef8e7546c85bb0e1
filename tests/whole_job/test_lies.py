"""The whole job against a server that lies: nothing lost, nothing wrongly moved, no hang, no secret told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cleanup.errors import CleanupError, SentFolderNotFound
from tests.servers import lying
from tests.servers.lying import (
    Box,
    Lie,
    LyingServer,
    Session,
    chatters,
    flips_uidvalidity_at_select,
    floods,
    lying_server,
    moves_and_malforms,
    moves_half,
    says,
    sleeps,
    swaps_copyuids,
    uid_set,
)
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import TARGET, State, fill, run, scan, wrongly_filed

FORGED = 72
CHANGING = {
    "UID MOVE",
    "UID COPY",
    "UID STORE",
    "UID EXPUNGE",
    "EXPUNGE",
    "CLOSE",
    "APPEND",
    "CREATE",
    "DELETE",
    "RENAME",
}


# --- lies about moving: whatever is said, an honest re-run ends as an undisturbed run does --------------------------


def _copies_instead(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=True)
    session.done()
    return True


def _moves_and_hangs_up(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
    session.hang_up()
    return True


def _moves_and_says_no(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
    session.done(b"NO [SERVERBUG] no")
    return True


def _strips_flags(session: Session, name: str, args: list[bytes]) -> bool:
    if name == "UID FETCH":
        session.say(b"* 1 FETCH (FLAGS (\\Deleted $Junk))\r\n")
    return False


MOVE_LIES: dict[str, Lie] = {
    "says OK and does nothing": says("UID MOVE"),
    "says OK with an invented COPYUID": says("UID MOVE", b"* OK [COPYUID 11 1:447 1:447] moved\r\n"),
    "moves half": moves_half,
    "tells the new UIDs in the wrong order": swaps_copyuids,
    "malforms COPYUID": moves_and_malforms,
    "copies instead": _copies_instead,
    "moves and hangs up": _moves_and_hangs_up,
    "moves and says NO": _moves_and_says_no,
    "says NO": says("UID MOVE", then=b"NO [LIMIT] not now"),
    "says BAD": says("UID MOVE", then=b"BAD what?"),
    "says BYE": says("UID MOVE", b"* BYE see you\r\n", then=None),
    "renumbers the Inbox before the move": flips_uidvalidity_at_select,
    "sends flags that nobody asked for": _strips_flags,
    "tells of expunges and arrivals in between": chatters("UID MOVE", b"* 3 EXPUNGE\r\n* 9999 EXISTS\r\n"),
    "never answers a move": sleeps("UID MOVE", 4),
    "answers a move for ever": floods("UID MOVE"),
    "refuses to create the folder": says("CREATE", then=b"NO [NOPERM] no"),
    "says that the folder is created": says("CREATE"),
    "says NO to the status of the target": says("STATUS", then=b"NO no"),
}
NO_END = [MOVE_LIES["never answers a move"], MOVE_LIES["answers a move for ever"]]


@pytest.mark.parametrize("lie", MOVE_LIES.values(), ids=MOVE_LIES)
def test_whatever_the_server_says_of_a_move_nothing_is_lost_and_an_honest_re_run_mends_it(
    lie: Lie, tmp_path: Path
) -> None:
    with lying_server(lie) as server:
        fill(server)
        before = State.of(server)

        ended = run(server, tmp_path, command_timeout_s=3 if lie in NO_END else 60)

        assert before.messages - State.of(server).messages == {}  # nothing lost
        assert wrongly_filed(server) == []
        assert ended.error is None or PASSWORD not in str(ended.error)
        server.lies.clear()
        again = run(server, tmp_path)
        assert again.error is None
        if lie is not _copies_instead:  # what a server doubled on its own is never deleted by us
            assert State.of(server).messages == before.messages
            assert len(server.folders[TARGET].mails) == FORGED
        assert wrongly_filed(server) == []


# --- lies about Sent: a genuine bounce is never moved on them -------------------------------------------------------


def _answers_half_of_sent(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    for number, mail in enumerate(session.box.mails, start=1):
        if mail.uid in uid_set(args[0], session.box) and mail.uid % 2:
            session.say(session.fetch_data(number, mail, b" ".join(args[1:]).upper()))
    session.done()
    return True


def _swaps_the_headers_of_sent(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    wanted = [m for m in session.box.mails if m.uid in uid_set(args[0], session.box)]
    for number, (mail, other) in enumerate(zip(wanted, reversed(wanted), strict=True), start=1):
        lie = lying.Mail(mail.uid, other.raw, mail.flags, mail.arrived)
        session.say(session.fetch_data(number, lie, b" ".join(args[1:]).upper()))
    session.done()
    return True


def _empties_the_headers_of_sent(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    for number, mail in enumerate(session.box.mails, start=1):
        if mail.uid in uid_set(args[0], session.box):
            lie = lying.Mail(mail.uid, b"\r\n", mail.flags, mail.arrived)
            session.say(session.fetch_data(number, lie, b" ".join(args[1:]).upper()))
    session.done()
    return True


def _on_sent(lie: Lie) -> Lie:
    def only(session: Session, name: str, args: list[bytes]) -> bool:
        about = args[0] == b"Sent" if name in ("SELECT", "EXAMINE", "STATUS") and args else session.selected == "Sent"
        return about and lie(session, name, args)

    return only


SENT_LIES: dict[str, Lie] = {
    "NO to the folder": _on_sent(says("EXAMINE", then=b"NO [NOPERM] no")),
    "NO to the search": _on_sent(says("UID SEARCH", then=b"NO no")),
    "no result of the search": _on_sent(says("UID SEARCH", b"* SEARCH\r\n")),
    "NO to the fetch": _on_sent(says("UID FETCH", then=b"NO no")),
    "no data": _on_sent(says("UID FETCH")),
    "half of the data": _answers_half_of_sent,
    "headers of other messages": _swaps_the_headers_of_sent,
    "empty headers": _empties_the_headers_of_sent,
    "an empty folder": _on_sent(says("EXAMINE", b"* 0 EXISTS\r\n* OK [UIDVALIDITY 7] .\r\n* OK [UIDNEXT 1] .\r\n")),
}


@pytest.mark.parametrize("lie", SENT_LIES.values(), ids=SENT_LIES)
def test_no_lie_about_sent_moves_a_genuine_bounce(lie: Lie, tmp_path: Path) -> None:
    with lying_server(lie) as server:
        fill(server)
        before = State.of(server)

        run(server, tmp_path)

        assert wrongly_filed(server) == []
        assert State.of(server).messages == before.messages


def _without(share: Callable[[int, int], bool]) -> Callable[[LyingServer], None]:
    def prepare(server: LyingServer) -> None:
        box = server.folders["Sent"]
        box.mails = [mail for n, mail in enumerate(box.mails) if share(n, len(box.mails))]

    return prepare


def _second_sent(server: LyingServer) -> None:
    """Half of the sent mail lies in a second folder that is marked as Sent, too."""
    mails = server.folders["Sent"].mails
    server.folders["Sent Items"] = Box(attributes=b"\\Sent", mails=mails[::2], uidnext=9999)
    server.folders["Sent"].mails = mails[1::2]


def _wrong_attribute(server: LyingServer) -> None:
    """An empty folder carries the attribute; the mail lies in another one."""
    server.folders["Sent Items"] = server.folders["Sent"]
    server.folders["Sent Items"].attributes = b"\\HasNoChildren"
    server.folders["Sent"] = Box(attributes=b"\\Sent")


SENT_STATES: dict[str, Callable[[LyingServer], None]] = {
    "empty": _without(lambda n, total: False),
    "half, here and there": _without(lambda n, total: n % 2 == 0),
    "only the first half": _without(lambda n, total: n < total / 2),
    "only the second half": _without(lambda n, total: n > total / 2),
    "purged last week": _without(lambda n, total: n > total * 0.93),
    "one in ten gone": _without(lambda n, total: n % 10 != 0),
    "a hole in the middle": _without(lambda n, total: not total * 0.4 < n < total * 0.6),
    "in two folders": _second_sent,
    "under a wrong attribute": _wrong_attribute,
}


@pytest.mark.parametrize("prepare", SENT_STATES.values(), ids=SENT_STATES)
def test_no_state_of_sent_moves_a_genuine_bounce(prepare: Callable[[LyingServer], None], tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        prepare(server)
        before = State.of(server)

        ended = run(server, tmp_path)

        assert ended.error is None
        assert wrongly_filed(server) == []
        assert State.of(server).messages == before.messages


def test_a_mailbox_whose_sent_mail_lies_under_an_unknown_name_ends_with_an_error_and_nothing_moves(
    tmp_path: Path,
) -> None:
    with lying_server() as server:
        fill(server)
        server.folders["Postausgang 2020"] = server.folders.pop("Sent")
        server.folders["Postausgang 2020"].attributes = b"\\HasNoChildren"
        before = State.of(server)

        ended = run(server, tmp_path)

        assert isinstance(ended.error, SentFolderNotFound)
        assert '"Postausgang 2020"' in str(ended.error)
        assert State.of(server) == before


def test_two_sent_folders_are_both_read_and_nothing_is_spared_for_it(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        _second_sent(server)

        run(server, tmp_path)

        assert len(server.folders[TARGET].mails) == FORGED


# --- lies about the Inbox -------------------------------------------------------------------------------------------


def _answers_for_other_messages(session: Session, name: str, args: list[bytes]) -> bool:
    """Answer a body with the body of the next message."""
    if name != "UID FETCH" or session.selected != "INBOX" or b"BODY.PEEK[]" not in b" ".join(args).upper():
        return False
    mails = session.box.mails
    wanted = uid_set(args[0], session.box)
    for number, mail in enumerate(mails, start=1):
        if mail.uid in wanted:
            other = mails[number % len(mails)]
            lie = lying.Mail(mail.uid, other.raw, mail.flags, mail.arrived)
            session.say(session.fetch_data(number, lie, b" ".join(args[1:]).upper()))
    session.done()
    return True


def test_a_body_of_another_message_moves_nothing_that_is_not_backscatter(tmp_path: Path) -> None:
    with lying_server(_answers_for_other_messages) as server:
        fill(server)
        before = State.of(server)

        run(server, tmp_path)

        assert wrongly_filed(server) == []
        assert State.of(server).messages == before.messages


def test_a_password_that_the_server_echoes_is_not_passed_on(tmp_path: Path) -> None:
    echo = f"NO [AUTHENTICATIONFAILED] LOGIN anna {PASSWORD} is wrong".encode()
    with lying_server(says("LOGIN", then=echo), says("AUTHENTICATE", then=echo)) as server:
        ended = run(server, tmp_path)

    assert isinstance(ended.error, CleanupError)
    assert PASSWORD not in str(ended.error)
    assert int(ended.error.exit_code) == 13


def test_a_second_run_and_a_scan_send_no_changing_command(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        scan(server, tmp_path)
        assert not CHANGING & set(server.commands)
        run(server, tmp_path)
        assert "UID MOVE" in server.commands
        server.commands.clear()

        run(server, tmp_path)

        assert not CHANGING & set(server.commands)
