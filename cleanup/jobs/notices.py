"""The notices of the Inbox: new ones are read whole, of others is known what earlier runs read."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from cleanup.connector.account import MIB
from cleanup.connector.mailbox import Mailbox
from cleanup.connector.pull import fingerprint_of, is_of
from cleanup.jobs.idle_check import READ_BY, Task
from cleanup.ledger import Memory
from cleanup.ledger.values import Cursor, KeptNotice
from cleanup.model import Notice, PulledHeaders
from cleanup.progress import Progress

TWO_MESSAGES = "the server showed two different messages under this UID"
AT_ONCE = 500  # candidates that are written into the memory: a run that is cut off reads no more than so many again
DELETED = "\\Deleted"


def known_notices(task: Task, memory: Memory, cursor: Cursor) -> dict[int, KeptNotice]:
    """Return the notices of which all is known that this look needs."""
    kept = memory.kept_notices(cursor, reader())
    return {uid: one for uid, one in kept.items() if not (one.signed and _wants_signed_bytes(task))}


def read_candidates(
    mailbox: Mailbox,
    task: Task,
    memory: Memory,
    cursor: Cursor,
    candidates: Mapping[int, PulledHeaders],
    progress: Progress,
) -> tuple[dict[int, KeptNotice], set[int]]:
    """Return what is a notice, by UID, and what was not shown; let the memory know both, and what is no notice.

    What is shown in part, or is another message than its header, is judged tonight and read again the next night.
    """
    if not candidates:
        return {}, set()
    from cleanup.detector.notices.reading import read_notice  # the reader: most letters are no candidates

    found: dict[int, KeptNotice] = {}
    to_keep: list[KeptNotice] = []
    none: list[int] = []

    def write() -> None:
        if to_keep:
            memory.keep_notices(cursor, reader(), to_keep)
        if none:
            memory.no_notices(cursor, none)
        to_keep.clear()
        none.clear()

    unread = set(candidates)
    sizes = {uid: pulled.size for uid, pulled in candidates.items()}
    bodies = mailbox.pull_bodies(cursor.folder, sorted(candidates), sizes=sizes)
    for done, (uid, raw) in enumerate(bodies, start=1):
        progress("Reading the notices", done, len(candidates))
        unread.discard(uid)
        notice, pulled = read_notice(raw), candidates[uid]
        fingerprint = fingerprint_of(pulled)
        as_announced = is_of(fingerprint, raw)
        is_whole = len(raw) >= min(pulled.size, MIB)
        if notice is not None:
            notice = notice if as_announced else replace(notice, too_hostile=TWO_MESSAGES)
            # the mark is asked for anew each night: it comes and goes, and no number of the folder changes with it
            flags = tuple(flag for flag in pulled.flags if flag.lower() != DELETED.lower())
            found[uid] = KeptNotice(
                uid, fingerprint, pulled.flags, *_lean(notice, with_signed=_wants_signed_bytes(task))
            )
            if as_announced and is_whole:
                to_keep.append(replace(found[uid], flags=flags))
        elif as_announced and is_whole:
            none.append(uid)
        if len(to_keep) + len(none) >= AT_ONCE:
            write()
    write()
    return found, unread


def _lean(notice: Notice, *, with_signed: bool) -> tuple[bool, Notice]:
    """Return whether a notice returned signed mail, and the notice without bytes that nobody will look at."""
    signed = {one for one in notice.returned if b"dkim-signature" in (one.raw or b"").lower()}
    lean = (one if with_signed and one in signed else replace(one, raw=None) for one in notice.returned)
    return bool(signed), replace(notice, returned=tuple(lean))


def _wants_signed_bytes(task: Task) -> bool:
    """Return whether signatures are verified over what was returned: then its bytes are needed, which nobody keeps."""
    return task.network.dkim or task.network.dnsbl or bool(task.network.keys)


@cache
def reader() -> str:
    """Return a name for what reads a message now: this program, with the libraries and the Python that it rests on."""
    parts = [READ_BY, sys.version]
    for library in ("mail-parser", "selectolax", "charset-normalizer"):
        with suppress(PackageNotFoundError):
            parts.append(version(library))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
