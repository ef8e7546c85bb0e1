"""Judges notices: gathers the evidence, then reads POLICY from the top; the first row that fits decides."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from cleanup.detector.evidence import gather
from cleanup.detector.evidence.campaign import campaign_reasons, member_of
from cleanup.detector.evidence.matching import Bond
from cleanup.detector.evidence.question import Known, Question
from cleanup.detector.evidence.standing import Kind as Standing
from cleanup.detector.learning import learn_hosts, learn_rewriting, measure_proved, refuted_records
from cleanup.detector.mailings import campaign_key, vouched_for
from cleanup.detector.message_ids import id_key
from cleanup.detector.networks import neighbourhood, organisation
from cleanup.detector.owner import LearnedHosts, Owner, know_owner
from cleanup.detector.path import handing_over
from cleanup.detector.policy import POLICY, Evidence, Row
from cleanup.detector.sender_questions import answers_about_senders
from cleanup.detector.senders import survey
from cleanup.detector.sent import Coverage, SentIndex
from cleanup.detector.spf import SpfAnswers
from cleanup.model import (
    Action,
    Extent,
    Family,
    Finding,
    Identity,
    Notice,
    Policy,
    Reason,
    Returned,
    Strength,
    UnknownSender,
    Verdict,
)

__all__ = ["POLICY", "Case", "Evidence", "decide", "judge", "judge_all", "judge_knowing"]


@dataclass(frozen=True, slots=True)
class Case:
    """One notice to be judged. `key` names it in labels: the digest of its fingerprint, or its path."""

    notice: Notice
    arrived: datetime | None
    key: str


EARLIEST_ARRIVAL, LATEST_ARRIVAL = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
NOON = time(12)
_NEVER_FOLLOWS = (
    "a-person-said-so",
    "too-hostile-to-read",
    "id-was-stolen",
    "hint-of-the-contrary",
    "sent-cannot-vouch",
)
Judgement = tuple[Evidence, Finding]
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
    spf: SpfAnswers | None = None,
) -> Finding:
    """Return the verdict on one notice, judged alone: nothing is learned from others."""
    labels = {"": label} if label else {}
    case = Case(notice, arrived, "")
    return judge_all([case], sent, identity, policy, labels=labels, dns_answers=dns_answers, spf=spf)[0]


def judge_all(
    cases: Sequence[Case],
    sent: SentIndex,
    identity: Identity,
    policy: Policy,
    *,
    labels: Mapping[str, Verdict] | None = None,
    dns_answers: Mapping[str, str] | None = None,
    spf: SpfAnswers | None = None,
) -> list[Finding]:
    """Return the verdicts, in the order of the cases; the order itself changes none of them.

    First everything is asked of Sent alone, and what that proves teaches the owner's outbound hosts, providers and
    rewriting routes; then every notice is judged. `labels` are people's words by key, and on mailings
    (mailings.label_of_mailing): what is like a message that a person called genuine is not accused; and on networks
    (sender_questions.label_of_sender): whether they send for the owner. `dns_answers` are
    TXT records by name, for signatures; without them no signature is verified. `spf` is what the owner's domains say of
    the hosts at trusted hops; without it they say nothing.
    """
    return judge_knowing(cases, sent, identity, policy, labels=labels, dns_answers=dns_answers, spf=spf)[0]


def judge_knowing(
    cases: Sequence[Case],
    sent: SentIndex,
    identity: Identity,
    policy: Policy,
    *,
    labels: Mapping[str, Verdict] | None = None,
    dns_answers: Mapping[str, str] | None = None,
    spf: SpfAnswers | None = None,
) -> tuple[list[Finding], Known]:
    """Return the verdicts as judge_all() does, and what was known of the owner once all notices had been looked at."""
    cases = [_with_a_sensible_arrival(case) for case in cases]
    said = {} if Family.PEOPLE in policy.switched_off else labels or {}
    with _collecting_garbage_later():
        known = _before_learning(cases, sent, identity, policy, dns_answers or {}, spf or SpfAnswers())
        return _judge_together(cases, replace(known, answered=answers_about_senders(said)), said)


def _judge_together(cases: Sequence[Case], known: Known, labels: Mapping[str, Verdict]) -> tuple[list[Finding], Known]:
    found, known = _judge_each(cases, known, labels)
    found = _with_likes(cases, found, labels)
    if Family.CAMPAIGN not in known.policy.switched_off:
        found = _with_campaigns(found)
    return [finding for _, finding in _with_followers(cases, found)], known


@contextmanager
def _collecting_garbage_later() -> Iterator[None]:
    """Hold the collector back: judging makes many small values and no cycles, and looking for some took 40 %."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _judge_each(cases: Sequence[Case], known: Known, labels: Mapping[str, Verdict]) -> tuple[list[Judgement], Known]:
    """Return the judgements, after what Sent alone proves has taught hosts and routes; and what is known by then."""
    first = [_questions(case, known) for case in cases]
    known = _after_learning(known, [q for questions in first for q in questions])
    at_that_time = _KnownByDay(known)
    judgements = [
        _judge_case([q.again(at_that_time(case.arrived)) for q in questions], labels.get(case.key))
        for case, questions in zip(cases, first, strict=True)
    ]
    return judgements, known


