"""Keeps secrets out of every text, the server's own included."""

from __future__ import annotations

import base64
import re

HIDDEN = "[hidden]"
_SHORTEST = 3  # hiding "a" everywhere would destroy the text and tell the secret


class Redactor:
    """Replaces secrets wherever they stand in a text: as they are, quoted, and in base64."""

    def __init__(self, *secrets: str) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        """Return the text with every secret hidden."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _forms(secret: str) -> set[str]:
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    shown = {secret, quoted, repr(secret)[1:-1], repr(secret.encode())[2:-1], repr(quoted)[1:-1]}
    return shown | {piece for offset in range(3) if len(piece := _base64_core(secret.encode(), offset)) > _SHORTEST}


def _base64_core(raw: bytes, offset: int) -> str:
    """Return what of base64 depends on `raw` alone where `offset` (modulo 3) bytes stand before it (RFC 4616)."""
    encoded = base64.b64encode(b"\0" * offset + raw).decode()
    return encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
