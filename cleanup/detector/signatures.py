"""DKIM signatures (RFC 6376) verified over what a notice returned. Keys come in as values; no clock, no network.

Only the signed header part is needed: b= covers bh=, so a message whose body was cut off or re-encoded on its way back
still proves who signed its headers. Expiry (x=) is not looked at: the mail was verified by others long ago.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dkim

MOST_BYTES = 1_048_576
MOST_SIGNATURES = 5
_SEPARATOR = re.compile(rb"\s*:\s*")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature. `verified` is None where it cannot be known: no key, a retired key, an unknown algorithm."""

    domain: str
    selector: str
    signed: frozenset[str]  # names of signed fields, lower case
    verified: bool | None


def read_signatures(raw: bytes, keys: Mapping[str, str]) -> list[Signature]:
    """Return the signatures of a returned message, from its bytes. `keys` are TXT records by lower-cased name."""
    start = raw[:MOST_BYTES]
    if b"dkim-signature" not in start.lower():
        return []
    import dkim  # it takes longer to import than an idle night, and is mostly not needed

    try:
        message = dkim.DKIM(start.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    except (dkim.DKIMException, ValueError):
        return []
    fields = [(n, v) for n, v in message.headers if n.lower() == b"dkim-signature"][:MOST_SIGNATURES]
    return [found for field in fields if (found := _read(message, field, keys)) is not None]


def key_names(raw: bytes) -> list[str]:
    """Return the DNS names of the keys that the signatures ask for: what a caller has to look up."""
    return [f"{s.selector}._domainkey.{s.domain}" for s in read_signatures(raw, {})]


def _read(message: dkim.DKIM, field: tuple[bytes, bytes], keys: Mapping[str, str]) -> Signature | None:
    import dkim

    try:
        tags = dkim.parse_tag_value(field[1])
        domain, selector = tags[b"d"].decode("ascii").lower(), tags[b"s"].decode("ascii").lower()
        names = [name.lower() for name in _SEPARATOR.split(tags[b"h"].strip())]
    except (dkim.DKIMException, KeyError, UnicodeDecodeError, ValueError):
        return None
    key = keys.get(f"{selector}._domainkey.{domain}")
    verified: bool | None = None
    if key:
        try:
            answer = dkim.evaluate_pk(b"key", key.encode("ascii"))
            message.pk, message.keysize, message.ktag, message.seqtlsrpt = answer
            # Without bh= the library does not compare the body, which seldom comes back as it was.
            header_part = {tag: value for tag, value in tags.items() if tag != b"bh"}
            verified = bool(message.verify_sig_process(header_part, list(names), field, None))
        except (dkim.KeyFormatError, dkim.UnknownKeyTypeError):
            verified = None  # a key that is retired ("p=") or unusable says nothing
        except (dkim.DKIMException, ValueError, KeyError, TypeError):
            verified = False
    return Signature(domain, selector, frozenset(n.decode("ascii", "replace") for n in names), verified)
