"""The sample ledger: what notebooks and trials show must be true of the real judging."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.demo.sample_ledger import NIGHTS, make_sample_ledger, months
from cleanup.ledger import Ledger
from cleanup.report.summary.frames import Frames, load


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    with Ledger.open(make_sample_ledger(tmp_path_factory.mktemp("sample") / "ledger.db")) as ledger:
        return load(ledger)


def test_the_same_seed_writes_the_same_mail() -> None:
    assert months(3) == months(3)


def test_it_is_a_month_of_nightly_runs_with_a_storm(frames: Frames) -> None:
    assert (frames.runs.groupby("mailbox", observed=True).size() == NIGHTS).all()
    days = frames.notices["arrived"].dt.date
    busiest = frames.notices[days == days.value_counts().idxmax()]
    assert len(busiest) > 150
    assert (busiest["judged"] == "backscatter").mean() > 0.75


def test_no_verdict_contradicts_the_truth(frames: Frames) -> None:
    said = frames.labels.merge(frames.notices, on=["mailbox", "digest"], suffixes=("_said", ""))
    decided = said[said["verdict"] != "unsure"]

    assert len(decided) > 100
    assert (decided["verdict"].astype(str) == decided["verdict_said"].astype(str)).all()


def test_a_telephone_that_saves_nothing_shows_in_the_completeness_of_sent(frames: Frames) -> None:
    of_ben = frames.sent_coverage[frames.sent_coverage["mailbox"] == "ben.costa@example.org"]["at_least"]

    assert of_ben.iloc[0] > 0.97
    assert of_ben.iloc[-1] < of_ben.iloc[0] - 0.05


def test_what_was_filed_stands_in_the_journal(frames: Frames) -> None:
    assert frames.notices["filed"].sum() == len(frames.moves) == (frames.notices["judged"] == "backscatter").sum()


def test_a_ledger_path_that_holds_one_already_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"")

    with pytest.raises(FileExistsError):
        make_sample_ledger(tmp_path / "ledger.db")
