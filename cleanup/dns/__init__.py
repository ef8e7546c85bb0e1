"""DNS: what judging wants to know, asked in one bounded batch.

A name server that is dead, slow or lying leaves answers out; what is left out is no evidence, least of all against a
message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cleanup.config import NetworkSettings
from cleanup.errors import UsageError
from cleanup.model import DnsLookup, Identity, Notice, Policy

if TYPE_CHECKING:
    from cleanup.detector.sent import Profile
    from cleanup.detector.spf import SpfAnswers

SPF_KEPT_FOR = timedelta(days=1)  # look-ups


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


def answers_for(notices: Sequence[Notice], identity: Identity, policy: Policy, network: Network) -> dict[str, str]:
    """Return what is known of the names that these notices ask for: TXT records, and addresses of listed hosts."""
    found = dict(network.keys or {})
    if not network.dkim and not network.dnsbl:
        return found
    from cleanup.detector.evidence.dns_questions import blocklist_names, keys_wanted
    from cleanup.dns import client  # it takes a while to import, and mostly nobody asks

    if network.dkim:
        wanted = keys_wanted(notices, identity) - found.keys()
        found |= client.text_records(wanted, network)
    if network.dnsbl:
        found |= client.listed_hosts(blocklist_names(notices, policy.dnsbl_zone), policy.dnsbl_zone, network)
    return found


def spf_for(
    cases: Sequence[tuple[Notice, datetime | None]],
    identity: Identity,
    profile: Profile,
    network: Network,
    now: datetime,
    kept: Iterable[DnsLookup] = (),
) -> tuple[SpfAnswers, tuple[DnsLookup, ...]]:
    """Return what SPF says of the hosts that these notices, each with its arrival, show; and the look-ups made for it.

    `kept` are look-ups of earlier runs, which are used for a day (dns/spf.py).
    """
    from cleanup.detector.spf import SpfAnswers, spf_questions

    questions = spf_questions(cases, identity, profile) if network.spf else None
    if questions is None or not questions.addresses:
        return SpfAnswers(), ()
    from cleanup.dns.spf import ask_spf  # it takes a while to import

    return ask_spf(questions, network, now, kept)


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
