"""What a job that runs by itself tells whoever watches it: lines for a log, a file for Prometheus, a ping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cleanup.cli.console import say
from cleanup.cli.options import Watching

if TYPE_CHECKING:
    from cleanup.jobs.fleet import Ended


@contextmanager
def watch(name: str, watching: Watching) -> Iterator[list[Ended]]:
    """Yield where to note how mailboxes ended; file and URL hear of it in the end, also after an error."""
    if watching.metrics_file is None and watching.ping_url is None:
        yield []
        return
    from cleanup.cli.monitoring import watched

    remarks: list[str] = []
    try:
        with watched(name, watching.metrics_file, watching.ping_url) as run:
            remarks = run.remarks
            yield run.ends
    finally:
        for remark in remarks:
            say(remark, level="warning")


def say_end(ended: Ended) -> None:
    """Print the line of one mailbox."""
    text = ended.says if ended.cause is None else f"{ended.name}: {ended.result.value}: {ended.says}"
    say(text, level="info" if ended.cause is None else "error", **facts(ended))


def facts(ended: Ended) -> dict[str, object]:
    """Return what a program may read of the line of one mailbox."""
    took = {"moved": ended.moved, "took_s": round(ended.took_s, 1)}
    return {"mailbox": ended.name, "result": ended.result.value, "cause": ended.cause, **took}
