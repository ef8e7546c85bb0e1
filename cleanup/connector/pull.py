"""Header fields and bodies, in bounded chunks, looking only: BODY.PEEK, UIDs that were asked for, nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest

from cleanup.connector.account import MIB
from cleanup.connector.commands import (
    FINGERPRINT_FIELDS,
    LONGEST_FIELDS,
    bodies_command,
    fetch_command,
    fetch_items,
    read_set,
    uid_sets,
)
from cleanup.connector.connection import Command, Wire
from cleanup.connector.fetch import Fetched, not_understood, read_fetches
from cleanup.detector.header import header_block
from cleanup.errors import CommandUnknown, MessageNotShown, ServerMisbehaved, Throttled
from cleanup.model import Fingerprint, MessageRef, PulledHeaders

BODIES_AT_ONCE = 2 * MIB  # held at once, and once more while they are read
MOST_HIDDEN = 20  # of one FETCH: more would be a storm of tries
SHORTEST_HEADER = 64  # bytes of a message whose header shows something: From and Date take as much
BEGINNINGS_AT_ONCE = 50  # messages
MOST_FOUND = 4_000_000  # UIDs in one answer to SEARCH
_ALL = re.compile(rb"\bALL (\S+)", re.IGNORECASE)
_HEADER = ("flags", "arrived", "size", "octets")
_NAMES = [name.lower().encode() for name in FINGERPRINT_FIELDS]
_FOLD = re.compile(rb"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class MessageState:
    """What a message looks like now: its fingerprint, and the flags it has."""

    fingerprint: Fingerprint
    flags: tuple[str, ...]


# --- which messages ------------------------------------------------------------------------------------------------


def search(wire: Wire, asked: Command) -> list[int]:
    """Return the UIDs that the server finds in the selected folder, ascending, once each."""
    answer = wire.ask(asked)
    words = [word for line in answer.untagged.get("SEARCH", []) if isinstance(line, bytes) for word in line.split()]
    if not all(word.isdigit() and len(word) <= 10 for word in words):  # ten digits hold 32 bits
        raise ServerMisbehaved("The server's answer to SEARCH holds something else than numbers")
    found = {int(word) for word in words}
    for line in answer.untagged.get("ESEARCH", []):  # IMAP4rev2 answers so, with a set (RFC 9051 section 7.3.4)
        if isinstance(line, bytes) and (match := _ALL.search(line)):
            uids = read_set(match[1], most=MOST_FOUND)
            if uids is None:
                raise ServerMisbehaved("The server's answer to SEARCH holds something else than numbers")
            found.update(uids)
    return sorted(found)


# --- header fields -------------------------------------------------------------------------------------------------


def headers(
    wire: Wire, folder: str, uidvalidity: int, fields: Sequence[str], uids: Sequence[int]
) -> Iterator[tuple[PulledHeaders, ...]]:
    """Yield the header fields of messages of the selected folder, chunk by chunk. Vanished ones are left out."""
    sets = uid_sets(uids)
    for some, following in zip_longest(sets, sets[1:], fillvalue=()):
        fetched = _headers_of(wire, some, fields)
        if following:  # on its way while this chunk is read
            wire.send_ahead([fetch_command(following, fetch_items(fields, whole=wire.whole_headers))])
        yield tuple(_pulled(folder, uidvalidity, one) for one in fetched)


def _headers_of(wire: Wire, uids: tuple[int, ...], fields: Sequence[str]) -> list[Fetched]:
    """Return header fields by ascending UID; whole headers where the server does not show fields of them.

    Some servers answer with empty blocks, or do not know this form. What is large enough to have a header, and has an
    answer without one, is asked for once more by BODY.PEEK[HEADER], and in the end by the beginning of the message.
    What shows no header even then is passed over. Where most of a chunk needed that, whole headers are asked for at
    once from then on.
    """
    folder = wire.folder
    found: dict[int, Fetched] = {}
    bare: Sequence[int] = uids
    if not wire.whole_headers:
        with suppress(CommandUnknown):  # BAD to this form
            found = _fetch_all(wire, uids, fetch_items(fields), _HEADER)
            bare = [uid for uid in uids if _is_bare(found.get(uid)) or (folder, uid) in wire.passed_over]
    found = {uid: one for uid, one in found.items() if not _is_bare(one)}
    if bare:
        whole = _fetch_all(wire, tuple(bare), fetch_items((), whole=True), _HEADER)
        better = {uid: one for uid, one in whole.items() if not _is_bare(one)}
        # where most of them needed it, the rest of the mailbox will, too: one command instead of two for each chunk
        wire.whole_headers = wire.whole_headers or len(better) > len(found)
        found |= better | _beginnings(wire, [one for one in whole.values() if _is_bare(one)])
    return [found[uid] for uid in sorted(found)]


def _is_bare(one: Fetched | None) -> bool:
    """Return whether nothing is shown of a header that must be there."""
    return one is not None and (one.size or 0) >= SHORTEST_HEADER and not (one.octets or b"").strip()


def _beginnings(wire: Wire, bare: Sequence[Fetched]) -> dict[int, Fetched]:
    """Return what of these shows a header, or that it has none, where the message itself is asked for.

    Blank lines as long as a header would be are an answer, too: such a message begins with its body (RFC 5322, 2.1).
    """
    found: dict[int, Fetched] = {}
    known = {one.uid: one for one in bare}
    for some in uid_sets(list(known), most=BEGINNINGS_AT_ONCE):
        shown = _fetch_all(wire, some, b"(UID BODY.PEEK[]<0.%d>)" % LONGEST_FIELDS, ("octets",))
        texts = {uid: text for uid, one in shown.items() if len(text := one.octets or b"") >= SHORTEST_HEADER}
        found |= {uid: known[uid]._replace(octets=header_block(text)) for uid, text in texts.items()}
        if not texts:  # nor will it show the others
            break
    for uid in known.keys() - found.keys():
        wire.passed_over[wire.folder, uid] = "the server shows nothing of its header"
    return found


def _pulled(folder: str, uidvalidity: int, one: Fetched) -> PulledHeaders:
    assert one.size is not None
    assert one.arrived is not None
    ref = MessageRef(folder, uidvalidity, one.uid)
    return PulledHeaders(ref, one.size, one.arrived, one.flags or (), _fields(one))


def fingerprint_of(pulled: PulledHeaders) -> Fingerprint:
    """Return what stays the same of a message. Hashed when somebody asks: most of a mailbox is only read."""
    return Fingerprint(pulled.size, pulled.arrived, digest(pulled.fields))


def fingerprints(wire: Wire, uids: Sequence[int]) -> dict[int, MessageState]:
    """Return what messages of the selected folder look like now, by UID; vanished ones are left out."""
    return {
        one.uid: MessageState(_fingerprint(one), one.flags or ())
        for some in uid_sets(uids)
        for one in _headers_of(wire, some, ())
    }


def _fields(one: Fetched) -> bytes:
    return (one.octets or b"")[:LONGEST_FIELDS]  # Courier completes the line


def _fingerprint(one: Fetched) -> Fingerprint:
    assert one.size is not None
    assert one.arrived is not None
    return Fingerprint(one.size, one.arrived, digest(_fields(one)))


def digest(fields: bytes) -> str:
    """Return SHA-256, hex, over the raw, unfolded, stripped values of FINGERPRINT_FIELDS, in that order.

    A field that is not there counts as empty; of one that stands there more than once every value counts.
    """
    values: dict[bytes, list[bytes]] = {name: [] for name in _NAMES}
    for line in _FOLD.sub(b"", fields).splitlines():
        name, _, value = line.partition(b":")
        if (known := values.get(name.strip().lower())) is not None:
            known.append(value.strip())
    return hashlib.sha256(b"\0".join(b"\n".join(values[name]) for name in _NAMES)).hexdigest()


def is_of(fingerprint: Fingerprint, raw: bytes) -> bool:
    """Return whether a message's bytes are those of the message with this fingerprint.

    A server may answer with another message's body under a UID; then nobody may judge the one by the other.
    """
    return digest(header_block(raw)) == fingerprint.digest


# --- bodies --------------------------------------------------------------------------------------------------------


def bodies(
    wire: Wire, uids: Sequence[int], max_bytes: int, sizes: Mapping[int, int] | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield (UID, the first `max_bytes` of the message) by ascending UID, without setting \\Seen.

    `sizes` of all the messages, where they are known already, save asking for them.
    """
    for some in uid_sets(uids):
        known = (
            {uid: sizes[uid] for uid in some}
            if sizes is not None
            else {one.uid: one.size or 0 for few in _fetch(wire, some, b"(UID RFC822.SIZE)", ("size",)) for one in few}
        )
        for batch in _batches(known, max_bytes):
            for fetched in _fetch(wire, batch, bodies_command(batch, max_bytes).args[1], ("octets",)):
                yield from ((one.uid, (one.octets or b"")[:max_bytes]) for one in fetched)


