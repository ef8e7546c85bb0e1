"""Subjects in the form in which they are compared: prefixes, gateway tags, folding and truncation undone."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

SHORTEST_TRUNCATED = 20  # characters that a cut subject must keep to be compared by its beginning
MOST_CHARACTERS = 300

_NUMBERED = r"\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}|\d{1,2})?\s*[:：]\s*"
_GATEWAY = re.compile(
    r"^\s*(?:[\[({*]+\s*(?:ext|external|extern|externe|spam|\?*spam\?*|suspect|caution|warning|bulk|newsletter|signed|"
    r"encrypted|verschl[^\])}]{0,20})\s*[\])}*]+|\*{2,5}\s*spam\s*\*{2,5}|external\s*:)\s*[:-]?\s*"
)
_ANY_GATEWAY = re.compile(_GATEWAY.pattern, re.IGNORECASE)
_OPENS_A_MARK = tuple("[({*eE")  # with what a mark can begin: no other subject need be searched
_LIST_TAG = re.compile(r"^\s*\[[^\][]{1,40}\]\s*")
_SPACE = re.compile(r"\s+")


@lru_cache(maxsize=1)
def _prefixes() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what begins the subject of a reply or a forward, and of a forward alone, as programs write them."""
    text = (files("cleanup.detector") / "subject_prefixes.json").read_text(encoding="utf-8")
    words = json.loads(text)
    forward = "|".join(words["forward"])
    either = "|".join([*words["reply"], forward])
    return re.compile(rf"^\s*(?:{either}){_NUMBERED}"), re.compile(rf"^\s*(?:{forward}){_NUMBERED}")


def without_marks(subject: str) -> str:
    """Return a decoded subject without the marks that gateways put before it: "[EXTERNAL]", "***SPAM***"."""
    text = subject
    for _ in range(3):
        if text.lstrip()[:1] not in _OPENS_A_MARK or not (tag := _ANY_GATEWAY.match(text)) or tag.end() == len(text):
            break
        text = text[tag.end() :]
    return text


def forwards(subject: str) -> bool:
    """Return whether a decoded subject begins as those of forwards do, after list tags."""
    if subject.isascii() and ":" not in subject:
        return False
    text = unicodedata.normalize("NFKC", subject[:MOST_CHARACTERS]).casefold()
    _, forward = _prefixes()
    return bool(forward.match(text) or forward.match(_LIST_TAG.sub("", text)))


def answers_or_forwards(subject: str) -> bool:
    """Return whether a decoded subject begins as those of replies and forwards do, after list tags."""
    if subject.isascii() and ":" not in subject:
        return False
    text = unicodedata.normalize("NFKC", subject[:MOST_CHARACTERS]).casefold()
    prefix, _ = _prefixes()
    return bool(prefix.match(text) or prefix.match(_LIST_TAG.sub("", text)))


@lru_cache(maxsize=65_536)
def subject_key(subject: str) -> str:
    """Return the compared form of a decoded subject; "" where nothing is left of it.

    Reply and forward prefixes of many languages, marks of gateways ("[EXT]") and list tags go, spaces and case do not
    count, compatibility characters become plain ones (NFKC). At most 300 characters count.
    """
    text = unicodedata.normalize("NFKC", subject[: 4 * MOST_CHARACTERS]).casefold()
    text = _SPACE.sub(" ", text).strip()
    prefix, _ = _prefixes()
    for _ in range(12):  # "Re: AW: [EXT] [list] Fwd: ..." nests as deep as the conversation is long
        shorter = _LIST_TAG.sub("", _GATEWAY.sub("", prefix.sub("", text)))
        if shorter == text:
            break
        text = shorter or text
        if not shorter:  # nothing but prefixes: "Re:" is its own subject
            break
    return text.strip()[:MOST_CHARACTERS]


def subjects_agree(one: str | None, other: str | None) -> bool | None:
    """Return whether two decoded subjects are the same; None where one is missing or empty, so nothing can be said.

    A subject that was cut (Exchange and some notices cut at 60 to 100 characters) agrees by its beginning.
    """
    a, b = subject_key(one or ""), subject_key(other or "")
    if not a or not b:
        return None
    if a == b:
        return True
    short, long = sorted((a.rstrip(".… "), b), key=len)
    return len(short) >= SHORTEST_TRUNCATED and long.startswith(short)


def is_telling(subject: str | None) -> bool:
    """Return whether a subject has three words or more, so that two mails hardly share it by chance."""
    return len(subject_key(subject or "").split()) >= 3


def is_uncommon(subject: str | None) -> bool:
    """Return whether a subject has two words or ten characters: more than "Hello"."""
    key = subject_key(subject or "")
    return len(key) >= 10 or len(key.split()) >= 2
