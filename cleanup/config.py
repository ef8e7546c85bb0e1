"""Profiles, policy and identity: a TOML file, the environment and the options of a command become frozen values.

Precedence, highest first: options of the command, environment (`CLEANUP_HOST`, `CLEANUP_IDENTITY__ADDRESSES`, ...), the
profile's table in the file, the file's `[defaults]`, built-in defaults. Secrets never stand in the file: it says where
they are (a file, a command, an environment variable, the keyring).
"""

from __future__ import annotations

import difflib
import os
import tomllib
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cleanup.errors import ConfigurationError, UsageError
from cleanup.model import Family, Identity, Policy

APP = "mailbox-cleanup"

# What providers document as their IMAP host; everybody else is found by SRV record (RFC 6186) or must be named.
KNOWN_HOSTS = {
    "gmail.com": "imap.gmail.com",
    "googlemail.com": "imap.gmail.com",
    "outlook.com": "outlook.office365.com",
    "hotmail.com": "outlook.office365.com",
    "live.com": "outlook.office365.com",
    "yahoo.com": "imap.mail.yahoo.com",
    "icloud.com": "imap.mail.me.com",
    "me.com": "imap.mail.me.com",
    "fastmail.com": "imap.fastmail.com",
    "gmx.de": "imap.gmx.net",
    "gmx.net": "imap.gmx.net",
    "web.de": "imap.web.de",
}


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
    tagged_since: datetime | None = None


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


class _TableSource(PydanticBaseSettingsSource):
    """The profile's table of the configuration file, handed over by load_mailbox()."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the library's
        return _TABLE.get().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(_TABLE.get())


def default_config_file() -> Path:
    """Return where the configuration file is looked for: `CLEANUP_CONFIG`, else the platform's place."""
    named = os.environ.get("CLEANUP_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir(APP)) / "config.toml"


def default_ledger() -> str:
    """Return the path of the ledger where neither option, environment nor file names one."""
    return str(Path(platformdirs.user_data_dir(APP)) / "ledger.sqlite")


def read_config_file(path: Path | None = None) -> dict[str, Any]:
    """Return the tables of the configuration file; empty where there is none at the default place.

    Raises ConfigurationError for a file that was named and is missing, cannot be read, or is not TOML.
    """
    file = path or default_config_file()
    if not file.exists() and path is None:
        return {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"There is no configuration file {file}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The configuration file {file} cannot be read", why=_plain(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file {file} is not valid TOML", why=str(error)) from error
    _refuse_unknown(tables, ("defaults", "mailboxes"), str(file))
    _refuse_no_tables(tables, str(file))
    return tables


def load_mailbox(name: str, *, config: Path | None = None, options: dict[str, Any] | None = None) -> MailboxSettings:
    """Return the settings of a mailbox, named by its profile or by its address.

    `options` are the values that the command line set, by field name; None means not set.

    Raises ConfigurationError with the field and the nearest known name, UsageError for a name that is neither a profile
    nor an address.
    """
    tables = read_config_file(config)
    profile = _profile(name, tables)
    given = {key: value for key, value in (options or {}).items() if value not in (None, ())}
    table = _merge(tables.get("defaults", {}), profile)
    _TABLE.set(_without(table, given))
    try:
        return MailboxSettings(**given)
    except ValidationError as error:
        raise _explained(error, name) from error


def identity_of(settings: MailboxSettings) -> Identity:
    """Return the owner's identity; the mailbox's own address always belongs to it."""
    who = settings.identity
    return Identity(
        addresses=frozenset(a.lower() for a in (settings.address, *who.addresses)),
        outbound_hosts=frozenset(h.lower() for h in who.outbound_hosts),
        shared_providers=frozenset(h.lower() for h in who.shared_providers),
        dkim_domains=frozenset(d.lower() for d in who.dkim_domains),
        authserv_ids=frozenset(a.lower() for a in who.authserv_ids),
        aliases=tuple(sorted((a.lower(), b.lower()) for a, b in who.aliases.items())),
        batv_keys=tuple(_key(path) for path in who.batv_key_files),
        srs_keys=tuple(_key(path) for path in who.srs_key_files),
        tagged_since=who.tagged_since,
    )


def policy_of(settings: MailboxSettings) -> Policy:
    """Return the thresholds of a mailbox's policy."""
    rules = settings.policy
    return Policy(
        name=rules.name,
        queue_lifetime=timedelta(days=rules.queue_lifetime_days),
        min_completeness=rules.min_completeness,
        switched_off=frozenset(rules.switched_off),
        file_leaning=rules.name == "storm",
        file_other_notices=rules.file_other_notices,
        dnsbl_zone=settings.network.dnsbl_zone,
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
    hint = f"Did you mean {near[0]!r}?" if near else "Give an e-mail address, a path, or the name of a profile"
    raise UsageError(f"{name!r} is neither a path, an e-mail address nor a profile", hint=hint)


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


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigurationError(f"{where}: unknown key {key!r}", hint=_nearest(key, known))


def _refuse_no_tables(tables: dict[str, Any], where: str) -> None:
    found = [(name, table) for name, table in tables.items() if name in ("defaults", "mailboxes")]
    profiles = tables.get("mailboxes")
    if isinstance(profiles, dict):
        found += [(f"mailboxes.{name}", table) for name, table in profiles.items()]
    for name, table in found:
        if not isinstance(table, dict):
            raise ConfigurationError(f"{where}: {name} is not a table", hint="Profiles stand under [mailboxes.NAME]")


def _nearest(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(known)}"


def _explained(error: ValidationError, name: str) -> ConfigurationError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        hint = _nearest(str(first["loc"][-1]), _known_fields(first["loc"][:-1]))
        return ConfigurationError(f"Mailbox {name}: unknown key {where!r}", hint=hint)
    return ConfigurationError(f"Mailbox {name}: {where}", why=first["msg"].removeprefix("Value error, "))


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
        raise ConfigurationError(f"The key file {path} cannot be read", why=_plain(error)) from error


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
