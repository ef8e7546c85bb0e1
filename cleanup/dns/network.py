"""What DNS may be asked, and whom: the settings of `[mailboxes.NAME.network]` as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cleanup.config import NetworkSettings
from cleanup.errors import UsageError


@dataclass(frozen=True, slots=True)
class Network:
    """What may be asked, and whom. Times are in seconds: for one question, and for all questions of a run."""

    dkim: bool = False
    dnsbl: bool = False
    spf: bool = False
    keys: Mapping[str, str] | None = None  # TXT records by lower-cased name, from a file
    nameservers: tuple[str, ...] = ()  # empty: the system's
    port: int = 53
    timeout_s: float = 2.0
    budget_s: float = 20.0
    most_spf_questions: int = 200  # in one run


def network_of(settings: NetworkSettings) -> Network:
    """Return what DNS may be asked, as the settings say. Raises UsageError for keys it cannot read."""
    return Network(
        dkim=settings.dkim,
        dnsbl=settings.dnsbl,
        spf=settings.spf,
        keys=read_keys(settings.dkim_keys) if settings.dkim_keys else None,
        nameservers=settings.nameservers,
        port=settings.port,
        timeout_s=settings.timeout_s,
    )


def read_keys(file: Path) -> dict[str, str]:
    """Return the TXT records of a file with one "NAME TEXT" a line; empty lines and # comments are left out.

    Raises UsageError.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file of DKIM keys {file} cannot be read", why=str(error)) from error
    pairs = (line.split(maxsplit=1) for line in lines if line.strip() and not line.lstrip().startswith("#"))
    keys = {pair[0].rstrip(".").lower(): pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
    if not keys:
        raise UsageError(f"The file of DKIM keys {file} holds none", hint="One a line: SELECTOR._domainkey.DOMAIN TEXT")
    return keys
