"""Frames and summaries as files: Markdown, CSV, JSON, JSON lines, Parquet, Excel. Every text passes safe_text.

CSV, JSON lines and Parquet hold one frame, `notices` unless another is named; JSON and Excel hold all of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from cleanup.errors import UsageError
from cleanup.extras import install_command
from cleanup.report.summary.frames import NAMES, Frames
from cleanup.report.summary.summarize import Summary
from cleanup.report.summary.tables import Section
from cleanup.report.text import csv_text, in_local_time, local_time, markdown_text, safe_text

LONGEST = 2000
EXCEL_ROWS = 1_048_575  # below the heading
_TIME_WIDTH, _WIDEST = 19, 50  # letters


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
    """Return all frames as an Excel workbook, one sheet each; its times are UTC without a zone, as Excel knows none.

    Headings stay in sight and can be filtered by. Rows are written as they come, each cell as a plain value: pandas
    styles every cell, which takes three times as long. Raises UsageError where XlsxWriter (extra `xlsx`) is missing, or
    for more rows than a sheet takes.
    """
    try:
        from xlsxwriter import Workbook  # type: ignore[import-untyped]
    except ImportError as error:
        raise _needs("xlsx", "Excel files") from error
    made = io.BytesIO()
    how = {"constant_memory": True, "in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}
    with Workbook(made, how) as book:
        bold = book.add_format({"bold": True})
        for name, frame in _all(frames):
            if len(frame) > EXCEL_ROWS:
                raise UsageError(f"An Excel sheet takes {EXCEL_ROWS:,} rows", hint="Use --since, or --format parquet")
            _write_sheet(book.add_worksheet(name), _without_zone(_safe(frame, csv_text)), bold)
    return made.getvalue()


# --- pieces --------------------------------------------------------------------------------------------------------


def _all(frames: Frames) -> list[tuple[str, pd.DataFrame]]:
    """Return all frames with their names; what is counted comes first."""
    return [(name, getattr(frames, name)) for name in NAMES]


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


def _write_sheet(sheet: Any, frame: pd.DataFrame, bold: Any) -> None:
    """Write a frame to an empty sheet. No text is taken for a formula or a link."""
    columns = [_plain_values(frame[name]) for name in frame.columns]
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, len(frame), max(len(columns) - 1, 0))
    for place, (name, values) in enumerate(zip(frame.columns, columns, strict=True)):
        sheet.set_column(place, place, _width(str(name), values))
        sheet.write_string(0, place, str(name), bold)
    writers = {str: sheet.write_string, bool: sheet.write_boolean, pd.Timestamp: sheet.write_datetime}
    for number, row in enumerate(zip(*columns, strict=True), 1):
        for place, value in enumerate(row):
            if value is not None:
                writers.get(type(value), sheet.write_number)(number, place, value)


def _plain_values(column: pd.Series) -> list[Any]:
    """Return a column's values as XlsxWriter takes them; None for every kind of nothing. Times go to the second."""
    if pd.api.types.is_datetime64_dtype(column):
        column = column.dt.floor("s")
    return list(column.astype(object).where(column.notna(), None))


def _width(name: str, values: list[Any]) -> int:
    """Return how wide a column is, in letters, by its first rows; a long text does not push the others out of sight."""
    first = [value for value in values[:200] if value is not None]
    lengths = [_TIME_WIDTH if isinstance(value, datetime) else len(str(value)) for value in first]
    return min(max([len(name) + 4, *(length + 2 for length in lengths)]), _WIDEST)


def _markdown_table(section: Section) -> list[str]:
    names = [str(name) for name in section.table.columns]
    rows = [
        "| " + " | ".join(markdown_text(shown(value)) for value in row) + " |"
        for row in section.table.itertuples(index=False, name=None)
    ]
    more = ["", f"… and {section.left_out:,} more"] if section.left_out else []
    return [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}", *rows, *more]


def _needs(extra: str, what: str) -> UsageError:
    return UsageError(f"{what} need one more package", hint=install_command(extra))


# --- A frame's cells as people read them. Strangers' texts pass safe_text on the way --------------------------------


def shown(value: Any, *, limit: int = 200, local: bool = False) -> str:
    """Return a cell as text: times to the minute, shares in per cent, thousands separated, nothing for none.

    Times are in UTC, as a page is read anywhere, or in this machine's zone.
    """
    if pd.isna(value):
        return ""
    if isinstance(value, datetime):
        return local_time(value) if local else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.0%}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return safe_text(in_local_time(str(value)) if local else str(value), limit=limit)
