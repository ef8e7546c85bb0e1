"""Whatever is wrong from outside: one clear line, the documented exit code, no traceback, and nothing changed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OWNER
from tests.cli.command import PROGRAM, Ended, cleanup
from tests.detector.hostile import hostile_mails
from tests.servers.lying import lying_server, sleeps
from tests.servers.running import PASSWORD, RunningServer, free_port
from tests.whole_job.job import RULES, Job, Template

COMMANDS = (("scan", OWNER), ("run", OWNER, "--yes"))
pytestmark = pytest.mark.server


@pytest.fixture
def job(anna_on_dovecot: Template, tmp_path: Path) -> Job:
    return anna_on_dovecot.job(tmp_path / "ledger.sqlite")


def complains(ended: Ended, code: int, *words: str) -> None:
    """Assert one line on stderr with an error code in brackets, these words in it, and nothing on stdout."""
    assert ended.code == code, ended
    assert ended.out == ""
    assert ended.err.startswith("mailbox-cleanup: ")
    assert ended.err.endswith("]\n")
    assert ended.err.count("\n") == 1, ended.err
    for word in words:
        assert word in ended.err, ended.err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[::2]))
class TestOfTheConnection:
    def test_a_wrong_password(self, job: Job, command: tuple[str, ...]) -> None:
        before = job.mailbox()
        wrong = replace(job, account=replace(job.account, credential=from_text("wrong-and-secret")))

        complains(wrong.end(wrong.start(*command)), 13, "login-refused")
        assert job.mailbox() == before

    def test_no_such_host(self, job: Job, command: tuple[str, ...]) -> None:
        done = cleanup(*command, "--host", "mail.nowhere.invalid", CLEANUP_PASSWORD="x")

        complains(done, 10, "mail.nowhere.invalid", "cannot-connect")

    def test_nobody_listens(self, job: Job, command: tuple[str, ...]) -> None:
        port = free_port()

        complains(job.end(job.start(*command, port=port)), 10, f"{port}", "cannot-connect")

    def test_a_certificate_that_nobody_vouches_for(
        self, job: Job, command: tuple[str, ...], dovecot: RunningServer
    ) -> None:
        complains(over_tls(dovecot, job, command), 12, "certificate", "[tls]")

    def test_a_certificate_for_another_name(self, job: Job, command: tuple[str, ...], dovecot: RunningServer) -> None:
        other = over_tls(dovecot, job, command, "--ca-file", dovecot.ca_file, host="127.1")

        complains(other, 12, "127.1", "[tls]")

    def test_tls_where_the_server_speaks_plain_text(self, job: Job, command: tuple[str, ...]) -> None:
        done = cleanup(*command, *reach(job, "tls"), CLEANUP_PASSWORD="x")

        complains(done, 12, "[tls]")

    def test_plain_text_to_another_machine(self, job: Job, command: tuple[str, ...]) -> None:
        done = cleanup(*command, "--host", "192.0.2.1", "--security", "plain", CLEANUP_PASSWORD="x")

        complains(done, 2, "[usage]")


def over_tls(
    server: RunningServer, job: Job, command: tuple[str, ...], *more: object, host: str = "localhost"
) -> Ended:
    return cleanup(*command, "--host", host, "--port", server.tls_port, "--username", job.account.username,
                   "--ledger", job.ledger, *more, CLEANUP_PASSWORD="x")  # fmt: skip


def reach(job: Job, security: str = "plain") -> tuple[object, ...]:
    return ("--host", "127.0.0.1", "--port", job.account.real_port, "--security", security,
            "--username", job.account.username, "--ledger", job.ledger)  # fmt: skip


# --- folders and permissions ---------------------------------------------------------------------------------------


def test_an_inbox_that_is_not_there(job: Job, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[mailboxes.anna]\naddress = "{OWNER}"\ninbox = "Elsewhere"\n')

    complains(job.end(job.start("run", "anna", "--yes", "--config", config)), 14, '"Elsewhere"', "folder-not-found")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[::2]))
def test_a_sent_folder_that_is_not_there(job: Job, command: tuple[str, ...]) -> None:
    before = job.mailbox()

    complains(job.end(job.start(*command, *RULES, "--sent-folder", "Gesendet")), 14, '"Gesendet"', "[sent-not-found]")
    assert job.mailbox() == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[::2]))
def test_a_mailbox_without_sent_is_an_error_that_names_the_folders(job: Job, command: tuple[str, ...]) -> None:
    with open_mailbox(job.account) as mailbox:
        mailbox.create_folder("Ablage")
    before = job.mailbox()

    ended = job.end(job.start(*command, *RULES, "--not-sent-folder", "Sent"))  # this server makes it again

    complains(ended, 14, "No folder of sent mail was found: there are ", "[sent-not-found]")
    assert '"Ablage"' in ended.err
    assert "--sent-folder" in ended.err
    assert job.mailbox() == before


def test_a_night_on_which_an_empty_sent_decides_nothing_is_not_green(job: Job, tmp_path: Path) -> None:
    with open_mailbox(job.account) as mailbox:
        mailbox._wire.command("DELETE", b"Sent")
        mailbox.create_folder("Sent")
    before = job.mailbox()

    for _ in range(2):  # on the second night there is nothing new, and no more is known
        ended = job.run("--metrics-file", tmp_path / "metrics")

        assert ended.code == 21, ended
        assert "The Sent folder is empty. Until Sent vouches" in ended.err
        assert ended.err.endswith("[sent-cannot-vouch]\n")
        told = (tmp_path / "metrics").read_text()
        assert f'mailbox_cleanup_failures{{name="{OWNER}",cause="sent-cannot-vouch"}} 1' in told
        assert f'mailbox_cleanup_run_ok{{name="{OWNER}"}} 0' in told
        assert job.mailbox() == before


@pytest.mark.parametrize("sent", [False, True], ids=["no Sent", "an empty Sent"])
def test_where_there_is_nothing_to_judge_a_night_is_green_and_says_what_is_missing(
    anna_on_dovecot: Template, tmp_path: Path, *, sent: bool
) -> None:
    server = anna_on_dovecot.server
    account = replace(server.new_account(), host="127.0.0.1", port=server.port, security="plain", ca_file=None)
    with open_mailbox(account) as mailbox:
        mailbox.append("INBOX", b"From: bob@partner.test\r\nSubject: hello\r\n\r\nWelcome.\r\n", (), LAST_DAY)

    ended = Job(account, tmp_path / "ledger.sqlite").run(*(() if sent else ("--not-sent-folder", "Sent")))

    assert ended.code == 0, ended
    assert ("The Sent folder is empty" if sent else "No folder of sent mail was found") in ended.err


def test_an_inbox_that_may_only_be_read(job: Job, anna_on_dovecot: Template) -> None:
    assert anna_on_dovecot.server.folder is not None
    before = job.mailbox()
    maildir = anna_on_dovecot.server.folder / "mail" / job.account.username
    (maildir / "dovecot-acl").write_text("owner lr\n")

    complains(job.run(), 14, "permission")
    assert job.mailbox() == before


# --- configuration, secrets, ledger --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"[mailboxes.anna\n", "config.toml"),
        (b"\xff\xfe\x00", "config.toml"),
        (b'[mailboxes.anna]\naddress = "a@b.test"\nhosst = "x"\n', "hosst"),
        (b'[mailboxes.anna]\naddress = "a@b.test"\nport = "many"\n', "port"),
        (b'[mailboxes.anna]\naddress = "nobody"\n', "address"),
        (b"[mailboxes]\nanna = 5\n", "anna"),
        (b"mailboxes = []\n", "mailboxes"),
    ],
)
def test_a_configuration_that_says_nothing_sensible(tmp_path: Path, text: bytes, word: str) -> None:
    config = tmp_path / "config.toml"
    config.write_bytes(text)

    complains(cleanup("run", "anna", "--yes", "--config", config), 2, word, "[configuration]")


def test_a_configuration_that_is_not_there_or_is_a_folder(tmp_path: Path) -> None:
    complains(cleanup("run", "anna", "--config", tmp_path / "none.toml"), 2, "none.toml", "[configuration]")
    complains(cleanup("run", "anna", "--config", tmp_path), 2, "[configuration]")


def test_a_password_that_cannot_be_had(job: Job, tmp_path: Path) -> None:
    missing = tmp_path / "no-password"
    open_to_all = tmp_path / "password"
    open_to_all.write_text("x")
    open_to_all.chmod(0o644)

    complains(cleanup("scan", OWNER, *reach(job), "--password-file", missing), 2, "no-password")
    complains(cleanup("scan", OWNER, *reach(job), "--password-file", open_to_all), 2, str(open_to_all))
    complains(cleanup("scan", OWNER, *reach(job), "--password-command", "exit 3"), 2)
    complains(cleanup("scan", OWNER, *reach(job), "--password-command", "no-such-program-here"), 2)
    complains(cleanup("scan", OWNER, *reach(job), "--password-env", "NOT_SET_AT_ALL"), 2, "NOT_SET_AT_ALL")
    complains(cleanup("scan", OWNER, *reach(job)), 2, "--password-file")


def test_a_ledger_that_cannot_be_used_moves_nothing(job: Job, tmp_path: Path) -> None:
    before = job.mailbox()
    (tmp_path / "a-file").write_text("no ledger, and longer than a database's header would be, to be sure of it" * 20)

    for ledger in (tmp_path / "a-file", tmp_path / "a-file" / "below", tmp_path, Path("/proc/ledger.sqlite")):
        complains(replace(job, ledger=ledger).run(), 1, "[ledger-unusable]")
    complains(cleanup("run", OWNER, "--yes", "--ledger", "nonsense://x", CLEANUP_PASSWORD="x"), 2, "[usage]")
    assert job.mailbox() == before


def test_a_lock_that_cannot_be_made_moves_nothing(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CLEANUP_LOCK_DIR", str(tmp_path / "file" / "locks"))
    before = job.mailbox()

    complains(job.run(), 2, "CLEANUP_LOCK_DIR")
    assert job.mailbox() == before


# --- mail ----------------------------------------------------------------------------------------------------------


def test_hostile_mail_is_passed_over_and_stays_where_it_is(job: Job) -> None:
    mails = [raw.replace(b"\0", b"\x01") for _, raw in hostile_mails(20_000) if raw]
    with open_mailbox(job.account) as mailbox:
        for raw in mails:
            mailbox.append("INBOX", raw, (), LAST_DAY)

    ended = job.run()
    after = job.mailbox()

    assert ended.code == 0, ended
    assert len(after["Backscatter"]) == 72
    assert len(after["INBOX"]) == 447 - 72 + len(mails)


@pytest.mark.parametrize("out", ["| head -c 100", "> /dev/full"])
def test_a_reader_that_goes_away(job: Job, out: str) -> None:
    words = " ".join(map(str, (PROGRAM, "scan", OWNER, *reach(job), *RULES, "--format", "jsonl", out)))
    environment = {**os.environ, "CLEANUP_PASSWORD": job.account.credential.read()}
    done = subprocess.run(["bash", "-c", words], capture_output=True, timeout=60, env=environment)

    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_a_server_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    with lying_server(sleeps("EXAMINE", 30)) as server:
        config.write_text(
            f'[mailboxes.anna]\naddress = "{OWNER}"\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "plain"\n'
            "command_timeout_s = 1\n"
        )
        reach = ("--config", config, "--ledger", tmp_path / "ledger.sqlite")
        ended = cleanup("run", "anna", "--yes", *reach, CLEANUP_PASSWORD=PASSWORD)

        complains(ended, 10, "EXAMINE")
