"""Frames and summaries as files: Markdown, CSV, JSON, JSON lines, Parquet, Excel. Every text passes safe_text.

CSV, JSON lines and Parquet hold one frame, `notices` unless another is named; JSON and Excel hold all of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

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

    Headings stay in sight and can be filtered by. openpyxl makes the workbook with its headings; the rows below them
    are put into it just as openpyxl would write them, which takes it many times as long. Raises UsageError where
    openpyxl (extra `xlsx`) is missing, or for more rows than a sheet takes.
    """
    try:
        from openpyxl import Workbook  # type: ignore[import-untyped]
    except ImportError as error:
        raise _needs("xlsx", "Excel files") from error
    book = Workbook(write_only=True)
    rows: list[Iterable[str]] = []
    for name, frame in _all(frames):
        if len(frame) > EXCEL_ROWS:
            raise UsageError(f"An Excel sheet takes {EXCEL_ROWS:,} rows", hint="Use --since, or --format parquet")
        rows.append(_begin_sheet(book.create_sheet(name), _without_zone(_safe(frame, csv_text))))
    begun = io.BytesIO()
    book.save(begun)
    return _with_rows(begun, rows)


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


def _begin_sheet(sheet: Any, frame: pd.DataFrame) -> Iterator[str]:
    """Write the headings of a frame to an empty sheet of a write-only workbook; return the rows that come below."""
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]
    from openpyxl.styles import Font  # type: ignore[import-untyped]
    from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]

    columns = [_plain_values(frame[name]) for name in frame.columns]
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(frame) + 1}"
    for place, (name, values) in enumerate(zip(frame.columns, columns, strict=True), 1):
        sheet.column_dimensions[get_column_letter(place)].width = _width(str(name), values)
    heading = [WriteOnlyCell(sheet, str(name)) for name in frame.columns]
    for cell in heading:
        cell.font = Font(bold=True)
    sheet.append(heading)
    letters = [get_column_letter(place) for place in range(1, len(columns) + 1)]
    of_times = WriteOnlyCell(sheet, datetime(2026, 1, 1)).style_id  # noqa: DTZ001 - Excel knows no zones
    return _rows(zip(*columns, strict=True), letters, of_times)


def _rows(rows: Iterable[Sequence[Any]], letters: Sequence[str], of_times: int) -> Iterator[str]:
    """Yield rows below the first as a worksheet holds them (ECMA-376 part 1, 18.3.1.73): texts inline, nothing empty.

    `of_times` is the number of the style in which times are shown.
    """
    from openpyxl.utils.datetime import to_excel  # type: ignore[import-untyped]

    for number, row in enumerate(rows, 2):
        cells = []
        for letter, value in zip(letters, row, strict=True):
            if isinstance(value, str) and value:
                space = "" if value.strip() in ("", value) else ' xml:space="preserve"'
                text = f"<is><t{space}>{escape(value)}</t></is>"
                cells.append(f'<c r="{letter}{number}" t="inlineStr">{text}</c>')
            elif isinstance(value, str):
                cells.append(f'<c r="{letter}{number}" t="inlineStr" />')
            elif isinstance(value, datetime):
                cells.append(f'<c r="{letter}{number}" s="{of_times}" t="n"><v>{to_excel(value):.16g}</v></c>')
            elif isinstance(value, bool):
                cells.append(f'<c r="{letter}{number}" t="b"><v>{value:d}</v></c>')
            elif value is not None and isfinite(value):
                plain = f"{value:.16g}" if isinstance(value, float) else int(value)
                cells.append(f'<c r="{letter}{number}" t="n"><v>{plain}</v></c>')
        yield f'<row r="{number}">{"".join(cells)}</row>'


def _with_rows(begun: io.BytesIO, rows: Sequence[Iterable[str]]) -> bytes:
    """Return a workbook with these rows at the end of its sheets, in their order."""
    made, end = io.BytesIO(), b"</sheetData>"
    of_sheet = {f"xl/worksheets/sheet{n}.xml": some for n, some in enumerate(rows, 1)}
    with ZipFile(begun) as old, ZipFile(made, "w", ZIP_DEFLATED) as new:
        for part in old.infolist():
            with new.open(part.filename, "w", force_zip64=True) as written:
                head, found, tail = old.read(part).partition(end if part.filename in of_sheet else b"\0")
                written.write(head)
                for row in of_sheet.get(part.filename, ()):
                    written.write(row.encode("utf-8", "replace"))
                written.write(found + tail)
    return made.getvalue()


def _plain_values(column: pd.Series) -> list[Any]:
    """Return a column's values as openpyxl takes them; None for every kind of nothing. Times go to the second."""
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
