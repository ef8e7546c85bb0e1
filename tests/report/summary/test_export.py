"""Excel and CSV as people open them: what is counted first, headings in sight, dates that are dates, and soon done."""

from __future__ import annotations

import io
import time
from datetime import datetime

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


def test_three_thousand_notices_are_written_in_seconds() -> None:
    frames, began = frames_of(3_000), time.process_time()

    made = export.render_xlsx(frames)

    assert (time.process_time() - began) / a_million_counted() < 250
    assert len(made) > 100_000
