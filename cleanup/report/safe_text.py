"""Makes strangers' text safe for every place it is shown in. Everything in a notice is written by strangers.

`safe_text` is the one rule: no control characters (so no terminal escapes and no broken lines), no characters that
reorder or hide text (Unicode bidi controls, zero-width), no lone surrogates, and a bounded length. The others add what
one kind of output needs on top.
"""

from __future__ import annotations

import html
import re

_ELLIPSIS = "…"
# Cc, Cf, Cs, Co, and the line and paragraph separators (Zl, Zp). U+200D would join emoji; it also hides, so it goes.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\U000110bd\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
_FORMULA = tuple("=+-@\t\r|%")  # what spreadsheets take for the start of a formula or of DDE
_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_BLOCK_START = re.compile(r"^(\s*)(?=[-+#=])|^(\s*\d+)(?=[.)])")


def safe_text(text: str, *, limit: int = 300) -> str:
    """Return the text on one line, safe on a terminal and in a log, with at most `limit` characters."""
    visible = _UNSAFE.sub(_shown, text[: limit * 4])
    return visible if len(visible) <= limit and len(text) <= limit * 4 else visible[: limit - 1] + _ELLIPSIS


def csv_text(text: str, *, limit: int = 2000) -> str:
    """Return safe text that no spreadsheet takes for a formula."""
    safe = safe_text(text, limit=limit)
    return "'" + safe if safe.lstrip().startswith(_FORMULA) else safe


def markdown_text(text: str, *, limit: int = 300) -> str:
    """Return safe text in which nothing is Markdown or HTML."""
    inline = _MARKUP.sub(r"\\\1", html.escape(safe_text(text, limit=limit), quote=False))
    line = _BLOCK_START.sub(r"\1\2\\", inline)
    return line.replace("://", "&#58;//").replace("www.", "www&#46;")  # nor a link by itself


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    return " " if character in "\t\n\r\x0b\x0c\u2028\u2029" else "\N{REPLACEMENT CHARACTER}"
