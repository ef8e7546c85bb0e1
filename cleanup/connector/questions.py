"""What a mailbox can be asked: each question is a value that knows its commands, and how to read what comes back.

`Mailbox.ask(Status(folder))` asks one. `Mailbox.ask_all(...)` sends several at once and returns all answers. Where
something is decided between two answers, `Mailbox.send_ahead(...)` sends them, and ask() waits for each in its turn.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

from cleanup.connector import pull
from cleanup.connector.account import MIB
from cleanup.connector.commands import (
    FLAGS,
    bodies_command,
    fetch_command,
    fetch_items,
    search_command,
    size_commands,
    uid_sets,
    written,
)
from cleanup.connector.connection import Answer, Command, Wire
from cleanup.connector.fetch import read_fetches
from cleanup.connector.folders import (
    Folder,
    FolderState,
    Namespace,
    placed,
    printable,
    quoted,
    read_list,
    read_namespaces,
    read_opening,
    read_state,
    read_states,
)
from cleanup.connector.pull import MessageState
from cleanup.errors import (
    CleanupError,
    CommandRefused,
    FolderNotFound,
    OverQuota,
    PermissionMissing,
    Throttled,
)
from cleanup.model import PulledHeaders

T_co = TypeVar("T_co", covariant=True)
FlagsByUid = dict[int, tuple[str, ...]]


class Question(Protocol[T_co]):
    """Something that is asked of a mailbox and changes nothing."""

    def commands(self, session: Session) -> Sequence[Command]:
        """Return its commands, as far as they are known before anything was answered."""
        ...

    def answer(self, session: Session) -> T_co:
        """Ask, and return what the server says; what is on its way already is waited for."""
        ...


class Session:
    """What is known of one connection's folders.

    `selected` is the folder that is open. `says_uidnext`: whether the server does so when a folder is opened.
    `enabled_on`: the connection (Wire.connections) on which QRESYNC was enabled; 0: on none yet. `namespaces` is None
    where nobody has asked yet.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.selected: FolderState | None = None
        self.sent_names: dict[
            str, bytes
        ] = {}  # names of folders as they are sent: those listed, as the server wrote them
        self.says_uidnext = True
        self.enabled_on = 0
        self.namespaces: tuple[Namespace, ...] | None = None
        self.flags = WatchedFlags(wire)

    def written(self, folder: str) -> bytes:
        """Return a folder's name as it is sent."""
        if folder not in self.sent_names:
            self.sent_names[folder] = quoted(folder.encode() if self.wire.writes_utf8 else folder)
        return self.sent_names[folder]

    def looking_at(self, folder: str, behind: Question[Any] | None = None) -> FolderState:
        """Return the state of the folder that is open; another one is opened to look at it, with a question behind."""
        if self.selected is not None and self.selected.folder == folder:
            return self.selected
        if behind is not None:
            self.send_ahead([behind])
        return Examine(folder).answer(self)

    def commands_of(self, questions: Iterable[Question[Any]]) -> list[Command]:
        """Return the commands of questions that will be asked in this order, with EXAMINE where the folder is not open.

        Of those that are too long for one command about messages only the first part: nobody can tell from two answers
        of one name which is which.
        """
        folder = self.selected.folder if self.selected else None
        commands: list[Command] = []
        for question in questions:
            if isinstance(question, InFolder):
                if question.folder != folder:
                    commands += Examine(question.folder).commands(self)
                folder = question.folder
                commands += question.commands(self)[:1]
            else:
                folder = question.folder if isinstance(question, Opening) else folder
                commands += question.commands(self)
        return commands

    def send_ahead(self, questions: Iterable[Question[Any]]) -> None:
        """Send the commands of questions at once, where they are several."""
        commands = self.commands_of(questions)
        if len(commands) > 1:
            self.wire.send_ahead(commands)

    def about(self, folder: str, command: Command) -> Answer:
        """Ask about a folder. Whether a refusal means that it is missing is told by LIST, not by the server's words."""
        try:
            return self.wire.ask(command)
        except (Throttled, OverQuota):  # they say nothing of the folder
            raise
        except (CommandRefused, FolderNotFound, PermissionMissing) as error:
            if not self.is_listed(folder):
                hint = error.hint if isinstance(error, FolderNotFound) else "Check the folder's name"
                raise FolderNotFound(f"There is no folder {printable(folder)}", why=error.why, hint=hint) from error
            if isinstance(error, FolderNotFound):
                raise not_opened(folder, error) from error
            raise

    def is_listed(self, folder: str) -> bool:
        """Return whether LIST shows a folder. What cannot be asked counts as there: nothing is made in its place."""
        try:
            answer = self.wire.ask(Command("LIST", (b'""', self.written(folder))))
        except CommandRefused:
            return True
        name = "INBOX" if folder.upper() == "INBOX" else folder  # in whatever letters (RFC 9051 section 5.1)
        listed = read_list(answer.untagged.get("LIST", []))
        return any(one.name == name and "\\nonexistent" not in one.attributes for one in listed)


