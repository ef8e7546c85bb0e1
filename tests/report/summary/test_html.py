"""The HTML report: what it says, and what a real browser makes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.model import Verdict
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.html import CONTENT_SECURITY_POLICY, FEW, render_html
from cleanup.report.summary.summarize import summarize
from tests.report.hostile_ledger import fill
from tests.report.summary.chromium import Looked, look_at
from tests.report.summary.some_frames import fill as fill_with
from tests.report.summary.some_frames import frames_of, judged_mailbox

NOW = datetime(2026, 10, 20, tzinfo=UTC)


def _page(ledger: Path) -> str:
    with Ledger.open(ledger) as opened:
        frames: Frames = load(opened)
    return render_html(summarize(frames, now=NOW), frames)


@pytest.fixture(scope="module")
def annas_page(annas_ledger: Path) -> str:
    return _page(annas_ledger)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "ledger.sqlite"
    fill(path)
    return _page(path)


@pytest.fixture(scope="module")
def big_page() -> str:
    frames = frames_of(40_000)
    return render_html(summarize(frames, now=NOW), frames)


def test_it_says_first_what_happened_then_what_to_do_then_the_rest(annas_page: str) -> None:
    order = [
        "Your address is being forged",
        "What you need to do",
        ">Your own mail that did not arrive</h3>",
        ">Unsure, left where they are</h3>",
        "In pictures",
        ">Your own mail that did not arrive</h2>",
        "What was found",
        "How it was decided",
        "What the verdicts rest on",
        ">Runs</h2>",
    ]

    places = [annas_page.index(text) for text in order]
    assert places == sorted(places)


def test_above_the_plots_stand_a_few_rows_and_all_others_below(annas_page: str) -> None:
    above = annas_page[annas_page.index('id="to-do"') : annas_page.index('id="plots"')]

    assert above.count("<tr>") == 2 * (1 + FEW)
    assert f'<a href="#undelivered">… and {11 - FEW} more</a>' in above


def test_what_fits_above_the_plots_is_not_said_twice(tmp_path: Path) -> None:
    unsure = [one for one in judged_mailbox() if one.finding.verdict is Verdict.UNSURE]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        fill_with(ledger, tuple(unsure[:3]))

    page = _page(tmp_path / "ledger.db")

    assert page.count("Unsure, left where they are</h") == 1
    assert 'id="plots"' not in page


def test_it_names_every_genuine_bounce_with_a_plain_reason(annas_page: str) -> None:
    section = annas_page[annas_page.index('id="undelivered"') : annas_page.index('id="unsure"')]

    assert section.count("<tr>") == 1 + 11
    assert "carla@studio.test" in section
    assert "There is no such mailbox." in section


def test_it_is_one_small_file_that_asks_for_nothing(annas_page: str) -> None:
    assert len(annas_page.encode()) < 500_000
    assert f'content="{CONTENT_SECURITY_POLICY}"'.replace("'", "&#39;") in annas_page
    outside = re.findall(r"(?:https?:)?//[a-z][\w.-]+", annas_page.replace("http://www.w3.org/", ""))
    assert not outside


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 800, 390])
def test_a_browser_shows_it_without_overflow_scripts_requests_or_complaints(
    annas_page: str, width: int, dark: bool
) -> None:
    looked = look_at(annas_page, width=width, dark=dark)

    _is_fine(looked, width)
    measures = looked.measures
    assert measures["text"] > 2000
    assert _brightness(measures["paper"]) < 60 if dark else _brightness(measures["paper"]) > 200
    assert abs(_brightness(measures["ink"]) - _brightness(measures["paper"])) > 150


@pytest.mark.parametrize("width", [1280, 400])
def test_a_browser_shows_forty_thousand_notices_as_well_and_the_plots_early(big_page: str, width: int) -> None:
    looked = look_at(big_page, width=width)

    _is_fine(looked, width)
    assert len(big_page.encode()) < 500_000
    tops = {name: top for name, top in looked.measures["tops"] if name}
    assert tops["to-do"] < tops["plots"] < tops["undelivered"] < tops["unsure"] < tops["method"] < tops["runs"]
    assert tops["plots"] < (1400 if width > 1000 else 3000)  # pixels
    assert looked.measures["height"] < (14_000 if width > 1000 else 32_000)


def _is_fine(looked: Looked, width: int) -> None:
    assert looked.measures["width"] <= width
    assert all(0 <= left < right <= width for left, right in looked.measures["boxes"])
    assert looked.measures["scripts"] == 0
    assert {request.partition("/")[2] for request in looked.requests} <= {"frame.html", "report.html", "favicon.ico"}
    assert not [line for line in looked.complaints if "favicon" not in line]


def test_a_browser_runs_and_fetches_nothing_that_strangers_planted(hostile_page: str) -> None:
    _is_fine(look_at(hostile_page, width=1000), 1000)


def _brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.59 * green + 0.11 * blue


def test_a_verdict_that_nothing_got_is_said_to_lie_nowhere() -> None:
    frames = frames_of(0)

    page = render_html(summarize(frames, now=NOW), frames)

    assert "<b>0</b><span>genuine</span>" in page


def test_a_run_that_met_a_limit_says_so_where_it_says_what_to_do() -> None:
    frames = frames_of(60)
    refused = replace(frames, runs=frames.runs.assign(status="refused"))
    done = summarize(frames, now=NOW).to_do

    (line,) = set(summarize(refused, now=NOW).to_do) - set(done)

    assert "moved nothing, as a safety limit was met" in line
    assert "--max-moves" in line
