"""Settings that stand in environment variables: CLEANUP_HOST, CLEANUP_IDENTITY__ADDRESSES, ...

A module of its own, as the library takes longer to load than a night takes on which nothing happened; it is imported
where such a variable is set.
"""

from __future__ import annotations

from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from cleanup.config.settings import MailboxSettings
from cleanup.errors import ConfigurationError


class _Settings(MailboxSettings, BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CLEANUP_", env_nested_delimiter="__", extra="forbid", frozen=True)


def from_environment(whose: str) -> dict[str, Any]:
    """Return the settings that the environment holds, as a table. Raises ConfigurationError."""
    try:
        return EnvSettingsSource(_Settings)()
    except SettingsError as error:  # a variable that should hold a whole table, in JSON
        raise ConfigurationError(f"{whose}: the environment cannot be read", why=str(error)) from error
