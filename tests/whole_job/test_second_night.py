"""A server that lies in one night only: what is remembered of it is never a reason to move a genuine bounce."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.jobs.idle_check import Look
from cleanup.model import Verdict
from tests.servers.lying import Lie, LyingServer, Mail, Session, lying_server, uid_set
from tests.whole_job.anna_lies import TARGET, fill, run, truth_of, wrongly_filed

LATER = 20  # forged notices that come after the first night, with all the genuine ones
FORGED = 72
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def hides_sent(session: Session, name: str, args: list[bytes]) -> bool:
    """Show none of the sent messages that are asked for, and say OK."""
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    session.done()
    return True


def blanks_sent(session: Session, name: str, args: list[bytes]) -> bool:
    """Show sent messages without any header."""
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    wanted = uid_set(args[0], session.box)
    for number, mail in enumerate(session.box.mails, start=1):
        if mail.uid in wanted:
            blank = session.fetch_data(
                number, Mail(mail.uid, b"\r\n", mail.flags, mail.arrived), b" ".join(args).upper()
            )
            session.say(blank.replace(b"RFC822.SIZE 2", b"RFC822.SIZE %d" % len(mail.raw)))
    session.done()
    return True


def two_sent_swapped(session: Session, name: str, args: list[bytes]) -> bool:
    """Show each sent message under the number of another one."""
    if name != "UID FETCH" or session.selected != "Sent":
        return False
    mails = session.box.mails
    wanted = uid_set(args[0], session.box)
    for number, mail in enumerate(mails, start=1):
        if mail.uid in wanted:
            other = mails[number % len(mails)]
            lie = Mail(mail.uid, other.raw, mail.flags, mail.arrived)
            session.say(session.fetch_data(number, lie, b" ".join(args[1:]).upper()))
    session.done()
    return True


@contextmanager
def after_an_honest_night(folder: Path) -> Iterator[LyingServer]:
    """Yield a server with one run behind it, and new mail since: all genuine bounces and some forged ones."""
    with lying_server() as server:
        fill(server)
        inbox = server.folders["INBOX"]
        forged = [mail for mail in inbox.mails if truth_of(mail.raw) == "backscatter"]
        later = [mail for mail in inbox.mails if truth_of(mail.raw) == "genuine"] + forged[-LATER:]
        inbox.mails = [mail for mail in inbox.mails if mail not in later]
        assert run(server, folder).error is None
        for mail in later:
            inbox.add(mail.raw, mail.flags, mail.arrived)
        yield server


def disproved(look: Look) -> list[str]:
    """Return the genuine bounces that are said not to be in Sent, although Sent vouches."""
    genuine = [
        j
        for j in look.judged
        if truth_of(b"Message-ID: <%s>\r\n\r\n" % (j.notice.message_id or "").encode()) == "genuine"
    ]
    rules = [{reason.rule for reason in j.finding.reasons} for j in genuine]
    return [str(r) for r in rules if "sent.absent" in r and not r & {"sent.cannot_vouch", "sent.unusable"}]


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (hides_sent, "were not shown"),
        (blanks_sent, "were not shown"),
        (two_sent_swapped, "are not what was read under their numbers"),
    ],
)
def test_what_the_server_does_not_show_tonight_is_not_absent(lie: Lie, told: str, tmp_path: Path) -> None:
    with after_an_honest_night(tmp_path) as server:
        server.lies = [lie]

        ended = run(server, tmp_path)

        assert ended.done is not None
        assert disproved(ended.done.look) == []
        assert ended.done.moved == 0
        assert told in ended.done.in_words()
        server.lies.clear()
        assert run(server, tmp_path).error is None
        assert len(server.folders[TARGET].mails) == FORGED
        assert wrongly_filed(server) == []


@pytest.mark.parametrize("lie", [hides_sent, blanks_sent])
def test_a_lie_of_the_first_night_is_not_remembered(lie: Lie, tmp_path: Path) -> None:
    """Even where the owner vouches that Sent is complete."""
    with lying_server(lie) as server:
        fill(server)
        first = run(server, tmp_path, sent_complete_since=LONG_AGO)

        assert first.done is not None
        assert first.done.moved == 0
        assert all(j.finding.verdict is not Verdict.BACKSCATTER for j in first.done.look.judged)
        server.lies.clear()
        assert run(server, tmp_path).error is None
        assert len(server.folders[TARGET].mails) == FORGED
        assert wrongly_filed(server) == []
