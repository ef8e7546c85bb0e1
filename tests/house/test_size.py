"""Files stay short enough to read, and what is public says what it gives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CLEANUP = Path(__file__).parents[2] / "cleanup"
FILES = sorted(CLEANUP.rglob("*.py"))
LONGEST = 350


def _undocumented(file: Path) -> list[str]:
    """Return the public functions and classes at the top of a file that have no docstring, and `module` for its own."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    missing = [node.name for node in public if ast.get_docstring(node) is None]
    return missing if ast.get_docstring(tree) or not tree.body else ["module", *missing]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CLEANUP)))
def test_a_file_is_short_and_its_public_names_are_explained(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert _undocumented(file) == []
