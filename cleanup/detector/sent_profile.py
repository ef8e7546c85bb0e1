"""The owner's habits, learned from Sent: addresses, names, what makes the ids, mail programs, zones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cleanup.detector.addresses import address_key
from cleanup.detector.message_ids import id_shape, right_side
from cleanup.model import SentMessage

MIN_ADDRESS = 3  # messages that make a From address the owner's own
MIN_HABIT = 30  # messages before "never seen" says anything of names, ids, mailers and zones
MIN_NEVER_USED = 100  # messages before an address that none of them uses counts as never used


@dataclass(frozen=True, slots=True)
class Profile:
    """How often each thing was seen in the owner's sent mail. Forwarded mail and drafts do not teach."""

    messages: int = 0
    addresses: Mapping[str, int] = field(default_factory=dict)  # by address_key of From
    names: Mapping[str, int] = field(default_factory=dict)  # display names, case-folded
    right_sides: Mapping[str, int] = field(default_factory=dict)  # of Message-IDs
    shapes: Mapping[str, int] = field(default_factory=dict)  # of Message-IDs
    mailers: Mapping[str, int] = field(default_factory=dict)  # without versions
    zones: Mapping[int, int] = field(default_factory=dict)  # minutes east of UTC
    without_id: int = 0

    @property
    def own_addresses(self) -> frozenset[str]:
        """The From addresses that were used often enough to be the owner's own."""
        return frozenset(a for a, seen in self.addresses.items() if seen >= MIN_ADDRESS)

    @property
    def name_their_mailer(self) -> int:
        """How many sent messages say which program wrote them."""
        return sum(self.mailers.values())

    @property
    def has_habits(self) -> bool:
        """Whether enough was seen for "never seen" to say something."""
        return self.messages >= MIN_HABIT


def learn_profile(messages: Iterable[SentMessage]) -> Profile:
    """Return the owner's habits. Pure counting; thresholds stand with whoever asks."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("addresses", "names", "right", "shapes", "mailers")}
    zones: Counter[int] = Counter()
    total = without_id = 0
    for message in messages:
        if message.forwarded:
            continue
        total += 1
        without_id += message.message_id is None
        for name, value in _habits(message):
            if value:
                counts[name][value] += 1
        if message.zone_minutes is not None:
            zones[message.zone_minutes] += 1
    return Profile(
        messages=total,
        addresses=counts["addresses"],
        names=counts["names"],
        right_sides=counts["right"],
        shapes=counts["shapes"],
        mailers=counts["mailers"],
        zones=zones,
        without_id=without_id,
    )


@lru_cache(maxsize=4_096)
def mailer_key(mailer: str) -> str:
    """Return a mail program's name without its version: "Thunderbird/128.0" is "thunderbird"."""
    words = mailer.casefold().replace("/", " ").split()
    return " ".join(word for word in words[:3] if not any(c.isdigit() for c in word))


def _habits(message: SentMessage) -> Iterable[tuple[str, str]]:
    yield "addresses", address_key(message.from_address or "")
    yield "names", (message.from_name or "").casefold()
    if message.message_id:
        yield "right", right_side(message.message_id)
        yield "shapes", id_shape(message.message_id)
    yield "mailers", mailer_key(message.mailer or "")
