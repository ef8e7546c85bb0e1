"""Public suffixes are read by their last label alone, and answer as the whole list does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PSLFILE, PublicSuffixList

from cleanup.detector.addresses import domain_key
from cleanup.detector.networks import organisation
from cleanup.detector.providers import organisation_of_name

WHOLE = PublicSuffixList()
LINES = Path(PSLFILE).read_text(encoding="utf-8").splitlines()
RULES = [line.split()[0] for line in LINES if line.strip() and not line.startswith("//")]


def of_the_whole_list(host: str) -> str:
    name = domain_key(host)
    domain = WHOLE.privatesuffix(name) or name
    return organisation_of_name().get(domain, domain)


def test_every_rule_of_the_list_is_found() -> None:
    assert len(RULES) > 9_000
    for rule in RULES:
        name = rule.lstrip("!").replace("*", "any")
        for host in (name, f"host.{name}", f"mx.host.{name}", f"MX.host.{domain_key(name)}."):
            assert organisation(host) == (of_the_whole_list(host) if "." in domain_key(host) else ""), host


@given(
    st.lists(st.sampled_from(["a", "xn--p1ai", "рф", "個人", "hk", "UK", "co", "com", "ck", "www", "kobe", "jp", ""]))
)
def test_names_of_any_labels_are_told_as_by_the_whole_list(labels: list[str]) -> None:
    host = ".".join(labels)
    assert organisation(host) == (of_the_whole_list(host) if "." in domain_key(host) else "")
