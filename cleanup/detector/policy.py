"""The policy, as an ordered table that can be read aloud: the first row that fits decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cleanup.detector.evidence.question import Question
from cleanup.model import Extent, Family, Finding, Reason, Strength, Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """All reasons of one returned message, as the rows of POLICY ask for them."""

    question: Question
    reasons: tuple[Reason, ...]
    label: Verdict | None
    said: frozenset[str]  # rules that spoke, notes too
    counting: frozenset[str]  # rules that count: notes do not
    hard: frozenset[str]  # rules that count, hard
    pointers: tuple[tuple[Verdict, Strength, Family], ...]

    @classmethod
    def of(cls, question: Question, reasons: tuple[Reason, ...], label: Verdict | None = None) -> Evidence:
        """Return the reasons, sorted for asking."""
        counting = [r for r in reasons if r.strength is not Strength.NOTE]
        return cls(
            question=question,
            reasons=reasons,
            label=label,
            said=frozenset([r.rule for r in reasons]),
            counting=frozenset([r.rule for r in counting]),
            hard=frozenset([r.rule for r in counting if r.strength is Strength.HARD]),
            pointers=tuple([(r.points_to, r.strength, r.family) for r in counting]),
        )

    def has(self, *rules: str) -> bool:
        """Return whether one of these rules counts."""
        return not self.counting.isdisjoint(rules)

    def has_hard(self, *rules: str) -> bool:
        """Return whether one of these rules speaks, hard."""
        return not self.hard.isdisjoint(rules)

    def points_to(self, verdict: Verdict, strength: Strength) -> bool:
        """Return whether any reason points there with this strength."""
        return (verdict, strength) in [(v, s) for v, s, _ in self.pointers]

    def families_against(self, strength: Strength) -> set[Family]:
        """Return the families that point to backscatter with this strength."""
        return {f for v, s, f in self.pointers if v is Verdict.BACKSCATTER and s is strength}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of POLICY: its name, when it applies, what it decides, and where an unsure one leans."""

    name: str
    when: Callable[[Evidence], bool]
    verdict: Verdict | None  # None: as labelled
    leaning: Verdict | None = None


def _is_labelled(e: Evidence) -> bool:
    return e.label is not None


def _is_too_hostile(e: Evidence) -> bool:
    return e.question.notice.too_hostile is not None


def _has_no_sent_at_all(e: Evidence) -> bool:
    return not e.question.known.coverage.sources


def _has_a_stolen_id(e: Evidence) -> bool:
    return e.has("sent.id_reused", "sent.id_replayed")


def _is_proved_genuine(e: Evidence) -> bool:
    return e.points_to(Verdict.GENUINE, Strength.HARD)


def _has_a_hint_or_veto(e: Evidence) -> bool:
    vetoed = any(v is Verdict.UNSURE and s is Strength.HARD and f is not Family.LEDGER for v, s, f in e.pointers)
    return vetoed or e.points_to(Verdict.GENUINE, Strength.SUPPORTING)


def _is_denied_by_a_person(e: Evidence) -> bool:
    return e.has_hard("label.sender")


def _is_as_an_unused_address(e: Evidence) -> bool:
    return e.has_hard("sender.never_used") and e.has_hard("origin.foreign", "auth.inner_fail", "spf.not_named")


def _is_disproved_although_sent_has_gaps(e: Evidence) -> bool:
    return not e.has("sent.unusable") and e.question.unusable is None and _is_as_an_unused_address(e)


def _cannot_be_vouched_for(e: Evidence) -> bool:
    return e.question.unusable is not None or e.has("sent.unusable", "sent.cannot_vouch")


def _shows_nothing(e: Evidence) -> bool:
    returned = e.question.returned
    return returned.extent is Extent.NOTHING and not e.question.ids and returned.date is None


def _is_disproved_twice(e: Evidence) -> bool:
    others = e.families_against(Strength.HARD) - {Family.LEDGER}
    return e.has_hard("sent.absent", "sent.absent_by_content") and bool(others)


def _is_disproved_once_and_unlikely(e: Evidence) -> bool:
    others = e.families_against(Strength.SUPPORTING) - {Family.LEDGER}
    return e.has_hard("sent.absent", "sent.absent_by_content") and len(others) >= 2


