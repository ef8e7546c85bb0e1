"""Profiles, policy and identity: a TOML file, the environment and the options of a command become frozen values.

Precedence, highest first: options of the command, environment (`CLEANUP_HOST`, `CLEANUP_IDENTITY__ADDRESSES`, ...), the
profile's table in the file, the file's `[defaults]`, built-in defaults. Secrets never stand in the file: it says where
they are (a file, a command, an environment variable, the keyring).
"""

from __future__ import annotations

import difflib
import grp
import os
import pwd
import re
import shlex
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from pydantic import BaseModel, ValidationError

from cleanup.config.settings import without_plugins
from cleanup.errors import ConfigurationError, UsageError
from cleanup.model import Identity, Policy

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

__all__ = [
    "IdentitySettings",
    "MailboxSettings",
    "NetworkSettings",
    "OAuthSettings",
    "PolicySettings",
    "default_ledger",
    "identity_of",
    "ledger_of",
    "load_mailbox",
    "nameservers_from_environment",
    "policy_of",
    "rules_of",
    "shared_ledger",
    "without_password",
]

with without_plugins():
    from cleanup.config.settings import (
        GeneralRules,
        IdentitySettings,
        MailboxSettings,
        NetworkSettings,
        OAuthSettings,
        PolicySettings,
    )


# Where a secret may come from. Who names one of them means that one, whatever a lower step of the ladder names.
SECRET_SOURCES = ("token_command", "password_file", "password_command", "password_env", "keyring_service", "oauth")


def default_ledger() -> str:
    """Return the path of the ledger where neither option, environment nor file names one."""
    return str(Path(platformdirs.user_data_dir(APP)) / "ledger.sqlite")


def shared_ledger(config: Path | None = None) -> str:
    """Return the ledger of what names no mailbox: `CLEANUP_LEDGER`, else `[defaults] ledger`, else the profiles' own.

    Raises UsageError where the profiles name different ones, as nobody can tell which is meant; ConfigurationError.
    """
    tables, folder = read_config_file(config), _folder_of(config)
    named = _environment("The environment").get("ledger") or _from(folder, tables.get("defaults", {})).get("ledger")
    profiles: dict[str, Any] = tables.get("mailboxes", {})
    own = {str(_from(folder, table)["ledger"]): name for name, table in profiles.items() if table.get("ledger")}
    if named or not own or any(not table.get("ledger") for table in profiles.values()):
        return str(named or default_ledger())
    if len(own) > 1:
        shown = ", ".join(f"{without_password(where)} ({name})" for where, name in own.items())
        raise UsageError("Which ledger? The profiles have different ones", why=shown, hint="Name one with --ledger")
    return next(iter(own))


def load_mailbox(name: str, *, config: Path | None = None, options: dict[str, Any] | None = None) -> MailboxSettings:
    """Return the settings of a mailbox, named by its profile or by its address.

    `options` are the values that the command line set, by field name; None means not set.

    Raises ConfigurationError with the field and the nearest known name, UsageError for a name that is neither a profile
    nor an address.
    """
    tables = read_config_file(config)
    profile = _profile(name, tables)
    given = {key: value for key, value in (options or {}).items() if value not in (None, ())}
    table = _from(_folder_of(config), _merge(tables.get("defaults", {}), profile))
    for key, value in table.items():  # what an option names, it replaces whole; the rest of its table stays
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            table[key] = {k: v for k, v in value.items() if k not in given[key]}
    named = [source for source in SECRET_SOURCES if source in given]
    environment = _environment(f"Mailbox {name}")
    if named or any(source in environment for source in SECRET_SOURCES):
        table = {key: value for key, value in table.items() if key not in SECRET_SOURCES}
    if named:
        given = {source: None for source in SECRET_SOURCES if source != "oauth"} | {"oauth": OAuthSettings()} | given
    try:
        return MailboxSettings(**_merge(_merge(table, environment), given))
    except ValidationError as error:
        raise what_is_wrong(error, f"Mailbox {name}")[0] from error


