"""Who is known to send for the owner, and from where each is known: for people, who can correct it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from cleanup.detector.evidence.question import Known
from cleanup.detector.networks import Network
from cleanup.detector.owner import Owner, SeenElsewhere, know_owner
from cleanup.detector.sent import Profile
from cleanup.detector.spf import SpfAnswers, SpfRecord
from cleanup.model import Identity, Verdict

MOST_NETWORKS = 6  # of one record that are named
MOST_LEARNED = 10


class Source(StrEnum):
    """From where a sender is known, in the words of the list."""

    CONFIGURED = "configuration"
    SPF = "SPF"
    PROVIDER = "provider"
    LEARNED = "learned"
    ANSWER = "your answer"


@dataclass(frozen=True, slots=True)
class KnownSender:
    """A host, a network or an organisation; from where it is known; and how, in words that follow its name.

    `sends` is false where a person said no, and where a source is named that says nothing.
    """

    who: str
    source: Source
    says: str
    sends: bool = True


def who_sends(known: Known) -> tuple[KnownSender, ...]:
    """Return who is known to send for the owner after all notices of a run have been looked at, strongest word first.

    Networks that a person said are not the owner's are in it, too: the answer can be taken back.
    """
    return (
        *_answered(known.answered),
        *_configured(known.identity),
        *_by_records(known),
        *_providers(known.owner),
        *_learned(known),
    )


def known_beforehand(identity: Identity, spf: SpfAnswers) -> tuple[KnownSender, ...]:
    """Return what is known before any mail has been looked at: from the configuration, DNS and the mailbox's server."""
    owner = know_owner(identity, Profile())
    records = (one for domain, record in sorted(spf.records.items()) for one in _by_record(domain, record, {}))
    return (*_configured(identity), *records, *_providers(owner))


class FailingRecord(NamedTuple):
    """A domain of the owner's whose own SPF record proved mail fails, and the host that sent it."""

    domain: str
    address: str

    def in_words(self) -> str:
        """Return what a person is told of it: others may refuse such mail."""
        return (
            f"Mail of yours by {self.address} fails your own SPF record ({self.domain}): have that host added to the "
            "record, or others may refuse what it sends"
        )


def failing_records(known: Known) -> tuple[FailingRecord, ...]:
    """Return the owner's records that lack a host of the owner's, for telling.

    Left out is what one organisation alone saw: that may have been a gateway of its own.
    """
    return tuple(
        FailingRecord(domain, str(host.address)) for domain, host in sorted(known.refuted.items()) if host.is_sure
    )


def known_from_answers(answered: tuple[tuple[Network, Verdict], ...]) -> tuple[KnownSender, ...]:
    """Return what a person's answers alone tell, where no run has looked at the mailbox yet."""
    return tuple(_answered(answered))


def _answered(answered: tuple[tuple[Network, Verdict], ...]) -> Iterator[KnownSender]:
    for network, verdict in answered:
        says = "sends for you" if verdict is Verdict.GENUINE else "does not send for you"
        yield KnownSender(str(network), Source.ANSWER, says, verdict is Verdict.GENUINE)


def _configured(identity: Identity) -> Iterator[KnownSender]:
    for host in sorted(identity.outbound_hosts):
        yield KnownSender(host, Source.CONFIGURED, "is named as an outbound host")


def _by_records(known: Known) -> Iterator[KnownSender]:
    for domain, record in sorted(known.spf.records.items()):
        yield from _by_record(domain, record, known.refuted)


def _by_record(domain: str, record: SpfRecord, refuted: Mapping[str, SeenElsewhere]) -> Iterator[KnownSender]:
    if record.own_networks:
        named = ", ".join(str(network) for network in record.own_networks[:MOST_NETWORKS])
        more = len(record.own_networks) - MOST_NETWORKS
        yield KnownSender(
            f"{named} and {more} more" if more > 0 else named, Source.SPF, f"is named by the record of {domain}"
        )
    for name in sorted(record.included):
        yield KnownSender(name, Source.SPF, f"is included by the record of {domain}")
    if domain in refuted:
        says = f"has an incomplete record: mail of yours by {refuted[domain].address} fails it, so it accuses nobody"
        yield KnownSender(domain, Source.SPF, says, sends=False)
    elif record.why:
        yield KnownSender(domain, Source.SPF, f"has no record that accuses anybody: {record.why}", sends=False)


def _providers(owner: Owner) -> Iterator[KnownSender]:
    elsewhere = f"; mail of yours left by {owner.learned.elsewhere[0].address}, too" if owner.learned.elsewhere else ""
    for name in sorted(owner.home):
        yield KnownSender(name, Source.PROVIDER, f"holds the mailbox{elsewhere}")
    for name in sorted(owner.providers - owner.home):
        yield KnownSender(name, Source.PROVIDER, "takes mail of yours on its way")


def _learned(known: Known) -> Iterator[KnownSender]:
    addresses = sorted(known.owner.learned.hosts.addresses, key=lambda a: (a.version, int(a)))
    for address in addresses[:MOST_LEARNED]:
        yield KnownSender(str(address), Source.LEARNED, "sent mail that is in Sent, as bounces of it show")
    if (more := len(addresses) - MOST_LEARNED) > 0:
        yield KnownSender(f"{more:,} more", Source.LEARNED, "sent mail that is in Sent, as bounces of it show")
