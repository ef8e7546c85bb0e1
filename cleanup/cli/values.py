"""What --help calls the value of an option or argument. Typer would show Python's types, each version differently."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_NAMES = {
    "address": "ADDRESS",
    "authorization_id": "NAME",
    "ca_file": "FILE",
    "config": "FILE",
    "deadline_min": "MINUTES",
    "digest": "WHERE",
    "dkim_keys": "FILE",
    "file": "FILE",
    "folder": "FOLDER",
    "forget": "NETWORK",
    "form": "FORMAT",
    "frame": "FRAME",
    "host": "HOST",
    "identity": "ADDRESS",
    "keep": "AGE",
    "ledger": "LEDGER",
    "letter": "ORGANISATION",
    "limit": "N",
    "log_format": "FORMAT",
    "mailbox": "MAILBOX",
    "mailboxes": "MAILBOX",
    "max_moves": "N",
    "max_share": "SHARE",
    "metrics_file": "FILE",
    "name": "NAME",
    "no": "NETWORK",
    "now": "WHEN",
    "only": "UID",
    "outbound_host": "HOST",
    "output": "FILE",
    "password_command": "COMMAND",
    "password_env": "NAME",
    "password_file": "FILE",
    "per_host": "N",
    "ping_url": "URL",
    "policy": "NAME",
    "port": "N",
    "query": "SQL",
    "results": "FILE",
    "run": "RUN",
    "scheduler": "ADDRESS",
    "security": "HOW",
    "sent": "PATH",
    "sent_complete_since": "WHEN",
    "sent_folder": "FOLDER",
    "not_sent_folder": "FOLDER",
    "shard": "I/N",
    "since": "WHEN",
    "source": "SOURCE",
    "spread_min": "MINUTES",
    "target": "FOLDER",
    "threads": "N",
    "token_command": "COMMAND",
    "uid": "UID",
    "username": "NAME",
    "where": "CONDITION",
    "which": "RUN",
    "yes": "NETWORK",
}

_OF_OPTIONS = {"mailboxes": "FILE"}  # where an option and an argument share a name


class Named(TyperGroup):
    """A group of commands whose values, and those of the groups in it, have names for people."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, its values named."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _name_values(command)
        return command


def _name_values(command: Any) -> None:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            _show_as_word(parameter)
        elif not (getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)):
            parameter.metavar = parameter.metavar or _OF_OPTIONS.get(parameter.name) or _NAMES.get(parameter.name)
        _show_default(parameter)
    for inner in getattr(command, "commands", {}).values():
        _name_values(inner)


def _show_as_word(argument: Any) -> None:
    """Let an argument be called SOURCE everywhere: not {SOURCE}, nor SOURCE <str>, nor by its name in the code."""
    word = argument.metavar or _NAMES.get(argument.name, argument.name.upper())
    many = "..." if argument.nargs != 1 else ""
    usage = f"{word}{many}" if argument.required else f"[{word}]{many}"
    argument.metavar = word
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
