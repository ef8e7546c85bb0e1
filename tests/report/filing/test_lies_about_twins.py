"""The mover against a scripted server that lies about what is in two folders at once: no copy is removed for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.report.filing.execute import MoveResults
from tests.report.filing.acts import TARGET, file_these, plan_of
from tests.report.filing.test_lies_about_moving import a_mailbox, filled, messages
from tests.servers.lying import WATCHED, Box, Lie, LyingServer, Mail, Session, lying_server, status_line, uid_set

WITHOUT_MOVE = WATCHED.replace(b" MOVE", b"")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.open(tmp_path / "ledger.sqlite")


def filed(ledger: Ledger, server: LyingServer, *lies: Lie) -> MoveResults:
    """File four messages while the server lies, with a second connection looking on."""
    with ExitStack() as stack:
        mailbox = stack.enter_context(a_mailbox(server))
        plan = plan_of(mailbox, [1, 2, 3, 4])
        server.lies += lies
        return file_these(ledger, mailbox, plan, look_on=lambda: stack.enter_context(a_mailbox(server)))


def of_own(server: LyingServer, *shown: str) -> Counter[bytes]:
    """Return all messages but for those that these folders only show."""
    return messages(server) - Counter(mail.raw for name in shown for mail in server.folders[name].mails)


def _shows_the_target(session: Session, _: str, __: list[bytes]) -> bool:
    """Let the folder "Label" show what is in the target, with flags of its own, as labels do."""
    target, label = session.server.folders[TARGET], session.server.folders["Label"]
    there, known = {mail.raw for mail in target.mails}, {mail.raw for mail in label.mails}
    label.mails = [mail for mail in label.mails if mail.raw in there]
    for mail in target.mails:
        if mail.raw not in known:
            label.add(mail.raw, mail.flags - {"\\Deleted"}, mail.arrived)
    return False


def test_a_folder_that_shows_what_is_elsewhere_with_flags_of_its_own_takes_nothing_away(ledger: Ledger) -> None:
    with lying_server(capabilities=WATCHED) as server:
        before = filled(server)
        server.folders["Label"] = Box(uidvalidity=99)

        filed(ledger, server, _shows_the_target)

        assert before - of_own(server, "Label") == Counter()


def _refuses_more(session: Session, name: str, _: list[bytes]) -> bool:
    if name != "APPEND":
        return False
    session.done(b"NO [OVERQUOTA] Quota exceeded")
    return True


def _keeps_nothing(session: Session, name: str, _: list[bytes]) -> bool:
    if name != "APPEND":
        return False
    session.done(b"OK appended")
    return True


@pytest.mark.parametrize("lie", [_refuses_more, _keeps_nothing])
def test_what_cannot_be_copied_first_is_not_removed(ledger: Ledger, lie: Lie) -> None:
    with lying_server(capabilities=WATCHED) as server:
        before = filled(server)
        server.folders["Label"] = Box(uidvalidity=99)

        outcome = filed(ledger, server, _shows_the_target, lie)

        assert before - of_own(server, "Label") == Counter()
        assert "in Label, too" in outcome.in_words() or outcome.doubled


def _drops_the_first_status_of_copies(told: list[bool]) -> Lie:
    def lie(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "LIST" or b"STATUS" not in b" ".join(args) or told:
            return False
        told.append(True)
        for folder, box in session.server.folders.items():
            session.say(b'* LIST () "/" "%s"\r\n' % folder.encode())
            if folder != "Copies":
                session.say(status_line(folder.encode(), box))
        session.done()
        return True

    return lie


def _tells_an_old_status_of_copies(told: list[bool]) -> Lie:
    def lie(session: Session, name: str, args: list[bytes]) -> bool:
        if name != "LIST" or b"STATUS" not in b" ".join(args) or told:
            return False
        told.append(True)
        for folder, box in session.server.folders.items():
            session.say(b'* LIST () "/" "%s"\r\n' % folder.encode())
            session.say(status_line(folder.encode(), Box(uidvalidity=55) if folder == "Copies" else box))
        session.done()
        return True

    return lie


@pytest.mark.parametrize("lie", [_drops_the_first_status_of_copies, _tells_an_old_status_of_copies])
def test_a_copy_that_was_there_before_is_no_double(ledger: Ledger, lie: Callable[[list[bool]], Lie]) -> None:
    """A server may leave out what it cannot tell of a folder (RFC 5819 section 2), and a proxy tell what was."""
    with lying_server(capabilities=WATCHED) as server:
        filled(server)
        inbox = server.folders["INBOX"]
        server.folders["Copies"] = Box(55, inbox.uidnext, [Mail(m.uid, m.raw, set(m.flags)) for m in inbox.mails])
        before = messages(server)

        filed(ledger, server, lie([]))

        assert messages(server) == before


def _copies_the_header_alone(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID COPY":
        return False
    for mail in session.box.named(uid_set(args[0], session.box)):
        head = mail.raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
        session.server.folders[args[1].decode()].add(head.ljust(len(mail.raw)), mail.flags, mail.arrived)
    session.done()
    return True


def test_a_copy_of_the_header_alone_removes_nothing(ledger: Ledger) -> None:
    with lying_server(capabilities=WITHOUT_MOVE) as server:
        before = filled(server)

        outcome = filed(ledger, server, _copies_the_header_alone)

        assert before - messages(server) == Counter()
        assert outcome.moved == ()


def _copies_and_says_bad(session: Session, name: str, args: list[bytes]) -> bool:
    if name != "UID MOVE":
        return False
    session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=True)
    session.done(b"BAD Command Error. 12")
    return True


def test_a_move_that_copies_and_answers_bad_leaves_no_double_where_somebody_looks_on(ledger: Ledger) -> None:
    with lying_server(capabilities=WATCHED) as server:
        before = filled(server)

        filed(ledger, server, _copies_and_says_bad)

        assert messages(server) == before


def test_a_move_that_copies_and_answers_bad_is_not_followed_by_a_second_copy(ledger: Ledger) -> None:
    with lying_server() as server:
        before = filled(server)
        with a_mailbox(server) as mailbox:
            plan = plan_of(mailbox, [1, 2, 3, 4])
            server.lies.append(_copies_and_says_bad)
            file_these(ledger, mailbox, plan)

        assert messages(server) == before
