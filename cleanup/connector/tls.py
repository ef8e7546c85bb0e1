"""TLS with verification, and what a person can do when it fails."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from cleanup.errors import TlsFailed, UsageError


@lru_cache(maxsize=16)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies names and chains against the system's authorities and `ca_file`.

    One serves all connections of a process: reading the authorities took a third of an idle mailbox's time in a fleet.
    """
    try:
        context = ssl.create_default_context()
        if ca_file:
            context.load_verify_locations(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or "it holds no certificate"
        raise UsageError(f"The CA file {ca_file} cannot be used", why=why) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def not_trusted(where: str, error: ssl.SSLCertVerificationError) -> TlsFailed:
    """Return the error for a certificate that was refused, with the reason told apart."""
    return TlsFailed(f"The certificate of {where} is not trusted", why=error.verify_message, hint=_hint(error))


def _hint(error: ssl.SSLCertVerificationError) -> str:
    text = error.verify_message.lower()
    if "hostname" in text or "ip address" in text:
        return "It is for another name: use the name that stands in it as --host"
    if "expired" in text:
        return "It has expired: tell the server's administrator"
    if "not yet valid" in text:
        return "It is not valid yet: check this machine's clock"
    return "If your organisation has an authority of its own, name its certificate with --ca-file"
