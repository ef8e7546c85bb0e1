"""Why a message could not be delivered, in standard names: from words first, then enhanced status, then reply code.

Words come before codes: servers say "5.0.0", "5.7.1" or "554" for anything, and then explain themselves.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cleanup.model import Cause

_WORDS: tuple[tuple[Cause, str], ...] = (
    (Cause.VIRUS, "virus|infected|malware|trojan|worm\\b"),
    (
        Cause.LOOP,
        "mail loop|loops? back|too many hops|routing loop|looping|hop count|hops exceeded|"
        "mail forwarding loop|schleife",
    ),
    (
        Cause.AUTHENTICATION,
        "\\bspf\\b|\\bdkim\\b|\\bdmarc\\b|sender policy framework|authentication (?:check|"
        "required by policy|fail)|unauthenticated (?:mail|email)|not authenticated",
    ),
    (
        Cause.RATE_LIMITED,
        "rate limit|too many (?:messages|connections|recipients|emails|mails)|throttl|"
        "try again later.{0,30}rate|sending limit|exceeded.{0,30}(?:per (?:hour|day|minute)|rate)",
    ),
    (
        Cause.MAILBOX_FULL,
        "(?:mail ?)?box.{0,40}(?:is )?full|over ?quota|quota.{0,30}(?:exceed|full|violat)|"
        "exceed\\S{0,3}.{0,40}(?:quota|storage|mailbox size|space)|out of (?:storage|disk) space|"
        "insufficient (?:disk|storage|system storage)|not enough (?:disk |storage )?space|"
        "disk space|maildir.{0,20}quota|postfach.{0,20}voll|casella.{0,20}piena|"
        "buzón.{0,20}lleno|boîte.{0,40}pleine|ящик.{0,20}переполнен|容量",
    ),
    (
        Cause.TOO_LARGE,
        "too (?:large|big)|message size|size (?:limit|exceed)|exceeds? (?:the )?(?:maximum|size|"
        "fixed|configured|max)|maximum (?:message )?size|zu groß",
    ),
    (
        Cause.RELAY_DENIED,
        "relay(?:ing)? (?:denied|not (?:allowed|permitted)|access denied|prohibited|is not)|"
        "unable to relay|cannot relay|not permitted to relay|will not relay|no relay|rcpthosts|"
        "not a (?:local|gateway)",
    ),
    (
        Cause.MAILBOX_DISABLED,
        "disabled|inactive|suspended|deactivated|no longer (?:active|available|in use|valid|"
        "accept|with|employ|receiv)|account (?:has been |is )?(?:locked|expired|closed|blocked)|"
        "mailbox (?:is )?(?:locked|unavailable at)|has moved|account expired",
    ),
    (
        Cause.NO_SUCH_USER,
        "user unknown|unknown user|no such (?:user|recipient|mailbox|account|address|person|"
        "local|customer)|(?:user|recipient|mailbox|address|account|"
        "email)\\S{0,2} (?:\\S{1,120} )?(?:is |was |are )?(?:unknown|not found|not exist|"
        "does ?n.?t exist|do(?:es)? not exist|invalid|unavailable|not recogni|not known|"
        "not listed|not valid|rejected: (?:user|undeliverable|unknown)|not available|"
        "cannot be found|could not be found|couldn't be found|wasn't found)|(?:unknown|invalid|"
        "bad|nonexistent|undeliverable|unrouteable|unroutable|illegal) (?:user|recipient|mailbox|"
        "address|account|alias|destination mailbox|local|e-?mail)|does not have (?:an?|"
        "any) .{0,30}(?:account|mailbox)|doesn.t have (?:an?|any) .{0,60}account|"
        "no mailbox (?:here|by|for|with)|not our customer|not (?:a valid|listed in|a known|"
        "a local|a user)|no account|can't find|unknown or illegal|mailbox not|recipnotfound|"
        "no valid recipients|nicht gefunden|unbekannt|n'existe pas|no existe|non esiste|"
        "não existe|не существует|不存在|存在しない|見つかり",
    ),
    (
        Cause.NO_SUCH_HOST,
        "host (?:\\S{1,120} )?(?:unknown|not found)|unknown (?:host|domain)|(?:domain|"
        "host)\\S{0,2} (?:\\S{1,120} )?(?:does not exist|not found|doesn.t exist|"
        "couldn't be found|name not found)|unresolvable|name or service not known|nxdomain|"
        "no such (?:domain|host)|couldn.t find any host|can.?t find any host|name service error|"
        "dns error|dns (?:lookup|query)|no mx|unrouteable|bad destination (?:host|system)|"
        "invalid domain|malformed or unexpected name server",
    ),
    (
        Cause.SPAM,
        "spam|\\bubl\\b|unsolicited|\\bjunk\\b|\\bbulk\\b|\\buce\\b|\\bube\\b|content (?:filter|"
        "reject)|surbl|uribl|advertis|looks like",
    ),
    (
        Cause.BLOCKED,
        "block(?:ed|list|ing)|black ?list|\\brbl\\b|dnsbl|spamhaus|spamcop|sorbs|"
        "barracudacentral|reputation|banned|access denied|denied by|refused by|ip address|"
        "client host rejected|(?:sender|connection) (?:address )?(?:rejected|refused|denied|"
        "verify|is not|blocked)|poor reputation|reverse dns|\\bptr\\b|bad helo|helo command",
    ),
    (Cause.CONTENT, "mime|header|character set|encoding|smtputf8|attachment|content"),
    (
        Cause.EXPIRED,
        "(?:too long|queue|retry time|retry timeout|maximum time|delivery time|"
        "message) (?:\\S{1,40} ){0,3}(?:expired|exceeded)|expired|giving up|given up|gave up|"
        "retry time(?:out)? (?:not reached|exceeded)|retries|been in the queue too long|"
        "could not be delivered for|timed? ?out.{0,40}(?:days|hours)|has been on the queue",
    ),
    (
        Cause.NETWORK,
        "connection (?:timed|refused|reset|lost|dropped|to \\S+ (?:timed|refused)|fail|"
        "was (?:refused|dropped)|died)|timed out|timeout|unreachable|no route|network|"
        "could not connect|couldn.t connect|unable to connect|host (?:is )?(?:down|not respon)|"
        "not respond|lost connection|conversation with|no answer|read error|broken pipe|"
        "\\btls\\b|handshake|unable to contact",
    ),
    (
        Cause.POLICY,
        "policy|prohibit|not (?:allowed|permitted|authori[sz]ed|accept)|administrative|rejected|"
        "refused|denied|restrict|unauthori[sz]ed|forbidden|transaction failed",
    ),
    (
        Cause.SYSTEM,
        "system (?:error|config|problem|failure)|local (?:error|configuration|problem)|config|"
        "unable to (?:open|write|create|lock)|i/o error|permission|server error|internal error|"
        "temporar|mailer|syntax|command",
    ),
)
_STATUS: dict[str, Cause] = {
    "1.0": Cause.NO_SUCH_USER,
    "1.1": Cause.NO_SUCH_USER,
    "1.2": Cause.NO_SUCH_HOST,
    "1.3": Cause.NO_SUCH_USER,
    "1.4": Cause.NO_SUCH_USER,
    "1.6": Cause.MAILBOX_DISABLED,
    "1.7": Cause.BLOCKED,
    "1.8": Cause.BLOCKED,
    "1.10": Cause.NO_SUCH_USER,
    "2.0": Cause.MAILBOX_DISABLED,
    "2.1": Cause.MAILBOX_DISABLED,
    "2.2": Cause.MAILBOX_FULL,
    "2.3": Cause.TOO_LARGE,
    "2.4": Cause.NO_SUCH_USER,
    "3.1": Cause.MAILBOX_FULL,
    "3.4": Cause.TOO_LARGE,
    "3.0": Cause.SYSTEM,
    "3.2": Cause.SYSTEM,
    "3.3": Cause.SYSTEM,
    "3.5": Cause.SYSTEM,
    "4.0": Cause.NETWORK,
    "4.1": Cause.NETWORK,
    "4.2": Cause.NETWORK,
    "4.3": Cause.NO_SUCH_HOST,
    "4.4": Cause.NO_SUCH_HOST,
    "4.5": Cause.RATE_LIMITED,
    "4.6": Cause.LOOP,
    "4.7": Cause.EXPIRED,
    "5.3": Cause.RATE_LIMITED,
    "6.0": Cause.CONTENT,
    "6.1": Cause.CONTENT,
    "6.2": Cause.CONTENT,
    "6.3": Cause.CONTENT,
    "6.5": Cause.CONTENT,
    "6.7": Cause.CONTENT,
    "7.0": Cause.POLICY,
    "7.1": Cause.POLICY,
    "7.2": Cause.POLICY,
    "7.5": Cause.AUTHENTICATION,
    "7.8": Cause.AUTHENTICATION,
    "7.9": Cause.AUTHENTICATION,
    "7.13": Cause.MAILBOX_DISABLED,
    "7.17": Cause.MAILBOX_DISABLED,
    "7.20": Cause.AUTHENTICATION,
    "7.21": Cause.AUTHENTICATION,
    "7.22": Cause.AUTHENTICATION,
    "7.23": Cause.AUTHENTICATION,
    "7.24": Cause.AUTHENTICATION,
    "7.25": Cause.BLOCKED,
    "7.26": Cause.AUTHENTICATION,
    "7.28": Cause.RATE_LIMITED,
}
_TELLING = ("1.1", "1.2", "1.10", "2.1", "2.2", "3.4", "4.4", "4.6", "4.7")  # believed before any words
_REPLIES = {
    "421": Cause.NETWORK,
    "450": Cause.MAILBOX_DISABLED,
    "452": Cause.MAILBOX_FULL,
    "552": Cause.MAILBOX_FULL,
    "551": Cause.NO_SUCH_USER,
    "553": Cause.NO_SUCH_USER,
    "521": Cause.BLOCKED,
    "556": Cause.NO_SUCH_HOST,
}
MOST_WORDS = 1_000

_COMPILED = tuple((cause, re.compile(words, re.IGNORECASE)) for cause, words in _WORDS)


@lru_cache(maxsize=4_096)
def find_cause(text: str = "", status: str | None = None, reply: str | None = None) -> Cause:
    """Return why, from what the server said and its codes; UNKNOWN where nothing tells."""
    detail = (status or "").partition(".")[2]
    if detail in _TELLING:
        said = _from_words(text)
        return (
            said if said in (Cause.VIRUS, Cause.SPAM, Cause.MAILBOX_DISABLED, Cause.MAILBOX_FULL) else _STATUS[detail]
        )
    return _from_words(text) or _STATUS.get(detail) or _REPLIES.get(reply or "") or Cause.UNKNOWN


def _from_words(text: str) -> Cause | None:
    text = text[:MOST_WORDS]
    return next((cause for cause, words in _COMPILED if words.search(text)), None)
