"""The look-ups over sent messages: by id, by recipient and subject, by recipient and time, by thread."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cleanup.detector.addresses import untagged_key
from cleanup.detector.message_ids import envelope_id_key, id_key
from cleanup.detector.subjects import subject_key
from cleanup.model import Notice, SentMessage

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
        ordered = sorted(messages, key=lambda m: (moment_of(m) is not None, moment_of(m), m.folder, m.uid))
        self._ids: dict[str, list[SentMessage]] = {}
        self._pairs: dict[tuple[str, str], list[SentMessage]] = {}
        self._subjects: dict[str, list[SentMessage]] = {}
        self._threads: dict[str, list[SentMessage]] = {}
        self._written: dict[str, list[SentMessage]] = {}
        self._times: dict[str, list[datetime]] = {}
        for message in ordered:
            self._add(message)

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

    def _add(self, message: SentMessage) -> None:
        for one in (message.message_id, *message.other_ids):
            if one:
                self._ids.setdefault(id_key(one), []).append(message)
        subject = subject_key(message.subject or "")
        if subject:
            self._subjects.setdefault(subject, []).append(message)
        if message.thread_index and len(message.thread_index) >= THREAD_CHARACTERS:
            self._threads.setdefault(message.thread_index[:THREAD_CHARACTERS], []).append(message)
        for recipient in dict.fromkeys(untagged_key(r) for r in message.recipients):
            self._add_recipient(recipient, subject, message)

    def _add_recipient(self, recipient: str, subject: str, message: SentMessage) -> None:
        if subject:
            self._pairs.setdefault((recipient, subject), []).append(message)
        moment = moment_of(message)
        if moment is not None:
            self._written.setdefault(recipient, []).append(message)
            self._times.setdefault(recipient, []).append(moment)
        else:
            self._written.setdefault(recipient, [])


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
