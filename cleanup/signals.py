"""Ctrl-C and SIGTERM: a batch that is under way is finished, everything else ends at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cleanup.errors import ExitCode, StopNow, Stopped

_AGAIN_S = 0.01  # after an exception that nobody could catch
_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class _Watch:
    """Which signal came, and whether it has to wait. Only the main thread gets signals."""

    def __init__(self) -> None:
        self.came: ExitCode | None = None
        self.busy = 0
        self.at_work = ""
        self.tell: Callable[[str], None] = lambda _: None

    def signalled(self, number: int, _: FrameType | None) -> None:
        if self.came is not None and self.busy:
            return  # the second Ctrl-C does not break a batch either: it has a deadline of its own
        self.came = _CODES[signal.Signals(number)]
        if self.busy:
            self.tell(f"Finishing {self.at_work or 'what is under way'} ...")
        self._stop()

    def remind(self, _number: int, _: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.came is not None and not self.busy:
            raise StopNow(self.came)


_watch = _Watch()


def watch(tell: Callable[[str], None] = lambda _: None) -> None:
    """Take Ctrl-C and SIGTERM from now on. `tell` says at once what has to be finished first.

    It may write to no buffer, as the signal may have come while that was being written to.
    """
    _watch.tell = tell
    for number in _CODES:
        signal.signal(number, _watch.signalled)
    signal.signal(signal.SIGALRM, _watch.remind)
    sys.unraisablehook = _swallowed


def _swallowed(unraisable: sys.UnraisableHookArgs) -> None:
    """Stop a moment later where the signal came inside of a finalizer: Python drops what is raised there."""
    if isinstance(unraisable.exc_value, StopNow):
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
    else:
        sys.__unraisablehook__(unraisable)


@contextmanager
def finishing(what: str = "") -> Iterator[None]:
    """Let what is inside come to its end, then raise Stopped where a signal came meanwhile.

    `what` is told to who sent the signal, such as "this batch of 100".
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, _watch.at_work = _watch.at_work, what or _watch.at_work
    _watch.busy += 1
    try:
        yield
    finally:
        _watch.busy -= 1
        _watch.at_work = before
    if _watch.came is not None and not _watch.busy:
        raise Stopped(_watch.came)
