"""How plots look: on a light page and on a dark one, in print, and to people who see colours differently."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pandas as pd

from cleanup.model import Verdict
from cleanup.report.summary import chart_data as chart_tables
from cleanup.report.summary.chart_data import OTHERS, VERDICTS
from cleanup.report.summary.frames import Frames
from cleanup.report.text import plural

# Okabe and Ito's colours (2008), which stay apart with every colour blindness. Each has a contrast of at least 3:1 both
# on white and on #111 (tests/report/summary/test_charts.py measures that).
COLOURS: Mapping[str, str] = {
    Verdict.BACKSCATTER.value: "#d55e00",
    Verdict.UNSURE.value: "#0072b2",
    Verdict.GENUINE.value: "#009e73",
}
INK = "currentColor"  # the page's own
WIDTH = 720

_TEXT = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
CONFIG: Mapping[str, Any] = {
    "aria": False,  # the page says the plot's alt text, and has its numbers as a table
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "domainColor": INK,
        "domainOpacity": 0.4,
        "gridColor": INK,
        "gridOpacity": 0.15,
        "tickColor": INK,
        "tickOpacity": 0.4,
    },
    "legend": {**_TEXT, "orient": "top", "title": None, "symbolType": "square", "labelLimit": 240, "columnPadding": 28},
    "title": {"color": INK, "anchor": "start", "fontSize": 12, "fontWeight": "bold", "frame": "group"},
    "text": {"color": INK},
}

_NAMED = re.compile(r'(\bid="|url\(#|href="#)')
_DECORATION = re.compile(r'\s(?:class|aria-[a-z]+|role|style|pointer-events)="[^"]*"')
_LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")


def for_page(svg: str, name: str) -> str:
    """Return vl-convert's drawing as it may stand in a page: ids of its own, no styles, short, ready to be scaled."""
    svg = _DECORATION.sub("", _LONG_NUMBER.sub(r"\1", svg))
    return _NAMED.sub(rf"\g<1>{name}-", svg)


# --- Draws the tables of chart_tables -------------------------------------------------------------------------------

Drawn = Any  # an altair chart: the types of altair do not survive its own decorators

ENOUGH = 0.9  # of what was certainly sent must be in Sent
MOST_ROOM = 260  # for labels
_MARGIN = 28
_NARROW, _NARROW_NAMES = 350, 150  # on a narrow screen: the whole drawing, and the room for labels
_NUMBERS = 46  # room for the numbers beside an axis
_PLOT_WIDTH = WIDTH - _NUMBERS - _MARGIN
_BAR = 20
# Expressions of Vega's for labels: an array is drawn as lines, one below the other.
_IN_TWO_LINES = r"length(datum.label) > 24 ? split(replace(datum.label, /^(.{12,22}) /, '$1\n'), '\n') : datum.label"
_AROUND_THE_MIDDLE = {"condition": {"test": "length(datum.value) > 24", "value": "bottom"}, "value": "middle"}
_AS_IT_IS = "datum.label"
_WORD_BY_WORD = "split(replace(datum.label, /([<>]) /, '$1'), ' ')"
_LETTER = 7.3
_MOST_DAYS = 7  # on an axis
_SHARES = ("precision", "recall")


def styled(chart: Drawn) -> Drawn:
    """Return the chart in our style."""
    return chart.properties(config=dict(CONFIG))


def as_svg(chart: Drawn) -> str:
    """Return the drawing as vl-convert makes it; nothing is fetched."""
    return _svg(chart.to_dict())


def as_narrow_svg(chart: Drawn) -> str:
    """Return the same drawing for a narrow screen, where the wide one would be cut off or too small to read."""
    spec = chart.to_dict()
    _narrow(spec)
    return _svg(spec)


def _svg(spec: dict[str, Any]) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))