def rules_of(identity: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[Identity, Policy]:
    """Return whose mail it is and how to judge, where no mailbox is concerned: neither file nor environment counts.

    Raises ConfigurationError as load_mailbox does.
    """
    try:
        rules = GeneralRules.model_validate({"identity": identity, "policy": policy})
    except ValidationError as error:
        raise what_is_wrong(error, "The options")[0] from error
    return _identity(rules.identity), _policy(rules.policy)


def nameservers_from_environment() -> NetworkSettings:
    """Return which name servers the environment says to ask, where no mailbox is concerned; not what to ask them.

    Raises ConfigurationError.
    """
    whose = "The environment"
    table = _environment(whose).get("network", {})
    named = {key: table[key] for key in ("nameservers", "port", "timeout_s") if key in table}
    try:
        return NetworkSettings.model_validate(named)
    except ValidationError as error:
        raise what_is_wrong(error, f"{whose}: network")[0] from error


def identity_of(settings: MailboxSettings) -> Identity:
    """Return the owner's identity; the mailbox's own address always belongs to it."""
    return replace(_identity(settings.identity, settings.address), imap_host=(settings.host or "").lower())


def _identity(who: IdentitySettings, *own: str) -> Identity:
    return Identity(
        addresses=frozenset(a.lower() for a in (*own, *who.addresses)),
        outbound_hosts=frozenset(h.lower() for h in who.outbound_hosts),
        shared_providers=frozenset(h.lower() for h in who.shared_providers),
        dkim_domains=frozenset(d.lower() for d in who.dkim_domains),
        authserv_ids=frozenset(a.lower() for a in who.authserv_ids),
        aliases=tuple(sorted((a.lower(), b.lower()) for a, b in who.aliases.items())),
        batv_keys=tuple(_key(path) for path in who.batv_key_files),
        srs_keys=tuple(_key(path) for path in who.srs_key_files),
        hmac_keys=tuple(_key(path) for path in who.hmac_key_files),
        tagged_since=who.tagged_since,
    )


def policy_of(settings: MailboxSettings) -> Policy:
    """Return the thresholds of a mailbox's policy."""
    return replace(_policy(settings.policy), dnsbl_zone=settings.network.dnsbl_zone)


def _policy(rules: PolicySettings) -> Policy:
    return Policy(
        name=rules.name,
        queue_lifetime=timedelta(days=rules.queue_lifetime_days),
        min_completeness=rules.min_completeness,
        switched_off=frozenset(rules.switched_off),
        file_leaning=rules.name == "storm",
        file_other_notices=rules.file_other_notices,
        max_moves=rules.max_moves,
        max_share=rules.max_share,
    )


def ledger_of(settings: MailboxSettings) -> str:
    """Return the path or URL of the ledger."""
    return settings.ledger or default_ledger()


def without_password(ledger: str) -> str:
    """Return the path or URL of a ledger as it may be shown."""
    return re.sub(r"(?<=:)[^:@/]*(?=@)", "***", ledger) if "://" in ledger else ledger


# --- pieces --------------------------------------------------------------------------------------------------------


def _profile(name: str, tables: dict[str, Any]) -> dict[str, Any]:
    profiles: dict[str, Any] = tables.get("mailboxes", {})
    if name in profiles:
        return dict(profiles[name])
    for profile in profiles.values():
        if str(profile.get("address", "")).lower() == name.lower():
            return dict(profile)
    if "@" in name:
        return {"address": name}
    near = difflib.get_close_matches(name, profiles, n=1)
    what = f"{name!r} is neither an e-mail address nor the name of a profile"
    if near:
        raise UsageError(what, hint=f"Did you mean {near[0]!r}?")
    raise UsageError(what).going_on("To write a profile", ("config", "init"))


def _environment(whose: str) -> dict[str, Any]:
    """Return the settings that the environment holds (`CLEANUP_HOST`, `CLEANUP_IDENTITY__ADDRESSES`, ...), as a table.

    Raises ConfigurationError.
    """
    variables = {variable.lower().partition("__")[0] for variable in os.environ}
    if not any(f"cleanup_{name}" in variables for name in MailboxSettings.model_fields):
        return {}
    # Its library takes longer to load than a night takes on which nothing happened.
    from pydantic_settings import EnvSettingsSource, SettingsError

    try:
        return EnvSettingsSource(_settings_of_the_environment())()
    except SettingsError as error:  # a variable that should hold a whole table, in JSON
        raise ConfigurationError(f"{whose}: the environment cannot be read", why=str(error)) from error


@cache
def _settings_of_the_environment() -> type[BaseSettings]:
    """Return the settings as the environment is asked for them: made once, as a fleet asks for every mailbox."""
    from pydantic_settings import BaseSettings, SettingsConfigDict

    class Settings(MailboxSettings, BaseSettings):
        model_config = SettingsConfigDict(env_prefix="CLEANUP_", env_nested_delimiter="__", extra="forbid", frozen=True)

    return Settings


def _folder_of(config: Path | None) -> Path:
    return (config or default_config_file()).expanduser().absolute().parent


def _from(folder: Path, table: dict[str, Any], model: type[BaseModel] = MailboxSettings) -> dict[str, Any]:
    """Return a table of the file whose paths no longer depend on where a command is started: `folder` is the file's.

    The ledger is a path, too, where it is no URL.
    """
    made = dict(table)
    for key, value in table.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field else None
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, BaseModel):
            made[key] = _from(folder, value, inner)
        elif key == "ledger" and "://" not in str(value):
            made[key] = _in(folder, value)
            # Earlier versions took such a path from where the command was started: do not begin a second ledger.
            if isinstance(made[key], str) and Path(value).exists() and not Path(made[key]).exists():
                what = f"The configuration file's ledger {value!r} is looked for beside that file, and is not there"
                raise ConfigurationError(what, hint=f"Write its whole path into the file: {Path(value).absolute()}")
        elif "Path" in str(inner):
            made[key] = [_in(folder, one) for one in value] if isinstance(value, list) else _in(folder, value)
    return made


