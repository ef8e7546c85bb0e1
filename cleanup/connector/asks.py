"""Commands that only look, as values, and what a server says to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOOKING = frozenset(
    {"LOGIN", "AUTHENTICATE", "STARTTLS", "CAPABILITY", "ID", "ENABLE", "NAMESPACE", "LIST", "STATUS", "EXAMINE",
     "SEARCH", "FETCH", "GETQUOTAROOT", "MYRIGHTS", "NOOP", "UNSELECT", "LOGOUT"}
)  # fmt: skip
OPENING = frozenset({"EXAMINE", "SELECT"})
NAMES_A_FOLDER = OPENING | {"STATUS", "CREATE", "SUBSCRIBE", "APPEND", "MYRIGHTS"}  # as its first argument
RELOCATING = frozenset({"MOVE", "COPY"})
# Untagged data that answer a command; whatever else comes belongs to the opening of a folder, or to the last command.
ANSWERED_BY = {
    "NAMESPACE": ("NAMESPACE",),
    "LIST": ("LIST", "STATUS"),
    "STATUS": ("STATUS",),
    "SEARCH": ("SEARCH", "ESEARCH"),
    "FETCH": ("FETCH",),
    "MYRIGHTS": ("MYRIGHTS",),
}
OF_MESSAGES = frozenset(
    {"SEARCH", "ESEARCH", "FETCH", "EXPUNGE", "VANISHED"}
)  # data about messages of the folder that is open


@dataclass(frozen=True, slots=True)
class Ask:
    """One command that only looks."""

    name: str
    args: tuple[bytes, ...]
    uid: bool = False

    @property
    def line(self) -> bytes:
        """The command as it is sent, without its tag."""
        return b" ".join([*([b"UID"] if self.uid else []), self.name.encode(), *self.args])

    @property
    def logged(self) -> str:
        """Its name for the log."""
        return f"UID {self.name}" if self.uid else self.name


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one command: its untagged data by name, as imaplib keeps it, and the final text."""

    untagged: dict[str, list[Any]]
    text: str

    def code(self, name: str) -> bytes | None:
        """Return the argument of a response code (COPYUID, UIDNEXT, ...), tagged or untagged, or None."""
        values = self.untagged.get(name, [])
        return values[-1] if values and isinstance(values[-1], bytes) else None
