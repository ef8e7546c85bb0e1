"""Excel and CSV as people open them: what is counted first, headings in sight, dates that are dates, and soon done."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from datetime import datetime
from zipfile import ZipFile

import pandas as pd
import pytest

from cleanup.report.summary import export
from cleanup.report.summary.frames import NAMES
from tests.detector.pace import a_million_counted
from tests.report.summary.some_frames import frames_of

openpyxl = pytest.importorskip("openpyxl")


def test_a_workbook_opens_on_one_row_a_notice_with_headings_that_stay_and_filter() -> None:
    frames = frames_of(40)

    book = openpyxl.load_workbook(io.BytesIO(export.render_xlsx(frames)))

    assert book.sheetnames == list(NAMES)
    sheet = book.worksheets[0]
    assert (sheet.title, sheet.max_row) == ("notices", 41)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{sheet.cell(1, sheet.max_column).column_letter}41"
    assert sheet["A1"].font.bold


def test_its_dates_are_dates_its_numbers_are_numbers_and_its_columns_fit() -> None:
    frames = frames_of(40)

    sheet = openpyxl.load_workbook(io.BytesIO(export.render_xlsx(frames))).worksheets[0]

    columns = {cell.value: cell.column_letter for cell in sheet[1]}
    arrived = sheet[f"{columns['arrived']}2"]
    assert isinstance(arrived.value, datetime)
    assert arrived.is_date
    assert arrived.value == frames.notices["arrived"].dt.tz_localize(None).dt.floor("s").iloc[0]
    assert sheet[f"{columns['uid']}2"].value == int(frames.notices["uid"].iloc[0])
    assert sheet.column_dimensions[columns["arrived"]].width >= 19
    assert all(5 <= sheet.column_dimensions[letter].width <= 50 for letter in columns.values())


def as_openpyxl_writes_them(frames: Mapping[str, pd.DataFrame]) -> bytes:
    """Return a workbook of these frames of which openpyxl writes every row."""
    book = openpyxl.Workbook(write_only=True)
    for name, frame in frames.items():
        sheet = book.create_sheet(name)
        for _ in export._begin_sheet(sheet, frame):
            pass
        for row in zip(*(export._plain_values(frame[column]) for column in frame.columns), strict=True):
            sheet.append(row)
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


ODD = pd.DataFrame(
    {
        "text": pd.array(["a & b < c > d", " space ", "two\nlines", "", None, "é 漢 \"quoted\" 'so'", "   "], "string"),
        "kind": pd.Categorical(["x", "y", "x", None, "y", "x", "y"]),
        "number": pd.array([1, 0, -3, 4_294_967_295, None, 7, 8], "Int64"),
        "share": [0.5, 1 / 3, 0.0, float("nan"), 1e-9, 12345678.25, -0.1],
        "so": [True, False, True, False, True, True, False],
        "perhaps": pd.array([True, None, False, True, None, True, False], "boolean"),
        "when": pd.to_datetime(["2026-10-19 10:00:01", None, *["1999-12-31 23:59:59.75"] * 5], format="ISO8601"),
    }
)


def test_rows_are_byte_for_byte_those_that_openpyxl_writes() -> None:
    frames = frames_of(40)
    every = {name: export._without_zone(export._safe(getattr(frames, name), export.csv_text)) for name in NAMES}

    for some, ours in ((every, export.render_xlsx(frames)), ({"odd": ODD}, odd_workbook())):
        with ZipFile(io.BytesIO(ours)) as made, ZipFile(io.BytesIO(as_openpyxl_writes_them(some))) as wanted:
            sheets = [name for name in wanted.namelist() if "worksheets/" in name]
            assert made.namelist() == wanted.namelist()
            assert len(sheets) == len(some)
            for name in (*sheets, "xl/styles.xml", "xl/workbook.xml"):
                assert made.read(name) == wanted.read(name), name


def odd_workbook() -> bytes:
    book = openpyxl.Workbook(write_only=True)
    rows = export._begin_sheet(book.create_sheet("odd"), ODD)
    begun = io.BytesIO()
    book.save(begun)
    return export._with_rows(begun, [rows])


def test_three_thousand_notices_are_written_in_seconds() -> None:
    frames, began = frames_of(3_000), time.process_time()

    made = export.render_xlsx(frames)

    assert (time.process_time() - began) / a_million_counted() < 250
    assert len(made) > 100_000
