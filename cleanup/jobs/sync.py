"""Brings the memory of a mailbox up to date: what is new since the last run, and what has vanished. Reads only.

Chunk by chunk, each written down with how far it goes, so that a run that was cut off is carried on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cleanup.connector.folders import Folder, find_sent, printable, sent_not_opened
from cleanup.connector.mailbox import FolderState, Mailbox
from cleanup.connector.questions import Examine, Folders, Headers, Question
from cleanup.detector.addresses import untagged_key
from cleanup.detector.coverage import cover_times
from cleanup.detector.header import INBOX_FIELDS
from cleanup.detector.notices.signs import clue_of_ordinary
from cleanup.detector.sent import SENT_FIELDS, MemorySentIndex, SentRows, read_sent_header, wanted_by
from cleanup.errors import (
    CleanupError,
    CommandRefused,
    ConnectionLost,
    FolderNotFound,
    PermissionMissing,
    SentFolderNotFound,
    ServerMisbehaved,
)
from cleanup.jobs.idle_check import IdleCheck, Task, is_unchanged
from cleanup.jobs.notices import known_notices, reader
from cleanup.ledger import Memory
from cleanup.ledger.values import Cursor, InboxRow, KeptNotice, SentPlaces, SentQuery, Stretches
from cleanup.model import Identity, Notice, Policy, PulledHeaders, SentMessage, SentSource
from cleanup.progress import Progress

Arrived = tuple[Notice, datetime | None]  # a notice, and when it came

CHUNK = 2_000
MOST_HIDDEN = 20  # messages that a server lists and cannot show, and that are passed over
FEW = 4  # messages: of more than that not all may be hidden
KEEP_GONE = timedelta(days=30)  # what was sent longer ago does not bounce any more
SPARSE = 4  # UIDs to a message: from there on it is cheaper to ask which of them exist

Save = Callable[[Cursor, Sequence[PulledHeaders], int], None]


def what_look_asks(task: Task, memory: Memory, seen: IdleCheck | None) -> list[Question[Any]]:
    """Return what look() will ask first: the folders, and what is new in those that were seen and read before."""
    questions: list[Question[Any]] = [Folders()]
    if seen is None:
        return questions
    known = memory.cursors()
    for state, fields in ((seen.inbox, INBOX_FIELDS), *((one, SENT_FIELDS) for one in seen.sent.values())):
        cursor = known.get(state.folder)
        if cursor is None or cursor.uidvalidity != state.uidvalidity or _is_sparse(cursor, state):
            return questions
        again = [] if cursor.is_sent else _to_be_read(task, memory, cursor)
        wanted = [*again, *range(cursor.uidnext, state.uidnext)]
        if cursor.is_sent and not is_unchanged(cursor, state):
            questions.append(Examine(state.folder))
        if wanted:
            questions.append(Headers(state.folder, fields, wanted))
    return questions


# --- the Inbox -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InboxRead:
    """What the Inbox holds of notices, by UID, ascending: what is known of them, or what there is to be read.

    `fresh` are the header fields of what is or may be a notice and whose body has to be read, `kept` what earlier runs
    read. `hidden` is listed and not shown, is no part of the memory, and so is looked at again by the next run.
    """

    cursor: Cursor
    fresh: Mapping[int, PulledHeaders]
    kept: Mapping[int, KeptNotice]
    hidden: Sequence[int]


def read_inbox(mailbox: Mailbox, task: Task, memory: Memory, state: FolderState, progress: Progress) -> InboxRead:
    """Fetch the header fields of what is new in the Inbox, and of what earlier runs saw and nothing is kept of."""
    cursor = _cursor(memory, state, is_sent=False)
    again = frozenset(_to_be_read(task, memory, cursor))
    fresh: dict[int, PulledHeaders] = {}

    def save(cursor: Cursor, chunk: Sequence[PulledHeaders], uidnext: int) -> None:
        # what was wanted again is in the memory already: only what is new is written
        fresh.update({pulled.ref.uid: pulled for pulled in chunk if pulled.ref.uid in again})
        new = [pulled for pulled in chunk if pulled.ref.uid not in again]
        rows = [_inbox_row(pulled) for pulled in new]
        fresh.update({p.ref.uid: p for p, row in zip(new, rows, strict=True) if row.looks_like_notice})
        memory.add_inbox(cursor, rows, uidnext)

    count = _counting(progress, "Reading the Inbox", state)
    hidden = _catch_up(mailbox, memory, cursor, state, INBOX_FIELDS, save, count, also=sorted(again))
    return InboxRead(cursor, fresh, known_notices(task, memory, cursor), hidden)


def _to_be_read(task: Task, memory: Memory, cursor: Cursor) -> list[int]:
    """Return the UIDs of what earlier runs saw, is or may be a notice, and has to be read again."""
    kept = known_notices(task, memory, cursor)
    return [uid for uid in memory.notices(cursor) if uid not in kept]


def _inbox_row(pulled: PulledHeaders) -> InboxRow:
    clue = clue_of_ordinary(pulled.fields)
    return InboxRow(pulled.ref.uid, clue is None, clue)


# --- Sent ----------------------------------------------------------------------------------------------------------


def read_sent_folders(
    mailbox: Mailbox,
    task: Task,
    memory: Memory,
    folders: Sequence[Folder],
    seen: Mapping[str, FolderState],
    progress: Progress,
) -> tuple[SentSource, ...]:
    """Return how much of each Sent folder is known. What cannot be read is a source with its problem.

    Raises SentFolderNotFound for a folder that somebody named: a mistake that would leave every bounce unsure for ever.
    """
    missing: tuple[SentSource, ...] = ()
    try:
        found = [folder.name for folder in find_sent(folders, task.sent_folders, task.not_sent_folders)]
        names = [name for name in found if name != task.inbox]
    except SentFolderNotFound as error:
        if task.sent_folders:
            raise
        names, missing = [], (SentSource("Sent", 0, 0, problem=str(error)),)
    # A folder that is gone, or left out by now, vouches for nothing any more.
    memory.retire([c.folder for c in memory.cursors().values() if c.is_sent and c.folder not in names])
    return (*missing, *(read_sent(mailbox, memory, name, seen.get(name), progress) for name in names))


def read_sent(
    mailbox: Mailbox, memory: Memory, folder: str, seen: FolderState | None, progress: Progress
) -> SentSource:
    """Return how much of a Sent folder is known now. `seen` is its state, where it was asked for already."""
    announced = 0
    try:
        state = seen if seen and is_unchanged(memory.cursors().get(folder), seen) else mailbox.examine(folder)
        announced = state.exists
        cursor = _cursor(memory, state, is_sent=True)

        def save(cursor: Cursor, chunk: Sequence[PulledHeaders], uidnext: int) -> None:
            memory.add_sent(cursor, [_sent_message(pulled) for pulled in chunk], uidnext)

        count = _counting(progress, f"Reading {folder}", state)
        hidden = _catch_up(mailbox, memory, cursor, state, SENT_FIELDS, save, count)
        problem = None
        if hidden:  # one of them may be the message that bounced: such a folder cannot say that it was not sent
            why = mailbox.passed_over(folder).get(hidden[0], "the server does not show it")
            problem = f"{len(hidden):,} of its messages cannot be read (UID {hidden[0]}: {why})"
    except ConnectionLost:
        raise
    except (CommandRefused, FolderNotFound, PermissionMissing) as error:
        problem = sent_not_opened(folder, error)
    except CleanupError as error:
        problem = str(error)
    known = memory.cursors().get(folder)
    return SentSource(folder, announced, known.held if known else 0, problem)


def fetch_sent(mailbox: Mailbox, places: SentPlaces) -> Iterator[SentMessage]:
    """Yield sent messages from where they lie.

    Raises ServerMisbehaved where one is not shown that was there a moment ago: what is in Sent must not pass as absent.
    """
    for folder, uids in places.there.items():
        missing = set(uids)
        for chunk in mailbox.pull_headers_of(folder, SENT_FIELDS, uids):
            missing -= {pulled.ref.uid for pulled in chunk}
            yield from map(_sent_message, chunk)
        if missing:
            raise ServerMisbehaved(f"{len(missing):,} messages of {folder} that match were not shown")


def sent_index(
    mailbox: Mailbox,
    task: Task,
    memory: Memory,
    inbox: Cursor,
    arrived: Sequence[Arrived],
    sources: Sequence[SentSource],
    now: datetime,
) -> MemorySentIndex:
    """Return what is known of the owner's sent mail, with the messages that these notices ask for."""
    memory.forget_the_gone(now - KEEP_GONE)
    places = memory.answers(what_they_ask(arrived, task.identity, task.policy))
    sent = {(message.folder, message.uid): message for message in memory.kept_sent(places.there, reader())}
    try:
        fetched = list(fetch_sent(mailbox, _without(places, sent)))
        sent |= {(message.folder, message.uid): message for message in fetched}
        mistaken = memory.mistaken(fetched)
        if mistaken:  # a message is not the one that was read: its folder will be read anew
            memory.retire(mistaken)
            raise ServerMisbehaved(f"Messages of {mistaken[0]} are not what was read under their numbers")
        memory.keep_sent(fetched, reader())
    except ConnectionLost:
        raise
    except CleanupError as error:
        sources = (*sources, SentSource("Sent", 0, 0, problem=str(error)))
    in_order = ((folder, uid) for folder, uids in places.there.items() for uid in uids)
    messages = [*places.gone, *(sent[place] for place in in_order if place in sent)]
    profile = memory.profile()
    held = sum(source.read for source in sources)
    coverage = cover_times(memory.sent_times(now), held, sources, complete_since=task.complete_since)
    last_mail = memory.last_mail(inbox, now)
    coverage = coverage.in_use_until(() if last_mail is None else (last_mail,))
    return MemorySentIndex(SentRows(messages), coverage.with_proofs(memory.proofs(inbox, profile)), profile)


