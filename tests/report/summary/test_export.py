"""Excel and CSV as people open them: what is counted first, headings in sight, dates that are dates, and soon done."""

from __future__ import annotations

import io
import time
from datetime import datetime

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
    assert all(5 <= sheet.column_dimensions[letter].width <= 51 for letter in columns.values())


ODD = pd.DataFrame(
    {
        "text": pd.array(["a & b < c > d", " space ", "two  lines", "", None, "é 漢 \"quoted\" 'so'", "   "], "string"),
        "kind": pd.Categorical(["x", "y", "x", None, "y", "x", "y"]),
        "number": pd.array([1, 0, -3, 4_294_967_295, None, 7, 8], "Int64"),
        "share": [0.5, 1 / 3, 0.0, float("nan"), 1e-9, 12345678.25, -0.1],
        "so": [True, False, True, False, True, True, False],
        "perhaps": pd.array([True, None, False, True, None, True, False], "boolean"),
        "when": pd.to_datetime(["2026-10-19 10:00:01", None, *["1999-12-31 23:59:59.75"] * 5], format="ISO8601"),
    }
)


def test_each_value_of_each_kind_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_all", lambda _: [("odd", ODD)])

    rows = list(openpyxl.load_workbook(io.BytesIO(export.render_xlsx(frames_of(1)))).active.values)

    assert rows[0] == tuple(ODD.columns)
    for name, column in zip(ODD.columns, zip(*rows[1:], strict=True), strict=True):
        assert export._plain_values(ODD[name]) == list(column), name


def test_no_text_is_a_formula_or_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.DataFrame({"text": ["=1+1", "{=1+1}", "https://forger.example/", "mailto:a@b.example", "#1", "1e5"]})
    monkeypatch.setattr(export, "_all", lambda _: [("odd", texts)])

    cells = openpyxl.load_workbook(io.BytesIO(export.render_xlsx(frames_of(1)))).active["A"][1:]

    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.hyperlink for cell in cells} == {None}


def test_three_thousand_notices_are_written_in_seconds() -> None:
    frames, began = frames_of(3_000), time.process_time()

    made = export.render_xlsx(frames)

    assert (time.process_time() - began) / a_million_counted() < 250
    assert len(made) > 100_000
