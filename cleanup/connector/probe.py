"""Looks at the way to a server step by step, before any login: its name, its port, its certificate."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cleanup.connector.account import Account
from cleanup.connector.login import unreachable
from cleanup.connector.tls import not_encrypted, tls_context
from cleanup.errors import CannotConnect


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake showed: the protocol ("TLSv1.3"), who issued the certificate, and when it ends."""

    version: str
    issuer: str
    ends: datetime


def addresses_of(account: Account) -> tuple[str, ...]:
    """Return the addresses of the server's name. Raises CannotConnect where it has none."""
    try:
        found = socket.getaddrinfo(account.host, account.real_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotConnect(f"The name {account.host} leads nowhere", why=why, hint="Check --host") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def reach(account: Account) -> socket.socket:
    """Return a TCP connection. Raises CannotConnect where nobody listens or answers in time."""
    try:
        return socket.create_connection((account.host, account.real_port), timeout=account.connect_timeout_s)
    except OSError as error:
        raise unreachable(account, error) from error


def handshake(account: Account) -> TlsFacts:
    """Return what a TLS handshake from the first byte shows. Raises CannotConnect, TlsFailed."""
    # All authorities at once, not first the quick look by hash that a login takes: what is shown is the last word.
    context = tls_context(account.ca_file)
    with reach(account) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=account.host) as sock:
                certificate = sock.getpeercert() or {}
                version = sock.version() or "TLS"
        except TimeoutError as error:
            raise unreachable(account, error) from error
        except OSError as error:  # ssl.SSLError is one
            raise not_encrypted(account, error) from error
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    issuer: Any = certificate.get("issuer", ())  # as getpeercert() gives it: a tuple of tuples of (key, value)
    names = {key: value for part in issuer for key, value in part}
    return TlsFacts(version, str(names.get("organizationName") or names.get("commonName") or "?"), ends)