def _without(places: SentPlaces, known: Container[tuple[str, int]]) -> SentPlaces:
    there = {folder: [uid for uid in uids if (folder, uid) not in known] for folder, uids in places.there.items()}
    return SentPlaces({folder: uids for folder, uids in there.items() if uids}, places.gone)


def _sent_message(pulled: PulledHeaders) -> SentMessage:
    return read_sent_header(pulled.ref.folder, pulled.ref.uid, pulled.arrived, pulled.fields)


# --- any folder ----------------------------------------------------------------------------------------------------


def _cursor(memory: Memory, state: FolderState, *, is_sent: bool) -> Cursor:
    known = memory.cursors().get(state.folder)
    if known and known.uidvalidity == state.uidvalidity and known.is_sent == is_sent:
        return known
    return memory.begin(state.folder, state.uidvalidity, is_sent=is_sent)


def _catch_up(
    mailbox: Mailbox,
    memory: Memory,
    cursor: Cursor,
    state: FolderState,
    fields: Sequence[str],
    save: Save,
    count: Callable[[int], None],
    also: Sequence[int] = (),
) -> list[int]:
    """Fetch and save what is new, and `also` what is known and wanted again; then account for what has vanished.

    Returns the UIDs of what is listed and not shown.
    """
    if is_unchanged(cursor, state) and not also:  # not a command is sent for such a folder
        return []
    held, reached = cursor.held, cursor.uidnext  # counted along: nothing vanished where the sum is the server's EXISTS
    for chunk in _new(mailbox, cursor, state, fields, also):
        reached = max(chunk[-1].ref.uid + 1, cursor.uidnext)
        save(cursor, chunk, reached)
        held += sum(pulled.ref.uid >= cursor.uidnext for pulled in chunk)
        count(held)
    if reached != state.uidnext:  # UIDs that were given out and are gone already
        save(cursor, (), state.uidnext)
    return _look_again(mailbox, memory, cursor, state, fields, save) if held != state.exists else []


