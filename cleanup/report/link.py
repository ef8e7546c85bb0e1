"""A connection that may break a few times."""

from __future__ import annotations

from collections.abc import Callable

from cleanup.errors import CleanupError
from cleanup.report.mailbox import FilingMailbox

MOST_RENEWALS = 3


class Link:
    """The mailbox's connection now, and how to get another one after it broke.

    `reopen` makes a new connection and closes what is left of the old one. A run renews at most three times.
    """

    def __init__(self, mailbox: FilingMailbox, reopen: Callable[[], FilingMailbox] | None = None) -> None:
        self.mailbox = mailbox
        self._reopen = reopen
        self._left = MOST_RENEWALS

    def renew(self, because: CleanupError) -> None:
        """Replace the connection after `because`; raises it again where that is not possible any more."""
        if self._reopen is None or self._left == 0:
            raise because
        self._left -= 1
        self.mailbox = self._reopen()
