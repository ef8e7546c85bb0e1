"""Why a message could not be delivered, in standard names: from the enhanced status code, the reply code and the words.

Servers say "5.0.0", "5.7.1" or "554" for anything, and then explain themselves: words come first, but for the few codes
that mean one thing wherever they are used. Names of hosts, links and addresses are no words: they are taken out before.
The words themselves stand in `cause_words.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cleanup.detector.notices.cause_words import HINTS, VAGUE, WORDS
from cleanup.detector.notices.phrases import compiled
from cleanup.model import Cause

MOST_WORDS = 700  # characters that are looked at

# Links, addresses, bracketed names and host names (whose last label is in small letters: RESOLVER.ADR.RecipNotFound is
# none) become "~". Codes, which servers repeat on every line, and what Postfix says of the SMTP command go altogether.
_NAMES = re.compile(
    r"https?://\S+"
    r"|<[^<>\s]{0,200}+>|\[(?![A-Z]{2,8}\])[^\[\]\s]{0,200}+\]"
    r"|(?<![\w.+=-])[\w.+=-]{1,200}+@[\w.-]{1,200}+"
    r"|(?<![\w.-])[\w-]{1,63}+(?:\.[\w-]{1,63})*\.[a-z]{2,24}+(?![\w-]|\.\w)"
)
_CODES = re.compile(
    r"(?<![\w.])[245]\d\d[ -](?:#?[245]\.\d{1,3}\.\d{1,3}(?![\d.]))?"
    r"|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])"
    r"|\(in reply to [^()]{0,60}\)|SMTP error from remote (?:mail )?server"
)
_SPACE = re.compile(r"\s+")


_ANSWERED = (*WORDS, *HINTS)
_UNANSWERED = (*WORDS, *VAGUE)

# Codes that mean one thing whatever the words say, and words that mean something else beside one code.
_BY_CODE: dict[str, tuple[tuple[re.Pattern[str] | None, Cause], ...]] = {
    "1.0": ((re.compile(r"(?<!sender )address rejected|recipient rejected"), Cause.NO_SUCH_USER),),
    "1.1": (
        (re.compile(r"sender (?:address )?rejected"), Cause.POLICY),
        (re.compile(r"user unknown|unknown user|does not exist|no such user|no mailbox here"), Cause.NO_SUCH_USER),
    ),
    "1.2": ((re.compile(r"(?<!sender )address (?:\S{1,80} )?is not a valid"), Cause.NO_SUCH_USER),),
    "1.8": ((re.compile(r"sender (?:address )?rejected"), Cause.POLICY),),
    "1.10": ((re.compile(r"null mx|accept mail"), Cause.NO_SUCH_HOST), (None, Cause.NO_SUCH_USER)),
    "1.90": ((None, Cause.RATE_LIMITED),),
    "2.121": ((None, Cause.RATE_LIMITED),),
    "2.122": ((None, Cause.RATE_LIMITED),),
    "3.190": ((None, Cause.POLICY),),
    "4.1": ((re.compile(r"recipient address(?:es)? rejected ?: access denied"), Cause.NO_SUCH_USER),),
    "4.6": ((re.compile(r"sending rate"), Cause.RATE_LIMITED), (None, Cause.LOOP)),  # Zoho has its own use of it
    "4.14": ((None, Cause.LOOP),),
    "7.515": ((None, Cause.AUTHENTICATION),),
    "7.28": ((None, Cause.RATE_LIMITED),),
    "7.504": ((None, Cause.NO_SUCH_USER),),
    "7.505": ((None, Cause.NO_SUCH_USER),),
}
# Believed before words, unless these say one of the causes that servers put under any code.
_TELLING = ("1.1", "1.2", "2.2", "3.4", "4.4", "4.7")
_TELLS_MORE = (
    Cause.VIRUS,
    Cause.SPAM,
    Cause.MAILBOX_DISABLED,
    Cause.MAILBOX_FULL,
    Cause.RATE_LIMITED,
    Cause.BLOCKED,
    Cause.LOOP,
    Cause.RELAY_DENIED,
)

_STATUS: dict[str, Cause] = {  # RFC 3463 and the registry of RFC 5248
    "1.0": Cause.NO_SUCH_USER,
    "1.1": Cause.NO_SUCH_USER,
    "1.2": Cause.NO_SUCH_HOST,
    "1.3": Cause.NO_SUCH_USER,
    "1.4": Cause.NO_SUCH_USER,
    "1.5": Cause.NO_SUCH_USER,
    "1.6": Cause.MAILBOX_DISABLED,
    "1.7": Cause.POLICY,
    "1.8": Cause.POLICY,
    "2.0": Cause.MAILBOX_DISABLED,
    "2.1": Cause.MAILBOX_DISABLED,
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.TOO_LARGE,
    "2.4": Cause.NO_SUCH_USER,
    "3.0": Cause.SYSTEM,
    "3.1": Cause.MAILBOX_FULL,
    "3.2": Cause.SYSTEM,
    "3.3": Cause.SYSTEM,
    "3.4": Cause.TOO_LARGE,
    "3.5": Cause.SYSTEM,
    "4.0": Cause.NETWORK,
    "4.1": Cause.NETWORK,
    "4.2": Cause.NETWORK,
    "4.3": Cause.NO_SUCH_HOST,
    "4.4": Cause.NO_SUCH_HOST,
    "4.5": Cause.SYSTEM,
    "4.7": Cause.EXPIRED,
    "5.1": Cause.SYSTEM,
    "5.2": Cause.SYSTEM,
    "5.3": Cause.RATE_LIMITED,
    "5.4": Cause.SYSTEM,
    "6.0": Cause.CONTENT,
    "6.1": Cause.CONTENT,
    "6.2": Cause.CONTENT,
    "6.3": Cause.CONTENT,
    "6.5": Cause.CONTENT,
    "6.7": Cause.CONTENT,
    "6.9": Cause.CONTENT,
    "7.0": Cause.POLICY,
    "7.1": Cause.POLICY,
    "7.2": Cause.POLICY,
    "7.8": Cause.POLICY,
    "7.9": Cause.POLICY,
    "7.13": Cause.MAILBOX_DISABLED,
    "7.17": Cause.MAILBOX_DISABLED,
    "7.20": Cause.AUTHENTICATION,
    "7.21": Cause.AUTHENTICATION,
    "7.22": Cause.AUTHENTICATION,
    "7.23": Cause.AUTHENTICATION,
    "7.24": Cause.AUTHENTICATION,
    "7.25": Cause.BLOCKED,
    "7.26": Cause.AUTHENTICATION,
    "7.27": Cause.POLICY,
    "7.29": Cause.AUTHENTICATION,
}
_LOGIN = ("530", "534", "535", "538")  # RFC 4954: the sender is to log in, whatever the words say
_REPLIES = {  # RFC 5321 section 4.2.3, RFC 7504
    "421": Cause.SYSTEM,
    "450": Cause.MAILBOX_DISABLED,
    "451": Cause.SYSTEM,
    "452": Cause.MAILBOX_FULL,
    "521": Cause.BLOCKED,
    "551": Cause.NO_SUCH_USER,
    "552": Cause.MAILBOX_FULL,
    "553": Cause.NO_SUCH_USER,
    "556": Cause.NO_SUCH_HOST,
}


@lru_cache(maxsize=4_096)
def find_cause(text: str = "", status: str | None = None, reply: str | None = None) -> Cause:
    """Return why, from what the server said and its codes (RFC 3463, RFC 5321); UNKNOWN where nothing tells."""
    detail = status[2:] if status and status[0] in "45" else ""
    # A host called "spam.example" or a link to "/blocked" is no reason: only the words between names and codes count.
    plain = _CODES.sub(" ", _NAMES.sub("~", text[:MOST_WORDS].replace("’", "'"))).replace("_", " ")
    words = _SPACE.sub(" ", plain).strip().lower()
    for pattern, cause in _BY_CODE.get(detail, ()):
        if pattern is None or pattern.search(words):
            return cause
    rules = _ANSWERED if status or reply else _UNANSWERED
    by_words = next((cause for cause, pattern in rules if compiled(pattern).search(words)), None)
    if reply in _LOGIN and by_words in (None, Cause.AUTHENTICATION):
        return Cause.POLICY
    if detail in _TELLING and by_words not in _TELLS_MORE:
        return _STATUS[detail]
    return by_words or _STATUS.get(detail) or _REPLIES.get(reply or "") or Cause.UNKNOWN
