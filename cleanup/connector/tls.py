"""TLS with verification, and what a person can do when it fails."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cleanup.connector.account import Account
from cleanup.errors import TlsFailed, UsageError

_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # what OpenSSL calls a certificate in a folder of authorities
Said = tuple[str, str]  # the cause in plain words, and what to do next

_ADMIN = "Tell the server's administrator"
_ANOTHER_PORT = "Perhaps this port wants --security starttls; TLS from the first byte is mostly on port 993"
_OWN_AUTHORITY = (
    "If your organisation has an authority of its own, name its certificate with --ca-file; if not, the server may be "
    "leaving out a certificate of its chain: tell its administrator"
)
_AFTER_STARTTLS = (
    "it agreed to STARTTLS and does not speak TLS then",
    "Something on the way may be breaking encryption: try another network, or tell the server's administrator",
)
# X509_V_ERR_...: what Python tells as verify_code.
_CERTIFICATE: Mapping[int, Said] = {
    9: ("it is not valid yet", "Check this machine's clock"),
    10: ("it has expired", _ADMIN),
    18: ("it is self-signed", "If it is your own server's, save that certificate to a file and name it with --ca-file"),
    19: ("this machine does not know the authority that signed it", _OWN_AUTHORITY),
    20: ("this machine does not know the authority that signed it", _OWN_AUTHORITY),
    21: ("this machine does not know the authority that signed it", _OWN_AUTHORITY),
    23: ("it was revoked", _ADMIN),
    66: ("its key is too short to be safe", _ADMIN),
    68: ("it is signed in a way that is not safe any more", _ADMIN),
}
_ANOTHER_NAME = (62, 64)  # for a host name, for an IP address
_PLAIN = ("the server talks plain text there, not TLS", _ANOTHER_PORT)
_TOO_OLD = (
    "the server offers nothing newer than TLS 1.1, which is not safe any more",
    f"{_ADMIN}: TLS 1.2 or newer is needed",
)
_NOTHING_IN_COMMON = ("the server and this machine have no safe way of encrypting in common", _ADMIN)
_HUNG_UP = ("the server hung up at the first word of TLS", _ANOTHER_PORT)
# OpenSSL's names, as Python tells them in `reason`.
_HANDSHAKE: Mapping[str, Said] = {
    "WRONG_VERSION_NUMBER": _PLAIN,
    "PACKET_LENGTH_TOO_LONG": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "TLSV1_ALERT_PROTOCOL_VERSION": _TOO_OLD,
    "UNSUPPORTED_PROTOCOL": _TOO_OLD,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": _NOTHING_IN_COMMON,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": _NOTHING_IN_COMMON,
    "DH_KEY_TOO_SMALL": _NOTHING_IN_COMMON,
    "UNEXPECTED_EOF_WHILE_READING": _HUNG_UP,
    "TLSV1_UNRECOGNIZED_NAME": ("the server does not know this host name", "Check --host"),
}


@lru_cache(maxsize=16)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies names and chains against the system's authorities and `ca_file`.

    One serves all connections of a process: reading the authorities took a third of an idle mailbox's time in a fleet.
    """
    return _context(ca_file)


@lru_cache(maxsize=16)
def quick_context(ca_file: Path | None) -> ssl.SSLContext | None:
    """Return a context that looks an authority up in the system's folder by its hash; None where there is none.

    It trusts no more than tls_context() does, which takes that folder, too: whom it does not trust is for that one to
    judge. Reading all takes a third of what importing imapclient does. https://docs.openssl.org/3.0/man1/openssl-rehash/
    """
    paths = ssl.get_default_verify_paths()
    file_alone = paths.openssl_cafile_env in os.environ and paths.openssl_capath_env not in os.environ
    if not paths.capath or file_alone:  # who names a file of authorities, and no folder, means that file
        return None
    hashed = any(_HASHED.fullmatch(file.name) for file in Path(paths.capath).iterdir())
    return _context(ca_file, paths.capath) if hashed else None


def not_encrypted(account: Account, error: OSError) -> TlsFailed:
    """Return the error for a handshake that failed: the cause in plain words, and what to do next."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _not_trusted(account, error)
    reason = str(getattr(error, "reason", None) or "")
    if isinstance(error, ConnectionError | ssl.SSLEOFError):
        why, hint = _HUNG_UP
    else:
        why, hint = _HANDSHAKE.get(reason, (reason.replace("_", " ").lower() or error.strerror or str(error), _ADMIN))
    if account.security == "starttls" and (why, hint) in (_PLAIN, _HUNG_UP):
        why, hint = _AFTER_STARTTLS
    return TlsFailed(f"No TLS connection to {account.where}", why=why, hint=hint)


def _not_trusted(account: Account, error: ssl.SSLCertVerificationError) -> TlsFailed:
    what = f"The certificate of {account.where} is not trusted"
    if error.verify_code not in _ANOTHER_NAME:
        why, hint = _CERTIFICATE.get(error.verify_code, (error.verify_message, _ADMIN))
        return TlsFailed(what, why=why, hint=hint)
    from cleanup.detector.networks import organisation  # reads the list of public suffixes

    names = _names_offered(account)
    why = f"it is not for {account.host}" + (f", but for {', '.join(names)}" if names else "")
    # A name of the same organisation is offered to try, a stranger's never: that would lead the password there.
    own = organisation(account.host)
    other = next((name for name in names if own and organisation(name) == own and "*" not in name), None)
    ask = "Ask the server's administrator for its right name (--host); a name that is not theirs may be an attacker's"
    return TlsFailed(what, why=why, hint=f"Try --host {other}" if other else ask)


def _names_offered(account: Account) -> tuple[str, ...]:
    """Return the names in a certificate that is in order but for its name; nothing where it cannot be had again.

    Nothing but the handshake is sent. With STARTTLS it would take a conversation first.
    """
    if account.security != "tls":
        return ()
    context = _context(account.ca_file)
    context.check_hostname = False  # its chain is verified all the same
    try:
        with (
            socket.create_connection((account.host, account.real_port), timeout=account.connect_timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=account.host) as sock,
        ):
            certificate: dict[str, Any] = sock.getpeercert() or {}
    except OSError:
        return ()
    return tuple(str(name) for _, name in certificate.get("subjectAltName", ()))[:5]


def _context(ca_file: Path | None, folder: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the authorities of a folder of hashed names, else all of the system's."""
    try:
        context = ssl.create_default_context(capath=folder)  # a folder that is named replaces the system's own list
        if ca_file:
            context.load_verify_locations(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or "it holds no certificate"
        raise UsageError(f"The CA file {ca_file} cannot be used", why=why) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 ends 1.0 and 1.1
    return context
