"""Tags checked with the owner's keys: BATV (draft-levine-smtp-batv), SRS (libsrs2), and digests of the owner's own."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
# Days between the day in a tag and the arrival of the bounce. BATV gives the day of expiry, mostly a week ahead, some
# programs the day of sending; SRS the day of sending, and lasts three weeks by default. Bounces take up to a week more.
_BATV_DAYS = range(-40, 15)
_SRS_DAYS = range(-2, 36)

_BATV = re.compile(r"^prvs=(?P<key>\d)(?P<day>\d{3})(?P<mac>[0-9a-f]{6})=(?P<local>.+)$", re.IGNORECASE)
_SRS = re.compile(
    r"^srs0[=+-](?P<mac>[^=]{4,})=(?P<stamp>[^=]{2})=(?P<domain>[^=]+)=(?P<local>.+)$",
    re.IGNORECASE,
)

_OWN = re.compile(r"^(?P<body>.+)[.+=_-](?P<mac>[0-9a-f]{16,64})$", re.IGNORECASE | re.DOTALL)


class Tag(StrEnum):
    """What a tag in an address is worth."""

    NONE = "none"
    UNCHECKED = "unchecked"  # it looks like one, and there is no key
    VALID = "valid"
    STALE = "stale"  # right, and out of date
    WRONG = "wrong"


def check_batv(address: str, keys: Iterable[bytes], arrived: datetime | None = None) -> Tag:
    """Return what the BATV tag of an address is worth: HMAC-SHA1 over "KDDD" and the address, three bytes in hex.

    `arrived` is when the bounce came; without it no tag is out of date.
    """
    local, _, domain = address.rpartition("@")
    tag = _BATV.match(local)
    if tag is None:
        return Tag.NONE
    signed = f"{tag['key']}{tag['day']}{tag['local']}@{domain}".encode()
    macs = [hmac.new(key, signed, "sha1").digest()[:3].hex() for key in keys]
    return _worth(tag["mac"].lower(), macs, _is_fresh(int(tag["day"]), 1_000, _BATV_DAYS, arrived))


def check_srs(address: str, keys: Iterable[bytes], arrived: datetime | None = None) -> Tag:
    """Return what the SRS tag of an address is worth: HMAC-SHA1 over stamp, domain and local part, in base64."""
    tag = _SRS.match(address.rpartition("@")[0])
    if tag is None:
        return Tag.NONE
    signed = f"{tag['stamp']}{tag['domain']}{tag['local']}".lower().encode()
    length = len(tag["mac"])  # libsrs2 keeps four characters of the MAC unless it is told otherwise
    macs = [base64.b64encode(hmac.new(key, signed, "sha1").digest()).decode()[:length].lower() for key in keys]
    # The stamp is the day modulo 1024 in two characters of base 32; -1, which is hardly ever fresh, for anything else.
    high, low = (_BASE32.find(letter) for letter in tag["stamp"].lower())
    day = high * 32 + low if high >= 0 and low >= 0 else -1
    return _worth(tag["mac"].lower(), macs, _is_fresh(day, 1_024, _SRS_DAYS, arrived))


def check_own(tagged: str, keys: Iterable[bytes]) -> Tag:
    """Return what a digest at the end of the left side of an id or address is worth: "BODY.DIGEST@host".

    The digest is HMAC-SHA1 or HMAC-SHA256 over BODY in hex, or 16 digits or more of its beginning, as Exim's
    message_id_header_text with ${hmac{sha1}{KEY}{E$message_exim_id}} makes it. A wrong one is none: ids hold much hex.
    """
    tag = _OWN.match(tagged.rpartition("@")[0])
    if tag is None:
        return Tag.NONE
    body, mac = tag["body"].encode("utf-8", "replace"), tag["mac"].lower()
    right = (hmac.new(key, body, kind).hexdigest()[: len(mac)] for key in keys for kind in ("sha1", "sha256"))
    return Tag.VALID if any(hmac.compare_digest(mac, one) for one in right) else Tag.NONE


def tag_batv(address: str, key: bytes, *, day: int, number: int = 0) -> str:
    """Return the address with a BATV tag for this day (days since 1970, modulo 1000)."""
    local, _, domain = address.rpartition("@")
    stamp = f"{number}{day % 1000:03d}"
    mac = hmac.new(key, f"{stamp}{local}@{domain}".encode(), "sha1").digest()[:3].hex()
    return f"prvs={stamp}{mac}={local}@{domain}"


def _worth(mac: str, right: list[str], fresh: bool) -> Tag:
    if not right:
        return Tag.UNCHECKED
    if not any(hmac.compare_digest(mac.encode(), one.encode()) for one in right):
        return Tag.WRONG
    return Tag.VALID if fresh else Tag.STALE


def _is_fresh(day: int, cycle: int, allowed: range, arrived: datetime | None) -> bool:
    """Return whether a bounce came an allowed number of days after the day in a tag, which counts modulo `cycle`."""
    if arrived is None:
        return True
    days = ((arrived - _EPOCH).days - day) % cycle
    return days in allowed or days - cycle in allowed
