"""The numbers behind the plots: small tables made of frames, however many notices there are.

Strangers' texts have passed safe_text here already. Every table says nothing by being empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf

import pandas as pd

from cleanup.detector.networks import organisation
from cleanup.model import Verdict
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.tables import spoken
from cleanup.report.text import rule_in_words, safe_text

VERDICTS = (Verdict.BACKSCATTER.value, Verdict.UNSURE.value, Verdict.GENUINE.value)  # the order of the plots
MOST_BARS = 12
MOST_LINES, MOST_POINTS = 5, 60  # each line
LABEL_LENGTH = 34
STEPS = ((pd.Timedelta(hours=4), "min"), (pd.Timedelta(days=4), "h"), (pd.Timedelta(days=200), "D"))  # up to, by
STORM_BEFORE, STORM_AFTER = pd.Timedelta(hours=6), pd.Timedelta(hours=12)
SHORT_STORM, SHORT_BEFORE, SHORT_AFTER = pd.Timedelta(hours=2), pd.Timedelta(minutes=30), pd.Timedelta(hours=1)
STORM_MOST = pd.Timedelta(days=4)
BUSY = 20  # notices that make a day busy
A_DAY = pd.Timedelta(days=1)
OTHERS = "all others"

# Up to how many seconds, and what that is called.
DELAYS: tuple[tuple[float, str], ...] = (
    (-60, "before it"),  # the forger wrote a wrong Date, or clocks differ
    (60, "< 1 min"),
    (300, "1–5 min"),
    (3_600, "5–60 min"),
    (6 * 3_600, "1–6 h"),
    (24 * 3_600, "6–24 h"),
    (5 * 24 * 3_600, "1–5 days"),
    (inf, "> 5 days"),
)


# --- time ----------------------------------------------------------------------------------------------------------


def by_time(frames: Frames) -> pd.DataFrame:
    """Return notices along the time: begin, end, storm, and one count a verdict.

    By the minute where all came within hours, by the hour within days, by the day within months, else by the week.
    """
    notices = frames.notices
    if notices.empty:
        return _no_bins()
    span = notices["arrived"].max() - notices["arrived"].min()
    step = next((step for most, step in STEPS if span <= most), "7D")
    return _bins(notices, step, storm_hours(frames))


def storm(frames: Frames) -> pd.DataFrame:
    """Return the notices of the largest storm and of the time around it; nothing where there was none.

    By the hour; a storm of an hour or two by the minute, as it would be one bar.
    """
    hours = storm_hours(frames)
    if hours.empty:
        return _no_bins()
    notices = frames.notices
    begin, end = _largest_storm(notices, hours)
    short = end - begin <= SHORT_STORM
    before, after = (SHORT_BEFORE, SHORT_AFTER) if short else (STORM_BEFORE, STORM_AFTER)
    window = notices["arrived"].between(begin - before, end + after, inclusive="left")
    return _bins(notices[window], "min" if short else "h", hours)


def busiest_day(frames: Frames) -> pd.DataFrame:
    """Return, by the hour, the 24 hours that saw most notices, where no rule called anything a storm.

    Only where they hold more than half of all: among the days of a month they would be one bar.
    """
    arrived = frames.notices["arrived"].sort_values()
    if len(arrived) < BUSY or len(storm_hours(frames)):
        return _no_bins()
    within = arrived.searchsorted(arrived + A_DAY) - range(len(arrived))  # how many come in the day after each one
    begin = arrived.iloc[int(within.argmax())]
    if within.max() * 2 <= len(arrived):
        return _no_bins()
    window = frames.notices["arrived"].between(begin.floor("h"), begin + A_DAY, inclusive="left")
    return _bins(frames.notices[window], "h", pd.DatetimeIndex([], tz="UTC"))


def storm_hours(frames: Frames) -> pd.DatetimeIndex:
    """Return the hours that the rule `storm` spoke of, in order."""
    stormy = frames.reasons.loc[frames.reasons["rule"] == "storm", "finding_id"]
    latest = frames.bounces[frames.bounces["latest"]]
    return pd.DatetimeIndex(
        latest.loc[latest["finding_id"].isin(stormy), "arrived"].dt.floor("h").unique()
    ).sort_values()


def _largest_storm(notices: pd.DataFrame, hours: pd.DatetimeIndex) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return begin and end of the run of storm hours, with gaps of up to six hours, that saw the most notices."""
    which = (hours.to_series().diff() > STORM_BEFORE).cumsum()
    per_hour = notices["arrived"].dt.floor("h").value_counts().reindex(hours, fill_value=0)
    seen = per_hour.groupby(which.to_numpy()).sum()
    chosen = hours[which.to_numpy() == seen.idxmax()]
    return chosen[0], min(chosen[-1] + pd.Timedelta(hours=1), chosen[0] + STORM_MOST)


def _bins(notices: pd.DataFrame, frequency: str, stormy: pd.DatetimeIndex) -> pd.DataFrame:
    arrived = pd.Grouper(key="arrived", freq=frequency)
    counted = notices.groupby([arrived, "verdict"], observed=False).size().unstack(fill_value=0)
    counted = counted.reindex(columns=VERDICTS, fill_value=0)
    counted = counted[counted.sum(axis=1) > 0]
    begin = pd.DatetimeIndex(counted.index)
    end = begin + pd.Timedelta(frequency if frequency[0].isdigit() else f"1{frequency}")
    storms = [bool(((stormy >= b) & (stormy < e)).any()) for b, e in zip(begin, end, strict=True)]
    table = pd.DataFrame({"begin": begin, "end": end, "storm": storms})
    return table.join(counted.reset_index(drop=True).rename_axis(columns=None))


