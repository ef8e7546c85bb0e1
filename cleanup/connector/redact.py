"""Keeps secrets out of every text, the server's own included.

A server knows the password from the first login on, and may say it at any time: in its next greeting, on the second
connection, in a folder's name. So what was shown to any server once is hidden from then on in whatever this process
says (`hide`), and always before a text is cut: half a token is a secret, too.
"""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
MOST_KEPT = 1000  # secrets; a fleet's tokens are fetched anew at each login
_SHORTEST = 3  # hiding "a" everywhere would destroy the text and tell the secret


class Redactor:
    """Replaces secrets wherever they stand in a text, in either letter case.

    As they are, quoted, escaped, in hexadecimal digits and in base64.
    """

    def __init__(self, *secrets: str) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        self._forms = [(form, form.lower()) for form in sorted(forms, key=len, reverse=True)]

    def __call__(self, text: str) -> str:
        """Return the text with every secret hidden."""
        lowered = text.lower()
        found = [form for form, lower in self._forms if form in text or lower in lowered]
        return re.sub("|".join(map(re.escape, found)), HIDDEN, text, flags=re.IGNORECASE) if found else text


_shown: dict[str, Redactor] = {}  # by secret, in the order in which they were shown


def remember(secret: str) -> Redactor:
    """Hide a secret from now on in all that passes hide(); return what hides it alone."""
    redactor = _shown.pop(secret) if secret in _shown else Redactor(secret)
    _shown[secret] = redactor
    while len(_shown) > MOST_KEPT:
        _shown.pop(next(iter(_shown)), None)
    return redactor


def hide(text: str) -> str:
    """Return the text without the secrets that were shown so far, the longest first: one may hold another."""
    for secret in sorted(_shown.copy(), key=len, reverse=True):
        text = remembered(text) if (remembered := _shown.get(secret)) else text
    return text


def _forms(secret: str) -> set[str]:
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    octets = [text.encode(code, "backslashreplace") for text in (secret, quoted) for code in ("utf-8", "latin-1")]
    shown = {secret, quoted, repr(secret)[1:-1], repr(quoted)[1:-1], " ".join(secret.split())}
    shown |= {repr(some)[2:-1] for some in octets} | {secret.encode().hex(), secret.encode().hex(" ")}
    shown |= {quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret), json.dumps(secret)[1:-1]}
    # in SASL PLAIN it stands behind names of any length, so it begins at any of the three places of base64
    encoded = {_base64_core(secret.encode(), offset) for offset in range(3)}
    shown |= {piece for core in encoded for piece in (core, core.translate(str.maketrans("+/", "-_")))}
    return {form for form in shown if len(form) >= _SHORTEST}


def _base64_core(raw: bytes, offset: int) -> str:
    """Return what of base64 depends on `raw` alone where `offset` (modulo 3) bytes stand before it (RFC 4616)."""
    encoded = base64.b64encode(b"\0" * offset + raw).decode()
    return encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
