"""Addresses in the form in which they are compared: case, quoting, IDN, tags and rewritten senders undone."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_BATV = re.compile(r"^(?:prvs|btv1|msprvs1)=[^=]+=+(?P<local>.+)$", re.IGNORECASE)
_BARRACUDA = re.compile(r"^btv1==[^=]+==(?P<local>.+)$", re.IGNORECASE)
_SRS0 = re.compile(r"^srs0[=+-][^=]+=[^=]+=(?P<domain>[^=]+)=(?P<local>.+)$", re.IGNORECASE)
_SRS1 = re.compile(r"^srs1[=+-][^=]+=[^=]+=+[^=]+=[^=]+=(?P<domain>[^=]+)=(?P<local>.+)$", re.IGNORECASE)
_DOTLESS = {"gmail.com", "googlemail.com"}  # the provider ignores dots in the local part


@lru_cache(maxsize=8_192)
def address_key(address: str) -> str:
    """Return the form in which addresses are compared; "" for what has no domain.

    Local parts compare without case (RFC 5321 allows case to matter; nobody's does), without needless quotes and in
    NFC (RFC 6532); domains in their A-label form, without a final dot. BATV and SRS senders become the address inside.
    """
    local, at, domain = address.strip().strip("<>").rpartition("@")
    if not at or not local or not domain:
        return ""
    local = unicodedata.normalize("NFC", local)
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    if tagged := _BARRACUDA.match(local) or _BATV.match(local):
        local = tagged["local"]
    elif forwarded := _SRS1.match(local) or _SRS0.match(local):
        local, domain = forwarded["local"], forwarded["domain"]
    name = domain_key(domain)
    folded = local.casefold()
    return f"{folded.replace('.', '') if name in _DOTLESS else folded}@{'gmail.com' if name in _DOTLESS else name}"


@lru_cache(maxsize=8_192)
def untagged_key(address: str) -> str:
    """Return the compared form without a tag: "anna+shop@example.org" is "anna@example.org" (RFC 5233)."""
    key = address_key(address)
    local, _, domain = key.rpartition("@")
    base = local.split("+", 1)[0]
    return f"{base}@{domain}" if base else key


@lru_cache(maxsize=8_192)
def domain_key(domain: str) -> str:
    """Return a domain in lower case, as A-labels where it can be written so, without a final dot."""
    plain = unicodedata.normalize("NFKC", domain.strip().strip("[]").rstrip(".")).casefold()
    if plain.isascii():
        return plain
    try:
        return plain.encode("idna").decode("ascii")
    except UnicodeError:
        return plain


def domain_of(address: str) -> str:
    """Return the domain of an address in its compared form; "" where there is none."""
    return address_key(address).rpartition("@")[2]
