"""From a mailbox's settings to an account that can log in: host, login and where the secret comes from."""

from __future__ import annotations

import os
from collections.abc import Callable

from cleanup.config import KNOWN_HOSTS, MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.credentials import (
    Credential,
    Mechanism,
    from_command,
    from_environment,
    from_file,
    from_keyring,
    from_text,
)
from cleanup.errors import UsageError

PASSWORD_VARIABLE = "CLEANUP_PASSWORD"  # noqa: S105 - the name of a variable

Ask = Callable[[str], str]


def host_of(settings: MailboxSettings) -> str | None:
    """Return the IMAP server, where it is named or the provider's is known."""
    return settings.host or KNOWN_HOSTS.get(settings.address.rpartition("@")[2])


def account_of(settings: MailboxSettings, *, ask: Ask) -> Account:
    """Return the account. `ask` is called with the login's name where no other source of a password is set."""
    username = settings.username or settings.address
    host = host_of(settings)
    if host is None:
        raise UsageError(f"The IMAP server of {settings.address} is not known", hint="Name it with --host")
    return Account(
        host=host,
        port=settings.port,
        security=settings.security,
        username=username,
        authzid=settings.authorization_id,
        credential=credential_of(settings, username, ask),
        ca_file=settings.ca_file,
        connect_timeout_s=settings.connect_timeout_s,
        command_timeout_s=settings.command_timeout_s,
    )


def credential_of(settings: MailboxSettings, username: str, ask: Ask) -> Credential:
    """Return where the secret comes from: what is set most explicitly comes first, a person last."""
    if settings.token_command:
        return from_command(settings.token_command, Mechanism.XOAUTH2)
    if settings.password_file:
        return from_file(settings.password_file)
    if settings.password_command:
        return from_command(settings.password_command)
    if settings.password_env:
        return from_environment(settings.password_env)
    if settings.keyring_service:
        return from_keyring(settings.keyring_service, username)
    if os.environ.get(PASSWORD_VARIABLE):
        return from_environment(PASSWORD_VARIABLE)
    return from_text(ask(username))
