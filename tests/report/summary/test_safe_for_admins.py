"""What mail admins and analysts get is as harmless as every other output, whatever strangers write."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from cleanup.cli.domains import _print
from cleanup.cli.review import _show
from cleanup.ledger import Ledger
from cleanup.model import Policy, Verdict
from cleanup.report.summary import charts
from cleanup.report.summary.domains import by_domain
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.review import labels_csv, waiting
from cleanup.report.summary.sieve import running_campaigns, sieve_rule
from cleanup.report.summary.what_if import policy_snippet, what_if
from tests.ledger.some import MAILBOX, NOON
from tests.report.hostile_ledger import PAYLOADS, fill
from tests.report.test_safe_outputs import FORBIDDEN, FORMULA

NOW = datetime(2026, 10, 19, 13, tzinfo=UTC)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    path = tmp_path_factory.mktemp("hostile") / "ledger.sqlite"
    judged = fill(path)
    with Ledger.open(path) as ledger:
        for one, text in zip(judged, PAYLOADS, strict=False):
            ledger.label(MAILBOX, one.fingerprint.digest, Verdict.GENUINE, said_by="review", note=text)
        return load(ledger)


def test_letters_and_measures(frames: Frames, capsys: pytest.CaptureFixture[str]) -> None:
    for summary in by_domain(frames):
        _print(summary)
        for letter in summary.letters:
            assert not FORBIDDEN.search(letter.text)
            assert "\n\nbody" not in letter.text
    shown = capsys.readouterr().out
    assert len(shown) > 500
    assert not FORBIDDEN.search(shown)


@pytest.mark.parametrize("text", PAYLOADS)
def test_sieve_rules(frames: Frames, text: str) -> None:
    forged = [f"{text} {n} is waiting at the depot {text}" for n in range(30)]
    rows = frames.bounces.head(30).assign(
        original_subject=pd.array(forged, dtype=pd.StringDtype()) if "\ud800" not in text else "lone",
        verdict="backscatter",
        kind="ndr",
        arrived=NOON,
        campaign=f"{text.lower()} # is waiting at the depot {text.lower()}".replace("\ud800", ""),
        finding_id=range(1, 31),
        latest=True,
    )
    forged_alone = replace(frames, bounces=rows, labels=frames.labels.head(0))

    campaigns = running_campaigns(forged_alone, now=NOW)

    assert len(campaigns) == 1
    for campaign in campaigns:
        rule = sieve_rule(forged_alone, campaign, now=NOW, folder=text)
        assert rule.text is None or not FORBIDDEN.search(rule.text)
        assert rule.text is None or rule.text.count("{") == 1 + _in_strings(rule.text, "{")


def test_labels_as_csv(frames: Frames) -> None:
    cells = [cell for row in csv.reader(io.StringIO(labels_csv(frames))) for cell in row]

    assert len(cells) > len(PAYLOADS) * 8
    assert not [cell for cell in cells if cell.startswith(FORMULA)]
    assert not FORBIDDEN.search("\n".join(cells))


def test_what_review_shows(frames: Frames, capsys: pytest.CaptureFixture[str]) -> None:
    queue = waiting(frames)
    for number, one in enumerate(queue, 1):
        _show(frames, one, number, len(queue))

    shown = capsys.readouterr().out
    assert len(shown) > 1_000
    assert not FORBIDDEN.search(shown)


def test_charts_and_tables_of_notebooks(frames: Frames) -> None:
    pytest.importorskip("altair")
    from cleanup.notebook import _as_html, _safe

    drawn: list[Any] = [
        charts.reporters(frames),
        charts.forged_to(frames),
        charts.by_time(frames),
        charts.rules(frames),
    ]
    for chart in drawn:
        html = _as_html(chart.to_dict())["text/html"]
        assert html.count("<script") == html.count("</script>") == 1
        assert not FORBIDDEN.search(html)
        assert json.loads(re.findall(r'vegaEmbed\("[^"]+", (\{.*\}), \{actions', html)[0])
    for frame in (frames.bounces, frames.reasons, frames.labels, frames.sent_sources):
        assert not FORBIDDEN.search(_safe(frame).to_csv(index=False))


def test_what_if_and_its_snippet(frames: Frames) -> None:
    judged = what_if(frames.bounces, frames.reasons, Policy(), labels=frames.labels)

    assert len(judged.verdicts) == len(frames.notices)
    assert not FORBIDDEN.search(policy_snippet(judged.policy))


def _in_strings(text: str, character: str) -> int:
    return sum(found.count(character) for found in re.findall(r'"(?:[^"\\]|\\.)*"', text))
