"""Tries Sieve rules on the bounces of a mailbox, as they lie on the server, before anybody installs one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.folders import backscatter_folder_name
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.connector.pull import digest
from cleanup.progress import Progress

if TYPE_CHECKING:
    from cleanup.report.summary.frames import Frames
    from cleanup.report.summary.sieve import Campaign, Trial

_NULL_SENDER = re.compile(rb"^return-path:[ \t]*<>", re.IGNORECASE | re.MULTILINE)


def try_rules(
    account: Account,
    settings: MailboxSettings,
    frames: Frames,
    campaigns: Sequence[Campaign],
    own_hosts: Sequence[str],
    progress: Progress,
) -> tuple[Trial, ...]:
    """Return what the rule of each campaign would have caught in the mailbox. Reads only.

    Raises as open_mailbox does.
    """
    from cleanup.report.summary.sieve import try_on  # pandas

    known = frozenset(frames.notices["digest"])
    return try_on(bounces_of(account, settings, known, progress), frames, campaigns, own_hosts)


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
    digests = {
        one.ref.uid: digest(one.fields)
        for chunk in chunks
        for one in chunk
        if digest(one.fields) in known or _NULL_SENDER.search(one.fields)
    }
    if not digests:
        return
    for done, (uid, raw) in enumerate(mailbox.pull_bodies(folder, sorted(digests)), 1):
        progress(f"Trying the rule on {folder}", done, len(digests))
        yield digests[uid], raw
