"""DNS: what judging wants to know, asked in one bounded batch.

A name server that is dead, slow or lying leaves answers out; what is left out is no evidence, least of all against a
message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from cleanup.dns.network import Network
from cleanup.model import DnsLookup, Identity, Notice, Policy

if TYPE_CHECKING:
    from cleanup.detector.sent import Profile
    from cleanup.detector.spf import SpfAnswers


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
