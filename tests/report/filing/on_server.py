"""Real mailboxes for the tests of moving: filled with known messages, and compared byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cleanup.connector.folders import backscatter_folder_name
from cleanup.connector.mailbox import Account, Mailbox, open_mailbox
from cleanup.errors import FolderNotFound

WHEN = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
FLAGS = ((), ("\\Seen",), ("\\Flagged",), ("\\Seen", "\\Answered"))
Whole = tuple[bytes, frozenset[str], datetime]


def a_message(number: int) -> bytes:
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.example\r\nTo: anna@example.org\r\nSubject: Undelivered {number}"
        f"\r\nMessage-ID: <{number}@relay.example>\r\nDate: Sun, 1 Mar 2026 12:30:00 +0000\r\n\r\nHello {number}\r\n"
    ).encode()


def fill(account: Account, count: int, *, also: Iterable[tuple[int, str]] = ()) -> str:
    """Put `count` messages into the Inbox, each with flags and a date of its own; return the target's name.

    `also`: further messages (number, flag), such as one that the owner marked deleted.
    """
    with open_mailbox(account) as mailbox:
        for number in range(count):
            mailbox.append("INBOX", a_message(number), FLAGS[number % len(FLAGS)], WHEN + timedelta(minutes=number))
        for number, flag in also:
            mailbox.append("INBOX", a_message(number), (flag,), WHEN)
        return backscatter_folder_name(mailbox.folders())


def whole(mailbox: Mailbox, folder: str) -> list[Whole]:
    """Return all messages of a folder: bytes, flags without \\Recent, date; sorted, as UIDs change when moved."""
    try:
        mailbox.examine(folder)
    except FolderNotFound:
        return []
    uids = mailbox.uids(folder)
    bodies = dict(mailbox.pull_bodies(folder, uids)) if uids else {}
    seen = mailbox.fingerprints(folder, uids) if uids else {}
    return sorted(
        ((bodies[uid], frozenset(seen[uid].flags) - {"\\Recent"}, seen[uid].fingerprint.arrived) for uid in uids),
        key=lambda one: (one[0], sorted(one[1])),
    )


def both(account: Account, target: str) -> tuple[list[Whole], list[Whole]]:
    """Return the Inbox and the target, whole, over a new connection."""
    with open_mailbox(account, read_only=True) as mailbox:
        mailbox.folders()
        return whole(mailbox, "INBOX"), whole(mailbox, target)


def uids_of(mailbox: Mailbox, folder: str = "INBOX") -> list[int]:
    mailbox.examine(folder)
    return mailbox.uids(folder)
