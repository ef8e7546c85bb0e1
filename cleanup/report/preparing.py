"""Looks at both folders before messages are moved: is each one there, and as it was judged?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cleanup.errors import (
    CommandRefused,
    FolderNotFound,
    MoveNotSupported,
    PermissionMissing,
    ServerMisbehaved,
    UidValidityChanged,
)
from cleanup.ledger import MoveIntent
from cleanup.model import Fingerprint
from cleanup.report.link import Link
from cleanup.report.looking import BROKEN
from cleanup.report.mailbox import Ahead, FilingMailbox, Seen


@dataclass(frozen=True, slots=True)
class Wish:
    """One message that is to be moved. `undoes` is the journal line that this takes back."""

    uid: int
    fingerprint: Fingerprint
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """From where to where. `uidvalidity` is the source's, under which the wishes' UIDs were read."""

    source: str
    uidvalidity: int
    target: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where the numbering of the folder that messages are moved to stands."""

    uidvalidity: int
    uidnext: int


def prepare(
    way: Way, batch: Sequence[Wish], link: Link, gone: dict[int, str], kept: dict[int, str]
) -> tuple[dict[int, Seen], Target]:
    """Return what of the batch is there and as it was judged, and where the target's numbering stands.

    Leaves the source open for writing. Nothing is changed but for making the target, so it is repeated on a new
    connection where the old one breaks.
    """
    while True:
        try:
            mailbox, uids = link.mailbox, [wish.uid for wish in batch]
            _check_able(mailbox)
            mailbox.foresee(what_prepare_asks(mailbox.ahead(), way, batch))
            open_source(mailbox, way)
            target = _target(mailbox, way.target)
            seen = mailbox.fingerprints(way.source, uids)
            _check_all_shown([uid for uid in uids if uid not in seen], mailbox, way.source)
            return _as_judged(batch, seen, way, gone, kept), target
        except BROKEN as error:
            link.renew(error)


def what_prepare_asks(ahead: Ahead, way: Way, batch: Sequence[Wish]) -> Ahead:
    """Return what prepare() will ask for."""
    return ahead.select(way.source).status(way.target).fingerprints([wish.uid for wish in batch])


def _check_able(mailbox: FilingMailbox) -> None:
    if not mailbox.can_move and not mailbox.can_uid_expunge:
        raise MoveNotSupported(
            "The server can neither move messages nor expunge them by name (no MOVE, no UIDPLUS)",
            hint="Nothing can be moved safely on it; the verdicts can still be read",
        )


def _target(mailbox: FilingMailbox, folder: str) -> Target:
    try:
        try:
            state = mailbox.status(folder)
        except FolderNotFound:
            mailbox.create_folder(folder)
            state = mailbox.status(folder)
    except CommandRefused as error:
        raise PermissionMissing(
            f"The server does not let messages be filed in {folder}", why=error.why, hint="Name another with --target"
        ) from error
    return Target(state.uidvalidity, state.uidnext)


def open_source(mailbox: FilingMailbox, way: Way) -> None:
    """Open the source for changes. Raises UidValidityChanged, PermissionMissing."""
    state = mailbox.select(way.source)
    if state.uidvalidity != way.uidvalidity:
        raise UidValidityChanged(
            f"{way.source} was renumbered since it was read", hint="Run again: everything will be read anew"
        )
    if not state.read_write:
        raise PermissionMissing(f"{way.source} is read-only for this login", hint="Ask for the right to move messages")


def _check_all_shown(missing: Sequence[int], mailbox: FilingMailbox, folder: str) -> None:
    """Raise ServerMisbehaved where messages are still listed that were not shown: they are not gone."""
    if missing and mailbox.still_there(folder, missing):
        raise ServerMisbehaved(f"The server lists messages in {folder} and does not show them")


def _as_judged(
    batch: Sequence[Wish], seen: Mapping[int, Seen], way: Way, gone: dict[int, str], kept: dict[int, str]
) -> dict[int, Seen]:
    fit: dict[int, Seen] = {}
    for wish in batch:
        now = seen.get(wish.uid)
        if now is None:
            gone[wish.uid] = f"it is no longer in {way.source}"
        elif now.fingerprint != wish.fingerprint:
            kept[wish.uid] = "its number now names another message"
        elif any(flag.lower() == "\\deleted" for flag in now.flags):
            gone[wish.uid] = "it is marked as deleted"
        else:
            fit[wish.uid] = now
    return fit


def intent_of(way: Way, wish: Wish, now: Seen, target: Target) -> MoveIntent:
    """Return what is written down before a message is moved."""
    return MoveIntent(
        source=way.source,
        source_uidvalidity=way.uidvalidity,
        uid=wish.uid,
        target=way.target,
        target_uidvalidity=target.uidvalidity,
        target_uidnext=target.uidnext,
        fingerprint=wish.fingerprint,
        flags=now.flags,
        undoes=wish.undoes,
    )
