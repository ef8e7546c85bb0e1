"""The report as one HTML file: no scripts, no outside requests, light and dark, printable, readable aloud.

Every text passes `shown`, and so safe_text, before Jinja escapes it.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from cleanup.detector.account_state import Answer
from cleanup.extras import packages_of
from cleanup.model import Verdict
from cleanup.report.counts import Counts, Fate
from cleanup.report.summary.charts import COLOURS, Chart, charts, charts_available
from cleanup.report.summary.export import shown
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.summarize import Summary
from cleanup.report.summary.tables import Section

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
LONGEST_WORD = 44  # letters
FEW = 5  # rows of what a person has to look at that stand above the plots
_TONES = {
    Answer.COMPROMISED: "alarm",
    Answer.REPLAYED: "alarm",
    Answer.LOOP: "warning",
    Answer.GAP: "warning",
    Answer.CANNOT_SAY: "warning",
}


def render_html(summary: Summary, frames: Frames) -> str:
    """Return the report. Plots need the extra `charts`; without it the report is complete and says how to get them."""
    drawn = charts(frames) if charts_available() else ()
    return _template().render(
        summary=summary,
        tone=_TONES.get(summary.answer, "calm"),
        charts=[_for_page(chart) for chart in drawn],
        charts_missing=not charts_available(),
        charts_need=" ".join(packages_of("charts")),
        tiles=[_tile(summary.totals, v) for v in (Verdict.BACKSCATTER, Verdict.GENUINE, Verdict.UNSURE)],
        few=FEW,
        policy=CONTENT_SECURITY_POLICY,
        colours=COLOURS,
    )


def _tile(totals: Counts, verdict: Verdict) -> dict[str, Any]:
    """Return how many notices have a verdict, and where they are."""
    count, filed, kept = totals.of(verdict), totals.of(verdict, Fate.FILED), totals.of(verdict, Fate.KEPT)
    others = totals.of(verdict, Fate.OPEN, Fate.GONE)
    left = count - filed - kept - others
    told = [f"{filed:,} filed"] if filed or (verdict is Verdict.BACKSCATTER and count) else []
    told += [f"{kept:,} kept in the Inbox at your word"] if kept else []
    told += [f"{left:,} in the Inbox"] if left and (told or others) else []
    told += [f"{others:,} elsewhere"] if others else []
    return {
        "verdict": verdict.value,
        "count": count,
        "where": ", ".join(told) or ("kept in the Inbox" if count else ""),
    }


def _for_page(chart: Chart) -> dict[str, Any]:
    """Return a chart whose drawing may stand in the page as it is: vl-convert escapes the texts in it."""
    return {
        "name": chart.name,
        "title": chart.title,
        "alt": chart.alt,
        "svg": Markup(chart.svg),
        "narrow": Markup(chart.narrow),
        "table": chart.table,
    }


@cache
def _template() -> Template:
    loader = PackageLoader("cleanup.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "shown": shown,
        "breakable": _breakable,
        # numbers stand right, one under the other; they and times are set in even figures, and never broken
        "is_number": lambda cell: isinstance(cell, int | float) and not isinstance(cell, bool),
        "is_plain": lambda cell: isinstance(cell, int | float | datetime) and not isinstance(cell, bool),
        # an address or a host is not broken where there is room for it
        "is_word": lambda cell: isinstance(cell, str) and " " not in cell and len(cell) <= LONGEST_WORD,
        "numeric": lambda column: pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column),
        "rows": lambda table: list(table.itertuples(index=False, name=None)),
        "rows_in_all": _rows_in_all,
        "goes_on": lambda section: (
            _rows_in_all(section) > FEW
        ),  # it holds more than what stands with what is to be done
    }
    return environment.get_template("report.html.j2")


def _breakable(cell: Any) -> Markup:
    """Return a cell as it is shown, that of a narrow table: a host may be broken behind a dot, and nowhere else."""
    return escape(shown(cell)).replace(".", Markup(".<wbr>"))


def _rows_in_all(section: Section) -> int:
    return len(section.table) + section.left_out
