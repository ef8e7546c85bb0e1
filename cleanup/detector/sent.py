"""The look-ups over sent messages: by id, by recipient and subject, by recipient and time, by thread."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from cleanup.detector.addresses import address_key, untagged_key
from cleanup.detector.coverage import Coverage, Proof, cover
from cleanup.detector.header import decode_words, header_fields, read_date, read_ids, read_people
from cleanup.detector.message_ids import envelope_id_key, id_key, id_shape, right_side
from cleanup.detector.subjects import subject_key
from cleanup.model import Notice, SentMessage, SentSource

__all__ = [
    "SENT_FIELDS",
    "Coverage",
    "InboxClue",
    "MemorySentIndex",
    "Profile",
    "SentIndex",
    "SentRows",
    "Wanted",
    "inbox_clue",
    "read_sent_header",
    "wanted_by",
]

THREAD_CHARACTERS = 29  # base64 of 22 bytes, less the last character, which holds bits of the 23rd


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch of notices asks of Sent, in compared forms: what a database form of the index selects."""

    ids: frozenset[str]
    recipients: frozenset[str]
    subjects: frozenset[str]
    threads: frozenset[str]


class SentRows:
    """Sent messages, ready to be looked up. Every list comes in the order of time."""

    def __init__(self, messages: Iterable[SentMessage]) -> None:
        self._ids: dict[str, list[SentMessage]] = {}
        self._pairs: dict[tuple[str, str], list[SentMessage]] = {}
        self._subjects: dict[str, list[SentMessage]] = {}
        self._threads: dict[str, list[SentMessage]] = {}
        self._written: dict[str, list[SentMessage]] = {}
        self._times: dict[str, list[datetime]] = {}  # beside _written, one for one: they are searched by bisection
        for message in sorted(messages, key=lambda m: (moment_of(m) is not None, moment_of(m), m.folder, m.uid)):
            moment, subject = moment_of(message), subject_key(message.subject or "")
            for one in (message.message_id, *message.other_ids):
                if one:
                    self._ids.setdefault(id_key(one), []).append(message)
            if subject:
                self._subjects.setdefault(subject, []).append(message)
            if message.thread_index and len(message.thread_index) >= THREAD_CHARACTERS:
                self._threads.setdefault(message.thread_index[:THREAD_CHARACTERS], []).append(message)
            for recipient in dict.fromkeys(untagged_key(r) for r in message.recipients):
                if subject:
                    self._pairs.setdefault((recipient, subject), []).append(message)
                written = self._written.setdefault(recipient, [])  # written to, if only at a time that nobody knows
                if moment is not None:
                    written.append(message)
                    self._times.setdefault(recipient, []).append(moment)

    def by_id(self, message_id: str) -> Sequence[SentMessage]:
        """Return the messages with this id, in any of the forms an id has."""
        return self._ids.get(id_key(message_id), ())

    def by_thread(self, thread_index: str) -> Sequence[SentMessage]:
        """Return the messages of this conversation: the first 22 bytes of Thread-Index are equal (MS-OXOMSG)."""
        return self._threads.get(thread_index[:THREAD_CHARACTERS], ()) if len(thread_index) >= 29 else ()

    def by_recipient_subject(self, recipient: str, subject: str) -> Sequence[SentMessage]:
        """Return the messages to this recipient with this subject."""
        key = subject_key(subject)
        return self._pairs.get((untagged_key(recipient), key), ()) if key else ()

    def by_subject(self, subject: str) -> Sequence[SentMessage]:
        """Return the messages with this subject."""
        key = subject_key(subject)
        return self._subjects.get(key, ()) if key else ()

    def written_to(self, recipient: str) -> bool:
        """Return whether this recipient was ever written to."""
        return untagged_key(recipient) in self._written

    def written_between(self, recipient: str, start: datetime, end: datetime) -> Sequence[SentMessage]:
        """Return the messages to this recipient from `start` to `end`, both included."""
        key = untagged_key(recipient)
        times = self._times.get(key)
        if not times:
            return ()
        return self._written[key][bisect_left(times, start) : bisect_right(times, end)]

    def near(self, recipient: str, date: datetime, tolerance: timedelta) -> Sequence[SentMessage]:
        """Return the messages to this recipient whose Date is `date`, give or take `tolerance`."""
        try:
            around = self.written_between(recipient, date - tolerance, date + tolerance)
        except OverflowError:  # a Date in the year 1 or 9999
            return []
        return [m for m in around if m.date is not None and abs(m.date - date) <= tolerance]


def moment_of(message: SentMessage) -> datetime | None:
    """Return when a message was sent: its Date, which relays copy verbatim, else its arrival in the folder."""
    return message.date or message.arrived