def first_batch(sizes: Mapping[int, int], max_bytes: int) -> tuple[int, ...]:
    """Return which of the messages of these sizes bodies() will ask for first."""
    some = next(iter(uid_sets(list(sizes))), ())
    return next(_batches({uid: sizes[uid] for uid in some}, max_bytes), ())


def _batches(sizes: dict[int, int], max_bytes: int) -> Iterator[tuple[int, ...]]:
    batch: list[int] = []
    total = 0
    for uid, size in sorted(sizes.items()):
        cost = min(size, max_bytes)
        if batch and total + cost > BODIES_AT_ONCE:
            yield tuple(batch)
            batch, total = [], 0
        batch.append(uid)
        total += cost
    if batch:
        yield tuple(batch)


# --- one FETCH -----------------------------------------------------------------------------------------------------


def _fetch(
    wire: Wire, uids: tuple[int, ...], items: bytes, needed: Sequence[str], left_out: list[int] | None = None
) -> Iterator[list[Fetched]]:
    """Yield the answers by ascending UID; in halves where the server cannot manage so many (Yahoo: [UNAVAILABLE]).

    A message that it cannot show is left out, as one that has vanished; too many of them are an error.
    """
    hidden = [] if left_out is None else left_out
    try:
        answer = wire.ask(fetch_command(uids, items))
    except (Throttled, MessageNotShown) as error:
        if isinstance(error, MessageNotShown) and len(uids) == 1 and len(hidden) < MOST_HIDDEN:
            hidden.append(uids[0])
            wire.passed_over[wire.folder, uids[0]] = f"the server cannot show it: {error.why}"
            return
        if len(uids) == 1 or (isinstance(error, Throttled) and error.wait_s):
            raise
        middle = len(uids) // 2
        yield from _fetch(wire, uids[:middle], items, needed, hidden)
        yield from _fetch(wire, uids[middle:], items, needed, hidden)
        return
    records = answer.untagged.get("FETCH", [])
    found = read_fetches(records, frozenset(uids), needed)
    folder = wire.folder
    for uid in found if wire.passed_over else ():  # shown this time
        wire.passed_over.pop((folder, uid), None)
    if len(found) < len(uids):
        for uid, why in not_understood(records, frozenset(uids), needed, found).items():
            wire.passed_over[folder, uid] = why
    yield [found[uid] for uid in sorted(found)]


def _fetch_all(wire: Wire, uids: tuple[int, ...], items: bytes, needed: Sequence[str]) -> dict[int, Fetched]:
    return {one.uid: one for few in _fetch(wire, uids, items, needed) for one in few}