def not_opened(folder: str, error: CleanupError) -> PermissionMissing:
    """Return the error for a folder that is there, whatever the server says."""
    hint = "Ask for the right to it (ACL), or use another folder"
    return PermissionMissing(f"The server lists {printable(folder)} and does not open it", why=error.why, hint=hint)


# --- about folders --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Folders:
    """All folders, sorted by name, each with the namespace that it lies in where the server tells.

    The Inbox is among them, whether it is listed or not: it is always there (RFC 9051 section 5.1).
    """

    def commands(self, session: Session) -> Sequence[Command]:
        """LIST, and NAMESPACE in front of it, once, where it is offered."""
        extended = session.wire.capabilities >= {"LIST-EXTENDED", "SPECIAL-USE"}
        listing = Command("LIST", (b'""', b'"*"', b"RETURN (SPECIAL-USE)") if extended else (b'""', b'"*"'))
        unknown = session.namespaces is None and "NAMESPACE" in session.wire.capabilities
        return [Command("NAMESPACE", ()), listing] if unknown else [listing]

    def answer(self, session: Session) -> tuple[Folder, ...]:
        """Return them; they are written from now on as the server does."""
        *spaces, listing = self.commands(session)
        if spaces:
            session.wire.send_ahead([*spaces, listing])
            try:
                told = session.wire.ask(spaces[0]).untagged.get("NAMESPACE", [])
                session.namespaces = read_namespaces(told)
            except CommandRefused:
                session.namespaces = ()
        listed = read_list(session.wire.ask(listing).untagged.get("LIST", []))
        session.sent_names = {folder.name: quoted(folder.raw) for folder in listed}
        if all(folder.name != "INBOX" for folder in listed):
            listed = (Folder("INBOX", next((folder.delimiter for folder in listed), None)), *listed)
        return placed(listed, session.namespaces or ())


@dataclass(frozen=True, slots=True)
class Status:
    """A folder's state, without opening it. Raises FolderNotFound."""

    folder: str

    def commands(self, session: Session) -> Sequence[Command]:
        """STATUS, with the mod-sequence where there is one."""
        more = b" HIGHESTMODSEQ" if "CONDSTORE" in session.wire.capabilities else b""
        return [Command("STATUS", (session.written(self.folder), b"(MESSAGES UIDNEXT UIDVALIDITY%b)" % more))]

    def answer(self, session: Session) -> FolderState:
        """Return it."""
        answer = session.about(self.folder, self.commands(session)[0])
        return read_state(self.folder, answer.untagged.get("STATUS", []))


@dataclass(frozen=True, slots=True)
class Numbering:
    """The state of every folder that holds messages of its own; None where one trip cannot tell.

    Numbers are 0 where the server tells none of a folder that it lists. One trip cannot tell without LIST-STATUS
    (RFC 5819), and where folders are labels, so that a message may be in several.
    """

    def commands(self, session: Session) -> Sequence[Command]:
        """LIST with STATUS, where that is offered."""
        offered = session.wire.capabilities
        if "LIST-STATUS" not in offered or "X-GM-EXT-1" in offered:
            return []
        wanted = b"SPECIAL-USE " if "SPECIAL-USE" in offered else b""
        return [Command("LIST", (b'""', b'"*"', b"RETURN (%bSTATUS (MESSAGES UIDNEXT UIDVALIDITY))" % wanted))]

    def answer(self, session: Session) -> dict[str, FolderState] | None:
        """Return it by the folder's name."""
        commands = self.commands(session)
        if not commands:
            return None
        told = session.wire.ask(commands[0]).untagged
        return read_states(told.get("LIST", []), told.get("STATUS", []))


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens a folder, anew even where it is open already. Raises FolderNotFound, PermissionMissing."""

    folder: str
    command: ClassVar[str]

    def commands(self, session: Session) -> Sequence[Command]:
        """EXAMINE or SELECT. Courier does not say UIDNEXT then, so it is asked for."""
        opening = Command(self.command, (session.written(self.folder),))
        return [opening] if session.says_uidnext else [opening, *Status(self.folder).commands(session)]

    def answer(self, session: Session) -> FolderState:
        """Return the folder's state; `read_write` says whether the server allows changes."""
        session.selected, folder = None, self.folder  # none is open while the server is asked, and where it refuses
        answer = session.about(folder, Opening.commands(self, session)[0])
        told = read_opening(folder, answer.untagged)
        session.says_uidnext = told.uidnext is not None
        status = Status(folder).answer(session) if told.uidnext is None or told.exists is None else None
        read_only = "READ-ONLY" in answer.untagged or "[READ-ONLY]" in answer.text
        session.selected = FolderState(
            folder=folder,
            uidvalidity=told.uidvalidity,
            uidnext=status.uidnext if status else told.uidnext or 0,
            exists=told.exists if told.exists is not None else status.exists if status else 0,
            read_write=self.command == "SELECT" and not read_only,
            highest_modseq=told.highest_modseq,
        )
        return session.selected


