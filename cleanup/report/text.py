"""Our own words as people read them. Imports nothing heavy: the commands that move mail use it too."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime

from cleanup.model import LABELLED, Action, Cause, Kind, Verdict

KINDS: Mapping[Kind, str] = {
    Kind.ORDINARY: "ordinary mail",
    Kind.NDR: "bounces",
    Kind.AUTO_REPLY: "automatic replies",
    Kind.CHALLENGE: "challenges",
    Kind.VIRUS_NOTICE: "virus notices",
    Kind.MDN: "read receipts",
    Kind.ARF: "abuse reports",
}

ONE_KIND: Mapping[Kind, str] = {
    Kind.ORDINARY: "ordinary mail",
    Kind.NDR: "a bounce",
    Kind.AUTO_REPLY: "an automatic reply",
    Kind.CHALLENGE: "a challenge (somebody's filter asks you to prove that you sent a mail)",
    Kind.VIRUS_NOTICE: "a virus notice",
    Kind.MDN: "a read receipt",
    Kind.ARF: "an abuse report",
}

VERDICTS: Mapping[Verdict, str] = {
    Verdict.GENUINE: "genuine: answers mail that you sent",
    Verdict.BACKSCATTER: "backscatter: answers mail that you never sent",
    Verdict.UNSURE: "unsure: we can't tell from the evidence",
}

CAUSES: Mapping[Cause, str] = {
    Cause.NO_SUCH_USER: "There is no such mailbox.",
    Cause.NO_SUCH_HOST: "There is no such domain, or it takes no mail.",
    Cause.MAILBOX_FULL: "The mailbox is full.",
    Cause.MAILBOX_DISABLED: "The mailbox is switched off.",
    Cause.TOO_LARGE: "The message is too large.",
    Cause.BLOCKED: "The sending server or network is refused there.",
    Cause.SPAM: "It was taken for spam there.",
    Cause.VIRUS: "It was taken for a virus there.",
    Cause.POLICY: "A rule of the server there forbids it.",
    Cause.AUTHENTICATION: "SPF, DKIM or DMARC failed.",
    Cause.RELAY_DENIED: "That server does not take mail for this address.",
    Cause.RATE_LIMITED: "Too much mail was sent at once.",
    Cause.NETWORK: "The server could not be reached.",
    Cause.EXPIRED: "It was tried for days, then given up.",
    Cause.LOOP: "The mail went round in circles.",
    Cause.SYSTEM: "The server there has a fault.",
    Cause.CONTENT: "The server could not handle the content.",
    Cause.UNKNOWN: "It does not say why.",
}


EARLIER = "It arrived before the time that --since names."

ROWS: Mapping[str, str] = {
    LABELLED: "A person said so.",
    "a-person-denied-its-sender": "You said that the host which sent it does not send for you.",
    "too-hostile-to-read": "It is too hostile or too broken to be read.",
    "no-sent-given": "No Sent folder could be read, so nothing can vouch for what was sent.",
    "id-was-stolen": "It names a message of yours, yet everything else differs.",
    "proved-genuine": "It is proved that you sent what it answers.",
    "hint-of-the-contrary": "Something hints that you may have sent it.",
    "address-never-used": "It answers mail from an address of yours that never sends, and came from elsewhere.",
    "sent-cannot-vouch": "Sent cannot vouch for that time.",
    "disproved-twice": "Two independent kinds of evidence show that you did not send it.",
    "disproved-once": "Only one kind of evidence speaks against it, though it is unlikely to be yours.",
    "in-a-storm": "It came in a storm of forged bounces, but returns nothing that could be compared with Sent.",
    "nothing-to-compare": "It returns nothing that could be compared with Sent.",
    "one-family-against": "Only one kind of evidence speaks against it.",
    "follows-the-failed-one": "It follows the failure report of the same message.",
    "not-enough-evidence": "There is not enough evidence.",
}


# At most 34 letters each: they stand beside bars.
RULES: Mapping[str, str] = {
    "auth.inner_fail": "authentication failed there",
    "auth.inner_pass": "authentication passed there",
    "campaign.member": "part of a forged campaign",
    "dkim.broken": "broken signature",
    "dkim.owner": "your own signature",
    "dkim.replay": "your signature, sent again",
    "dkim.unknown": "signature of an unknown key",
    "dnsbl.backscatterer": "listed by Backscatterer.org",
    "envid.match": "your envelope id",
    "envid.only": "your envelope id, alone",
    "filter.marked": "marked by your own filter",
    "label.like": "like one that you called genuine",
    "label.sender": "your word on its sender",
    "label.overrules": "what the evidence alone says",
    "origin.foreign": "left by a foreign server",
    "origin.forwarded": "passed on by somebody you wrote to",
    "origin.own_host": "left by your own server",
    "origin.own_name_bare": "your server named, no address",
    "origin.own_name_below": "your server deeper in the path",
    "origin.own_name_claimed": "says that it is your server",
    "origin.own_neighbour": "left by a neighbour of your server",
    "origin.own_relay": "passed on by your own server",
    "origin.own_unproved": "perhaps left by your own server",
    "origin.service": "perhaps a service of yours",
    "origin.shared_provider": "left by a provider you share",
    "origin.unknown": "unknown path",
    "profile.mailer": "a program that you never used",
    "profile.message_id": "an id unlike yours",
    "profile.zone": "a time zone that you never used",
    "recipient.never_written": "to somebody you never wrote to",
    "sender.name_foreign": "a name that is not yours",
    "sender.never_used": "an address that you never used",
    "sender.not_the_owner": "not from an address of yours",
    "sent.absent": "not in Sent",
    "sent.absent_by_content": "not in Sent, by its content",
    "sent.cannot_vouch": "Sent cannot vouch for that time",
    "sent.id_only": "its id is in Sent",
    "sent.id_replayed": "a mail of yours, sent again",
    "sent.id_reused": "an id of yours, reused",
    "sent.message_id": "in Sent, by its id",
    "sent.recipient_recent": "you wrote to them lately",
    "sent.recipient_subject_date": "in Sent, by its content",
    "sent.thread_index": "in Sent, by its thread",
    "sent.two_of_three": "in Sent, by most of its content",
    "sent.unusable": "Sent cannot be used",
    "spf.named": "your SPF record names its server",
    "spf.not_named": "not named by your SPF record",
    "spf.refuted": "an SPF record your mail fails, too",
    "storm": "came in a storm",
    "tag.missing": "without your tag",
    "tag.own": "your own tag",
    "tag.own_copied": "a copy of your own tag",
    "tag.stale": "your tag, long ended",
    "tag.unchecked": "a tag like yours, unchecked",
    "tag.valid": "your tag",
    "tag.verp": "your envelope address",
}


def rule_in_words(rule: str) -> str:
    """Return what a rule found, in a few words; a rule of a plugin's has its name."""
    return RULES.get(rule, rule)


