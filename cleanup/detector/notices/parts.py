"""The MIME structure of a notice, split over bytes: every part keeps its raw form, and broken structure is read too.

Our own splitter instead of the library's: it is linear, does not recurse beyond MOST_DEPTH, keeps the returned message
byte for byte (DKIM needs that), and takes a boundary that is missing, wrong or never closed as what was meant.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cleanup.detector.notices.charsets import decode_text
from cleanup.detector.notices.headers import Fields, main_type, params, read_fields

MOST_DEPTH = 24  # the guard lets 100 pass; no notice means anything by more than a few
MOST_PARTS = 1_000

_GUESSED = re.compile(
    rb"^--([^\s\"<>][^\r\n]{3,200}?)[ \t]*\r?\ncontent-(?:type|description|disposition|transfer)", re.I | re.M
)
_LINE_FEED = 10
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_OF_A_PART = frozenset(("content-transfer-encoding", "content-disposition", "content-description", "content-id"))
_MESSAGES = ("message/rfc822", "message/global", "message/partial")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header fields, its body as it was transferred, and the parts in it."""

    type: str
    fields: Fields
    body: bytes
    options: tuple[tuple[str, str], ...] = ()
    children: tuple[Part, ...] = ()

    def option(self, name: str) -> str:
        """Return a parameter of Content-Type; "" where it is not given."""
        return next((value for key, value in self.options if key == name), "")

    @property
    def octets(self) -> bytes:
        """The body with its transfer encoding undone."""
        encoding = (self.fields.first("Content-Transfer-Encoding") or "").strip().lower()
        return untransferred(self.body, encoding)

    @property
    def text(self) -> str:
        """The body as text, whatever charset was or was not declared."""
        return decode_text(self.octets, self.option("charset"))

    @property
    def is_message(self) -> bool:
        """Whether the part holds a message."""
        return self.type in _MESSAGES

    @property
    def is_text(self) -> bool:
        """Whether the part is text that belongs to the notice's own words."""
        return self.type in ("text/plain", "text/html", "text/enriched", "text", "")


def read_parts(raw: bytes, header: tuple[Fields, int] | None = None) -> Part:
    """Return the structure of a message. Never raises; what is nested too deep or too often stays unsplit.

    `header` is what read_fields() says of it, where that was asked before.
    """
    return _message(raw, 0, [0], header)


def walk(part: Part, *, into_messages: bool = False) -> Iterator[Part]:
    """Yield a part and all in it, in their order; messages are entered only where asked for."""
    yield part
    if not part.is_message or into_messages:
        for child in part.children:
            yield from walk(child, into_messages=into_messages)


def untransferred(body: bytes, encoding: str) -> bytes:
    """Return a body with its transfer encoding undone; what is broken is decoded as far as it goes."""
    if encoding == "base64":
        return _from_base64(body)
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    return body


def _from_base64(body: bytes) -> bytes:
    plain = _NOT_BASE64.sub(b"", body).split(b"=", 1)[0]
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return body


def _message(raw: bytes, depth: int, count: list[int], header: tuple[Fields, int] | None = None) -> Part:
    fields, start = header or read_fields(raw)
    return _part(fields, raw[start:], depth, count, default="text/plain")


def _part(fields: Fields, body: bytes, depth: int, count: list[int], default: str) -> Part:
    declared = fields.first("Content-Type") or ""
    kind, options = main_type(declared) or default, params(declared)
    count[0] += 1
    children: tuple[Part, ...] = ()
    if depth < MOST_DEPTH and count[0] < MOST_PARTS:
        children = _children(kind, fields, options.get("boundary", ""), body, depth, count)
    if kind.startswith("multipart/") and not children:
        kind = "text/plain"  # its structure is lost; what it says is not
    return Part(kind, fields, body, tuple(options.items()), children)


def _children(kind: str, fields: Fields, boundary: str, body: bytes, depth: int, count: list[int]) -> tuple[Part, ...]:
    if kind.startswith("multipart/"):
        pieces = _pieces(body, boundary) or _pieces(body, _guessed_boundary(body))
        default = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        return tuple(_piece(piece, depth + 1, count, default) for piece in pieces[:MOST_PARTS])
    if kind in _MESSAGES:
        encoding = (fields.first("Content-Transfer-Encoding") or "").strip().lower()
        return (_message(untransferred(body, encoding), depth + 1, count),)
    return ()


def _piece(piece: bytes, depth: int, count: list[int], default: str) -> Part:
    if piece.startswith((b"\n", b"\r\n")):
        return _part(Fields(), piece.lstrip(b"\r\n"), depth, count, default)
    fields, start = read_fields(piece)
    if not fields.items:
        return _part(fields, piece, depth, count, default)
    if piece[start : start + 8].lower() == b"content-":
        more, end = read_fields(piece[start:])
        if _belong_to_the_part(more) and piece[start + end - 1 : start + end] == b"\n":
            fields, start = Fields((*fields.items, *more.items)), start + end
    return _part(fields, piece[start:], depth, count, default)


def _belong_to_the_part(fields: Fields) -> bool:
    """Return whether fields after an empty line are the part's own: the empty line stands in its header by mistake."""
    names = {name.lower() for name, _ in fields.items}
    return bool(names) and names <= _OF_A_PART


def _guessed_boundary(body: bytes) -> str:
    found = _GUESSED.search(body)
    return found[1].decode("latin-1") if found else ""


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """Return what stands between the delimiter lines; the last is taken whole where it is never closed."""
    if not boundary.strip():
        return []
    mark = boundary.rstrip().encode("utf-8", "replace")
    delimiter = re.compile(rb"--" + re.escape(mark) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
    found: list[bytes] = []
    start = -1
    for match in delimiter.finditer(body):
        if match.start() and body[match.start() - 1] != _LINE_FEED:
            continue
        if start >= 0:
            found.append(_without_last_break(body[start : match.start()]))
        start = match.end()
        if match[1] or len(found) >= MOST_PARTS:
            return found
    return [*found, body[start:]] if start >= 0 else found


def _without_last_break(piece: bytes) -> bytes:
    return piece[:-2] if piece.endswith(b"\r\n") else piece[:-1] if piece.endswith(b"\n") else piece
