"""Every rule has its paragraph in docs/how-it-decides.md, and every row of the policy its line."""

from __future__ import annotations

import re
from pathlib import Path

from cleanup.detector.policy import POLICY
from cleanup.report.summary.chart_data import LABEL_LENGTH
from cleanup.report.text import RULES

ROOT = Path(__file__).resolve().parents[2]
NAME = r"(?:sent|origin|dkim|auth|spf|tag|envid|sender|profile|recipient|campaign|filter|dnsbl|label)\.[a-z_]+|storm"
IN_CODE = re.compile(rf'"({NAME})"')
HEADING = re.compile(rf"`({NAME})`")


def rules_in_code() -> set[str]:
    sources = (ROOT / "cleanup" / "detector").rglob("*.py")
    return {rule for source in sources for rule in IN_CODE.findall(source.read_text(encoding="utf-8"))}


def rules_with_a_paragraph() -> set[str]:
    text = (ROOT / "docs" / "how-it-decides.md").read_text(encoding="utf-8")
    return {rule for line in text.splitlines() if line.startswith("### ") for rule in HEADING.findall(line)}


def test_every_rule_has_its_paragraph_and_every_paragraph_its_rule():
    assert len(rules_in_code()) >= 40
    assert rules_in_code() == rules_with_a_paragraph()


def test_every_rule_has_a_few_words_for_reports():
    assert rules_in_code() <= set(RULES)
    assert [words for words in RULES.values() if len(words) > LABEL_LENGTH] == []


def test_every_row_of_the_policy_is_in_the_table():
    text = (ROOT / "docs" / "how-it-decides.md").read_text(encoding="utf-8")

    assert [row.name for row in POLICY if f"| `{row.name}` |" not in text] == []
