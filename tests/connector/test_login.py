"""Every way to log in, and every way in which it fails, on real servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.connector.credentials import Mechanism, from_text
from cleanup.connector.mailbox import Account, open_mailbox
from cleanup.errors import CannotConnect, CleanupError, LoginRefused, OverQuota, TlsFailed, UsageError
from tests.connector.test_contract import a_message, uids_in
from tests.servers.dovecot import MASTER_PASSWORD, STATIC_PASSWORD, dovecot
from tests.servers.introspection import token_introspection
from tests.servers.running import PASSWORD, RunningServer, free_port

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def with_tokens() -> Iterator[RunningServer]:
    with token_introspection() as port, dovecot("dovecot-oauth", oauth_port=port) as server:
        yield server


def error_of(account: Account) -> CleanupError:
    with pytest.raises(CleanupError) as raised, open_mailbox(account):
        pass
    return raised.value


def logs_in(account: Account) -> bool:
    with open_mailbox(account) as mailbox:
        return mailbox.examine("INBOX").uidvalidity > 0


# --- TLS -----------------------------------------------------------------------------------------------------------


def test_starttls_and_tls_both_log_in(dovecot: RunningServer) -> None:
    assert logs_in(dovecot.new_account())
    assert logs_in(dovecot.new_account(security="starttls", port=dovecot.port))


def test_an_unknown_authority_is_refused_with_what_to_do(dovecot: RunningServer) -> None:
    for security, port in (("tls", dovecot.tls_port), ("starttls", dovecot.port)):
        error = error_of(dovecot.new_account(ca_file=None, security=security, port=port))

        assert isinstance(error, TlsFailed)
        assert "--ca-file" in str(error)


def test_a_certificate_for_another_name_is_refused(dovecot: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))

    error = error_of(dovecot.new_account(host="mail.example.org"))

    assert isinstance(error, TlsFailed)
    assert "it is not for mail.example.org, but for " in str(error)


def test_plain_text_where_tls_was_wanted_is_refused(dovecot: RunningServer) -> None:
    assert isinstance(error_of(dovecot.new_account(port=dovecot.port, connect_timeout_s=30)), TlsFailed)


def test_an_unencrypted_connection_leaves_this_machine_never() -> None:
    account = Account("imap.example.org", "anna", from_text("x"), security="plain")

    assert isinstance(error_of(account), UsageError)


def test_a_ca_file_that_is_none_is_named(tmp_path: Path, dovecot: RunningServer) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
        error = error_of(dovecot.new_account(ca_file=path))
        assert isinstance(error, UsageError)
        assert path.name in str(error)


# --- reaching ------------------------------------------------------------------------------------------------------


def test_nobody_there_and_no_such_host_are_told_apart() -> None:
    nobody = Account("127.0.0.1", "anna", from_text("x"), port=free_port(), security="plain")

    assert "refused the connection" in str(error_of(nobody))
    no_host = error_of(Account("no-such-host.invalid", "anna", from_text("x")))
    assert isinstance(no_host, CannotConnect)
    assert "no host" in str(no_host)


def test_a_server_that_says_nothing_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        account = Account("127.0.0.1", "anna", from_text("x"), port=silent.getsockname()[1], security="plain",
                          connect_timeout_s=0.5)  # fmt: skip
        assert isinstance(error_of(account), CannotConnect)


# --- passwords -----------------------------------------------------------------------------------------------------


def test_a_password_with_quotes_and_backslashes_logs_in(dovecot: RunningServer) -> None:
    assert logs_in(dovecot.new_account(username="quoting", credential=from_text(PASSWORD)))


def test_a_user_and_password_with_umlauts_log_in(dovecot: RunningServer) -> None:
    assert logs_in(dovecot.new_account(username="ümläut", credential=from_text("pässwörd")))


def test_a_wrong_password_with_umlauts_is_not_repeated(dovecot: RunningServer) -> None:
    error = error_of(dovecot.new_account(username="ümläut", credential=from_text("fälsches wort")))

    assert isinstance(error, LoginRefused)
    assert "fälsches" not in str(error)


def test_a_master_user_opens_another_mailbox_both_ways(dovecot: RunningServer) -> None:
    owner = dovecot.new_account()
    with open_mailbox(owner) as mailbox:
        mailbox.append("INBOX", a_message(1))
    master = from_text(MASTER_PASSWORD)

    for account in (
        replace(owner, username=f"{owner.username}*helpdesk", credential=master),
        replace(owner, username="helpdesk", credential=master, authzid=owner.username),
    ):
        with open_mailbox(account) as mailbox:
            assert len(uids_in(mailbox, "INBOX")) == 1


def test_who_acts_for_whom_is_said() -> None:
    account = Account("localhost", "helpdesk", from_text("x"), authzid="anna")

    assert account.who == "helpdesk for anna"


def test_a_proxy_user_of_cyrus_opens_another_mailbox_and_others_may_not(cyrus: RunningServer) -> None:
    owner = cyrus.new_account()
    with open_mailbox(owner) as mailbox:
        mailbox.append("INBOX", a_message(1))

    with open_mailbox(replace(owner, username="helpdesk", authzid=owner.username)) as mailbox:
        assert len(uids_in(mailbox, "INBOX")) == 1
    stranger = cyrus.new_account()
    error = error_of(replace(stranger, authzid=owner.username))
    assert isinstance(error, LoginRefused)
    assert f"{stranger.username} for {owner.username}" in str(error)


# --- tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [Mechanism.XOAUTH2, Mechanism.OAUTHBEARER])
def test_a_good_token_logs_in_and_others_do_not(with_tokens: RunningServer, mechanism: Mechanism) -> None:
    account = with_tokens.new_account()

    def with_token(token: str) -> Account:
        return replace(account, credential=from_text(token, mechanism))

    assert logs_in(with_token(f"good-{account.username}"))
    for token in ("expired-token-1234", "good-somebody-else"):
        error = error_of(with_token(token))
        assert isinstance(error, LoginRefused)
        assert token not in str(error)
        assert "token" in str(error)


def test_passwords_still_work_beside_tokens(with_tokens: RunningServer) -> None:
    assert logs_in(with_tokens.new_account(credential=from_text(STATIC_PASSWORD)))


# --- quota ---------------------------------------------------------------------------------------------------------


def test_a_full_mailbox_can_still_be_tidied_with_move(dovecot: RunningServer) -> None:
    with open_mailbox(dovecot.new_account(username="full0")) as mailbox:
        mailbox.create_folder("Backscatter")
        mailbox.append("INBOX", a_message(1, body="x" * 60_000))
        with pytest.raises(OverQuota):
            mailbox.append("INBOX", a_message(2, body="x" * 60_000))
        [uid] = uids_in(mailbox, "INBOX")
        mailbox.select("INBOX")
        with pytest.raises(OverQuota):
            mailbox.copy([uid], "Backscatter")
        mailbox.move([uid], "Backscatter")

        assert len(uids_in(mailbox, "Backscatter")) == 1
