"""How --help shows arguments and defaults. Typer would show Python's types, and defaults each in another way."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Named(TyperGroup):
    """A group of commands whose arguments and defaults, and those of the groups in it, are shown for people."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, ready to be shown."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _show_for_people(command)
        return command


def _show_for_people(command: Any) -> None:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _show_as_word(parameter)
        _show_default(parameter)
    for inner in getattr(command, "commands", {}).values():
        _show_for_people(inner)


def _show_as_word(argument: Any) -> None:
    """Let an argument be called SOURCE everywhere: not {SOURCE}, nor SOURCE <str>, nor by its name in the code."""
    word = argument.metavar
    many = "..." if argument.nargs != 1 else ""
    usage = f"{word}{many}" if argument.required else f"[{word}]{many}"
    argument.get_usage_pieces = lambda *_: [usage]
    argument.get_help_record = lambda *_: (f"{word}{many}", argument.help or "")
    argument.get_error_hint = lambda *_: word


def _show_default(parameter: Any) -> None:
    """Show a default in brackets behind the help, in one way whoever wrote it."""
    shown = _default_in_words(parameter)
    if shown:
        parameter.help = f"{parameter.help} [{shown}]"
        parameter.show_default = False


def _default_in_words(parameter: Any) -> str:
    wanted, default = getattr(parameter, "show_default", False), parameter.default
    if isinstance(wanted, str):
        return wanted
    if not wanted or default is None:
        return ""
    if isinstance(default, bool):
        names = parameter.opts if default else parameter.secondary_opts
        return str(names[0]).lstrip("-") if parameter.secondary_opts else ""
    return str(default)