class _KnownByDay:
    """What is known for a notice of a certain day: learned hosts grow old."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._by_day: dict[date, Known] = {}

    def __call__(self, arrived: datetime | None) -> Known:
        """Return what is known for a notice that arrived then."""
        learned = self._known.owner.learned
        if arrived is None or not (learned.hosts or learned.elsewhere):
            return self._known
        day = arrived.astimezone(UTC).date()
        if day not in self._by_day:
            noon = datetime.combine(day, NOON, UTC)  # of the day, so that the order of notices changes nothing
            self._by_day[day] = self._of(learned.at(noon))
        return self._by_day[day]

    def _of(self, learned: LearnedHosts) -> Known:
        known = self._known
        return known if learned == known.owner.learned else replace(known, owner=_again(known, learned))


def _before_learning(
    cases: Sequence[Case],
    sent: SentIndex,
    identity: Identity,
    policy: Policy,
    dns_answers: Mapping[str, str],
    spf: SpfAnswers,
) -> Known:
    return Known(
        rows=sent.rows_for([case.notice for case in cases]),
        coverage=sent.coverage.in_use_until(case.arrived for case in cases if case.arrived is not None),
        profile=sent.profile,
        identity=identity,
        owner=know_owner(identity, sent.profile),
        policy=policy,
        rewritten=sent.coverage.rewritten_routes(),
        dns_answers=dns_answers,
        spf=spf,
    )


def _after_learning(known: Known, questions: Sequence[Question]) -> Known:
    learned = learn_hosts(questions, known.policy)
    owner = known.owner if learned == known.owner.learned else _again(known, learned)
    unsaved = Coverage().with_proofs(measure_proved(questions, owner)).rewritten_routes()
    known = replace(
        known,
        owner=owner,
        rewritten=known.rewritten | learn_rewriting(questions) | unsaved,
        refuted=refuted_records(questions),
    )
    again = (question.again(known) for question in questions)
    return replace(known, senders=survey([seen for question in again if (seen := question.seen) is not None]))


def _again(known: Known, learned: LearnedHosts) -> Owner:
    return know_owner(known.identity, known.profile, learned)


def _questions(case: Case, known: Known) -> list[Question]:
    notice = case.notice
    return [Question(notice, _dated(_unless_itself(r, notice)), case.arrived, known) for r in notice.returned]


def _unless_itself(returned: Returned, notice: Notice) -> Returned:
    """Return nothing returned where a reader took the notice's own header for that of the original.

    Its way is always foreign and its id never in Sent, so that every bare bounce would be accused.
    """
    same_id = returned.message_id is not None and returned.message_id == notice.message_id
    same_way = bool(returned.received) and returned.received[0] in notice.received
    return Returned(Extent.NOTHING) if same_id or same_way else returned


def _dated(returned: Returned) -> Returned:
    """Return the returned message with a Date that can be compared: "-0000" and a missing zone mean UTC (RFC 5322)."""
    if returned.date is None or returned.date.tzinfo is not None:
        return returned
    return replace(returned, date=_in_utc(returned.date))


def _with_a_sensible_arrival(case: Case) -> Case:
    """Return the case with its arrival in UTC; None for one in the year 1 or 9999, which a mail alone can claim."""
    arrived = _in_utc(case.arrived)
    if arrived is not None and not EARLIEST_ARRIVAL <= arrived <= LATEST_ARRIVAL:
        arrived = None
    return case if arrived is case.arrived else replace(case, arrived=arrived)


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _judge_case(questions: Sequence[Question], label: Verdict | None) -> Judgement:
    """Return the most genuine verdict of all that the notice returned."""
    found = [_judge_one(question, label) for question in questions]
    return min(found, key=lambda judgement: _MOST_GENUINE[judgement[1].verdict]) if len(found) > 1 else found[0]


def _judge_one(question: Question, label: Verdict | None) -> Judgement:
    evidence = Evidence.of(question, gather(question), label)
    return evidence, decide(evidence)


def _with_likes(cases: Sequence[Case], found: Sequence[Judgement], labels: Mapping[str, Verdict]) -> list[Judgement]:
    """Return the judgements; a notice of a mailing of which a person called one genuine is held back."""
    vouched = vouched_for(((case.key, case.notice) for case in cases), labels)
    if not vouched:
        return list(found)
    return [
        _held_back(judgement) if judgement[0].label is None and campaign_key(case.notice) in vouched else judgement
        for case, judgement in zip(cases, found, strict=True)
    ]


def _held_back(judgement: Judgement) -> Judgement:
    evidence, _ = judgement
    says = "You called another notice of the same mailing genuine, or moved one back."
    like = Reason("label.like", Family.PEOPLE, Verdict.UNSURE, Strength.HARD, says)
    evidence = Evidence.of(evidence.question, (*evidence.reasons, like), evidence.label)
    return evidence, decide(evidence)


def _with_campaigns(found: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements with what the others say of each, decided once more."""
    members = [member_of(evidence.question, finding) for evidence, finding in found]
    reasons = campaign_reasons(members)
    together = zip(found, members, reasons, strict=True)
    return [_in_campaign(judgement, member.key, more) for judgement, member, more in together]


