"""A rule for a running campaign: narrow, with an end, tried first, and only ever printed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cleanup.demo.sample_ledger import make_sample_ledger
from cleanup.ledger import Ledger
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.sieve import (
    Campaign,
    SieveRule,
    fixed_parts,
    running_campaigns,
    sieve_rule,
    try_out,
)
from tests.cli.command import cleanup
from tests.report.summary.some_frames import frames_of

MORNING = datetime(2026, 10, 15, 9, tzinfo=UTC)
SIEVEC = shutil.which("sievec") or shutil.which("sievec", path="/usr/lib/cyrus/bin")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sample_ledger(tmp_path_factory.mktemp("sample") / "ledger.db")


@pytest.fixture(scope="module")
def frames(ledger: Path) -> Frames:
    with Ledger.open(ledger) as opened:
        return load(opened, ["anna.berg@example.org"])


@pytest.fixture(scope="module")
def rule(frames: Frames) -> SieveRule:
    (campaign,) = running_campaigns(frames, now=MORNING)
    return sieve_rule(frames, campaign, now=MORNING, own_hosts=("out1.example.org",))


def test_it_says_what_it_would_have_caught(rule: SieveRule, frames: Frames) -> None:
    subjects = frames.notices["original_subject"].str.contains("parcel").fillna(False)

    assert rule.trial.caught == subjects.sum() > 400
    assert (rule.trial.genuine, rule.trial.unsure) == (0, 0)
    assert rule.text is not None
    assert f"would have caught {rule.trial.caught} notices, none of them genuine" in rule.text.replace("\n# ", " ")


def test_it_ends_by_itself_and_wants_a_bounce(rule: SieveRule) -> None:
    assert rule.text is not None
    assert '"lt" "date" "2026-10-18"' in rule.text
    assert 'envelope :is "from" ""' in rule.text
    assert 'not body :raw :contains "out1.example.org"' in rule.text


def test_a_campaign_that_is_over_needs_none(frames: Frames) -> None:
    assert running_campaigns(frames, now=MORNING + timedelta(days=4)) == ()


def test_one_genuine_bounce_forbids_it(frames: Frames, rule: SieveRule) -> None:
    caught = frames.bounces["original_subject"].str.contains("parcel").fillna(False)
    first = frames.bounces.index[caught][0]
    turned = frames.bounces.assign(verdict=frames.bounces["verdict"].mask(frames.bounces.index == first, "genuine"))

    unlabelled = replace(frames, bounces=turned, labels=frames.labels.iloc[:0])  # a word on it would count for more
    refused = sieve_rule(unlabelled, rule.campaign, now=MORNING)

    assert refused.text is None
    assert refused.refused is not None
    assert "1 genuine" in refused.refused


@pytest.mark.parametrize("template", ["#", "re: #", "win #", "счёт № # просрочен", "abc # def #"])
def test_what_has_little_in_common_gets_no_rule(template: str) -> None:
    campaign = Campaign(template, fixed_parts(template), 50, MORNING, MORNING)

    assert sieve_rule(frames_of(40), campaign, now=MORNING).text is None


def test_a_forged_subject_cannot_break_out_of_the_rule() -> None:
    template = 'your "parcel"\\"; }} discard; /* is waiting \x1b[2J #'
    campaign = Campaign(template, fixed_parts(template), 50, MORNING, MORNING)

    text = sieve_rule(frames_of(40), campaign, now=MORNING, folder='Back"scatter').text

    assert text is not None
    assert "\x1b" not in text
    assert "discard" not in _outside_strings(text)
    assert 'fileinto "Back\\"scatter";' in text


@pytest.mark.server
@pytest.mark.skipif(SIEVEC is None, reason="no Sieve compiler on this machine")
def test_a_real_sieve_compiler_takes_it(rule: SieveRule, tmp_path: Path) -> None:
    assert rule.text is not None
    for name, text, fine in (("good", rule.text, True), ("bad", rule.text.replace("allof(", "allof(,"), False)):
        script = tmp_path / f"{name}.sieve"
        script.write_text(text)
        done = subprocess.run([str(SIEVEC), script, tmp_path / name], capture_output=True, check=False)
        assert (done.returncode == 0) is fine, done.stderr


def test_a_trial_counts_notices_of_the_campaign_alone(frames: Frames) -> None:
    nothing = Campaign("x", ("there is no such subject anywhere",), 50, MORNING, MORNING)

    assert try_out(frames, nothing).caught == 0


def test_the_command_prints_the_rule_and_nothing_else_on_stdout(ledger: Path) -> None:
    running = cleanup("sieve", "anna.berg@example.org", "--ledger", ledger, "--now", "2026-10-15T09:00")
    over = cleanup("sieve", "anna.berg@example.org", "--ledger", ledger, "--now", "2026-11-15T09:00")

    assert (running.code, over.code) == (0, 0)
    assert running.out.startswith("require [")
    assert over.out == ""
    assert "No forged campaign is running" in over.err


def _outside_strings(text: str) -> str:
    """Return the script without what stands in quotes and in comments."""
    kept, quoted, skip = [], False, False
    for character in "\n".join(line for line in text.splitlines() if not line.startswith("#")):
        if skip:
            skip = False
        elif quoted and character == "\\":
            skip = True
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            kept.append(character)
    return "".join(kept)