def _narrow(part: Any) -> None:
    """Make a specification narrow, in place: less room for labels, and plots as wide as what is left."""
    if isinstance(part, list):
        for one in part:
            _narrow(one)
    if not isinstance(part, dict):
        return
    if part.get("minExtent", 0) > _NUMBERS:
        part |= {"minExtent": _NARROW_NAMES, "maxExtent": _NARROW_NAMES, "labelLimit": _NARROW_NAMES - 14}
        part |= {"labelExpr": _IN_TWO_LINES, "labelBaseline": _AROUND_THE_MIDDLE}
        part |= {"labelLineHeight": 10, "labelFontSize": 10}
    if part.get("labelExpr") == _AS_IT_IS:
        part |= {"labelExpr": _WORD_BY_WORD, "labelFontSize": 10}
    if isinstance(part.get("tickCount"), int):
        part["tickCount"] = min(part["tickCount"], 3)
    for name, one in part.items():
        if name not in ("datasets", "data"):
            _narrow(one)
    if "width" in part:
        named = '"minExtent": ' + str(_NARROW_NAMES) in json.dumps(part.get("encoding", part.get("layer", {})))
        part["width"] = _NARROW - _MARGIN - (_NARROW_NAMES if named else _NUMBERS)


def draw_nothing(why: str) -> Drawn:
    """Return a line of text in place of a plot that has nothing to show."""
    import altair as alt

    told = alt.Chart(pd.DataFrame({"text": [f"Nothing to show: {why}."]}))
    words = told.mark_text(align="left", baseline="middle", fontSize=13, color=INK).encode(
        text="text:N", x=alt.value(0)
    )
    return words.properties(width=WIDTH, height=24)


def draw_time(table: pd.DataFrame) -> Drawn:
    """Return notices along the time."""
    import altair as alt

    axis = alt.Axis(grid=False, labelOverlap=True, labelFlush=False, **_moments(table))
    x = alt.X("begin:T", title=_dates_of_hours(table), scale=alt.Scale(type="utc"), axis=axis)
    tooltip = [alt.Tooltip("begin:T", title="from (UTC)", format="%Y-%m-%d %H:%M"), alt.Tooltip("notices:Q")]

    def panel(verdict: str, counts: pd.DataFrame, last: bool) -> Any:
        along = x if last else x.axis(labels=False, ticks=False, grid=False).title(None)
        shade = alt.Chart(_storms(table)).mark_rect(color=INK, opacity=0.13)
        bars = alt.Chart(counts).mark_bar(color=COLOURS[verdict])
        height = alt.Y("notices:Q", title=None, axis=_counting(counts["notices"]))
        over = bars.encode(along, alt.X2("end:T"), height, alt.Y2Datum(0), tooltip=tooltip)
        return alt.layer(shade.encode(along, alt.X2("end:T")), over)

    return _panels(table, ["begin", "end"], panel).resolve_scale(x="shared")


def draw_delays(table: pd.DataFrame) -> Drawn:
    """Return notices by delay."""
    import altair as alt

    def panel(verdict: str, counts: pd.DataFrame, last: bool) -> Any:
        axis = alt.Axis(labelAngle=0, labels=last, ticks=last, labelExpr=_AS_IT_IS)
        x = alt.X("delay:N", sort=list(table["delay"]), title=None, axis=axis)
        y = alt.Y("notices:Q", title=None, axis=_counting(counts["notices"]))
        scale = alt.Scale(domain=list(table["delay"]), paddingInner=0.15, paddingOuter=0.1)
        bars = alt.Chart(counts).mark_bar(color=COLOURS[verdict])
        return bars.encode(x.scale(scale), y, tooltip=["delay:N", "notices:Q"])

    return _panels(table, ["delay"], panel)


def _panels(table: pd.DataFrame, along: list[str], panel: Callable[[str, pd.DataFrame, bool], Any]) -> Drawn:
    """Return one panel a verdict that occurs, each with its own scale: three genuine ones must be seen in a flood."""
    import altair as alt

    there = [verdict for verdict in VERDICTS if table[verdict].sum()]
    drawn = []
    for verdict in there:
        counts = table[[*along, verdict]].rename(columns={verdict: "notices"})
        counts = counts[counts["notices"] > 0]
        title = f"{verdict}: {int(counts['notices'].sum()):,}"
        height = 130 if verdict == there[0] else 70
        made = panel(verdict, counts, verdict == there[-1])
        drawn.append(made.properties(width=_PLOT_WIDTH, height=height, title=title))
    return alt.vconcat(*drawn, spacing=14)


