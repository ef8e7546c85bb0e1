"""Looking ahead: commands whose answers will be wanted next are sent at once, so that nobody waits for each.

It changes what a look costs and nothing else: the answers are read by the very methods of Mailbox that would have
asked, in the same order, and what turns out not to be wanted is dropped (Wire.foresee). Nothing that changes mail is
ever sent ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

from cleanup.connector import questions
from cleanup.connector.folders import FolderState, quoted
from cleanup.connector.wire import Ask, Wire


class LooksAhead:
    """How a Mailbox looks ahead, and which folder it has open."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._selected: FolderState | None = None
        self._raw_names: dict[str, bytes] = {}

    def foresee_view(self, folder: str, *, first: int | None = None, uids: Sequence[int] = ()) -> None:
        """Be ready for examine(), for uids() from `first` on or still_there() of `uids`, and for their fingerprints."""
        listed = questions.ask_present(uids) if first is None else [questions.ask_from(first)]
        shown = questions.ask_fingerprints(uids) if first else []
        self._foresee([self._opening("EXAMINE", folder), *listed[:1], *shown[:1]])

    def foresee_headers(self, folder: str, fields: Sequence[str], uids: Sequence[int]) -> None:
        """Be ready for pull_headers_of(): for its first chunk."""
        if self._selected is None or self._selected.folder != folder:
            self._foresee([self._opening("EXAMINE", folder), *questions.ask_headers(fields, uids)[:1]])

    def _foresee(self, asks: Sequence[Ask]) -> None:
        """Forget which folder is open: only who asks for the one that is opened now may rely on it."""
        if len(asks) > 1 and not self._wire.dead:
            self._selected = None
            self._wire.foresee(asks)

    def _opening(self, command: str, folder: str) -> Ask:
        return Ask(command, (self._written(folder),))

    # --- pieces ------------------------------------------------------------------------------------------------

    def _written(self, folder: str) -> bytes:
        return quoted(self._raw_names.get(folder, folder))
