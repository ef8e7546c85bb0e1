"""Reads what a Sieve rule is tried on: the messages of a mailbox that came without an envelope sender, as they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.folders import backscatter_folder_name
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.connector.pull import digest
from cleanup.model import PulledHeaders
from cleanup.progress import Progress

_NULL_SENDER = re.compile(rb"^return-path:[ \t]*<>", re.IGNORECASE | re.MULTILINE)


def bounces_of(
    account: Account, settings: MailboxSettings, known: Collection[str], progress: Progress
) -> Iterator[tuple[str, bytes]]:
    """Yield digest and bytes of what lies in the Inbox and the backscatter folder and came without a sender.

    What is `known` (by its digest) as a notice is taken for such, even where the server wrote no Return-Path. Of each
    at most the first 1 MiB. Reads only. Raises as open_mailbox does.
    """
    with open_mailbox(account, read_only=True) as mailbox:
        folders = mailbox.folders()
        there = {folder.name for folder in folders if folder.selectable}
        for name in dict.fromkeys((settings.inbox, backscatter_folder_name(folders, settings.target))):
            if name in there:
                yield from _bounces_in(mailbox, name, known, progress)


def _bounces_in(
    mailbox: Mailbox, folder: str, known: Collection[str], progress: Progress
) -> Iterator[tuple[str, bytes]]:
    chunks = mailbox.pull_headers(folder, ())
    digests = {one.ref.uid: digest(one.fields) for chunk in chunks for one in chunk if _is_bounce(one, known)}
    if not digests:
        return
    for done, (uid, raw) in enumerate(mailbox.pull_bodies(folder, sorted(digests)), 1):
        progress(f"Trying the rule on {folder}", done, len(digests))
        yield digests[uid], raw


def _is_bounce(one: PulledHeaders, known: Collection[str]) -> bool:
    return digest(one.fields) in known or bool(_NULL_SENDER.search(one.fields))
