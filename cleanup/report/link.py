"""A connection that may break a few times, and a second one that only looks on."""

from __future__ import annotations

import time
from collections.abc import Callable

from cleanup.errors import CleanupError
from cleanup.report.mailbox import FilingMailbox

MOST_RENEWALS = 3


class Link:
    """The mailbox's connection now, and how to get another one after it broke.

    `reopen` makes a new connection and closes what is left of the old one. A run renews at most three times.
    `look_on` makes a second connection, which meanwhile.py needs; without it, or once it broke, there is none.
    """

    def __init__(
        self,
        mailbox: FilingMailbox,
        reopen: Callable[[], FilingMailbox] | None = None,
        look_on: Callable[[], FilingMailbox] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.mailbox = mailbox
        self.pause = pause
        self._reopen = reopen
        self._left = MOST_RENEWALS
        self._look_on = look_on
        self._onlooker: FilingMailbox | None = None

    def renew(self, because: CleanupError) -> None:
        """Replace the connection after `because`; raises it again where that is not possible any more.

        Perhaps the server does not take commands that are sent together: so it is asked one by one from now on.
        """
        if self._reopen is None or self._left == 0:
            raise because
        self._left -= 1
        self.mailbox = self._reopen()
        self.mailbox.one_by_one = True

    @property
    def may_look_on(self) -> bool:
        """Whether there is a second connection, or may be."""
        return self._onlooker is not None or self._look_on is not None

    def onlooker(self) -> FilingMailbox | None:
        """Return the second connection, made when it is first asked for. Raises what making it raises."""
        if self._onlooker is None and self._look_on is not None:
            look_on, self._look_on = self._look_on, None
            self._onlooker = look_on()
        return self._onlooker

    def without_onlooker(self) -> None:
        """Go on without the second connection."""
        self._onlooker = None
