"""A mailbox that is open: what the rest of the program sees of IMAP."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, overload

from cleanup.connector.account import MIB, Account
from cleanup.connector.commands import read_set, uid_sets, written
from cleanup.connector.connection import Answer, Command, Wire
from cleanup.connector.fetch import written_internal_date
from cleanup.connector.folders import Folder, FolderState, printable
from cleanup.connector.pull import MessageState
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
    MoveNotSupported,
    PermissionMissing,
)
from cleanup.model import PulledHeaders

__all__ = [
    "Account",
    "Folder",
    "FolderState",
    "Mailbox",
    "MessageState",
    "MoveAnswer",
    "open_mailbox",
]

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_NOTHING: tuple[Question[Any], ...] = ()
_FLAG = re.compile(rb"\\?[^\x00-\x20\x7f(){%*\"\\]+")


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


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """What the server says of a MOVE or COPY: (UID before, UID in the target) where it says so. It proves nothing."""

    pairs: tuple[tuple[int, int], ...] = ()
    target_uidvalidity: int | None = None


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
        return self._wire.has("MOVE") and not self._move_refused

    @property
    def can_uid_expunge(self) -> bool:
        """Whether the server can expunge named messages only (UIDPLUS, RFC 4315; part of IMAP4rev2)."""
        return self._wire.has("UIDPLUS") or self._wire.has("IMAP4REV2")

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
        self._session.send_ahead(questions)

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
            told = self._wire.ask(Command("MYRIGHTS", (self._session.written(folder),))).untagged.get("MYRIGHTS", [])
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
        name = self._session.written(folder)
        try:
            self._wire.command("CREATE", name)
            self._wire.command("SUBSCRIBE", name)  # so that mail programs show it
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
        return self.ask(Headers(folder, fields, uids))

    def pull_bodies(
        self, folder: str, uids: Sequence[int], *, max_bytes: int = MIB, sizes: Mapping[int, int] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (UID, the message's first `max_bytes`) by ascending UID; what has vanished is left out.

        `sizes` of all these messages, where they are known already, save a round trip.
        """
        return self.ask(Bodies(folder, uids, max_bytes, sizes))

    def fingerprints(self, folder: str, uids: Sequence[int]) -> dict[int, MessageState]:
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

    def last_flags(self, uids: Sequence[int]) -> FlagsByUid:
        """Return the flags of messages that flags() told, as they are or were when they were expunged."""
        return self._session.flags.last(uids)

    # --- changing: only in a folder that select() opened ---------------------------------------------------------
    # Each does one thing and proves nothing: the journal drives and verifies them. Never a bare EXPUNGE and never
    # CLOSE: both take away what the owner marked as deleted.

    def move(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = _NOTHING) -> MoveAnswer:
        """MOVE these messages and return what the server says, which proves nothing. `then` goes out right behind it.

        Raises MoveNotSupported where the server does not offer MOVE (RFC 6851), CommandUnknown where it does not know
        it after all (Exchange 2010): nothing was moved then, and `can_move` is False from now on.
        """
        self._must_be_writable()
        if not self._wire.has("MOVE"):
            raise MoveNotSupported("The server does not know MOVE")
        try:
            return self._relocate("MOVE", uids, target, then)
        except CommandUnknown:
            self._move_refused = True
            raise

    def copy(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = _NOTHING) -> MoveAnswer:
        """COPY these messages and return what the server says, which proves nothing. `then` is as in move()."""
        self._must_be_writable()
        return self._relocate("COPY", uids, target, then)

    def mark_deleted(self, uids: Sequence[int]) -> None:
        """Mark exactly these messages as deleted."""
        self._must_be_writable()
        self._store(uids, b"+", ["\\Deleted"], None)

    def change_flags(
        self, uids: Sequence[int], *, add: Collection[str] = (), remove: Collection[str] = (), since: int | None = None
    ) -> None:
        """Set and clear flags of exactly these messages; not of those that changed after the mod-sequence `since`."""
        self._must_be_writable()
        known = since if self._wire.has("CONDSTORE") else None  # others answer BAD to the condition
        for sign, names in ((b"+", add), (b"-", remove)):
            if names:
                self._store(uids, sign, names, known)

    def uid_expunge(self, uids: Sequence[int], then: Sequence[Question[Any]] = _NOTHING) -> None:
        """Expunge exactly these of the messages marked as deleted (RFC 4315 section 2.1). `then` is as in move().

        Raises MoveNotSupported without UIDPLUS.
        """
        self._must_be_writable()
        looks = self._session.commands_of(then)
        if not self.can_uid_expunge:
            raise MoveNotSupported("The server cannot expunge named messages only (no UIDPLUS)")
        for some, behind in _with_looks(uids, looks):
            self._wire.command("EXPUNGE", written(some), uid=True, then=behind)

    def append(self, folder: str, raw: bytes, flags: Sequence[str] = (), when: datetime | None = None) -> int | None:
        """Add a message to a folder, byte for byte; return its UID where the server tells (APPENDUID)."""
        args = [self._session.written(folder), b"(%s)" % b" ".join(sendable(flags))]
        if when is not None:
            args.append(written_internal_date(when))
        told = self._wire.command("APPEND", *args, literal=raw).code("APPENDUID")
        words = told.split() if told else []
        return int(words[1]) if len(words) == 2 and words[1].isdigit() and len(words[1]) <= 10 else None

    # --- pieces ------------------------------------------------------------------------------------------------

    def _must_be_writable(self) -> None:
        """EXAMINE does not stop MOVE on Dovecot and pymap, so it is stopped here."""
        selected = self._session.selected
        if selected is None or not selected.read_write:
            what = f"{printable(selected.folder)} is not" if selected else "No folder is"
            raise PermissionMissing(f"{what} open for changes", hint="The folder may be read-only for this login")

    def _relocate(self, name: str, uids: Sequence[int], target: str, then: Sequence[Question[Any]]) -> MoveAnswer:
        """MOVE or COPY, and look right behind it. One that is there and takes nothing is not called missing."""
        folder, looks = self._session.written(target), self._session.commands_of(then)
        try:
            answers = [
                _copied(self._wire.command(name, written(some), folder, uid=True, then=behind), some)
                for some, behind in _with_looks(uids, looks)
            ]
        except FolderNotFound as error:
            # [TRYCREATE] is also said of a folder that this login may put nothing into
            if not self.dead and self._session.is_listed(target):
                raise not_opened(target, error) from error
            raise
        told = {answer.target_uidvalidity for answer in answers}
        if len(told) != 1:  # one set told nothing, or the target was made anew in between: UIDs of two numberings
            return MoveAnswer()
        return MoveAnswer(tuple(pair for answer in answers for pair in answer.pairs), told.pop())

    def _store(self, uids: Sequence[int], sign: bytes, flags: Iterable[str], unchanged_since: int | None) -> None:
        """Set ("+") or clear ("-") flags, of what has not changed since (RFC 7162 section 3.1.3)."""
        condition = () if unchanged_since is None else (b"(UNCHANGEDSINCE %d)" % unchanged_since,)
        names, item = sendable(flags), sign + b"FLAGS.SILENT"
        for some in uid_sets(uids) if names else ():
            self._wire.command("STORE", written(some), *condition, item, b"(%s)" % b" ".join(names), uid=True)


