"""Judges notices: gathers the evidence, then reads POLICY from the top; the first row that fits decides."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

from cleanup.detector.evidence import gather
from cleanup.detector.evidence.campaign import campaign_reasons, member_of
from cleanup.detector.evidence.question import Known, Question
from cleanup.detector.evidence.standing import survey_of
from cleanup.detector.learning import learn_hosts, learn_rewriting, measure_proved, refuted_records
from cleanup.detector.mailings import campaign_key, vouched_for
from cleanup.detector.message_ids import id_key
from cleanup.detector.networks import organisation
from cleanup.detector.owner import LearnedHosts, Owner, know_owner
from cleanup.detector.path import handing_over
from cleanup.detector.policy import Evidence, decide
from cleanup.detector.sender_questions import answers_about_senders
from cleanup.detector.sent import Coverage, SentIndex
from cleanup.detector.spf import SpfAnswers
from cleanup.model import (
    LABELLED,
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
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One notice to be judged. `key` names it in labels: the digest of its fingerprint, or its path."""

    notice: Notice
    arrived: datetime | None
    key: str


EARLIEST_ARRIVAL, LATEST_ARRIVAL = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
NOON = time(12)
_NEVER_FOLLOWS = (
    LABELLED,
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
    labels = {} if Family.PEOPLE in policy.switched_off else labels or {}
    with _collecting_garbage_later():
        beforehand = Known(
            rows=sent.rows_for([case.notice for case in cases]),
            coverage=sent.coverage.in_use_until(case.arrived for case in cases if case.arrived is not None),
            profile=sent.profile,
            identity=identity,
            owner=know_owner(identity, sent.profile),
            policy=policy,
            rewritten=sent.coverage.rewritten_routes(),
            dns_answers=dns_answers or {},
            spf=spf or SpfAnswers(),
            answered=answers_about_senders(labels),
        )
        found, known = _judge_each(cases, beforehand, labels)
        # Each of these looks at all judgements together, and what it changes the next one sees.
        found = _with_likes(cases, found, labels)
        if Family.CAMPAIGN not in policy.switched_off:
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
    judgements = []
    for case, questions in zip(cases, first, strict=True):
        found: list[Judgement] = []
        for question in questions:
            asked = question.again(at_that_time(case.arrived))
            evidence = Evidence.of(asked, gather(asked), labels.get(case.key))
            found.append((evidence, decide(evidence)))
        # Of all that a notice returned, the most genuine counts: one message of the owner's in it is enough to keep it.
        judgements.append(min(found, key=lambda judgement: _MOST_GENUINE[judgement[1].verdict]))
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
    return replace(known, senders=survey_of(again))


def _again(known: Known, learned: LearnedHosts) -> Owner:
    return know_owner(known.identity, known.profile, learned)


def _questions(case: Case, known: Known) -> list[Question]:
    """Return one question for each message that the notice returned."""
    notice, questions = case.notice, []
    for returned in notice.returned:
        same_id = returned.message_id is not None and returned.message_id == notice.message_id
        same_way = bool(returned.received) and returned.received[0] in notice.received
        if same_id or same_way:
            # A reader took the notice's own header for that of the original. Its way is always foreign and its id
            # never in Sent, so that every bare bounce would be accused.
            returned = Returned(Extent.NOTHING)
        elif returned.date is not None and returned.date.tzinfo is None:
            # "-0000" and a missing zone mean UTC (RFC 5322 section 3.3); without one dates cannot be compared.
            returned = replace(returned, date=returned.date.replace(tzinfo=UTC))
        questions.append(Question(notice, returned, case.arrived, known))
    return questions


def _with_a_sensible_arrival(case: Case) -> Case:
    """Return the case with its arrival in UTC; None for one in the year 1 or 9999, which a mail alone can claim."""
    arrived = case.arrived
    if arrived is not None and arrived.tzinfo is None:
        arrived = arrived.replace(tzinfo=UTC)
    if arrived is not None and not EARLIEST_ARRIVAL <= arrived <= LATEST_ARRIVAL:
        arrived = None
    return case if arrived is case.arrived else replace(case, arrived=arrived)


def _with_likes(cases: Sequence[Case], found: Sequence[Judgement], labels: Mapping[str, Verdict]) -> list[Judgement]:
    """Return the judgements; a notice of a mailing of which a person called one genuine is held back."""
    vouched = vouched_for(((case.key, case.notice) for case in cases), labels)
    says = "You called another notice of the same mailing genuine, or moved one back."
    like = Reason("label.like", Family.PEOPLE, Verdict.UNSURE, Strength.HARD, says)
    judgements = []
    for case, (evidence, finding) in zip(cases, found, strict=True):
        if vouched and evidence.label is None and campaign_key(case.notice) in vouched:
            evidence = Evidence.of(evidence.question, (*evidence.reasons, like), evidence.label)
            finding = decide(evidence)
        judgements.append((evidence, finding))
    return judgements


def _with_campaigns(found: Sequence[Judgement]) -> list[Judgement]:
    """Return the judgements with what the others say of each, decided once more."""
    members = [member_of(evidence.question, finding) for evidence, finding in found]
    judgements = []
    for (evidence, finding), member, more in zip(found, members, campaign_reasons(members), strict=True):
        if more:
            evidence = Evidence.of(evidence.question, (*evidence.reasons, *more), evidence.label)
            belongs = any(reason.rule == "campaign.member" for reason in more)
            finding = replace(decide(evidence), campaign=member.key if belongs else None)
        judgements.append((evidence, finding))
    return judgements


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
    # Empty where no line shows anybody: then the reporters' names, which anybody can write, have to agree at least.
    ways = handing_over(one.notice, owner), handing_over(other.notice, owner)
    reporters = [organisation(case.notice.reporting_mta or "") for case in (one, other)]
    return ways[0] == ways[1] and (bool(ways[0]) or (reporters[0] == reporters[1] != ""))
