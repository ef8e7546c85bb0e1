"""From settings to an account: host, login, and where the secret comes from, most explicit first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cleanup.access import account_of, host_of, token_cache
from cleanup.config import MailboxSettings, load_mailbox
from cleanup.connector.account import Account
from cleanup.connector.credentials import Mechanism
from cleanup.errors import UsageError
from tests.servers.token_service import token_service

OWNER = "anna@example.org"


def _private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def _settings(**given: Any) -> MailboxSettings:
    return load_mailbox(OWNER, options={"host": "imap.example.org", **given})


def _account(**given: Any) -> Account:
    return account_of(_settings(**given), ask=lambda who: f"typed for {who}")


def test_a_person_is_asked_where_nothing_else_is_set() -> None:
    assert _account().credential.read() == f"typed for {OWNER}"
    assert _account(username="anna").credential.read() == "typed for anna"


def test_sources_of_a_password_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    _private(tmp_path / "password", "systemd, for all")
    assert _account().credential.read() == "systemd, for all"
    _private(tmp_path / f"password.{OWNER}", "systemd, for her")
    assert _account().credential.read() == "systemd, for her"
    monkeypatch.setenv("CLEANUP_PASSWORD", "environment")
    assert _account().credential.read() == "environment"
    monkeypatch.setenv("OTHER", "another variable")
    assert _account(password_env="OTHER").credential.read() == "another variable"
    command = "echo command"
    assert _account(password_env="OTHER", password_command=command).credential.read() == "command"
    file = _private(tmp_path / "file", "file\n")
    assert _account(password_command=command, password_file=file).credential.read() == "file"
    token = _account(password_file=file, token_command="echo token").credential
    assert (token.read(), token.mechanism) == ("token", Mechanism.XOAUTH2)


def test_a_credential_of_systemd_is_read_although_its_access_list_looks_like_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    _private(tmp_path / "password", "from systemd").chmod(0o440)

    assert _account().credential.read() == "from systemd"
    with pytest.raises(UsageError, match="Others may read"):
        _account(password_file=tmp_path / "password").credential.read()


def test_the_environment_may_name_the_file_or_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANUP_PASSWORD_FILE", str(_private(tmp_path / "file", "from the file")))
    assert _account().credential.read() == "from the file"
    monkeypatch.delenv("CLEANUP_PASSWORD_FILE")
    monkeypatch.setenv("CLEANUP_PASSWORD_COMMAND", "echo from the command")
    assert _account().credential.read() == "from the command"


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    (tmp_path / "file").chmod(0o644)

    with pytest.raises(UsageError, match="chmod 600"):
        _account(password_file=tmp_path / "file").credential.read()


def test_an_application_of_microsoft_gets_its_token(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    secret = _private(tmp_path / "secret", "client-secret")
    with token_service(tmp_path / "service") as service:
        oauth = {"tenant": "t", "client_id": "c", "authority": service.base, "client_secret_file": secret}
        credential = _account(oauth=oauth, ca_file=service.ca_file).credential
        assert (credential.read(), credential.mechanism) == ("fresh-token", Mechanism.XOAUTH2)


def test_a_token_that_needs_a_person_says_so_where_nobody_is_there(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    with token_service(tmp_path / "service") as service:
        oauth = {"tenant": "t", "client_id": "c", "authority": service.base, "cache_file": tmp_path / "cache"}
        with pytest.raises(UsageError, match="mailbox-cleanup login"):
            _account(oauth=oauth, ca_file=service.ca_file).credential.read()


def test_a_person_is_shown_what_to_do_once(tmp_path: Path) -> None:
    shown: list[str] = []
    (tmp_path / "service").mkdir()
    with token_service(tmp_path / "service") as service:
        oauth = {"tenant": "t", "client_id": "c", "authority": service.base, "cache_file": tmp_path / "cache"}
        settings = _settings(oauth=oauth, ca_file=service.ca_file)
        assert account_of(settings, ask=str, show=shown.append).credential.read() == "fresh-token"

    assert len(shown) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


def test_the_file_of_tokens_does_not_tell_whose_they_are() -> None:
    assert "anna" not in token_cache(OWNER).name
    assert token_cache(OWNER) == token_cache(OWNER.upper())


def test_large_providers_need_no_host_and_others_do() -> None:
    assert host_of(load_mailbox("anna@gmail.com")) == "imap.gmail.com"
    with pytest.raises(UsageError, match="--host"):
        account_of(load_mailbox(OWNER), ask=str)
