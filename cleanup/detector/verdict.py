"""Judges notices: gathers the evidence, then reads POLICY from the top; the first row that fits decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup.detector.evidence import gather
from cleanup.detector.evidence.question import Known, Question
from cleanup.detector.learning import learn_hosts, learn_rewriting
from cleanup.detector.owner import know_owner
from cleanup.detector.sent import SentIndex
from cleanup.model import (
    Extent,
    Family,
    Finding,
    Identity,
    Notice,
    Policy,
    Reason,
    Strength,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One notice to be judged. `key` names it in labels: the digest of its fingerprint, or its path."""

    notice: Notice
    arrived: datetime | None
    key: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All reasons of one returned message, as the rows of POLICY ask for them."""

    question: Question
    reasons: tuple[Reason, ...]
    label: Verdict | None = None

    def has(self, *rules: str) -> bool:
        """Return whether one of these rules counts (notes do not)."""
        return any(r.rule in rules and r.strength is not Strength.NOTE for r in self.reasons)

    def has_hard(self, *rules: str) -> bool:
        """Return whether one of these rules speaks, hard."""
        return any(r.rule in rules and r.strength is Strength.HARD for r in self.reasons)

    def points_to(self, verdict: Verdict, strength: Strength) -> bool:
        """Return whether any reason points there with this strength."""
        return any(r.points_to is verdict and r.strength is strength for r in self.reasons)

    def families_against(self, strength: Strength) -> set[Family]:
        """Return the families that point to backscatter with this strength."""
        return {r.family for r in self.reasons if r.points_to is Verdict.BACKSCATTER and r.strength is strength}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of POLICY: its name, when it applies, what it decides, and where an unsure one leans."""

    name: str
    when: Callable[[Evidence], bool]
    verdict: Verdict | None  # None: as labelled
    leaning: Verdict | None = None


SENT_RULES = ("sent.unusable", "sent.cannot_vouch", "sent.id_reused")  # have rows of their own


def _is_labelled(e: Evidence) -> bool:
    return e.label is not None


def _is_too_hostile(e: Evidence) -> bool:
    return e.question.notice.too_hostile is not None


def _has_a_stolen_id(e: Evidence) -> bool:
    return e.has("sent.id_reused")


def _is_proved_genuine(e: Evidence) -> bool:
    return e.points_to(Verdict.GENUINE, Strength.HARD)


def _has_a_hint_or_veto(e: Evidence) -> bool:
    vetoes = (r for r in e.reasons if r.points_to is Verdict.UNSURE and r.strength is Strength.HARD)
    return e.points_to(Verdict.GENUINE, Strength.SUPPORTING) or any(r.rule not in SENT_RULES for r in vetoes)


def _is_as_an_unused_address(e: Evidence) -> bool:
    return e.has_hard("sender.never_used") and e.has_hard("origin.foreign", "auth.inner_fail")


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


def _always(_: Evidence) -> bool:
    return True


