"""Profiles, policy and identity: a TOML file, the environment and the options of a command become frozen values.

Precedence, highest first: options of the command, environment (`CLEANUP_HOST`, `CLEANUP_IDENTITY__ADDRESSES`, ...), the
profile's table in the file, the file's `[defaults]`, built-in defaults. Secrets never stand in the file: it says where
they are (a file, a command, an environment variable, the keyring).
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from cleanup.config.toml_file import APP, nearest, plain, read_config_file
from cleanup.errors import ConfigurationError, UsageError
from cleanup.model import Family, Identity, Policy

# Where a secret may come from. Who names one of them means that one, whatever a lower step of the ladder names.
SECRET_SOURCES = ("token_command", "password_file", "password_command", "password_env", "keyring_service", "oauth")

_HOST_NAME = re.compile(r"(?:\*?\.)?(?:[\w-]+\.)*(?!\d+\.?$)[\w-]+\.?")

# The table being read, per thread: the library constructs its sources without arguments of ours.
_TABLE: ContextVar[dict[str, Any]] = ContextVar("profile_table")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IdentitySettings(_Strict):
    """`[mailboxes.NAME.identity]`: who the owner is. What is left out is learned from the Sent folder."""

    addresses: tuple[str, ...] = ()
    outbound_hosts: tuple[str, ...] = ()
    shared_providers: tuple[str, ...] = ()
    dkim_domains: tuple[str, ...] = ()
    authserv_ids: tuple[str, ...] = ()
    aliases: dict[str, str] = Field(default_factory=dict)
    batv_key_files: tuple[Path, ...] = ()
    srs_key_files: tuple[Path, ...] = ()
    hmac_key_files: tuple[Path, ...] = ()
    tagged_since: datetime | None = None

    @field_validator("outbound_hosts", "shared_providers")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a slip of the pen: own mail would count as foreign."""
        for host in hosts:
            if not _is_host(host):
                raise ValueError(f"{host!r} is neither a host name, nor an address, nor a network")
        return hosts


class PolicySettings(_Strict):
    """`[mailboxes.NAME.policy]`: how careful to be. `name` is cautious (files nothing), balanced or storm."""

    name: Literal["cautious", "balanced", "storm"] = "balanced"
    queue_lifetime_days: float = Field(default=5, gt=0, le=30)
    min_completeness: float = Field(default=0.9, ge=0, le=1)
    max_moves: int = Field(default=500, ge=0)
    max_share: float = Field(default=0.2, ge=0, le=1)
    switched_off: tuple[Family, ...] = ()
    file_other_notices: bool = False


class NetworkSettings(_Strict):
    """`[mailboxes.NAME.network]`: what DNS may be asked. Nothing, unless it is switched on."""

    dkim: bool = False
    dnsbl: bool = False
    dnsbl_zone: str = "ips.backscatterer.org"
    dkim_keys: Path | None = None
    nameservers: tuple[str, ...] = ()
    port: int = Field(default=53, gt=0, lt=65536)
    timeout_s: float = Field(default=2, gt=0, le=30)


class OAuthSettings(_Strict):
    """`[mailboxes.NAME.oauth]`: how an access token is got. A client id means Microsoft 365, the files mean Google."""

    tenant: str = "organizations"
    client_id: str | None = None
    client_secret_file: Path | None = None
    client_secret_command: str | None = None
    authority: str | None = None
    cache_file: Path | None = None
    google_service_account_file: Path | None = None
    google_token_file: Path | None = None


class MailboxSettings(BaseSettings):
    """`[mailboxes.NAME]`: one mailbox and how to reach it."""

    model_config = SettingsConfigDict(env_prefix="CLEANUP_", env_nested_delimiter="__", extra="forbid", frozen=True)

    address: str
    host: str | None = None
    port: int | None = Field(default=None, gt=0, lt=65536)
    security: Literal["tls", "starttls", "plain"] = "tls"
    username: str | None = None
    authorization_id: str | None = None
    password_file: Path | None = None
    password_command: str | None = None
    password_env: str | None = None
    keyring_service: str | None = None
    token_command: str | None = None
    ca_file: Path | None = None
    connect_timeout_s: float = Field(default=30, gt=0)
    command_timeout_s: float = Field(default=120, gt=0)
    inbox: str = "INBOX"
    target: str = "Backscatter"
    sent_folders: tuple[str, ...] = ()
    sent_complete_since: datetime | None = None
    digest: Literal["folder", "inbox", "never"] = "folder"
    ledger: str | None = None
    identity: IdentitySettings = IdentitySettings()
    policy: PolicySettings = PolicySettings()
    network: NetworkSettings = NetworkSettings()
    oauth: OAuthSettings = OAuthSettings()

    @field_validator("address")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value.count("@") != 1 or value.startswith("@") or value.endswith("@"):
            raise ValueError("is not an e-mail address")
        local, _, domain = value.partition("@")
        return f"{local}@{domain.lower()}"

    @field_validator("sent_complete_since")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, most important first."""
        return init_settings, env_settings, _TableSource(settings_cls)


class _Rules(_Strict):
    """What is known where no mailbox is concerned."""

    identity: IdentitySettings
    policy: PolicySettings


class _TableSource(PydanticBaseSettingsSource):
    """The profile's table of the configuration file, handed over by load_mailbox()."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's
        return _TABLE.get().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(_TABLE.get())


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
    in_environment = {variable.upper().partition("__")[0] for variable in os.environ}
    if named or any(f"CLEANUP_{source.upper()}" in in_environment for source in SECRET_SOURCES):
        table = {key: value for key, value in table.items() if key not in SECRET_SOURCES}
    if named:
        given = {source: None for source in SECRET_SOURCES if source != "oauth"} | {"oauth": OAuthSettings()} | given
    _TABLE.set(table)
    try:
        return MailboxSettings(**given)
    except ValidationError as error:
        raise _explained(error, f"Mailbox {name}") from error
    except SettingsError as error:  # an environment variable that should hold a whole table, in JSON
        raise ConfigurationError(f"Mailbox {name}: the environment cannot be read", why=str(error)) from error


def rules_of(identity: Mapping[str, Any], policy: Mapping[str, Any]) -> tuple[Identity, Policy]:
    """Return whose mail it is and how to judge, where no mailbox is concerned: neither file nor environment counts.

    Raises ConfigurationError as load_mailbox does.
    """
    try:
        rules = _Rules.model_validate({"identity": identity, "policy": policy})
    except ValidationError as error:
        raise _explained(error, "The options") from error
    return _identity(rules.identity), _policy(rules.policy)


def identity_of(settings: MailboxSettings) -> Identity:
    """Return the owner's identity; the mailbox's own address always belongs to it."""
    return _identity(settings.identity, settings.address)


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


def _is_host(text: str) -> bool:
    plain = text.strip().strip("[]").removeprefix("IPv6:")
    try:
        ip_network(plain, strict=False)
    except ValueError:
        return _HOST_NAME.fullmatch(plain) is not None
    return True


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
