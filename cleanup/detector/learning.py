"""What a run learns from its own proved notices: outbound hosts, shared providers, rewriting routes, completeness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import NamedTuple

from cleanup.detector.addresses import domain_of, untagged_key
from cleanup.detector.coverage import Proof
from cleanup.detector.evidence.matching import Bond, best_match
from cleanup.detector.evidence.question import Question
from cleanup.detector.evidence.standing import is_forwarded, lower_hops
from cleanup.detector.message_ids import id_key, id_shape
from cleanup.detector.networks import Address, Hosts, Network, neighbourhood, organisation, shared_provider
from cleanup.detector.owner import MOST_UNSEEN, SURE_OF, LearnedHosts, Owner, SeenElsewhere
from cleanup.detector.path import MOST_LINES
from cleanup.detector.providers import is_provider
from cleanup.detector.received import Hop, read_received
from cleanup.detector.spf import SpfResult
from cleanup.model import Policy, SentMessage

OWN_SIDE = "the owner's side"
MIN_WITNESSES = 4  # organisations that must have seen a host: a correspondent may well have two or three
MIN_HANDS = 2  # that must show that a shape of ids cannot be compared; sent messages too


class _Sighting(NamedTuple):
    """One proved notice that shows a host: the sent message, whose word it is and from where, and when it came."""

    address: Address
    sent: tuple[str, int]
    witness: str
    network: str
    name: str
    when: datetime | None
    passed_on: bool = False  # the host shows from whom it took it: a gateway of the recipient's, or of the owner's


def learn_hosts(questions: Iterable[Question], policy: Policy) -> LearnedHosts:
    """Return the owner's outbound hosts, as the trusted hops of proved notices show them.

    Proved means: the id or the content is in Sent, and a failed recipient was written to directly. An id alone must not
    teach (it may be stolen), nor a message that was forwarded (the hop is the forwarder's). Only witnesses teach, and
    several must agree: otherwise whoever has letters of the owner's could teach that only his host is the owner's.
    Whatever teaches nothing is still glimpsed, and not called foreign.
    """
    sightings: dict[Address, list[_Sighting]] = defaultdict(list)
    providers: set[str] = set()
    glimpsed: set[Address] = set()
    unnamed: list[_Sighting] = []
    for question, hop, sent in _proved_hops(questions):
        owner = question.known.owner
        if owner.configured.has_address(hop.address):
            continue  # known already; an own name is not enough, as its address refutes who only claims it
        provider = shared_provider(hop.name or hop.helo, hop.address)
        if provider:
            providers.add(provider)
        elif hop.address is not None:
            glimpsed.add(hop.address)
            if seen := _sighting(question, hop, hop.address, sent):
                sightings[hop.address].append(seen)
                if not owner.provider_of(hop) and not owner.is_own_host(hop.name):
                    unnamed.append(seen)
    known = set()
    for address, shown in sightings.items():
        # Enough sent messages show a host, on the word of organisations that do not share one server.
        witnesses = min(len({s.witness for s in shown}), len({s.network for s in shown}))
        if _messages(shown) >= policy.min_hop_samples and witnesses >= MIN_WITNESSES:
            known.add(address)
    messages = [_messages(shown) for shown in sightings.values()]
    return LearnedHosts(
        hosts=Hosts(addresses=frozenset(known)),
        organisations=frozenset(s.name for address in known for s in sightings[address] if s.name),
        providers=frozenset(providers),
        glimpsed=frozenset(glimpsed),
        near=frozenset(neighbourhood(address) for address in glimpsed),
        saturated=bool(known) and messages.count(1) <= MOST_UNSEEN * sum(messages),
        seen_at={address: _times(sightings[address]) for address in known},
        once_at=tuple(when for seen in sightings.values() if _messages(seen) == 1 for when in _times(seen)),
        elsewhere=_refuting(one for one in unnamed if one.address not in known),
    )


def _messages(seen: Sequence[_Sighting]) -> int:
    return len({s.sent for s in seen})


def _times(seen: Sequence[_Sighting]) -> tuple[datetime, ...]:
    return tuple(sorted(s.when for s in seen if s.when))


def refuted_records(questions: Iterable[Question]) -> dict[str, SeenElsewhere]:
    """Return the domains whose SPF record proved mail fails, with the host that sent it.

    Such a record does not say who else sends for the owner. Proved as for hosts, on a witness's word; not by a
    provider, whose lists are known to be incomplete.
    """
    failing: dict[str, list[_Sighting]] = defaultdict(list)
    for question, hop, sent in _proved_hops(questions):
        word = question.spf
        if word is None or word.result is not SpfResult.FAIL or hop.address is None:
            continue
        if shared_provider(hop.name or hop.helo, hop.address):
            continue
        if seen := _sighting(question, hop, hop.address, sent):
            failing[word.domain].append(seen)
    refuted = {domain: _refuting(seen) for domain, seen in failing.items()}
    return {domain: max(found, key=lambda one: one.witnesses) for domain, found in refuted.items() if found}


def _refuting(sightings: Iterable[_Sighting]) -> tuple[SeenElsewhere, ...]:
    """Return the hosts of these that are the owner's, though none that is known; by address.

    One organisation's word suffices but where the host passed on what it took from another: organisations have gateways
    of other people's before their servers. The same gateway before two of them, in two networks, is rather behind the
    owner.
    """
    seen_near: dict[Network, list[_Sighting]] = defaultdict(list)
    for one in sightings:
        seen_near[neighbourhood(one.address)].append(one)
    found = []
    for seen in seen_near.values():
        direct = {one.witness for one in seen if not one.passed_on}
        apart = min(len({one.witness for one in seen}), len({one.network for one in seen}))
        witnesses = max(len(direct), apart)
        if direct or apart >= SURE_OF:
            found.append(SeenElsewhere(min((one.address for one in seen), key=int), witnesses, _times(seen)))
    return tuple(sorted(found, key=lambda one: (one.address.version, int(one.address))))


def learn_rewriting(questions: Iterable[Question]) -> frozenset[str]:
    """Return the shapes of ids that a relay gave after Sent was stored: matched by content, with an id Sent lacks."""
    lacking: dict[str, set[tuple[str, int]]] = defaultdict(set)
    held: dict[str, set[tuple[str, int]]] = defaultdict(set)
    hands: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        message_id, match = question.returned.message_id, best_match(question)
        if not message_id or match.sent is None or match.bond not in (Bond.ID, Bond.CONTENT):
            continue
        shape, sent = id_shape(message_id), (match.sent.folder, match.sent.uid)
        if match.bond is Bond.ID:
            held[shape].add(sent)
        else:
            lacking[shape].add(sent)
            hands[shape].add(_handed_over_by_name(question))
    shown = {shape for shape, sent in lacking.items() if len(sent) >= MIN_HANDS and _is_enough(hands[shape])}
    return frozenset(shape for shape in shown if len(held[shape]) < len(lacking[shape]) / 4)


def measure_proved(questions: Iterable[Question], owner: Owner) -> Iterator[Proof]:
    """Yield, for each message that the own path proves to be the owner's, whether Sent holds it; each message once.

    These samples name routes that save no copies (a telephone, a scanner). They do not speak of the whole of Sent: mail
    that came by a foreign path is what absence is asked about. One stranger's word for a shape of ids is not enough.
    """
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    hands: dict[str, set[str]] = defaultdict(set)
    for question in questions:
        message_id, path = question.returned.message_id, question.path
        # An own host that others share teaches nothing of the owner's ids: strangers send there, too.
        alone = path.hop is not None and owner.has_own_address(path.hop) and not owner.provider_of(path.hop)
        own = path.submitted or alone
        bond = best_match(question).bond
        if not (message_id and own and path.certain and bond is not Bond.ID_REUSED):
            continue
        hand, wrote = _handed_over_by_name(question), organisation(path.hop.by or "") if path.hop else ""
        if hand in (OWN_SIDE, wrote):
            shape = id_shape(message_id)
            found[shape][id_key(message_id)] = bond in (Bond.ID, Bond.CONTENT, Bond.ID_ONLY)
            hands[shape].add(hand)
    for shape, messages in found.items():
        if _is_enough(hands[shape]):
            yield from (Proof("proved", shape, in_sent) for in_sent in messages.values())


def _is_enough(hands: set[str]) -> bool:
    return OWN_SIDE in hands or len(hands - {""}) >= MIN_HANDS


def _proved_hops(questions: Iterable[Question]) -> Iterator[tuple[Question, Hop, SentMessage]]:
    """Yield the trusted hops of proved notices, with the sent message."""
    for question in questions:
        match, path = best_match(question), question.path
        if match.bond not in (Bond.ID, Bond.CONTENT) or match.sent is None or match.agreement is None:
            continue
        if not match.agreement.recipient or path.hop is None or not path.certain or path.submitted:
            continue
        yield question, path.hop, match.sent


def _sighting(question: Question, hop: Hop, address: Address, sent: SentMessage) -> _Sighting | None:
    """Return what a proved notice teaches of a host; None where its word does not count.

    It counts who wrote the line, handed the notice over, and was written to: so a stranger needs domains that the owner
    writes to, not just domains. Big providers take mail for many. Reports have no sender in the envelope (RFC 5321
    section 4.5.5), and nobody can log in somewhere and send mail without one.
    """
    wrote, handed = organisation(hop.by or ""), _handing_over(question)
    if question.notice.return_path or handed.organisation not in (OWN_SIDE, wrote):
        return None
    reached = {untagged_key(person) for person in sent.recipients} & set(question.recipients)
    written_to = {organisation(domain_of(person)) for person in reached}
    if not wrote or (wrote not in written_to and not is_provider(wrote)):
        return None
    name = organisation(hop.name or "")
    passed_on = is_forwarded(question, hop, lower_hops(question))
    network = handed.network or wrote
    return _Sighting(address, (sent.folder, sent.uid), wrote, network, name, question.arrived, passed_on)


class _Hand(NamedTuple):
    """Who handed a notice to the owner's side: the organisation by its looked-up name, and the network it came from."""

    organisation: str
    network: str = ""


def _handed_over_by_name(question: Question) -> str:
    return _handing_over(question).organisation


def _handing_over(question: Question) -> _Hand:
    """Return the organisation that handed the notice to the owner's side, by the name that this side looked up.

    OWN_SIDE where nobody outside did; "" where the name is only what the sender said of itself.
    """
    owner = question.known.owner
    for line in question.notice.received[:MOST_LINES]:
        hop = read_received(line)
        if hop.handed_over_inside or owner.is_own_host(hop.name) or owner.has_own_address(hop):
            continue
        came_from = organisation(hop.name or "")
        if not came_from or came_from != organisation(hop.by or ""):
            # Of customers of one hoster: not neighbourhood(), which in examples knows each address for itself.
            width = 24 if hop.address and hop.address.version == 4 else 48
            near = str(ip_network((hop.address, width), strict=False)) if hop.address else ""
            return _Hand(came_from, near)
    return _Hand(OWN_SIDE)
