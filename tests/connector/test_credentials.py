"""Secrets come from where the owner says, and from nowhere that others can read."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from cleanup.connector import credentials
from cleanup.connector.credentials import from_command, from_environment, from_file, from_text
from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.errors import UsageError
from tests.servers.lying import lying_server


def test_a_credential_does_not_show_its_secret() -> None:
    assert "hunter2" not in repr(from_text("hunter2"))


def test_a_file_gives_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("pässwörd \nsecond line\n", encoding="utf-8")
    path.chmod(0o600)

    assert from_file(path).read() == "pässwörd "


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "password"
    path.write_text("secret")
    path.chmod(mode)

    with pytest.raises(UsageError, match="chmod 600"):
        from_file(path).read()


def test_an_empty_or_missing_file_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)

    for path in (empty, tmp_path / "missing"):
        with pytest.raises(UsageError, match=path.name):
            from_file(path).read()


def test_a_command_gives_its_first_line_and_runs_without_a_shell() -> None:
    assert from_command(f"{sys.executable} -c 'print(\"token\"); print(2)'").read() == "token"
    assert from_command("echo $HOME; id").read() == "$HOME; id"
    with pytest.raises(UsageError):
        from_command("no-such-program").read()


def test_a_command_that_fails_does_not_repeat_what_it_said() -> None:
    with pytest.raises(UsageError) as raised:
        from_command(f"{sys.executable} -c 'import sys; print(\"secret\"); sys.exit(3)'").read()

    assert "secret" not in str(raised.value)
    assert "3" in str(raised.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("sh -c 'sleep 30; echo late'", "takes longer than"),
        ("sh -c 'exec >&-; sleep 30'", "takes longer than"),
        ("yes secret", "prints more than"),
        ("sh -c 'printf \"secret-\\377\"'", "not UTF-8 text"),
        ("true", "gave no password"),
        ("sh -c 'echo; echo'", "gave no password"),
        ("echo 'unbalanced", "could not be run"),
        (" ", "could not be run"),
    ],
)
def test_a_command_that_gives_no_password_ends_in_time_and_is_named(
    command: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in command:
        monkeypatch.setattr(credentials, "COMMAND_TIMEOUT_S", 0.3)
    started = time.monotonic()
    with pytest.raises(UsageError, match=says) as raised:
        from_command(command).read()

    assert time.monotonic() - started < 20
    assert "secret" not in str(raised.value)


def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    started = time.monotonic()

    assert from_command("sh -c 'sleep 60 & echo token'").read() == "token"
    assert time.monotonic() - started < 30


def test_of_an_endless_file_no_more_than_a_secret_is_read(tmp_path: Path) -> None:
    (tmp_path / "zero").write_bytes(b"\0" * (credentials.LONGEST + 1))
    (tmp_path / "zero").chmod(0o600)

    assert len(from_file(tmp_path / "zero").read()) == credentials.LONGEST


def test_the_environment_gives_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANUP_TEST_PASSWORD", "secret")

    assert from_environment("CLEANUP_TEST_PASSWORD").read() == "secret"
    with pytest.raises(UsageError, match="CLEANUP_OTHER"):
        from_environment("CLEANUP_OTHER").read()


def test_a_pipe_or_a_device_as_password_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, mode=0o600)

    for path in (pipe, tmp_path):
        path.chmod(0o700 if path.is_dir() else 0o600)
        with pytest.raises(UsageError, match="and no file"):
            from_file(path).read()


@pytest.mark.parametrize(("secret", "says"), [("p\udce4ss", "not UTF-8 text"), ("pa\0ss", "NUL")])
def test_a_password_that_cannot_be_sent_is_refused_before_it_is(secret: str, says: str) -> None:
    with lying_server() as server:
        with (
            pytest.raises(UsageError, match=says) as raised,
            open_mailbox(Account("127.0.0.1", "anna", from_text(secret), port=server.port, security="plain")),
        ):
            pass

        assert secret not in str(raised.value)
        assert server.commands in ([], ["CAPABILITY"], ["CAPABILITY", "LOGOUT"])
