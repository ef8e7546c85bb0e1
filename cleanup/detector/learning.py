"""What a run learns from its own proved notices: outbound hosts, shared providers, rewriting routes, completeness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from cleanup.detector.evidence.matching import Bond
from cleanup.detector.evidence.question import Question
from cleanup.detector.message_ids import id_shape
from cleanup.detector.networks import Address, Hosts, organisation, shared_provider
from cleanup.detector.owner import LearnedHosts, Owner
from cleanup.detector.path import handed_over_by
from cleanup.detector.received import Hop
from cleanup.detector.sent_coverage import Proof
from cleanup.model import Policy

MOST_UNSEEN = 0.1  # share of proved notices whose host no other showed (Good-Turing: the chance of one unseen so far)
MIN_REPORTERS = 2  # organisations that must have seen a host: else it is some gateway of one of them


def learn_hosts(questions: Iterable[Question], policy: Policy) -> LearnedHosts:
    """Return the owner's outbound hosts, as the trusted hops of proved notices show them.

    Proved means: the id or the content is in Sent, and a failed recipient was written to directly. An id alone must not
    teach (it may be stolen), nor a message that was forwarded (the hop is the forwarder's), nor a notice that others
    handed over than wrote the line: a stranger who has letters of the owner's could so teach that only his host is the
    owner's. Whatever teaches nothing is still glimpsed, and not called foreign.
    """
    seen: dict[Address, set[tuple[str, int]]] = defaultdict(set)
    reporters: dict[Address, set[str]] = defaultdict(set)
    names: dict[Address, set[str]] = defaultdict(set)
    providers: set[str] = set()
    glimpsed: set[Address] = set()
    for hop, sent, reporter, handed_over in _proved_hops(questions):
        provider = shared_provider(hop.name or hop.helo, hop.address)
        if provider:
            providers.add(provider)
        elif hop.address is not None:
            glimpsed.add(hop.address)
        if not provider and hop.address is not None and handed_over:
            seen[hop.address].add(sent)
            reporters[hop.address].add(reporter)
            names[hop.address] |= {organisation(hop.name or "")} - {""}
    known = {a for a in seen if len(seen[a]) >= policy.min_hop_samples and len(reporters[a]) >= MIN_REPORTERS}
    total = sum(len(sent) for sent in seen.values())
    once = sum(1 for sent in seen.values() if len(sent) == 1)
    return LearnedHosts(
        hosts=Hosts(addresses=frozenset(known)),
        organisations=frozenset(name for address in known for name in names[address]),
        providers=frozenset(providers),
        glimpsed=frozenset(glimpsed),
        saturated=bool(known) and once <= MOST_UNSEEN * total,
    )


def learn_rewriting(questions: Iterable[Question]) -> frozenset[str]:
    """Return the shapes of ids that a relay gave after Sent was stored: matched by content, with an id Sent lacks."""
    lacking: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for question in questions:
        message_id = question.returned.message_id
        if message_id and question.match.bond is Bond.CONTENT:
            lacking[id_shape(message_id)] += 1
        elif message_id and question.match.bond is Bond.ID:
            held[id_shape(message_id)] += 1
    return frozenset(shape for shape, n in lacking.items() if held[shape] < n / 4)


def measure_proved(questions: Iterable[Question], owner: Owner) -> Iterator[Proof]:
    """Yield, for each message that the own path proves to be the owner's, whether Sent holds it.

    These samples name routes that save no copies (a telephone, a scanner). They do not speak of the whole of Sent: mail
    that came by a foreign path is what absence is asked about.
    """
    for question in questions:
        message_id, path = question.returned.message_id, question.path
        own = path.submitted or (path.hop is not None and owner.has_own_address(path.hop))
        if message_id and own and path.certain and question.match.bond is not Bond.ID_REUSED:
            yield Proof("proved", id_shape(message_id), question.match.bond in (Bond.ID, Bond.CONTENT, Bond.ID_ONLY))


def _proved_hops(questions: Iterable[Question]) -> Iterator[tuple[Hop, tuple[str, int], str, bool]]:
    """Yield the trusted hop, the sent message, who wrote the line, and whether he handed the notice over too."""
    for question in questions:
        match, path = question.match, question.path
        if match.bond not in (Bond.ID, Bond.CONTENT) or match.sent is None or match.agreement is None:
            continue
        if not match.agreement.recipient or path.hop is None or not path.certain or path.submitted:
            continue
        if question.known.owner.configured.has_address(path.hop.address):
            continue  # known already; an own name is not enough, as its address refutes who only claims it
        owner, reporter = question.known.owner, organisation(path.hop.by or "")
        sent = (match.sent.folder, match.sent.uid)
        yield path.hop, sent, reporter, handed_over_by(question.notice, reporter, owner)
