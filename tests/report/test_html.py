"""The HTML report: what it says, and what a real browser makes of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.report.frames import Frames, load
from cleanup.report.html import CONTENT_SECURITY_POLICY, render_html
from cleanup.report.summary import summarize
from tests.report.chromium import look_at
from tests.report.hostile_ledger import fill

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


def test_it_says_first_what_happened_then_what_to_do_then_the_rest(annas_page: str) -> None:
    order = [
        "Your address is being forged",
        "What you need to do",
        "Your own mail that did not arrive",
        "Unsure, left where they are",
        "In pictures",
        "What was found",
        "How it was decided",
    ]

    places = [annas_page.index(text) for text in order]
    assert places == sorted(places)


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

    measures = looked.measures
    assert measures["width"] <= width
    assert all(0 <= left < right <= width for left, right in measures["boxes"])
    assert measures["scripts"] == 0
    assert measures["text"] > 2000
    assert _brightness(measures["paper"]) < 60 if dark else _brightness(measures["paper"]) > 200
    assert abs(_brightness(measures["ink"]) - _brightness(measures["paper"])) > 150
    assert {request.partition("/")[2] for request in looked.requests} <= {"frame.html", "report.html", "favicon.ico"}
    assert not [line for line in looked.complaints if "favicon" not in line]


def test_a_browser_runs_and_fetches_nothing_that_strangers_planted(hostile_page: str) -> None:
    looked = look_at(hostile_page, width=1000)

    assert looked.measures["scripts"] == 0
    assert looked.measures["width"] <= 1000
    assert {request.partition("/")[2] for request in looked.requests} <= {"frame.html", "report.html", "favicon.ico"}


def _brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.59 * green + 0.11 * blue
