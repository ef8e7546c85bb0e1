"""Servers that say the same in other words: the whole job ends there as anywhere, and undo puts all of it back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import lying
from tests.servers.lying import Lie, Session, lying_server
from tests.whole_job.anna_lies import State, fill, run, undo
from tests.whole_job.job import BACKSCATTER

_FETCH = re.compile(
    rb'(\* \d+ FETCH \()(UID \d+) (FLAGS \([^)]*\)) (INTERNALDATE "[^"]*") (RFC822.SIZE \d+) (BODY\[HEADER.*)\)\r\n$',
    re.DOTALL,
)


def _flat_and_short(said: bytes) -> bytes:
    """Tell neither the Inbox among the folders, nor a delimiter, nor UIDNEXT when a folder is opened."""
    if said.startswith(b"* LIST"):
        return b"" if b'"INBOX"' in said else said.replace(b') "/" "', b') NIL "')
    return re.sub(rb"\* OK \[UIDNEXT \d+\] .\r\n", b"", said)


def _talkative(said: bytes) -> bytes:
    """Turn the order of what FETCH tells, in lower case, with more than was asked for and alerts in between."""
    if fetched := _FETCH.match(said):
        start, uid, flags, date, size, text = fetched.groups()
        section, _, rest = text.partition(b"] ")
        told = b" ".join((section.lower() + b"] " + rest, size, date, b"MODSEQ (99999999999)", flags, uid))
        return b"* 3 FETCH (FLAGS (\\Seen))\r\n* OK [ALERT] Maintenance at noon\r\n" + start + told + b")\r\n"
    return said.replace(b"BODY[]<0>", b"BODY[]").replace(b"FLAGS (", b"FLAGS (\\Recent ")


def _rev2(session: Session, name: str, args: list[bytes]) -> bool:
    """Answer SEARCH by UID as IMAP4rev2 does."""
    if name != "UID SEARCH" or args[0] != b"UID":
        return False
    uids = sorted(lying.uid_set(args[1], session.box))
    found = b" ALL " + b",".join(b"%d" % uid for uid in uids) if uids else b""
    session.say(b'* ESEARCH (TAG "%b") UID%b\r\n' % (session.tag, found))
    session.done()
    return True


@pytest.mark.parametrize(
    ("alter", "lies", "capabilities"),
    [
        (_flat_and_short, (), lying.CAPABILITIES),
        (_talkative, (), lying.CAPABILITIES),
        (None, (_rev2,), b"IMAP4rev2 AUTH=PLAIN"),
    ],
    ids=["flat and short", "talkative", "IMAP4rev2 alone"],
)
def test_the_whole_job_is_done_in_other_words(
    alter: Callable[[bytes], bytes] | None, lies: tuple[Lie, ...], capabilities: bytes, tmp_path: Path
) -> None:
    with lying_server(*lies, capabilities=capabilities) as server:
        fill(server)
        before = State.of(server)
        server.alter = alter
        ended = run(server, tmp_path)
        filed = len(server.folders["Backscatter"].mails)
        undo(server, tmp_path)

        assert ended.error is None
        assert filed == BACKSCATTER
        assert State.of(server).mails == before.mails