def draw_reporters(table: pd.DataFrame) -> Drawn:
    """Return bars of reporters."""
    import altair as alt

    shown, rest = _without_others(table)
    there = [verdict for verdict in VERDICTS if shown[verdict].sum()]
    long = shown.melt("name", there, "verdict", "notices")
    long["place"] = long["verdict"].map(VERDICTS.index)
    colour = alt.Color("verdict:N", scale=_colours(there))
    bars = alt.Chart(long[long["notices"] > 0]).mark_bar()
    bars = bars.encode(
        _across("notices", _longest(shown), rest), _names("name", shown["name"]), colour, order="place:Q"
    )
    return _wide(bars.encode(tooltip=["name:N", "verdict:N", "notices:Q"]), shown["name"])


def draw_forged_to(table: pd.DataFrame) -> Drawn:
    """Return bars of domains."""
    import altair as alt

    counted = Verdict.BACKSCATTER.value
    shown, rest = _without_others(table)
    bars = alt.Chart(shown).mark_bar(color=COLOURS[counted])
    bars = bars.encode(
        _across(counted, _longest(shown), rest), _names("name", shown["name"]), tooltip=["name:N", f"{counted}:Q"]
    )
    return _wide(bars, shown["name"])


def draw_rules(table: pd.DataFrame) -> Drawn:
    """Return bars of rules."""
    import altair as alt

    there = [verdict for verdict in VERDICTS if (table["points_to"] == verdict).any()]
    colour = alt.Color("points_to:N", scale=_colours(there))
    most = _longest(table[["rule", "notices"]])
    across = _across("notices", most).scale(domain=[0, most * 1.12])  # room for the number at the longest bar
    across = across.axis(None)  # each bar has its number
    base = alt.Chart(table).encode(across, _names("rule", table["rule"]))
    bars = base.mark_bar().encode(colour, tooltip=["rule:N", "name:N", "strength:N", "points_to:N", "notices:Q"])
    numbers = base.mark_text(align="left", dx=4, color=INK).encode(text=alt.Text("notices:Q", format=",d"))
    return _wide(alt.layer(bars, numbers), table["rule"])


def draw_completeness(table: pd.DataFrame) -> Drawn:
    """Return a span from the lower bound to what was measured, for each mailbox."""
    import altair as alt

    least = min(0.5, float(table["at_least"].min())) if len(table) else 0.5

    def x(field: str) -> Any:
        axis = alt.Axis(format=".0%", tickCount=6)
        return alt.X(f"{field}:Q", title=None, scale=alt.Scale(domain=[least, 1]), axis=axis)

    base = alt.Chart(table).encode(_names("mailbox", table["mailbox"]))
    span = base.mark_rule(color=INK, strokeWidth=2).encode(x("at_least"), alt.X2("share:Q"))
    point = base.mark_point(filled=True, size=90, color=COLOURS[Verdict.GENUINE.value], opacity=1)
    shown = ["mailbox:N", "found:Q", "samples:Q", alt.Tooltip("at_least:Q", format=".1%")]
    enough = alt.Chart(pd.DataFrame({"at_least": [ENOUGH]})).mark_rule(color=INK, strokeDash=[4, 4], opacity=0.6)
    layers = alt.layer(enough.encode(x("at_least")), span, point.encode(x("share"), tooltip=shown))
    return _wide(layers, table["mailbox"])


