"""Flags of messages in the open folder, and how to be told those of what somebody has expunged since."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cleanup.connector.asks import Answer
from cleanup.connector.fetch import read_fetches
from cleanup.connector.questions import FLAGS, ask_fetch
from cleanup.connector.uid_sets import uid_sets, written
from cleanup.connector.wire import Wire

TRIES_AT_NUMBERS = 5  # each time somebody else may expunge in between
_NUMBERED = re.compile(rb"(\d{1,10}) \(.*?\bUID (\d{1,10})\b", re.IGNORECASE)
Flags = dict[int, tuple[str, ...]]  # by UID


class WatchedFlags:
    """The flags of some messages as they were told last, with the sequence numbers that the messages had then."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._told: Flags = {}
        self._numbers: dict[int, int] = {}
        self._expunges = -1  # of the connection, when they were told

    def ask(self, uids: Sequence[int]) -> Flags:
        """Return the flags; they are asked for again where numbers changed meanwhile."""
        for _ in range(TRIES_AT_NUMBERS):
            self._told, self._numbers = _flags_and_numbers(self._wire, uids)
            self._expunges = self._wire.expunges
            if self._numbers or not self._told:
                break
        return self._told

    def again(self, uids: Sequence[int]) -> Flags:
        """Return what was told; it is asked for anew where messages were expunged since, as numbers changed then."""
        return self._told if self._expunges == self._wire.expunges else self.ask(uids)

    def last(self, uids: Sequence[int]) -> Flags:
        """Return the flags as they are now, or were when the messages were expunged.

        Servers may not tell of expunges at a FETCH by sequence number, and so Dovecot and Cyrus tell the last flags
        (RFC 2180 section 4.1.2). What a server does not tell is left out, and all where numbers changed since.
        """
        if self._expunges != self._wire.expunges:
            return {}
        return _flags_at(self._wire, {uid: self._numbers[uid] for uid in uids if uid in self._numbers})


def _flags_and_numbers(wire: Wire, uids: Sequence[int]) -> tuple[Flags, dict[int, int]]:
    """Return flags and sequence numbers in the selected folder, by UID; no numbers where they changed meanwhile."""
    found: Flags = {}
    numbers: dict[int, int] = {}
    moved_up = False
    for some in uid_sets(uids):
        asked = ask_fetch(some, FLAGS)
        answer = wire.ask(asked.name, *asked.args, uid=asked.uid)
        found |= _flags_in(answer, frozenset(some))
        numbers |= {int(m[2]): int(m[1]) for m in map(_NUMBERED.match, _lines(answer)) if m}
        moved_up = moved_up or bool(answer.untagged.keys() & {"EXPUNGE", "VANISHED"})
    return found, {} if moved_up else {uid: numbers[uid] for uid in found if uid in numbers}


def _flags_at(wire: Wire, numbers: Mapping[int, int]) -> Flags:
    """Return flags by UID, asked for by sequence number: so they are told of what others have expunged, too."""
    asked = frozenset(numbers)
    found: Flags = {}
    for some in uid_sets(list(numbers.values())):
        found |= _flags_in(wire.ask("FETCH", written(some), FLAGS), asked)
    return found


def _flags_in(answer: Answer, asked: frozenset[int]) -> Flags:
    fetched = read_fetches(answer.untagged.get("FETCH", []), asked, ("flags",))
    return {uid: one.flags or () for uid, one in fetched.items()}


def _lines(answer: Answer) -> list[bytes]:
    return [line for line in answer.untagged.get("FETCH", []) if isinstance(line, bytes)]