def sendable(flags: Iterable[str]) -> list[bytes]:
    """Return the flags as the server wrote them (fetch.py), without what is no flag (RFC 9051 section 9, flag)."""
    return [written for flag in flags if _FLAG.fullmatch(written := flag.encode("latin-1", "replace"))]


def _copied(answer: Answer, asked: Sequence[int]) -> MoveAnswer:
    """Return what COPYUID says, or nothing where it is absent, malformed, or speaks of messages nobody named."""
    words = (answer.code("COPYUID") or b"").split()
    if len(words) != 3 or not (words[0].isdigit() and len(words[0]) <= 10):
        return MoveAnswer()
    before, after = (read_set(word, most=len(asked)) for word in words[1:])
    if before is None or after is None or len(before) != len(after) or len(set(after)) != len(after):
        return MoveAnswer()
    if len(set(before)) != len(before) or not set(before) <= set(asked):
        return MoveAnswer()
    return MoveAnswer(tuple(zip(before, after, strict=True)), int(words[0]))


def _with_looks(uids: Sequence[int], then: Sequence[Command]) -> Iterator[tuple[tuple[int, ...], Sequence[Command]]]:
    """Yield sets of UIDs; with the last one the looks that go out behind it."""
    sets = uid_sets(uids)
    for number, some in enumerate(sets, start=1):
        yield some, then if number == len(sets) else ()
