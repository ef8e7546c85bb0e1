"""The settings of a mailbox as the configuration file spells them, checked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from cleanup.model import Family, Policy

_HOST_NAME = re.compile(r"(?:\*?\.)?(?:[\w-]+\.)*(?!\d+\.?$)[\w-]+\.?")


def _in_utc(value: datetime | None) -> datetime | None:
    """Return a moment with its zone; a plain date, or a moment without a zone, is meant in UTC."""
    if value is None or value.tzinfo is None:
        return value and value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is no moment of any calendar") from error


Moment = Annotated[datetime, AfterValidator(_in_utc)]


class Strict(BaseModel):
    """A table without unknown keys; its values stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IdentitySettings(Strict):
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
    tagged_since: Moment | None = None

    @field_validator("outbound_hosts", "shared_providers")
    @classmethod
    def _hosts(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a slip of the pen: own mail would count as foreign."""
        for host in hosts:
            plain = host.strip().strip("[]").removeprefix("IPv6:")
            try:
                ip_network(plain, strict=False)
            except ValueError:
                if not _HOST_NAME.fullmatch(plain):
                    raise ValueError(f"{host!r} is neither a host name, nor an address, nor a network") from None
        return hosts


class PolicySettings(Strict):
    """`[mailboxes.NAME.policy]`: how careful to be. `name` is cautious (files nothing), balanced or storm."""

    name: Literal["cautious", "balanced", "storm"] = "balanced"
    queue_lifetime_days: float = Field(default=5, gt=0, le=30)
    min_completeness: float = Field(default=0.9, ge=0, le=1)
    max_moves: int = Field(default=Policy().max_moves, ge=0)
    max_share: float = Field(default=0.2, ge=0, le=1)
    switched_off: tuple[Family, ...] = ()
    file_other_notices: bool = False


class NetworkSettings(Strict):
    """`[mailboxes.NAME.network]`: what DNS may be asked. Of strangers nothing, unless it is switched on."""

    spf: bool = True
    dkim: bool = False
    dnsbl: bool = False
    dnsbl_zone: str = "ips.backscatterer.org"
    dkim_keys: Path | None = None
    nameservers: tuple[str, ...] = ()
    port: int = Field(default=53, gt=0, lt=65536)
    timeout_s: float = Field(default=2, gt=0, le=30)


class OAuthSettings(Strict):
    """`[mailboxes.NAME.oauth]`: how an access token is got. A client id means Microsoft 365, the files mean Google."""

    tenant: str = "organizations"
    client_id: str | None = None
    client_secret_file: Path | None = None
    client_secret_command: str | None = None
    authority: str | None = None
    cache_file: Path | None = None
    google_service_account_file: Path | None = None
    google_token_file: Path | None = None


class MailboxSettings(Strict):
    """`[mailboxes.NAME]`: one mailbox and how to reach it."""

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
    run_timeout_s: float = Field(default=6 * 3600, gt=0)
    inbox: str = "INBOX"
    target: str = "Backscatter"
    sent_folders: tuple[str, ...] = ()
    not_sent_folders: tuple[str, ...] = ()
    sent_complete_since: Moment | None = None
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


class GeneralRules(Strict):
    """What is known where no mailbox is concerned."""

    identity: IdentitySettings
    policy: PolicySettings


# --- Pydantic's plugins, left alone ---------------------------------------------------------------------------------

_VARIABLE = "PYDANTIC_DISABLE_PLUGINS"


@contextmanager
def without_plugins() -> Iterator[None]:
    """Let the models that are defined meanwhile do without plugins."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "__all__"
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        if before is not None:
            os.environ[_VARIABLE] = before
