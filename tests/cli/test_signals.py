"""SIGTERM and Ctrl-C: a batch is finished, everything else ends at once, with the documented exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cleanup.errors import ExitCode, StopNow, Stopped
from cleanup.signals import finishing, watch
from tests.cli.command import PROGRAM

SIGNALS = [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]


@pytest.fixture(autouse=True)
def _watching() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    hook = sys.unraisablehook
    watch()
    yield
    sys.unraisablehook = hook
    for number, handler in before.items():
        signal.signal(number, handler)
    from cleanup import signals

    signals._watch.came = None  # what a process does only once


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_command_at_once_in_one_line(number: signal.Signals, code: ExitCode) -> None:
    running = subprocess.Popen([str(PROGRAM), "demo", "--serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout
    running.stdout.readline()  # by now it takes signals

    running.send_signal(number)
    _, err = running.communicate(timeout=60)

    assert running.returncode == code
    assert err.decode().splitlines()[-1].endswith("[stopped]")
    assert b"Traceback" not in err


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_what_is_being_finished_is_finished_first(number: signal.Signals, code: ExitCode) -> None:
    finished = []

    with pytest.raises(Stopped) as stopped, finishing():
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        finished.append("the batch")

    assert finished == ["the batch"]
    assert stopped.value.exit_code == code


def test_outside_of_a_batch_it_stops_where_it_is() -> None:
    with pytest.raises(StopNow):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)


def test_a_signal_inside_of_a_finalizer_still_stops() -> None:
    class Finalized:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    with pytest.raises(StopNow):
        Finalized()
        time.sleep(5)


def test_an_error_inside_is_not_hidden_by_a_signal() -> None:
    with pytest.raises(ZeroDivisionError), finishing():
        os.kill(os.getpid(), signal.SIGTERM)
        _ = 1 / 0


def test_other_threads_finish_without_asking() -> None:
    done: list[int] = []

    def work() -> None:
        with finishing():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
