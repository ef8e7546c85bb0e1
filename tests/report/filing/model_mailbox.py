"""A mailbox in memory that behaves as RFC 9051, 6851 and 4315 say, and misbehaves on demand.

It stands beside the real servers in one contract suite (mailbox_contract.py), so that what the state machine learns on
it holds for them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cleanup.connector.account import MIB
from cleanup.connector.mailbox import Folder, FolderState, Mailbox, MessageState, MoveAnswer
from cleanup.connector.questions import (
    Bodies,
    Deleted,
    Examine,
    Fingerprints,
    Flags,
    Folders,
    Numbering,
    OfSize,
    Question,
    Select,
    Status,
    StillThere,
    Uids,
    WatchFolder,
)
from cleanup.errors import (
    CommandRefused,
    CommandUnknown,
    ConnectionLost,
    FolderNotFound,
    MoveNotSupported,
    PermissionMissing,
)
from cleanup.model import Fingerprint

EPOCH = datetime(2026, 10, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mail:
    """One stored message; `name` is its identity for the tests' book-keeping."""

    name: str
    arrived: datetime
    flags: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(1000 + len(self.name), self.arrived, hashlib.sha256(self.name.encode()).hexdigest())


@dataclass
class Box:
    uidvalidity: int
    uidnext: int = 1
    mails: dict[int, Mail] = field(default_factory=dict)
    read_only: bool = False
    rights: str | None = None

    expunged: dict[int, Mail] = field(default_factory=dict)

    def expunge(self, uid: int) -> None:
        if uid in self.mails:
            self.expunged[uid] = self.mails.pop(uid)

    def add(self, mail: Mail) -> int:
        uid = self.uidnext
        self.mails[uid] = mail
        self.uidnext += 1
        return uid


# What can be made to happen to one command: its name goes in, a mischief (or None) comes out.
Trouble = Callable[[str], str | None]


class Killed(BaseException):
    """Stands for kill -9: nothing of the program runs after it."""


class ModelServer:
    """The mailbox itself; any number of ModelMailbox connections look at it."""

    def __init__(self, *, move: bool = True, uidplus: bool = True, tells_copyuid: bool = True) -> None:
        self.boxes = {"INBOX": Box(uidvalidity=10)}
        self.move, self.uidplus, self.tells_copyuid = move, uidplus, tells_copyuid
        self.trouble: Trouble = lambda _: None
        self.between: Callable[[], None] = lambda: None  # what others do between two commands
        self.amid: Callable[[], None] = lambda: None  # what they do between the copying and the removing of a MOVE
        self.lists_status = True
        self.log: list[str] = []
        self.copied: Counter[tuple[str, str]] = Counter()  # by folder and name: what MOVE and COPY took from there
        self._late: list[Callable[[], None]] = []
        self._uidvalidity = 10

    def arrive(self, name: str, folder: str = "INBOX", *flags: str) -> int:
        when = EPOCH + timedelta(minutes=int(hashlib.sha256(name.encode()).hexdigest()[:4], 16))
        return self.boxes[folder].add(Mail(name, when, frozenset(flags)))

    def make(self, folder: str) -> Box:
        if folder not in self.boxes:
            self._uidvalidity += 1
            self.boxes[folder] = Box(self._uidvalidity)
        return self.boxes[folder]

    def renumber(self, folder: str) -> None:
        old = self.boxes[folder]
        self._uidvalidity += 1
        self.boxes[folder] = Box(self._uidvalidity)
        for _, mail in sorted(old.mails.items()):
            self.boxes[folder].add(mail)

    def names(self, folder: str) -> list[str]:
        return sorted(mail.name for mail in self.boxes[folder].mails.values()) if folder in self.boxes else []

    def carry_out_late(self) -> None:
        """Let commands whose client is gone take effect."""
        late, self._late = self._late, []
        for effect in late:
            effect()

    def later(self, effect: Callable[[], None]) -> None:
        self._late.append(effect)