# Read aloud: "if a person said so, that; else if it is too hostile to read, unsure; ..."
POLICY: tuple[Row, ...] = (
    Row("a-person-said-so", _is_labelled, None),
    Row("too-hostile-to-read", _is_too_hostile, Verdict.UNSURE),
    Row("id-was-stolen", _has_a_stolen_id, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row("proved-genuine", _is_proved_genuine, Verdict.GENUINE),
    Row("hint-of-the-contrary", _has_a_hint_or_veto, Verdict.UNSURE),
    # Row 8 of the design stands before rows 6 and 7, whose exception it is.
    Row("address-never-used", _is_disproved_although_sent_has_gaps, Verdict.BACKSCATTER),
    Row("sent-cannot-vouch", _cannot_be_vouched_for, Verdict.UNSURE),
    Row("nothing-to-compare", _shows_nothing, Verdict.UNSURE),
    Row("disproved-twice", _is_disproved_twice, Verdict.BACKSCATTER),
    Row("disproved-once", _is_disproved_once_and_unlikely, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row("one-family-against", _looks_disproved, Verdict.UNSURE, Verdict.BACKSCATTER),
    Row("not-enough-evidence", _always, Verdict.UNSURE),
)
_MOST_GENUINE = {Verdict.GENUINE: 0, Verdict.UNSURE: 1, Verdict.BACKSCATTER: 2}


def judge(
    notice: Notice,
    sent: SentIndex,
    identity: Identity,
    policy: Policy,
    *,
    arrived: datetime | None,
    label: Verdict | None = None,
    dns_answers: Mapping[str, str] | None = None,
) -> Finding:
    """Return the verdict on one notice, judged alone: nothing is learned from others."""
    labels = {"": label} if label else {}
    case = Case(notice, arrived, "")
    return judge_all([case], sent, identity, policy, labels=labels, dns_answers=dns_answers)[0]


def judge_all(
    cases: Sequence[Case],
    sent: SentIndex,
    identity: Identity,
    policy: Policy,
    *,
    labels: Mapping[str, Verdict] | None = None,
    dns_answers: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Return the verdicts, in the order of the cases; the order itself changes none of them.

    First everything is asked of Sent alone, and what that proves teaches the owner's outbound hosts, providers and
    rewriting routes; then every notice is judged. `labels` are people's words by key. `dns_answers` are TXT records by
    name, for signatures; without them no signature is verified.
    """
    known = _before_learning(cases, sent, identity, policy, dns_answers or {})
    first = [_questions(case, known) for case in cases]
    known = _after_learning(known, [q for questions in first for q in questions])
    said = labels or {}
    return [_judge_case(case, known, said.get(case.key)) for case in cases]


def _before_learning(
    cases: Sequence[Case], sent: SentIndex, identity: Identity, policy: Policy, dns_answers: Mapping[str, str]
) -> Known:
    return Known(
        rows=sent.rows_for([case.notice for case in cases]),
        coverage=sent.coverage,
        profile=sent.profile,
        identity=identity,
        owner=know_owner(identity, sent.profile),
        policy=policy,
        rewritten=sent.coverage.rewritten_routes(),
        dns_answers=dns_answers,
    )


def _after_learning(known: Known, questions: Sequence[Question]) -> Known:
    learned = learn_hosts(questions, known.policy)
    owner = know_owner(known.identity, known.profile, learned)
    return replace(known, owner=owner, rewritten=known.rewritten | learn_rewriting(questions))


def _questions(case: Case, known: Known) -> list[Question]:
    return [Question(case.notice, returned, case.arrived, known) for returned in case.notice.returned]


def _judge_case(case: Case, known: Known, label: Verdict | None) -> Finding:
    """Return the most genuine verdict of all that the notice returned."""
    found = [decide(Evidence(q, gather(q), label)) for q in _questions(case, known)]
    return min(found, key=lambda finding: _MOST_GENUINE[finding.verdict])


def decide(evidence: Evidence) -> Finding:
    """Return what the first row of POLICY that fits says."""
    row = next(row for row in POLICY if row.when(evidence))
    verdict = row.verdict or evidence.label or Verdict.UNSURE
    return Finding(
        verdict=verdict,
        row=row.name,
        reasons=evidence.reasons,
        leaning=row.leaning if verdict is Verdict.UNSURE else None,
        flags=tuple(_flags(evidence, verdict)),
        nearest_sent=evidence.question.match.sent,
    )


def _flags(evidence: Evidence, verdict: Verdict) -> list[str]:
    in_sent = evidence.has("sent.message_id", "sent.recipient_subject_date")
    raised = {
        "id_reused": evidence.has("sent.id_reused"),
        "sent_gap": verdict is Verdict.GENUINE and not in_sent and evidence.label is None,
        "not_owners_address": any(r.rule == "sender.not_the_owner" for r in evidence.reasons),
        "self_backscatter": evidence.question.path.at_own_server and evidence.has_hard("origin.foreign"),
        "too_hostile": evidence.question.notice.too_hostile is not None,
    }
    return [flag for flag, is_raised in raised.items() if is_raised]
