"""Answers the first question of every user: "am I hacked or spoofed?" From evidence, with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from cleanup.detector.mailings import campaign_key
from cleanup.model import Family, Finding, Kind, Notice, Strength, Verdict

ALARM_AN_HOUR = 10  # proved, not in Sent, to people never written to
MASS_MAIL = 50  # bounces of one sent mail that make it a newsletter


class Answer(StrEnum):
    """What the evidence says of the account, most alarming first."""

    COMPROMISED = "compromised"
    REPLAYED = "replayed"
    LOOP = "loop"
    GAP = "gap"
    SPOOFED = "spoofed"
    OWN_MAILING = "own_mailing"
    CANNOT_SAY = "cannot_say"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class AccountState:
    """The answer in plain words. `counts` are numbers of notices, by what they show."""

    answer: Answer
    headline: str
    what_to_do: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedNotice:
    """A notice with its finding and its time of arrival."""

    notice: Notice
    finding: Finding
    arrived: datetime | None


def account_state(judged: Sequence[JudgedNotice]) -> AccountState:
    """Return whether somebody sends through the owner's account, or only forges the owner's address.

    The most alarming answer that the evidence bears comes first; the counts tell of the others.
    """
    counts = _counts(judged)
    answer = _answer(judged, counts)
    headline, what_to_do = _WORDS[answer]
    numbers = {name: _Count(n) for name, n in counts.items()}
    return AccountState(answer, headline.format(**numbers), what_to_do, tuple(sorted(counts.items())))


class _Count(int):
    """A number that is written with its noun: "{n:bounce}" becomes "1 bounce" or "1,234 bounces".

    "{n:notice is|notices are}" names both forms.
    """

    def __format__(self, noun: str) -> str:
        one, _, many = noun.partition("|")
        return f"{int(self):,} {one if self == 1 else many or one + 's'}"


def advice(answer: Answer) -> tuple[str, ...]:
    """Return what to do, a sentence each."""
    return _WORDS[answer][1]


def _counts(judged: Sequence[JudgedNotice]) -> Counter[str]:
    counts: Counter[str] = Counter(
        {"spoofed": 0, "genuine": 0, "unsure": 0, "unsent": 0, "alarming": 0, "replayed": 0, "loops": 0, "mailing": 0}
    )
    for one in judged:
        counts[_VERDICT_NAMES[one.finding.verdict]] += 1
        counts["unsent"] += _is_unsent(one)
        counts["alarming"] += _is_alarming(one)
        counts["replayed"] += _is_replayed(one)
        counts["loops"] += "forwarded" in one.finding.flags
    counts["mailing"] = _largest_mailing(judged)
    return counts


def _answer(judged: Sequence[JudgedNotice], counts: Counter[str]) -> Answer:
    if _most_an_hour(one.arrived for one in judged if _is_alarming(one)) >= ALARM_AN_HOUR:
        return Answer.COMPROMISED
    if counts["replayed"] >= ALARM_AN_HOUR:
        return Answer.REPLAYED
    if counts["loops"]:
        return Answer.LOOP
    if counts["unsent"] and counts["unsent"] >= counts["spoofed"]:
        return Answer.GAP
    if counts["spoofed"]:
        return Answer.SPOOFED
    if counts["mailing"] >= MASS_MAIL:
        return Answer.OWN_MAILING
    if counts["unsent"]:
        return Answer.GAP
    return Answer.CANNOT_SAY if counts["unsure"] > counts["genuine"] else Answer.QUIET


def _is_unsent(one: JudgedNotice) -> bool:
    """Return whether a message is proved to be the owner's (own path, signature, tag) and Sent lacks it."""
    proved = any(
        r.points_to is Verdict.GENUINE and r.strength is Strength.HARD and r.family is not Family.LEDGER
        for r in one.finding.reasons
    )
    return proved and "sent_gap" in one.finding.flags and "forwarded" not in one.finding.flags


def _is_alarming(one: JudgedNotice) -> bool:
    failed = one.notice.kind is Kind.NDR
    stranger = any(r.rule == "recipient.never_written" for r in one.finding.reasons)
    return failed and stranger and _is_unsent(one)


def _is_replayed(one: JudgedNotice) -> bool:
    rules = {r.rule for r in one.finding.reasons if r.strength is not Strength.NOTE}
    return bool(rules & {"dkim.replay", "sent.id_replayed"}) and one.finding.verdict is Verdict.UNSURE


def _largest_mailing(judged: Sequence[JudgedNotice]) -> int:
    """Return how many genuine bounces answer the sent mail that drew the most of them."""
    keys = (campaign_key(j.notice) for j in judged if j.finding.verdict is Verdict.GENUINE and not _is_unsent(j))
    counts = Counter(key for key in keys if key)
    return max(counts.values(), default=0)


def _most_an_hour(arrivals: Iterable[datetime | None]) -> int:
    counts = Counter(a.replace(minute=0, second=0, microsecond=0) for a in arrivals if a is not None)
    hours = sorted(counts)
    neighbours = [counts[a] + counts[b] for a, b in pairwise(hours) if b - a == timedelta(hours=1)]
    return max([*counts.values(), *neighbours], default=0)


_VERDICT_NAMES = {Verdict.GENUINE: "genuine", Verdict.BACKSCATTER: "spoofed", Verdict.UNSURE: "unsure"}

_WORDS: dict[Answer, tuple[str, tuple[str, ...]]] = {
    Answer.COMPROMISED: (
        "Somebody is sending through your mail server as you: {alarming:bounced message} left by your own server or "
        "with your domain's signature, are not in Sent, and went to people you never wrote to.",
        (
            "Change the password now, and end all other sessions.",
            "Look at forwarding rules, filters and connected apps; remove what you don't know.",
            "Tell your administrator: the server's log shows which login sent them.",
        ),
    ),
    Answer.REPLAYED: (
        "Somebody is sending a mail of yours again to strangers ({replayed:notice}). "
        "Your account is not needed for that.",
        ("Tell your administrator: a new DKIM key ends it.", "You don't need to change your password because of this."),
    ),
    Answer.LOOP: (
        "A forwarding rule of yours passes mail on to an address that does not exist ({loops:bounce}).",
        ("Switch the forwarding rule off, or correct its address.",),
    ),
    Answer.GAP: (
        "{unsent:bounced message} left by your own server and cannot be found in Sent.",
        (
            "If a phone, a scanner, a program or somebody acting for you sent them, have copies saved in Sent.",
            "If nobody did, change the password.",
        ),
    ),
    Answer.SPOOFED: (
        "Your address is being forged; your account is not hacked, as far as the evidence shows: {spoofed:bounce} "
        "answered mail that never passed your server and is not in Sent.",
        ("You don't need to do anything about the forgery; such storms usually stop within days.",),
    ),
    Answer.OWN_MAILING: (
        "Nobody forges you: {mailing:bounce} answer one mailing of your own.",
        ("Take the dead addresses off your list.",),
    ),
    Answer.CANNOT_SAY: (
        "We can't tell yet: {unsure:notice is|notices are} undecided.",
        ("Tell it which servers send your mail (--outbound-host), make sure that Sent can be read, and look again.",),
    ),
    Answer.QUIET: ("Nothing points to a hacked or forged address.", ()),
}
