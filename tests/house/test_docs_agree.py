"""The documentation says what the program does: error codes and exit codes, both ways."""

from __future__ import annotations

import re
from pathlib import Path

from cleanup import errors

DOCS = Path(__file__).parents[2] / "docs"


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

    assert said == {str(int(code)) for code in errors.ExitCode} | {"130", "143"}
