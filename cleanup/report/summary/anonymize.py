"""Takes out of frames what tells who somebody is, and keeps what the tables count.

Addresses, domains, hosts, subjects and ids become names that say nothing and stand for the same thing everywhere in one
export; texts that may quote them are left out. Two exports cannot be joined: each has a key of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import fields, replace

import pandas as pd

from cleanup.report.summary.frames import Frames

LEFT_OUT = "(left out)"


def anonymize(frames: Frames, *, key: bytes | None = None) -> Frames:
    """Return the frames without persons. `key` is for tests; without it nobody can make the same names again."""
    name = _Namer(key or secrets.token_bytes(32))
    return replace(frames, **{f.name: _without_persons(getattr(frames, f.name), name) for f in fields(frames)})


class _Namer:
    """Gives names: the same for the same text, and nothing to be guessed from them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _short(self, text: str) -> str:
        return hmac.new(self._key, text.lower().encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:10]

    def domain(self, text: str) -> str:
        return f"d{self._short(text)}.invalid"

    def address(self, text: str) -> str:
        local, at, domain = text.rpartition("@")
        return f"u{self._short(local)}@{self.domain(domain)}" if at else self.domain(text)

    def word(self, text: str) -> str:
        return f"x{self._short(text)}"

    def nothing(self, _: str) -> str:
        return LEFT_OUT


def _without_persons(frame: pd.DataFrame, name: _Namer) -> pd.DataFrame:
    ways: dict[str, Callable[[str], str]] = {
        **dict.fromkeys(("mailbox", "recipient", "original_from", "notice_sender"), name.address),
        **dict.fromkeys(("recipient_domain", "reporting_mta", "trusted_hop"), name.domain),
        **dict.fromkeys(
            ("original_subject", "notice_subject", "original_id", "digest", "campaign", "actor"), name.word
        ),
        **dict.fromkeys(("says", "problem", "note", "unusable", "not_filed_because"), name.nothing),
    }
    changed = {column: _renamed(frame[column], ways[column]) for column in frame.columns if column in ways}
    return frame.assign(**changed)


def _renamed(column: pd.Series, way: Callable[[str], str]) -> pd.Series:
    names = {value: way(str(value)) for value in column.dropna().unique()}
    renamed = column.astype(object).map(names)
    return renamed.astype("category" if isinstance(column.dtype, pd.CategoricalDtype) else pd.StringDtype())
