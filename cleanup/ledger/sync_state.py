"""What earlier runs read of one mailbox, so that a night costs only what is new. The server stays the truth.

Every method is one transaction: a run may be cut off anywhere, and the next one goes on from the last chunk. Rows are
hashes and places (docs/decisions/reading.md), but for the notices that lie in the Inbox and the sent mail that they ask
about (kept_mail.py): they are judged again each night.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, bindparam, case, delete, func, insert, select, update

from cleanup.detector.coverage import Proof
from cleanup.detector.sent import Profile, learn_profile
from cleanup.ledger import checksums
from cleanup.ledger import kept_mail as kept_messages
from cleanup.ledger import sent_index as sent_memory
from cleanup.ledger.completeness import inbox_values, proofs
from cleanup.ledger.keys import Keys
from cleanup.ledger.migrations import HASH_KEY
from cleanup.ledger.opening import reading, writing
from cleanup.ledger.schema import cursors, dns_lookups, inbox_rows, kept_mail, memories, meta, sent_rows
from cleanup.ledger.statements import AT_ONCE, CURRENT, CURRENT_SENT, MINE, SENT, insert_many, insert_one, pieces
from cleanup.ledger.texts import from_us, moment, sure_text, us
from cleanup.ledger.values import Cursor, InboxRow, KeptNotice, Remembered, SentPlaces, SentQuery, mailbox_key
from cleanup.model import DnsLookup, SentMessage


class Memory:
    """One mailbox, as far as earlier runs read it."""

    def __init__(self, engine: Engine, mailbox: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._mailbox = mailbox_key(mailbox)
        self._clock = clock
        # as they stand, until something is written: the lock is ours
        self._cursors: dict[str, Cursor] | None = None
        self._notices: tuple[int, str, dict[int, KeptNotice]] | None = None  # of a folder, as a reader read them
        with reading(self._engine) as connection:
            self.keys = Keys(str(connection.execute(_SECRET).scalar_one()))

    # --- the last run ------------------------------------------------------------------------------------------

    def remembered(self) -> Remembered | None:
        """Return what the last run left; None where the mailbox was never looked at."""
        with reading(self._engine) as connection:
            return read_remembered(connection, self._mailbox)

    def remember(self, what: Remembered) -> None:
        """Write what a run leaves."""
        values = {"read_by": what.read_by, "judged_by": what.judged_by, "run_id": what.run_id, "counts": what.counts}
        with self._writing(cursors_too=False) as connection:
            connection.execute(_FORGET, self._whose)
            connection.execute(_REMEMBER, {**self._whose, **values})

    # --- folders -----------------------------------------------------------------------------------------------

    def cursors(self) -> dict[str, Cursor]:
        """Return the folders that were read, by name, and how far."""
        if self._cursors is None:
            with reading(self._engine) as connection:
                self._cursors = read_cursors(connection, self._mailbox)
        return dict(self._cursors)

    def begin(self, folder: str, uidvalidity: int, *, is_sent: bool) -> Cursor:
        """Return the cursor of a folder that is read from its first message on; what was known of it is retired."""
        self.retire([folder])
        row = {
            "mailbox": self._mailbox,
            "folder": sure_text(folder),
            "uidvalidity": uidvalidity,
            "uidnext": 1,
            "is_sent": int(is_sent),
            "is_current": 1,
            "profile": {},
            "updated_us": us(self._clock()),
        }
        with self._writing() as connection:
            return Cursor(insert_one(connection, cursors, row), folder, uidvalidity, 1, is_sent, 0)

    def retire(self, folders: Collection[str]) -> None:
        """Give up what was read of these folders: renumbered, deleted, or to be read anew.

        Sent messages with an id are kept for a while as gone: they may still spare a bounce, never accuse one.
        """
        names = [sure_text(folder) for folder in folders]
        if not names:
            return
        self._notices = None
        with self._writing() as connection:
            ids = connection.execute(
                select(cursors.c.folder_id).where(CURRENT, cursors.c.folder.in_(names)), self._whose
            ).scalars()
            for folder_id in list(ids):
                connection.execute(delete(inbox_rows).where(inbox_rows.c.folder_id == folder_id))
                kept_messages.drop_folder(connection, folder_id)
                sent_memory.retire(connection, folder_id)
                connection.execute(update(cursors).where(cursors.c.folder_id == folder_id).values(is_current=0))

    def uids(self, cursor: Cursor) -> list[int]:
        """Return the UIDs that are held of a folder, ascending."""
        rows = (
            sent_rows if cursor.is_sent else inbox_rows
        )  # what was sent and is gone is kept, and is not in the folder
        query = select(rows.c.uid).where(rows.c.folder_id == cursor.folder_id).order_by(rows.c.uid)
        with reading(self._engine) as connection:  # what was sent and is gone is kept, and is not in the folder
            return list(connection.execute(query.where(sent_rows.c.gone == 0) if cursor.is_sent else query).scalars())

    def vanished(self, cursor: Cursor, uids: Collection[int]) -> None:
        """Write that these messages are no longer in the folder. What was sent is kept for a while as gone."""
        self._notices = None
        with self._writing() as connection:
            kept_messages.drop(connection, cursor.folder_id, uids)
            for some in pieces(sorted(uids)):
                if cursor.is_sent:
                    sent_memory.mark_gone(connection, cursor.folder_id, some)
                else:
                    mine = inbox_rows.c.folder_id == cursor.folder_id
                    connection.execute(delete(inbox_rows).where(mine, inbox_rows.c.uid.in_(some)))

    def make_room(self, cursor: Cursor, uids: Collection[int]) -> None:
        """Forget that these sent messages were gone: the server shows them again."""
        if cursor.is_sent:
            with self._writing() as connection:
                sent_memory.drop(connection, cursor.folder_id, sorted(uids))

    # --- the Inbox ---------------------------------------------------------------------------------------------

    def add_inbox(self, cursor: Cursor, rows: Sequence[InboxRow], uidnext: int) -> None:
        """Write a chunk of the Inbox, and that everything below `uidnext` was read."""
        values = [inbox_values(cursor.folder_id, row, self.keys) for row in rows]
        with self._writing() as connection:
            insert_many(connection, inbox_rows, values)
            self._reached(connection, cursor, uidnext)

    def notices(self, cursor: Cursor) -> list[int]:
        """Return the UIDs of the Inbox's notices, and of what was not yet read and may be one, ascending."""
        with reading(self._engine) as connection:
            return sorted(connection.execute(_NOTICES, {"of_folder": cursor.folder_id}).scalars())

    def no_notices(self, cursor: Cursor, uids: Collection[int]) -> None:
        """Write that these looked like notices and are none."""
        self._notices = None
        with self._writing() as connection:
            kept_messages.drop(connection, cursor.folder_id, uids)
            for some in pieces(sorted(uids)):
                mine = inbox_rows.c.folder_id == cursor.folder_id
                connection.execute(update(inbox_rows).where(mine, inbox_rows.c.uid.in_(some)).values(sort=2))

    def kept_notices(self, cursor: Cursor, reader: str) -> dict[int, KeptNotice]:
        """Return what this reader read of the Inbox's notices, by UID, ascending."""
        if self._notices is None or self._notices[:2] != (cursor.folder_id, reader):
            with reading(self._engine) as connection:
                self._notices = cursor.folder_id, reader, kept_messages.notices(connection, cursor.folder_id, reader)
        return dict(self._notices[2])

    def keep_notices(self, cursor: Cursor, reader: str, notices: Sequence[KeptNotice]) -> None:
        """Write what this reader read of notices, so that nobody need fetch them again."""
        self._notices = None
        with self._writing(cursors_too=False) as connection:
            kept_messages.write(connection, cursor.folder_id, reader, notices)

    def read_again(self, cursor: Cursor, uids: Collection[int]) -> None:
        """Forget what was read of these notices: the next look reads them anew."""
        self._notices = None
        if uids:
            with self._writing(cursors_too=False) as connection:
                kept_messages.drop(connection, cursor.folder_id, uids)

    def last_mail(self, cursor: Cursor, now: datetime) -> datetime | None:
        """Return the latest Date of ordinary mail that is not in the future."""
        with reading(self._engine) as connection:
            return from_us(connection.execute(_LAST_MAIL, {"of_folder": cursor.folder_id, "now_us": us(now)}).scalar())

    def proofs(self, cursor: Cursor, profile: Profile) -> list[Proof]:
        """Return what ordinary mail in the Inbox proves to have been sent, and whether Sent holds it."""
        with reading(self._engine) as connection:
            sent = list(connection.execute(SENT, self._whose).scalars())
            return list(proofs(connection, cursor.folder_id, sent, profile, self.keys))

    # --- Sent --------------------------------------------------------------------------------------------------

    def add_sent(self, cursor: Cursor, messages: Sequence[SentMessage], uidnext: int) -> None:
        """Write a chunk of a Sent folder, and that everything below `uidnext` was read."""
        with self._writing() as connection:
            if not messages:
                self._reached(connection, cursor, uidnext)
                return
            kept, known = connection.execute(_SUMS_AND_PROFILE, {"of_folder": cursor.folder_id}).one()
            new = profile_to_json(merged((profile_from_json(known), learn_profile(messages))))
            added = sent_memory.add(connection, cursor.folder_id, messages, self.keys) + checksums.of_profile(new)
            sums = checksums.changed(kept, added, taken=checksums.of_profile(known))
            self._reached(connection, cursor, uidnext, profile=new, sums=sums)

    def profile(self) -> Profile:
        """Return the owner's habits, as all Sent folders together show them, deleted messages included."""
        with reading(self._engine) as connection:
            return merged(profile_from_json(row.profile) for row in connection.execute(_SENT_SUMMED, self._whose))

    def sent_times(self, now: datetime) -> Sequence[int]:
        """Return when the messages that Sent holds were stored, in UTC microseconds since 1970, in order, up to now."""
        with reading(self._engine) as connection:
            return sent_memory.times(connection, self._mailbox, now)

    def answers(self, asked: SentQuery) -> SentPlaces:
        """Return at least every sent message that decides what is asked."""
        with reading(self._engine) as connection:
            mine = {row.folder_id: row.folder for row in connection.execute(_NAMES, self._whose)}
            return sent_memory.answers(connection, mine, asked, self.keys)

    def kept_sent(self, there: Mapping[str, Sequence[int]], reader: str) -> list[SentMessage]:
        """Return what this reader read of these sent messages, by folder and UID, where it fits what is known of them.

        What is kept of others is forgotten: nobody asks about them any more.
        """
        found: list[SentMessage] = []
        for cursor in self.cursors().values():
            if not cursor.is_sent:
                continue
            asked = there.get(cursor.folder, ())
            with reading(self._engine) as connection:
                known = kept_messages.uids_of(connection, cursor.folder_id)
                read = kept_messages.sent(connection, cursor.folder_id, reader, asked) if known else {}
            if self.mistaken([*read.values()]):  # a damaged ledger: all of the folder is read anew
                asked, read = (), {}
            if known - {*asked}:
                with self._writing(cursors_too=False) as connection:
                    kept_messages.drop(connection, cursor.folder_id, known - {*asked})
            found += read.values()
        return found

    def keep_sent(self, messages: Sequence[SentMessage], reader: str) -> None:
        """Write what this reader read of sent messages, so that nobody need fetch them again."""
        by_folder: dict[str, list[SentMessage]] = {}
        for message in messages:
            by_folder.setdefault(message.folder, []).append(message)
        for folder, read in by_folder.items():
            if cursor := self.cursors().get(folder):
                with self._writing(cursors_too=False) as connection:
                    kept_messages.write(connection, cursor.folder_id, reader, read)

    def mistaken(self, messages: Sequence[SentMessage]) -> list[str]:
        """Return the folders in which one of these messages is not the one that was read under its UID."""
        by_folder: dict[str, dict[int, int | None]] = {}
        for message in messages:
            key = self.keys.message_id(message.message_id) if message.message_id else None
            by_folder.setdefault(message.folder, {})[message.uid] = key
        with reading(self._engine) as connection:
            known = {f: sent_memory.id_keys(connection, self._mailbox, f, sorted(k)) for f, k in by_folder.items()}
        return [folder for folder, keys in by_folder.items() if known[folder] != keys]

    def retire_the_damaged(self) -> list[str]:
        """Give up what was read of Sent folders whose rows are no longer those that were written; return their names.

        A key that a flipped bit changed hides a message that was sent, and only this sees it.
        """
        with reading(self._engine) as connection:
            damaged = [
                row.folder
                for row in connection.execute(_SENT_SUMMED, self._whose).all()
                if not checksums.add_up(connection, row.folder_id, row.sums, row.profile)
            ]
        self.retire(damaged)
        return damaged

    def forget_the_gone(self, before: datetime) -> None:
        """Forget sent messages that are gone and were sent before then, and those that are in Sent again."""
        with self._writing() as connection:
            sent_memory.forget_the_gone(connection, self._mailbox, before)

    # --- DNS ---------------------------------------------------------------------------------------------------

    def dns_lookups(self, since: datetime) -> list[DnsLookup]:
        """Return what name servers answered for this mailbox from then on."""
        with reading(self._engine) as connection:
            rows = connection.execute(_LOOKUPS, {**self._whose, "since_us": us(since)}).all()
        return [DnsLookup(row.name, row.kind, tuple(row.records), moment(row.asked_us)) for row in rows]

    def keep_dns_lookups(self, made: Sequence[DnsLookup], since: datetime) -> None:
        """Write what name servers answered, and forget what they answered before then."""
        if not made:
            return
        rows = [
            {**self._whose, "name": sure_text(name), "kind": kind, "records": list(values), "asked_us": us(at)}
            for name, kind, values, at in made
        ]
        with self._writing(cursors_too=False) as connection:
            connection.execute(_FORGET_OLD_LOOKUPS, {**self._whose, "since_us": us(since)})
            connection.execute(_FORGET_LOOKUP, [{**self._whose, "of": r["name"], "in_kind": r["kind"]} for r in rows])
            connection.execute(insert(dns_lookups), rows)

    # --- a copy ------------------------------------------------------------------------------------------------

    def copied_to(self, engine: Engine) -> Memory:
        """Return this memory in another, empty database: what only looks reads on there and leaves this one alone."""
        with reading(self._engine) as source, engine.begin() as target:
            secret = source.execute(_SECRET).scalar_one()
            target.execute(update(meta).where(meta.c.key == HASH_KEY).values(value=secret))
            for table, rows in (
                (memories, _MEMORY),
                (cursors, select(cursors).where(cursors.c.mailbox == bindparam("mailbox"))),
                *((t, select(t).where(t.c.folder_id.in_(MINE))) for t in sent_memory.TABLES),
                (inbox_rows, select(inbox_rows).where(inbox_rows.c.folder_id.in_(MINE))),
                (kept_mail, select(kept_mail).where(kept_mail.c.folder_id.in_(MINE))),
                (dns_lookups, select(dns_lookups).where(dns_lookups.c.mailbox == bindparam("mailbox"))),
            ):
                for some in source.execute(rows, self._whose).mappings().partitions(AT_ONCE):
                    target.execute(insert(table), [dict(row) for row in some])
        return Memory(engine, self._mailbox, self._clock)

    # --- pieces ------------------------------------------------------------------------------------------------

    @property
    def _whose(self) -> dict[str, Any]:
        return {"mailbox": self._mailbox}

    def _reached(self, connection: Connection, cursor: Cursor, uidnext: int, **more: Any) -> None:
        values = {"uidnext": uidnext, "updated_us": us(self._clock()), **more}
        connection.execute(_REACHED, {"of_folder": cursor.folder_id, **values})

    @contextmanager
    def _writing(self, *, cursors_too: bool = True) -> Iterator[Connection]:
        if cursors_too:  # read anew, whether this is written or not
            self._cursors = None
        with writing(self._engine, durably=False) as connection:
            yield connection