def _in(folder: Path, value: Any) -> Any:
    return str(folder / Path(value).expanduser()) if isinstance(value, str) and value else value


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def what_is_wrong(error: ValidationError, whose: str) -> list[ConfigurationError]:
    """Return everything that is wrong with somebody's settings, at least one."""
    tables: dict[str, type[BaseModel]] = {
        "identity": IdentitySettings,
        "policy": PolicySettings,
        "network": NetworkSettings,
        "oauth": OAuthSettings,
    }
    found = []
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            *above, key = map(str, one["loc"])
            model = tables.get(above[-1], MailboxSettings) if above else MailboxSettings
            hint = nearest(key, tuple(model.model_fields))
            found.append(ConfigurationError(f"{whose}: unknown key {where!r}", hint=hint))
        else:
            why = one["msg"].removeprefix("Value error, ").removeprefix("Input ")
            found.append(ConfigurationError(f"{whose}: {where}", why=why))
    return found


def _key(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be read", why=plain(error)) from error


# --- The configuration file as it lies on the disk: found, read, and refused where it is none -----------------------

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
        about = file.stat()  # what changes with a file: a fleet would read it anew for each of its mailboxes
        return _read(file, (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns))
    except RecursionError as error:
        raise ConfigurationError(f"The configuration file {file} is nested too deeply") from error
    except FileNotFoundError as error:
        missing = ConfigurationError(f"There is no configuration file {file}")
        raise missing.going_on("To write one", ("config", "init", "--config", file)) from error
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


@lru_cache(maxsize=1)
def _read(file: Path, _state: tuple[int, ...]) -> dict[str, Any]:
    tables = tomllib.loads(_text(file))
    for key in tables:
        if key not in ("defaults", "mailboxes"):
            hint = nearest(key, ("defaults", "mailboxes"))
            raise ConfigurationError(f"{file}: unknown key {key!r}", hint=hint)
    found = list(tables.items())
    profiles = tables.get("mailboxes")
    if isinstance(profiles, dict):
        found += [(f"mailboxes.{name}", table) for name, table in profiles.items()]
    for name, table in found:
        if not isinstance(table, dict):
            raise ConfigurationError(f"{file}: {name} is not a table", hint="Profiles stand under [mailboxes.NAME]")
    return tables


def _text(file: Path) -> str:
    """Return what a file says that only its owner, or root, can have written: its commands will be run.

    A pipe would be waited for without end. What is checked is what is read: the file is opened first.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="utf-8-sig") as opened:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode):
            what = f"The configuration file {file} is not yours alone to write, and commands that it names would be run"
            if about.st_uid not in (os.geteuid(), 0):
                try:
                    user = pwd.getpwuid(about.st_uid).pw_name
                except KeyError:  # a user who was removed, or of another machine
                    user = f"user {about.st_uid}"
                why = f"it belongs to {user}"
                raise ConfigurationError(what, why=why, hint="Read it, and name a copy of your own with --config")
            if about.st_mode & stat.S_IWOTH or (
                about.st_mode & stat.S_IWGRP and not _is_private(about.st_gid, about.st_uid)
            ):
                why = f"its mode is {stat.S_IMODE(about.st_mode):04o}"
                raise ConfigurationError(what, why=why, hint=f"chmod go-w {shlex.quote(str(file))}")
        elif not (stat.S_ISCHR(about.st_mode) and os.path.samestat(about, Path(os.devnull).stat())):
            raise ConfigurationError(
                f"The configuration file {file} cannot be read",
                why="it is a folder, a pipe or a device, and no file",
                hint="Write it to a file, and name that",
            )
        return opened.read()


def _is_private(gid: int, uid: int) -> bool:
    """Return whether a group is a user's own, with nobody else in it, as many distributions give each user one."""
    try:
        group, owner = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}