def _new(
    mailbox: Mailbox, cursor: Cursor, state: FolderState, fields: Sequence[str], also: Sequence[int]
) -> Iterator[Sequence[PulledHeaders]]:
    """Yield what arrived since, in chunks. The UIDs need not be asked for where most of them exist."""
    uids: Sequence[int] = range(cursor.uidnext, state.uidnext)  # what of these does not exist is simply not answered
    if _is_sparse(cursor, state):
        uids = [uid for uid in mailbox.uids(state.folder, first=cursor.uidnext) if uid < state.uidnext]
    if state.exists and (uids or also):
        yield from (chunk for chunk in mailbox.pull_headers_of(state.folder, fields, [*also, *uids]) if chunk)


def _is_sparse(cursor: Cursor, state: FolderState) -> bool:
    return state.uidnext - cursor.uidnext > SPARSE * max(state.exists - cursor.held, 0) + CHUNK


def _look_again(
    mailbox: Mailbox, memory: Memory, cursor: Cursor, state: FolderState, fields: Sequence[str], save: Save
) -> list[int]:
    """Find out what vanished from the folder, and fetch what was not shown the first time; return what never was."""
    there = {uid for uid in mailbox.uids(state.folder) if uid < state.uidnext} if state.exists else set()
    held = set(memory.uids(cursor))
    vanished: Collection[int] = held - there
    if vanished:
        memory.vanished(cursor, vanished)
    missing = sorted(there - held)
    if missing:
        memory.make_room(cursor, missing)
        for chunk in mailbox.pull_headers_of(state.folder, fields, missing):
            save(cursor, chunk, state.uidnext)
            missing = sorted(set(missing) - {pulled.ref.uid for pulled in chunk})
    if len(missing) > MOST_HIDDEN or len(missing) == len(there) > FEW:
        missing = mailbox.still_there(state.folder, missing)  # they may have been deleted while we read
        if missing:
            why = mailbox.passed_over(state.folder).get(missing[0])
            raise ServerMisbehaved(
                f"The server lists {len(missing):,} messages of {printable(state.folder)} and does not show them",
                why=why,
            )
    return missing


