"""Our own words as people read them. Imports nothing heavy: the commands that move mail use it too."""

from __future__ import annotations

from collections.abc import Mapping

from cleanup.model import Cause, Kind, Verdict

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
    Verdict.UNSURE: "unsure: the evidence does not say",
}

CAUSES: Mapping[Cause, str] = {
    Cause.NO_SUCH_USER: "There is no such mailbox.",
    Cause.NO_SUCH_HOST: "There is no such domain, or it takes no mail.",
    Cause.MAILBOX_FULL: "The mailbox is full.",
    Cause.MAILBOX_DISABLED: "The mailbox is switched off.",
    Cause.TOO_LARGE: "The message is too large.",
    Cause.BLOCKED: "The sending server or network is refused there.",
    Cause.SPAM: "It was taken for spam.",
    Cause.VIRUS: "It was taken for a virus.",
    Cause.POLICY: "A rule over there forbids it.",
    Cause.AUTHENTICATION: "SPF, DKIM or DMARC failed.",
    Cause.RELAY_DENIED: "That server does not take mail for this address.",
    Cause.RATE_LIMITED: "Too much mail at once.",
    Cause.NETWORK: "The server could not be reached.",
    Cause.EXPIRED: "It was tried for days and given up.",
    Cause.LOOP: "The mail went round in circles.",
    Cause.SYSTEM: "The server over there has a fault.",
    Cause.CONTENT: "The server could not handle the content.",
    Cause.UNKNOWN: "It does not say why.",
}


LABELLED = "a-person-said-so"  # the row of the policy that a label decides by
EARLIER = "It arrived before the time that --since names."

ROWS: Mapping[str, str] = {
    LABELLED: "A person said so.",
    "too-hostile-to-read": "It is too hostile or too broken to read.",
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


def row_in_words(row: str) -> str:
    """Return a sentence for the row of the policy that decided."""
    return ROWS.get(row, row.replace("-", " "))


def cause_in_words(cause: str) -> str:
    """Return a sentence for a cause's name."""
    return CAUSES[Cause(cause)]


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return "1 bounce", "1,234 bounces"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
