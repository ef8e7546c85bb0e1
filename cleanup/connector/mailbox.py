"""A mailbox that is open: what the rest of the program sees of IMAP."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from cleanup.connector import move, pull
from cleanup.connector.account import MIB, Account
from cleanup.connector.commands import FLAGS, Answer, Ask, ask_fetch, uid_sets, written
from cleanup.connector.connection import Wire
from cleanup.connector.fetch import read_fetches
from cleanup.connector.folders import (
    MOST_MESSAGES,
    MOST_UIDNEXT,
    MOST_UIDVALIDITY,
    Folder,
    FolderState,
    Namespace,
    is_number,
    placed,
    read_list,
    read_namespaces,
    read_number,
    read_state,
    read_states,
    shown,
)
from cleanup.connector.move import MoveAnswer
from cleanup.connector.pipeline import Ahead, Looks, Phrasing
from cleanup.connector.pull import Seen
from cleanup.errors import (
    CleanupError,
    CommandRefused,
    CommandUnknown,
    FolderNotFound,
    OverQuota,
    PermissionMissing,
    ServerMisbehaved,
    Throttled,
)
from cleanup.model import PulledHeaders

__all__ = [
    "Account",
    "Folder",
    "FolderState",
    "Mailbox",
    "MoveAnswer",
    "Seen",
    "open_mailbox",
]


@contextmanager
def open_mailbox(account: Account, *, read_only: bool = False, run_deadline: float | None = None) -> Iterator[Mailbox]:
    """Yield the mailbox, logged in; log out at the end, also after an error.

    With `read_only` no command that could change anything is ever sent. `run_deadline` is on time.monotonic()'s clock.
    """
    mailbox = Mailbox(Wire(account, read_only=read_only, run_deadline=run_deadline))
    try:
        yield mailbox
    finally:
        mailbox.close()


class Mailbox:
    """One login's folders. After ConnectionLost or ServerMisbehaved it is of no use: open another one."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._selected: FolderState | None = None
        self._phrasing = Phrasing(wire)
        self._move_refused = False
        self._flags = WatchedFlags(wire)

    # --- what it is --------------------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """The account it was opened with."""
        return self._wire.account

    @property
    def read_only(self) -> bool:
        """Whether it refuses everything that could change something."""
        return self._wire.read_only

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server offers, in upper case."""
        return self._wire.capabilities

    @property
    def log(self) -> tuple[str, ...]:
        """The names of all commands that were sent, in order."""
        return tuple(self._wire.log)

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server."""
        return self._wire.bytes_read

    @property
    def round_trips(self) -> int:
        """How often we waited for the server: once for commands that were sent at once."""
        return self._wire.round_trips

    @property
    def dead(self) -> bool:
        """Whether the connection is gone."""
        return self._wire.dead

    def passed_over(self, folder: str) -> dict[int, str]:
        """Return by UID why messages of a folder were not read that the server has; whoever comes next looks again."""
        return {uid: why for (name, uid), why in self._wire.passed_over.items() if name == folder}

    @property
    def can_move(self) -> bool:
        """Whether MOVE may be tried: the server offers it and has not refused to know it."""
        return move.can_move(self._wire) and not self._move_refused

    @property
    def can_uid_expunge(self) -> bool:
        """Whether the server can expunge named messages only."""
        return move.can_uid_expunge(self._wire)

    def close(self) -> None:
        """Log out. What was marked as deleted stays."""
        self._wire.close()

    @property
    def folder(self) -> str | None:
        """The folder that is open."""
        return self._selected.folder if self._selected else None

    # --- looking ahead -----------------------------------------------------------------------------------------

    @property
    def one_by_one(self) -> bool:
        """Whether nothing is sent ahead, for a server that may not take it."""
        return self._wire.one_by_one

    @one_by_one.setter
    def one_by_one(self, wanted: bool) -> None:
        self._wire.one_by_one = wanted

    def ahead(self) -> Ahead:
        """Return an empty list of looks, to be filled with what will be asked for next."""
        return Ahead(self._phrasing, self.folder)

    def send_ahead(self, ahead: Looks) -> None:
        """Send these looks at once; the methods that ask for them then need not wait, each in its turn."""
        if len(ahead.asks) > 1:
            self._wire.send_ahead(ahead.asks)

    def look_afresh(self) -> None:
        """Forget what was sent ahead: whoever asks from now on is told how things are from now on."""
        self._wire.look_afresh()

    # --- folders -----------------------------------------------------------------------------------------------

    def folders(self) -> tuple[Folder, ...]:
        """Return all folders, sorted by name, each with the namespace that it lies in where the server tells.

        The Inbox is among them, whether it is listed or not: it is always there (RFC 9051 section 5.1).
        """
        *spaces, listing = self._phrasing.folders()
        if spaces:
            self._wire.send_ahead([*spaces, listing])
            self._phrasing.namespaces = self._namespaces()
        listed = read_list(self._wire.ask(listing.name, *listing.args).untagged.get("LIST", []))
        self._phrasing.learn(listed)
        if all(folder.name != "INBOX" for folder in listed):
            listed = (Folder("INBOX", next((folder.delimiter for folder in listed), None)), *listed)
        return placed(listed, self._phrasing.namespaces or ())

    def rights(self, folder: str) -> frozenset[str] | None:
        """Return the letters of what this login may do with a folder (RFC 4314); None where the server does not tell.

        The old "c" and "d" of RFC 2086 stand for what they mean now: "k" and "x", and "t", "e" and "x".
        """
        if not self._wire.has("ACL"):
            return None
        try:
            told = self._wire.ask("MYRIGHTS", self._phrasing.written(folder)).untagged.get("MYRIGHTS", [])
        except (CommandRefused, FolderNotFound, PermissionMissing):
            return None
        line = b" ".join(part for record in told for part in (record if isinstance(record, tuple) else (record,)))
        if not line:
            return None
        letters = frozenset(line.rpartition(b" ")[2].strip(b'"').decode("latin-1").lower())
        # servers that know RFC 4314 tell the old letters, too, where one of those that they stand for is granted
        old_k = frozenset("kx") if "c" in letters and not letters & frozenset("kx") else frozenset()
        old_d = frozenset("tex") if "d" in letters and not letters & frozenset("te") else frozenset()
        return letters | old_k | old_d

    def status(self, folder: str) -> FolderState:
        """Return a folder's state without opening it. Raises FolderNotFound."""
        answer = self._about(folder, self._phrasing.status(folder))
        return read_state(folder, answer.untagged.get("STATUS", []))

    def numbering(self) -> dict[str, FolderState] | None:
        """Return the state of every folder that holds messages of its own; None where one trip cannot tell.

        Numbers are 0 where the server tells none of a folder that it lists. One trip cannot tell without LIST-STATUS
        (RFC 5819), and where folders are labels, so that a message may be in several.
        """
        if not self._phrasing.can_number:
            return None
        answer = self._wire.ask("LIST", *self._phrasing.numbering()[0].args)
        return read_states(answer.untagged.get("LIST", []), answer.untagged.get("STATUS", []))

    def examine(self, folder: str) -> FolderState:
        """Open a folder to look at it. Raises FolderNotFound, PermissionMissing."""
        return self._open(folder, "EXAMINE")

    def watch(self, folder: str) -> FolderState:
        """Open a folder to look at it, and be told by UID of what others change there (RFC 7162) where that is offered.

        Without QRESYNC Dovecot tells new flags by sequence number alone, after the old ones that were asked for.
        """
        for ask in self._phrasing.enable():
            self._phrasing.enabled_on = self._wire.connections
            self._wire.ask(ask.name, *ask.args)
        return self.examine(folder)

    def select(self, folder: str) -> FolderState:
        """Open a folder to change it; `read_write` of the answer says whether the server allows that."""
        return self._open(folder, "SELECT")

    def create_folder(self, folder: str) -> None:
        """Create a folder and subscribe to it; one that is there already is fine. Raises PermissionMissing."""
        try:
            move.create(self._wire, self._phrasing.written(folder))
        except CommandRefused:  # only two of four servers say [ALREADYEXISTS]; some refuse to subscribe
            if all(known.name != folder for known in self.folders()):
                raise

    # --- looking -----------------------------------------------------------------------------------------------

    def pull_headers(
        self, folder: str, fields: Sequence[str], *, after_uid: int = 0
    ) -> Iterator[tuple[PulledHeaders, ...]]:
        """Yield the named header fields (and those of the fingerprint) of all messages above `after_uid`, in chunks."""
        state = self.examine(folder)
        if state.exists:
            uids = pull.uids_after(self._wire, after_uid)
            yield from pull.headers(self._wire, folder, state.uidvalidity, fields, uids)

    def pull_headers_of(
        self, folder: str, fields: Sequence[str], uids: Sequence[int]
    ) -> Iterator[tuple[PulledHeaders, ...]]:
        """Yield the named header fields of these messages, in chunks; what has vanished is left out."""
        self.send_ahead(self.ahead().headers_of(folder, fields, uids))
        state = self._looking_at(folder)
        yield from pull.headers(self._wire, folder, state.uidvalidity, fields, uids)

    def pull_bodies(
        self, folder: str, uids: Sequence[int], *, max_bytes: int = MIB, sizes: Mapping[int, int] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (UID, the message's first `max_bytes`) by ascending UID; what has vanished is left out.

        `sizes` of all these messages, where they are known already, save a round trip.
        """
        if sizes is not None:
            self.send_ahead(self.ahead().bodies_of(folder, {uid: sizes[uid] for uid in uids}, max_bytes))
        self._looking_at(folder)
        yield from pull.bodies(self._wire, uids, max_bytes, sizes)

    def fingerprints(self, folder: str, uids: Sequence[int]) -> dict[int, Seen]:
        """Return what these messages look like now, by UID; what has vanished is left out."""
        self._looking_at(folder)
        return pull.fingerprints(self._wire, uids)

    def uids(self, folder: str, *, first: int = 1) -> list[int]:
        """Return the UIDs from `first` on, ascending."""
        self._looking_at(folder)
        return pull.uids_after(self._wire, first - 1)

    def still_there(self, folder: str, uids: Sequence[int]) -> list[int]:
        """Return which of these UIDs are in the folder, ascending."""
        self._looking_at(folder)
        return pull.still_there(self._wire, uids)

    def deleted(self, folder: str) -> list[int]:
        r"""Return the UIDs of the messages that are marked as \Deleted, ascending."""
        self._looking_at(folder)
        return pull.search(self._wire, b"DELETED")

    def of_size(self, folder: str, sizes: Collection[int], arrived: Collection[datetime]) -> list[int]:
        """Return the UIDs of the messages that have one of these sizes and came at about such times, ascending."""
        self._looking_at(folder)
        return pull.of_size(self._wire, sizes, arrived)

    def flags(self, uids: Sequence[int]) -> Flags:
        """Return the flags of messages of the open folder, by UID."""
        return self._flags.ask(uids)

    def flags_again(self, uids: Sequence[int]) -> Flags:
        """Return what flags() told, asked for anew where last_flags() could not be told otherwise."""
        return self._flags.again(uids)

    def last_flags(self, uids: Sequence[int]) -> Flags:
        """Return the flags of messages that flags() told, as they are or were when they were expunged."""
        return self._flags.last(uids)

    # --- changing: only in a folder that select() opened ---------------------------------------------------------

    def move(self, uids: Sequence[int], target: str, then: Looks | None = None) -> MoveAnswer:
        """MOVE these messages and return what the server says, which proves nothing. `then` goes out right behind it.

        Raises MoveNotSupported where the server does not offer MOVE, CommandUnknown where it does not know it after
        all (Exchange 2010): nothing was moved then, and `can_move` is False from now on.
        """
        self._must_be_writable()
        try:
            with self._filing_in(target):
                return move.move_uids(self._wire, uids, self._phrasing.written(target), _asks_of(then))
        except CommandUnknown:
            self._move_refused = True
            raise

    def copy(self, uids: Sequence[int], target: str, then: Looks | None = None) -> MoveAnswer:
        """COPY these messages and return what the server says, which proves nothing. `then` is as in move()."""
        self._must_be_writable()
        with self._filing_in(target):
            return move.copy(self._wire, uids, self._phrasing.written(target), _asks_of(then))

    def mark_deleted(self, uids: Sequence[int]) -> None:
        """Mark exactly these messages as deleted."""
        self._must_be_writable()
        move.store(self._wire, uids, b"+", ["\\Deleted"])

    def change_flags(
        self, uids: Sequence[int], *, add: Collection[str] = (), remove: Collection[str] = (), since: int | None = None
    ) -> None:
        """Set and clear flags of exactly these messages; not of those that changed after the mod-sequence `since`."""
        self._must_be_writable()
        known = since if self._wire.has("CONDSTORE") else None
        for sign, names in ((b"+", add), (b"-", remove)):
            if names:
                move.store(self._wire, uids, sign, names, unchanged_since=known)

    def uid_expunge(self, uids: Sequence[int], then: Looks | None = None) -> None:
        """Expunge exactly these of the messages marked as deleted. Raises MoveNotSupported without UIDPLUS.

        `then` is as in move().
        """
        self._must_be_writable()
        move.uid_expunge(self._wire, uids, _asks_of(then))

    def append(self, folder: str, raw: bytes, flags: Sequence[str] = (), when: datetime | None = None) -> int | None:
        """Add a message to a folder, byte for byte; return its UID where the server tells."""
        return move.append(self._wire, self._phrasing.written(folder), raw, flags, when)

    # --- pieces ------------------------------------------------------------------------------------------------

    def _looking_at(self, folder: str) -> FolderState:
        if self._selected is not None and self._selected.folder == folder:
            return self._selected
        return self.examine(folder)

    def _must_be_writable(self) -> None:
        """EXAMINE does not stop MOVE on Dovecot and pymap, so it is stopped here."""
        if self._selected is None or not self._selected.read_write:
            what = f"{shown(self._selected.folder)} is not" if self._selected else "No folder is"
            raise PermissionMissing(f"{what} open for changes", hint="The folder may be read-only for this login")

    def _namespaces(self) -> tuple[Namespace, ...]:
        try:
            return read_namespaces(self._wire.ask("NAMESPACE").untagged.get("NAMESPACE", []))
        except CommandRefused:
            return ()

    def _about(self, folder: str, ask: Ask) -> Answer:
        """Ask about a folder. Whether a refusal means that it is missing is told by LIST, not by the server's words."""
        try:
            return self._wire.ask(ask.name, *ask.args)
        except (Throttled, OverQuota):
            raise
        except (CommandRefused, FolderNotFound, PermissionMissing) as error:
            if not self._is_listed(folder):
                hint = error.hint if isinstance(error, FolderNotFound) else "Check the folder's name"
                raise FolderNotFound(f"There is no folder {shown(folder)}", why=error.why, hint=hint) from error
            if isinstance(error, FolderNotFound):
                raise _not_opened(folder, error) from error
            raise

    def _is_listed(self, folder: str) -> bool:
        """Return whether LIST shows a folder. What cannot be asked counts as there: nothing is made in its place."""
        try:
            listed = read_list(self._wire.ask("LIST", b'""', self._phrasing.written(folder)).untagged.get("LIST", []))
        except CommandRefused:
            return True
        name = "INBOX" if folder.upper() == "INBOX" else folder
        return any(one.name == name and "\\nonexistent" not in one.attributes for one in listed)

    @contextmanager
    def _filing_in(self, target: str) -> Iterator[None]:
        """Tell a target that is there and takes nothing from one that is missing."""
        try:
            yield
        except FolderNotFound as error:
            if not self.dead and self._is_listed(target):
                raise _not_opened(target, error) from error
            raise

    def _open(self, folder: str, command: str) -> FolderState:
        self._selected = None
        answer = self._about(folder, self._phrasing.opening(command, folder)[0])
        uidvalidity = read_number(folder, "UIDVALIDITY", answer.code("UIDVALIDITY"), MOST_UIDVALIDITY)
        if uidvalidity is None:
            raise ServerMisbehaved(f"{shown(folder)} has no UIDVALIDITY, so its messages cannot be told apart")
        uidnext = read_number(folder, "UIDNEXT", answer.code("UIDNEXT"), MOST_UIDNEXT)
        exists = read_number(folder, "EXISTS", answer.code("EXISTS"), MOST_MESSAGES)
        self._phrasing.says_uidnext = uidnext is not None
        told = self.status(folder) if uidnext is None or exists is None else None
        self._selected = FolderState(
            folder=folder,
            uidvalidity=uidvalidity,
            uidnext=told.uidnext if told else uidnext or 0,
            exists=exists if exists is not None else told.exists if told else 0,
            read_write=command == "SELECT" and "READ-ONLY" not in answer.untagged and "[READ-ONLY]" not in answer.text,
            highest_modseq=_number(answer.code("HIGHESTMODSEQ")),
        )
        return self._selected


def _not_opened(folder: str, error: CleanupError) -> PermissionMissing:
    hint = "Ask for the right to it (ACL), or use another folder"
    return PermissionMissing(f"The server lists {shown(folder)} and does not open it", why=error.why, hint=hint)


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and is_number(text) else None


def _asks_of(ahead: Looks | None) -> Sequence[Ask]:
    return () if ahead is None else ahead.asks


# --- Flags of messages in the open folder, and how to be told those of what somebody has expunged since -------------

TRIES_AT_NUMBERS = 5  # each time somebody else may expunge in between
_NUMBERED = re.compile(rb"(\d{1,10}) \(.*?\bUID (\d{1,10})\b", re.IGNORECASE)
Flags = dict[int, tuple[str, ...]]  # by UID


class WatchedFlags:
    """The flags of some messages as they were told last, with the sequence numbers that the messages had then."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._told: Flags = {}
        self._numbers: dict[int, int] = {}
        self._expunges = -1  # of the connection, when they were told

    def ask(self, uids: Sequence[int]) -> Flags:
        """Return the flags; they are asked for again where numbers changed meanwhile."""
        for _ in range(TRIES_AT_NUMBERS):
            self._told, self._numbers = _flags_and_numbers(self._wire, uids)
            self._expunges = self._wire.expunges
            if self._numbers or not self._told:
                break
        return self._told

    def again(self, uids: Sequence[int]) -> Flags:
        """Return what was told; it is asked for anew where messages were expunged since, as numbers changed then."""
        return self._told if self._expunges == self._wire.expunges else self.ask(uids)

    def last(self, uids: Sequence[int]) -> Flags:
        """Return the flags as they are now, or were when the messages were expunged.

        Servers may not tell of expunges at a FETCH by sequence number, and so Dovecot and Cyrus tell the last flags
        (RFC 2180 section 4.1.2). What a server does not tell is left out, and all where numbers changed since.
        """
        if self._expunges != self._wire.expunges:
            return {}
        # Asked for by sequence number, so that the server may report what others have expunged (RFC 9051 7.5.1).
        numbers = {uid: self._numbers[uid] for uid in uids if uid in self._numbers}
        asked = frozenset(numbers)
        found: Flags = {}
        for some in uid_sets(list(numbers.values())):
            found |= _flags_in(self._wire.ask("FETCH", written(some), FLAGS), asked)
        return found


def _flags_and_numbers(wire: Wire, uids: Sequence[int]) -> tuple[Flags, dict[int, int]]:
    """Return flags and sequence numbers in the selected folder, by UID; no numbers where they changed meanwhile."""
    found: Flags = {}
    numbers: dict[int, int] = {}
    moved_up = False
    for some in uid_sets(uids):
        asked = ask_fetch(some, FLAGS)
        answer = wire.ask(asked.name, *asked.args, uid=asked.uid)
        found |= _flags_in(answer, frozenset(some))
        lines = [line for line in answer.untagged.get("FETCH", []) if isinstance(line, bytes)]
        numbers |= {int(m[2]): int(m[1]) for m in map(_NUMBERED.match, lines) if m}
        moved_up = moved_up or bool(answer.untagged.keys() & {"EXPUNGE", "VANISHED"})
    return found, {} if moved_up else {uid: numbers[uid] for uid in found if uid in numbers}


def _flags_in(answer: Answer, asked: frozenset[int]) -> Flags:
    fetched = read_fetches(answer.untagged.get("FETCH", []), asked, ("flags",))
    return {uid: one.flags or () for uid, one in fetched.items()}
