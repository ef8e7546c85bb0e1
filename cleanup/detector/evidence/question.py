"""What the reporting side wrote down of SPF, DKIM and DMARC on taking a message over (RFC 8601, ARC, Received-SPF)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar

import authres

from cleanup.detector.addresses import address_key, domain_of, untagged_key
from cleanup.detector.coverage import Coverage
from cleanup.detector.message_ids import id_key
from cleanup.detector.networks import Address, Network, organisation
from cleanup.detector.owner import Owner, SeenElsewhere
from cleanup.detector.path import Path, for_returned
from cleanup.detector.senders import Senders
from cleanup.detector.sent import Profile, SentRows
from cleanup.detector.spf import SpfAnswers, SpfWord
from cleanup.model import Family, Identity, Kind, Notice, Policy, Reason, Returned, Strength, Verdict

_RESULTS = ("authentication-results", "arc-authentication-results", "received-spf")
_ARC_INSTANCE = re.compile(r"^\s*i\s*=\s*\d+\s*;\s*")
_SPF_WORD = re.compile(r"^\s*([a-z]+)", re.IGNORECASE)


def written_results(question: Question) -> frozenset[str]:
    """Return "pass" and "fail" as far as the trusted hop's receiver wrote them above it of the owner's domain.

    Its own are those of its organisation, and where it is the owner's own server those that the owner names by their
    authserv-id (RFC 8601 section 2.5), which need not look like a host.
    """
    hop, domain = question.path.hop, domain_of(question.returned.from_address or "")
    owner = question.known.owner
    ours = owner.is_own_address(question.returned.from_address) or owner.is_own_domain(question.returned.from_address)
    if hop is None or not question.path.certain or not domain or not ours:
        return frozenset()
    named = question.known.identity.authserv_ids if question.path.at_own_server else frozenset()
    reporter = organisation(hop.by or "")
    return frozenset(word for value in _above_the_hop(question) for word in _outcome(value, domain, reporter, named))


def _above_the_hop(question: Question) -> Iterator[tuple[str, str]]:
    """Yield results as (field, value) that stand above the trusted hop's Received line."""
    consumed = len(question.returned.received) - len(question.path.below)
    seen = 0
    for name, value in question.returned.headers:
        field = name.lower()
        seen += field == "received"
        if seen >= consumed:
            return
        if field in _RESULTS:
            yield field, value


@lru_cache(maxsize=4_096)
def _outcome_of(value: str, domain: str, reporter: str, named: frozenset[str]) -> frozenset[str]:
    """Return "pass" or "fail" where the reporter's own Authentication-Results, or `named` ones, say so of a domain."""
    header = _read_results(_ARC_INSTANCE.sub("", value), reporter)
    if header is None:
        return frozenset()
    by = str(header.authserv_id)
    if not (reporter and organisation(by) == reporter) and by.lower() not in named:
        return frozenset()
    found = set()
    for result in header.results:
        about = {domain_of(f"x@{str(p.value).rpartition('@')[2]}") for p in result.properties if p.value}
        if domain not in about:
            continue
        if result.result == "pass" and result.method in ("spf", "dkim", "dmarc"):
            found.add("pass")
        elif result.result == "fail" and result.method in ("spf", "dmarc"):
            found.add("fail")
    return frozenset(found)


def _outcome(field_value: tuple[str, str], domain: str, reporter: str, named: frozenset[str]) -> frozenset[str]:
    field, value = field_value
    if field != "received-spf":
        return _outcome_of(value[:2_000], domain, reporter, named)
    word = _SPF_WORD.match(value)
    if word is None or domain not in value.lower() or reporter not in value.lower():
        return frozenset()
    return frozenset({word[1].lower()} & {"pass", "fail"})


def _read_results(value: str, reporter: str) -> authres.AuthenticationResultsHeader | None:
    """Return the parsed field. Exchange Online leaves the authserv-id out; only there is that forgiven."""
    texts = [value] + ([f"{reporter}; {value}"] if reporter == "outlook.com" else [])
    for text in texts:
        try:
            return authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {text}")
        except authres.core.AuthResError:
            continue
    return None


