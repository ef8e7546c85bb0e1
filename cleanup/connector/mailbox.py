"""A mailbox that is open: what the rest of the program sees of IMAP."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar, overload

from cleanup.connector import move
from cleanup.connector.account import MIB, Account
from cleanup.connector.commands import Ask
from cleanup.connector.connection import Wire
from cleanup.connector.folders import Folder, FolderState, shown
from cleanup.connector.move import MoveAnswer
from cleanup.connector.pull import Seen
from cleanup.connector.questions import (
    Bodies,
    Deleted,
    Examine,
    Fingerprints,
    Flags,
    FlagsByUid,
    Folders,
    Headers,
    Numbering,
    OfSize,
    Question,
    Select,
    Session,
    Status,
    StillThere,
    Uids,
    WatchFolder,
    not_opened,
)
from cleanup.errors import (
    CommandRefused,
    CommandUnknown,
    FolderNotFound,
    PermissionMissing,
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

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_NOTHING: tuple[Question[Any], ...] = ()


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
        self._session = Session(wire)
        self._move_refused = False

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
        return self._session.selected.folder if self._session.selected else None

    # --- asking ------------------------------------------------------------------------------------------------

    @property
    def one_by_one(self) -> bool:
        """Whether nothing is sent ahead, for a server that may not take it."""
        return self._wire.one_by_one

    @one_by_one.setter
    def one_by_one(self, wanted: bool) -> None:
        self._wire.one_by_one = wanted

    def ask(self, question: Question[_A]) -> _A:
        """Return the answer to a question; what was sent ahead is only waited for. Raises what the question says."""
        return question.answer(self._session)

    @overload
    def ask_all(self, a: Question[_A], /) -> tuple[_A]: ...
    @overload
    def ask_all(self, a: Question[_A], b: Question[_B], /) -> tuple[_A, _B]: ...
    @overload
    def ask_all(self, a: Question[_A], b: Question[_B], c: Question[_C], /) -> tuple[_A, _B, _C]: ...
    @overload
    def ask_all(
        self, a: Question[_A], b: Question[_B], c: Question[_C], d: Question[_D], /
    ) -> tuple[_A, _B, _C, _D]: ...
    @overload
    def ask_all(
        self, a: Question[_A], b: Question[_B], c: Question[_C], d: Question[_D], e: Question[_E], /
    ) -> tuple[_A, _B, _C, _D, _E]: ...
    @overload
    def ask_all(
        self, a: Question[_A], b: Question[_B], c: Question[_C], d: Question[_D], e: Question[_E], f: Question[_F], /
    ) -> tuple[_A, _B, _C, _D, _E, _F]: ...
    def ask_all(self, *questions: Question[Any]) -> tuple[Any, ...]:
        """Send the questions at once where the server takes that, and return their answers, in this order.

        Raises what the first of them raises that fails; those behind it are not asked any more. What is pulled in
        chunks (Headers, Bodies) is read when it is iterated over, so it comes last.
        """
        self.send_ahead(*questions)
        return tuple(self.ask(question) for question in questions)

    def send_ahead(self, *questions: Question[Any]) -> None:
        """Send questions at once that will be asked next, in this order; ask() then need not wait for each.

        Of a question that takes several commands only the first is sent. Nothing is sent to a server that takes one
        command at a time (`one_by_one`).
        """
        asks = self._session.commands_of(questions)
        if len(asks) > 1:
            self._wire.send_ahead(asks)

    def look_afresh(self) -> None:
        """Forget what was sent ahead: whoever asks from now on is told how things are from now on."""
        self._wire.look_afresh()

    # --- folders -----------------------------------------------------------------------------------------------

    def folders(self) -> tuple[Folder, ...]:
        """Return all folders, sorted by name, each with the namespace that it lies in where the server tells."""
        return self.ask(Folders())

    def rights(self, folder: str) -> frozenset[str] | None:
        """Return the letters of what this login may do with a folder (RFC 4314); None where the server does not tell.

        The old "c" and "d" of RFC 2086 stand for what they mean now: "k" and "x", and "t", "e" and "x".
        """
        if not self._wire.has("ACL"):
            return None
        try:
            told = self._wire.ask(Ask("MYRIGHTS", (self._session.written(folder),))).untagged.get("MYRIGHTS", [])
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
        return self.ask(Status(folder))

    def numbering(self) -> dict[str, FolderState] | None:
        """Return the state of every folder that holds messages of its own; None where one trip cannot tell."""
        return self.ask(Numbering())

    def examine(self, folder: str) -> FolderState:
        """Open a folder to look at it. Raises FolderNotFound, PermissionMissing."""
        return self.ask(Examine(folder))

    def watch(self, folder: str) -> FolderState:
        """Open a folder to look at it, and be told by UID of what others change there, where that is offered."""
        return self.ask(WatchFolder(folder))

    def select(self, folder: str) -> FolderState:
        """Open a folder to change it; `read_write` of the answer says whether the server allows that."""
        return self.ask(Select(folder))

    def create_folder(self, folder: str) -> None:
        """Create a folder and subscribe to it; one that is there already is fine. Raises PermissionMissing."""
        try:
            move.create(self._wire, self._session.written(folder))
        except CommandRefused:  # only two of four servers say [ALREADYEXISTS]; some refuse to subscribe
            if all(known.name != folder for known in self.folders()):
                raise

    # --- looking -----------------------------------------------------------------------------------------------

    def pull_headers(
        self, folder: str, fields: Sequence[str], *, after_uid: int = 0
    ) -> Iterator[tuple[PulledHeaders, ...]]:
        """Yield the named header fields (and those of the fingerprint) of all messages above `after_uid`, in chunks."""
        if self.examine(folder).exists:
            yield from self.ask(Headers(folder, fields, self.uids(folder, first=after_uid + 1)))

    def pull_headers_of(
        self, folder: str, fields: Sequence[str], uids: Sequence[int]
    ) -> Iterator[tuple[PulledHeaders, ...]]:
        """Yield the named header fields of these messages, in chunks; what has vanished is left out."""
        headers = Headers(folder, fields, uids)
        self.send_ahead(headers)
        yield from self.ask(headers)

    def pull_bodies(
        self, folder: str, uids: Sequence[int], *, max_bytes: int = MIB, sizes: Mapping[int, int] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (UID, the message's first `max_bytes`) by ascending UID; what has vanished is left out.

        `sizes` of all these messages, where they are known already, save a round trip.
        """
        bodies = Bodies(folder, uids, max_bytes, sizes)
        if sizes is not None:
            self.send_ahead(bodies)
        yield from self.ask(bodies)

    def fingerprints(self, folder: str, uids: Sequence[int]) -> dict[int, Seen]:
        """Return what these messages look like now, by UID; what has vanished is left out."""
        return self.ask(Fingerprints(folder, uids))

    def uids(self, folder: str, *, first: int = 1) -> list[int]:
        """Return the UIDs from `first` on, ascending."""
        return self.ask(Uids(folder, first))

    def still_there(self, folder: str, uids: Sequence[int]) -> list[int]:
        """Return which of these UIDs are in the folder, ascending."""
        return self.ask(StillThere(folder, uids))

    def deleted(self, folder: str) -> list[int]:
        r"""Return the UIDs of the messages that are marked as \Deleted, ascending."""
        return self.ask(Deleted(folder))

    def of_size(self, folder: str, sizes: Collection[int], arrived: Collection[datetime]) -> list[int]:
        """Return the UIDs of the messages that have one of these sizes and came at about such times, ascending."""
        return self.ask(OfSize(folder, sizes, arrived))

    def flags(self, uids: Sequence[int]) -> FlagsByUid:
        """Return the flags of messages of the open folder, by UID."""
        return self.ask(Flags(uids))

    def flags_again(self, uids: Sequence[int]) -> FlagsByUid:
        """Return what flags() told, asked for anew where last_flags() could not be told otherwise."""
        return self._session.flags.again(uids)

    def last_flags(self, uids: Sequence[int]) -> FlagsByUid:
        """Return the flags of messages that flags() told, as they are or were when they were expunged."""
        return self._session.flags.last(uids)

    # --- changing: only in a folder that select() opened ---------------------------------------------------------

    def move(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = _NOTHING) -> MoveAnswer:
        """MOVE these messages and return what the server says, which proves nothing. `then` goes out right behind it.

        Raises MoveNotSupported where the server does not offer MOVE, CommandUnknown where it does not know it after
        all (Exchange 2010): nothing was moved then, and `can_move` is False from now on.
        """
        self._must_be_writable()
        try:
            with self._filing_in(target):
                return move.move_uids(self._wire, uids, self._session.written(target), self._session.commands_of(then))
        except CommandUnknown:
            self._move_refused = True
            raise

    def copy(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = _NOTHING) -> MoveAnswer:
        """COPY these messages and return what the server says, which proves nothing. `then` is as in move()."""
        self._must_be_writable()
        with self._filing_in(target):
            return move.copy(self._wire, uids, self._session.written(target), self._session.commands_of(then))

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

    def uid_expunge(self, uids: Sequence[int], then: Sequence[Question[Any]] = _NOTHING) -> None:
        """Expunge exactly these of the messages marked as deleted. Raises MoveNotSupported without UIDPLUS.

        `then` is as in move().
        """
        self._must_be_writable()
        move.uid_expunge(self._wire, uids, self._session.commands_of(then))

    def append(self, folder: str, raw: bytes, flags: Sequence[str] = (), when: datetime | None = None) -> int | None:
        """Add a message to a folder, byte for byte; return its UID where the server tells."""
        return move.append(self._wire, self._session.written(folder), raw, flags, when)

    # --- pieces ------------------------------------------------------------------------------------------------

    def _must_be_writable(self) -> None:
        """EXAMINE does not stop MOVE on Dovecot and pymap, so it is stopped here."""
        selected = self._session.selected
        if selected is None or not selected.read_write:
            what = f"{shown(selected.folder)} is not" if selected else "No folder is"
            raise PermissionMissing(f"{what} open for changes", hint="The folder may be read-only for this login")

    @contextmanager
    def _filing_in(self, target: str) -> Iterator[None]:
        """Tell a target that is there and takes nothing from one that is missing."""
        try:
            yield
        except FolderNotFound as error:
            if not self.dead and self._session.is_listed(target):
                raise not_opened(target, error) from error
            raise
