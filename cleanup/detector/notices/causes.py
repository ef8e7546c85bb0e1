"""Why a message could not be delivered, in standard names: from the enhanced status code, the reply code and the words.

Servers say "5.0.0", "5.7.1" or "554" for anything, and then explain themselves: words come first, but for the few codes
that mean one thing wherever they are used. Names of hosts, links and addresses are no words: they are taken out before.

What servers really answer stands in `tests/detector/server_replies.tsv`, each reply with its cause and its source: a
reply that is read wrongly is added there first.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cleanup.model import Cause

MOST_WORDS = 1_000  # characters that are looked at

# Links, addresses, bracketed names and host names (whose last label is in small letters: RESOLVER.ADR.RecipNotFound is
# none) become "~". Codes, which servers repeat on every line, and what Postfix says of the SMTP command go altogether.
_NAMES = re.compile(
    r"https?://\S+"
    r"|<[^<>\s]{0,200}+>|\[[^\[\]\s]{0,200}+\]"
    r"|(?<![\w.+=-])[\w.+=-]{1,200}+@[\w.-]{1,200}+"
    r"|(?<![\w.-])[\w-]{1,63}+(?:\.[\w-]{1,63})*\.[a-z]{2,24}+(?![\w-]|\.\w)"
)
_CODES = re.compile(
    r"(?<![\w.])[245]\d\d[ -](?:#?[245]\.\d{1,3}\.\d{1,3}(?![\d.]))?"
    r"|(?<![\w.])#?[245]\.\d{1,3}\.\d{1,3}(?![\w.])"
    r"|\(in reply to [^()]{0,60}\)"
)
_SPACE = re.compile(r"\s+")
_SPAM = r"(?<!users from )(?<!amount of )\bspam(?!haus|cop|s? for)"  # not Google's "to protect our users from spam"

# The first that fits is the cause; a cause may stand twice, with its plainest words early and its vaguest late.
_WORDS: tuple[tuple[Cause, str], ...] = (
    (
        Cause.VIRUS,
        r"\bvirus|\binfected\b|malware|trojan|\bworm\b",
    ),
    (
        Cause.LOOP,
        r"\bloops? back|mail loop|e-?mail loop|(?:rout|forward)ing loop|\blooping|loop ?detect|mxloopback|"
        r"too many (?:hops|.?received.? headers|received:)|exceeded \d+ hops|hop count|hops exceeded|"
        r"best-preference mx|schleife",
    ),
    (
        Cause.POLICY,  # who has not been seen before is to come again
        r"gr[ae]y-?.?list",
    ),
    (
        Cause.RATE_LIMITED,
        r"unusual (?:rate|amount)|(?:frequency|volume) limited|"
        r"too many (?:messages|connections|recipients|e-?mails|mails|sessions|concurrent|login)|"
        r"too (?:quickly|fast)|throttl|slow down|excessive volume|unexpected volume|"
        r"(?:sending|submission|queue|relay) (?:quota|limit|rate)|quota for sending|"
        r"(?:per|this) (?:hour|day|minute)|(?:daily|hourly)(?: \S{1,20}){0,3} (?:limit|rate)|"
        r"exceeded (?:permitted|threshold|message rate)|"
        r"exceeded (?:the |their )?(?:\S{1,20} )?(?:rate|limit for)|message rate|at a rate|thread limit|"
        r"maximum number of concurrent|max(?:imum)? messages? per|has exceeded threshold|recip(?:ient)?limit|"
        r"submission rate|too many mails|rate limit(?:ed due| reached)|hourlysenderlimit|mail flood|"
        r"\bmany (?:e-?)?mails|dyn:t",
    ),
    (
        Cause.CONTENT,
        r"file extension|file type",
    ),
    (
        Cause.SPAM,
        r"anti-?spam (?:check|engine)|spam(?: pattern| content| classif|signature|assassin)|as spam\b|"
        r"blacklisted (?:url|link)",
    ),
    (
        Cause.SYSTEM,
        r"server configuration error|command (?:output|died)",
    ),
    (
        Cause.BLOCKED,  # on a list, or known for no good
        r"black[ -]?list|black (?:listed|ip)|block[ -]?list|blocks? list|\brbl\b|\bdnsbls?\b|dns_rbl|"
        r"spamhaus|spamcop|\bsorbs\b|barracudacentral|cloudmark sender|blocked using|invalid ip|"
        r"host (?:network )?not allowed|banned (?:send|ip)|is banned|(?:been|is) banned|"
        r"ask your postmaster for help|found in ~|(?:poor|bad|low|negative|ip)(?:/bad)? reputation|"
        r"(?<!not )listed (?:at|in|by|on)\b|blocked senders?\b|sender (?:address )?blocked|\bptr\b|"
        r"reverse (?:dns|hostname)|cannot find your (?:reverse )?host|(?:bad|invalid) helo|"
        r"helo command rejected|client host rejected: access|geographical|mismatch\S{0,2} client|"
        r"suspended due to abuse|bad outbound sender|abuse detected|(?:rtr|rly|con):[a-z]{2}|rly:b\d|"
        r"sender reputation|your ip\b.{0,40}(?:blocked|rejected)|"
        r"access to (?:submit|this mail).{0,60}rejected|not allowed to connect|spamming issues|"
        r"block for spam|senderfilterconfig|in (?:a|our|the) black",
    ),
    (
        Cause.AUTHENTICATION,
        r"\bspf\b|\bdkim\b|\bdmarc\b|sender policy framework|unauthenticated|\barc validation|"
        r"authentication (?:check|results|fail)",
    ),
    (
        Cause.POLICY,  # of the sender's own address or its domain, of encryption, of logging in, of closed groups
        r"domain of sender|domain name required|"
        r"sender (?:domain|address) (?:\S{1,120} )?(?:does not|not found|is not a valid|not valid|invalid|"
        r"has null|required|could not)|"
        r"sender address rejected: (?:domain|need|emetteur)|"
        r"sender (?:verif\S{1,10} fail|address verification)|bad sender|fake sender|verify mailfrom|"
        r"invalid sender|emetteur invalide|sender domain|invalid dns mx|\btls (?:is )?required|"
        r"(?:support|using a|over a|requires?) (?:\S{1,10} )?tls|starttls|certificate|dnssec|\bdane\b|"
        r"requiretls|authenticat\S{1,3} required|not authenticated|not a member of this|not subscribed|"
        r"fail authentication|auth failed|allowed-senders|notauthori[sz]ed|authrequired",
    ),
    (
        Cause.RATE_LIMITED,
        r"rate.?limit|temporarily deferred|deferred due",
    ),
    (
        Cause.RELAY_DENIED,
        r"relay(?:ing)? (?:access )?(?:is )?(?:temporarily )?(?:denied|not|disallowed|prohibited)|"
        r"relaying to .{0,80}prohibited|(?:to|unauthori[sz]ed|as a|denies|open|credentials for) relay|"
        r"(?:will not|no) relay|rcpthosts|not a (?:local|gateway)",
    ),
    (
        Cause.MAILBOX_FULL,
        r"(?:mail ?)?(?:box|folder|account|inbox).{0,40}\bfull\b|\bfull (?:mail)?box|"
        r"over (?:its |the |their )?(?:disk |storage )?-?quota|overquota|quota.{0,30}(?:exceed|full|violat)|"
        r"exceed\S{0,3}.{0,40}(?:quota|storage|mailbox size|space)|"
        r"(?:out of|insufficient|not enough) (?:disk |storage |system |free )*(?:storage|space)|storage full|"
        r"disk space|maildir.{0,20}quota|(?:mailbox|inbox) (?:size )?(?:limit )?exceed|"
        r"mailbox (?:size )?limit|\bfile too large|system full|exceeded storage|quota limit|pleine|"
        r"postfach.{0,20}voll|casella.{0,20}piena|buzón.{0,20}lleno|ящик.{0,20}переполнен|容量|空间不足|已满",
    ),
    (
        Cause.CONTENT,
        r"headers? (?:is |are )?too (?:long|large)|rfc ?[25][38]22|rfc ?822 ?compl|"
        r"(?:from|message-id): header|in from:|not \S{0,8} ?compliant",
    ),
    (
        Cause.TOO_LARGE,
        r"too (?:large|big)|(?:message|attachment|mail|data) (?:is )?too long|(?:message|mail) ?size|"
        r"size ?(?:limit|exceed)|exceeds? (?:the )?(?:maximum|size|fixed|configured|max)|"
        r"maximum (?:message )?size|databytes|sizelimit|number of attachments|message length|larger than|"
        r"zu groß",
    ),
    (
        Cause.MAILBOX_DISABLED,
        r"disabled|\binactiv|(?<!delivery temporarily )suspended|deactivated|de-?activated|not activated|"
        r"discontinued|no longer (?:active|available|in use|accept|with|employ|receiv)|"
        r"(?:user|account|mailbox|status) (?:has been |is |is now )*(?:locked|expired|closed|blocked)|"
        r"expired account|mailbox (?:is )?(?:locked|unavailable at)|has moved|"
        r"temporarily unavailable.{0,20}mailbox|recipient temporarily unavailable|owner has changed|gesperrt|"
        r"addresses no longer|not an? active|frozen",
    ),
    (
        Cause.EXPIRED,
        r"message (?:has )?expired|delivery time expired|queue\.expired|queue too long|max(?:imum)? time|"
        r"(?:could|can) ?not be delivered for|not been collected|been in the queue|has been on the queue",
    ),
    (
        Cause.NO_SUCH_HOST,
        r"(?:recipient )?domain (?:\S{1,120} )?(?:does not (?:exist|accept)|not found|doesn.t exist|"
        r"couldn.t be found|could not be found|unknown)|"
        r"find the recipient domain|unknown (?:host|domain)|"
        r"host\S{0,2} (?!said)(?:\S{1,120} )?(?:unknown|not found|does not accept|doesn.t exist|does not exist|"
        r"couldn.t be found|could not be found)|"
        r"unresolvable|name or service not known|nxdomain|no such (?:domain|host)|find any host|"
        r"name service error|dns error|dns (?:lookup|query)|\bno mx\b|bad destination (?:host|system)|"
        r"invalid domain|malformed or unexpected name server|null mx|mail exchanger|cname lookup|"
        r"directory server|unable to route|mx records|address lookups failed|no smtp service|"
        r"nonexistent ?domain|does not accept mail",
    ),
    (
        Cause.NO_SUCH_USER,
        r"user unknown|unknown user|unknown recipient|"
        r"no such (?:user|recipient|mailbox|account|address|person|local|customer)|"
        r"(?:user|recipient|mailbox|address|addressee|account|e-?mail|alias)\S{0,2} (?:\S{1,120} )?(?:is |was |"
        r"are |does |do )?(?:unknown|not (?:found|exist|known|listed|valid|recogni|available|ok\b|allowed here)|"
        r"doesn.t exist|does ?n.t exist|invalid|unavailable|unallocated|could(?: not|n.t) be found|"
        r"cannot be (?:found|verified)|wasn.t found|rejected: (?:user|undeliverable|unknown|no such|invalid|"
        r"not in)|path no exist|lookup)|"
        r"(?:unknown|invalid|bad|nonexistent|undeliverable|unrouteable|unroutable|illegal|wrong|correct|"
        r"valid) (?:\S{1,12} )?(?:user|recipients?|rcpt|mailbox|address|account|alias|destination mailbox|local|"
        r"e-?mail)|"
        r"does(?: not|n.t) have (?:an?|any|the) .{0,60}?(?:account|mailbox)|no mailbox (?:here|by|for|with)|"
        r"not our customer|not (?:a valid|listed in|a known|a local|a user|user of)|no account|can.t find|"
        r"mailbox not|recip(?:ient)?notfound|exrecipnotfound|no valid recipients|"
        r"(?:no longer|not) (?:valid|exists?)\b|marked as invalid|not in recipient list|recipient rejected|"
        r"recipient verification failed|deliver mail for|user only|no mail ?box|did not (?:exactly )?match|"
        r"said: unknown|unverified address|no longer exists|restricted characters|fully-qualified address|"
        r"(?:recipient|user|mailbox) (?:does|not a member)|don.t exists? that|user not local|"
        r"name not allowed|ambiguous|suppression list|blank mailhost|nicht gefunden|unbekannt|n'existe pas|"
        r"no existe|non esiste|não existe|не существует|不存在|存在しない|見つかり|destinataire invalide",
    ),
    (
        Cause.SPAM,
        _SPAM + r"|"
        r"\bubl\b|unsolicited|\bjunk\b|\bbulk\b|\buce\b|\bube\b|content filter|content (?:reject|denied)|"
        r"surbl|uribl|advertis|nature of the content|message filtered|mass mail|dt:spm|hvu:",
    ),
    (
        Cause.CONTENT,
        r"\bmime\b|headers?\b(?! based)|character set|encoding|encoded-word|smtputf8|utf-8|non-ascii|"
        r"attachment|\bcontent\b|bare linefeed|malformed|\bnul\b|macros|conversion|partial final|unsafe|"
        r"security issue|media not",
    ),
    (
        Cause.EXPIRED,
        r"expired|giving up|given up|gave up|retry time|retry timeout|retries|failing for a long time|"
        r"timed? ?out.{0,40}(?:days|hours)",
    ),
    (
        Cause.NETWORK,
        r"connection (?:timed|refused|reset|lost|dropped|to \S+ (?:timed|refused)|fail|was (?:refused|dropped)|"
        r"died|expired)|"
        r"timed out|time-?out|unreachable|not reachable|no route|network (?:error|problem|failure|down)|"
        r"(?:could not|couldn.t|unable to|wasn.t able to|cannot) (?:establish|connect|contact)|"
        r"bad connection|able to establish|host (?:is )?(?:down|not respon)|connect to\b|not respond|"
        r"lost connection|conversation with|no answer|read error|broken pipe|\btls\b|handshake",
    ),
    (
        Cause.BLOCKED,
        r"(?<!message has been )(?<!message was )(?<!email was )(?<!email has been )\bblock(?:ed|ing)?\b|"
        r"access denied|authorized to send e-?mail directly|connections? (?:will )?not (?:be )?accepted|"
        r"denial of connection|is forbidden|traffic not|"
        r"sender (?:\S{1,80} )?(?:is )?(?:rejected|refused|denied)|denies the sender|refused by|"
        r"denied by (?!policy)|ip (?:address|is) (?:\S{1,20} )?rejected|whitelist|client host rejected|"
        r"connection rejected",
    ),
    (
        Cause.SYSTEM,
        r"temporar|try (?:again )?later|(?:come|try) back|busy|service (?:not |un)available|"
        r"service is currently|system (?:error|config|problem|failure|not|incorrect)|"
        r"local (?:error|configuration|problem)|config|internal (?:error|server)|"
        r"unable to (?:open|write|create|lock|process)|i/o error|permission|server error|resources|"
        r"congestion|too many errors|syntax|invalid command|protocol violation|replicated|service available",
    ),
    (
        Cause.POLICY,
        r"policy|prohibit|not (?:allowed|permitted|authori[sz]ed|accept)|administrative|reject|refuse|denied|"
        r"restrict|unauthori[sz]ed|forbidden|transaction failed|no permit|violat|authentication",
    ),
    (
        Cause.SYSTEM,
        r"command",
    ),
)
_COMPILED = tuple((cause, re.compile(words)) for cause, words in _WORDS)

# Codes that mean one thing whatever the words say, and words that mean something else beside one code.
_BY_CODE: dict[str, tuple[tuple[re.Pattern[str] | None, Cause], ...]] = {
    "1.0": ((re.compile(r"(?<!sender )address rejected|recipient rejected"), Cause.NO_SUCH_USER),),
    "1.1": (
        (re.compile(r"user unknown|unknown user|does not exist|no such user|no mailbox here"), Cause.NO_SUCH_USER),
    ),
    "1.8": ((re.compile(r"sender (?:address )?rejected"), Cause.POLICY),),
    "1.10": ((re.compile(r"null mx|accept mail"), Cause.NO_SUCH_HOST), (None, Cause.NO_SUCH_USER)),
    "1.90": ((None, Cause.RATE_LIMITED),),
    "2.121": ((None, Cause.RATE_LIMITED),),
    "2.122": ((None, Cause.RATE_LIMITED),),
    "3.190": ((None, Cause.POLICY),),
    "4.1": ((re.compile(r"recipient address(?:es)? rejected ?: access denied"), Cause.NO_SUCH_USER),),
    "4.6": ((None, Cause.LOOP),),
    "4.14": ((None, Cause.LOOP),),
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
)

_STATUS: dict[str, Cause] = {  # RFC 3463 and the registry of RFC 5248
    "1.0": Cause.NO_SUCH_USER,
    "1.1": Cause.NO_SUCH_USER,
    "1.2": Cause.NO_SUCH_HOST,
    "1.3": Cause.NO_SUCH_USER,
    "1.4": Cause.NO_SUCH_USER,
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
    detail = (status or "").partition(".")[2]
    words = _words_of(text)
    for pattern, cause in _BY_CODE.get(detail, ()):
        if pattern is None or pattern.search(words):
            return cause
    said = _from_words(words)
    if detail in _TELLING and said not in _TELLS_MORE:
        return _STATUS[detail]
    return said or _STATUS.get(detail) or _REPLIES.get(reply or "") or Cause.UNKNOWN


def _words_of(text: str) -> str:
    """Return the words of a reply in small letters, without names of hosts, links, addresses and codes."""
    plain = _CODES.sub(" ", _NAMES.sub("~", text[:MOST_WORDS].replace("’", "'")))
    return _SPACE.sub(" ", plain).strip().lower()


def _from_words(words: str) -> Cause | None:
    return next((cause for cause, pattern in _COMPILED if pattern.search(words)), None)
