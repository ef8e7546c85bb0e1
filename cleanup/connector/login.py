"""Coming up: connect, verify, log in. Every way in which that fails is told apart."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable

from cleanup.connector.account import LOOPBACK, Account
from cleanup.connector.client import BoundedClient, Budget, ImapDead, ImapError, PlainTextInjected, converse
from cleanup.connector.credentials import Mechanism
from cleanup.connector.quirks import LOGINS, error_text
from cleanup.connector.redact import Redactor, hide, remember
from cleanup.connector.tls import not_encrypted, quick_context, tls_context
from cleanup.errors import (
    CannotConnect,
    CleanupError,
    ConnectionLost,
    LoginRefused,
    ServerMisbehaved,
    TlsFailed,
    UsageError,
)

NO_SENSE = "what it says makes no sense"
NOBODY_JUST_NOW = "The server cannot log anybody in just now"
_BUSY = re.compile(r"\[UNAVAILABLE\]|temporar", re.IGNORECASE)
Note = Callable[[str], None]  # takes the name of each command that is sent


class TurnedAway(CannotConnect):
    """The server is busy or has too many connections: the one failure to connect that is worth another try."""


def connect(account: Account, budget: Budget, note: Note) -> BoundedClient:
    """Return a connection that is encrypted as the account wants it and not logged in yet.

    First with an authority that is looked up by its hash, which is quick; where that does not vouch for the server's
    certificate, once more with all of the system's.
    """
    if account.security == "plain" and account.host not in LOOPBACK:
        raise UsageError("An unencrypted connection is only made to this machine itself", hint="Use tls or starttls")
    if quick := quick_context(account.ca_file):
        try:
            return _connected(quick, account, budget, note)
        except TlsFailed as error:
            if not isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise
    return _connected(tls_context(account.ca_file), account, budget, note)


def _connected(context: ssl.SSLContext, account: Account, budget: Budget, note: Note) -> BoundedClient:
    """Return a connection that was greeted, encrypted as the account wants it."""
    try:
        client = BoundedClient(account, budget, context)
    except ssl.SSLError as error:
        raise not_encrypted(account, error) from error
    except ConnectionLost as error:
        hint = "Check host and port" if account.security == "tls" else "Perhaps this port wants --security tls"
        what = f"{account.where} does not greet as an IMAP server"
        raise ConnectionLost(what, why=str(error), hint=hint) from error
    except OSError as error:
        raise unreachable(account, error) from error
    except ImapError as error:
        raise _odd_greeting(account, error_text(error)) from error
    except ValueError as error:
        raise _odd_greeting(account, NO_SENSE) from error
    try:
        if client.imap.asked_capabilities:  # as soon as it was greeted without them
            note("CAPABILITY")
        if client.imap.state == "AUTH":  # PREAUTH: nobody verified who says so, and STARTTLS is impossible then
            raise TlsFailed(f"{account.where} greets as logged in already; that is refused")
        if account.security == "starttls":
            _start_tls(client, account, note)
    except BaseException:
        client.imap.shutdown()
        raise
    return client


def _odd_greeting(account: Account, text: str) -> CannotConnect:
    if "BYE" in text.upper():
        return TurnedAway(f"{account.where} turned us away", why=text, hint="Try again later")
    why = text if text != "None" else NO_SENSE
    return CannotConnect(f"{account.where} does not greet as an IMAP server", why=why, hint="Check host and port")


def _start_tls(client: BoundedClient, account: Account, note: Note) -> None:
    if "STARTTLS" not in client.imap.capabilities:
        hint = "Without it the password would cross the network in clear text, so it was not sent"
        raise TlsFailed(f"{account.where} offers no STARTTLS", hint=hint)
    note("STARTTLS")
    note("CAPABILITY")  # once more: what was said before TLS may be anybody's (RFC 9051 section 6.2.1)
    try:
        client.imap.start_tls()
    except PlainTextInjected as error:
        raise TlsFailed(f"Somebody put words into the mouth of {account.where} before TLS began") from error
    except ImapDead as error:
        raise ConnectionLost(f"{account.where} hung up at STARTTLS", why=error_text(error)) from error
    except ImapError as error:
        raise TlsFailed(f"{account.where} refused STARTTLS", why=error_text(error)) from error
    except (ssl.SSLError, ConnectionError) as error:
        raise not_encrypted(account, error) from error
    except OSError as error:
        raise unreachable(account, error) from error
    except ValueError as error:
        raise ServerMisbehaved(f"The answer of {account.where} to STARTTLS makes no sense") from error


def unreachable(account: Account, error: OSError) -> CannotConnect:
    """Return the error for a server that no connection came about to, with the reason told apart."""
    if isinstance(error, socket.gaierror):
        return CannotConnect(f"There is no host {account.host}", why=error.strerror, hint="Check --host")
    if isinstance(error, TimeoutError):
        return CannotConnect(f"{account.where} does not answer", hint="Check host, port and firewall")
    if isinstance(error, ConnectionRefusedError):
        return CannotConnect(f"{account.where} refused the connection", hint="Check --host and --port")
    if isinstance(error, ConnectionError) and account.security == "tls":
        return CannotConnect(f"{account.where} hung up", hint="Perhaps this port wants --security starttls")
    return CannotConnect(f"Cannot connect to {account.where}", why=error.strerror or str(error))


# --- login ---------------------------------------------------------------------------------------------------------


def log_in(client: BoundedClient, account: Account, note: Note) -> Redactor:
    """Show the secret to the server; return what hides it from now on."""
    secret = account.credential.read()
    for what, text in (("password", secret), ("user name", account.username + (account.authzid or ""))):
        try:
            text.encode()
        except UnicodeEncodeError:  # it came in other bytes than UTF-8
            raise UsageError(f"The {what} is not UTF-8 text", hint="Set it in UTF-8") from None  # its context quotes it
        if "\0" in text:  # which SASL PLAIN puts between its parts (RFC 4616)
            raise UsageError(f"The {what} holds a NUL character")
    redact = remember(secret)  # before it is sent: the server's very answer may quote it
    try:
        _show(client, account, secret, note)
    except ImapDead as error:
        text = error_text(error)
        if _BUSY.search(text):  # Courier, when its authdaemon has no time
            raise TurnedAway(NOBODY_JUST_NOW, why=text, hint="Try again later") from None
        raise ConnectionLost("The server hung up at the login", why=text) from None
    except ImapError as error:
        raise _refused(account, error_text(error)) from None  # its context may quote the secret
    except OSError as error:
        raise ConnectionLost("The connection broke off at the login", why=error.strerror) from None
    except ValueError:
        raise ServerMisbehaved("The server's answer to the login makes no sense") from None
    return redact


def _show(client: BoundedClient, account: Account, secret: str, note: Note) -> None:
    offered = frozenset(client.imap.capabilities)
    # LOGIN knows neither umlauts nor an authorization identity; AUTHENTICATE PLAIN (RFC 4616) does.
    fits_login = not account.authzid and all(32 <= ord(c) < 127 for c in account.username + secret)
    if account.credential.mechanism is not Mechanism.PASSWORD:
        # As the account says, or in the other of the two ways where only that is offered.
        mechanism: Mechanism = account.credential.mechanism
        other = Mechanism.OAUTHBEARER if mechanism is Mechanism.XOAUTH2 else Mechanism.XOAUTH2
        if f"AUTH={mechanism.value.upper()}" not in offered and f"AUTH={other.value.upper()}" in offered:
            mechanism = other
        else:
            _check_offered(account, mechanism.value.upper(), offered)
        note("AUTHENTICATE")
        user = account.authzid or account.username
        token = f"auth=Bearer {secret}\1\1"
        if mechanism is Mechanism.XOAUTH2:
            answers = _BearerToken(f"user={user}\1{token}")
        else:  # RFC 7628 section 3.1
            answers = _BearerToken(f"n,a={user},\1host={account.host}\1port={account.real_port}\1{token}")
        try:
            client.sasl_login(mechanism.value.upper(), answers)
        except ImapDead:
            raise
        except ImapError as error:
            raise ImapError(
                f"{error_text(error)} ({hide(answers.status)})" if answers.status else error_text(error)
            ) from None
    elif "LOGINDISABLED" not in offered and fits_login:
        note("LOGIN")
        word, data = converse(client.imap, "LOGIN", (b"LOGIN", _quoted(account.username), _quoted(secret)), None)
        if word != "OK":
            raise ImapError(data[-1])
    else:
        _check_offered(account, "PLAIN", offered)
        note("AUTHENTICATE")
        client.plain_login(account.username, secret, account.authzid)


def _check_offered(account: Account, mechanism: str, offered: frozenset[str]) -> None:
    """Raise LoginRefused, before the secret is sent, where the server names ways to log in and this is none of them."""
    ways = sorted(name.removeprefix("AUTH=") for name in offered if name.startswith("AUTH="))
    if (ways or "LOGINDISABLED" in offered) and mechanism not in ways:
        kind = "a password" if mechanism == "PLAIN" else "an access token"
        others = f"it offers {', '.join(map(hide, ways[:5]))} only" if ways else "it offers none at all here"
        hint = "Some providers want OAuth 2 (--token-command)" if kind == "a password" else "Log in with a password"
        raise LoginRefused(f"{account.where} takes no login with {kind} ({mechanism})", why=others, hint=hint)


def _quoted(text: str) -> bytes:
    return b'"' + text.encode("ascii").replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class _BearerToken:
    """Answers the server's challenges: with the token first; what comes next is an error report, kept as `status`."""

    def __init__(self, first: str) -> None:
        self._first: str | None = first
        self.status: str | None = None

    def __call__(self, challenge: bytes) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            return first.encode()
        self.status = error_report(challenge)
        return b"\1"  # an empty answer ends it (RFC 7628 section 3.2.3)


