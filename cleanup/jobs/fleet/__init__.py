"""Many mailboxes: in one process by threads, on many machines by shards or by Dask.

A mailbox is locked by its run (on PostgreSQL against other machines, too), so several machines may share a list: what
one works on, the others leave out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cleanup.jobs.fleet.results import (
    Ended,
    Listed,
    Result,
    by_cause,
    mailboxes_of,
    not_done,
    read_ends,
    read_list,
    shard_of,
    write_ends,
)

if TYPE_CHECKING:
    from cleanup.jobs.fleet.threads import Limits, Shared, run_fleet

__all__ = [
    "Ended",
    "Limits",
    "Listed",
    "Result",
    "Shared",
    "by_cause",
    "mailboxes_of",
    "not_done",
    "read_ends",
    "read_list",
    "run_fleet",
    "shard_of",
    "write_ends",
]


def __getattr__(name: str) -> object:
    """Import what works on many mailboxes when it is asked for: a run of one tells how it ended, too."""
    if name not in ("Limits", "Shared", "run_fleet"):
        raise AttributeError(f"module 'cleanup.jobs.fleet' has no attribute {name!r}")
    from cleanup.jobs.fleet import threads

    return getattr(threads, name)