# --- The question that every rule answers ---------------------------------------------------------------------------

CLOCK_SLACK = timedelta(days=1)  # what a sender's clock may be ahead before its Date says nothing


_ANYBODYS = frozenset({"com", "org", "net", "mail", "info", "gmail", "outlook", "hotmail", "the", "www"})
Answer = TypeVar("Answer")


class worked_out_once(Generic[Answer]):  # noqa: N801 - a decorator
    """A property that is worked out when it is first asked for. functools' takes a lock up to Python 3.11."""

    def __init__(self, work_out: Callable[[Any], Answer]) -> None:
        self._work_out = work_out
        self._name = work_out.__name__
        self.__doc__ = work_out.__doc__

    def __get__(self, owner: Any, _: type | None = None) -> Answer:
        answer = owner.__dict__[self._name] = self._work_out(owner)
        return answer


@dataclass(frozen=True)
class Known:
    """What stays the same for all notices of a run."""

    rows: SentRows
    coverage: Coverage
    profile: Profile
    identity: Identity
    owner: Owner
    policy: Policy
    rewritten: frozenset[str] = frozenset()  # id shapes that cannot be compared
    dns_answers: Mapping[str, str] = field(default_factory=dict)  # TXT records by lower-cased name
    spf: SpfAnswers = field(default_factory=SpfAnswers)
    refuted: Mapping[str, SeenElsewhere] = field(default_factory=dict)  # domains whose record proved mail fails
    senders: Senders = field(default_factory=Senders)
    answered: tuple[tuple[Network, Verdict], ...] = ()  # whose networks a person said are the owner's, or are not

    def said_of(self, address: Address | None) -> Verdict | None:
        """Return what a person said of the network of an address; the narrowest one counts."""
        if address is None or not self.answered:
            return None
        said = [(n.prefixlen, v) for n, v in self.answered if n.version == address.version and address in n]
        return max(said, key=lambda one: one[0])[1] if said else None

    @worked_out_once
    def words(self) -> frozenset[str]:
        """The words of the owner's names, addresses and domains: who sends for the owner mostly shows one of them."""
        own = (*self.profile.names, *self.owner.addresses, *self.owner.domains, *self.identity.addresses)
        words = {word for text in own for word in re.findall(r"[^\W\d_]{3,}", text.lower())}
        return frozenset(words - _ANYBODYS)

    @worked_out_once
    def unusable(self) -> str | None:
        """Why Sent says nothing at all; None where it was read whole."""
        if self.owner.foreign_sent:
            return "The Sent folder holds nothing that was written as one of your addresses: it is somebody else's."
        return self.coverage.unusable()

    @worked_out_once
    def incomplete(self) -> str | None:
        """Why Sent is not complete enough to vouch; None where it is."""
        return self.coverage.why_incomplete(self.policy)


_ANSWERED_BY_RECIPIENT = (Kind.AUTO_REPLY, Kind.MDN, Kind.CHALLENGE, Kind.VIRUS_NOTICE)
_NOT_LEARNED = ("best_match", "recipients", "addressees", "ids", "sender")


