"""What a night passes over, and why, is looked at again the next night, also where no number of the folder changes."""

from __future__ import annotations

from pathlib import Path

from tests.servers.lying import LyingServer, Mail, Session, lying_server, uid_set
from tests.whole_job.anna_lies import TARGET, fill, run, scan


def _filed(server: LyingServer) -> int:
    return len(server.folders[TARGET].mails) if TARGET in server.folders else 0


def _storm(server: LyingServer, folder: Path) -> list[Mail]:
    """Return the messages of the Inbox that a run would file: together, since one of them alone proves too little."""
    uids = {move.ref.uid for move in scan(server, folder).plan.moves}
    return [mail for mail in server.folders["INBOX"].mails if mail.uid in uids]


def test_what_was_marked_as_deleted_and_is_no_more_is_filed(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        storm = _storm(server, tmp_path / "unused")
        for mail in storm:
            mail.flags.add("\\Deleted")
        first = run(server, tmp_path)
        before = _filed(server)
        for mail in storm:
            mail.flags.discard("\\Deleted")
        again = run(server, tmp_path)

        assert first.error is again.error is None
        assert (before, _filed(server)) == (0, len(storm))


def test_what_was_gone_for_a_moment_is_filed_when_it_is_back(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        inbox = server.folders["INBOX"]
        storm = _storm(server, tmp_path / "unused")

        def is_gone(session: Session, name: str, _: list[bytes]) -> bool:
            if name == "SELECT":
                inbox.mails = [mail for mail in inbox.mails if mail not in storm]
            return False

        server.lies.append(is_gone)
        run(server, tmp_path)
        before = _filed(server)
        server.lies.clear()
        inbox.mails = sorted([*inbox.mails, *storm], key=lambda one: one.uid)
        again = run(server, tmp_path)

        assert again.error is None
        assert (before, _filed(server)) == (0, len(storm))
        assert not any(mail in inbox.mails for mail in storm)


def test_a_notice_whose_text_is_not_shown_is_named_and_judged_the_next_night(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        storm = _storm(server, tmp_path / "unused")

        def hides_its_text(session: Session, name: str, args: list[bytes]) -> bool:
            items = b" ".join(args[1:]).upper()
            if name != "UID FETCH" or b"BODY.PEEK[]" not in items:
                return False
            for number, one in enumerate(session.box.mails, start=1):
                if one.uid in uid_set(args[0], session.box) and one not in storm:
                    session.say(session.fetch_data(number, one, items))
            session.done()
            return True

        server.lies.append(hides_its_text)
        first = run(server, tmp_path)
        before = _filed(server)
        server.lies.clear()
        again = run(server, tmp_path)

        assert first.done
        assert [one.ref.uid for one in first.done.look.passed_over] == [mail.uid for mail in storm]
        assert f"UID {storm[0].uid}: the server does not show it" in first.done.in_words()
        assert again.done
        assert again.done.look.passed_over == ()
        assert (before, _filed(server)) == (0, len(storm))


def test_a_message_of_an_impossible_size_ends_no_mailbox_and_is_named(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        mail = _storm(server, tmp_path / "unused")[3]

        def tells_its_size_wrong(said: bytes) -> bytes:
            right = b"RFC822.SIZE %d BODY" % len(mail.raw) if b"UID %d " % mail.uid in said else b"\0"
            return said.replace(right, b"RFC822.SIZE 99999999999999999999999 BODY")

        server.alter = tells_its_size_wrong
        first = run(server, tmp_path)
        server.alter = None
        again = run(server, tmp_path)

        assert first.done
        assert first.done.moved > 50
        assert [(one.ref.uid, one.reason) for one in first.done.look.passed_over] == [
            (mail.uid, "its size cannot be one")
        ]
        assert again.done
        assert mail.uid in {one.ref.uid for one in again.done.look.judged}


def test_a_sent_message_that_cannot_be_read_is_named_as_long_as_it_keeps_sent_from_vouching(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        mail = server.folders["Sent"].mails[7]

        def tells_its_size_wrong(said: bytes) -> bytes:
            right = b"RFC822.SIZE %d BODY" % len(mail.raw) if b"UID %d " % mail.uid in said else b"\0"
            return said.replace(right, b"RFC822.SIZE -5 BODY")

        server.alter = tells_its_size_wrong
        first = run(server, tmp_path)
        server.alter = None
        again = run(server, tmp_path)

        assert first.done
        assert first.done.moved == 0
        assert f"1 of its messages cannot be read (UID {mail.uid}: its size cannot be one)" in first.done.in_words()
        assert again.done
        assert again.done.moved > 50


def test_an_inbox_that_shows_no_headers_at_all_is_an_error_and_no_inbox_without_notices(tmp_path: Path) -> None:
    def shows_nothing(session: Session, name: str, args: list[bytes]) -> bool:
        items = b" ".join(args[1:]).upper()
        if name != "UID FETCH" or session.selected != "INBOX" or b"BODY" not in items:
            return False
        for number, one in enumerate(session.box.mails, start=1):
            if one.uid in uid_set(args[0], session.box):
                plain = session.fetch_data(number, one, items.split(b" BODY")[0])
                session.say(plain[:-3], b' BODY[HEADER.FIELDS (FROM)] "")\r\n')
        session.done()
        return True

    with lying_server(shows_nothing) as server:
        fill(server)
        ended = run(server, tmp_path)

        assert ended.error is not None
        assert ended.error.code == "server-misbehaved"
        assert '"INBOX"' in str(ended.error)
        assert "nothing of its header" in str(ended.error)


def test_an_inbox_that_shows_whole_headers_only_is_judged_as_any_other(tmp_path: Path) -> None:
    def shows_no_fields(session: Session, name: str, args: list[bytes]) -> bool:
        items = b" ".join(args[1:]).upper()
        if name != "UID FETCH" or b"HEADER.FIELDS" not in items:
            return False
        for number, one in enumerate(session.box.mails, start=1):
            if one.uid in uid_set(args[0], session.box):
                plain = session.fetch_data(number, one, items.split(b" BODY")[0])
                session.say(plain[:-3], b" BODY[HEADER.FIELDS (FROM)] {2}\r\n\r\n)\r\n")
        session.done()
        return True

    with lying_server() as plain, lying_server(shows_no_fields) as odd:
        for server in (plain, odd):
            fill(server)
        looked = [(one.ref.uid, one.finding.verdict) for one in scan(plain, tmp_path / "unused").judged]
        ended = run(odd, tmp_path)

        assert ended.done
        assert [(one.ref.uid, one.finding.verdict) for one in ended.done.look.judged] == looked
        assert len(odd.folders[TARGET].mails) == len(ended.done.look.plan.moves) > 50
