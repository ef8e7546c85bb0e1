"""What moving needs of a mailbox. The connector's Mailbox fits; so does the model mailbox of the tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from cleanup.connector.questions import Question
from cleanup.model import Fingerprint


class FolderState(Protocol):
    """What a server says of a folder."""

    @property
    def uidvalidity(self) -> int: ...
    @property
    def uidnext(self) -> int: ...
    @property
    def exists(self) -> int: ...
    @property
    def read_write(self) -> bool: ...
    @property
    def highest_modseq(self) -> int | None: ...


class ListedFolder(Protocol):
    """A folder as LIST shows it."""

    @property
    def name(self) -> str: ...
    @property
    def selectable(self) -> bool: ...


class Seen(Protocol):
    """One message as it is now: its fingerprint, and its flags for the record."""

    @property
    def fingerprint(self) -> Fingerprint: ...
    @property
    def flags(self) -> tuple[str, ...]: ...


class MoveAnswer(Protocol):
    """What the server said to MOVE or COPY. It proves nothing."""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """COPYUID: (UID at the source, UID at the target); empty where the server does not tell."""
        ...


class FilingMailbox(Protocol):
    """One mailbox on a server. `one_by_one`: nothing is sent ahead, for a server that may not take it.

    Every method raises ConnectionLost or ServerMisbehaved where nobody can know what happened (the connection is dead
    then); CommandRefused, FolderNotFound or PermissionMissing for NO.
    """

    one_by_one: bool

    @property
    def can_move(self) -> bool:
        """Whether MOVE may be tried."""
        ...

    @property
    def can_uid_expunge(self) -> bool:
        """Whether the server can expunge named messages only (UIDPLUS)."""
        ...

    def status(self, folder: str) -> FolderState:
        """Return a folder's state without selecting it. Raises FolderNotFound."""
        ...

    def select(self, folder: str) -> FolderState:
        """Open a folder for writing, anew even where it is open already, and return its state."""
        ...

    def examine(self, folder: str) -> FolderState:
        """Open a folder for reading, anew even where it is open already, and return its state."""
        ...

    def watch(self, folder: str) -> FolderState:
        """Open a folder for reading, and be told of what others change there meanwhile."""
        ...

    def rights(self, folder: str) -> frozenset[str] | None:
        """Return this login's rights in a folder (MYRIGHTS, RFC 4314), a letter each; None where none are told."""
        ...

    def folders(self) -> Sequence[ListedFolder]:
        """Return all folders."""
        ...

    def send_ahead(self, *questions: Question[Any]) -> None:
        """Be ready for these questions: whoever asks them, in this order, need not wait for each."""
        ...

    def look_afresh(self) -> None:
        """Forget what was sent ahead: whoever asks from now on is told how things are from now on."""
        ...

    def uids(self, folder: str, *, first: int = 1) -> Sequence[int]:
        """Return the UIDs from `first` on, ascending."""
        ...

    def still_there(self, folder: str, uids: Sequence[int]) -> Sequence[int]:
        """Return which of these UIDs are in the folder, ascending."""
        ...

    def deleted(self, folder: str) -> Sequence[int]:
        r"""Return the UIDs of the messages that are marked as \Deleted, ascending."""
        ...

    def fingerprints(self, folder: str, uids: Sequence[int]) -> Mapping[int, Seen]:
        """Return what these messages look like now, by UID; what has vanished is left out."""
        ...

    def numbering(self) -> Mapping[str, FolderState] | None:
        """Return the state of every folder that holds messages of its own; None where one trip cannot tell.

        Numbers are 0 where the server tells none of a folder that it lists.
        """
        ...

    def of_size(self, folder: str, sizes: Collection[int], arrived: Collection[datetime]) -> Sequence[int]:
        """Return the UIDs of messages of these sizes: at least of all that came at one of these times."""
        ...

    def flags(self, uids: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
        """Return flags in the open folder by UID."""
        ...

    def last_flags(self, uids: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
        """Return the same of messages that flags() told, also of what was expunged since, where the server tells."""
        ...

    def pull_bodies(
        self, folder: str, uids: Sequence[int], *, max_bytes: int, sizes: Mapping[int, int] | None = None
    ) -> Iterable[tuple[int, bytes]]:
        """Yield (UID, the message's first `max_bytes`). `sizes` by UID, where they are known, spare a look."""
        ...

    def move(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = ()) -> MoveAnswer:
        """Send UID MOVE for messages of the selected folder (RFC 6851), and the questions `then` right behind it.

        Raises MoveNotSupported or CommandUnknown where the server does not know it: then nothing was moved.
        """
        ...

    def copy(self, uids: Sequence[int], target: str, then: Sequence[Question[Any]] = ()) -> MoveAnswer:
        """Send UID COPY for messages of the selected folder, and the questions `then`."""
        ...

    def mark_deleted(self, uids: Sequence[int]) -> None:
        r"""Send UID STORE +FLAGS.SILENT (\Deleted) for messages of the selected folder."""
        ...

    def change_flags(
        self, uids: Sequence[int], *, add: Collection[str] = (), remove: Collection[str] = (), since: int | None = None
    ) -> None:
        """Set and clear flags in the selected folder; with CONDSTORE not of what changed after `since`."""
        ...

    def uid_expunge(self, uids: Sequence[int], then: Sequence[Question[Any]] = ()) -> None:
        """Send UID EXPUNGE for exactly these messages of the selected folder (RFC 4315), and the questions `then`."""
        ...

    def append(self, folder: str, raw: bytes, flags: Sequence[str] = (), when: datetime | None = None) -> int | None:
        """Add a message to a folder, byte for byte; return its UID where the server tells."""
        ...

    def create_folder(self, folder: str) -> None:
        """Create and subscribe a folder; one that is there already is fine."""
        ...
