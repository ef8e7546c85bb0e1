"""Anna's mailbox, as the demonstration has it, on the scripted server: a run takes a tenth of what it takes on pymap.

pymap itself is tried in tests/cli/test_demo.py and by every test that takes the `embedded` server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cleanup.access import account_of
from cleanup.connector.credentials import from_text
from cleanup.demo import PASSWORD, Demo, read_truth, sample_folder, settings_for_demo
from tests.servers.lying import CAPABILITIES, Box, Session, lying_server
from tests.whole_job.anna_lies import fill

_ABILITIES = b"[CAPABILITY %b]" % CAPABILITIES


def _tells_what_it_can(session: Session, name: str, args: list[bytes]) -> bool:
    """Say it with the login, as most servers do: nobody needs to ask."""
    right = name == "LOGIN" and args[-1] == PASSWORD.encode()
    if right:
        session.done(b"OK %b in" % _ABILITIES)
    return right


@contextmanager
def anna_on_a_server(ledger: Path) -> Iterator[Demo]:
    """Yield what `cleanup.demo.anna_on_a_server` does: her mailbox, unread, on a server that runs until the end."""
    with lying_server(_tells_what_it_can, greeting=b"* OK %b ready\r\n" % _ABILITIES) as server:
        server.password = PASSWORD
        server.folders |= {name: Box(attributes=b"\\" + name.encode()) for name in ("Drafts", "Junk", "Trash")}
        for box in server.folders.values():
            box.uidnext = 101  # as pymap counts
        fill(server)
        for box in server.folders.values():
            for mail in box.mails:
                mail.flags.clear()
        settings = settings_for_demo(server.port, ledger)
        account = replace(account_of(settings, ask=lambda _: PASSWORD), credential=from_text(PASSWORD))
        yield Demo(settings, account, read_truth(sample_folder()))
