"""`demo`: the whole job, over IMAP, compared with the truth."""

from __future__ import annotations

from pathlib import Path

from cleanup.demo import anna_on_a_server, compare
from tests.cli.command import cleanup


def test_the_demo_finds_the_truth_and_writes_the_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    done = cleanup("demo", "--output", page)

    assert done.code == 0
    assert "447 of 447 are what they truly are." in done.out
    assert "The backscatter folder holds 72 messages; 0 of them should not" in done.out
    assert "run 2, 375 messages, 20 notices: 0 filed" in done.out
    assert "72 bounces answered mail" in page.read_text(encoding="utf-8")


def test_what_lies_wrongly_in_the_folder_is_counted(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        seen = anna.scan()

    wrong = compare(seen, ["nobody@knows.test"], anna.truth)

    assert (wrong.filed, wrong.wrongly_filed) == (1, 1)


def test_a_dry_run_prints_the_plan_that_the_run_carries_out(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        planned = {move.ref for move in anna.scan().plan.moves}
        done = anna.run()

    assert done.outcome is not None
    assert set(done.outcome.moved) == planned
