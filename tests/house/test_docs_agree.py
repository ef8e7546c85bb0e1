"""The documentation says what the program does: error codes and exit codes, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from cleanup import errors
from cleanup.config import MailboxSettings
from cleanup.detector.account_state import _WORDS, Answer
from tests.house import commands

DOCS = Path(__file__).parents[2] / "docs"


def _keys(table: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all keys of a table."""
    for name, field in table.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _errors() -> list[type[errors.CleanupError]]:
    known = [value for value in vars(errors).values() if isinstance(value, type)]
    return [kind for kind in known if issubclass(kind, errors.CleanupError)]


def test_every_error_code_stands_in_the_docs_with_its_exit_code_and_no_other_does() -> None:
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", text, re.MULTILINE))

    assert said == {kind.code: str(int(kind.exit_code)) for kind in _errors()}


def test_every_exit_code_stands_in_the_docs() -> None:
    text = (DOCS / "exit-codes.md").read_text(encoding="utf-8")
    said = set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))

    assert said == {str(int(code)) for code in errors.ExitCode}


def test_every_command_and_option_stands_in_the_docs_as_the_help_says_it() -> None:
    assert commands.FILE.read_text(encoding="utf-8") == commands.document()


def test_every_key_of_the_configuration_stands_in_the_docs_and_no_other_does() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE)

    assert sorted(said) == sorted(_keys(MailboxSettings))


def test_every_error_code_and_every_headline_stands_in_the_troubleshooting_page() -> None:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    said = re.findall(r"^### ([a-z-]+)$", text, re.MULTILINE)
    rows = re.findall(r"^\| ([^|]+?) \|", text[: text.index("## Most are undecided")], re.MULTILINE)
    beginnings = [re.compile(".*".join(re.escape(part) for part in row.split("…"))) for row in rows]

    assert sorted(said) == sorted({kind.code for kind in _errors()})
    for answer in Answer:
        headline = re.sub(r"\{[^}]*\}", "12 notices", _WORDS[answer][0])
        assert any(beginning.match(headline) for beginning in beginnings), headline


def test_links_between_the_documents_lead_somewhere() -> None:
    root = DOCS.parent
    for file in (root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md", *DOCS.rglob("*.md")):
        text = file.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
            there = (file.parent / target) if target else file
            assert there.exists(), f"{file.relative_to(root)} points to {target}"
            if anchor:
                assert anchor in _anchors(there), f"{file.relative_to(root)} points to {target}#{anchor}"


def _anchors(file: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_document_is_linked_from_the_readme() -> None:
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")

    assert {file.name for file in DOCS.glob("*.md")} == set(re.findall(r"\(docs/([\w-]+\.md)\)", readme))