def _looks_disproved(e: Evidence) -> bool:
    return bool(e.families_against(Strength.HARD))


def _is_in_a_storm_to_a_stranger(e: Evidence) -> bool:
    return e.has("storm", "campaign.member") and e.has("recipient.never_written")


def _always(_: Evidence) -> bool:
    return True


# Read aloud: "if a person said so, that; else if it is too hostile to read, unsure; ..."
POLICY: tuple[Row, ...] = (
    Row("a-person-said-so", _is_labelled, None),
    Row("too-hostile-to-read", _is_too_hostile, Verdict.UNSURE),
    Row("no-sent-given", _has_no_sent_at_all, Verdict.UNSURE),
    Row("id-was-stolen", _has_a_stolen_id, Verdict.UNSURE),
    Row("proved-genuine", _is_proved_genuine, Verdict.GENUINE),
    Row("hint-of-the-contrary", _has_a_hint_or_veto, Verdict.UNSURE),
    Row("a-person-denied-its-sender", _is_denied_by_a_person, Verdict.BACKSCATTER),
    # Row 8 of the design stands before rows 6 and 7, whose exception it is.
    Row("address-never-used", _is_disproved_although_sent_has_gaps, Verdict.BACKSCATTER),
    Row("sent-cannot-vouch", _cannot_be_vouched_for, Verdict.UNSURE),
    Row("disproved-twice", _is_disproved_twice, Verdict.BACKSCATTER),
    Row("disproved-once", _is_disproved_once_and_unlikely, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row("in-a-storm", _is_in_a_storm_to_a_stranger, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row("nothing-to-compare", _shows_nothing, Verdict.UNSURE),
    Row("one-family-against", _looks_disproved, Verdict.UNSURE),
    Row("not-enough-evidence", _always, Verdict.UNSURE),
)


# --- What would change a verdict, in plain words: for `explain` -----------------------------------------------------

_BY_ROW = {
    "a-person-said-so": (
        "Another word of yours: `mailbox-cleanup labels import FILE`.",
        "Where an undo put it back: `mailbox-cleanup run MAILBOX --again` files it, if the evidence says so.",
    ),
    "no-sent-given": ("The sent mail: name where it is (--sent, or --sent-folder on a server).",),
    "id-was-stolen": ("A recipient, or subject and Date, that agree with the sent message of that id.",),
    "proved-genuine": ("Nothing but another word of yours.",),
    "sent-cannot-vouch": (
        "A Sent folder that is read whole, has no hole and reaches back to the time of the message.",
        "Your word on how far Sent is complete (--sent-complete-since).",
    ),
    "nothing-to-compare": ("A notice that returns an id, a header or a Date; you may label this one.",),
    "disproved-twice": (
        "A message in Sent, or in another folder of sent mail, with this id or this recipient, subject and Date.",
        "Naming the host that handed it over as one of yours (--outbound-host).",
    ),
    "disproved-once": ("A second hard disproof, such as a foreign path; `--policy storm` files it as it is.",),
    "in-a-storm": ("Your word on the whole campaign; `--policy storm` files it as it is.",),
    "one-family-against": (
        "A disproof from a second family. If your outbound hosts are not known, name them (--outbound-host).",
    ),
    "not-enough-evidence": ("Knowing your outbound hosts (--outbound-host) and a Sent folder that can vouch.",),
    "a-person-denied-its-sender": ("Your word that the host which sent it is a service of yours.",),
    "address-never-used": ("A message in Sent that was written as this address, or an alias that leads to it.",),
    "too-hostile-to-read": ("Nothing; look at it with care.",),
    "follows-the-failed-one": ("Whatever changes the failure report of the same message.",),
}


def what_would_change(finding: Finding) -> tuple[str, ...]:
    """Return, a sentence each, what would lead to another verdict on this notice."""
    if finding.row == "hint-of-the-contrary":
        return tuple(f"Without this it might be decided: {says}" for says in _what_spares(finding))
    return _BY_ROW.get(finding.row, ("A word of yours.",))


def _what_spares(finding: Finding) -> list[str]:
    counting = [r for r in finding.reasons if r.strength is not Strength.NOTE]
    silent = ("sent.unusable", "sent.cannot_vouch")
    return [r.says for r in counting if r.points_to is not Verdict.BACKSCATTER and r.rule not in silent]
