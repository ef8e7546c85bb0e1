"""Plots of the frames, by altair and vl-convert (extra `charts`): inline SVG for pages, altair charts for notebooks.

chart_tables.py holds the numbers. A plot is made of its table alone, so that 40,000 notices make no larger a drawing
than 40 do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import pandas as pd

from cleanup.report import chart_drawing, chart_tables
from cleanup.report.chart_drawing import ENOUGH, Drawn
from cleanup.report.chart_style import for_page
from cleanup.report.chart_tables import VERDICTS
from cleanup.report.frames import Frames
from cleanup.report.words import plural

FEWEST = 5  # notices that are worth a plot


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot. `table` holds the plotted numbers, for those who cannot see it; `alt` says what it shows."""

    name: str
    title: str
    alt: str
    svg: str
    narrow: str  # the same for a narrow screen
    table: pd.DataFrame


def charts_available() -> bool:
    """Return whether the packages that draw are installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def charts(frames: Frames) -> tuple[Chart, ...]:
    """Return the plots that have something to show, as SVG without script, style, background or outside request.

    A handful of notices is told by the tables: they get no plots.
    """
    drawn = []
    enough = len(frames.notices) >= FEWEST
    tables = {plot.name: plot.numbers(frames) for plot in PLOTS if enough or not plot.of_notices}
    if _is_shown(tables.get("storm"), tables.get("by-time")):
        del tables["storm"]
    for plot in PLOTS:
        table = tables.get(plot.name)
        if table is not None and len(table):
            made = chart_drawing.styled(plot.draw(table))
            wide = for_page(chart_drawing.as_svg(made), plot.name)
            narrow = for_page(chart_drawing.as_narrow_svg(made), f"{plot.name}-narrow")
            drawn.append(Chart(plot.name, plot.title, plot.says(table), wide, narrow, _for_people(table)))
    return tuple(drawn)


def _is_shown(storm: pd.DataFrame | None, by_time: pd.DataFrame | None) -> bool:
    """Return whether the plot along the time shows the storm just as fine as a plot of its own would."""
    if storm is None or by_time is None or storm.empty:
        return False
    return bool((by_time["end"] - by_time["begin"]).iloc[0] <= (storm["end"] - storm["begin"]).iloc[0])


# --- the charts themselves, for notebooks --------------------------------------------------------------------------


def by_time(frames: Frames) -> Drawn:
    """Return notices by minute, hour, day or week, as long as the time is; one panel a verdict, storms shaded."""
    return _drawn(chart_tables.by_time(frames), chart_drawing.draw_time, "no notice came in this time")


def storm(frames: Frames) -> Drawn:
    """Return the largest storm by hour (one of an hour by minute), one panel a verdict."""
    return _drawn(chart_tables.storm(frames), chart_drawing.draw_time, "there was no storm")


def delays(frames: Frames) -> Drawn:
    """Return how long after its original each notice came, one panel a verdict."""
    return _drawn(chart_tables.delays(frames), chart_drawing.draw_delays, "no notice says when its original was sent")


def reporters(frames: Frames) -> Drawn:
    """Return the organisations whose servers report most, by verdict."""
    return _drawn(chart_tables.reporters(frames), chart_drawing.draw_reporters, "no notice names its server")


def forged_to(frames: Frames) -> Drawn:
    """Return the domains that most of the forged mail was sent to."""
    return _drawn(chart_tables.forged_to(frames), chart_drawing.draw_forged_to, "nothing forged is known")


def rules(frames: Frames) -> Drawn:
    """Return how often each rule spoke, and for what."""
    return _drawn(chart_tables.rules(frames), chart_drawing.draw_rules, "no rule spoke")


def sent_completeness(frames: Frames) -> Drawn:
    """Return how complete Sent is, mailbox by mailbox, with the lower bound."""
    return _drawn(
        chart_tables.sent_completeness(frames), chart_drawing.draw_completeness, "nothing measures how complete Sent is"
    )


def sent_trend(frames: Frames) -> Drawn:
    """Return how complete Sent was, run by run, with the lower bound; one day is shown as the points that it has."""
    table = chart_tables.sent_trend(frames, over=pd.Timedelta(0))
    return _drawn(table, chart_drawing.draw_trend, "nothing measures how complete Sent is")


def witnesses(curve: pd.DataFrame) -> Drawn:
    """Return the curve that what_if.threshold_curve() counted."""
    return _drawn(curve, chart_drawing.draw_witnesses, "nothing speaks against any notice")


def ablation(table: pd.DataFrame) -> Drawn:
    """Return what what_if.ablation() counted, what matters most first."""
    return _drawn(table, chart_drawing.draw_ablation, "no rule spoke")


def _drawn(table: pd.DataFrame, draw: Callable[[pd.DataFrame], Drawn], otherwise: str) -> Drawn:
    """Return the table's drawing; where there is nothing to draw, a line that says so."""
    return chart_drawing.styled(draw(table) if len(table) else chart_drawing.draw_nothing(otherwise))


