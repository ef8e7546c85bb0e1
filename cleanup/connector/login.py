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
from cleanup.connector.quirks import LOGINS, told
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
    client = _greeted(context, account, budget)
    try:
        if client.imap.asked_capabilities:  # as soon as it was greeted without them
            note("CAPABILITY")
        _secure(client, account, note)
    except BaseException:
        client.imap.shutdown()
        raise
    return client


def _greeted(context: ssl.SSLContext, account: Account, budget: Budget) -> BoundedClient:
    try:
        return BoundedClient(account, budget, context)
    except ssl.SSLError as error:
        raise not_encrypted(account, error) from error
    except ConnectionLost as error:
        raise _nothing_said(account, error) from error
    except OSError as error:
        raise unreachable(account, error) from error
    except ImapError as error:
        raise _odd_greeting(account, told(error)) from error
    except ValueError as error:
        raise _odd_greeting(account, NO_SENSE) from error


def _nothing_said(account: Account, error: ConnectionLost) -> ConnectionLost:
    hint = "Check host and port" if account.security == "tls" else "Perhaps this port wants --security tls"
    return ConnectionLost(f"{account.where} does not greet as an IMAP server", why=str(error), hint=hint)


def _odd_greeting(account: Account, text: str) -> CannotConnect:
    if "BYE" in text.upper():
        return TurnedAway(f"{account.where} turned us away", why=text, hint="Try again later")
    why = text if text != "None" else NO_SENSE
    return CannotConnect(f"{account.where} does not greet as an IMAP server", why=why, hint="Check host and port")


def _secure(client: BoundedClient, account: Account, note: Note) -> None:
    if client.imap.state == "AUTH":  # PREAUTH: nobody verified who says so, and STARTTLS is impossible then
        raise TlsFailed(f"{account.where} greets as logged in already; that is refused")
    if account.security != "starttls":
        return
    if "STARTTLS" not in client.imap.capabilities:
        hint = "Without it the password would cross the network in clear text, so it was not sent"
        raise TlsFailed(f"{account.where} offers no STARTTLS", hint=hint)
    note("STARTTLS")
    note("CAPABILITY")
    _start_tls(client, account)


def _start_tls(client: BoundedClient, account: Account) -> None:
    try:
        client.imap.start_tls()
    except PlainTextInjected as error:
        raise TlsFailed(f"Somebody put words into the mouth of {account.where} before TLS began") from error
    except ImapDead as error:
        raise ConnectionLost(f"{account.where} hung up at STARTTLS", why=told(error)) from error
    except ImapError as error:
        raise TlsFailed(f"{account.where} refused STARTTLS", why=told(error)) from error
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
    redact = remember(secret)
    try:
        _show(client, account, secret, note)
    except ImapDead as error:
        raise _hung_up(told(error)) from None
    except ImapError as error:
        raise _refused(account, told(error)) from None  # its context may quote the secret
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
        mechanism = _bearer_mechanism(account, offered)
        note("AUTHENTICATE")
        answers = _BearerToken(_bearer(account, secret, mechanism))
        try:
            client.sasl_login(mechanism.value.upper(), answers)
        except ImapDead:
            raise
        except ImapError as error:
            raise ImapError(f"{told(error)} ({hide(answers.status)})" if answers.status else told(error)) from None
    elif "LOGINDISABLED" not in offered and fits_login:
        note("LOGIN")
        word, data = converse(client.imap, "LOGIN", (b"LOGIN", _quoted(account.username), _quoted(secret)), None)
        if word != "OK":
            raise ImapError(data[-1])
    else:
        _check_offered(account, "PLAIN", offered)
        note("AUTHENTICATE")
        client.plain_login(account.username, secret, account.authzid)


def _bearer_mechanism(account: Account, offered: frozenset[str]) -> Mechanism:
    """Return how a token is shown: as the account says, or in the other of the two ways where only that is offered."""
    wanted = account.credential.mechanism
    other = Mechanism.OAUTHBEARER if wanted is Mechanism.XOAUTH2 else Mechanism.XOAUTH2
    if f"AUTH={wanted.value.upper()}" not in offered and f"AUTH={other.value.upper()}" in offered:
        return other
    _check_offered(account, wanted.value.upper(), offered)
    return wanted


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


def _bearer(account: Account, token: str, mechanism: Mechanism) -> str:
    user = account.authzid or account.username
    if mechanism is Mechanism.XOAUTH2:
        return f"user={user}\1auth=Bearer {token}\1\1"
    return f"n,a={user},\1host={account.host}\1port={account.real_port}\1auth=Bearer {token}\1\1"  # RFC 7628


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
        return TurnedAway("The server cannot log anybody in just now", why=text, hint="Try again later")
    if re.search(r"\[PRIVACYREQUIRED\]", text, re.IGNORECASE):
        return TlsFailed(f"{account.where} wants an encrypted login", why=text, hint="Use --security tls or starttls")
    return LoginRefused(f"{account.where} refused the login of {account.who}", why=text, hint=_hint(account, text))


def _hung_up(text: str) -> CannotConnect:
    if _BUSY.search(text):  # Courier, when its authdaemon has no time
        return TurnedAway("The server cannot log anybody in just now", why=text, hint="Try again later")
    return ConnectionLost("The server hung up at the login", why=text)


def _hint(account: Account, text: str) -> str:
    if account.credential.mechanism is not Mechanism.PASSWORD:
        return "The access token may have expired or belong to another mailbox"
    if known := next((quirk for quirk in LOGINS if quirk.fits(text, account.host)), None):
        return known.hint
    if account.authzid:
        return f"Check the password, and whether {account.username} may act for {account.authzid}"
    return "Check user name and password; some providers want an app password or OAuth 2 (--token-command)"


def error_report(challenge: bytes) -> str | None:
    """Return the status that an OAuth error challenge names (RFC 7628 section 3.2.2), or None."""
    try:
        report = json.loads(challenge)
    except (ValueError, RecursionError):
        return None
    return str(report.get("status")) if isinstance(report, dict) and report.get("status") else None
