"""Profiles, policy and identity: a TOML file, the environment and the options of a command become frozen values.

Precedence, highest first: options of the command, environment (`CLEANUP_HOST`, `CLEANUP_IDENTITY__ADDRESSES`, ...), the
profile's table in the file, the file's `[defaults]`, built-in defaults. Secrets never stand in the file: it says where
they are (a file, a command, an environment variable, the keyring).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ValidationError

from cleanup.config.plugins import without_plugins
from cleanup.config.toml_file import APP, nearest, plain, read_config_file
from cleanup.errors import ConfigurationError, UsageError
from cleanup.model import Identity, Policy

with without_plugins():
    from cleanup.config.settings import (
        IdentitySettings,
        MailboxSettings,
        NetworkSettings,
        OAuthSettings,
        PolicySettings,
        Rules,
    )

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
    "policy_of",
    "rules_of",
]

# Where a secret may come from. Who names one of them means that one, whatever a lower step of the ladder names.
SECRET_SOURCES = ("token_command", "password_file", "password_command", "password_env", "keyring_service", "oauth")


def default_ledger() -> str:
    """Return the path of the ledger where neither option, environment nor file names one."""
    return str(Path(platformdirs.user_data_dir(APP)) / "ledger.sqlite")


def load_mailbox(name: str, *, config: Path | None = None, options: dict[str, Any] | None = None) -> MailboxSettings:
    """Return the settings of a mailbox, named by its profile or by its address.

    `options` are the values that the command line set, by field name; None means not set.

    Raises ConfigurationError with the field and the nearest known name, UsageError for a name that is neither a profile
    nor an address.
    """
    tables = read_config_file(config)
    profile = _profile(name, tables)
    given = {key: value for key, value in (options or {}).items() if value not in (None, ())}
    table = _without(_merge(tables.get("defaults", {}), profile), given)
    named = [source for source in SECRET_SOURCES if source in given]
    environment = _environment(f"Mailbox {name}")
    if named or any(source in environment for source in SECRET_SOURCES):
        table = {key: value for key, value in table.items() if key not in SECRET_SOURCES}
    if named:
        given = {source: None for source in SECRET_SOURCES if source != "oauth"} | {"oauth": OAuthSettings()} | given
    try:
        return MailboxSettings(**_merge(_merge(table, environment), given))
    except ValidationError as error:
        raise _explained(error, f"Mailbox {name}") from error


def rules_of(identity: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[Identity, Policy]:
    """Return whose mail it is and how to judge, where no mailbox is concerned: neither file nor environment counts.

    Raises ConfigurationError as load_mailbox does.
    """
    try:
        rules = Rules.model_validate({"identity": identity, "policy": policy})
    except ValidationError as error:
        raise _explained(error, "The options") from error
    return _identity(rules.identity), _policy(rules.policy)


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
    hint = f"Did you mean {near[0]!r}?" if near else "mailbox-cleanup config init writes a profile"
    raise UsageError(f"{name!r} is neither an e-mail address nor the name of a profile", hint=hint)


def _environment(whose: str) -> dict[str, Any]:
    """Return the settings that the environment holds; nothing is loaded for it where there is none."""
    variables = {variable.lower().partition("__")[0] for variable in os.environ}
    if not any(f"cleanup_{name}" in variables for name in MailboxSettings.model_fields):
        return {}
    from cleanup.config.environment import from_environment

    return from_environment(whose)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def _without(table: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the table less what the options replace whole, so that tables merge key by key."""
    return {
        key: {k: v for k, v in value.items() if k not in given[key]}
        if isinstance(value, dict) and isinstance(given.get(key), dict)
        else value
        for key, value in table.items()
    }


def _explained(error: ValidationError, whose: str) -> ConfigurationError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        hint = nearest(str(first["loc"][-1]), _known_fields(first["loc"][:-1]))
        return ConfigurationError(f"{whose}: unknown key {where!r}", hint=hint)
    return ConfigurationError(
        f"{whose}: {where}", why=first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    )


def _known_fields(path: tuple[int | str, ...]) -> tuple[str, ...]:
    models: dict[str, type[BaseModel]] = {
        "identity": IdentitySettings,
        "policy": PolicySettings,
        "network": NetworkSettings,
        "oauth": OAuthSettings,
    }
    model = models.get(str(path[-1]), MailboxSettings) if path else MailboxSettings
    return tuple(model.model_fields)


def _key(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"The key file {path} cannot be read", why=plain(error)) from error