def draw_trend(table: pd.DataFrame) -> Drawn:
    """Return the share run by run, over a band down to its lower bound; each line ends in the mailbox's name."""
    import altair as alt

    colour, room = COLOURS[Verdict.GENUINE.value], _room_for(table["mailbox"])
    axis = alt.Axis(grid=False, labelOverlap=True, **_days(table["started"].min(), table["started"].max()))
    x = alt.X("started:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
    low = max(0.0, min(0.8, float(table["at_least"].min()) - 0.02)) if len(table) else 0.8
    y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[low, 1]), axis=alt.Axis(format=".0%"))
    base = alt.Chart(table).encode(x, detail="mailbox:N")
    band = base.mark_area(color=colour, opacity=0.25).encode(y, alt.Y2("at_least:Q"))
    shown = ["mailbox:N", alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("at_least:Q", format=".1%")]
    line = base.mark_line(color=colour, point={"color": colour}).encode(y, tooltip=shown)
    last = alt.Chart(table.drop_duplicates("mailbox", keep="last"))
    names = last.mark_text(align="left", dx=8, color=INK).encode(x, y, text="mailbox:N")
    enough = alt.Chart(pd.DataFrame({"share": [ENOUGH]})).mark_rule(color=INK, strokeDash=[4, 4], opacity=0.6)
    padding = {"left": 5, "top": 5, "right": _MARGIN, "bottom": 5}  # the page's typeface may be wider
    layers = alt.layer(band, line, enough.encode(y), names)
    return layers.properties(width=_PLOT_WIDTH - room, height=160, padding=padding)


def draw_witnesses(table: pd.DataFrame) -> Drawn:
    """Return precision and recall by how many families must speak against a notice, over how many would be filed."""
    import altair as alt

    x = alt.X("families:O", title="families of evidence that must speak against it", axis=alt.Axis(labelAngle=0))
    shares = table.melt("families", ["precision", "recall"], "share of", "share").dropna()
    colours = [COLOURS[Verdict.GENUINE.value], COLOURS[Verdict.BACKSCATTER.value]]
    colour = alt.Color("share of:N", scale=alt.Scale(domain=["precision", "recall"], range=colours))
    y = alt.Y("share:Q", title=None, axis=alt.Axis(format=".0%", tickCount=5), scale=alt.Scale(domain=[0, 1]))
    shown = ["families:O", "share of:N", alt.Tooltip("share:Q", format=".1%")]
    lines = alt.Chart(shares).mark_line(point=True).encode(x, y, colour, tooltip=shown)
    counts = alt.Y("filed:Q", title=None, axis=alt.Axis(format=",d", tickCount=3))
    bars = alt.Chart(table).mark_bar(color=COLOURS[Verdict.UNSURE.value], size=40).encode(x, counts)
    upper = lines.properties(width=_PLOT_WIDTH, height=150, title="of what people labelled")
    lower = bars.encode(tooltip=["families:O", "filed:Q", "wrongly_filed:Q"])
    return alt.vconcat(upper, lower.properties(width=_PLOT_WIDTH, height=90, title="notices that would be filed"))


def draw_ablation(table: pd.DataFrame) -> Drawn:
    """Return how many notices would be filed without each family and each rule."""
    import altair as alt

    ordered = table.sort_values("filed", kind="stable")
    bars = alt.Chart(ordered).mark_bar(color=COLOURS[Verdict.UNSURE.value])
    bars = bars.encode(
        _across("filed", _longest(ordered[["left_out", "filed"]]), "notices that would be filed"),
        _names("left_out", ordered["left_out"]),
    )
    shown = ["left_out:N", "filed:Q", "wrongly_filed:Q", *(alt.Tooltip(f"{n}:Q", format=".1%") for n in _SHARES)]
    return _wide(bars.encode(tooltip=shown), ordered["left_out"])


# --- pieces of drawings --------------------------------------------------------------------------------------------


def _by_hour(table: pd.DataFrame) -> bool:
    return len(table) > 0 and table["end"].iloc[0] - table["begin"].iloc[0] < pd.Timedelta(days=1)


def _moments(table: pd.DataFrame) -> dict[str, Any]:
    """Return where an axis of hours or days has ticks, and how they are written."""
    if _by_hour(table):
        return {"tickCount": 5, "format": "%a %H:%M"}
    return _days(table["begin"].min(), table["end"].max())


def _dates_of_hours(table: pd.DataFrame) -> str | None:
    """Return which days the hours of an axis are of; None where it is one of days."""
    if not _by_hour(table):
        return None
    first, last = f"{table['begin'].min():%Y-%m-%d}", f"{table['end'].max():%Y-%m-%d}"
    return f"{first}, UTC" if first == last else f"{first} to {last}, UTC"