def wanted_by(notices: Iterable[Notice]) -> Wanted:
    """Return what these notices ask of Sent, for an index that has to select it."""
    ids: set[str] = set()
    recipients: set[str] = set()
    subjects: set[str] = set()
    threads: set[str] = set()
    for notice in notices:
        ids.update(id_key(i) for i in (*notice.in_reply_to, *notice.references))
        ids.update(envelope_id_key(e) for e in (notice.envelope_id,) if e)
        recipients.update(untagged_key(a) for r in notice.recipients for a in (r.address, r.original) if a)
        for returned in notice.returned:
            ids.update(id_key(i) for i in (returned.message_id, *returned.other_ids) if i)
            recipients.update(untagged_key(a) for a in returned.to)
            subjects.update(s for s in (subject_key(returned.subject or ""),) if s)
            threads.update(t[:THREAD_CHARACTERS] for t in (returned.thread_index,) if t)
    return Wanted(frozenset(ids), frozenset(recipients), frozenset(subjects), frozenset(threads))


# --- Reads the header of one message of the owner's Sent folder, or what an ordinary Inbox message says about Sent ---

SENT_FIELDS = (
    "Message-ID",
    "Date",
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Thread-Index",
    "X-Mailer",
    "User-Agent",
    "X-Microsoft-Original-Message-ID",
    "X-Google-Original-Message-ID",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "X-Uniform-Type-Identifier",
)
_OTHER_IDS = ("x-microsoft-original-message-id", "x-google-original-message-id", "resent-message-id")
_RECIPIENTS = ("to", "cc", "bcc", "resent-to", "resent-cc")
_UNSENT = ("com.apple.mail-draft", "com.apple.mail-template")


class InboxClue(NamedTuple):
    """What an ordinary message in the Inbox says of the owner's sent mail: whom it answers, and who wrote it."""

    message_id: str | None = None
    answers: tuple[str, ...] = ()  # In-Reply-To, or the last of References
    from_address: str | None = None
    to: tuple[str, ...] = ()  # of an answer; nobody asks whom other mail was written to
    date: datetime | None = None


def read_sent_header(folder: str, uid: int, arrived: datetime | None, fields: bytes) -> SentMessage:
    """Return what the header block of a sent message says. Never raises: what cannot be read is None or empty."""
    header = header_fields(fields)
    author = next(iter(read_people(header.get("from", ()))), None)
    moment = read_date(next(iter(header.get("date", ())), ""))
    recipients = (person.address for name in _RECIPIENTS for person in read_people(header.get(name, ())))
    return SentMessage(
        folder=folder,
        uid=uid,
        message_id=next(iter(read_ids(header.get("message-id", ()))), None),
        other_ids=tuple(i for name in _OTHER_IDS for i in read_ids(header.get(name, ()))),
        from_address=author.address if author else None,
        from_name=author.name if author else None,
        recipients=tuple(dict.fromkeys(recipients)),
        subject=decode_words(header["subject"][0]) if "subject" in header else None,
        date=moment.time if moment else None,
        arrived=arrived,
        thread_index=next(iter(header.get("thread-index", ())), None),
        mailer=next(iter((*header.get("x-mailer", ()), *header.get("user-agent", ()))), None),
        zone_minutes=moment.zone_minutes if moment else None,
        # Somebody else's mail passed on, or what was never sent: neither shows a habit of the owner's.
        forwarded=any(name.startswith("resent-") for name in header)
        or any(value.lower() in _UNSENT for value in header.get("x-uniform-type-identifier", ())),
    )


def inbox_clue(fields: bytes) -> InboxClue:
    """Return what the header block of an ordinary Inbox message says of the owner's sent mail."""
    return clue_in(header_fields(fields))


def clue_in(header: Mapping[str, Sequence[str]]) -> InboxClue:
    """Return what inbox_clue() does, from the values of each field by its name in lower case."""
    author = next(iter(read_people(header.get("from", ()))), None)
    moment = read_date(next(iter(header.get("date", ())), ""))
    answered = read_ids(header.get("in-reply-to", ())) or read_ids(header.get("references", ()))[-1:]
    return InboxClue(
        message_id=next(iter(read_ids(header.get("message-id", ()))), None),
        answers=answered[:1],
        from_address=author.address if author else None,
        to=tuple(p.address for name in ("to", "cc") for p in read_people(header.get(name, ()))) if answered else (),
        date=moment.time if moment else None,
    )


