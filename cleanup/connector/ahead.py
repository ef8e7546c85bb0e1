"""Looking ahead: looks whose answers will be wanted next are sent at once, so that nobody waits for each.

It changes what a look costs and nothing else: the answers are read by the very methods of Mailbox that would have
asked, in the same order, and what turns out not to be wanted is dropped (Wire.foresee). Nothing that changes mail is
ever sent ahead; looks may go out right behind it, as a server carries out one after the other (RFC 9051 section 5.5).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cleanup.connector import questions
from cleanup.connector.asks import Ask
from cleanup.connector.phrasing import Phrasing
from cleanup.connector.pull import first_batch


class Looks(Protocol):
    """Looks that are written down."""

    @property
    def asks(self) -> Sequence[Ask]: ...


class Ahead:
    """Looks that will be asked for next, in this order, each named as the method of Mailbox that will ask.

    Of questions that are too long for one command only the first part is written down. Hand it to Mailbox.foresee(), or
    to move() and copy(), behind which the looks then go out.
    """

    def __init__(self, phrasing: Phrasing, folder: str | None) -> None:
        self._phrasing = phrasing
        self._folder = folder  # which will be open then
        self._asks: list[Ask] = []

    @property
    def asks(self) -> Sequence[Ask]:
        """What is written down."""
        return self._asks

    def folders(self) -> Ahead:
        """LIST, with NAMESPACE where that was not asked yet."""
        return self._and(self._phrasing.folders())

    def status(self, folder: str) -> Ahead:
        """STATUS."""
        return self._and([self._phrasing.status(folder)])

    def numbering(self) -> Ahead:
        """LIST with STATUS, where that is offered."""
        return self._and(self._phrasing.numbering())

    def examine(self, folder: str) -> Ahead:
        """EXAMINE: what follows is about this folder."""
        self._folder = folder
        return self._and(self._phrasing.opening("EXAMINE", folder))

    def watch(self, folder: str) -> Ahead:
        """ENABLE QRESYNC, where that is offered and not done yet, and EXAMINE."""
        return self._and(self._phrasing.enable()).examine(folder)

    def select(self, folder: str) -> Ahead:
        """SELECT: what follows is about this folder."""
        self._folder = folder
        return self._and(self._phrasing.opening("SELECT", folder))

    def uids(self, first: int) -> Ahead:
        """UID SEARCH for all from `first` on."""
        return self._and([questions.ask_from(first)])

    def still_there(self, uids: Sequence[int]) -> Ahead:
        """UID SEARCH for these."""
        return self._and(questions.ask_present(uids)[:1])

    def of_size(self, sizes: Collection[int], arrived: Collection[datetime]) -> Ahead:
        """UID SEARCH for messages of these sizes that came at about these times."""
        return self._and(questions.ask_of_size(sizes, arrived)[:1])

    def fingerprints(self, uids: Sequence[int]) -> Ahead:
        """UID FETCH of what these look like."""
        return self._and(questions.ask_headers((), uids, whole=self._phrasing.whole_headers)[:1])

    def headers_of(self, folder: str, fields: Sequence[str], uids: Sequence[int]) -> Ahead:
        """UID FETCH of header fields; EXAMINE, where the folder is not open."""
        asks = questions.ask_headers(fields, uids, whole=self._phrasing.whole_headers)
        return self._looking_at(folder)._and(asks[:1])

    def bodies_of(self, folder: str, sizes: Mapping[int, int], max_bytes: int) -> Ahead:
        """UID FETCH of what messages of these sizes, by UID, begin with; EXAMINE, where the folder is not open."""
        batch = first_batch(sizes, max_bytes)
        return self._looking_at(folder)._and([questions.ask_bodies(batch, max_bytes)] if batch else [])

    def flags(self, uids: Sequence[int]) -> Ahead:
        """UID FETCH of flags."""
        return self._and(questions.ask_flags(uids)[:1])

    def _looking_at(self, folder: str) -> Ahead:
        return self if self._folder == folder else self.examine(folder)

    def _and(self, asks: Sequence[Ask]) -> Ahead:
        self._asks += asks
        return self
