from __future__ import annotations

from dataclasses import replace

import pytest

from cleanup.model import FilingPlan, Judged, Kind, Policy, Verdict
from cleanup.report.filing.plan import limits_met, plan_filing
from tests.ledger.some import a_judged


def plan(judged: list[Judged], *, inbox_size: int = 1000, policy: Policy | None = None, **more: object) -> FilingPlan:
    given = {"source": "INBOX", "target": "Backscatter", "uidvalidity": 11} | more
    return plan_filing(judged, inbox_size=inbox_size, policy=policy or Policy(), **given)  # type: ignore[arg-type]


def of_kind(kind: Kind) -> Judged:
    judged = a_judged()
    return replace(judged, notice=replace(judged.notice, kind=kind))


def test_backscatter_is_filed_and_all_else_stays_with_its_reason() -> None:
    made = plan([a_judged(1), a_judged(2, verdict=Verdict.GENUINE), a_judged(3, verdict=Verdict.UNSURE)])

    assert [move.ref.uid for move in made.moves] == [1]
    assert [(kept.ref.uid, kept.reason) for kept in made.not_filed] == [
        (2, "It answers mail of yours."),
        (3, "Unsure: absent and hard."),
    ]
    assert made.refusals == ()


def test_what_leans_is_filed_only_under_a_policy_that_says_so() -> None:
    unsure = a_judged(verdict=Verdict.UNSURE)
    leaning = replace(unsure, finding=replace(unsure.finding, leaning=Verdict.BACKSCATTER))

    assert plan([leaning]).moves == ()
    assert len(plan([leaning], policy=Policy(file_leaning=True)).moves) == 1
    assert plan([unsure], policy=Policy(file_leaning=True)).moves == ()


@pytest.mark.parametrize("kind", [Kind.AUTO_REPLY, Kind.CHALLENGE, Kind.VIRUS_NOTICE, Kind.MDN])
def test_other_notices_are_filed_only_if_wished(kind: Kind) -> None:
    assert plan([of_kind(kind)]).moves == ()
    assert len(plan([of_kind(kind)], policy=Policy(file_other_notices=True)).moves) == 1


@pytest.mark.parametrize("kind", [Kind.ORDINARY, Kind.ARF])
def test_mail_and_abuse_reports_are_never_filed(kind: Kind) -> None:
    assert plan([of_kind(kind)], policy=Policy(file_other_notices=True, file_leaning=True)).moves == ()


def test_what_is_marked_deleted_is_left_to_the_owner() -> None:
    assert plan([replace(a_judged(), flags=("\\DELETED",))]).moves == ()


@pytest.mark.parametrize(("count", "refused"), [(500, False), (501, True)])
def test_too_many_moves_are_refused_in_words(count: int, refused: bool) -> None:
    made = plan([a_judged(uid) for uid in range(1, count + 1)], inbox_size=100_000)

    assert len(made.moves) == count
    assert bool(made.refusals) is refused
    assert not refused or "501 messages would be moved, and the limit is 500 (--max-moves" in made.refusals[0]


@pytest.mark.parametrize(
    ("count", "size", "refused"), [(20, 20, False), (21, 105, False), (21, 104, True), (21, 0, True)]
)
def test_too_large_a_share_is_refused_above_the_floor(count: int, size: int, refused: bool) -> None:
    made = plan([a_judged(uid) for uid in range(1, count + 1)], inbox_size=size)

    assert bool(made.refusals) is refused


@pytest.mark.parametrize(("count", "size"), [(29, 100), (501, 1000), (2870, 8000), (22, 22), (999, 1000), (21, 7919)])
def test_the_least_limits_let_the_plan_just_through(count: int, size: int) -> None:
    strict = Policy(max_moves=5, max_share=0)
    met = limits_met(count, size, strict)

    assert met is not None
    assert met.max_moves is not None
    assert met.max_share is not None
    raised = replace(strict, max_moves=met.max_moves, max_share=met.max_share)
    assert limits_met(count, size, raised) is None
    assert limits_met(count, size, replace(raised, max_moves=met.max_moves - 1)) is not None
    assert limits_met(count, size, replace(raised, max_share=met.max_share - 0.01)) is not None


def test_a_person_lets_through_limits_and_nothing_else() -> None:
    many = [a_judged(uid) for uid in range(1, 502)]

    assert plan(many, inbox_size=100_000).let_through().refusals == ()
    assert plan(many, inbox_size=100_000, refusals=("Sent is gone.",)).let_through().refusals[0] == "Sent is gone."
    assert plan(many, target="INBOX").let_through().refusals == ("INBOX is the target, too.",)


def test_refusals_from_outside_stand_first() -> None:
    made = plan([a_judged()], refusals=("Sent could not be read.",))

    assert made.refusals == ("Sent could not be read.",)


def test_the_target_cannot_be_the_source() -> None:
    assert plan([a_judged()], target="INBOX").refusals == ("INBOX is the target, too.",)
