"""What --help shows fits a plain terminal and speaks the reader's language."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from cleanup.cli import COMMANDS, program
from tests.cli.command import cleanup

COLUMNS = 80


def _commands(command: Any, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", {})
    return [words, *(path for word, one in inner.items() for path in _commands(one, (*words, word)))]


@pytest.fixture(scope="module")
def helps() -> dict[str, list[str]]:
    """The help of every command, line by line."""
    paths = _commands(typer.main.get_command(program()))
    return {" ".join(path): cleanup(*path, "--help", COLUMNS=str(COLUMNS)).out.splitlines() for path in paths}


def test_no_line_is_wider_than_a_plain_terminal(helps: dict[str, list[str]]) -> None:
    assert len(helps) > 20
    assert {(name, line) for name, lines in helps.items() for line in lines if len(line) > COLUMNS} == set()


def test_no_command_is_cut_off_in_the_list_of_commands(helps: dict[str, list[str]]) -> None:
    assert {(name, line) for name, lines in helps.items() for line in lines if line.endswith("...")} - {
        (name, lines[0]) for name, lines in helps.items()
    } == set()


def test_values_and_arguments_are_named_for_people(helps: dict[str, list[str]]) -> None:
    left = {(name, line.partition("   ")[0]) for name, lines in helps.items() for line in lines}

    assert {(name, line) for name, line in left if "<" in line or "{" in line} == set()


def test_an_argument_is_called_the_same_in_its_two_places(helps: dict[str, list[str]]) -> None:
    assert helps["scan"][0] == "Usage: mailbox-cleanup scan [OPTIONS] SOURCE"
    assert helps["scan"][6] == "  SOURCE  A profile, an address, or a path: .eml folder, mbox, Maildir."
    assert helps["report"][0] == "Usage: mailbox-cleanup report [OPTIONS] [MAILBOX]..."
    assert "  MAILBOX...  Profiles or addresses; none: all in the ledger." in helps["report"]


def test_defaults_are_shown_in_one_way(helps: dict[str, list[str]]) -> None:
    text = "\n".join(line for lines in helps.values() for line in lines)

    assert "[500]" in text
    assert "default:" not in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("scan",), "Missing argument SOURCE. See: mailbox-cleanup scan --help [usage]"),
        (("run", "anna", "--polcy", "storm"), "--policy"),
        (("run", "anna", "--max-moves", "many"), "'--max-moves'"),
        (("history", "show", "last"), "RUN"),
        (("fleet", "stauts"), "No such command 'stauts'. See: mailbox-cleanup fleet --help [usage]"),
        (
            ("fleet", "run", "--threads", "0", "--mailboxes", "x"),
            "--threads 0 is too few. It must be 1 at least",
        ),
        (("undo", "1", "2"), "(2). See: mailbox-cleanup undo --help [usage]"),
    ],
)
def test_what_is_mistyped_is_answered_like_every_other_fault_in_one_line(words: tuple[str, ...], says: str) -> None:
    done = cleanup(*words)

    (line,) = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert line.startswith("mailbox-cleanup: ")
    assert line.endswith("[usage]")
    assert says in line


@pytest.mark.parametrize("words", [(), ("fleet",), ("config",)])
def test_a_group_alone_shows_what_is_in_it(words: tuple[str, ...]) -> None:
    done = cleanup(*words)

    assert done.code == 2
    assert "Commands:" in done.out + done.err


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_alone_is_the_one_of_the_whole_program(module: str) -> None:
    whole: Any = typer.main.get_command(program())

    for name in COMMANDS[module]:
        alone: Any = typer.main.get_command(program((name, "--help")))
        assert set(alone.commands) == set(COMMANDS[module])
        assert _spelled(alone.commands[name]) == _spelled(whole.commands[name])


def test_every_command_stands_in_the_table_from_which_it_is_loaded() -> None:
    whole: Any = typer.main.get_command(program())

    assert set(whole.commands) == {name for names in COMMANDS.values() for name in names}


def _spelled(command: Any) -> list[tuple[str, ...]]:
    """Return the options and arguments of a command and of those in it."""
    inner = [one for name in sorted(getattr(command, "commands", {})) for one in _spelled(command.commands[name])]
    return [(command.name, *(option for one in command.params for option in one.opts)), *inner]
