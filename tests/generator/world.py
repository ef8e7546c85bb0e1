"""The owner of a generated mailbox: people, hosts, and everything that was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

NOW = datetime(2026, 10, 20, 6, 0, tzinfo=UTC)
OLDEST = timedelta(days=700)

_GIVEN = "anna bert carla dario elif farid gita hans ines jonas kaja lars mira nils oona paul rita sven tara udo"
_FAMILY = "berg costa diaz eriksen fuchs gruber huber ilic jansen kaya lang moser novak olsen peters rossi"
_CORP = "alder birch cedar dogwood elm fir ginkgo hazel ivy juniper kapok larch maple nutmeg oak pine"
_TLD = ("test", "example", "com", "de", "co.uk", "com.br", "org")
_TOPICS = (
    "minutes meeting offer invoice draft schedule travel report budget lunch contract keys garden school piano "
    "holiday server printer questions answers photos summary review figures workshop"
)
_LINKS = "for about of from on with after before regarding"
_RE = ("Re: ", "RE: ", "Fwd: ", "AW: ", "", "", "", "", "", "")


@dataclass(frozen=True)
class Person:
    """A correspondent, and the mail exchanger and dialect of the organisation."""

    address: str
    organisation: str
    mx: str
    mx_address: str


@dataclass(frozen=True)
class Sent:
    """A message of the owner's as it stands in a Sent folder, or would if it had been saved."""

    folder: str
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    bcc: tuple[str, ...]
    subject: str
    date: datetime
    mailer: str = "Mozilla Thunderbird"

    def header(self) -> bytes:
        """The header block as the folder stores it."""
        lines = [
            f"Message-ID: <{self.message_id}>",
            f"Date: {format_datetime(self.date)}",
            f"From: {self.sender}",
            f"To: {', '.join(self.recipients)}",
            *([f"Bcc: {', '.join(self.bcc)}"] if self.bcc else []),
            f"Subject: {self.subject}",
            f"User-Agent: {self.mailer}",
        ]
        return "\r\n".join(lines).encode()


@dataclass
class World:
    """One owner. `rng` draws everything that follows."""

    rng: Random
    owner: str = "anna.berg@example.org"
    alias: str = "a.berg@example.org"
    receive_only: str = "office@example.org"
    out_name: str = "out1.example.org"
    out_address: str = "192.0.2.10"
    people: list[Person] = field(default_factory=list)
    strangers: list[Person] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def stranger(self) -> Person:
        """Somebody the owner never wrote to."""
        return self.rng.choice(self.strangers)

    def friend(self) -> Person:
        """Somebody the owner writes to."""
        return self.rng.choice(self.people)

    def public_address(self) -> str:
        """An address that is neither the owner's nor any known provider's."""
        return f"{self.rng.choice((5, 31, 45, 77, 89, 101, 178, 185, 190, 203))}.{self.rng.randrange(256)}." + (
            f"{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"
        )

    def arrived(self) -> datetime:
        """When a notice came: within the last two months."""
        return NOW - timedelta(minutes=self.rng.randrange(60, 60 * 24 * 60))

    def subject(self) -> str:
        """A subject of three to five words and a number."""
        pick = self.rng.choice
        one, link, other = (pick(words.split()) for words in (_TOPICS, _LINKS, _TOPICS))
        return f"{pick(_RE)}{one} {link} {other} {self.rng.randrange(1, 99_999)}"

    def own_id(self, when: datetime) -> str:
        """An id as the owner's mail program makes them."""
        return f"{self.rng.getrandbits(32):08x}-{self.rng.getrandbits(16):04x}-{when:%y%m%d%H%M%S}@example.org"

    def write(self, to: tuple[str, ...], when: datetime, **how: str | tuple[str, ...]) -> Sent:
        """A message of the owner's; nothing is saved anywhere."""
        sender = str(how.get("sender", self.owner))
        message_id = str(how.get("message_id", self.own_id(when)))
        bcc = tuple(how.get("bcc", ()))
        folder = str(how.get("folder", "Sent"))
        shown = f"Anna Berg <{sender}>"
        return Sent(folder, message_id, shown, to, bcc, self.subject(), when.replace(microsecond=0))

    def write_and_save(self, to: tuple[str, ...], when: datetime, **how: str | tuple[str, ...]) -> Sent:
        """A message of the owner's that Sent holds."""
        message = self.write(to, when, **how)
        self.sent.append(message)
        return message


def a_world(seed: int, *, messages: int = 900) -> World:
    """Return the owner of this seed with some two years of sent mail."""
    rng = Random(seed)
    world = World(rng)
    world.people = [_person(rng, n) for n in range(60)]
    world.strangers = [_person(rng, n) for n in range(1_000, 1_400)]
    step = OLDEST / messages
    for number in range(messages):
        when = NOW - OLDEST + step * number + timedelta(minutes=rng.randrange(0, 600))
        to = tuple(dict.fromkeys(world.friend().address for _ in range(rng.choice((1, 1, 1, 2, 3)))))
        sender = world.alias if rng.random() < 0.1 else world.owner
        world.write_and_save(to, min(when, NOW - timedelta(hours=1)), sender=sender)
    return world


def _person(rng: Random, number: int) -> Person:
    organisation = f"{rng.choice(_CORP.split())}{number}.{rng.choice(_TLD)}"
    address = f"{rng.choice(_GIVEN.split())}.{rng.choice(_FAMILY.split())}{number}@{organisation}"
    return Person(
        address, organisation, f"mx{rng.randrange(1, 4)}.{organisation}", f"198.18.{number % 256}.{number // 256}"
    )
