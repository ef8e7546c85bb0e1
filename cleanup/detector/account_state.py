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
    names = ("spoofed", "genuine", "unsure", "kept", "unsent", "alarming", "replayed", "loops", "mailing")
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    alarms: list[datetime | None] = []
    mailings: Counter[str | None] = Counter()
    for one in judged:
        finding, unsent = one.finding, _is_unsent(one)
        counts["kept" if finding.is_kept else _VERDICT_NAMES[finding.verdict]] += 1
        counts["unsent"] += unsent
        counts["loops"] += "forwarded" in finding.flags
        rules = {r.rule for r in finding.reasons if r.strength is not Strength.NOTE}
        counts["replayed"] += finding.verdict is Verdict.UNSURE and bool(rules & {"dkim.replay", "sent.id_replayed"})
        stranger = any(r.rule == "recipient.never_written" for r in finding.reasons)
        if unsent and stranger and one.notice.kind is Kind.NDR:
            alarms.append(one.arrived)
        if finding.verdict is Verdict.GENUINE and not unsent:
            mailings[campaign_key(one.notice)] += 1
    counts["alarming"] = len(alarms)
    counts["mailing"] = max((n for key, n in mailings.items() if key), default=0)
    answer = _answer(counts, _most_an_hour(alarms))
    headline, what_to_do = _WORDS[answer]
    if counts["kept"] and answer in (Answer.QUIET, Answer.CANNOT_SAY):
        headline = f"{_KEPT}{f' {headline}' if answer is Answer.CANNOT_SAY else ''}"
        what_to_do = (*what_to_do, _FILE_THEM)
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


def _answer(counts: Counter[str], alarms_an_hour: int) -> Answer:
    # A burst to strangers through the owner's own server, without a copy in Sent: a program with the password.
    if alarms_an_hour >= ALARM_AN_HOUR:
        return Answer.COMPROMISED
    if counts["replayed"] >= ALARM_AN_HOUR:
        return Answer.REPLAYED
    if counts["loops"]:
        return Answer.LOOP
    # Own mail that Sent lacks is the answer only where there is at least as much of it as of forged mail: a few letters
    # from a telephone that saves no copies are no news in a storm. The counts tell of them all the same.
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
    """Return whether a message is proved to be the owner's (own path, signature, tag) and Sent lacks it.

    A person's word proves no way: what a service sends that he vouched for is in no Sent folder.
    """
    proved = any(
        r.points_to is Verdict.GENUINE and r.strength is Strength.HARD and r.family not in (Family.SENT, Family.PEOPLE)
        for r in one.finding.reasons
    )
    return proved and "sent_gap" in one.finding.flags and "forwarded" not in one.finding.flags


def _most_an_hour(arrivals: Iterable[datetime | None]) -> int:
    """Return how many came in the busiest two neighbouring hours of the clock: a burst may begin before the hour."""
    counts = Counter(a.replace(minute=0, second=0, microsecond=0) for a in arrivals if a is not None)
    hours = sorted(counts)
    neighbours = [counts[a] + counts[b] for a, b in pairwise(hours) if b - a == timedelta(hours=1)]
    return max([*counts.values(), *neighbours], default=0)


_KEPT = "{kept:notice stays|notices stay} in the Inbox at your word."
_FILE_THEM = "What an undo put back is judged anew, and filed if it is backscatter, by run --again."
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
            "If a phone, a scanner, a program or somebody acting for you sends mail, have copies saved in Sent.",
            "If nobody does, change the password.",
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
