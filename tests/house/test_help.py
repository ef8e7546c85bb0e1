"""What --help shows fits a plain terminal and speaks the reader's language."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from cleanup.cli import app
from tests.cli.command import cleanup

COLUMNS = 80


def _commands(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    return [words, *(path for word, one in inner.items() for path in _commands(one, (*words, word)))]


@pytest.fixture(scope="module")
def helps() -> dict[str, list[str]]:
    """The help of every command, line by line."""
    paths = _commands(typer.main.get_command(app))
    return {" ".join(path): cleanup(*path, "--help", COLUMNS=str(COLUMNS)).out.splitlines() for path in paths}


def test_no_line_is_wider_than_a_plain_terminal(helps: dict[str, list[str]]) -> None:
    assert len(helps) > 20
    assert {(name, line) for name, lines in helps.items() for line in lines if len(line) > COLUMNS} == set()


def test_no_command_is_cut_off_in_the_list_of_commands(helps: dict[str, list[str]]) -> None:
    assert {(name, line) for name, lines in helps.items() for line in lines if line.endswith("...")} - {
        (name, lines[0]) for name, lines in helps.items()
    } == set()


def test_the_value_of_an_option_is_named_for_people(helps: dict[str, list[str]]) -> None:
    options = {(name, line) for name, lines in helps.items() for line in lines if line.lstrip().startswith("-")}

    assert {(name, line) for name, line in options if "<" in line.partition("   ")[0]} == set()
