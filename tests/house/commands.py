"""Writes docs/commands.md from the commands themselves: python -m tests.house.commands"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from cleanup.cli import program

FILE = Path(__file__).parents[2] / "docs" / "commands.md"
_HEAD = """# Commands

Written from the program's own help by `python -m tests.house.commands`; a test keeps it equal. stdout carries data,
stderr talk. Off a terminal no question is asked: `--yes` answers it, or the command ends with exit code 2.
[exit-codes.md](exit-codes.md) lists the exit codes, [configuration.md](configuration.md) the keys of the file.
"""


def document() -> str:
    """Return the text of docs/commands.md."""
    root = typer.main.get_command(program())
    parts = [_HEAD]
    for name, command in _commands(root, "mailbox-cleanup"):
        parts.append(f"## {name}\n\n{_first(command)}\n")
        rows = list(_rows(command))
        if rows:
            parts.append("| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, one in getattr(command, "commands", {}).items():
        yield f"{name} {word}", one
        yield from _commands(one, f"{name} {word}")


def _first(command: Any) -> str:
    return " ".join((command.help or "").split())


def _rows(command: Any) -> Iterator[str]:
    for parameter in command.params:
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = (
            ", ".join(f"`{name}`" for name in names) if parameter.param_type_name == "option" else _argument(parameter)
        )
        text = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
        yield f"| {shown} | {text}{_default(parameter)} |"


def _argument(parameter: Any) -> str:
    word = parameter.name.upper()
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
