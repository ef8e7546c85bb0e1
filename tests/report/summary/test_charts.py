"""The plots: for any number of notices, on any page, for every eye."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pandas as pd
import pytest

from cleanup.report.summary import chart_data as chart_tables
from cleanup.report.summary import charts
from cleanup.report.summary import charts as chart_drawing
from cleanup.report.summary.charts import COLOURS, Chart
from cleanup.report.summary.frames import Frames
from tests.report.summary.some_frames import frames_of

altair = pytest.importorskip("altair")
SIZES = (0, 1, 40, 40_000)
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e]]>&\"'=cmd|' /C calc'!A0.example"


@pytest.fixture(scope="module", params=SIZES)
def drawn(request: pytest.FixtureRequest) -> tuple[Chart, ...]:
    return charts.charts(frames_of(request.param))


def test_every_plot_is_well_formed_and_small_however_many_notices(drawn: tuple[Chart, ...]) -> None:
    for chart in drawn:
        ElementTree.fromstring(chart.svg)
    assert sum(len(chart.svg) for chart in drawn) < 200_000


def test_a_plot_brings_nothing_but_its_drawing(drawn: tuple[Chart, ...]) -> None:
    for chart in drawn:
        assert not re.search(r"<(script|style|image|foreignObject|a)\b|\bon\w+=|style=|@import|data:", chart.svg)
        assert set(re.findall(r'https?://[^"]+', chart.svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        assert not re.search(r'fill="(#fff|#ffffff|white|black|#000)"', chart.svg)
        assert all('fill="currentColor"' in text for text in re.findall(r"<text [^>]*>", chart.svg))


def test_every_plot_has_its_numbers_and_says_what_it_shows(drawn: tuple[Chart, ...]) -> None:
    for chart in drawn:
        assert len(chart.table) > 0
        assert len(chart.alt) > 20


def test_nothing_to_show_makes_no_plot() -> None:
    assert charts.charts(frames_of(0)) == ()


def test_a_handful_of_notices_is_left_to_the_tables() -> None:
    assert {chart.name for chart in charts.charts(frames_of(charts.FEWEST - 1))} <= {"sent", "sent-trend"}
    assert "by-time" in {chart.name for chart in charts.charts(frames_of(charts.FEWEST))}


def test_axes_of_small_numbers_name_each_number_once() -> None:
    for chart in charts.charts(frames_of(charts.FEWEST)):
        for axis in re.findall(r'<g class="[^"]*axis[^"]*".*?</g>', chart.svg):
            labels = re.findall(r">([\d,]+)</text>", axis)
            assert len(labels) == len(set(labels))


def test_inlined_plots_share_no_id() -> None:
    ids = [name for chart in charts.charts(frames_of(40)) for name in re.findall(r'\bid="([^"]+)"', chart.svg)]

    assert len(ids) == len(set(ids))


def test_the_trend_of_a_thousand_mailboxes_over_years_stays_small() -> None:
    nights, mailboxes = 800, 30
    started = pd.date_range("2024-01-01", periods=nights, freq="D", tz="UTC")
    numbers = range(1, nights * mailboxes + 1)
    names = [f"u{n % mailboxes}@example.org" for n in numbers]
    runs = pd.DataFrame({"run_id": numbers, "started": started.repeat(mailboxes)})
    bound = [0.5 + 0.01 * (n % mailboxes) for n in numbers]
    coverage = pd.DataFrame({"run_id": numbers, "mailbox": names, "found": 9, "samples": 10, "at_least": bound})

    table = chart_tables.sent_trend(replace(frames_of(0), runs=runs, sent_coverage=coverage))

    assert set(table["mailbox"]) == {f"u{n}@example.org" for n in range(chart_tables.MOST_LINES)}
    assert len(table) <= chart_tables.MOST_LINES * (chart_tables.MOST_POINTS + 1)
    assert table["started"].max() == started[-1]


def test_strangers_texts_come_out_harmless() -> None:
    frames = frames_of(40)
    hostile = frames.bounces.assign(reporting_mta=HOSTILE, recipient_domain=HOSTILE, mailbox=HOSTILE)
    coverage = frames.sent_coverage.assign(mailbox=HOSTILE)

    for chart in charts.charts(replace(frames, bounces=hostile, sent_coverage=coverage)):
        ElementTree.fromstring(chart.svg)
        assert "<script" not in chart.svg
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", chart.svg)


def test_plots_count_every_notice_once() -> None:
    frames = frames_of(40_000)

    for table in (chart_tables.by_time(frames), chart_tables.reporters(frames)):
        assert table[list(chart_tables.VERDICTS)].to_numpy().sum() == 40_000


@pytest.mark.parametrize(("begins", "days"), [("08:00", "2026-10-14, UTC"), ("22:00", "2026-10-14 to 2026-10-15, UTC")])
def test_the_days_of_a_storm_are_said_once(begins: str, days: str) -> None:
    begin = pd.date_range(f"2026-10-14 {begins}", periods=4, freq="h", tz="UTC")
    counts = {"backscatter": 9, "unsure": 0, "genuine": 0, "storm": True}
    table = pd.DataFrame({"begin": begin, "end": begin + pd.Timedelta(hours=1), **counts})

    assert f">{days}<" in chart_drawing.as_svg(chart_drawing.draw_time(table))


def test_genuine_ones_have_a_panel_of_their_own_in_a_flood() -> None:
    frames = frames_of(40_000)
    rare = frames.bounces["verdict"].where(frames.bounces["finding_id"] < 10, "backscatter").astype("category")

    by_time = charts.charts(replace(frames, bounces=frames.bounces.assign(verdict=rare)))[0]

    assert "backscatter: 39,99" in by_time.svg
    assert 'fill="#009e73"' in by_time.svg


def test_colours_have_contrast_on_white_and_on_dark() -> None:
    for colour in COLOURS.values():
        for page in ("#ffffff", "#111111"):
            assert _contrast(colour, page) >= 3


@pytest.mark.parametrize("eye", ["deuteranopia", "protanopia", "tritanopia"])
def test_colours_stay_apart_for_every_eye(eye: str) -> None:
    seen = {name: _seen_by(eye, colour) for name, colour in COLOURS.items()}

    for (_, one), (_, other) in combinations(seen.items(), 2):
        assert sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5 > 0.1


def test_notebooks_get_the_charts_themselves() -> None:
    frames = frames_of(40)

    for make in (
        charts.by_time,
        charts.delays,
        charts.reporters,
        charts.forged_to,
        charts.rules,
        charts.sent_completeness,
    ):
        assert make(frames).to_dict()["config"]["background"] == "transparent"


@pytest.mark.parametrize("size", [0, 1])
def test_tables_of_next_to_nothing_keep_their_columns(size: int) -> None:
    for name in (
        "by_time",
        "storm",
        "busiest_day",
        "reporters",
        "forged_to",
        "rules",
        "sent_completeness",
        "sent_trend",
        "delays",
    ):
        assert isinstance(getattr(chart_tables, name)(frames_of(size)), pd.DataFrame)


# --- how colours are seen ------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
_EYES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def _linear(colour: str) -> tuple[float, ...]:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return tuple(s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2, 1.4.3."""
    light = [
        sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), _linear(colour), strict=True)) for colour in (one, other)
    ]
    return (max(light) + 0.05) / (min(light) + 0.05)