def read_remembered(connection: Connection, mailbox: str) -> Remembered | None:
    """Return what the last run left; None where the mailbox was never looked at."""
    row = connection.execute(_MEMORY, {"mailbox": mailbox}).mappings().first()
    return Remembered(row["read_by"], row["judged_by"], row["run_id"], dict(row["counts"])) if row else None


def read_cursors(connection: Connection, mailbox: str) -> dict[str, Cursor]:
    """Return the folders that were read, by name, and how far."""
    return {
        folder: Cursor(folder_id, folder, uidvalidity, uidnext, bool(is_sent), held)
        for folder_id, folder, uidvalidity, uidnext, is_sent, held in connection.execute(_CURSORS, {"mailbox": mailbox})
    }


# --- what the database is asked ------------------------------------------------------------------------------------

_OF_FOLDER: BindParameter[int] = bindparam("of_folder")
_SECRET = select(meta.c.value).where(meta.c.key == HASH_KEY)
_MEMORY = select(memories).where(memories.c.mailbox == bindparam("mailbox"))
_FORGET = delete(memories).where(memories.c.mailbox == bindparam("mailbox"))
_REMEMBER = insert(memories)
_HELD_OF_SENT = select(func.count()).where(sent_rows.c.folder_id == cursors.c.folder_id, sent_rows.c.gone == 0)
_HELD_OF_INBOX = select(func.count()).where(inbox_rows.c.folder_id == cursors.c.folder_id)
_HELD = case((cursors.c.is_sent == 1, _HELD_OF_SENT.scalar_subquery()), else_=_HELD_OF_INBOX.scalar_subquery())
_CURSORS = (
    select(cursors.c.folder_id, cursors.c.folder, cursors.c.uidvalidity, cursors.c.uidnext, cursors.c.is_sent, _HELD)
    .where(CURRENT)
    .order_by(cursors.c.folder_id)
)
_NAMES = select(cursors.c.folder_id, cursors.c.folder).where(cursors.c.mailbox == bindparam("mailbox"))
_SENT_SUMMED = select(cursors.c.folder_id, cursors.c.folder, cursors.c.sums, cursors.c.profile).where(CURRENT_SENT)
_SUMS_AND_PROFILE = select(cursors.c.sums, cursors.c.profile).where(cursors.c.folder_id == _OF_FOLDER)
_REACHED = update(cursors).where(cursors.c.folder_id == _OF_FOLDER)
_NOTICES = select(inbox_rows.c.uid).where(inbox_rows.c.folder_id == _OF_FOLDER, inbox_rows.c.sort == 1)
_LAST_MAIL = select(func.max(inbox_rows.c.date_us)).where(
    inbox_rows.c.folder_id == _OF_FOLDER, inbox_rows.c.sort == 0, inbox_rows.c.date_us <= bindparam("now_us")
)
_LOOKUPS = select(dns_lookups).where(
    dns_lookups.c.mailbox == bindparam("mailbox"), dns_lookups.c.asked_us >= bindparam("since_us")
)
_FORGET_OLD_LOOKUPS = delete(dns_lookups).where(
    dns_lookups.c.mailbox == bindparam("mailbox"), dns_lookups.c.asked_us < bindparam("since_us")
)
_FORGET_LOOKUP = delete(dns_lookups).where(
    dns_lookups.c.mailbox == bindparam("mailbox"),
    dns_lookups.c.name == bindparam("of"),
    dns_lookups.c.kind == bindparam("in_kind"),
)


