"""Frames: the same from every database and with every kind of string, tidy, and as documented."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cleanup.ledger import Ledger, MoveState
from cleanup.model import Verdict
from cleanup.report.summary import queries as frame_columns
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.queries import BETWEEN
from tests.ledger.some import MAILBOX, NOON, a_judged, an_intent
from tests.report.summary import some_frames

ROOT = Path(__file__).parents[3]
OTHER = "ben.costa@example.org"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db", clock=lambda: NOON) as opened:
        yield opened


def _fill(ledger: Ledger) -> None:
    """Two mailboxes, three runs, moves that stand and one that was put back, labels, odd texts."""
    judged = some_frames.judged_mailbox(each=1)
    some_frames.fill(ledger, judged)
    second = some_frames.fill(ledger, judged[:5])
    some_frames.fill(ledger, judged[5:9], mailbox=OTHER)
    first, back = ledger.intend(second, [an_intent(1), an_intent(2)])
    ledger.advance([(first.move_id, MoveState.MOVED, 41, None), (back.move_id, MoveState.RETURNED, 42, "a note")])
    ledger.label(some_frames.MAILBOX, f"{1:064x}", Verdict.GENUINE, said_by="review", note="näh ☃")


def _frames(frames: Frames) -> Iterator[tuple[str, pd.DataFrame]]:
    for field in fields(frames):
        yield field.name, getattr(frames, field.name)


def _same(one: Frames, other: Frames) -> None:
    for name, frame in _frames(one):
        found = getattr(other, name)
        assert list(frame.columns) == list(found.columns), name
        for column in frame.columns:
            if isinstance(frame[column].dtype, pd.CategoricalDtype):
                assert isinstance(found[column].dtype, pd.CategoricalDtype), (name, column)
                assert frame[column].astype(pd.StringDtype()).equals(found[column].astype(pd.StringDtype())), column
            else:
                pd.testing.assert_series_equal(frame[column], found[column])


def test_columns_have_the_documented_types_also_when_there_is_nothing(ledger: Ledger) -> None:
    empty = load(ledger)
    _fill(ledger)

    for name, frame in _frames(load(ledger)):
        assert len(frame) > 0, name
        before = getattr(empty, name)
        for column in frame.columns:
            kind = frame[column].dtype
            words = isinstance(kind, pd.CategoricalDtype) and isinstance(before[column].dtype, pd.CategoricalDtype)
            assert words or before[column].dtype == kind, (name, column)
            assert words or str(kind) in ("int64", "bool", "float64", "string", "datetime64[us, UTC]"), (name, column)


def test_rows_that_are_read_in_pieces_make_the_same_frames(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _fill(ledger)
    at_once = load(ledger)

    monkeypatch.setattr(frame_columns, "ROWS_AT_ONCE", 3)

    _same(load(ledger), at_once)


def test_our_own_words_are_all_there_so_that_noughts_are_counted(ledger: Ledger) -> None:
    ledger.record_findings(ledger.start_run(MAILBOX, "run"), [a_judged()])

    counts = load(ledger).notices["verdict"].value_counts()

    assert set(counts.index) == {"genuine", "backscatter", "unsure"}


def test_strangers_texts_come_out_as_they_went_in(ledger: Ledger) -> None:
    odd = f'a{BETWEEN}b, "quoted", 日本語, \U0001f4a9'
    ledger.record_findings(ledger.start_run(MAILBOX, "run"), [a_judged(subject=odd)])

    row = load(ledger).bounces.iloc[0]

    assert row["notice_subject"] == odd
    assert (row["verdict"], row["recipient_cause"], row["flags"]) == ("backscatter", "no_such_user", "x")
    assert row["arrived"] == NOON


def test_the_latest_finding_of_each_message_is_marked(ledger: Ledger) -> None:
    _fill(ledger)

    frames = load(ledger)
    ours = frames.notices[frames.notices["mailbox"] == some_frames.MAILBOX]

    assert ours["digest"].is_unique
    assert set(ours["run_id"]) == {1, 2}
    assert (frames.bounces.groupby(["mailbox", "digest"], observed=True)["latest"].any()).all()


def test_filed_is_what_was_moved_and_not_put_back(ledger: Ledger) -> None:
    run = ledger.start_run(MAILBOX, "run")
    ledger.record_findings(run, [a_judged(7), a_judged(8), a_judged(9)])
    moved, back = ledger.intend(run, [an_intent(7), an_intent(8)])
    ledger.advance([(moved.move_id, MoveState.MOVED, 41, None), (back.move_id, MoveState.RETURNED, 42, None)])

    assert load(ledger).notices.set_index("uid")["filed"].to_dict() == {7: True, 8: False, 9: False}


def test_mailbox_time_and_run_choose_what_is_loaded(ledger: Ledger) -> None:
    _fill(ledger)
    everything = load(ledger)
    middle = everything.bounces["arrived"].sort_values().iloc[len(everything.bounces) // 2].to_pydatetime()

    assert set(load(ledger, [OTHER]).bounces["mailbox"]) == {OTHER}
    assert set(load(ledger, run=2).reasons["run_id"]) == {2}
    late = load(ledger, since=middle)
    assert late.bounces["arrived"].min() >= middle
    assert set(late.reasons["finding_id"]) <= set(late.bounces["finding_id"])
    assert load(ledger, since=datetime.now(UTC) + timedelta(days=1)).bounces.empty


def test_what_is_chosen_is_a_part_of_everything(ledger: Ledger) -> None:
    _fill(ledger)
    everything, chosen = load(ledger), load(ledger, [some_frames.MAILBOX, OTHER])

    _same(everything, chosen)


def test_every_reason_knows_its_run(ledger: Ledger) -> None:
    _fill(ledger)
    frames = load(ledger)
    runs = frames.bounces.drop_duplicates("finding_id").set_index("finding_id")["run_id"]

    assert (frames.reasons["run_id"] == frames.reasons["finding_id"].map(runs)).all()


@pytest.mark.server
def test_postgresql_gives_the_same_frames(database: str, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db", clock=lambda: NOON) as lite, Ledger.open(database, clock=lambda: NOON) as large:
        for ledger in (lite, large):
            _fill(ledger)

        _same(load(lite), load(large))


# Not sys.modules["pyarrow"] = None: the compiled part of pandas 2.2 takes that None for the module.
WITHOUT_PYARROW = """
import sys
class NoPyarrow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoPyarrow())
"""


def test_without_pyarrow_the_frames_are_the_same(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db", clock=lambda: NOON) as ledger:
        _fill(ledger)
    told = [_told(tmp_path / "ledger.db", start) for start in ("", WITHOUT_PYARROW)]

    assert told[0] == told[1]
    assert "näh ☃" in told[0]


def _told(ledger: Path, start: str) -> str:
    """Return the frames of a ledger as text, read in a process of its own that begins like this."""
    code = f"""
{start}
import sys
from dataclasses import fields
from cleanup.ledger import Ledger
from cleanup.report.summary.frames import load
from cleanup.report.summary.summarize import summarize
with Ledger.open({str(ledger)!r}) as ledger:
    frames = load(ledger)
for field in fields(frames):
    print(field.name, getattr(frames, field.name).to_csv(index=False))
print(frames.notices.shape, summarize(frames, now=frames.runs["started"].max().to_pydatetime()).headline)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_reasons_without_a_finding_are_left_out(ledger: Ledger) -> None:
    _fill(ledger)
    frames = load(ledger)
    orphan = frames.reasons.drop(columns="run_id").assign(finding_id=-1)

    from cleanup.report.summary.frames import _with_runs

    assert _with_runs(orphan, frames.bounces).empty
