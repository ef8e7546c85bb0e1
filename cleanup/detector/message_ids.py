"""Message-IDs: the forms in which they are compared, and their shape, which tells what made them."""

from __future__ import annotations

import re
from functools import lru_cache

_RUNS = re.compile(r"(?P<hex>(?=[0-9a-f]*[a-f])[0-9a-f]{6,})|(?P<digits>\d+)|(?P<letters>[A-Za-z]+)", re.IGNORECASE)
_LETTERS = {"hex": "h", "digits": "d", "letters": "a"}
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


@lru_cache(maxsize=8_192)
def id_key(message_id: str) -> str:
    """Return the form in which ids are compared: without brackets, the right side in lower case.

    Exchange writes `<x@[host]>` for `<x@host>`: brackets around the right side go too. "" for no id at all.
    """
    text = message_id.strip().strip("<>").strip()
    left, at, right = text.rpartition("@")
    if not at:
        return text
    return f"{left}@{right.strip('[]').rstrip('.').casefold()}"


def envelope_id_key(envelope_id: str) -> str:
    """Return an envelope id, decoded from xtext (RFC 3461 section 4), in the form in which message ids are compared."""
    return id_key(_XTEXT.sub(lambda pair: chr(int(pair[1], 16)), envelope_id.strip()[:998]))


def right_side(message_id: str) -> str:
    """Return what stands after the @, in lower case; "" where there is none."""
    return id_key(message_id).rpartition("@")[2] if "@" in message_id else ""


@lru_cache(maxsize=8_192)
def id_shape(message_id: str) -> str:
    """Return the pattern of an id: runs of hex, digits and letters by length class, then the right side.

    `CAF=9x+Q2@mail.gmail.com` and its sisters share a shape; so do the ids of one mail program. Right sides that are
    host names of one machine among many keep their last three labels only.
    """
    left, _, right = id_key(message_id).rpartition("@")
    pattern = _RUNS.sub(_class_of, left[:200])
    return f"{pattern}@{'.'.join(right.split('.')[-3:])}"


def _class_of(run: re.Match[str]) -> str:
    letter = _LETTERS[run.lastgroup or "letters"]
    # Classes, not lengths: counters grow by a digit, and ids of one program stay alike.
    length = run.end() - run.start()
    return letter + ("" if length < 4 else "+" if length < 16 else "*")