def _no_bins() -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in ("begin", "end", "storm", *VERDICTS)})


# --- who and where -------------------------------------------------------------------------------------------------


def reporters(frames: Frames) -> pd.DataFrame:
    """Return notices by the organisation (registrable domain) of the server that reports: name and verdict counts."""
    notices = frames.notices
    sender = notices["notice_sender"].astype(pd.StringDtype()).str.replace(r"^.*@", "", regex=True)
    who = notices["reporting_mta"].astype(pd.StringDtype()).fillna(sender)
    who = who[who != ""]
    table = pd.crosstab(_named(who, _organisation), notices.loc[who.index, "verdict"].astype(str))
    return _largest(table.reindex(columns=VERDICTS, fill_value=0))


def forged_to(frames: Frames) -> pd.DataFrame:
    """Return the domains that forged mail was sent to: name and backscatter, one a failed recipient."""
    rows = frames.bounces[frames.bounces["latest"] & (frames.bounces["verdict"] == Verdict.BACKSCATTER.value)]
    counted = _named(rows["recipient_domain"], _label).value_counts()
    return _largest(counted.to_frame(Verdict.BACKSCATTER.value))


def _organisation(host: str) -> str:
    return _label(organisation(host) or host)


def _label(text: str) -> str:
    # Vega cuts labels between the two halves of a character above U+FFFF, and then cannot draw them.
    return safe_text(re.sub("[\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text), limit=LABEL_LENGTH)


def _named(column: pd.Series, name: Callable[[str], str]) -> pd.Series:
    """Return the texts as their names, each different one named once; what is missing is left out."""
    present = column.dropna().astype(str)
    return present.map({text: name(text) for text in present.unique()})


def _largest(counted: pd.DataFrame) -> pd.DataFrame:
    """Return the largest rows, by all columns together, and one row that sums up the others."""
    ordered = counted.loc[counted.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    shown = ordered.head(MOST_BARS).rename_axis(columns=None)
    if len(ordered) > MOST_BARS:
        shown.loc[f"{OTHERS} ({len(ordered) - MOST_BARS:,})"] = ordered.iloc[MOST_BARS:].sum()
    return shown.rename_axis("name").reset_index()


# --- why, how sure, how fast ---------------------------------------------------------------------------------------


def rules(frames: Frames) -> pd.DataFrame:
    """Return how often each rule spoke, notes left out: rule (in words), points_to, notices, name, strength."""
    counted = spoken(frames)
    counted["name"] = counted["rule"].astype(str)
    counted["rule"] = counted["name"].map(rule_in_words)
    largest = counted.sort_values(["notices", "rule"], ascending=[False, True]).head(2 * MOST_BARS)
    columns = ["rule", "points_to", "notices", "name", "strength"]
    return largest[columns].astype({"points_to": str, "strength": str}).reset_index(drop=True)


def sent_completeness(frames: Frames) -> pd.DataFrame:
    """Return how much of what was certainly sent is in Sent: mailbox, found, samples, share, at_least.

    One row a mailbox, as last measured, those with the lowest bound first.
    """
    last = frames.sent_coverage.drop_duplicates("mailbox", keep="last")
    measured = last[last["samples"] > 0].sort_values("at_least").head(MOST_BARS)
    return pd.DataFrame(
        {
            "mailbox": _named(measured["mailbox"], _label),
            "found": measured["found"],
            "samples": measured["samples"],
            "share": measured["found"] / measured["samples"],
            "at_least": measured["at_least"],
        }
    ).reset_index(drop=True)


def sent_trend(frames: Frames, *, over: pd.Timedelta = A_DAY) -> pd.DataFrame:
    """Return the same along the time: mailbox, started, share, at_least; for mailboxes that were measured `over` days.

    Those with the lowest bound lately, and of many runs the last of each stretch of time.
    """
    runs = frames.runs[["run_id", "started"]]
    measured = frames.sent_coverage[frames.sent_coverage["samples"] > 0].merge(runs, on="run_id")
    measured["share"] = measured["found"] / measured["samples"]
    times = measured.groupby("mailbox", observed=True)["started"]
    often = measured[times.transform("max") - times.transform("min") >= over]
    lately = often.drop_duplicates("mailbox", keep="last").sort_values("at_least", kind="stable")
    shown = _thinned(often[often["mailbox"].isin(lately["mailbox"].head(MOST_LINES))])
    told = shown.assign(mailbox=_named(shown["mailbox"], _label))
    return told[["mailbox", "started", "share", "at_least"]].reset_index(drop=True)


def _thinned(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the last run of each mailbox in each of MOST_POINTS stretches of time."""
    age = runs["started"].max() - runs["started"]
    stretch = (age / max(age.max() / MOST_POINTS, pd.Timedelta(seconds=1))).astype("int64") if len(runs) else age
    return runs.loc[~runs.assign(stretch=stretch).duplicated(["mailbox", "stretch"], keep="last")]


def delays(frames: Frames) -> pd.DataFrame:
    """Return how long after its original each notice came: delay and verdict counts. No Date, no row."""
    notices = frames.notices
    dated = notices[notices["original_date"].notna()]
    waited = (dated["arrived"] - dated["original_date"]).dt.total_seconds()
    edges, names = zip(*DELAYS, strict=True)
    binned = pd.cut(waited, [-inf, *edges], labels=list(names)).rename("delay")
    table = pd.crosstab(binned, dated["verdict"].astype(str), dropna=False)
    table = table.reindex(columns=VERDICTS, fill_value=0).rename_axis(columns=None).reset_index()
    return table.astype({"delay": str}) if len(dated) else table.head(0)