def _seen_by(eye: str, colour: str) -> tuple[float, ...]:
    return tuple(sum(w * c for w, c in zip(row, _linear(colour), strict=True)) for row in _EYES[eye])


# --- a storm of a day, and of an hour ------------------------------------------------------------------------------


def _storm_of(minutes: int) -> Frames:
    """Return frames whose notices all came within this time."""
    frames = frames_of(3_000)
    begin, count = pd.Timestamp("2026-10-14T03:00Z"), len(frames.bounces)
    arrived = pd.Series(pd.date_range(begin, periods=count, freq=pd.Timedelta(minutes=minutes) / count)).dt.as_unit(
        "us"
    )
    return replace(frames, bounces=frames.bounces.assign(arrived=arrived))


@pytest.mark.parametrize(("minutes", "step", "bars"), [(50, "1min", 50), (20 * 60, "1h", 20), (30 * 24 * 60, "1D", 30)])
def test_what_came_in_a_day_is_shown_by_the_hour_and_what_came_in_an_hour_by_the_minute(
    minutes: int, step: str, bars: int
) -> None:
    table = chart_tables.by_time(_storm_of(minutes))

    assert (table["end"] - table["begin"]).unique().tolist() == [pd.Timedelta(step)]
    assert bars <= len(table) <= bars + 1
    assert table[list(chart_tables.VERDICTS)].to_numpy().sum() == 3_000


def test_a_storm_that_is_the_whole_picture_is_not_drawn_twice() -> None:
    frames = _storm_of(20 * 60)
    stormy = frames.reasons.assign(rule="storm")

    names = [chart.name for chart in charts.charts(replace(frames, reasons=stormy))]

    assert "by-time" in names
    assert "storm" not in names


def test_a_busy_day_among_the_days_of_a_month_is_shown_by_the_hour_where_no_rule_called_it_a_storm() -> None:
    frames = _storm_of(20 * 60)
    days_before = frames.bounces["arrived"].min() - pd.to_timedelta(range(1, 11), unit="D")
    first = frames.bounces.head(10).assign(finding_id=range(10_001, 10_011), digest=[f"{n}" for n in range(10)])
    rows = pd.concat([frames.bounces, first.assign(arrived=days_before)], ignore_index=True)
    calm = replace(frames, bounces=rows, reasons=frames.reasons[frames.reasons["rule"] != "storm"])

    busiest = chart_tables.busiest_day(calm)

    assert len(busiest) > 10
    assert ((busiest["end"] - busiest["begin"]) == pd.Timedelta(hours=1)).all()
    assert "busiest" in [chart.name for chart in charts.charts(calm)]
    assert "there was no storm" not in charts.storm(calm).to_json()  # a notebook on a storm shows it, too
    assert chart_tables.busiest_day(replace(calm, reasons=frames.reasons.assign(rule="storm"))).empty
