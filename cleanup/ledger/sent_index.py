"""Sent mail as the memory keeps it: where each message lies, when it was sent, and hashes to find it by."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, or_, select, update

from cleanup.detector.sent import moment_of
from cleanup.ledger import checksums
from cleanup.ledger.keys import Keys
from cleanup.ledger.schema import cursors, sent_keys, sent_rows
from cleanup.ledger.statements import CURRENT_SENT, MINE, SENT, each_row, each_value, insert_many, pieces
from cleanup.ledger.texts import from_us, sure_text, to_us, us
from cleanup.ledger.values import SentPlaces, SentQuery, Stretches
from cleanup.model import SentMessage

TABLES = (sent_rows, sent_keys)
KEYS_AT_ONCE = 500
MOST_ALIKE = 20  # sent messages with one subject or in one conversation: more than any rule counts
_SAME_MESSAGE = and_(sent_rows.c.folder_id == sent_keys.c.folder_id, sent_rows.c.uid == sent_keys.c.uid)


class _Place(NamedTuple):
    folder_id: int
    uid: int
    moment_us: int | None
    gone: int

    @property
    def in_time(self) -> tuple[bool, int, int, int]:
        """The order in which the detector's own index keeps them."""
        return (self.moment_us is not None, self.moment_us or 0, self.folder_id, self.uid)

    def is_after(self, other: _Place | None) -> bool:
        """Return whether it comes after another one in that order, or there is no other."""
        if other is None:
            return True
        if self.moment_us is None or other.moment_us is None or self.moment_us == other.moment_us:
            return self.in_time > other.in_time
        return self.moment_us > other.moment_us


# --- written -------------------------------------------------------------------------------------------------------


def add(connection: Connection, folder_id: int, messages: Sequence[SentMessage], keys: Keys) -> checksums.Sums:
    """Write messages of a Sent folder; return what its sums rise by, which is for the caller to write."""
    rows = [_row(folder_id, message, keys) for message in messages]
    insert_many(connection, sent_rows, rows)
    found = sorted((folder_id, key, m.uid) for m in messages for key in dict.fromkeys(keys.of_sent(m)))
    insert_many(connection, sent_keys, found)
    return checksums.added_up(sent_rows, rows) + checksums.added_up(sent_keys, found)


def _row(folder_id: int, message: SentMessage, keys: Keys) -> tuple[int | None, ...]:
    """Return the row of one sent message, in the order of the table's columns."""
    id_key = keys.message_id(message.message_id) if message.message_id else None
    stored = message.arrived or message.date
    return (folder_id, message.uid, to_us(moment_of(message)), to_us(stored), id_key, 0)


def mark_gone(connection: Connection, folder_id: int, uids: Sequence[int]) -> None:
    """Write that these messages are no longer in the folder."""
    there = (sent_rows.c.folder_id == folder_id) & (sent_rows.c.gone == 0)
    marked = connection.execute(update(sent_rows).where(there, sent_rows.c.uid.in_(uids)).values(gone=1)).rowcount
    checksums.change_by(connection, folder_id, checksums.of_gone(marked))


def retire(connection: Connection, folder_id: int) -> None:
    """Write that all messages of a folder are gone; those without an id, which nothing would recognise, are dropped."""
    mine = sent_rows.c.folder_id == folder_id
    connection.execute(update(sent_rows).where(mine).values(gone=1))
    _drop(connection, select(sent_rows).where(mine, sent_rows.c.id_key.is_(None)))


def forget_the_gone(connection: Connection, mailbox: str, before: datetime) -> None:
    """Drop what is gone and was sent before then, or is in one of the current folders again; and empty folders."""
    _drop(connection, _TO_FORGET, {"mailbox": mailbox, "before_us": us(before)})
    connection.execute(_EMPTY, {"mailbox": mailbox})


_LIVE = sent_rows.alias("live")
_AGAIN = (
    select(sent_keys.c.uid)
    .join(_LIVE, and_(_LIVE.c.folder_id == sent_keys.c.folder_id, _LIVE.c.uid == sent_keys.c.uid))
    .where(sent_keys.c.folder_id.in_(SENT), sent_keys.c.key == sent_rows.c.id_key, _LIVE.c.gone == 0)
    .correlate(sent_rows)
)
_OLD = or_(sent_rows.c.moment_us.is_(None), sent_rows.c.moment_us < bindparam("before_us"))
_TO_FORGET = select(sent_rows.c.folder_id, sent_rows.c.uid).where(
    sent_rows.c.folder_id.in_(MINE), sent_rows.c.gone == 1, or_(_OLD, exists(_AGAIN))
)
_HELD = exists().where(sent_rows.c.folder_id == cursors.c.folder_id)
_EMPTY = delete(cursors).where(cursors.c.folder_id.in_(MINE), cursors.c.is_current == 0, ~_HELD)


