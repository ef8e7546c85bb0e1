"""The configuration file as people meet it: checked as a whole, explained value by value, and written for them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cleanup.config import (
    default_config_file,
    identity_of,
    load_mailbox,
    read_config_file,
    what_is_wrong,
    without_password,
)
from cleanup.connector.credentials import write_private
from cleanup.errors import CleanupError, ConfigurationError, UsageError


@dataclass(frozen=True, slots=True)
class Value:
    """One setting: its dotted name, its value, and where that came from."""

    name: str
    value: Any
    origin: str


def problems(path: Path | None = None) -> list[CleanupError]:
    """Return everything that is wrong with the configuration file, profile by profile; nothing where all is well."""
    try:
        tables = read_config_file(path or default_config_file())
    except CleanupError as error:
        return [error]
    found: list[CleanupError] = []
    for name in tables.get("mailboxes") or ["nobody@example.org"]:  # [defaults] may be wrong by itself
        try:
            identity_of(load_mailbox(name, config=path))  # which reads the key files that it names
        except CleanupError as error:
            wrong = error.__cause__
            found += what_is_wrong(wrong, f"Mailbox {name}") if isinstance(wrong, ValidationError) else [error]
    return found


def values(name: str, path: Path | None = None) -> list[Value]:
    """Return every setting of a profile with its origin: environment, profile, [defaults] or built in.

    Raises as load_mailbox does.
    """
    settings = load_mailbox(name, config=path)
    shown = {"ledger": without_password(settings.ledger)} if settings.ledger else {}
    tables = read_config_file(path)
    profiles: Mapping[str, Any] = tables.get("mailboxes", {})
    named = (one for one in profiles.values() if str(one.get("address", "")).lower() == settings.address.lower())
    profile: Mapping[str, Any] = profiles[name] if name in profiles else next(named, {})
    return [
        Value(
            dotted,
            value,
            _origin(dotted, profile, tables.get("defaults", {})),
        )
        for dotted, value in _flat(settings.model_copy(update=shown))
        if not (dotted == "address" and not profile)
    ]


def write_profile(name: str, given: Mapping[str, Any], path: Path | None = None) -> Path:
    """Add a profile to the configuration file, which only its owner can read; make it where there is none.

    Raises ConfigurationError where a profile of that name exists or the file cannot be written.
    """
    file = path or default_config_file()
    refuse_existing(name, file)
    try:
        before = file.read_text(encoding="utf-8-sig") if file.exists() else _HEAD
        lines = [before.rstrip("\n"), "", f"[mailboxes.{_key(name)}]"]
        # In TOML the header of an inner table ends the outer one: its plain keys have to come first.
        lines += _lines({key: value for key, value in given.items() if not isinstance(value, Mapping)})
        for key, value in given.items():
            if isinstance(value, Mapping):
                lines += ["", f"[mailboxes.{_key(name)}.{key}]", *_lines(value)]
        write_private(file, "\n".join(lines) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written", why=error.strerror or str(error)) from error
    return file


def refuse_existing(name: str, path: Path | None = None) -> None:
    """Raise ConfigurationError where the configuration file has a profile of that name."""
    file = path or default_config_file()
    existing = read_config_file(file) if file.exists() else {}
    if name in existing.get("mailboxes", {}):
        hint = "Choose another name with --name, or edit the file"
        raise ConfigurationError(f"{file} has a profile {name!r} already", hint=hint)


# --- reading -------------------------------------------------------------------------------------------------------


def _flat(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _origin(dotted: str, profile: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    variable = "CLEANUP_" + dotted.upper().replace(".", "__")
    if _is_set(variable):
        return f"environment {variable}"
    if _has(profile, dotted):
        return "profile"
    return "[defaults]" if _has(defaults, dotted) else "built in"


def _is_set(variable: str) -> bool:
    """Return whether the environment sets it, by itself or inside the JSON of its whole table."""
    whole, _, key = variable.partition("__")
    names = {name.upper(): value for name, value in os.environ.items()}
    if variable in names:
        return True
    try:
        table = json.loads(names.get(whole, "null"))
    except ValueError:
        return False
    return isinstance(table, dict) and key.lower() in table


def _has(table: Mapping[str, Any], dotted: str) -> bool:
    first, _, rest = dotted.partition(".")
    if first not in table:
        return False
    return _has(table[first], rest) if rest else True


# --- writing -------------------------------------------------------------------------------------------------------

_HEAD = """# mailbox-cleanup: one table a mailbox. Every key: docs/configuration.md
# Passwords never stand here; the file says where they come from.
"""

_COMMENTS = {
    "host": "IMAP server",
    "security": "tls, starttls, or plain (this machine only)",
    "password_command": "a command that prints the password",
    "password_file": "a file with the password, readable by you alone",
    "password_env": "an environment variable with the password",
    "keyring_service": "the password stands in the keyring under this service",
    "outbound_hosts": "where your mail leaves from: names, addresses, networks",
    "addresses": "further addresses that are yours",
}


def _lines(table: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}" + (f"  # {_COMMENTS[key]}" if key in _COMMENTS else "")
        for key, value in table.items()
        if value not in (None, (), [])
    ]


def _key(name: str) -> str:
    if not name or any(ord(c) < 32 for c in name):
        raise UsageError(f"{name!r} cannot be the name of a profile")
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)
