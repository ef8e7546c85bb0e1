"""Folders: their names as the server writes them, which of them hold sent mail, and where to file backscatter."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from imapclient import imap_utf7

from cleanup.connector.client import parse_nested
from cleanup.connector.redact import hide
from cleanup.errors import CleanupError, SentFolderNotFound, ServerMisbehaved, UsageError

# Attributes, delimiter, name; the name is missing where it comes as a literal, which imaplib keeps apart.
_LIST_LINE = re.compile(rb'\(([^()]*)\) (NIL|"(?:[^"\\]|\\.)?"|[^\s"(){]) ?(.*)', re.DOTALL | re.IGNORECASE)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_HOLDS_NOTHING = frozenset({"\\noselect", "\\nonexistent"})
MOST_NAMED = 20  # folders that a complaint lists
MOST_MESSAGES = (1 << 32) - 1  # of a folder: the largest number of RFC 9051
MOST_UIDNEXT = 10**10 - 1  # as many digits as a UID may have here; RFC 9051 knows 32 bits
MOST_UIDVALIDITY = (1 << 63) - 1  # the same; a ledger holds no larger number
ONLY_SHOWS = frozenset({"\\all", "\\flagged", "\\important"}) | _HOLDS_NOTHING
_ELSEWHERE = frozenset({"\\all", "\\trash", "\\junk", "\\drafts", "\\flagged", "\\important"})


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder's state. UIDs mean something only together with `uidvalidity` (RFC 9051 section 2.3.1.1)."""

    folder: str
    uidvalidity: int
    uidnext: int
    exists: int
    read_write: bool = False
    highest_modseq: int | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A part of the folders' tree (RFC 2342): whose names begin with `prefix`, and whether they are this login's."""

    prefix: str
    delimiter: str | None
    is_personal: bool


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as LIST shows it. `attributes` are in lower case: Cyrus says \\sent, others \\Sent."""

    name: str
    delimiter: str | None = None
    attributes: frozenset[str] = frozenset()
    raw: bytes = field(default=b"", compare=False)  # the name as the server wrote it
    namespace: Namespace | None = field(default=None, compare=False)  # None where the server tells of none

    @property
    def selectable(self) -> bool:
        """Whether it can hold messages."""
        return not self.attributes & _HOLDS_NOTHING

    @property
    def parts(self) -> tuple[str, ...]:
        """The name, level by level."""
        return tuple(self.name.split(self.delimiter)) if self.delimiter else (self.name,)


def quoted(name: str | bytes) -> bytes:
    """Return a folder name as IMAP wants it: modified UTF-7, quoted (RFC 3501 section 5.1.3)."""
    encoded = name if isinstance(name, bytes) else bytes(imap_utf7.encode(name))
    if any(byte in b"\r\n\0" for byte in encoded):
        raise ServerMisbehaved(f"The folder name {name!r} cannot be sent")
    return b'"' + encoded.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def unquoted(written: bytes) -> str:
    """Return the name of a folder that quoted() wrote."""
    return _readable(re.sub(rb"\\(.)", rb"\1", written[1:-1], flags=re.DOTALL))


def read_list(records: Iterable[Any]) -> tuple[Folder, ...]:
    """Return the folders of a LIST answer as imaplib keeps it, sorted by name, once each.

    One whose name tells a password is left out: names stand in reports and in the ledger.
    """
    folders: dict[str, Folder] = {}
    pending: list[bytes] = []
    for record in records:
        if isinstance(record, tuple):  # a line that ends in a literal, with it; what follows is a record of its own
            pending = [*record]
            continue
        folder = _from_literal(pending) if pending else _from_line(record)
        pending = []
        folders.setdefault(folder.name, folder)
    return tuple(folders[name] for name in sorted(folders) if not _tells_a_secret(folders[name]))


def _tells_a_secret(folder: Folder) -> bool:
    """Return whether a name holds what was shown to a server as a password; that may be a usual word, too."""
    is_usual = folder.name == "INBOX" or is_sent_name(folder.parts[-1])
    return not is_usual and hide(folder.name) != folder.name


def read_namespaces(records: Sequence[Any]) -> tuple[Namespace, ...]:
    """Return what a NAMESPACE answer tells, this login's own ones first; nothing where it makes no sense."""
    try:
        kinds = parse_nested(records)
        found = [(one, kind == 0) for kind, listed in enumerate(kinds[:3]) for one in listed or ()]
        return tuple(_namespace(*one[:2], is_personal=own) for one, own in found)
    except (ServerMisbehaved, TypeError, ValueError, AttributeError):
        return ()