def _drop(connection: Connection, rows: Select[Any], values: Mapping[str, Any] | None = None) -> None:
    by_folder: dict[int, list[int]] = defaultdict(list)
    for row in connection.execute(rows, values):
        by_folder[row.folder_id].append(row.uid)
    for folder_id, uids in by_folder.items():
        drop(connection, folder_id, uids)


def drop(connection: Connection, folder_id: int, uids: Sequence[int]) -> None:
    """Forget these messages of a folder."""
    for some in pieces(uids):
        for table in TABLES:
            dropped = checksums.stored(connection, table, folder_id, some)
            connection.execute(delete(table).where(table.c.folder_id == folder_id, table.c.uid.in_(some)))
            checksums.change_by(connection, folder_id, taken=dropped)


# --- asked ---------------------------------------------------------------------------------------------------------


def times(connection: Connection, mailbox: str, now: datetime) -> Sequence[int]:
    """Return when the messages that Sent holds were stored, in order, up to now: eight bytes each, as they stand."""
    return array("q", each_value(connection, _STORED, {"mailbox": mailbox, "now_us": us(now)}))


_STORED = (
    select(sent_rows.c.stored_us)
    .where(sent_rows.c.folder_id.in_(SENT), sent_rows.c.gone == 0, sent_rows.c.stored_us <= bindparam("now_us"))
    .order_by(sent_rows.c.stored_us)
)


def id_keys(connection: Connection, mailbox: str, folder: str, uids: Sequence[int]) -> dict[int, int | None]:
    """Return the hash of the id that each of these messages of a folder had when it was read."""
    whose = {"mailbox": mailbox, "in_folder": sure_text(folder)}
    return {
        uid: key for some in pieces(uids) for uid, key in connection.execute(_ID_KEYS, whose | {"uids": list(some)})
    }


_ID_KEYS = (
    select(sent_rows.c.uid, sent_rows.c.id_key)
    .join(cursors, cursors.c.folder_id == sent_rows.c.folder_id)
    .where(CURRENT_SENT, cursors.c.folder == bindparam("in_folder"), sent_rows.c.gone == 0)
    .where(sent_rows.c.uid.in_(bindparam("uids", expanding=True)))
)


def answers(connection: Connection, names: Mapping[int, str], asked: SentQuery, keys: Keys) -> SentPlaces:
    """Return at least every message that decides what is asked; of those that are gone, what the question tells.

    `names` are the mailbox's folders by number.
    """
    # what is asked for by its hash: kind and text
    texts = {
        **{keys.of("subject", text): ("subject", text) for text in asked.subjects},
        **{keys.of("thread", text): ("thread", text) for text in asked.threads},
        **{keys.recipient(text): ("person", text) for text in asked.people},
        **{keys.message_id(text): ("id", text) for text in asked.ids},
    }
    people = {key: asked.people[text] for key, (kind, text) in texts.items() if kind == "person"}
    by_key = _places(connection, list(names), [key for key in texts if key not in people])
    by_key |= _places_of_people(connection, list(names), people, frozenset(p for ps in by_key.values() for p in ps))
    chosen = set(_chosen(asked, texts, by_key))
    there: dict[str, list[int]] = defaultdict(list)
    for place in sorted(chosen):
        if not place.gone:
            there[names[place.folder_id]].append(place.uid)
    known = _known_of(by_key, texts)
    gone = tuple(_as_told(p, names[p.folder_id], known[p]) for p in sorted(chosen) if p.gone)
    return SentPlaces(there, gone)


def _places(connection: Connection, mine: Sequence[int], keys: Sequence[int]) -> dict[int, list[_Place]]:
    """Return the messages that each key names, in the order of time."""
    found: dict[int, list[_Place]] = defaultdict(list)
    for key, place in _each_place(connection, mine, keys):
        found[key].append(place)
    return _sorted(found)


