"""The commands that the documents show are commands of the program, with options that it knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cleanup.cli import program

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _shown(text: str) -> Iterator[str]:
    """Yield what follows the program's name in each line of a console block, its prompts and jobs."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            typed = re.match(r"(?:\$ |[\d* ]+ )?(?:\S+/)?mailbox-cleanup (.*)", line.split(" #")[0])
            if typed:
                yield re.split(r" (?:[|&;<>]|2>)", typed.group(1))[0]


EXAMPLES = [(str(file.relative_to(ROOT)), typed) for file in DOCUMENTS for typed in _shown(file.read_text("utf-8"))]


def _left_over(words: list[str]) -> list[str]:
    """Return what the command does not understand of the words; click raises for an unknown command or option."""
    command: Any = typer.main.get_command(program())
    context = command.context_class(command, info_name="mailbox-cleanup")
    while hasattr(command, "commands") and words:  # `history` alone is a command, too
        name, command, words = command.resolve_command(context, words)
        context = command.context_class(command, info_name=name, parent=context)
    _, rest, _ = command.make_parser(context).parse_args(args=list(words))
    return list(rest)


def test_the_documents_show_commands() -> None:
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize(("file", "typed"), EXAMPLES)
def test_an_example_is_a_command_of_the_program(file: str, typed: str) -> None:
    assert _left_over(shlex.split(typed)) == []


def test_an_example_with_a_typing_error_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        _left_over(["scan", "anna@example.org", "--hots", "imap.example.org"])
    with pytest.raises(Exception, match="No such command"):
        _left_over(["scann", "anna@example.org"])