def _refused(account: Account, text: str) -> CleanupError:
    """Return the error for a server's NO or BAD at the login."""
    if _BUSY.search(text):
        return TurnedAway(NOBODY_JUST_NOW, why=text, hint="Try again later")
    if re.search(r"\[PRIVACYREQUIRED\]", text, re.IGNORECASE):  # RFC 5530
        return TlsFailed(f"{account.where} wants an encrypted login", why=text, hint="Use --security tls or starttls")
    if account.credential.mechanism is not Mechanism.PASSWORD:
        hint = "The access token may have expired or belong to another mailbox"
    elif known := next((quirk for quirk in LOGINS if quirk.fits(text, account.host)), None):
        hint = known.hint
    elif account.authzid:
        hint = f"Check the password, and whether {account.username} may act for {account.authzid}"
    else:
        hint = "Check user name and password; some providers want an app password or OAuth 2 (--token-command)"
    return LoginRefused(f"{account.where} refused the login of {account.who}", why=text, hint=hint)


def error_report(challenge: bytes) -> str | None:
    """Return the status that an OAuth error challenge names (RFC 7628 section 3.2.2), or None."""
    try:
        report = json.loads(challenge)
    except (ValueError, RecursionError):
        return None
    return str(report.get("status")) if isinstance(report, dict) and report.get("status") else None
