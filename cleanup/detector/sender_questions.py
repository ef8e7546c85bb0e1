"""What a person is asked about hosts that nobody can place: one question a network, and how the answer is kept.

The answer is a label under the network's key: GENUINE for a service of the owner's, BACKSCATTER for none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from cleanup.detector.account_state import JudgedNotice
from cleanup.detector.networks import Network
from cleanup.model import LABEL_OF_SENDER, UnknownSender, Verdict

FEWEST = 2  # messages that make a question at all
WORTH_ASKING = 3  # messages from which on a person is asked unprompted,
MOST_ASKED = 5  # and how much at a time: a helpdesk has a handful of answers, and these settle nearly all (asking.md)
MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class SenderQuestion:
    """One network that sent in the owner's name: is it a service of the owner's?"""

    network: str
    host: str | None
    address: str
    count: int
    since: datetime | None  # the first of them
    examples: tuple[str, ...] = ()  # subjects

    def in_words(self) -> str:
        """Return the question as a person is asked it."""
        host = f"{self.host} [{self.address}]" if self.host else self.address
        since = f" since {self.since:%Y-%m-%d}" if self.since else ""
        return f"{self.count:,} undelivered messages in your name came from {host}{since}. A service of yours?"


class Met(NamedTuple):
    """A host that nobody can place, with the arrival of a notice that showed it and the subject that this answers."""

    sender: UnknownSender
    arrived: datetime | None
    subject: str | None


def sender_questions(judged: Iterable[JudgedNotice], *, fewest: int = FEWEST) -> tuple[SenderQuestion, ...]:
    """Return what to ask of these findings, the network with the most messages first."""
    return questions_about(
        (Met(s, one.arrived, one.notice.returned[0].subject) for one in judged if (s := one.finding.sender)),
        fewest=fewest,
    )


def questions_about(met: Iterable[Met], *, fewest: int = FEWEST) -> tuple[SenderQuestion, ...]:
    """Return what to ask of hosts that notices showed, the network with the most messages first."""
    groups: dict[str, list[Met]] = defaultdict(list)
    for one in met:
        groups[one.sender.network].append(one)
    asked = [_question(network, group) for network, group in groups.items() if len(group) >= fewest]
    return tuple(sorted(asked, key=lambda q: (-q.count, q.network)))


def foremost(questions: Sequence[SenderQuestion]) -> tuple[SenderQuestion, ...]:
    """Return those that a person is asked unprompted; the others are counted, and listed by `senders`."""
    return tuple(question for question in questions if question.count >= WORTH_ASKING)[:MOST_ASKED]


def label_of_sender(network: str) -> str:
    """Return the key in labels under which the answer about a network is kept.

    Raises ValueError for what is no network and no address.
    """
    return f"{LABEL_OF_SENDER}{ip_network(network, strict=False)}"


def answers_about_senders(labels: Mapping[str, Verdict]) -> tuple[tuple[Network, Verdict], ...]:
    """Return the answers among people's words, in a fixed order; what names no network is passed over."""
    found = []
    for key, verdict in sorted(labels.items()):
        if key.startswith(LABEL_OF_SENDER) and verdict is not Verdict.UNSURE:
            try:
                found.append((ip_network(key.removeprefix(LABEL_OF_SENDER), strict=False), verdict))
            except ValueError:
                continue
    return tuple(found)


def is_answered(sender: UnknownSender, answers: Iterable[tuple[Network, Verdict]]) -> bool:
    """Return whether a person has said of a host's network, or of one around it, whose it is."""
    address = ip_address(sender.address)
    return any(network.version == address.version and address in network for network, _ in answers)


def _question(network: str, group: Sequence[Met]) -> SenderQuestion:
    named = min(
        (one.sender for one in group), key=lambda sender: (sender.host is None, sender.host or "", sender.address)
    )
    times = [one.arrived for one in group if one.arrived]
    subjects = (one.subject for one in sorted(group, key=lambda one: str(one.arrived)))
    return SenderQuestion(
        network=network,
        host=named.host,
        address=named.address,
        count=len(group),
        since=min(times, default=None),
        examples=tuple(dict.fromkeys(s for s in subjects if s))[:MOST_EXAMPLES],
    )
