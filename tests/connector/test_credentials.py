"""Secrets come from where the owner says, and from nowhere that others can read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cleanup.connector.credentials import from_command, from_environment, from_file, from_text
from cleanup.errors import UsageError


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


def test_the_environment_gives_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANUP_TEST_PASSWORD", "secret")

    assert from_environment("CLEANUP_TEST_PASSWORD").read() == "secret"
    with pytest.raises(UsageError, match="CLEANUP_OTHER"):
        from_environment("CLEANUP_OTHER").read()