# --- The owner's habits, learned from Sent --------------------------------------------------------------------------

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
    addresses, names, right_sides, shapes, mailers = (Counter[str]() for _ in range(5))
    zones: Counter[int] = Counter()
    total = without_id = 0
    for message in messages:
        if message.forwarded:
            continue
        total += 1
        without_id += message.message_id is None
        if address := address_key(message.from_address or ""):
            addresses[address] += 1
        if name := (message.from_name or "").casefold():
            names[name] += 1
        if message.message_id:
            shapes[id_shape(message.message_id)] += 1
            if right := right_side(message.message_id):
                right_sides[right] += 1
        if mailer := mailer_key(message.mailer or ""):
            mailers[mailer] += 1
        if message.zone_minutes is not None:
            zones[message.zone_minutes] += 1
    return Profile(
        messages=total,
        addresses=addresses,
        names=names,
        right_sides=right_sides,
        shapes=shapes,
        mailers=mailers,
        zones=zones,
        without_id=without_id,
    )


@lru_cache(maxsize=4_096)
def mailer_key(mailer: str) -> str:
    """Return a mail program's name without its version: "Thunderbird/128.0" is "thunderbird"."""
    words = mailer.casefold().replace("/", " ").split()
    return " ".join(word for word in words[:3] if not any(c.isdigit() for c in word))


# --- The Sent index -------------------------------------------------------------------------------------------------

SHARED_RIGHT_SIDE = 3  # sent messages that make the right side of their ids the owner's


class SentIndex(Protocol):
    """What judging asks of sent mail. A database form selects `wanted_by(notices)` in one batch."""

    @property
    def coverage(self) -> Coverage:
        """How far absence from Sent counts."""
        ...

    @property
    def profile(self) -> Profile:
        """The owner's habits."""
        ...

    def rows_for(self, notices: Sequence[Notice]) -> SentRows:
        """Return at least every sent message that these notices could answer."""
        ...


class MemorySentIndex:
    """Sent mail held in memory: some hundred bytes a message."""

    def __init__(self, rows: SentRows, coverage: Coverage, profile: Profile) -> None:
        self._rows = rows
        self._coverage = coverage
        self._profile = profile

    @classmethod
    def build(
        cls,
        messages: Iterable[SentMessage],
        sources: Sequence[SentSource],
        *,
        now: datetime,
        inbox: Iterable[InboxClue] = (),
        complete_since: datetime | None = None,
    ) -> MemorySentIndex:
        """Return the index of these messages. `inbox` is what ordinary mail says of Sent's completeness.

        `complete_since` is a person's word that Sent holds everything from then on. Without it Sent vouches from its
        oldest message on, and only as far as its measured completeness allows.
        """
        every = tuple(messages)
        rows, profile = SentRows(every), learn_profile(every)
        clues = tuple(inbox)
        coverage = cover(every, sources, now=now, complete_since=complete_since)
        coverage = coverage.in_use_until(clue.date for clue in clues if clue.date is not None and clue.date <= now)
        return cls(rows, coverage.with_proofs(measure_inbox(clues, rows, profile)), profile)

    @property
    def coverage(self) -> Coverage:
        """How far absence from Sent counts."""
        return self._coverage

    @property
    def profile(self) -> Profile:
        """The owner's habits."""
        return self._profile

    def rows_for(self, notices: Sequence[Notice]) -> SentRows:  # noqa: ARG002 - all of it is here already
        """Return all sent messages."""
        return self._rows


def measure_inbox(clues: Sequence[InboxClue], rows: SentRows, profile: Profile) -> Iterator[Proof]:
    """Yield what ordinary Inbox mail proves to have been sent, and whether Sent holds it.

    A reply counts if the owner is its only recipient and the id that it answers is of the owner's making: its right
    side is one that Sent shows, and no message in the Inbox carries it. Everyone's mail provider hands out the same
    right sides, and colleagues share one, which is why the one-recipient rule is there.
    """
    received = {id_key(c.message_id) for c in clues if c.message_id}
    rights = {right for right, seen in profile.right_sides.items() if seen >= SHARED_RIGHT_SIDE}
    owner = {a for a, seen in profile.addresses.items() if seen >= MIN_ADDRESS}
    counted: set[str] = set()
    for clue in clues:
        by_owner = address_key(clue.from_address or "") in owner
        answered = clue.answers[0] if len(clue.answers) == 1 else None
        if by_owner:
            # Spam forged from the owner to the owner is common: only ids of the owner's own making count.
            way, proved = "self-copies", clue.message_id
        elif answered and len(clue.to) == 1 and untagged_key(clue.to[0]) in owner and id_key(answered) not in received:
            way, proved = "replies", answered
        else:
            continue
        if proved is None or right_side(proved) not in rights or proved in counted:
            continue  # ten answers to one message are one sample
        counted.add(proved)
        yield Proof(way, id_shape(proved), bool(rows.by_id(proved)))
