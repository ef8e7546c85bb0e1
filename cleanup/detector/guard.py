"""Cuts hostile mail down to what is safe to parse: byte scans in linear time, before any parser sees it."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

MOST_BYTES = 1_048_576
MOST_FIELD = 8_192  # bytes of one header field
MOST_HEADER = 262_144  # bytes of the header block
MOST_NESTING = 100
MOST_PARTS = 1_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # as some programs export mail
_HEADER_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")
# Possessive throughout: what can be given back is remembered, a hundred bytes for each of a million folded lines.
_FIELD = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+\n?+")
_NEST = re.compile(
    rb"^content-type:[ \t]*(?:\r?\n[ \t]+)?(?:multipart/|message/rfc822|message/global[; \t\r\n])", re.I | re.M
)
_PART = re.compile(rb"^--[^\r\n]{1,250}\r?\ncontent-", re.I | re.M)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A message that is safe to parse, or the reason why it is not. `cut` says that something is missing from it."""

    raw: bytes
    too_hostile: str | None = None
    cut: bool = False


def guard(raw: bytes) -> Guarded:
    """Return the message cut to 1 MiB, 256 KiB of header and 8 KiB a field. Never raises.

    `too_hostile` says why it must not be parsed: more than 100 nested or 1,000 parts.
    """
    if raw.startswith(_UTF_16):
        raw = raw[: 2 * MOST_BYTES].decode("utf-16", "replace").encode("utf-8", "replace")
    kept = raw[:MOST_BYTES].removeprefix(_BYTE_ORDER_MARK)
    # Lines that end in CR alone, or in CR twice and LF, get the usual line ends.
    if b"\r" in kept and b"\n" not in kept:
        kept = kept.replace(b"\r", b"\n")
    elif b"\r\r\n" in kept[:2_000]:
        kept = kept.replace(b"\r\r\n", b"\r\n")
    header, body = split_header(kept)
    trimmed = header
    if len(header) > MOST_FIELD:
        fields = _FIELD.findall(header[:MOST_HEADER])
        trimmed = b"".join([f if len(f) <= MOST_FIELD else f[: MOST_FIELD - 1].rstrip(b"\r\n") + b"\n" for f in fields])
    cut = len(raw) > MOST_BYTES or len(trimmed) != len(header)
    safe = kept if len(trimmed) == len(header) else trimmed + body
    return Guarded(safe, _too_hostile(safe), cut)


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block and what follows it, the empty line included."""
    end = min([at for mark in _HEADER_ENDS if (at := raw.find(mark)) >= 0], default=-1)
    if end < 0:
        return raw, b""
    end -= raw[end - 1 : end + 1] == b"\r\n"  # the header ends before the whole line end
    return raw[: end + 1], raw[end + 1 :]


def _too_hostile(raw: bytes) -> str | None:
    # Counting bytes is many times as fast as the patterns, which are asked only where there are header blocks (each
    # ends at an empty line), or delimiters and fields of parts, enough.
    if raw.count(b"\n\n") + raw.count(b"\n\r\n") > MOST_NESTING and _more_than(_NEST, raw, MOST_NESTING):
        return f"more than {MOST_NESTING} messages or multiparts in one another"
    may_have_parts = raw.count(b"\n--") > MOST_PARTS and raw.lower().count(b"\ncontent-") > MOST_PARTS
    if may_have_parts and _more_than(_PART, raw, MOST_PARTS):
        return f"more than {MOST_PARTS:,} parts"
    return None


def _more_than(pattern: re.Pattern[bytes], raw: bytes, most: int) -> bool:
    return any(number > most for number, _ in enumerate(pattern.finditer(raw), start=1))