# --- in words ------------------------------------------------------------------------------------------------------


def _time_in_words(table: pd.DataFrame) -> str:
    total = int(table[list(VERDICTS)].to_numpy().sum())
    split = ", ".join(f"{int(table[v].sum()):,} {v}" for v in VERDICTS if table[v].sum())
    most = table.iloc[int(table[list(VERDICTS)].sum(axis=1).to_numpy().argmax())]
    at_most = int(most[list(VERDICTS)].sum())
    stormy = " Shaded: a storm of forged bounces." if table["storm"].any() else ""
    span = f"from {_moment(table['begin'].min())} to {_moment(table['end'].max())} UTC"
    return (
        f"{plural(total, 'notice')} {span}: {split}. Most came from {_moment(most['begin'])} on: {at_most:,}.{stormy}"
    )


def _moment(time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d}" if time == time.normalize() else f"{time:%Y-%m-%d %H:%M}"


def _bars_in_words(table: pd.DataFrame) -> str:
    numbers = table.select_dtypes("number").sum(axis=1)
    rows = [f"{name}: {int(count):,}" for name, count in zip(table.iloc[:, 0], numbers, strict=True) if count]
    more = f"; and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"Bars. {'; '.join(rows[:5])}{more}."


def _completeness_in_words(table: pd.DataFrame) -> str:
    rows = [f"{r.mailbox}: {r.found} of {r.samples}, at least {r.at_least:.0%}" for r in table.head(5).itertuples()]
    return f"How much of what was certainly sent is in Sent; below {ENOUGH:.0%} Sent does not vouch. {'; '.join(rows)}."


def _trend_in_words(table: pd.DataFrame) -> str:
    last = table.drop_duplicates("mailbox", keep="last").head(5)
    rows = [f"{r.mailbox} lately {r.share:.0%}, at least {r.at_least:.0%}" for r in last.itertuples()]
    return f"How complete Sent was, run by run; the band reaches down to the lower bound. {'; '.join(rows)}."


_HEADINGS = {
    "begin": "From",
    "end": "To",
    "storm": "In a storm",
    "name": "Name",
    "rule": "Rule",
    "points_to": "Points to",
    "delay": "After",
    "at_least": "At least",
}


def _for_people(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with headings instead of names."""
    return table.rename(columns=lambda name: _HEADINGS.get(name, str(name).capitalize()))


@dataclass(frozen=True, slots=True)
class _Plot:
    """One plot of the report: where its numbers come from, how they are drawn, and how they are told."""

    name: str
    title: str
    numbers: Callable[[Frames], pd.DataFrame]
    draw: Callable[[pd.DataFrame], Drawn]
    says: Callable[[pd.DataFrame], str]
    of_notices: bool = True


PLOTS: tuple[_Plot, ...] = (
    _Plot("by-time", "When notices came", chart_tables.by_time, chart_drawing.draw_time, _time_in_words),
    _Plot("storm", "The largest storm", chart_tables.storm, chart_drawing.draw_time, _time_in_words),
    _Plot("reporters", "Whose servers report", chart_tables.reporters, chart_drawing.draw_reporters, _bars_in_words),
    _Plot(
        "forged-to", "Where the forged mail went", chart_tables.forged_to, chart_drawing.draw_forged_to, _bars_in_words
    ),
    _Plot("rules", "What speaks, and for what", chart_tables.rules, chart_drawing.draw_rules, _bars_in_words),
    _Plot(
        "sent",
        "How complete Sent is",
        chart_tables.sent_completeness,
        chart_drawing.draw_completeness,
        _completeness_in_words,
        of_notices=False,
    ),
    _Plot(
        "sent-trend",
        "How complete Sent was",
        chart_tables.sent_trend,
        chart_drawing.draw_trend,
        _trend_in_words,
        of_notices=False,
    ),
    _Plot("delays", "How long after the original", chart_tables.delays, chart_drawing.draw_delays, _bars_in_words),
)
