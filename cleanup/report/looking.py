"""Looks at both folders after a move, finishes what was only copied, and says what became of each message."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from cleanup.errors import CommandRefused, ConnectionLost, FolderNotFound, PermissionMissing, ServerMisbehaved
from cleanup.ledger import MoveRecord, MoveState
from cleanup.report.journal import Journal, Settled
from cleanup.report.link import Link
from cleanup.report.mailbox import Ahead, FilingMailbox
from cleanup.report.settling import FolderView, Place, Sighting, locate

BROKEN = (ConnectionLost, ServerMisbehaved)
_STATES = {Place.SOURCE: MoveState.KEPT, Place.TARGET: MoveState.MOVED, Place.NEITHER: MoveState.TAKEN}
LARGEST = 1 << 20  # bytes of a message that are compared
MOST_NAMED = 10
REDATED = "the server gave it a new date of arrival"
_GONE = "it is in neither folder: somebody moved or deleted it meanwhile"


def settle(
    records: Sequence[MoveRecord], link: Link, journal: Journal, told: Mapping[int, int] | None = None
) -> list[Settled]:
    """Return what became of moves between two folders, by looking; what is in both folders is finished first.

    Looking and finishing may be repeated, so a broken connection is renewed. Raises the last error where that fails;
    then the lines stay open in the journal.
    """
    while True:
        try:
            return _conclude(_looked_and_finished(records, link.mailbox, journal, told or {}))
        except BROKEN as error:
            link.renew(error)


def view(mailbox: FilingMailbox, folder: str, *, first: int = 1, only: Sequence[int] | None = None) -> FolderView:
    """Return what a folder holds: from UID `first` on, or `only` some UIDs. A missing folder is an empty one."""
    try:
        state = mailbox.examine(folder)
    except FolderNotFound:
        return FolderView()
    for _ in range(2):  # once more, as a message may go between the two commands
        uids = mailbox.uids(folder, first=first) if only is None else mailbox.still_there(folder, only)
        seen = mailbox.fingerprints(folder, uids) if uids else {}
        if len(seen) == len(uids):
            return FolderView(state.uidvalidity, {uid: s.fingerprint for uid, s in seen.items()}, state.uidnext)
    raise ServerMisbehaved(f"The server lists messages in {folder} and does not show them")


def expected(ahead: Ahead, records: Sequence[MoveRecord]) -> Ahead:
    """Return what look() will ask for, if each message got the next number of the target."""
    first, uids = records[0].intent, [record.intent.uid for record in records]
    ahead.examine(first.target).uids(first.target_uidnext)
    ahead.fingerprints(range(first.target_uidnext, first.target_uidnext + len(records)))
    return ahead.examine(first.source).still_there(uids)


def _looked_and_finished(
    records: Sequence[MoveRecord], mailbox: FilingMailbox, journal: Journal, told: Mapping[int, int]
) -> list[tuple[Sighting, str | None]]:
    sightings = look(records, mailbox, journal, told)
    both = [s for s in sightings if s.place is Place.BOTH]
    if not both:
        return [(s, None) for s in sightings]
    why_not = _finish(both, records, mailbox)
    return [(s, why_not) for s in look(records, mailbox, journal, told)]


def look(
    records: Sequence[MoveRecord], mailbox: FilingMailbox, journal: Journal, told: Mapping[int, int]
) -> list[Sighting]:
    """Return where the messages of these records, all between the same two folders, are now."""
    first = records[0].intent
    from_uid = min(r.intent.target_uidnext for r in records)
    target = view(mailbox, first.target, first=from_uid)
    if target.uidvalidity not in (0, first.target_uidvalidity) or 0 < target.uidnext < from_uid:
        target = view(mailbox, first.target)
    source = view(mailbox, first.source, only=[r.intent.uid for r in records])
    if any(source.seen.get(r.intent.uid, r.intent.fingerprint) != r.intent.fingerprint for r in records):
        source = view(mailbox, first.source, only=[r.intent.uid for r in records])  # a byte may have been altered
    if source.uidvalidity not in (0, first.source_uidvalidity):
        source = view(mailbox, first.source)
    claimed = journal.claimed(first.target, target.uidvalidity, among=target.seen)
    return locate(records, source, target, claimed=claimed, told=told)


def _finish(both: Sequence[Sighting], records: Sequence[MoveRecord], mailbox: FilingMailbox) -> str | None:
    """Remove from the source what was just seen whole at the target; return why it could not be done.

    UID EXPUNGE names exactly these messages: a plain EXPUNGE would take along what the owner marked deleted.
    """
    if any(s.renumbered for s in both):
        return "it is in both folders, and the source was renumbered meanwhile: delete one by hand"
    if not mailbox.can_uid_expunge:
        return "it is in both folders, and the server cannot expunge by UID: delete one by hand"
    intents = {s.record.intent.uid: s.record.intent for s in both}
    first = both[0].record.intent
    mailbox.foresee(mailbox.ahead().select(first.source).fingerprints(sorted(intents)))
    try:
        state = mailbox.select(first.source)
        if state.uidvalidity != first.source_uidvalidity:
            return "it is in both folders, and the source was renumbered meanwhile: delete one by hand"
        seen = mailbox.fingerprints(first.source, sorted(intents))
        same = [uid for uid, s in sorted(seen.items()) if uid in intents and s.fingerprint == intents[uid].fingerprint]
        whole = _copied_whole(mailbox, [s for s in both if s.record.intent.uid in same])
        if whole and mailbox.select(first.source).uidvalidity == first.source_uidvalidity:
            mailbox.mark_deleted(whole)
            mailbox.uid_expunge(whole, then=expected(mailbox.ahead(), records))
        if len(whole) < len(same):
            copies = {s.record.intent.uid: s.target_uid for s in both}
            odd = ", ".join(str(copies[uid]) for uid in sorted(set(same) - set(whole))[:MOST_NAMED])
            return f"it is in both folders, and the copy is not the same message (in {first.target}: UID {odd})"
    except (CommandRefused, PermissionMissing) as error:
        return (
            f"it is in both folders, and the server refuses to remove it from {first.source}: {error.why or error.what}"
        )
    return None


def _copied_whole(mailbox: FilingMailbox, both: Sequence[Sighting]) -> list[int]:
    """Return which messages have a copy that holds the same, byte for byte: of a large one, its first MiB.

    Size and header may be an index's word. The source is opened again right behind: little time is left for somebody to
    take the copy away.
    """
    if not both:
        return []
    way = both[0].record.intent
    here = {s.record.intent.uid: s.record.intent.fingerprint.size for s in both}
    there = {s.target_uid or 0: s.record.intent.fingerprint.size for s in both}
    ahead = mailbox.ahead().bodies_of(way.source, here, LARGEST).bodies_of(way.target, there, LARGEST)
    mailbox.foresee(ahead.select(way.source))
    original, copied = _digests(mailbox, way.source, here), _digests(mailbox, way.target, there)
    pairs = [(s.record.intent.uid, s.target_uid or 0) for s in both]
    return sorted(uid for uid, copy in pairs if uid in original and original[uid] == copied.get(copy))


def _digests(mailbox: FilingMailbox, folder: str, sizes: Mapping[int, int]) -> dict[int, bytes]:
    bodies = mailbox.pull_bodies(folder, sorted(sizes), max_bytes=LARGEST, sizes=sizes) if sizes else ()
    return {uid: hashlib.sha256(content).digest() for uid, content in bodies}


def _conclude(seen: Sequence[tuple[Sighting, str | None]]) -> list[Settled]:
    settled = []
    for sighting, why_not in seen:
        record, uid = sighting.record, sighting.target_uid
        if sighting.place is Place.BOTH:
            note = why_not or "it is in both folders: the server did not remove it"
            settled.append(Settled(record, MoveState.UNCLEAR, uid, note))
        else:
            settled.append(Settled(record, _STATES[sighting.place], uid, _remark(sighting)))
    return settled


def _remark(sighting: Sighting) -> str | None:
    if sighting.place is Place.NEITHER:
        return _GONE
    if sighting.redated:
        return REDATED
    if sighting.not_its_copy is not None:
        target = sighting.record.intent.target
        return f"what the server made of it in {target}, UID {sighting.not_its_copy}, is another message"
    return None


def grouped(records: Sequence[MoveRecord]) -> list[list[MoveRecord]]:
    """Return records in groups between the same folders under the same UIDVALIDITY."""
    groups: dict[tuple[str, int, str, int], list[MoveRecord]] = {}
    for record in records:
        i = record.intent
        groups.setdefault((i.source, i.source_uidvalidity, i.target, i.target_uidvalidity), []).append(record)
    return list(groups.values())