def row_in_words(row: str) -> str:
    """Return a sentence for the row of the policy that decided."""
    return ROWS.get(row, row.replace("-", " "))


def cause_in_words(cause: str) -> str:
    """Return a sentence for a cause's name."""
    return CAUSES[Cause(cause)]


def why_not_arrived(cause: Cause | str, action: Action | str | None) -> str:
    """Return a sentence or two on why mail did not arrive, or has not arrived yet."""
    still = "It is still being tried. " if action == Action.DELAYED else ""
    return still + cause_in_words(cause)


_IN_UTC = re.compile(r"\b([12]\d{3}-[01]\d-[0-3]\d [0-2]\d:[0-5]\d) UTC\b")


def local_time(moment: datetime, *, zone: bool = False) -> str:
    """Return a moment to the minute as the clock of this machine shows it (TZ), for people; data are in UTC."""
    here = datetime.fromtimestamp(moment.timestamp()).astimezone()  # of pandas' Timestamp, too
    return f"{here:%Y-%m-%d %H:%M} {here:%Z}" if zone else f"{here:%Y-%m-%d %H:%M}"


def in_local_time(text: str) -> str:
    """Return a sentence of ours with each "2026-10-14 03:10 UTC" in it as the clock of this machine shows it."""
    return _IN_UTC.sub(lambda said: local_time(datetime.fromisoformat(f"{said[1]}Z"), zone=True), text)


def local_zone(moment: datetime) -> str:
    """Return what this machine calls its time zone at that moment, such as UTC or CEST."""
    return f"{moment.astimezone():%Z}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return "1 bounce", "1,234 bounces"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


# --- Makes strangers' text safe for every place it is shown in ------------------------------------------------------

_ELLIPSIS = "…"
# Cc, Cf, Cs, Co, and the line and paragraph separators (Zl, Zp). U+200D would join emoji; it also hides, so it goes.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\U000110bd\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
_FORMULA = tuple("=+-@\t\r|%")  # what spreadsheets take for the start of a formula or of DDE
_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_BLOCK_START = re.compile(r"^(\s*)(?=[-+#=])|^(\s*\d+)(?=[.)])")


def safe_text(text: str, *, limit: int = 300) -> str:
    """Return the text on one line, safe on a terminal and in a log, with at most `limit` characters."""
    visible = _UNSAFE.sub(_shown, text[: limit * 4])
    return visible if len(visible) <= limit and len(text) <= limit * 4 else visible[: limit - 1] + _ELLIPSIS


def csv_text(text: str, *, limit: int = 2000) -> str:
    """Return safe text that no spreadsheet takes for a formula."""
    safe = safe_text(text, limit=limit)
    return "'" + safe if safe.lstrip().startswith(_FORMULA) else safe


def markdown_text(text: str, *, limit: int = 300) -> str:
    """Return safe text in which nothing is Markdown or HTML."""
    inline = _MARKUP.sub(r"\\\1", html.escape(safe_text(text, limit=limit), quote=False))
    line = _BLOCK_START.sub(r"\1\2\\", inline)
    return line.replace("://", "&#58;//").replace("www.", "www&#46;")  # nor a link by itself


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    return " " if character in "\t\n\r\x0b\x0c\u2028\u2029" else "\N{REPLACEMENT CHARACTER}"
