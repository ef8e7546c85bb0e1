"""The documentation says what the program does: error codes and exit codes, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from cleanup import errors
from cleanup.config import MailboxSettings
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


def test_links_between_the_documents_lead_somewhere() -> None:
    root = DOCS.parent
    for file in (root / "README.md", root / "CONTRIBUTING.md", *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.relative_to(root)} points to {target}"
