"""Every rule has its paragraph in docs/how-it-decides.md, and every row of the policy its line."""

from __future__ import annotations

import re
from pathlib import Path

from cleanup.detector.verdict import POLICY

ROOT = Path(__file__).resolve().parents[2]
RULE = re.compile(r'"((?:sent|origin|dkim|auth|tag|sender|profile|recipient|campaign|filter|dnsbl)\.[a-z_]+)"')


def test_every_rule_has_a_paragraph():
    text = (ROOT / "docs" / "how-it-decides.md").read_text(encoding="utf-8")
    sources = (ROOT / "cleanup" / "detector" / "evidence").glob("*.py")
    rules = {rule for source in sources for rule in RULE.findall(source.read_text(encoding="utf-8"))}

    assert len(rules) >= 35
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in text] == []


def test_every_row_of_the_policy_is_in_the_table():
    text = (ROOT / "docs" / "how-it-decides.md").read_text(encoding="utf-8")

    assert [row.name for row in POLICY if f"| `{row.name}` |" not in text] == []