def _in_campaign(judgement: Judgement, key: str | None, more: tuple[Reason, ...]) -> Judgement:
    evidence, _ = judgement
    if not more:
        return judgement
    evidence = Evidence.of(evidence.question, (*evidence.reasons, *more), evidence.label)
    belongs = any(reason.rule == "campaign.member" for reason in more)
    return evidence, replace(decide(evidence), campaign=key if belongs else None)


def _with_followers(cases: Sequence[Case], found: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements; delayed and success reports follow the failed ones of the same message.

    They follow only from unsure, and only where nothing speaks against it; to backscatter only a report that the same
    organisation handed over, as anybody who knows the id of a message can forge its failure.
    """
    failed: dict[str, tuple[Judgement, Case]] = {}
    for case, (evidence, finding) in zip(cases, found, strict=True):
        message_id = evidence.question.returned.message_id
        if case.notice.action in (None, Action.FAILED) and message_id and finding.verdict is not Verdict.UNSURE:
            (_, known), _ = failed.setdefault(id_key(message_id), ((evidence, finding), case))
            if _MOST_GENUINE[finding.verdict] < _MOST_GENUINE[known.verdict]:
                failed[id_key(message_id)] = (evidence, finding), case
    return [_follow(case, judgement, failed) for case, judgement in zip(cases, found, strict=True)]


def _follow(case: Case, judgement: Judgement, failed: Mapping[str, tuple[Judgement, Case]]) -> Judgement:
    evidence, finding = judgement
    message_id = evidence.question.returned.message_id
    free = finding.verdict is Verdict.UNSURE and finding.row not in _NEVER_FOLLOWS
    if case.notice.action in (None, Action.FAILED) or not message_id or not free:
        return judgement
    leader = failed.get(id_key(message_id))
    if leader is None:
        return judgement
    (_, led_by), leading = leader
    if led_by.verdict is Verdict.BACKSCATTER and not _same_hand(case, leading, evidence.question.known.owner):
        return judgement
    return evidence, replace(finding, verdict=led_by.verdict, leaning=None, row="follows-the-failed-one")


def _same_hand(one: Case, other: Case, owner: Owner) -> bool:
    """Return whether the same organisation handed two notices over, or their way shows nobody and one reporter."""
    ways = handing_over(one.notice, owner), handing_over(other.notice, owner)
    reporters = [organisation(case.notice.reporting_mta or "") for case in (one, other)]
    return ways[0] == ways[1] and (bool(ways[0]) or (reporters[0] == reporters[1] != ""))


def decide(evidence: Evidence) -> Finding:
    """Return what the first row of POLICY that fits says."""
    row = _row_for(evidence)
    verdict = row.verdict or evidence.label or Verdict.UNSURE
    return Finding(
        verdict=verdict,
        row=row.name,
        reasons=evidence.reasons if evidence.label is None else (*evidence.reasons, _overruled(evidence)),
        leaning=row.leaning if verdict is Verdict.UNSURE else None,
        flags=tuple(_flags(evidence, verdict)),
        nearest_sent=evidence.question.match.sent,
        trusted_hop=_trusted_hop(evidence.question),
        sender=_unknown_sender(evidence.question) if verdict is Verdict.UNSURE else None,
    )


def _row_for(evidence: Evidence) -> Row:
    return next(row for row in POLICY if row.when(evidence))


def _overruled(evidence: Evidence) -> Reason:
    """Return, as a note, what the evidence says where a person's word stands above it."""
    row = _row_for(replace(evidence, label=None))
    verdict = row.verdict or Verdict.UNSURE
    leaning = f", leaning towards {row.leaning.value}" if row.leaning else ""
    says = f"The evidence alone would say {verdict.value}{leaning} ({row.name})."
    return Reason("label.overrules", Family.PEOPLE, verdict, Strength.NOTE, says)


def _unknown_sender(question: Question) -> UnknownSender | None:
    """Return the host that a person may place: nothing else decides who it is, and Sent has no such message."""
    seen = question.seen
    if seen is None or question.match.bond is not Bond.NONE:
        return None
    if question.standing.kind not in (Standing.SERVICE, Standing.OPEN):
        return None
    return UnknownSender(str(neighbourhood(seen.address)), str(seen.address), seen.name)


def _trusted_hop(question: Question) -> str | None:
    hop = question.path.hop
    if hop is None:
        return None
    return hop.name or (str(hop.address) if hop.address else hop.helo)


def _flags(evidence: Evidence, verdict: Verdict) -> list[str]:
    in_sent = evidence.has("sent.message_id", "sent.recipient_subject_date")
    raised = {
        "id_reused": evidence.has("sent.id_reused", "sent.id_replayed"),
        "sent_gap": verdict is Verdict.GENUINE and not in_sent and evidence.label is None,
        "not_owners_address": "sender.not_the_owner" in evidence.said,
        "self_backscatter": evidence.question.path.at_own_server and evidence.has_hard("origin.foreign"),
        "forwarded": verdict is Verdict.GENUINE and _passed_on_for_another(evidence),
        "too_hostile": evidence.question.notice.too_hostile is not None,
    }
    return [flag for flag, is_raised in raised.items() if is_raised]


def _passed_on_for_another(evidence: Evidence) -> bool:
    """Return whether the owner's server passed on what somebody else wrote: a forwarding rule with a dead target."""
    return "sender.not_the_owner" in evidence.said and evidence.has_hard("origin.own_host")
