"""What a user would write instead: fetch every message whole, and ask a library whether it is a bounce.

    pip install 'mailbox-cleanup[benchmarks]'

Timed on the newest messages of the Inbox, and extrapolated to all of it. They judge nothing: no Sent, no verdict. They
remember nothing either: each night they fetch everything once more.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.job import Server


def imap_tools_and_flufl(server: Server, messages: int, *, bulk: bool | int = False) -> int:
    """Return how many of the newest messages flufl.bounce calls bounces. imap_tools fetches one by one if not told."""
    scan_message = importlib.import_module("flufl.bounce").scan_message
    box = importlib.import_module("imap_tools").MailBox(
        server.host, server.port, ssl_context=ssl.create_default_context(cafile=server.ca_file)
    )
    with box.login(server.username, server.password) as mailbox:
        found = mailbox.fetch(reverse=True, limit=messages, mark_seen=False, bulk=bulk)
        return sum(bool(scan_message(message.obj)) for message in found)


def imapclient_and_mail_parser(server: Server, messages: int) -> int:
    """Return how many of the newest messages come from a mailer daemon, as mail-parser reads them."""
    import mailparser
    from imapclient import IMAPClient

    logging.getLogger("mailparser").setLevel(logging.CRITICAL)  # it has an error to tell of every odd part

    context = ssl.create_default_context(cafile=server.ca_file)
    with IMAPClient(server.host, server.port, ssl_context=context) as client:
        client.login(server.username, server.password)
        client.select_folder("INBOX", readonly=True)
        newest = client.search()[-messages:]
        raw = (one[b"BODY[]"] for some in _hundreds(newest) for one in client.fetch(some, ["BODY.PEEK[]"]).values())
        return sum("mailer-daemon" in str(mailparser.parse_from_bytes(one).from_).lower() for one in raw)


PEERS: dict[str, tuple[str, Callable[[Server, int], int]]] = {
    "imap_tools + flufl": ("flufl.bounce", imap_tools_and_flufl),
    "the same, bulk=200": ("flufl.bounce", partial(imap_tools_and_flufl, bulk=200)),
    "imapclient + mailparser": ("mailparser", imapclient_and_mail_parser),
}


def peer(name: str, server: Server, messages: int, inbox: int) -> dict[str, Any]:
    """Return what a peer took for some messages, and would take for the whole Inbox; why not, where it is missing."""
    needs, scan = PEERS[name]
    if not _is_installed(needs):
        return {"skipped": f"{needs} is not installed", "wall_s_extrapolated": 0.0}
    began = time.perf_counter()
    bounces = scan(server, messages)
    took = time.perf_counter() - began
    return {
        "messages": messages,
        "wall_s": round(took, 2),
        "wall_s_extrapolated": round(took * inbox / messages, 1),
        "bounces": bounces,
    }


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _hundreds(uids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(uids), 100):
        yield uids[start : start + 100]
