"""`report`, in every format, on Anna's ledger."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from cleanup.ledger import Ledger
from tests.cli.command import Ended, cleanup


def test_the_table_says_what_happened_and_what_to_do(annas_ledger: Path) -> None:
    done = cleanup("report", "--ledger", annas_ledger)

    assert done.code == 0
    assert "92 notices: 72 backscatter, 14 genuine, 6 unsure; 72 filed" in done.out
    assert "Look at the 11 bounces of your own mail below" in done.out


def test_a_run_that_found_nothing_new_does_not_count_a_message_twice(annas_ledger: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(cleanup("report", "--ledger", annas_ledger, "--format", "csv").out)))

    assert len(rows) == 92  # one row a notice, whatever it has of recipients and findings
    assert sum(row["verdict"] == "backscatter" for row in rows) == 72
    named = cleanup("report", "--ledger", annas_ledger, "--format", "csv", "--frame", "notices")
    assert list(csv.DictReader(io.StringIO(named.out))) == rows


def test_one_run_alone_can_be_reported(annas_ledger: Path) -> None:
    done = cleanup("report", "--ledger", annas_ledger, "--run", 2)

    assert "20 notices: 0 backscatter, 14 genuine, 6 unsure; 0 filed" in done.out


def test_since_leaves_out_what_arrived_earlier(annas_ledger: Path) -> None:
    done = cleanup("report", "--ledger", annas_ledger, "--since", "7d", "--now", "2026-10-20", "--format", "jsonl")

    arrived = [json.loads(line)["arrived"] for line in done.out.splitlines()]
    assert arrived
    assert min(arrived) >= "2026-10-13"


def test_json_holds_every_frame(annas_ledger: Path) -> None:
    frames = json.loads(cleanup("report", "--ledger", annas_ledger, "--format", "json").out)

    names = ["notices", "bounces", "reasons", "runs", "moves", "sent_coverage", "sent_sources", "labels"]
    assert list(frames) == names
    assert len(frames["moves"]) == 72


def test_parquet_and_excel_can_be_read_back(annas_ledger: Path, tmp_path: Path) -> None:
    for form in ("parquet", "xlsx"):
        words = ("--format", form, "--frame", "bounces", "--output", tmp_path / f"r.{form}")
        done = cleanup("report", "--ledger", annas_ledger, *words)
        assert (done.code, done.err) == (0, f"Written to {tmp_path}/r.{form}\n")

    assert len(pd.read_parquet(tmp_path / "r.parquet")) == len(pd.read_excel(tmp_path / "r.xlsx", "bounces")) == 112


def test_an_anonymous_export_names_nobody_and_counts_the_same(annas_ledger: Path) -> None:
    open_text = cleanup("report", "--ledger", annas_ledger, "--format", "json").out
    hidden_text = cleanup("report", "--ledger", annas_ledger, "--format", "json", "--anonymize").out

    assert "anna" in open_text
    for word in ("anna", "berg", "example.org", ".test", "refund", "192.0.2", "203.0.113", "Invoice"):
        assert word not in hidden_text
    shown, hidden = json.loads(open_text), json.loads(hidden_text)
    assert len({b["recipient"] for b in shown["bounces"]}) == len({b["recipient"] for b in hidden["bounces"]})


def test_a_page_is_written_where_the_person_says(annas_ledger: Path, tmp_path: Path) -> None:
    done = cleanup("report", "--ledger", annas_ledger, "--format", "html", "-o", tmp_path / "r.html")

    assert done.code == 0
    assert "<!doctype html>" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "pdf"),
        ("--format", "csv", "--frame", "secrets"),
        ("--since", "last week"),
        ("--open",),
        ("--format", "md", "--output", "/no/such/folder/report.md"),
        ("nobody",),
    ],
)
def test_what_cannot_be_acted_on_is_one_clear_line_and_exit_code_2(
    annas_ledger: Path, arguments: tuple[str, ...]
) -> None:
    done = cleanup("report", "--ledger", annas_ledger, *arguments)

    assert done.code == 2
    assert len(done.err.splitlines()) == 1


def test_where_there_is_no_browser_one_line_says_where_the_page_is(annas_ledger: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    screens = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    for surroundings in (screens, screens | {"DISPLAY": ":99"}):
        done = _opened(annas_ledger, page, **surroundings)
        assert (done.code, done.out) == (0, "")
        assert done.err == f"Written to {page}; there is no browser here to show it\n"


@pytest.mark.skipif(shutil.which("xdg-open") is None, reason="nothing opens files here")
def test_the_browser_is_given_the_page_and_what_it_writes_is_not_shown(annas_ledger: Path, tmp_path: Path) -> None:
    browser, page = tmp_path / "browser", tmp_path / "r.html"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/shown\necho noise >&2\n')
    browser.chmod(0o700)

    done = _opened(annas_ledger, page, BROWSER=str(browser))

    assert done.err == f"Written to {page}\n"
    assert str(page) in (tmp_path / "shown").read_text()


def _opened(ledger: Path, page: Path, **surroundings: str) -> Ended:
    return cleanup("report", "--ledger", ledger, "--format", "html", "-o", page, "--open", **surroundings)


def test_a_ledger_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"no database" * 1000)

    done = cleanup("report", "--ledger", tmp_path / "ledger.sqlite")

    assert done.code == 1
    assert done.err.startswith("mailbox-cleanup: The ledger could not be opened")


def test_an_empty_ledger_makes_an_empty_report_in_every_format(tmp_path: Path) -> None:
    Ledger.open(tmp_path / "l.sqlite").close()
    for form in ("table", "md", "html", "csv", "json", "jsonl", "parquet", "xlsx"):
        done = cleanup("report", "--ledger", tmp_path / "l.sqlite", "--format", form, *_to(tmp_path, form))
        assert done.code == 0, (form, done.err)


def _to(folder: Path, form: str) -> tuple[object, ...]:
    return ("--output", folder / f"r.{form}") if form in ("parquet", "xlsx", "html") else ()


def test_what_tells_who_wrote_to_whom_is_for_its_owner_alone(annas_ledger: Path, tmp_path: Path) -> None:
    """Whatever the umask; a file that is there already keeps the mode that somebody gave it."""
    shown, given = tmp_path / "shown.csv", tmp_path / "labels.csv"
    shown.touch(mode=0o644)
    shown.chmod(0o644)
    for output in (tmp_path / "new.csv", shown):
        assert cleanup("report", "--ledger", annas_ledger, "--format", "csv", "--output", output).code == 0
    assert cleanup("labels", "export", "--ledger", annas_ledger, "--output", given).code == 0

    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {"new.csv": 0o600, "shown.csv": 0o644, "labels.csv": 0o600}
    assert shown.read_bytes() == (tmp_path / "new.csv").read_bytes()