def _places_of_people(
    connection: Connection, mine: Sequence[int], people: Mapping[int, Stretches], known: frozenset[_Place]
) -> dict[int, list[_Place]]:
    """Return the messages to people that matter: `known` by something else, at a time that is asked for, or the last.

    The others are not held: somebody may have had every second message of a million.
    """
    found: dict[int, list[_Place]] = defaultdict(list)
    last: dict[int, _Place] = {}
    when = {key: _Times(stretches) for key, stretches in people.items()}
    for key, place in _each_place(connection, mine, list(people)):
        if place.is_after(last.get(key)):
            last[key] = place
        if place in known or place.moment_us in when[key]:
            found[key].append(place)
    for key, place in last.items():
        if place not in found[key]:
            found[key].append(place)
    return _sorted(found)


def _each_place(connection: Connection, mine: Sequence[int], keys: Sequence[int]) -> Iterator[tuple[int, _Place]]:
    for some in pieces(keys, KEYS_AT_ONCE):
        for row in each_row(connection, _PLACES, {"folders": list(mine), "keys": list(some)}):
            yield row[0], _Place._make(row[1:])


_PLACES = (
    select(sent_keys.c.key, sent_keys.c.folder_id, sent_keys.c.uid, sent_rows.c.moment_us, sent_rows.c.gone)
    .join(sent_rows, _SAME_MESSAGE)
    .where(sent_keys.c.folder_id.in_(bindparam("folders", expanding=True)))
    .where(sent_keys.c.key.in_(bindparam("keys", expanding=True)))
)


def _sorted(found: dict[int, list[_Place]]) -> dict[int, list[_Place]]:
    for places in found.values():
        places.sort(key=lambda place: place.in_time)
    return found


class _Times:
    """The stretches of time that are asked for of one person, as microseconds, those that overlap made one."""

    def __init__(self, asked: Stretches) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted((us(a), us(b)) for a, b in asked.any_within | asked.all_within):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __contains__(self, moment_us: int | None) -> bool:
        at = bisect_right(self._starts, moment_us) - 1 if moment_us is not None else -1
        return at >= 0 and moment_us is not None and moment_us <= self._ends[at]


def _chosen(
    asked: SentQuery, texts: Mapping[int, tuple[str, str]], by_key: Mapping[int, Sequence[_Place]]
) -> Iterator[_Place]:
    """Yield the places that matter: an old friend was written to often, and few of those mails can have bounced."""
    subjects = {p: key for key, places in by_key.items() if texts[key][0] == "subject" for p in places}
    for key, places in by_key.items():
        kind, text = texts[key]
        if kind == "id":
            yield from places
        elif kind == "person":
            yield places[-1]  # for the rule that asks whether this person was ever written to
            yield from _some_of_each(places, subjects)
            yield from _at_the_time(places, asked.people[text])
        else:
            yield from places[:MOST_ALIKE]


def _some_of_each(places: Sequence[_Place], subjects: Mapping[_Place, int]) -> Iterator[_Place]:
    """Yield the first messages with each of the subjects."""
    counted: Counter[int] = Counter()
    for place in places:
        subject = subjects.get(place)
        if subject is not None and counted[subject] < MOST_ALIKE:
            counted[subject] += 1
            yield place


def _at_the_time(places: Sequence[_Place], asked: Stretches) -> Iterator[_Place]:
    """Yield one message of each long stretch, of which rules only ask whether there is one, and all of the short."""
    dated = [place for place in places if place.moment_us is not None]
    times = [place.moment_us or 0 for place in dated]
    for start, end in asked.any_within:
        at = bisect_left(times, us(start))
        if at < len(times) and times[at] <= us(end):
            yield dated[at]
    for start, end in asked.all_within:
        yield from dated[bisect_left(times, us(start)) : bisect_right(times, us(end))]


def _known_of(
    by_key: Mapping[int, Sequence[_Place]], texts: Mapping[int, tuple[str, str]]
) -> dict[_Place, dict[str, list[str]]]:
    """Return, of each message that is gone, which of the texts that are asked for it had."""
    known: dict[_Place, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key, places in by_key.items():
        kind, text = texts[key]
        for place in places:
            if place.gone:
                known[place][kind].append(text)
    return known


def _as_told(place: _Place, folder: str, known: Mapping[str, Sequence[str]]) -> SentMessage:
    when = from_us(place.moment_us)
    ids = known.get("id", ())
    return SentMessage(
        folder=f"{folder}, deleted since",
        uid=place.uid,
        message_id=next(iter(ids), None),
        other_ids=tuple(ids[1:]),
        recipients=tuple(known.get("person", ())),
        subject=next(iter(known.get("subject", ())), None),
        date=when,
        arrived=when,
        thread_index=next(iter(known.get("thread", ())), None),
    )
