"""From a mailbox's settings to an account that can log in: host, login and where the secret comes from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from cleanup.config import APP, MailboxSettings, OAuthSettings
from cleanup.connector.account import Account
from cleanup.connector.credentials import (
    Credential,
    Mechanism,
    from_command,
    from_environment,
    from_file,
    from_keyring,
    from_systemd,
    from_text,
)
from cleanup.detector.providers import imap_host
from cleanup.errors import UsageError

PASSWORD_VARIABLE = "CLEANUP_PASSWORD"  # noqa: S105 - the name of a variable

Ask = Callable[[str], str]
Show = Callable[[str], None]


def _nobody_to_show(_: str) -> None:
    raise UsageError("The login needs a person once", hint="On a terminal: mailbox-cleanup login MAILBOX")


def host_of(settings: MailboxSettings) -> str | None:
    """Return the IMAP server, where it is named or the provider's is known."""
    return settings.host or imap_host(settings.address.rpartition("@")[2])


def account_of(settings: MailboxSettings, *, ask: Ask, show: Show = _nobody_to_show) -> Account:
    """Return the account. `ask` is called with the login's name where no other source of a password is set.

    `show` is called with what a person has to do in a browser, where a token needs that; without it that is an error.
    """
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
        credential=credential_of(settings, username, ask, show),
        ca_file=settings.ca_file,
        connect_timeout_s=settings.connect_timeout_s,
        command_timeout_s=settings.command_timeout_s,
    )


def credential_of(settings: MailboxSettings, username: str, ask: Ask, show: Show) -> Credential:
    """Return where the secret comes from: what is set most explicitly comes first, a person last."""
    if settings.token_command:
        return from_command(settings.token_command, Mechanism.XOAUTH2)
    if token := _token_of(settings, show):
        return token
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
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):  # systemd hands it over (LoadCredential=): to one, or to all
        for file in (Path(folder) / f"password.{settings.address}", Path(folder) / "password"):
            if file.is_file():
                return from_systemd(file)
    return from_text(ask(username))


# --- pieces --------------------------------------------------------------------------------------------------------


def _token_of(settings: MailboxSettings, show: Show) -> Credential | None:
    """Return where an OAuth 2 token comes from; None where the settings name no way to one."""
    oauth = settings.oauth
    if oauth == OAuthSettings():
        return None
    from cleanup.connector import oauth as tokens

    if oauth.google_service_account_file:
        mailbox = settings.authorization_id or settings.address
        return tokens.google_service_account(oauth.google_service_account_file, mailbox)
    if oauth.google_token_file:
        return tokens.google_person(oauth.google_token_file)
    if not oauth.client_id:
        return None
    authority = oauth.authority or tokens.MICROSOFT
    client = tokens.MicrosoftClient(oauth.tenant, oauth.client_id, authority, settings.ca_file)
    if oauth.client_secret_file:
        return tokens.microsoft_app(client, from_file(oauth.client_secret_file))
    if oauth.client_secret_command:
        return tokens.microsoft_app(client, from_command(oauth.client_secret_command))
    return tokens.microsoft_person(client, oauth.cache_file or token_cache(settings.address), show)


def token_cache(address: str) -> Path:
    """Return where a person's tokens are kept; the name of the file does not tell whose they are."""
    name = hashlib.sha256(address.lower().encode()).hexdigest()[:32]
    return Path(platformdirs.user_data_dir(APP)) / "tokens" / f"{name}.json"
