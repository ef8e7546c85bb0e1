"""Access tokens of Microsoft 365 and Google, for XOAUTH2. The libraries are extras: `microsoft`, `google`.

A token is fetched at each login, so a new connection never carries an expired one. No redirect is followed: a secret
goes to the endpoint that was configured or nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanup.connector.credentials import Credential, Mechanism, owner_only, write_private
from cleanup.connector.quirks import tidy
from cleanup.connector.redact import remember
from cleanup.errors import CannotConnect, LoginRefused, UsageError
from cleanup.extras import install_command

if TYPE_CHECKING:
    import requests

MICROSOFT = "https://login.microsoftonline.com"
MICROSOFT_APP_SCOPE = "https://outlook.office365.com/.default"
MICROSOFT_PERSON_SCOPE = "https://outlook.office365.com/IMAP.AccessAsUser.All"
GOOGLE_SCOPE = "https://mail.google.com/"
TOKEN_TIMEOUT_S = 30

Show = Callable[[str], None]  # tells a person what to do


@dataclass(frozen=True, slots=True)
class MicrosoftClient:
    """An application registered with Microsoft Entra ID. `authority` and `ca_file` differ for sovereign clouds only."""

    tenant: str
    client_id: str
    authority: str = MICROSOFT
    ca_file: Path | None = None


def microsoft_app(client: MicrosoftClient, secret: Credential) -> Credential:
    """Return the credential of an application that opens mailboxes on its own (client credentials).

    It needs the permission IMAP.AccessAsApp, a service principal in Exchange Online made with the *enterprise
    application's* object id, and FullAccess to the mailbox.
    """

    def read() -> str:
        msal, session = _msal(), _session(client.ca_file)
        known = secret.read()
        remember(known)  # what goes wrong may be told with the request that held it
        app = _made(msal.ConfidentialClientApplication, client, session, client_credential=known)
        return _token("Microsoft", _asked(lambda: app.acquire_token_for_client([MICROSOFT_APP_SCOPE])))

    return Credential(read, Mechanism.XOAUTH2)


def microsoft_person(client: MicrosoftClient, cache_file: Path, show: Show) -> Credential:
    """Return the credential of a person, who types a code into a web page the first time (device code).

    What is needed to do without next time is kept in `cache_file`, readable by its owner only.
    """

    def read() -> str:
        msal, session = _msal(), _session(client.ca_file)
        cache = msal.SerializableTokenCache()
        if cache_file.exists():
            owner_only(cache_file)
            cache.deserialize(cache_file.read_text(encoding="utf-8"))
        app = _made(msal.PublicClientApplication, client, session, token_cache=cache)

        def ask() -> Any:
            accounts = app.get_accounts()
            if accounts and (known := app.acquire_token_silent([MICROSOFT_PERSON_SCOPE], account=accounts[0])):
                return known
            flow = app.initiate_device_flow([MICROSOFT_PERSON_SCOPE])  # RFC 8628
            if "user_code" not in flow:
                return flow  # an error, in the form of an answer
            show(f"Open {flow['verification_uri']} and enter the code {flow['user_code']}")
            return app.acquire_token_by_device_flow(flow)

        token = _token("Microsoft", _asked(ask))
        if cache.has_state_changed:  # a refresh token is replaced when it is used
            write_private(cache_file, cache.serialize())
        return token

    return Credential(read, Mechanism.XOAUTH2)


def google_service_account(key_file: Path, mailbox: str) -> Credential:
    """Return the credential of a service account with domain-wide delegation for a mailbox."""

    def read() -> str:
        from google.oauth2 import service_account

        make: Any = service_account.Credentials.from_service_account_file
        return _google(lambda: make(str(key_file), scopes=[GOOGLE_SCOPE], subject=mailbox), key_file)

    return Credential(read, Mechanism.XOAUTH2)


def google_person(token_file: Path) -> Credential:
    """Return the credential of a person from an "authorized user" file, which holds a refresh token."""

    def read() -> str:
        from google.oauth2 import credentials

        make: Any = credentials.Credentials.from_authorized_user_file
        return _google(lambda: make(str(token_file), scopes=[GOOGLE_SCOPE]), token_file)

    return Credential(read, Mechanism.XOAUTH2)


# --- Microsoft -----------------------------------------------------------------------------------------------------


def _msal() -> Any:
    try:
        import msal
    except ImportError as error:
        raise _not_installed("microsoft") from error
    return msal


def _made(kind: Any, client: MicrosoftClient, session: requests.Session, **more: Any) -> Any:
    authority = f"{client.authority}/{client.tenant}"
    known = client.authority == MICROSOFT
    return _asked(
        lambda: kind(client.client_id, authority=authority, http_client=session, instance_discovery=known, **more)
    )


def _token(provider: str, answer: Any) -> str:
    if isinstance(answer, dict) and isinstance(answer.get("access_token"), str):
        return str(answer["access_token"])
    error = answer if isinstance(answer, dict) else {}
    lines = str(error.get("error_description") or error.get("error") or "it does not say why").splitlines()
    raise LoginRefused(
        f"{provider} gave no access token", why=tidy(lines[0]), hint="Check tenant, client and permissions"
    )


# --- Google --------------------------------------------------------------------------------------------------------


def _google(make: Callable[[], Any], path: Path) -> str:
    try:
        from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
        from google.auth.transport.requests import Request
    except ImportError as error:
        raise _not_installed("google") from error
    owner_only(path)
    try:
        credential = make()
        credential.refresh(Request(_session(None)))
    except TransportError as error:
        raise CannotConnect("Google's token service cannot be reached") from error
    except RefreshError as error:
        raise LoginRefused("Google gave no access token", why=tidy(str(error.args[0]))) from None
    except (GoogleAuthError, ValueError, KeyError) as error:
        raise UsageError(f"The file {path} is no Google credential") from error
    return str(credential.token)


# --- both ----------------------------------------------------------------------------------------------------------


def _session(ca_file: Path | None) -> requests.Session:
    """Return a session that waits half a minute at most and follows no redirect."""
    import requests

    class BoundedSession(requests.Session):
        def request(self, *args: Any, **options: Any) -> requests.Response:
            options |= {"timeout": options.get("timeout") or TOKEN_TIMEOUT_S, "allow_redirects": False}
            if ca_file:  # said here, because the environment outranks the session's own setting
                options["verify"] = str(ca_file)
            return super().request(*args, **options)

    return BoundedSession()


def _asked(ask: Callable[[], Any]) -> Any:
    """Return what a provider answers; its libraries' errors become ours, without what they quote."""
    import requests

    try:
        return ask()
    except requests.RequestException as error:
        raise CannotConnect("Microsoft's token service cannot be reached", why=type(error).__name__) from None
    except (ValueError, KeyError, IndexError, TypeError) as error:  # an answer that its library cannot read
        raise LoginRefused("Microsoft does not know this tenant or client", why=tidy(str(error))) from None


def _not_installed(extra: str) -> UsageError:
    return UsageError(f"The extra {extra!r} is not installed", hint=install_command(extra))