def _counting(progress: Progress, stage: str, state: FolderState) -> Callable[[int], None]:
    return lambda done: progress(stage, done, max(state.exists, done))


# --- What a batch of notices asks of Sent ---------------------------------------------------------------------------

SLACK = timedelta(minutes=1)
EARLIEST, LATEST = datetime(1902, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)  # room for arithmetic


def what_they_ask(arrived: Sequence[Arrived], identity: Identity, policy: Policy) -> SentQuery:
    """Return at least what judging these notices looks up."""
    wanted = wanted_by(notice for notice, _ in arrived)
    people: dict[str, Stretches] = defaultdict(Stretches)
    aliases = [untagged_key(alias) for alias, _ in identity.aliases]
    around = policy.date_tolerance + SLACK
    for notice, when in arrived:
        # what bounced was sent within the queue lifetime before its notice came, or about when it says itself
        came = _in_utc(when)
        lifetime = {(came - policy.queue_lifetime, came)} if came is not None else set()
        said = [date for returned in notice.returned if (date := _in_utc(returned.date)) is not None]
        dates = {(date - around, date + around) for date in said if EARLIEST < date < LATEST}
        for person in (*_people(notice), *aliases):
            people[person].any_within |= lifetime
            people[person].all_within |= dates
    return SentQuery(wanted.ids, wanted.subjects, wanted.threads, people)


def _people(notice: Notice) -> Iterable[str]:
    """Return everybody whom the answered message may have been sent to; who answers by a machine is one of them."""
    named = [a for r in notice.recipients for a in (r.address, r.original) if a]
    named += [a for returned in notice.returned for a in returned.to]
    if notice.sender:
        named.append(notice.sender)
    return dict.fromkeys(key for a in named if (key := untagged_key(a)))


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