def _days(begin: pd.Timestamp, end: pd.Timestamp) -> dict[str, Any]:
    """Return ticks of which each is another day: Vega itself would write one day eight times."""
    few = end - begin <= pd.Timedelta(days=_MOST_DAYS)
    return {"tickCount": {"interval": "day", "step": 1} if few else _MOST_DAYS, "format": "%b %-d"}


def _counting(counts: pd.Series) -> Any:
    """Return an upright axis of whole numbers."""
    import altair as alt

    return alt.Axis(format=",d", minExtent=_NUMBERS, maxExtent=_NUMBERS, **_whole(int(counts.max()), ticks=3))


def _across(field: str, most: int, title: str | None = None) -> Any:
    """Return a level axis of whole numbers."""
    import altair as alt

    return alt.X(f"{field}:Q", title=title, axis=alt.Axis(format=",d", **_whole(most, ticks=6)))


def _whole(most: int, *, ticks: int) -> dict[str, Any]:
    """Return where an axis has ticks. Few numbers stand all there: Vega itself would write 0, 1, 1 for 0, 0.5, 1."""
    few = {"values": list(range(most + 1)), "labelOverlap": False}
    return few if most <= ticks else {"tickCount": ticks}


def _names(field: str, names: pd.Series) -> Any:
    import altair as alt

    room = _room_for(names)
    axis = alt.Axis(
        domain=False, ticks=False, grid=False, minExtent=room, maxExtent=room, labelLimit=room - 8, labelPadding=5
    )
    return alt.Y(f"{field}:N", sort=list(names.unique()), title=None, axis=axis)


def _room_for(names: pd.Series) -> int:
    """Return how wide the longest label is, in a wide typeface: the page's own is not known here."""
    return int(min(MOST_ROOM, max((len(name) for name in names), default=0) * _LETTER + 12))


def _longest(table: pd.DataFrame) -> int:
    """Return the length of the longest bar, its parts together."""
    bars = table.groupby(table.columns[0]).sum(numeric_only=True).sum(axis=1)
    return int(bars.max()) if len(bars) else 0


def _without_others(table: pd.DataFrame) -> tuple[pd.DataFrame, str | None]:
    """Return the rows that are drawn, and what sums up the others: their bar would dwarf all."""
    summed = table["name"].str.startswith(OTHERS)
    rest = table[summed]
    said = f"{rest['name'].iloc[0]}: {int(rest.iloc[0, 1:].sum()):,}" if len(rest) else None
    return table[~summed], said


def _colours(verdicts: Sequence[str]) -> Any:
    import altair as alt

    return alt.Scale(domain=list(verdicts), range=[COLOURS[verdict] for verdict in verdicts])


def _wide(chart: Drawn, names: pd.Series) -> Drawn:
    """Return the chart as wide as all others, labels and axis counted in."""
    width = WIDTH - _room_for(names) - _MARGIN
    return chart.properties(width=width, height=max(names.nunique(), 1) * _BAR + 6)


def _storms(table: pd.DataFrame) -> pd.DataFrame:
    """Return begin and end of what is shaded: neighbouring bins as one."""
    stormy = table.loc[table["storm"].astype(bool), ["begin", "end"]]
    which = (stormy["begin"] != stormy["end"].shift()).cumsum()
    return stormy.groupby(which).agg({"begin": "min", "end": "max"}) if len(stormy) else stormy


# --- Plots of the frames, by altair and vl-convert (extra `charts`) -------------------------------------------------

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
    for closer in ("storm", "busiest"):
        if _is_shown(tables.get(closer), tables.get("by-time")):
            del tables[closer]
    for plot in PLOTS:
        table = tables.get(plot.name)
        if table is not None and len(table):
            made = styled(plot.draw(table))
            wide = for_page(as_svg(made), plot.name)
            narrow = for_page(as_narrow_svg(made), f"{plot.name}-narrow")
            headed = table.rename(columns=lambda name: _HEADINGS.get(name, str(name).capitalize()))
            drawn.append(Chart(plot.name, plot.title, plot.says(table), wide, narrow, headed))
    return tuple(drawn)


