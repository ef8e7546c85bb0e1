"""What a server's refusal means and what to do about it, by name. The providers' own wordings stand here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from cleanup.connector.redact import hide
from cleanup.errors import (
    CannotConnect,
    CleanupError,
    CommandRefused,
    CommandUnknown,
    ConnectionLost,
    FolderNotFound,
    MessageNotShown,
    OverQuota,
    PermissionMissing,
    Throttled,
)

LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class Quirk:
    """One meaning of a refusal: its name, how it is recognised, the error it becomes, and what to do next."""

    name: str
    pattern: re.Pattern[str]
    error: Callable[..., CleanupError]
    hint: str | None = None


def _quirk(name: str, pattern: str, error: Callable[..., CleanupError], hint: str | None = None) -> Quirk:
    return Quirk(name, re.compile(pattern, re.IGNORECASE), error, hint)


# First match wins. Response codes: RFC 5530, RFC 9208; the texts are what the providers send.
QUIRKS = (
    _quirk("gmail-bandwidth", r"\[OVERQUOTA\].{0,80}bandwidth|exceeded .{0,40}bandwidth", Throttled,
           "Gmail allows 2,500 MB a day; try again tomorrow"),
    _quirk("over-quota", r"\[OVERQUOTA\]|quota exceeded|over ?quota|mailbox is full", OverQuota,
           "The mailbox is full. Servers that know MOVE still move; without it room is needed first"),
    _quirk("exchange-not-connected", r"authenticated but not connected", Throttled,
           "Exchange says so when it is busy, when there are too many connections, when the token has the wrong scope, "
           "and when this login may not open this mailbox"),
    _quirk("throttled", r"throttl|too many (simultaneous )?(connections|requests)|\[LIMIT\]|\[INUSE\]", Throttled,
           "The provider wants fewer requests or connections; try again later"),
    _quirk("busy", r"\[UNAVAILABLE\]|\[SERVERBUG\]|server error|internal error", Throttled, "Try again later"),
    _quirk("not-shown", r"\[UNKNOWN-CTE\]|\[EXPUNGEISSUED\]", MessageNotShown),
    _quirk("no-permission", r"\[NOPERM\]|\[READ-ONLY\]|permission denied|read-only|access denied", PermissionMissing,
           "This login may not do that here: ask for the right to (ACL), or use another folder"),
    _quirk("no-folder", r"\[TRYCREATE\]|\[NONEXISTENT\]|doesn't exist|does not exist|no such mailbox|unknown mailbox|"
           r"mailbox not found", FolderNotFound,
           "Check the folder's name. A Dovecot master user with ACLs needs plugin { acl_user = %u }"),
)  # fmt: skip

_BACK_OFF = re.compile(r"suggested backoff time: (\d{1,9}) milliseconds", re.IGNORECASE)


def refusal(command: str, word: str, text: str) -> CleanupError:
    """Return the named error for a NO or BAD answer to a command."""
    what = f"The server answered {word} to {command}"
    quirk = next((quirk for quirk in QUIRKS if quirk.pattern.search(text)), None)
    if quirk is None:
        kind = CommandUnknown if word == "BAD" else CommandRefused
        return kind(what, why=tidy(text))
    error = quirk.error(what, why=tidy(text), hint=quirk.hint)
    if isinstance(error, Throttled) and (wait := _BACK_OFF.search(text)):
        error.wait_s = int(wait[1]) / 1000
    return error


def broke_off(command: str, text: str) -> CannotConnect:
    """Return the error for a connection that ended at a command: with the server's last words, if it had any."""
    quirk = next((quirk for quirk in QUIRKS[:5] if quirk.pattern.search(text)), None)
    return ConnectionLost(f"The connection broke off at {command}", why=text, hint=quirk.hint if quirk else None)


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