@dataclass(frozen=True)
class Question:
    """Did the owner send this returned message? Derived answers are worked out once, when they are asked for."""

    notice: Notice
    returned: Returned
    arrived: datetime | None
    known: Known

    def again(self, known: Known) -> Question:
        """Return the question after learning; what was worked out and does not depend on it is kept."""
        question = Question(self.notice, self.returned, self.arrived, known)
        same_hosts = known.owner.learned.hosts == self.known.owner.learned.hosts
        kept = (*_NOT_LEARNED, "path") if same_hosts else _NOT_LEARNED
        question.__dict__.update({name: self.__dict__[name] for name in kept if name in self.__dict__})
        return question

    @worked_out_once
    def path(self) -> Path:
        """The trusted part of the way of the returned message."""
        return for_returned(self.notice, self.returned, self.known.owner)

    @worked_out_once
    def spf(self) -> SpfWord | None:
        """What SPF says of the trusted hop; None where it has nothing to say it of."""
        hop = self.path.hop
        if hop is None:
            return None
        return self.known.spf.of(self.notice, self.returned, hop.address, self.arrived, self.known.owner)

    @property
    def said_of_sender(self) -> Verdict | None:
        """What a person said of the network at the trusted hop."""
        return self.known.said_of(self.path.hop.address) if self.path.hop else None

    @worked_out_once
    def written_results(self) -> frozenset[str]:
        """What the trusted hop's receiver wrote down of the owner's domain: "pass", "fail", both or nothing."""
        return written_results(self)

    @worked_out_once
    def recipients(self) -> tuple[str, ...]:
        """The recipients that the notice names, as Sent knows them: with what leads to them, in compared form.

        Whoever answers by a machine (out of office, receipt) is a recipient too: the answer comes from that address.
        """
        named = [a for r in self.notice.recipients for a in (r.address, r.original) if a]
        if self.notice.kind in _ANSWERED_BY_RECIPIENT and self.notice.sender:
            named.append(self.notice.sender)
        keys = dict.fromkeys([key for a in named if (key := untagged_key(a))])
        aliases = self.known.owner.aliases
        return tuple(dict.fromkeys([k for key in keys for k in (key, *aliases.get(key, ()))]) if aliases else keys)

    @worked_out_once
    def addressees(self) -> tuple[str, ...]:
        """To and Cc of the returned message, in compared form."""
        return tuple(dict.fromkeys([key for a in self.returned.to if (key := untagged_key(a))]))

    @worked_out_once
    def ids(self) -> tuple[str, ...]:
        """Every id that may be the original's: the returned ones first, then what the notice says it answers."""
        returned = self.returned
        named = (returned.message_id, *returned.other_ids, *self.notice.in_reply_to, *self.notice.references[-1:])
        return tuple(dict.fromkeys([i for i in named if i and id_key(i)]))

    @worked_out_once
    def sender(self) -> str:
        """From of the returned message, in compared form; "" where it is not known."""
        return address_key(self.returned.from_address or "")

    @worked_out_once
    def silent(self) -> str | None:
        """Why Sent cannot vouch for the time of the original; None where it can.

        The original left at most a queue lifetime before the notice arrived. Its own Date is the forger's word: it may
        only add a reason to be silent.
        """
        if self.arrived is None:
            return "It is not known when the notice arrived."
        coverage, lifetime = self.known.coverage, self.known.policy.queue_lifetime
        why = coverage.why_silent(self.arrived - lifetime, self.arrived)
        date = self.returned.date
        if why is None and date is not None and date <= self.arrived + CLOCK_SLACK:
            why = coverage.why_silent(date, date)
        return why

    @property
    def unusable(self) -> str | None:
        """Why Sent says nothing at all; None where it was read whole."""
        return self.known.unusable

    @property
    def incomplete(self) -> str | None:
        """Why Sent is not complete enough to vouch; None where it is."""
        return self.known.incomplete

    @property
    def vouched(self) -> bool:
        """Whether absence from Sent counts for this message."""
        return self.unusable is None and self.silent is None and self.incomplete is None


def once_a_question(work_out: Callable[[Question], Answer]) -> Callable[[Question], Answer]:
    """Return a function that keeps its answer with the question, under its own name: many rules ask the same."""
    name = work_out.__name__

    def answer(question: Question) -> Answer:
        try:
            found: Answer = question.__dict__[name]
        except KeyError:
            found = question.__dict__[name] = work_out(question)
        return found

    return answer


def points(rule: str, family: Family, to: Verdict, strength: Strength, says: str) -> Reason:
    """Return a reason."""
    return Reason(rule, family, to, strength, says)
