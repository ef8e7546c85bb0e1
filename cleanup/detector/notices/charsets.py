"""Text out of bytes: declared charsets, lying ones, none at all; and plain text out of HTML."""

from __future__ import annotations

import codecs
import html
import re
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser

MOST_TEXT = 131_072  # bytes that are decoded; a notice says what it has to say at its beginning
GUESS_FROM = 2_048  # bytes from which an undeclared charset is guessed

_BREAKS = re.compile(
    r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/pre|p|div|tr|li|hr|table|/td|/th)\b[^<>]{0,2000}>", re.IGNORECASE
)
_SPACES = re.compile(r"[ \t\xa0]+")
_MAP = {"gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932"}
_EVERY_BYTE = ("us-ascii", "ascii", "latin-1", "iso8859-1", "unknown", "unknown-8bit", "x-unknown", "default", "")


def decode_text(octets: bytes, charset: str = "") -> str:
    """Return octets as text with "\\n" line ends. Undeclared or lying charsets are guessed; nothing raises."""
    return _text(bytes(octets[:MOST_TEXT]), charset.strip().strip("'\"").lower())


@lru_cache(maxsize=4)  # the readers ask for the text of the same few parts
def _text(octets: bytes, charset: str) -> str:
    text = _decoded(octets, charset)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def html_text(markup: str) -> str:
    """Return what a reader of the HTML sees, a block a line."""
    broken = _BREAKS.sub(lambda tag: "\n" + tag.group(), markup[:MOST_TEXT])
    try:
        root = LexborHTMLParser(broken)
        root.strip_tags(["script", "style", "head", "title"], recursive=True)
        text = root.body.text(separator="") if root.body else ""
    except (ValueError, RuntimeError, RecursionError, UnicodeError):
        text = html.unescape(broken)
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))


def _decoded(octets: bytes, charset: str) -> str:
    if octets.isascii():
        if b"\x1b$" in octets or b"\x1b(" in octets:
            return octets.decode("iso-2022-jp", "replace")
        return octets.decode("utf-7", "replace") if charset == "utf-7" else octets.decode("ascii")
    name = _codec(charset)
    if name and name not in _EVERY_BYTE:
        try:
            return octets.decode(name)
        except (UnicodeDecodeError, ValueError):
            pass
    return _guessed(octets, name)


def _guessed(octets: bytes, declared: str) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > MOST_TEXT - 8 or (declared and declared not in _EVERY_BYTE):
            return octets.decode(declared or "utf-8", "replace")
    if declared in ("iso8859-1", "latin-1"):
        return octets.decode("cp1252", "replace")
    return octets.decode(_likely(bytes(octets[:GUESS_FROM])), "replace")


@lru_cache(maxsize=256)
def _likely(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # few nights see a text that needs it

    try:
        best = from_bytes(sample, steps=2, chunk_size=512).best()
    except (ValueError, LookupError, RecursionError):
        return "cp1252"
    return best.encoding if best and _codec(best.encoding) else "cp1252"


@lru_cache(maxsize=512)
def _codec(charset: str) -> str:
    """Return Python's name of a charset; "" for an unknown one and for those that decode no text."""
    if not charset or len(charset) > 40 or not charset.isascii() or "\0" in charset:
        return ""
    try:
        found = codecs.lookup(_MAP.get(charset, charset))
    except (LookupError, ValueError):
        return ""
    return found.name if getattr(found, "_is_text_encoding", True) else ""
