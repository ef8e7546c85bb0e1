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
    kept = _with_one_line_end(raw[:MOST_BYTES].removeprefix(_BYTE_ORDER_MARK))
    header, body = split_header(kept)
    trimmed = _trimmed(header)
    cut = len(raw) > MOST_BYTES or len(trimmed) != len(header)
    safe = kept if len(trimmed) == len(header) else trimmed + body
    return Guarded(safe, _too_hostile(safe), cut)


def _with_one_line_end(raw: bytes) -> bytes:
    """Return a message whose every line ends in CR alone, or in CR twice and LF, with the usual line ends."""
    if b"\r" in raw and b"\n" not in raw:
        return raw.replace(b"\r", b"\n")
    return raw.replace(b"\r\r\n", b"\r\n") if b"\r\r\n" in raw[:2_000] else raw


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block and what follows it, the empty line included."""
    end = min([at for mark in _HEADER_ENDS if (at := raw.find(mark)) >= 0], default=-1)
    if end < 0:
        return raw, b""
    end -= raw[end - 1 : end + 1] == b"\r\n"  # the header ends before the whole line end
    return raw[: end + 1], raw[end + 1 :]


def _trimmed(header: bytes) -> bytes:
    """Return a header block without what is too long in it; the same bytes where nothing is."""
    if len(header) <= MOST_FIELD:
        return header
    kept = [_short(field) for field in _FIELD.findall(header[:MOST_HEADER])]
    return b"".join(kept)


def _short(field: bytes) -> bytes:
    return field if len(field) <= MOST_FIELD else field[: MOST_FIELD - 1].rstrip(b"\r\n") + b"\n"


def _too_hostile(raw: bytes) -> str | None:
    if _may_nest(raw) and _more_than(_NEST, raw, MOST_NESTING):
        return f"more than {MOST_NESTING} messages or multiparts in one another"
    if _may_have_parts(raw) and _more_than(_PART, raw, MOST_PARTS):
        return f"more than {MOST_PARTS:,} parts"
    return None


def _may_nest(raw: bytes) -> bool:
    """Return whether there are header blocks enough; each ends at an empty line."""
    return raw.count(b"\n\n") + raw.count(b"\n\r\n") > MOST_NESTING


def _may_have_parts(raw: bytes) -> bool:
    """Return whether there are delimiters and fields of parts enough."""
    return raw.count(b"\n--") > MOST_PARTS and raw.lower().count(b"\ncontent-") > MOST_PARTS


def _more_than(pattern: re.Pattern[bytes], raw: bytes, most: int) -> bool:
    return any(number > most for number, _ in enumerate(pattern.finditer(raw), start=1))
