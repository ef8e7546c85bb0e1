"""`fleet run`: many mailboxes, one after the other and side by side."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cleanup.cli import options as opt
from cleanup.cli.console import logs_json
from cleanup.cli.screen import cells, err, table
from cleanup.cli.watching import say_end
from cleanup.errors import FinishedInPart, UsageError
from cleanup.extras import install_command
from cleanup.report.text import plural

if TYPE_CHECKING:
    from cleanup.jobs.fleet import Ended, Limits, Listed, Shared

fleet = typer.Typer(help="Clean many mailboxes.", rich_markup_mode=None, no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    fleet.callback()(_group)
    fleet.command("run")(opt.grouped(run))
    app.add_typer(fleet, name="fleet")


def _group() -> None:
    """Clean many mailboxes."""


def run(
    watching: opt.Watching,
    mailboxes: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV: a column mailbox, and settings.")] = None,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="SQL that selects the same columns from the ledger.")
    ] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="I/N: only the I-th of N parts, from 0.")] = None,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="Only what failed, as --results says.")] = False,
    results: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV to write how each mailbox ended.")] = None,
    threads: Annotated[int, typer.Option(metavar="N", help="Mailboxes at once.")] = 16,
    per_host: Annotated[int, typer.Option(metavar="N", help="Connections to one server at once.")] = 8,
    deadline_min: Annotated[
        float | None, typer.Option(metavar="MINUTES", help="Begin no mailbox after so many minutes.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address of a Dask scheduler whose workers do it.")
    ] = None,
    spread_min: Annotated[
        float, typer.Option(metavar="MINUTES", help="Begin the mailboxes within so many minutes.")
    ] = 0,
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """File the backscatter of many mailboxes. One line for each, and the failures by cause in the end."""
    from cleanup.cli.console import log_as, say
    from cleanup.cli.watching import watch
    from cleanup.jobs.fleet import Limits, Shared, read_ends, write_ends

    log_as(watching.log_format)
    for option, count in (("--threads", threads), ("--per-host", per_host)):
        if count < 1:
            raise UsageError(f"{option} {count} is too few", hint="It must be 1 at least")
    if only_failed and results is None:
        raise UsageError("--only-failed needs --results", hint="It names the file that the last run wrote")
    before = read_ends(results) if only_failed and results else []
    chosen = _chosen(mailboxes, query, shard, ledger, config)
    if only_failed and not (chosen := _failed(chosen, before, in_part=shard is not None)):
        say("Every mailbox is done: nothing to take up again.")
        return
    limits = Limits(threads, per_host, deadline_min * 60 if deadline_min is not None else None, spread_min * 60)
    name = mailboxes.stem if mailboxes else "fleet"
    with watch(f"{name} {shard}" if shard else name, watching) as noted:
        with fleet_table(len(chosen)) as tell:
            ends = _run(scheduler, chosen, Shared(config, ledger), limits, tell)
        noted += ends
        if results:
            write_ends(results, ends, before=before)
        _conclude(ends, results)


def _conclude(ends: list[Ended], results: Path | None) -> None:
    from cleanup.cli.console import say
    from cleanup.jobs.fleet import by_cause

    failures = by_cause(ends)
    undone = sum(count for _, count, _ in failures)
    say(f"{len(ends) - undone:,} of {len(ends):,} mailboxes are done.")
    for cause, count, example in failures:
        say(f"  {count:,} {cause}: {example}", level="warning", cause=cause, count=count)
    if failures:
        again = [word for word in sys.argv[1:] if word != "--only-failed"] + (["--only-failed"] if results else [])
        say(f"To take them up again: {shlex.join(['mailbox-cleanup', *again])}")
        hint = None if results else "With --results FILE, --only-failed takes up those alone"
        raise FinishedInPart(f"{plural(undone, 'mailbox is', 'mailboxes are')} not done", hint=hint)


def _run(
    scheduler: str | None, chosen: list[Listed], shared: Shared, limits: Limits, tell: Callable[[Ended], None]
) -> list[Ended]:
    from cleanup.jobs.fleet import run_fleet

    if scheduler is None:
        return run_fleet(chosen, shared.settings_of, limits, tell)
    try:
        from cleanup.jobs.fleet.on_dask import run_on_dask
    except ImportError as error:
        raise UsageError("--scheduler needs Dask", hint=install_command("dask")) from error
    return run_on_dask(scheduler, chosen, shared, limits, tell)


def _failed(listed: list[Listed], before: Sequence[Mapping[str, str]], *, in_part: bool) -> list[Listed]:
    """Return what is listed and was not done the last time; say what is no longer listed."""
    from cleanup.cli.console import say
    from cleanup.jobs.fleet import not_done

    failed = not_done(before)
    if not in_part and (gone := failed - {one.name for one in listed}):
        named = ", ".join(sorted(gone)[:3]) + (", ..." if len(gone) > 3 else "")
        say(f"Not done the last time, and not listed now: {len(gone):,} ({named})", level="warning")
    return [one for one in listed if one.name in failed]


def _chosen(
    file: Path | None, query: str | None, shard: str | None, ledger: str | None, config: Path | None
) -> list[Listed]:
    from cleanup.jobs.fleet import read_list, shard_of

    if (file is None) == (query is None):
        raise UsageError("Which mailboxes?", hint="Give either --mailboxes FILE.csv or --query SQL")
    found = read_list(file) if file else _asked(query or "", ledger, config)
    if shard is None:
        return found
    number, _, of = shard.partition("/")
    if not (number.isdigit() and of.isdigit()):
        raise UsageError(f"--shard {shard!r} is not like 0/4")
    return shard_of(found, int(number), int(of))


def _asked(query: str, ledger: str | None, config: Path | None) -> list[Listed]:
    from cleanup.jobs.fleet import mailboxes_of
    from cleanup.ledger import Ledger
    from cleanup.ledger_lookup import find_ledger

    with Ledger.open(find_ledger((), ledger, config), looking=True) as opened:
        return mailboxes_of(opened.rows(query), "the query")


# --- How far a fleet is: a live table on a terminal, one line a mailbox elsewhere -----------------------------------

LATEST = 5  # troubles that stay in sight


@dataclass(slots=True)
class _Standing:
    """How a fleet of `total` mailboxes stands."""

    total: int
    counts: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    troubles: deque[Ended] = field(default_factory=lambda: deque(maxlen=LATEST))
    began_s: float = field(default_factory=time.monotonic)

    def add(self, ended: Ended) -> None:
        self.counts[ended.result.value] += 1
        self.moved += ended.moved
        if ended.cause is not None:
            self.troubles.append(ended)

    def __rich__(self) -> Group:
        ended, took_s = self.counts.total(), time.monotonic() - self.began_s
        rate = ended / took_s if took_s else 0.0
        left = f"{(self.total - ended) / rate / 60:.0f} min left" if ended else "..."
        rows: list[Table | Text] = [Text(f"{ended:,} of {self.total:,} mailboxes, {rate * 60:,.0f} a minute, {left}")]
        counted = table(None, "result", "mailboxes")
        for word, count in self.counts.most_common():
            counted.add_row(*cells(word, f"{count:,}"))
        rows += [counted, Text(f"{self.moved:,} messages filed")]
        if self.troubles:
            latest = table(None, "mailbox", "what happened")
            for one in self.troubles:
                latest.add_row(*cells(one.name, f"{one.result.value}: {one.says}"))
            rows += [Text(), latest]
        return Group(*rows)


@contextmanager
def fleet_table(total: int) -> Iterator[Callable[[Ended], None]]:
    """Yield what hears how each mailbox ended; what it shows on a terminal stays there in the end."""
    console = err()
    if not console.is_terminal or logs_json():
        yield say_end
        return
    standing = _Standing(total)
    with Live(standing, console=console, refresh_per_second=4):
        yield standing.add