@dataclass
class ModelMailbox(Mailbox):
    """One connection."""

    server: ModelServer
    one_by_one: bool = False
    _selected: str | None = None
    _writable: bool = False
    _dead: bool = False
    _view: dict[int, Mail] = field(default_factory=dict)  # as the open folder was when it was opened

    @property
    def can_move(self) -> bool:
        return self.server.move

    @property
    def can_uid_expunge(self) -> bool:
        return self.server.uidplus

    def ask(self, question: Question[Any]) -> Any:
        match question:
            case Select(folder):
                return self.select(folder)
            case Examine(folder) | WatchFolder(folder):
                return self.examine(folder)
            case Status(folder):
                return self.status(folder)
            case Folders():
                return self.folders()
            case Numbering():
                return self.numbering()
            case Uids(folder, first):
                return self.uids(folder, first=first)
            case StillThere(folder, uids):
                return self.still_there(folder, uids)
            case Deleted(folder):
                return self.deleted(folder)
            case OfSize(folder, sizes, arrived):
                return self.of_size(folder, sizes, arrived)
            case Fingerprints(folder, uids):
                return self.fingerprints(folder, uids)
            case Bodies(folder, uids, max_bytes, sizes):
                return self.pull_bodies(folder, uids, max_bytes=max_bytes, sizes=sizes)
            case Flags(uids):
                return self.flags(uids)
        raise NotImplementedError(question)

    # --- looking -----------------------------------------------------------------------------------------------

    def status(self, folder: str) -> FolderState:
        self._command("STATUS")
        return self._state(folder)

    def select(self, folder: str) -> FolderState:
        self._command("SELECT")
        return self._open(folder, writable=True)

    def examine(self, folder: str) -> FolderState:
        self._command("EXAMINE")
        return self._open(folder, writable=False)

    watch = examine

    def uids(self, folder: str, *, first: int = 1) -> list[int]:
        self._look_at(folder)
        self._command("SEARCH")
        return sorted(uid for uid in self._box().mails if uid >= first)

    def still_there(self, folder: str, uids: Sequence[int]) -> list[int]:
        self._look_at(folder)
        self._command("SEARCH")
        return sorted(uid for uid in uids if uid in self._box().mails)

    def fingerprints(self, folder: str, uids: Sequence[int]) -> dict[int, MessageState]:
        self._look_at(folder)
        self._command("FETCH")
        mails = self._box().mails
        return {u: MessageState(mails[u].fingerprint, tuple(sorted(mails[u].flags))) for u in uids if u in mails}

    def send_ahead(self, *questions: object) -> None:
        """Nothing here takes time."""

    def look_afresh(self) -> None:
        """Nothing was sent ahead."""

    def numbering(self) -> dict[str, FolderState] | None:
        self._command("LIST")
        return {folder: self._state(folder) for folder in self.server.boxes} if self.server.lists_status else None

    def deleted(self, folder: str) -> list[int]:
        self._look_at(folder)
        self._command("SEARCH")
        return sorted(uid for uid, mail in self._box().mails.items() if "\\Deleted" in mail.flags)

    def rights(self, folder: str) -> frozenset[str] | None:
        rights = self.server.boxes[folder].rights
        return None if rights is None else frozenset(rights)

    def folders(self) -> tuple[Folder, ...]:
        self._command("LIST")
        return tuple(Folder(name, "/") for name in sorted(self.server.boxes))

    def of_size(self, folder: str, sizes: Collection[int], arrived: Collection[datetime]) -> list[int]:
        self._look_at(folder)
        self._command("SEARCH")
        return sorted(uid for uid, mail in self._box().mails.items() if mail.fingerprint.size in sizes)

    def flags(self, uids: Sequence[int]) -> dict[int, tuple[str, ...]]:
        self._command("FETCH")
        box = self._box()
        mails = {u: box.mails.get(u) or box.expunged.get(u) for u in uids if u in box.mails or u in self._view}
        return {uid: tuple(sorted(mail.flags)) for uid, mail in mails.items() if mail}

    last_flags = flags

    def pull_bodies(
        self, folder: str, uids: Sequence[int], *, max_bytes: int = MIB, sizes: Mapping[int, int] | None = None
    ) -> Iterator[tuple[int, bytes]]:
        self._look_at(folder)
        self._command("FETCH")
        mails = self._box().mails
        return iter([(uid, mails[uid].name.encode()[:max_bytes]) for uid in uids if uid in mails])

    # --- changing ----------------------------------------------------------------------------------------------

    def move(self, uids: Sequence[int], target: str, then: Sequence[object] = ()) -> MoveAnswer:
        self._must_write()
        return self._change("MOVE", uids, target, removes=True)

    def copy(self, uids: Sequence[int], target: str, then: Sequence[object] = ()) -> MoveAnswer:
        self._must_write()
        return self._change("COPY", uids, target, removes=False)

    def mark_deleted(self, uids: Sequence[int]) -> None:
        self._must_write()
        box = self._box()

        def effect(some: Sequence[int]) -> None:
            for uid in some:
                if uid in box.mails:
                    box.mails[uid] = replace(box.mails[uid], flags=box.mails[uid].flags | {"\\Deleted"})

        self._perform("STORE", uids, effect)

    def change_flags(
        self, uids: Sequence[int], *, add: Collection[str] = (), remove: Collection[str] = (), since: int | None = None
    ) -> None:
        self._must_write()
        box = self._box()

        def effect(some: Sequence[int]) -> None:
            for uid in some:
                if uid in box.mails:
                    flags = box.mails[uid].flags | frozenset(add) - frozenset(remove)
                    box.mails[uid] = replace(box.mails[uid], flags=flags - frozenset(remove))

        self._perform("STORE", uids, effect)

    def uid_expunge(self, uids: Sequence[int], then: Sequence[object] = ()) -> None:
        self._must_write()
        if not self.server.uidplus:
            raise MoveNotSupported("no UIDPLUS")
        box = self._box()

        def effect(some: Sequence[int]) -> None:
            for uid in some:
                if uid in box.mails and "\\Deleted" in box.mails[uid].flags:
                    box.expunge(uid)

        self._perform("EXPUNGE", uids, effect)

    def append(self, folder: str, raw: bytes, flags: Sequence[str] = (), when: datetime | None = None) -> int:
        added: list[int] = []

        def effect(_: Sequence[int]) -> None:
            assert when is not None
            added.append(self.server.boxes[folder].add(Mail(raw.decode(), when, frozenset(flags))))

        self._perform("APPEND", [0], effect)
        return added[0]

    def create_folder(self, folder: str) -> None:
        self._perform("CREATE", [0], lambda some: [self.server.make(folder) for _ in some] and None)

    # --- pieces ------------------------------------------------------------------------------------------------

    def _change(self, name: str, uids: Sequence[int], target: str, *, removes: bool) -> MoveAnswer:
        if target not in self.server.boxes:
            raise FolderNotFound(target)
        source, there, pairs = self._box(), self.server.boxes[target], []
        selected = str(self._selected)

        def effect(some: Sequence[int]) -> None:
            here = [uid for uid in some if uid in source.mails]
            pairs.extend((uid, there.add(source.mails[uid])) for uid in here)
            self.server.copied.update((selected, source.mails[uid].name) for uid in here)
            self.server.amid()
            for uid in here if removes else ():
                source.expunge(uid)

        def copy_only(some: Sequence[int]) -> None:
            for uid in some:
                if uid in source.mails:
                    there.add(source.mails[uid])
                    self.server.copied[selected, source.mails[uid].name] += 1

        self._perform(name, uids, effect, instead=copy_only)
        return MoveAnswer(tuple(pairs) if self.server.tells_copyuid else (), there.uidvalidity)

    def _perform(
        self,
        name: str,
        uids: Sequence[int],
        effect: Callable[[Sequence[int]], None],
        *,
        instead: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        """Carry a changing command out, whole or however the trouble wants it."""
        trouble = self._command(name)
        half = uids[: len(uids) // 2]
        if trouble == "lie":
            return
        if trouble == "refuse":
            raise CommandRefused(f"{name} refused")
        if trouble == "bad" and name == "MOVE":
            raise CommandUnknown("BAD")
        if trouble == "refuse-half":
            effect(half)
            raise CommandRefused(f"{name} refused half-way")
        if trouble == "copy-only" and instead is not None:
            instead(uids)
            self._break()
        if trouble == "late":
            self.server.later(lambda: effect(uids))
            self._break()
        effect(half if trouble == "half" else uids)
        if trouble in ("half", "drop-after"):
            self._break()
        if trouble == "kill-after":
            raise Killed

    def _command(self, name: str) -> str | None:
        if self._dead:
            raise ConnectionLost("dead")
        self.server.between()
        self.server.log.append(name)
        trouble = self.server.trouble(name)
        if trouble == "drop-before":
            self._break()
        if trouble == "kill-before":
            raise Killed
        return trouble

    def _break(self) -> None:
        self._dead = True
        raise ConnectionLost("cut")

    def _look_at(self, folder: str) -> None:
        if self._selected != folder:
            self.examine(folder)

    def _open(self, folder: str, *, writable: bool) -> FolderState:
        self._selected = None
        state = self._state(folder)
        self._selected, self._writable = folder, writable and not self.server.boxes[folder].read_only
        self._view = dict(self.server.boxes[folder].mails)
        return replace(state, read_write=self._writable)

    def _state(self, folder: str) -> FolderState:
        if folder not in self.server.boxes:
            raise FolderNotFound(folder)
        box = self.server.boxes[folder]
        return FolderState(folder, box.uidvalidity, box.uidnext, len(box.mails))

    def _box(self) -> Box:
        assert self._selected is not None
        if self._selected not in self.server.boxes:
            raise FolderNotFound(self._selected)
        return self.server.boxes[self._selected]

    def _must_write(self) -> None:
        if self._selected is None or not self._writable:
            raise PermissionMissing("No folder is open for changes")
