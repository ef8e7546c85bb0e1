"""Providers that send for many: mailbox providers, the gateways in front of them, services. From providers.json.

Their published networks are a lower bound, so what is outside of them is not yet foreign: each has a superset that
spares beside it. The file says where each entry is from, and of when.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `names` are registrable domains, the first of which names the organisation."""

    names: tuple[str, ...]
    kind: str  # mailbox, gateway, service
    verifies: bool = False  # lets nobody send with a From that it has not verified
    made_ids: tuple[str, ...] = ()  # ends of the right sides of ids that it makes
    listed: tuple[str, ...] = ()  # networks that it publishes: a lower bound
    spares: tuple[str, ...] = ()  # a superset
    imap: Mapping[str, str] = field(default_factory=dict)  # the server for mail programs, by the domain of an address

    @property
    def name(self) -> str:
        """The organisation."""
        return self.names[0]


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return all providers by the name of the organisation; read when first asked for, as idle nights never do."""
    text = (files("cleanup.detector") / "providers.json").read_text(encoding="utf-8")
    fields = ("names", "made_ids", "listed", "spares")
    read = (
        Provider(
            kind=entry["kind"],
            verifies=entry.get("verifies", False),
            imap=entry.get("imap", {}),
            **{name: tuple(entry.get(name, ())) for name in fields},
        )
        for entry in json.loads(text)["providers"]
    )
    return {provider.name: provider for provider in read}


@lru_cache(maxsize=1)
def organisation_of_name() -> dict[str, str]:
    """Return the organisation by each of its names: one company goes by several."""
    return {name: provider.name for provider in providers().values() for name in provider.names}


def is_provider(organisation: str) -> bool:
    """Return whether an organisation's hosts send for strangers too."""
    return organisation in providers()


def is_bare_provider(host: str | None) -> bool:
    """Return whether a host's name is a provider's domain itself, by which none of its hosts goes."""
    return host is not None and host.lower() in organisation_of_name()


def verifies_senders(organisation: str) -> bool:
    """Return whether a stranger can hardly send with the owner's From there."""
    return is_provider(organisation) and providers()[organisation].verifies


def is_gateway(organisation: str) -> bool:
    """Return whether it stands in front of other providers, for their customers."""
    return is_provider(organisation) and providers()[organisation].kind == "gateway"


def imap_host(domain: str) -> str | None:
    """Return the IMAP server for addresses of a domain, as its provider documents it; None where it is not known."""
    provider = organisation_of_name().get(domain)
    return providers()[provider].imap.get(domain) if provider else None
