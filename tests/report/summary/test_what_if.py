"""Judging stored reasons again: the same policy gives the same verdicts, another one what it really would."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from cleanup.config import load_mailbox, policy_of
from cleanup.detector.verdict import Case, judge_all
from cleanup.ledger import Ledger
from cleanup.model import Family, Policy, Verdict
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.what_if import ablation, policy_snippet, threshold_curve, what_if
from tests.generator.mailbox import a_mailbox, as_notice
from tests.report.summary.some_frames import MAILBOX, fill, frames_of, judged_mailbox

SEEDS = (5, 6, 7)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A generated mailbox, with the truth as labels of a third of it."""
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db") as ledger:
        fill(ledger, judged_mailbox())
        for number, specimen in enumerate(a_mailbox(5, each=3).specimens, 1):
            if number % 3 == 0:
                ledger.label(MAILBOX, f"{number:064x}", specimen.truth, said_by="review")
        return load(ledger)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_policy_gives_the_same_verdicts(seed: int, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        fill(ledger, judged_mailbox(seed))
        frames = load(ledger)

    again = what_if(frames.bounces, frames.reasons, Policy())

    assert (again.verdicts["before"] == again.verdicts["after"]).all()


@pytest.mark.parametrize("family", [Family.AUTHENTICATION, Family.IDENTITY, Family.UPSTREAM, Family.TRANSPORT])
def test_without_a_family_it_says_what_a_run_without_it_says(family: Family, frames: Frames) -> None:
    policy = Policy(switched_off=frozenset({family}))
    mailbox = a_mailbox(5, each=3)
    cases = [Case(as_notice(s), s.arrived, f"{n:064x}") for n, s in enumerate(mailbox.specimens, 1)]
    really = [f.verdict.value for f in judge_all(cases, mailbox.index(), mailbox.identity, policy)]

    assumed = what_if(frames.bounces, frames.reasons, policy).verdicts["after"]

    assert (assumed == really).mean() > 0.97


def test_nothing_is_filed_on_the_word_of_one_family(frames: Frames) -> None:
    only_sent = Policy(switched_off=frozenset(set(Family) - {Family.SENT}))

    assert what_if(frames.bounces, frames.reasons, only_sent).score.filed == 0


def test_the_storm_policy_files_what_leans(frames: Frames) -> None:
    leaning = frames.notices["leaning"].eq(Verdict.BACKSCATTER.value).sum()

    balanced, storm = (what_if(frames.bounces, frames.reasons, Policy(file_leaning=wide)) for wide in (False, True))

    assert storm.score.filed == balanced.score.filed + leaning


def test_precision_and_recall_are_counted_against_labels(frames: Frames) -> None:
    score = what_if(frames.bounces, frames.reasons, Policy(), labels=frames.labels).score

    assert score.labelled == len(frames.labels)
    assert score.precision == 1.0
    assert score.recall is not None
    assert 0.5 < score.recall < 1


def test_the_latest_word_counts(frames: Frames) -> None:
    turned = frames.labels.assign(verdict="genuine")

    score = what_if(frames.bounces, frames.reasons, Policy(), labels=pd.concat([frames.labels, turned])).score

    assert score.wrongly_filed > 0
    assert score.precision == 0.0


def test_ablation_names_what_the_verdicts_rest_on(frames: Frames) -> None:
    worth = ablation(frames.bounces, frames.reasons, Policy(), labels=frames.labels).set_index("left_out")["filed"]

    assert worth["family sent"] < worth["nothing"]
    assert worth["origin.foreign"] < worth["nothing"]
    assert set(frames.reasons.loc[frames.reasons["strength"] != "note", "rule"].astype(str)) < set(worth.index)


def test_the_more_witnesses_are_asked_for_the_fewer_are_filed(frames: Frames) -> None:
    curve = threshold_curve(frames.bounces, frames.reasons, frames.labels).set_index("families")

    assert curve["filed"].is_monotonic_decreasing
    assert len(curve) > 2


@pytest.mark.parametrize("mailbox", ["anna", "anna@example.org", 'odd "name"'])
@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(name="cautious"),
        Policy(name="storm", file_leaning=True, switched_off=frozenset({Family.UPSTREAM, Family.CAMPAIGN})),
        Policy(max_moves=2_000, max_share=0.5, min_completeness=0.95, queue_lifetime=timedelta(hours=36)),
        Policy(file_other_notices=True),
    ],
)
def test_the_snippet_makes_the_configuration_read_the_same_policy(policy: Policy, mailbox: str, tmp_path: Path) -> None:
    snippet = policy_snippet(policy, mailbox)
    table = snippet.splitlines()[0].replace(".policy]", "]")
    (tmp_path / "config.toml").write_text(f'{snippet}\n{table}\naddress = "anna@example.org"\n')

    assert policy_of(load_mailbox(mailbox, config=tmp_path / "config.toml")) == policy


def test_a_policy_of_another_name_is_named_by_what_it_files() -> None:
    mine = Policy(name="mine", file_leaning=True)

    assert 'name = "storm"' in policy_snippet(mine)


def test_an_empty_ledger_changes_nothing() -> None:
    frames = frames_of(0)

    assert what_if(frames.bounces, frames.reasons, Policy(), labels=frames.labels).score.filed == 0
    assert len(threshold_curve(frames.bounces, frames.reasons)) == 0
    assert list(ablation(frames.bounces, frames.reasons, Policy())["left_out"]) == ["nothing"]


def test_forty_thousand_notices_are_judged_again_in_moments() -> None:
    frames = frames_of(40_000)

    verdicts = what_if(frames.bounces, frames.reasons, Policy()).verdicts

    assert len(verdicts) == 40_000
    assert (verdicts["before"] == verdicts["after"]).all()


def test_an_undo_is_no_judgement_of_what_it_put_back(frames: Frames) -> None:
    before = what_if(frames.bounces, frames.reasons, Policy(), labels=frames.labels).score
    all_put_back = frames.notices[["mailbox", "digest"]].assign(verdict="unsure", said_by="undo")
    labels = pd.concat([frames.labels.astype(str), all_put_back.astype(str)], ignore_index=True)

    after = what_if(frames.bounces, frames.reasons, Policy(), labels=labels).score

    assert before.labelled > 0
    assert after == before


def test_labels_of_other_mailboxes_do_not_count(frames: Frames) -> None:
    others = frames.labels.assign(mailbox="bob@example.org")

    assert what_if(frames.bounces, frames.reasons, Policy(), labels=others).score.labelled == 0
