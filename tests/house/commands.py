"""Writes docs/commands.md from the commands themselves: python -m tests.house.commands"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import typer

from cleanup.cli import program
from cleanup.cli.options import Reach, Rules, Watching

FILE = Path(__file__).parents[2] / "docs" / "commands.md"
_HEAD = """# Commands

Written from the program's own help by `python -m tests.house.commands`; a test keeps it equal. stdout carries data,
stderr talk. Off a terminal no question is asked: `--yes` answers it, or the command ends with exit code 2.
[exit-codes.md](exit-codes.md) lists the exit codes, [configuration.md](configuration.md) the keys of the file.

Options that many commands share stand once, at the end: [how to reach a mailbox](#how-to-reach-a-mailbox),
[how to judge](#how-to-judge) and [who watches](#who-watches).
"""
# What commands share, by heading: commands that take all of it point there.
_SHARED: Mapping[str, type] = {"How to reach a mailbox": Reach, "How to judge": Rules, "Who watches": Watching}


def document() -> str:
    """Return the text of docs/commands.md."""
    root = typer.main.get_command(program())
    parts, last = [_HEAD], dict[str, list[Any]]()
    for name, command in _commands(root, "mailbox-cleanup"):
        parts.append(f"## {name}\n\n{_first(command)}\n")
        own, shared = list(command.params), list[str]()
        for heading, group in _SHARED.items():
            names = {field.name for field in fields(group)}
            theirs = [one for one in own if one.name in names and one.param_type_name == "option"]
            if {one.name for one in theirs} == names:
                own = [one for one in own if one not in theirs]
                last.setdefault(heading, theirs)
                shared.append(f"[{heading[0].lower()}{heading[1:]}](#{heading.lower().replace(' ', '-')})")
        parts += [_table(own)] if own else []
        parts += [f"Also the options of {', '.join(shared)}.\n"] if shared else []
    parts += [f"## {heading}\n\n{_table(options)}" for heading, options in last.items()]
    return "\n".join(parts)


def _table(parameters: list[Any]) -> str:
    return "| option | meaning |\n|---|---|\n" + "\n".join(_rows(parameters)) + "\n"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, one in getattr(command, "commands", {}).items():
        yield f"{name} {word}", one
        yield from _commands(one, f"{name} {word}")


def _first(command: Any) -> str:
    return " ".join((command.help or "").split())


def _rows(parameters: list[Any]) -> Iterator[str]:
    for parameter in parameters:
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = (
            ", ".join(f"`{name}`" for name in names) if parameter.param_type_name == "option" else _argument(parameter)
        )
        text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
        yield f"| {shown} | {text}{_default(parameter)} |"


def _argument(parameter: Any) -> str:
    word = parameter.metavar or parameter.name.upper()
    return f"`{word}`" if parameter.required else f"`[{word}]`"


def _default(parameter: Any) -> str:
    shown = getattr(parameter, "show_default", False)
    if isinstance(shown, str):
        return f" [{shown}]"
    default = parameter.default
    plain = isinstance(default, str | int | float | Path) and not isinstance(default, bool)
    return f" [{default}]" if shown and plain and default != "" else ""


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