class Examine(Opening):
    """Opens a folder to look at it."""

    __slots__ = ()
    command = "EXAMINE"


class Select(Opening):
    """Opens a folder to change it."""

    __slots__ = ()
    command = "SELECT"


class WatchFolder(Opening):
    """Opens a folder to look at it, and to be told by UID of what others change there (RFC 7162), where offered.

    Without QRESYNC Dovecot tells new flags by sequence number alone, after the old ones that were asked for.
    """

    __slots__ = ()
    command = "EXAMINE"

    def commands(self, session: Session) -> Sequence[Command]:
        """ENABLE, once, where QRESYNC is offered, and EXAMINE."""
        wanted = "QRESYNC" in session.wire.capabilities and session.enabled_on != session.wire.connections
        return [*([Command("ENABLE", (b"QRESYNC",))] if wanted else []), *Opening.commands(self, session)]

    def answer(self, session: Session) -> FolderState:
        """Return the folder's state."""
        first = self.commands(session)[0]
        if first.name == "ENABLE":
            session.enabled_on = session.wire.connections  # whatever it answers: once a connection is enough
            session.wire.ask(first)
        return Opening.answer(self, session)


# --- about messages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InFolder:
    """About messages of a folder, which is opened to look at it where it is not open."""

    folder: str


@dataclass(frozen=True, slots=True)
class Uids(InFolder):
    """The UIDs from `first` on, ascending."""

    first: int = 1

    def commands(self, _: Session) -> Sequence[Command]:
        """UID SEARCH."""
        return [search_command(b"UID %d:*" % self.first)]

    def answer(self, session: Session) -> list[int]:
        """Return them.

        `UID n:*` names the last message even where n is above it (RFC 9051 section 9): that one is filtered out.
        """
        session.looking_at(self.folder)
        return [uid for uid in pull.search(session.wire, self.commands(session)[0]) if uid >= self.first]


@dataclass(frozen=True, slots=True)
class StillThere(InFolder):
    """Which of some UIDs are in the folder, ascending."""

    uids: Sequence[int]

    def commands(self, _: Session) -> Sequence[Command]:
        """UID SEARCH, once for each set."""
        return [search_command(b"UID " + written(some)) for some in uid_sets(self.uids)]

    def answer(self, session: Session) -> list[int]:
        """Return them."""
        session.looking_at(self.folder)
        sets = zip(self.commands(session), map(frozenset, uid_sets(self.uids)), strict=True)
        return [uid for command, some in sets for uid in pull.search(session.wire, command) if uid in some]


@dataclass(frozen=True, slots=True)
class Deleted(InFolder):
    r"""The UIDs of the messages that are marked as \Deleted, ascending."""

    def commands(self, _: Session) -> Sequence[Command]:
        """UID SEARCH."""
        return [search_command(b"DELETED")]

    def answer(self, session: Session) -> list[int]:
        """Return them."""
        session.looking_at(self.folder)
        return pull.search(session.wire, self.commands(session)[0])


@dataclass(frozen=True, slots=True)
class OfSize(InFolder):
    """The UIDs of messages that have one of these sizes, ascending.

    All that came at about one of these times are among them, others perhaps not.
    """

    sizes: Collection[int]
    arrived: Collection[datetime]

    def commands(self, _: Session) -> Sequence[Command]:
        """UID SEARCH, once for some sizes each."""
        return size_commands(self.sizes, self.arrived)

    def answer(self, session: Session) -> list[int]:
        """Return them."""
        session.looking_at(self.folder)
        return sorted(uid for command in self.commands(session) for uid in pull.search(session.wire, command))


@dataclass(frozen=True, slots=True)
class Fingerprints(InFolder):
    """What messages look like now, by UID; what has vanished is left out."""

    uids: Sequence[int]

    def commands(self, session: Session) -> Sequence[Command]:
        """UID FETCH, once for each set."""
        return Headers(self.folder, (), self.uids).commands(session)

    def answer(self, session: Session) -> dict[int, MessageState]:
        """Return it."""
        session.looking_at(self.folder)
        return pull.fingerprints(session.wire, self.uids)


