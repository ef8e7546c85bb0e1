"""DKIM signatures (RFC 6376) verified over what a notice returned. Keys come in as values; no clock, no network.

Only the signed header part is needed: b= covers bh=, so a message whose body was cut off or re-encoded on its way back
still proves who signed its headers. Expiry (x=) is not looked at: the mail was verified by others long ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_BYTES = 1_048_576


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
    from cleanup.detector.verification import verify  # its library takes longer to import than an idle night

    return [Signature(*found) for found in verify(start, keys)]


def key_names(raw: bytes) -> list[str]:
    """Return the DNS names of the keys that the signatures ask for: what a caller has to look up."""
    return [f"{s.selector}._domainkey.{s.domain}" for s in read_signatures(raw, {})]
