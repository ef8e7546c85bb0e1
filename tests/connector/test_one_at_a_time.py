"""Servers that take one command at a time: every command that looks works there, not only `scan` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.access import account_of
from cleanup.config import MailboxSettings
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.connector.questions import Examine, Fingerprints, Status, Uids
from cleanup.demo import LAST_DAY
from cleanup.errors import ConnectionLost, ServerMisbehaved
from cleanup.jobs import doctor, rescue
from cleanup.jobs import sieve_trial as sieving
from tests.connector.test_contract import a_message
from tests.connector.test_lies import account
from tests.servers.lying import LyingServer, Session, lying_server
from tests.servers.patient import Manner, patient_proxy
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import fill, settings_for

MANNERS: tuple[Manner, ...] = ("bad", "drop", "hang up")


def _patience(manner: Manner) -> float:
    """Return how many seconds to wait for an answer: where one never comes, a busy machine must answer the others."""
    return 3 if manner == "drop" else 60


@contextmanager
def _mailbox_behind(server: LyingServer, manner: Manner) -> Iterator[Mailbox]:
    with patient_proxy(server.port, manner) as proxy:
        behind = replace(account(server), port=proxy.port, command_timeout_s=_patience(manner))
        with open_mailbox(behind) as mailbox:
            yield mailbox
            assert proxy.hurried > 0


@pytest.mark.parametrize("manner", MANNERS)
def test_looks_are_answered_as_if_they_had_been_sent_one_by_one(manner: Manner) -> None:
    with lying_server() as server:
        uids = [server.folders["INBOX"].add(a_message(number)) for number in range(3)]
        with _mailbox_behind(server, manner) as mailbox:
            mailbox.send_ahead(Examine("INBOX"), Uids("INBOX"), Fingerprints("INBOX", uids))
            mailbox.examine("INBOX")

            assert mailbox.uids("INBOX") == uids
            assert list(mailbox.fingerprints("INBOX", uids)) == uids
            assert mailbox.one_by_one


@pytest.mark.parametrize("manner", MANNERS)
def test_the_folder_that_was_open_for_changes_is_open_again(manner: Manner) -> None:
    with lying_server() as server:
        uids = [server.folders["INBOX"].add(a_message(number)) for number in range(3)]
        with _mailbox_behind(server, manner) as mailbox:
            mailbox.select("INBOX")
            mailbox.send_ahead(Status("Sent"), Fingerprints("INBOX", uids))
            mailbox.status("Sent")
            mailbox.fingerprints("INBOX", uids)
            mailbox.mark_deleted(uids[:1])

        assert [mail.uid for mail in server.folders["INBOX"].mails if "\\Deleted" in mail.flags] == uids[:1]


def test_a_folder_with_another_uidvalidity_on_the_second_connection_is_not_taken_for_the_first() -> None:
    def renumbers(session: Session, name: str, _: list[bytes]) -> bool:
        session.server.folders["INBOX"].uidvalidity += name == "SELECT"
        return False

    with lying_server(renumbers) as server:
        server.folders["INBOX"].add(a_message(1))
        with _mailbox_behind(server, "hang up") as mailbox:
            mailbox.select("INBOX")
            with pytest.raises(ServerMisbehaved, match="renumbered"):
                mailbox.send_ahead(Status("Sent"), Fingerprints("INBOX", [1]))
                mailbox.status("Sent")
                mailbox.mark_deleted([1])

        assert server.folders["INBOX"].mails[0].flags == set()


@pytest.mark.parametrize("manner", ["drop", "hang up"])
def test_what_changes_mail_is_never_repeated(manner: Manner) -> None:
    with lying_server() as server:
        server.folders["INBOX"].add(a_message(1))
        with _mailbox_behind(server, manner) as mailbox:
            mailbox.select("INBOX")
            with suppress(ConnectionLost):  # of a server that hung up before it answered
                mailbox.move([1], "Sent", [Examine("Sent"), Uids("Sent")])
                assert mailbox.examine("Sent").exists == 1

        assert server.commands.count("UID MOVE") <= 1
        assert len(server.folders["INBOX"].mails) + len(server.folders["Sent"].mails) == 1


def _login(settings: MailboxSettings) -> object:
    with open_mailbox(account_of(settings, ask=lambda _: PASSWORD), read_only=True) as mailbox:
        return [folder.name for folder in mailbox.folders()]


def _doctor(settings: MailboxSettings) -> object:
    checks = doctor.examine(lambda: settings, ask=lambda _: PASSWORD, now=LAST_DAY)
    return [(check.stage, check.says if check.stage in ("folders", "sent coverage") else (), check.error)
            for check in checks]  # fmt: skip


def _rescue(settings: MailboxSettings) -> object:
    mail = account_of(settings, ask=lambda _: PASSWORD)
    return [one.judged.ref for one in rescue.offer(mail, settings, now=LAST_DAY, progress=lambda *_: None)]


def _sieve(settings: MailboxSettings) -> object:
    mail = account_of(settings, ask=lambda _: PASSWORD)
    return [digest for digest, _ in sieving.bounces_of(mail, settings, (), lambda *_: None)]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("command", [_login, _doctor, _rescue, _sieve])
def test_commands_say_the_same_as_on_a_server_that_takes_many(
    command: Callable[[MailboxSettings], object], manner: Manner, tmp_path: Path
) -> None:
    with lying_server() as server:
        fill(server)
        server.folders["Junk"] = server.folders["INBOX"]
        settings = settings_for(server, tmp_path)
        plain = command(settings)

        with patient_proxy(server.port, manner) as proxy:
            behind = settings.model_copy(update={"port": proxy.port, "command_timeout_s": _patience(manner)})
            assert command(behind) == plain
