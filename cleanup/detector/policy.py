"""The policy, as an ordered table that can be read aloud: the first row that fits decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cleanup.detector.evidence.matching import Bond, best_match
from cleanup.detector.evidence.question import Question
from cleanup.detector.evidence.standing import Kind as Standing
from cleanup.detector.evidence.standing import seen_of, standing_of
from cleanup.detector.networks import neighbourhood
from cleanup.model import LABELLED, Extent, Family, Finding, Reason, Strength, UnknownSender, Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """All reasons of one returned message, as the rows of POLICY ask for them."""

    question: Question
    reasons: tuple[Reason, ...]
    label: Verdict | None
    rules: frozenset[str]  # all that gave a reason, notes too
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
            rules=frozenset([r.rule for r in reasons]),
            counting=frozenset([r.rule for r in counting]),
            hard=frozenset([r.rule for r in counting if r.strength is Strength.HARD]),
            pointers=tuple([(r.points_to, r.strength, r.family) for r in counting]),
        )

    def has(self, *rules: str) -> bool:
        """Return whether one of these rules counts."""
        return not self.counting.isdisjoint(rules)

    def has_hard(self, *rules: str) -> bool:
        """Return whether one of these rules counts, hard."""
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


def _has_a_hint_or_veto(e: Evidence) -> bool:
    # A reason for "unsure" that is hard is a veto; of the ledger's own family it only says why nothing is proved.
    vetoed = any(v is Verdict.UNSURE and s is Strength.HARD and f is not Family.SENT for v, s, f in e.pointers)
    return vetoed or e.points_to(Verdict.GENUINE, Strength.SUPPORTING)


def _is_disproved_although_sent_has_gaps(e: Evidence) -> bool:
    if e.has("sent.unusable") or e.question.unusable is not None:
        return False
    return e.has_hard("sender.never_used") and e.has_hard("origin.foreign", "auth.inner_fail", "spf.not_named")


def _cannot_be_vouched_for(e: Evidence) -> bool:
    return e.question.unusable is not None or e.has("sent.unusable", "sent.cannot_vouch")


def _shows_nothing(e: Evidence) -> bool:
    returned = e.question.returned
    return returned.extent is Extent.NOTHING and not e.question.ids and returned.date is None


def _is_disproved_twice(e: Evidence) -> bool:
    # Absence from Sent is one disproof; the second must come from another family, as Sent's own cannot confirm itself.
    others = e.families_against(Strength.HARD) - {Family.SENT}
    return e.has_hard("sent.absent", "sent.absent_by_content") and bool(others)


def _is_disproved_once_and_unlikely(e: Evidence) -> bool:
    others = e.families_against(Strength.SUPPORTING) - {Family.SENT}
    return e.has_hard("sent.absent", "sent.absent_by_content") and len(others) >= 2


# Read aloud: "if a person said so, that; else if it is too hostile to read, unsure; ..."
POLICY: tuple[Row, ...] = (
    Row(LABELLED, lambda e: e.label is not None, None),
    Row("too-hostile-to-read", lambda e: e.question.notice.too_hostile is not None, Verdict.UNSURE),
    Row("no-sent-given", lambda e: not e.question.known.coverage.sources, Verdict.UNSURE),
    Row("id-was-stolen", lambda e: e.has("sent.id_reused", "sent.id_replayed"), Verdict.UNSURE),
    Row("proved-genuine", lambda e: e.points_to(Verdict.GENUINE, Strength.HARD), Verdict.GENUINE),
    Row("hint-of-the-contrary", _has_a_hint_or_veto, Verdict.UNSURE),
    Row("a-person-denied-its-sender", lambda e: e.has_hard("label.sender"), Verdict.BACKSCATTER),
    # Row 8 of the design stands before rows 6 and 7, whose exception it is.
    Row("address-never-used", _is_disproved_although_sent_has_gaps, Verdict.BACKSCATTER),
    Row("sent-cannot-vouch", _cannot_be_vouched_for, Verdict.UNSURE),
    Row("disproved-twice", _is_disproved_twice, Verdict.BACKSCATTER),
    Row("disproved-once", _is_disproved_once_and_unlikely, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row(
        "in-a-storm",
        lambda e: e.has("storm", "campaign.member") and e.has("recipient.never_written"),
        Verdict.UNSURE,
        Verdict.BACKSCATTER,
    ),
    Row("nothing-to-compare", _shows_nothing, Verdict.UNSURE),
    Row("one-family-against", lambda e: bool(e.families_against(Strength.HARD)), Verdict.UNSURE),
    Row("not-enough-evidence", lambda _: True, Verdict.UNSURE),
)


def decide(evidence: Evidence) -> Finding:
    """Return what the first row of POLICY that fits says."""
    question, label = evidence.question, evidence.label
    row = _row_for(evidence)
    verdict = row.verdict or label or Verdict.UNSURE
    reasons = evidence.reasons
    if label is not None:  # beside a person's word stands, as a note, what the evidence alone would say
        alone = _row_for(replace(evidence, label=None))
        would_be = alone.verdict or Verdict.UNSURE
        leaning = f", leaning towards {alone.leaning.value}" if alone.leaning else ""
        says = f"The evidence alone would say {would_be.value}{leaning} ({alone.name})."
        reasons = (*reasons, Reason("label.overrules", Family.PEOPLE, would_be, Strength.NOTE, says))
    hop = question.path.hop
    return Finding(
        verdict=verdict,
        row=row.name,
        reasons=reasons,
        leaning=row.leaning if verdict is Verdict.UNSURE else None,
        flags=_flags(evidence, verdict),
        nearest_sent=best_match(question).sent,
        trusted_hop=(hop.name or (str(hop.address) if hop.address else hop.helo)) if hop else None,
        sender=_unknown_sender(question) if verdict is Verdict.UNSURE else None,
    )


def _row_for(evidence: Evidence) -> Row:
    return next(row for row in POLICY if row.when(evidence))


def _flags(evidence: Evidence, verdict: Verdict) -> tuple[str, ...]:
    in_sent = evidence.has("sent.message_id", "sent.recipient_subject_date")
    for_another = "sender.not_the_owner" in evidence.rules
    raised = {
        "id_reused": evidence.has("sent.id_reused", "sent.id_replayed"),
        "sent_gap": verdict is Verdict.GENUINE and not in_sent and evidence.label is None,
        "not_owners_address": for_another,
        "self_backscatter": evidence.question.path.at_own_server and evidence.has_hard("origin.foreign"),
        # The owner's server passed on what somebody else wrote: a forwarding rule with a dead target.
        "forwarded": verdict is Verdict.GENUINE and for_another and evidence.has_hard("origin.own_host"),
        "too_hostile": evidence.question.notice.too_hostile is not None,
    }
    return tuple(flag for flag, is_raised in raised.items() if is_raised)


def _unknown_sender(question: Question) -> UnknownSender | None:
    """Return the host that a person may place: nothing else decides who it is, and Sent has no such message."""
    seen = seen_of(question)
    if seen is None or best_match(question).bond is not Bond.NONE:
        return None
    if standing_of(question).kind not in (Standing.SERVICE, Standing.OPEN):
        return None
    return UnknownSender(str(neighbourhood(seen.address)), str(seen.address), seen.name)


# --- What would change a verdict, in plain words: for `explain` -----------------------------------------------------

_BY_ROW = {
    LABELLED: (
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
    if finding.row != "hint-of-the-contrary":
        return _BY_ROW.get(finding.row, ("A word of yours.",))
    return tuple(
        f"Without this it might be decided: {reason.says}"
        for reason in finding.reasons
        if reason.strength is not Strength.NOTE
        and reason.points_to is not Verdict.BACKSCATTER
        and reason.rule not in ("sent.unusable", "sent.cannot_vouch")
    )
