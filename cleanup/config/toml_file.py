"""The configuration file as it lies on the disk: found, read, and refused where it is none."""

from __future__ import annotations

import difflib
import grp
import os
import pwd
import shlex
import stat
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

    Raises ConfigurationError for a file that was named and is missing, cannot be read, is not TOML, or that others can
    write: commands that it names are run.
    """
    file = path or default_config_file()
    try:
        if not file.exists() and path is None:
            return {}
        return _read(file, _state(file))
    except RecursionError as error:
        raise ConfigurationError(f"The configuration file {file} is nested too deeply") from error
    except FileNotFoundError as error:
        hint = "mailbox-cleanup config init writes one"
        raise ConfigurationError(f"There is no configuration file {file}", hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {file} cannot be read", why=plain(error)) from error
    except ValueError as error:  # a TOMLDecodeError, or a number without end
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
    tables = tomllib.loads(_text(file))
    _refuse_unknown(tables, ("defaults", "mailboxes"), str(file))
    _refuse_no_tables(tables, str(file))
    return tables


def _text(file: Path) -> str:
    """Return what a file says that only its owner, or root, can have written: its commands will be run.

    A pipe would be waited for without end. What is checked is what is read: the file is opened first.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="utf-8-sig") as opened:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode):
            _refuse_what_others_write(file, about)
        elif not (stat.S_ISCHR(about.st_mode) and os.path.samestat(about, Path(os.devnull).stat())):
            raise ConfigurationError(
                f"The configuration file {file} is no file", hint="Write it to a file, and name that"
            )
        return opened.read()


def _refuse_what_others_write(file: Path, about: os.stat_result) -> None:
    what = f"The configuration file {file} is not yours alone to write, and commands that it names would be run"
    if about.st_uid not in (os.geteuid(), 0):
        why = f"it belongs to {_user(about.st_uid)}"
        raise ConfigurationError(what, why=why, hint="Read it, and name a copy of your own with --config")
    if about.st_mode & stat.S_IWOTH or (about.st_mode & stat.S_IWGRP and not _is_private(about.st_gid, about.st_uid)):
        why = f"its mode is {stat.S_IMODE(about.st_mode):04o}"
        raise ConfigurationError(what, why=why, hint=f"chmod go-w {shlex.quote(str(file))}")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _is_private(gid: int, uid: int) -> bool:
    """Return whether a group is a user's own, with nobody else in it, as many distributions give each user one."""
    try:
        group, owner = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


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
