"""The summary for mail admins: counted from backscatter alone, and what would help with measured shares."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cleanup.demo.sample_ledger import make_sample_ledger
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from cleanup.report.summary.domains import DomainSummary, by_domain, network_of
from cleanup.report.summary.frames import Frames, load
from tests.cli.command import cleanup
from tests.report.summary.some_frames import frames_of
from tests.report.summary.test_charts import HOSTILE


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample_ledger(tmp_path_factory.mktemp("sample") / "ledger.db")


@pytest.fixture(scope="module")
def frames(ledger: Path) -> Frames:
    with Ledger.open(ledger) as opened:
        return load(opened)


@pytest.fixture(scope="module")
def summary(frames: Frames) -> DomainSummary:
    (only,) = by_domain(frames)
    return only


def test_all_mailboxes_of_a_domain_are_counted_together(summary: DomainSummary, frames: Frames) -> None:
    assert (summary.domain, summary.mailboxes) == ("example.org", 2)
    assert summary.backscatter == (frames.notices["verdict"] == Verdict.BACKSCATTER.value).sum()


def test_tables_count_backscatter_alone_and_say_how_many_show_no_host(summary: DomainSummary) -> None:
    for section in summary.sections[1:]:
        silent = re.search(r"(\d+) bounces did not (?:say|show)", section.says)
        assert silent
        assert section.table["Bounces"].sum() + int(silent[1]) == summary.backscatter


def test_what_reporters_saw_is_a_measured_share(summary: DomainSummary, frames: Frames) -> None:
    forged = frames.notices.loc[frames.notices["verdict"] == Verdict.BACKSCATTER.value, "finding_id"]
    saw = frames.reasons[frames.reasons["rule"] == "auth.inner_fail"]["finding_id"].isin(forged).sum()

    dmarc = summary.measures[0]

    assert (dmarc.kept_away, dmarc.of) == (saw, summary.backscatter)
    assert f"{saw:,} of {summary.backscatter:,} bounces" in dmarc.says.replace("for ", "")


def test_genuine_bounces_that_tagging_would_lose_are_counted(frames: Frames) -> None:
    no_way = frames.reasons[frames.reasons["rule"] != "origin.own_host"]

    (summary,) = by_domain(replace(frames, reasons=no_way))

    genuine = (frames.notices["verdict"] == Verdict.GENUINE.value).sum()
    assert f"Of {genuine} genuine bounces, each answers mail that is not known to have left" in summary.measures[1].says


def test_forgers_are_named_by_network() -> None:
    assert network_of("203.0.113.77") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::7") == "2001:db8:1::/48"
    assert network_of("dsl-7.pool.isp.co.uk") == "isp.co.uk"


def test_the_letter_has_examples_and_no_more_than_that(summary: DomainSummary) -> None:
    letter = summary.letters[0]

    assert letter.to == f"postmaster@{letter.organisation}"
    assert letter.text.count(" UTC  from ") == 5
    assert "RFC 5321" in letter.text


def test_strangers_texts_come_out_harmless() -> None:
    frames = frames_of(40)
    hostile = frames.bounces.assign(reporting_mta=HOSTILE, trusted_hop=HOSTILE, recipient=HOSTILE)

    for summary in by_domain(replace(frames, bounces=hostile)):
        for text in (*(letter.text for letter in summary.letters), *(m.says for m in summary.measures)):
            assert "\x1b" not in text
            assert "\u202e" not in text


@pytest.mark.parametrize("size", [0, 1])
def test_next_to_nothing_is_no_error(size: int) -> None:
    assert isinstance(by_domain(frames_of(size)), tuple)


def test_the_command_prints_it_and_a_letter_alone(ledger: Path) -> None:
    whole = cleanup("domains", "--ledger", ledger)
    letter = cleanup("domains", "--ledger", ledger, "--letter", "freemail.test")
    wrong = cleanup("domains", "--ledger", ledger, "--letter", "nobody.test")

    assert (whole.code, letter.code, wrong.code) == (0, 0, 2)
    assert "DMARC p=reject" in whole.out
    assert letter.out.startswith("Subject: Backscatter from your mail servers")
    assert "freemail.test" in wrong.err


def test_genuine_bounces_that_all_left_through_your_own_servers_are_said_to(frames: Frames) -> None:
    forged = frames.bounces[frames.bounces["verdict"] == Verdict.BACKSCATTER.value]
    proved = frames.bounces[
        frames.bounces["finding_id"].isin(frames.reasons.loc[frames.reasons["rule"] == "origin.own_host", "finding_id"])
    ]
    kept = pd.concat([forged, proved[proved["verdict"] == Verdict.GENUINE.value]])

    (summary,) = by_domain(replace(frames, bounces=kept))

    assert re.search(r"All \d+ genuine bounces left through your own servers\.$", summary.measures[1].says)