# --- The owner's habits as the memory keeps them: counts that add up, a folder at a time ----------------------------

_COUNTED = tuple(f.name for f in fields(Profile) if f.name not in ("zones", "messages", "without_id"))


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON takes it."""
    counts = {name: dict(getattr(profile, name)) for name in _COUNTED}
    zones = {str(minutes): seen for minutes, seen in profile.zones.items()}
    return {**counts, "zones": zones, "messages": profile.messages, "without_id": profile.without_id}


def profile_from_json(stored: Mapping[str, Any]) -> Profile:
    """Return a stored profile; an empty one where nothing is stored."""
    if not stored:
        return Profile()
    counts = {name: Counter(stored[name]) for name in _COUNTED}
    zones = Counter({int(minutes): seen for minutes, seen in stored["zones"].items()})
    return Profile(**counts, zones=zones, messages=stored["messages"], without_id=stored["without_id"])


def merged(profiles: Iterable[Profile]) -> Profile:
    """Return what several profiles show together."""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in (*_COUNTED, "zones")}
    messages = without_id = 0
    for profile in profiles:
        messages += profile.messages
        without_id += profile.without_id
        for name, counted in counts.items():
            counted.update(getattr(profile, name))
    return Profile(**counts, messages=messages, without_id=without_id)
