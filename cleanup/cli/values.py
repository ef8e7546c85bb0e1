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
}


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
        takes_value = not (getattr(parameter, "is_flag", False) or getattr(parameter, "count", False))
        if takes_value and parameter.metavar is None:
            parameter.metavar = _NAMES.get(parameter.name)
    for inner in getattr(command, "commands", {}).values():
        _name_values(inner)
