"""Reads once more, one command at a time, where a connection died while several were on their way.

Some servers, and what stands before them, do not take commands that are sent together, as RFC 9051 section 5.5 allows:
they drop what comes behind the first, or hang up. What only reads may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cleanup.connector.session import Mailbox
from cleanup.errors import ConnectionLost, ServerMisbehaved

_T = TypeVar("_T")


def unhurried(mailbox: Mailbox, reopen: Callable[[], Mailbox], read: Callable[[Mailbox], _T]) -> tuple[_T, Mailbox]:
    """Return what `read` returns, and the connection that it read on: perhaps a new one, which takes its time."""
    try:
        return read(mailbox), mailbox
    except (ConnectionLost, ServerMisbehaved):
        if not mailbox.hurried:
            raise
    another = reopen()
    another.one_by_one = True
    return read(another), another
