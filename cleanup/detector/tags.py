"""Tags in envelope senders: BATV (draft-levine-smtp-batv) and SRS (libsrs2), checked with the owner's keys."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from enum import StrEnum

_BATV = re.compile(r"^prvs=(?P<key>\d)(?P<day>\d{3})(?P<mac>[0-9a-f]{6})=(?P<local>.+)$", re.IGNORECASE)
_SRS = re.compile(
    r"^srs0[=+-](?P<mac>[^=]{4,})=(?P<stamp>[^=]{2})=(?P<domain>[^=]+)=(?P<local>.+)$",
    re.IGNORECASE,
)


class Tag(StrEnum):
    """What a tag in an address is worth."""

    NONE = "none"
    UNCHECKED = "unchecked"  # it looks like one, and there is no key
    VALID = "valid"
    WRONG = "wrong"


def check_batv(address: str, keys: Iterable[bytes]) -> Tag:
    """Return what the BATV tag of an address is worth: HMAC-SHA1 over "KDDD" and the address, three bytes in hex."""
    local, _, domain = address.rpartition("@")
    tag = _BATV.match(local)
    if tag is None:
        return Tag.NONE
    signed = f"{tag['key']}{tag['day']}{tag['local']}@{domain}".encode()
    macs = [hmac.new(key, signed, "sha1").digest()[:3].hex() for key in keys]
    return _worth(tag["mac"].lower(), macs)


def check_srs(address: str, keys: Iterable[bytes]) -> Tag:
    """Return what the SRS tag of an address is worth: HMAC-SHA1 over stamp, domain and local part, in base64."""
    tag = _SRS.match(address.rpartition("@")[0])
    if tag is None:
        return Tag.NONE
    signed = f"{tag['stamp']}{tag['domain']}{tag['local']}".lower().encode()
    length = len(tag["mac"])
    macs = [base64.b64encode(hmac.new(key, signed, "sha1").digest()).decode()[:length].lower() for key in keys]
    return _worth(tag["mac"].lower(), macs)


def tag_batv(address: str, key: bytes, *, day: int, number: int = 0) -> str:
    """Return the address with a BATV tag for this day (days since 1970, modulo 1000)."""
    local, _, domain = address.rpartition("@")
    stamp = f"{number}{day % 1000:03d}"
    mac = hmac.new(key, f"{stamp}{local}@{domain}".encode(), "sha1").digest()[:3].hex()
    return f"prvs={stamp}{mac}={local}@{domain}"


def _worth(mac: str, right: list[str]) -> Tag:
    if not right:
        return Tag.UNCHECKED
    return Tag.VALID if any(hmac.compare_digest(mac, one) for one in right) else Tag.WRONG