@dataclass(frozen=True, slots=True)
class Headers(InFolder):
    """The named header fields of messages, and those of the fingerprint, in chunks; what has vanished is left out."""

    fields: Sequence[str]
    uids: Sequence[int]

    def commands(self, session: Session) -> Sequence[Command]:
        """UID FETCH, once for each set."""
        items = fetch_items(self.fields, whole=session.wire.whole_headers)
        return [fetch_command(some, items) for some in uid_sets(self.uids)]

    def answer(self, session: Session) -> Iterator[tuple[PulledHeaders, ...]]:
        """Yield them."""
        state = session.looking_at(self.folder, self)
        yield from pull.headers(session.wire, self.folder, state.uidvalidity, self.fields, self.uids)


@dataclass(frozen=True, slots=True)
class Bodies(InFolder):
    """(UID, the message's first `max_bytes`) by ascending UID; what has vanished is left out.

    `sizes` of all these messages, where they are known already, save a round trip.
    """

    uids: Sequence[int]
    max_bytes: int = MIB
    sizes: Mapping[int, int] | None = None

    def commands(self, _: Session) -> Sequence[Command]:
        """UID FETCH of the first batch; nothing where sizes are not known, by which batches are made."""
        known = {uid: self.sizes[uid] for uid in self.uids} if self.sizes is not None else {}
        batch = pull.first_batch(known, self.max_bytes)
        return [bodies_command(batch, self.max_bytes)] if batch else []

    def answer(self, session: Session) -> Iterator[tuple[int, bytes]]:
        """Yield them."""
        session.looking_at(self.folder, self if self.sizes is not None else None)
        yield from pull.bodies(session.wire, self.uids, self.max_bytes, self.sizes)


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of messages of the folder that is open, by UID."""

    uids: Sequence[int]

    def commands(self, _: Session) -> Sequence[Command]:
        """UID FETCH of the first set."""
        return [fetch_command(some, FLAGS) for some in uid_sets(self.uids)[:1]]

    def answer(self, session: Session) -> FlagsByUid:
        """Return them."""
        return session.flags.ask(self.uids)


# --- Flags of messages in the open folder, and how to be told those of what somebody has expunged since -------------

TRIES_AT_NUMBERS = 5  # each time somebody else may expunge in between
_NUMBERED = re.compile(rb"(\d{1,10}) \(.*?\bUID (\d{1,10})\b", re.IGNORECASE)


class WatchedFlags:
    """The flags of some messages as they were told last, with the sequence numbers that the messages had then."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._told: FlagsByUid = {}
        self._numbers: dict[int, int] = {}
        self._expunges = -1  # of the connection, when they were told

    def ask(self, uids: Sequence[int]) -> FlagsByUid:
        """Return the flags; they are asked for again where numbers changed meanwhile."""
        for _ in range(TRIES_AT_NUMBERS):  # an expunge in between moves all numbers behind it down by one
            self._told, self._numbers = _flags_and_numbers(self._wire, uids)
            self._expunges = self._wire.expunges
            if self._numbers or not self._told:
                break
        return self._told

    def last(self, uids: Sequence[int]) -> FlagsByUid:
        """Return the flags as they are now, or were when the messages were expunged.

        Servers may not tell of expunges at a FETCH by sequence number, and so Dovecot and Cyrus tell the last flags
        (RFC 2180 section 4.1.2). What a server does not tell is left out, and all where numbers changed since.
        """
        if self._expunges != self._wire.expunges:
            return {}
        # Asked for by sequence number, so that the server may report what others have expunged (RFC 9051 7.5.1).
        numbers = {uid: self._numbers[uid] for uid in uids if uid in self._numbers}
        asked = frozenset(numbers)
        found: FlagsByUid = {}
        for some in uid_sets(list(numbers.values())):
            found |= _flags_in(self._wire.ask(Command("FETCH", (written(some), FLAGS))), asked)
        return found


def _flags_and_numbers(wire: Wire, uids: Sequence[int]) -> tuple[FlagsByUid, dict[int, int]]:
    """Return flags and sequence numbers in the selected folder, by UID; no numbers where they changed meanwhile."""
    found: FlagsByUid = {}
    numbers: dict[int, int] = {}
    moved_up = False
    for some in uid_sets(uids):
        answer = wire.ask(fetch_command(some, FLAGS))
        found |= _flags_in(answer, frozenset(some))
        lines = [line for line in answer.untagged.get("FETCH", []) if isinstance(line, bytes)]
        numbers |= {int(m[2]): int(m[1]) for m in map(_NUMBERED.match, lines) if m}
        moved_up = moved_up or bool(answer.untagged.keys() & {"EXPUNGE", "VANISHED"})
    return found, {} if moved_up else {uid: numbers[uid] for uid in found if uid in numbers}


def _flags_in(answer: Answer, asked: frozenset[int]) -> FlagsByUid:
    fetched = read_fetches(answer.untagged.get("FETCH", []), asked, ("flags",))
    return {uid: one.flags or () for uid, one in fetched.items()}
