"""A Dask scheduler and some worker processes on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.running import START_TIMEOUT_S, free_port, running


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running scheduler, and its workers' processes."""

    address: str
    workers: list[subprocess.Popen[bytes]]
    log: Path

    def said(self) -> str:
        """Return everything that scheduler and workers logged."""
        return "".join(file.read_text(errors="replace") for file in self.log.iterdir())


@contextlib.contextmanager
def a_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Yield a cluster whose workers are all there; its files lie in a folder."""
    port, logs = free_port(), folder / "dask"
    logs.mkdir()
    dask = Path(sys.executable).parent / "dask"
    address = f"tcp://127.0.0.1:{port}"
    schedule = [dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    with running(schedule, logs / "scheduler.log", port=port), contextlib.ExitStack() as stack:
        work = [str(dask), "worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        work += ["--local-directory", str(folder)]
        started = []
        for number in range(workers):
            log = stack.enter_context((logs / f"worker{number}.log").open("wb"))
            started.append(subprocess.Popen(work, stdout=log, stderr=log, cwd=folder))
            stack.callback(started[-1].wait, 60)
            stack.callback(started[-1].terminate)
        _wait_for_workers(logs / "scheduler.log", workers)
        yield Cluster(address, started, logs)


def _wait_for_workers(log: Path, workers: int) -> None:
    give_up = time.monotonic() + START_TIMEOUT_S
    while log.read_text().count("Register worker") < workers:
        assert time.monotonic() < give_up, log.read_text()
        time.sleep(0.1)