def _is_shown(storm: pd.DataFrame | None, by_time: pd.DataFrame | None) -> bool:
    """Return whether the plot along the time shows the storm as finely as a plot of its own would."""
    if storm is None or by_time is None or storm.empty:
        return False
    return bool((by_time["end"] - by_time["begin"]).iloc[0] <= (storm["end"] - storm["begin"]).iloc[0])


# --- the charts themselves, for notebooks --------------------------------------------------------------------------


def by_time(frames: Frames) -> Drawn:
    """Return notices by minute, hour, day or week, as long as the time is; one panel a verdict, storms shaded."""
    return _drawn(chart_tables.by_time(frames), draw_time, "no notice came in this time")


def storm(frames: Frames) -> Drawn:
    """Return the largest storm by hour (one of an hour by minute), one panel a verdict; without one the busiest day."""
    largest = chart_tables.storm(frames)
    return _drawn(chart_tables.busiest_day(frames) if largest.empty else largest, draw_time, "there was no storm")


def delays(frames: Frames) -> Drawn:
    """Return how long after its original each notice came, one panel a verdict."""
    return _drawn(chart_tables.delays(frames), draw_delays, "no notice says when its original was sent")


def reporters(frames: Frames) -> Drawn:
    """Return the organisations whose servers report most, by verdict."""
    return _drawn(chart_tables.reporters(frames), draw_reporters, "no notice names its server")


def forged_to(frames: Frames) -> Drawn:
    """Return the domains that most of the forged mail was sent to."""
    return _drawn(chart_tables.forged_to(frames), draw_forged_to, "nothing forged is known")


def rules(frames: Frames) -> Drawn:
    """Return how often each rule spoke, and for what."""
    return _drawn(chart_tables.rules(frames), draw_rules, "no rule spoke")


def sent_completeness(frames: Frames) -> Drawn:
    """Return how complete Sent is, mailbox by mailbox, with the lower bound."""
    return _drawn(chart_tables.sent_completeness(frames), draw_completeness, "nothing measures how complete Sent is")


def sent_trend(frames: Frames) -> Drawn:
    """Return how complete Sent was, run by run, with the lower bound; one day is shown as the points that it has."""
    table = chart_tables.sent_trend(frames, over=pd.Timedelta(0))
    return _drawn(table, draw_trend, "nothing measures how complete Sent is")


def witnesses(curve: pd.DataFrame) -> Drawn:
    """Return the curve that what_if.threshold_curve() counted."""
    return _drawn(curve, draw_witnesses, "nothing speaks against any notice")


def ablation(table: pd.DataFrame) -> Drawn:
    """Return what what_if.ablation() counted, what matters most first."""
    return _drawn(table, draw_ablation, "no rule spoke")


def _drawn(table: pd.DataFrame, draw: Callable[[pd.DataFrame], Drawn], otherwise: str) -> Drawn:
    """Return the table's drawing; where there is nothing to draw, a line that says so."""
    return styled(draw(table) if len(table) else draw_nothing(otherwise))


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
    _Plot("by-time", "When notices came", chart_tables.by_time, draw_time, _time_in_words),
    _Plot("storm", "The largest storm", chart_tables.storm, draw_time, _time_in_words),
    _Plot("busiest", "The busiest day", chart_tables.busiest_day, draw_time, _time_in_words),
    _Plot("reporters", "Whose servers report", chart_tables.reporters, draw_reporters, _bars_in_words),
    _Plot("forged-to", "Where the forged mail went", chart_tables.forged_to, draw_forged_to, _bars_in_words),
    _Plot("rules", "What speaks, and for what", chart_tables.rules, draw_rules, _bars_in_words),
    _Plot(
        "sent",
        "How complete Sent is",
        chart_tables.sent_completeness,
        draw_completeness,
        _completeness_in_words,
        of_notices=False,
    ),
    _Plot(
        "sent-trend",
        "How complete Sent was",
        chart_tables.sent_trend,
        draw_trend,
        _trend_in_words,
        of_notices=False,
    ),
    _Plot("delays", "How long after the original", chart_tables.delays, draw_delays, _bars_in_words),
)