def _namespace(prefix: bytes, delimiter: bytes | None, *, is_personal: bool) -> Namespace:
    """Return one; some servers leave out the delimiter at the prefix's end, as RFC 2342's own examples do."""
    name, between = _readable(prefix), delimiter.decode("latin-1") if delimiter else None
    complete = name + between if is_personal and name and between and not name.endswith(between) else name
    return Namespace(complete, between, is_personal)


def placed(folders: Iterable[Folder], namespaces: Sequence[Namespace]) -> tuple[Folder, ...]:
    """Return the folders, each with the namespace of the longest prefix that fits; the Inbox is this login's own."""
    own = next((space for space in namespaces if space.is_personal), None)
    longest_first = sorted(namespaces, key=lambda space: -len(space.prefix))

    def of(name: str) -> Namespace | None:
        if name == "INBOX":
            return own
        return next((space for space in longest_first if f"{name}{space.delimiter}".startswith(space.prefix)), None)

    return tuple(replace(folder, namespace=of(folder.name)) for folder in folders)


def read_statuses(records: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Return the numbers of STATUS answers by the folder's name; what is no number is left out."""
    found: dict[str, dict[str, int]] = {}
    name = b""
    for record in records:
        if isinstance(record, tuple):
            name = record[1]
            continue
        told, _, values = record.rpartition(b"(")  # from the right: names may hold brackets
        told = told.strip()
        quoted_name = _QUOTED.fullmatch(told)
        raw = name or (re.sub(rb"\\(.)", rb"\1", quoted_name[1], flags=re.DOTALL) if quoted_name else told)
        name = b""
        words = values.rstrip(b") ").split()
        pairs = zip(words[::2], words[1::2], strict=False)
        found[_readable(raw)] = {
            item.decode("latin-1").upper(): int(value) for item, value in pairs if is_number(value)
        }
    return found


def read_state(folder: str, records: Iterable[Any]) -> FolderState:
    """Return a folder's state from a STATUS answer. Raises ServerMisbehaved where a number is missing."""
    told = list(read_statuses(records).values())
    values = told[-1] if told else {}
    try:
        numbers = values["UIDVALIDITY"], values["UIDNEXT"], values["MESSAGES"]
    except KeyError as error:
        raise ServerMisbehaved(f"The server does not tell {error} of {printable(folder)}") from error
    return FolderState(folder, *numbers, highest_modseq=values.get("HIGHESTMODSEQ"))


def read_states(listed: Iterable[Any], told: Iterable[Any]) -> dict[str, FolderState]:
    """Return the state of every folder that holds messages of its own, from LIST with STATUS (RFC 5819).

    Numbers are 0 where none were told.
    """
    statuses = read_statuses(told)
    # What only shows the messages of other folders would count each arrival twice.
    own = [folder.name for folder in read_list(listed) if not folder.attributes & ONLY_SHOWS]
    return {
        name: FolderState(name, known.get("UIDVALIDITY", 0), known.get("UIDNEXT", 0), known.get("MESSAGES", 0))
        for name in own
        for known in (statuses.get(name, {}),)
    }


class Opened(NamedTuple):
    """What SELECT or EXAMINE told of a folder; None where it did not."""

    uidvalidity: int
    uidnext: int | None
    exists: int | None
    highest_modseq: int | None


def read_opening(folder: str, untagged: Mapping[str, Sequence[Any]]) -> Opened:
    """Return what opening a folder told (RFC 9051 section 6.3.2), from untagged data and codes; the last word counts.

    Raises ServerMisbehaved where there is no UIDVALIDITY, as its messages cannot be told apart then.
    """
    told = {name: values[-1] for name, values in untagged.items() if values and isinstance(values[-1], bytes)}
    uidvalidity = read_number(folder, "UIDVALIDITY", told.get("UIDVALIDITY"), MOST_UIDVALIDITY)
    if uidvalidity is None:
        raise ServerMisbehaved(f"{printable(folder)} has no UIDVALIDITY, so its messages cannot be told apart")
    modseq = told.get("HIGHESTMODSEQ")
    return Opened(
        uidvalidity,
        read_number(folder, "UIDNEXT", told.get("UIDNEXT"), MOST_UIDNEXT),
        read_number(folder, "EXISTS", told.get("EXISTS"), MOST_MESSAGES),
        int(modseq) if modseq is not None and is_number(modseq) else None,  # it is only ever handed back: RFC 7162
    )


def read_number(folder: str, name: str, told: bytes | None, most: int) -> int | None:
    """Return a number that the server told of a folder, None where it told none. Raises ServerMisbehaved above `most`.

    A number that cannot be one must not pass for none: a folder would count as empty.
    """
    if told is None:
        return None
    if not is_number(told) or int(told) > most:
        raise ServerMisbehaved(
            f"The server says that {name} of {printable(folder)} is {hide(told[:40].decode('latin-1'))}"
        )
    return int(told)


def is_number(text: bytes | None) -> bool:
    """Return whether a server's word is a number that can be one (at most 63 bits)."""
    return text is not None and text.isdigit() and len(text) <= 19 and int(text) < 1 << 63


def _from_line(line: bytes) -> Folder:
    match = _LIST_LINE.fullmatch(line)
    if not match:
        raise _no_folder(line)
    name = _QUOTED.match(match[3])  # LIST-EXTENDED may append further data
    raw = re.sub(rb"\\(.)", rb"\1", name[1], flags=re.DOTALL) if name else match[3].split(b" ")[0]
    return _folder(match[1], match[2], raw)


def _no_folder(line: bytes) -> ServerMisbehaved:
    """Return the error for a line that names no folder. It may have been a Sent folder, so it is not passed over."""
    return ServerMisbehaved("The server's answer to LIST makes no sense", why=printable(line[:80].decode("latin-1")))


def _from_literal(pending: Sequence[bytes]) -> Folder:
    match = _LIST_LINE.fullmatch(pending[0])
    if not match or len(pending) != 2:
        raise _no_folder(pending[0])
    return _folder(match[1], match[2], pending[1])


def _folder(attributes: bytes, delimiter: bytes, raw: bytes) -> Folder:
    return Folder(
        name=_readable(raw),
        delimiter=None if delimiter.upper() == b"NIL" else delimiter.strip(b'"')[-1:].decode("latin-1") or None,
        attributes=frozenset(attributes.decode("latin-1").lower().split()),
        raw=raw,
    )


def _readable(raw: bytes) -> str:
    """Return the name; one that is not modified UTF-7 (old Courier, UTF-8 as it is) keeps its bytes, escaped."""
    if raw.upper() == b"INBOX":
        return "INBOX"
    with suppress(ValueError):  # UnicodeError is one
        name = str(imap_utf7.decode(raw))
        if imap_utf7.encode(name) == raw:  # or by this name it could not be opened again
            return name
    return raw.decode("utf-8", "backslashreplace")


# --- which is which ------------------------------------------------------------------------------------------------


def find_sent(
    folders: Sequence[Folder], configured: Sequence[str] = (), left_out: Sequence[str] = ()
) -> tuple[Folder, ...]:
    """Return every folder that holds sent mail: configured, marked as such (RFC 6154), or named so, and their children.

    All of them, because a forgotten second Sent folder makes genuine bounces look forged, and one too many only spares.
    `left_out`: folders that a person says hold none of the owner's mail, with what lies below them.

    Raises SentFolderNotFound where there is none, or where a configured one does not exist; UsageError where one is
    configured and left out.
    """
    by_name = {folder.name: folder for folder in folders}
    if both := [name for name in configured if name in left_out]:
        raise UsageError(f"{printable(both[0])} is named as a folder of sent mail, and as none")
    missing = [name for name in configured if name not in by_name]
    if missing:
        raise SentFolderNotFound(
            f"There is no folder {printable(missing[0])}",
            why=_that_exist(folders),
            hint="Check --sent-folder; it is compared exactly",
        )
    roots = [f for f in folders if f.name in configured or _looks_sent(f)]
    outside = [by_name[name] for name in left_out if name in by_name]
    found = tuple(
        f
        for f in folders
        if f.selectable
        and any(_within(f, root) for root in roots)
        and (f.name in configured or not any(_within(f, root) for root in outside))
    )
    if not found:
        raise SentFolderNotFound(
            "No folder of sent mail was found",
            why=_that_exist(folders),
            hint="Name the one that holds it: --sent-folder NAME, or sent_folders in the profile",
        )
    return found


def sent_not_opened(folder: str, error: CleanupError) -> str:
    """Return what to say of a Sent folder that cannot be opened: until it can, or is left out, nothing is filed."""
    return f"{error}. If it holds no mail of yours, leave it out: --not-sent-folder {shlex.quote(folder)}"


def _that_exist(folders: Sequence[Folder]) -> str:
    """Return which folders there are, in words, for a person to choose from."""
    names = [printable(folder.name) for folder in folders if folder.selectable]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"there are {', '.join(names[:MOST_NAMED])}{more}" if names else "there are no folders"


def _looks_sent(folder: Folder) -> bool:
    if folder.attributes & _ELSEWHERE:
        return False
    return "\\sent" in folder.attributes or is_sent_name(folder.parts[-1])


def _within(folder: Folder, root: Folder) -> bool:
    if folder.name == root.name:
        return True
    return bool(root.delimiter) and folder.name.startswith(f"{root.name}{root.delimiter}")


def backscatter_folder_name(folders: Sequence[Folder], wanted: str = "Backscatter") -> str:
    """Return the full name of the folder to file into: the existing one, or the one to create.

    It lies in this login's own namespace, as the server tells it (RFC 2342): below INBOX, perhaps. A name with another
    namespace's prefix is taken as it is, where such a folder exists. A "/" in `wanted` stands for any delimiter.

    Raises UsageError for a name that no folder may have, for a folder of sent mail (what lies there counts as sent),
    and for one that only shows what is elsewhere.
    """
    name = _full_name(folders, wanted)
    target = Folder(name, _delimiter(folders))
    hint = "Name another with --target"
    if not all(target.parts) or not target.name.isprintable() or set(target.name) & set("*%"):
        raise UsageError(f"{printable(target.name)} cannot be a folder's name", hint=hint)
    if _looks_sent(target) or any(_within(target, folder) for folder in folders if _looks_sent(folder)):
        raise UsageError(
            f"{printable(target.name)} is for sent mail: what is filed there would count as sent", hint=hint
        )
    if any(folder.name == target.name and folder.attributes & ONLY_SHOWS - _HOLDS_NOTHING for folder in folders):
        raise UsageError(f"{printable(target.name)} only shows what is in other folders", hint=hint)
    return name


def _full_name(folders: Sequence[Folder], wanted: str) -> str:
    if wanted.upper() == "INBOX":  # in whatever letters (RFC 9051 section 5.1)
        return "INBOX"
    names = {folder.name for folder in folders}
    own = next((f.namespace for f in folders if f.namespace and f.namespace.is_personal), None)
    delimiter = own.delimiter if own and own.delimiter else _delimiter(folders)
    local = delimiter.join(wanted.split("/"))
    below = f"INBOX{delimiter}{local}"
    if own:
        full = local if local.startswith(own.prefix) else f"{own.prefix}{local}"
        named = next((f.namespace for f in folders if f.name == wanted and f.namespace), None)
        is_elsewhere = named is not None and not named.is_personal and named.prefix != ""
        return wanted if is_elsewhere else below if full not in names and below in names else full
    if wanted in names:
        return wanted
    if below in names or (local not in names and _all_below_inbox(folders, delimiter)):
        return local if local.startswith(f"INBOX{delimiter}") else below
    return local


def _delimiter(folders: Sequence[Folder]) -> str:
    return next((folder.delimiter for folder in folders if folder.delimiter), "/")


def _all_below_inbox(folders: Sequence[Folder], delimiter: str) -> bool:
    others = [folder.name for folder in folders if folder.name != "INBOX"]
    return all(name.startswith(f"INBOX{delimiter}") for name in others) if others else delimiter == "."


def printable(name: str) -> str:
    """Return a folder name for a message to a person: in quotes, control characters escaped, secrets hidden."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in f'"{hide(name)}"')


# --- What mail programs and providers call the folder of sent mail, by language -------------------------------------


@lru_cache(maxsize=1)
def sent_names() -> dict[str, tuple[str, ...]]:
    """Return the names by language; read when first asked for, as idle nights never do."""
    text = (files("cleanup.connector") / "sent_folders.json").read_text(encoding="utf-8")
    return {language: tuple(names) for language, names in json.loads(text)["names"].items()}


def _alike(name: str) -> str:
    """Return a name as it is compared: accents composed, letter case and outer blanks dropped."""
    return unicodedata.normalize("NFC", name).casefold().strip()


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_alike(name) for names in sent_names().values() for name in names)


def is_sent_name(name: str) -> bool:
    """Return whether a folder's last name is one of the known names for sent mail."""
    return _alike(name) in _known()
