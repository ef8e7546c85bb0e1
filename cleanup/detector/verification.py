"""DKIM's cryptography, by dkimpy: a module of its own, as the library is slow to import and mostly not needed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import dkim

MOST_SIGNATURES = 5
_SEPARATOR = re.compile(rb"\s*:\s*")
Found = tuple[str, str, frozenset[str], bool | None]  # domain, selector, names of the signed fields, whether it holds


def verify(raw: bytes, keys: Mapping[str, str]) -> Iterator[Found]:
    """Yield the signatures of a message, as signatures.Signature takes them."""
    try:
        message = dkim.DKIM(_with_crlf(raw))
    except (dkim.DKIMException, ValueError):
        return
    for field in [(n, v) for n, v in message.headers if n.lower() == b"dkim-signature"][:MOST_SIGNATURES]:
        found = _read(message, field, keys)
        if found is not None:
            yield found


def _read(message: dkim.DKIM, field: tuple[bytes, bytes], keys: Mapping[str, str]) -> Found | None:
    try:
        tags = dkim.parse_tag_value(field[1])
        domain, selector = tags[b"d"].decode("ascii").lower(), tags[b"s"].decode("ascii").lower()
        names = [name.lower() for name in _SEPARATOR.split(tags[b"h"].strip())]
    except (dkim.DKIMException, KeyError, UnicodeDecodeError, ValueError):
        return None
    key = keys.get(f"{selector}._domainkey.{domain}")
    verified = _verify(message, field, tags, names, key) if key else None
    return domain, selector, frozenset(n.decode("ascii", "replace") for n in names), verified


def _verify(
    message: dkim.DKIM, field: tuple[bytes, bytes], tags: dict[bytes, bytes], names: list[bytes], key: str
) -> bool | None:
    header_part = {tag: value for tag, value in tags.items() if tag != b"bh"}
    try:
        answer = dkim.evaluate_pk(b"key", key.encode("ascii"))
        message.pk, message.keysize, message.ktag, message.seqtlsrpt = answer
        return bool(message.verify_sig_process(header_part, list(names), field, None))
    except (dkim.KeyFormatError, dkim.UnknownKeyTypeError):
        return None  # a key that is retired ("p=") or unusable says nothing
    except (dkim.DKIMException, ValueError, KeyError, TypeError):
        return False


def _with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
