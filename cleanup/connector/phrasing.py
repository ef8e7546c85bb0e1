"""How the questions about folders are written for one server: by what it offers, and by the names that it gave."""

from __future__ import annotations

from collections.abc import Iterable

from cleanup.connector.asks import Ask
from cleanup.connector.folders import Folder, Namespace, quoted
from cleanup.connector.wire import Wire


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
