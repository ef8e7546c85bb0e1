"""Anna's mailbox on the scripted server: what truly lies where can be seen, whatever the server says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.parser import BytesHeaderParser
from functools import cache
from pathlib import Path
from types import MappingProxyType

from cleanup.access import account_of
from cleanup.config import IdentitySettings, MailboxSettings, PolicySettings
from cleanup.connector.archive import read_archive
from cleanup.demo import LAST_DAY, OUTBOUND, OWNER, Truth, read_truth, sample_folder
from cleanup.errors import CleanupError
from cleanup.jobs.idle_check import Look
from cleanup.jobs.result import Done
from cleanup.jobs.run import look_at, run_mailbox
from cleanup.jobs.undo import undo_run
from cleanup.ledger import Ledger
from cleanup.report.filing.undo import UndoOutcome
from tests.servers.lying import Box, LyingServer
from tests.servers.running import PASSWORD

TARGET = "Backscatter"


@cache
def _archived(name: str) -> tuple[tuple[bytes, datetime], ...]:
    messages = read_archive(sample_folder() / f"{name}.mbox")
    return tuple((_crlf(m.raw), m.arrived or LAST_DAY) for m in messages)


def _crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def fill(server: LyingServer) -> None:
    """Put Anna's Inbox and Sent on the server."""
    for archive, folder in (("Inbox", "INBOX"), ("Sent", "Sent")):
        for number, (raw, arrived) in enumerate(_archived(archive)):
            flags = {"\\Seen"} if number % 2 else set()
            server.folders[folder].add(raw, flags, arrived.strftime("%d-%b-%Y %H:%M:%S +0000").encode())


@dataclass(frozen=True)
class Ended:
    """How a run ended: done, or with a named error."""

    done: Done | None
    error: CleanupError | None


def run(server: LyingServer, folder: Path, **changes: object) -> Ended:
    """Run the whole job against the server. Anything but a named error is a failing test."""
    settings = settings_for(server, folder, changes)
    account = account_of(settings, ask=lambda _: PASSWORD)
    try:
        done = run_mailbox(account, settings, now=LAST_DAY, agreed=lambda _: True, progress=lambda *_: None)
    except CleanupError as error:
        return Ended(None, error)
    return Ended(done, None)


def undo(server: LyingServer, folder: Path) -> UndoOutcome | None:
    """Undo the last run of which moves still stand; None where there is none. Raises the named errors."""
    settings = settings_for(server, folder)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        last = ledger.last_filing(OWNER, or_open=True)
    if last is None:
        return None
    account = account_of(settings, ask=lambda _: PASSWORD)
    return undo_run(account, settings, last.run_id)


def scan(server: LyingServer, folder: Path) -> Look:
    """Look at the mailbox, as a dry run does."""
    settings = settings_for(server, folder)
    return look_at(account_of(settings, ask=lambda _: PASSWORD), settings, now=LAST_DAY, progress=lambda *_: None)


def settings_for(
    server: LyingServer, folder: Path, changes: Mapping[str, object] = MappingProxyType({})
) -> MailboxSettings:
    """Return Anna's settings for this server, with her ledger in the folder."""
    usual = {
        "address": OWNER,
        "host": "127.0.0.1",
        "port": server.port,
        "security": "plain",
        "username": "anna",
        "ledger": str(folder / "ledger.sqlite"),
        "command_timeout_s": 60,
        "connect_timeout_s": 60,
        "digest": "never",
        "identity": IdentitySettings(outbound_hosts=OUTBOUND),
        "policy": PolicySettings(max_moves=1000, max_share=1.0),
    }
    return MailboxSettings.model_construct(**(usual | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class State:
    """What lies where: (folder, bytes, flags, arrival) with how often. Trash of the server's own doing included."""

    mails: Counter[tuple[str, bytes, frozenset[str], bytes]]

    @classmethod
    def of(cls, server: LyingServer) -> State:
        """Return what truly lies on the server now."""
        return cls(
            Counter(
                (name, mail.raw, frozenset(mail.flags), mail.arrived)
                for name, box in server.folders.items()
                for mail in box.mails
            )
        )

    @property
    def messages(self) -> Counter[tuple[bytes, bytes]]:
        """The messages without where they lie and their flags."""
        counted: Counter[tuple[bytes, bytes]] = Counter()
        for (_, raw, _, arrived), times in self.mails.items():
            counted[raw, arrived] += times
        return counted


@cache
def truth_of(raw: bytes) -> str:
    """Return what a message is in truth: the verdict that the sample data gives it; empty for ordinary mail."""
    known = _truth().get(str(BytesHeaderParser().parsebytes(raw)["Message-ID"]).strip("<> "))
    return known.verdict if known else ""


@cache
def _truth() -> Mapping[str, Truth]:
    return read_truth(sample_folder())


def wrongly_filed(server: LyingServer) -> list[str]:
    """Return the ids of what lies in the target and is not backscatter in truth."""
    wrong = [mail.raw for mail in server.folders.get(TARGET, Box()).mails if truth_of(mail.raw) != "backscatter"]
    return [str(BytesHeaderParser().parsebytes(raw)["Message-ID"]).strip("<> ") for raw in wrong]
