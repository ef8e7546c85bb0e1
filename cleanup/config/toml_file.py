"""The configuration file as it lies on the disk: found, read, and refused where it is none."""

from __future__ import annotations

import difflib
import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from cleanup.errors import ConfigurationError
from cleanup.whole_file import must_be_a_file

APP = "mailbox-cleanup"


def default_config_file() -> Path:
    """Return where the configuration file is looked for: `CLEANUP_CONFIG`, else the platform's place."""
    named = os.environ.get("CLEANUP_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir(APP)) / "config.toml"


def read_config_file(path: Path | None = None) -> dict[str, Any]:
    """Return the tables of the configuration file, not to be changed; empty where there is none at the default place.

    Raises ConfigurationError for a file that was named and is missing, cannot be read, or is not TOML.
    """
    file = path or default_config_file()
    if not file.exists() and path is None:
        return {}
    try:
        return _read(file, _state(file))
    except FileNotFoundError as error:
        hint = "mailbox-cleanup config init writes one"
        raise ConfigurationError(f"There is no configuration file {file}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {file} cannot be read", why=plain(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file {file} is not valid TOML", why=str(error)) from error


def nearest(key: str, known: tuple[str, ...]) -> str:
    """Return a hint: the known key that is most like it, or all that are known."""
    near = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}"


def plain(error: Exception) -> str:
    """Return why a file cannot be read, in words."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)


# --- pieces --------------------------------------------------------------------------------------------------------


def _state(file: Path) -> tuple[int, ...]:
    """Return what changes with a file: a fleet would read it anew for each of its mailboxes."""
    told = file.stat()
    must_be_a_file(told)
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns


@lru_cache(maxsize=1)
def _read(file: Path, _state: tuple[int, ...]) -> dict[str, Any]:
    tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    _refuse_unknown(tables, ("defaults", "mailboxes"), str(file))
    _refuse_no_tables(tables, str(file))
    return tables


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigurationError(f"{where}: unknown key {key!r}", hint=nearest(key, known))


def _refuse_no_tables(tables: dict[str, Any], where: str) -> None:
    found = [(name, table) for name, table in tables.items() if name in ("defaults", "mailboxes")]
    profiles = tables.get("mailboxes")
    if isinstance(profiles, dict):
        found += [(f"mailboxes.{name}", table) for name, table in profiles.items()]
    for name, table in found:
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where}: {name} is not a table", hint="Profiles stand under [mailboxes.NAME]")
