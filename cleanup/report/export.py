"""Frames and summaries as files: Markdown, CSV, JSON, JSON lines, Parquet, Excel. Every text passes safe_text.

CSV, JSON lines and Parquet hold one frame; JSON and Excel hold all of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from cleanup.errors import UsageError
from cleanup.report.cells import shown
from cleanup.report.frames import Frames
from cleanup.report.safe_text import csv_text, markdown_text, safe_text
from cleanup.report.summary import Summary
from cleanup.report.tables import Section

LONGEST = 2000
EXCEL_ROWS = 1_048_575  # below the heading


def render_markdown(summary: Summary) -> str:
    """Return the summary as Markdown in which nothing of a stranger's is markup."""
    lines = [
        f"# Mailbox cleanup: {markdown_text(summary.title)}",
        "",
        f"**{markdown_text(summary.headline, limit=600)}**",
        "",
        f"{summary.totals.in_words()}.",
        "",
        *(f"* {markdown_text(line, limit=600)}" for line in summary.to_do),
    ]
    for section in summary.sections:
        lines += ["", f"## {section.title}", "", *_markdown_table(section)]
    return "\n".join([*lines, "", f"Made {summary.made:%Y-%m-%d %H:%M} UTC. All times are UTC.", ""])


def render_csv(frame: pd.DataFrame) -> str:
    """Return a frame as CSV that no spreadsheet takes for formulas; times are ISO 8601 in UTC."""
    return _safe(frame, csv_text).to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ", lineterminator="\n")


def render_jsonl(frame: pd.DataFrame) -> str:
    """Return a frame as JSON lines, ASCII; nothing is null, times are ISO 8601 in UTC."""
    lines = _safe(frame, safe_text).to_json(orient="records", lines=True, date_format="iso", date_unit="us")
    return lines if lines.endswith("\n") or not lines else lines + "\n"


def render_json(frames: Frames) -> str:
    """Return all frames as one JSON object of lists, by the frame's name."""
    return json.dumps(
        {name: json.loads(f"[{','.join(render_jsonl(frame).splitlines())}]") for name, frame in _all(frames)}, indent=1
    )


def render_parquet(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet. Raises UsageError where pyarrow (extra `parquet`) is missing."""
    made = io.BytesIO()
    try:
        _safe(frame, safe_text).to_parquet(made, index=False)
    except ImportError as error:
        raise _needs("parquet", "Parquet files") from error
    return made.getvalue()


def render_xlsx(frames: Frames) -> bytes:
    """Return all frames as an Excel workbook, one sheet each; its times are UTC without a zone.

    Raises UsageError where openpyxl (extra `xlsx`) is missing, or for more rows than a sheet takes.
    """
    made = io.BytesIO()
    try:
        with pd.ExcelWriter(made, engine="openpyxl") as book:
            for name, frame in _all(frames):
                if len(frame) > EXCEL_ROWS:
                    raise UsageError(
                        f"An Excel sheet takes {EXCEL_ROWS:,} rows", hint="Use --since, or --format parquet"
                    )
                _without_zone(_safe(frame, csv_text)).to_excel(book, sheet_name=name, index=False)
    except ImportError as error:
        raise _needs("xlsx", "Excel files") from error
    return made.getvalue()


# --- pieces --------------------------------------------------------------------------------------------------------


def _all(frames: Frames) -> list[tuple[str, pd.DataFrame]]:
    return [(f.name, getattr(frames, f.name)) for f in fields(frames)]


def _safe(frame: pd.DataFrame, way: Callable[..., str]) -> pd.DataFrame:
    """Return the frame with every text made safe; each different text is looked at once."""
    return frame.assign(**{name: _safe_column(frame[name], way) for name in frame.columns if _is_text(frame[name])})


def _is_text(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype) or column.dtype == object


def _safe_column(column: pd.Series, way: Callable[..., str]) -> pd.Series:
    safe: Mapping[Any, str] = {value: way(str(value), limit=LONGEST) for value in column.dropna().unique()}
    return column.astype(object).map(safe).astype(pd.StringDtype())


def _without_zone(frame: pd.DataFrame) -> pd.DataFrame:
    zoned = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].dt.tz_localize(None) for name in zoned})


def _markdown_table(section: Section) -> list[str]:
    names = [str(name) for name in section.table.columns]
    rows = [
        "| " + " | ".join(markdown_text(shown(value)) for value in row) + " |"
        for row in section.table.itertuples(index=False, name=None)
    ]
    more = ["", f"… and {section.left_out:,} more"] if section.left_out else []
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *rows, *more]


def _needs(extra: str, what: str) -> UsageError:
    return UsageError(f"{what} need one more package", hint=f"pip install 'mailbox-cleanup[{extra}]'")
