"""Whatever strangers write, no output carries markup, scripts, formulas, escapes or text that hides or turns round."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanup.cli.domains import _print as print_domain
from cleanup.cli.report import _print
from cleanup.ledger import Ledger
from cleanup.model import Judged, Verdict
from cleanup.notebook import _safe as notebook_cells
from cleanup.report.digest import Digest, digest_message
from cleanup.report.summary import export
from cleanup.report.summary.domains import by_domain
from cleanup.report.summary.explain import explained_finding, explained_notice
from cleanup.report.summary.frames import NAMES, Frames, load
from cleanup.report.summary.html import render_html
from cleanup.report.summary.review import labels_csv
from cleanup.report.summary.summarize import summarize
from cleanup.report.text import csv_text, markdown_text, safe_text
from tests.ledger.some import MAILBOX
from tests.report.hostile_ledger import PAYLOADS, fill

NOW = datetime(2026, 10, 20, tzinfo=UTC)
# What no terminal, spreadsheet or reader may get: controls but the line feed, bidi and invisible characters.
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
FORMULA = tuple("=+-@\t\r|%")


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    path = tmp_path_factory.mktemp("hostile") / "ledger.sqlite"
    fill(path)
    with Ledger.open(path) as ledger:
        return load(ledger)


def test_the_page_has_only_our_own_markup(frames: Frames) -> None:
    page = render_html(summarize(frames, now=NOW), frames)

    assert not FORBIDDEN.search(page)
    seen = _Elements(page)
    assert not seen.tags & {"script", "img", "iframe", "object", "embed", "link", "form", "input", "base"}
    assert all(target.startswith("#") for target in re.findall(r"<a\b[^>]*href=\"([^\"]*)\"", page))
    assert not [name for name in seen.attributes if name.startswith("on") or name in ("src", "xlink:href")]
    assert seen.counts["style"] == 1
    assert len(page.encode()) < 500_000


def test_no_cell_of_a_csv_file_is_a_formula(frames: Frames) -> None:
    for name in NAMES:
        rows = list(csv.reader(io.StringIO(export.render_csv(getattr(frames, name)))))
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.startswith(FORMULA) and not _is_number(cell)]
        assert not FORBIDDEN.search("\n".join(cells))


def test_no_cell_of_an_excel_file_is_a_formula(frames: Frames) -> None:
    book = openpyxl.load_workbook(io.BytesIO(export.render_xlsx(frames)))

    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert len(cells) > 1000
    assert not [cell.value for cell in cells if cell.data_type == "f"]


def test_markdown_holds_no_link_no_image_and_no_html(frames: Frames) -> None:
    text = export.render_markdown(summarize(frames, now=NOW))

    assert not FORBIDDEN.search(text)
    assert "<script" not in text
    assert "](" not in text.replace("\\]", "")
    assert "http://" not in text


def test_json_lines_are_json_and_plain(frames: Frames) -> None:
    text = export.render_jsonl(frames.bounces)

    assert text.isascii()
    assert not [value for line in text.splitlines() for value in json.loads(line).values() if _is_bad(value)]


def test_the_digest_is_one_message_of_at_most_40_lines_and_ordinary_to_the_next_run(tmp_path: Path) -> None:
    from cleanup.detector.notices.reading import read_notice

    judged = fill(tmp_path / "ledger.sqlite")
    for text in PAYLOADS:
        raw = _digest(judged, text)
        message = message_from_bytes(raw, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None
        said = body.get_content()
        assert len(said.splitlines()) <= 40
        assert not FORBIDDEN.search(said.replace("\r\n", "\n"))
        assert message["Bcc"] is None
        assert read_notice(raw) is None


def test_what_explain_prints_has_no_escapes(tmp_path: Path) -> None:
    for one in fill(tmp_path / "ledger.sqlite"):
        lines = [*explained_notice(one.notice), *explained_finding(one.finding)]
        assert not FORBIDDEN.search("".join(lines))


@given(st.text(max_size=400))
def test_safe_text_is_one_plain_line_whatever_comes(text: str) -> None:
    for made in (safe_text(text), csv_text(text), markdown_text(text)):
        assert not FORBIDDEN.search(made)
        assert "\n" not in made
    assert not csv_text(text).lstrip().startswith(FORMULA)
    assert len(safe_text(text, limit=20)) <= 20


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=4))
def test_no_output_raises_or_lets_anything_through_whatever_strangers_write(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        judged = fill(Path(folder) / "ledger.sqlite", tuple(texts))
        with Ledger.open(Path(folder) / "ledger.sqlite") as ledger:
            ledger.label(MAILBOX, judged[0].fingerprint.digest, Verdict.GENUINE, said_by="review", note=texts[0])
            frames = load(ledger)

    made = dict(_outputs(frames, judged, texts[0]))

    assert not [name for name, text in made.items() if FORBIDDEN.search(text.replace("\r\n", "\n"))]


def _outputs(frames: Frames, judged: list[Judged], headline: str) -> Iterator[tuple[str, str]]:
    """Yield every output by its name, as text."""
    summary = summarize(frames, now=NOW)
    yield "html", render_html(summary, frames)
    yield "markdown", export.render_markdown(summary)
    yield "json", export.render_json(frames)
    for name in NAMES:
        frame = getattr(frames, name)
        yield f"{name}.csv", export.render_csv(frame)
        yield f"{name}.jsonl", export.render_jsonl(frame)
        yield f"{name}.parquet", _texts_of(pd.read_parquet(io.BytesIO(export.render_parquet(frame))))
        yield f"{name} in a notebook", _texts_of(notebook_cells(frame))
    for name, sheet in pd.read_excel(io.BytesIO(export.render_xlsx(frames)), sheet_name=None).items():
        yield f"{name}.xlsx", _texts_of(sheet)
    yield "labels", labels_csv(frames)
    with redirect_stdout(io.StringIO()) as terminal:
        _print(frames, NOW)
        for domain in by_domain(frames):
            print_domain(domain)
    yield "terminal", terminal.getvalue()
    yield "letters", "".join(letter.text for domain in by_domain(frames) for letter in domain.letters)
    message = message_from_bytes(_digest(judged, headline), policy=policy.default)
    for part in message.iter_parts():
        yield f"digest, {part.get_content_type()}", part.get_content()
    yield "digest, header", "\n".join(str(value) for value in message.values())


def _texts_of(frame: pd.DataFrame) -> str:
    return "\n".join(str(value) for column in frame for value in (column, *frame[column].dropna().unique()))


def _digest(judged: list[Judged], headline: str) -> bytes:
    moved = frozenset(one.ref for one in judged[:30])
    return digest_message(Digest(MAILBOX, 7, headline, judged, moved, "INBOX", "Backscatter"), now=NOW)


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", cell))


def _is_bad(value: object) -> bool:
    return isinstance(value, str) and bool(FORBIDDEN.search(value))


class _Elements(HTMLParser):
    """The tags and attributes of a page, as a browser's tokenizer sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.counts: dict[str, int] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes.update(name for name, _ in attrs)
