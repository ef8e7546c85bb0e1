"""How the questions about folders are written for one server: by what it offers, and by the names that it gave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cleanup.connector import commands as questions
from cleanup.connector.commands import Ask
from cleanup.connector.connection import Wire
from cleanup.connector.folders import Folder, Namespace, quoted
from cleanup.connector.pull import first_batch


class Phrasing:
    """The questions of one connection. `says_uidnext`: whether the server does so when a folder is opened.

    `enabled_on`: the connection (Wire.connections) on which QRESYNC was enabled; 0: on none yet.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._raw_names: dict[str, bytes] = {}
        self.says_uidnext = True
        self.enabled_on = 0
        self.namespaces: tuple[Namespace, ...] | None = None  # None: not asked yet

    def learn(self, folders: Iterable[Folder]) -> None:
        """Write folders from now on as the server does."""
        self._raw_names = {folder.name: folder.raw for folder in folders}

    def written(self, folder: str) -> bytes:
        """Return a folder's name as it is sent."""
        unknown = folder.encode() if self._wire.writes_utf8 else folder
        return quoted(self._raw_names.get(folder, unknown))

    @property
    def whole_headers(self) -> bool:
        """Whether whole headers are asked for, where the server does not show fields of them."""
        return self._wire.whole_headers

    @property
    def can_number(self) -> bool:
        """Whether one trip tells the state of all folders (LIST-STATUS, RFC 5819), and folders are no labels."""
        return self._wire.has("LIST-STATUS") and not self._wire.has("X-GM-EXT-1")

    def opening(self, command: str, folder: str) -> list[Ask]:
        """Return the questions of examine() or select(): Courier does not say UIDNEXT then, so it is asked for."""
        more = [] if self.says_uidnext else [self.status(folder)]
        return [Ask(command, (self.written(folder),)), *more]

    def enable(self) -> list[Ask]:
        """Return what watch() asks first: ENABLE, once, where QRESYNC is offered."""
        wanted = self._wire.has("QRESYNC") and self.enabled_on != self._wire.connections
        return [Ask("ENABLE", (b"QRESYNC",))] if wanted else []

    def status(self, folder: str) -> Ask:
        """Return the question of status()."""
        more = b" HIGHESTMODSEQ" if self._wire.has("CONDSTORE") else b""
        return Ask("STATUS", (self.written(folder), b"(MESSAGES UIDNEXT UIDVALIDITY%b)" % more))

    def numbering(self) -> list[Ask]:
        """Return the question of numbering(), where it can be asked."""
        wanted = b"SPECIAL-USE " if self._wire.has("SPECIAL-USE") else b""
        args = b'""', b'"*"', b"RETURN (%bSTATUS (MESSAGES UIDNEXT UIDVALIDITY))" % wanted
        return [Ask("LIST", args)] if self.can_number else []

    def folders(self) -> list[Ask]:
        """Return the questions of folders(): NAMESPACE, once, where it is offered, and LIST."""
        extended = self._wire.has("LIST-EXTENDED") and self._wire.has("SPECIAL-USE")
        listing = Ask("LIST", (b'""', b'"*"', b"RETURN (SPECIAL-USE)") if extended else (b'""', b'"*"'))
        unknown = self.namespaces is None and self._wire.has("NAMESPACE")
        return [Ask("NAMESPACE", ()), listing] if unknown else [listing]


# --- Looking ahead --------------------------------------------------------------------------------------------------


class Looks(Protocol):
    """Looks that are written down."""

    @property
    def asks(self) -> Sequence[Ask]: ...


class Ahead:
    """Looks that will be asked for next, in this order, each named as the method of Mailbox that will ask.

    Of questions that are too long for one command only the first part is written down. Hand it to
    Mailbox.send_ahead(), or to move() and copy(), behind which the looks then go out.
    """

    def __init__(self, phrasing: Phrasing, folder: str | None) -> None:
        self._phrasing = phrasing
        self._folder = folder  # which will be open then
        self._asks: list[Ask] = []

    @property
    def asks(self) -> Sequence[Ask]:
        """What is written down."""
        return self._asks

    def folders(self) -> Ahead:
        """LIST, with NAMESPACE where that was not asked yet."""
        return self._and(self._phrasing.folders())

    def status(self, folder: str) -> Ahead:
        """STATUS."""
        return self._and([self._phrasing.status(folder)])

    def numbering(self) -> Ahead:
        """LIST with STATUS, where that is offered."""
        return self._and(self._phrasing.numbering())

    def examine(self, folder: str) -> Ahead:
        """EXAMINE: what follows is about this folder."""
        self._folder = folder
        return self._and(self._phrasing.opening("EXAMINE", folder))

    def watch(self, folder: str) -> Ahead:
        """ENABLE QRESYNC, where that is offered and not done yet, and EXAMINE."""
        return self._and(self._phrasing.enable()).examine(folder)

    def select(self, folder: str) -> Ahead:
        """SELECT: what follows is about this folder."""
        self._folder = folder
        return self._and(self._phrasing.opening("SELECT", folder))

    def uids(self, first: int) -> Ahead:
        """UID SEARCH for all from `first` on."""
        return self._and([questions.ask_from(first)])

    def still_there(self, uids: Sequence[int]) -> Ahead:
        """UID SEARCH for these."""
        return self._and(questions.ask_present(uids)[:1])

    def of_size(self, sizes: Collection[int], arrived: Collection[datetime]) -> Ahead:
        """UID SEARCH for messages of these sizes that came at about these times."""
        return self._and(questions.ask_of_size(sizes, arrived)[:1])

    def fingerprints(self, uids: Sequence[int]) -> Ahead:
        """UID FETCH of what these look like."""
        return self._and(questions.ask_headers((), uids, whole=self._phrasing.whole_headers)[:1])

    def headers_of(self, folder: str, fields: Sequence[str], uids: Sequence[int]) -> Ahead:
        """UID FETCH of header fields; EXAMINE, where the folder is not open."""
        asks = questions.ask_headers(fields, uids, whole=self._phrasing.whole_headers)
        return self._looking_at(folder)._and(asks[:1])

    def bodies_of(self, folder: str, sizes: Mapping[int, int], max_bytes: int) -> Ahead:
        """UID FETCH of what messages of these sizes, by UID, begin with; EXAMINE, where the folder is not open."""
        batch = first_batch(sizes, max_bytes)
        return self._looking_at(folder)._and([questions.ask_bodies(batch, max_bytes)] if batch else [])

    def flags(self, uids: Sequence[int]) -> Ahead:
        """UID FETCH of flags."""
        return self._and(questions.ask_flags(uids)[:1])

    def _looking_at(self, folder: str) -> Ahead:
        return self if self._folder == folder else self.examine(folder)

    def _and(self, asks: Sequence[Ask]) -> Ahead:
        self._asks += asks
        return self
