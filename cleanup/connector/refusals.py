"""What a server's refusal means and what to do about it: the wordings in quirks.py become named errors."""

from __future__ import annotations

import re

from cleanup.connector.quirks import REFUSALS, Refusal
from cleanup.connector.redact import hide
from cleanup.errors import (
    CannotConnect,
    CleanupError,
    CommandRefused,
    CommandUnknown,
    ConnectionLost,
    OverQuota,
    Throttled,
)

LONGEST_TEXT = 300
_BACK_OFF = re.compile(r"suggested backoff time: (\d{1,9}) milliseconds", re.IGNORECASE)


def refusal(command: str, word: str, text: str) -> CleanupError:
    """Return the named error for a NO or BAD answer to a command."""
    what = f"The server answered {word} to {command}"
    quirk = _meaning(text)
    if quirk is None:
        kind = CommandUnknown if word == "BAD" else CommandRefused
        return kind(what, why=tidy(text))
    error = quirk.error(what, why=tidy(text), hint=quirk.hint)
    if isinstance(error, Throttled) and (wait := _BACK_OFF.search(text)):
        error.wait_s = int(wait[1]) / 1000
    return error


def broke_off(command: str, text: str) -> CannotConnect:
    """Return the error for a connection that ended at a command: with the server's last words, if it had any."""
    quirk = _meaning(text)
    hint = quirk.hint if quirk and issubclass(quirk.error, (Throttled, OverQuota)) else None
    return ConnectionLost(f"The connection broke off at {command}", why=text, hint=hint)


def _meaning(text: str) -> Refusal | None:
    return next((quirk for quirk in REFUSALS if quirk.pattern.search(text)), None)


def told(error: BaseException) -> str:
    """Return what an imaplib error says, on one line, without its wrapping and secrets, at most 300 characters."""
    text = hide(str(error))[: 4 * LONGEST_TEXT]
    text = re.sub(r"^command: \w+ => |^\w+ command error: BAD ", "", text)
    if inner := re.fullmatch(r"\[?b(['\"])(.*)\1\]?", text, re.DOTALL):
        text = inner[2]
    return tidy(text)


def tidy(text: str) -> str:
    """Return a server's words on one line, at most 300 characters, without secrets and the full stop: ours follows."""
    return hide(" ".join(hide(text).split()))[:LONGEST_TEXT].rstrip(". ")
