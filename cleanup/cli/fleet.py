"""`fleet run`: many mailboxes, one after the other and side by side."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import FinishedInPart, UsageError
from cleanup.extras import install_command

if TYPE_CHECKING:
    from cleanup.fleet import Ended, Limits, Listed, Shared

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
    mailboxes: Annotated[Path | None, typer.Option(help="CSV: a column mailbox, and settings.")] = None,
    query: Annotated[str | None, typer.Option(help="SQL that selects the same columns from the ledger.")] = None,
    shard: Annotated[str | None, typer.Option(help="I/N: only the I-th of N parts, from 0.")] = None,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="Only what failed, as --results says.")] = False,
    results: Annotated[Path | None, typer.Option(help="CSV to write how each mailbox ended.")] = None,
    threads: Annotated[int, typer.Option(help="Mailboxes at once.")] = 16,
    per_host: Annotated[int, typer.Option(help="Connections to one server at once.")] = 8,
    deadline_min: Annotated[float | None, typer.Option(help="Begin no mailbox after so many minutes.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers do it.")] = None,
    spread_min: Annotated[float, typer.Option(help="Begin the mailboxes within so many minutes.")] = 0,
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.")] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Ledger file or database URL.")] = None,
) -> None:
    """File the backscatter of many mailboxes. One line for each, and the failures by cause in the end."""
    from cleanup.cli.fleet_table import fleet_table
    from cleanup.cli.talk import log_as
    from cleanup.cli.watching import watch
    from cleanup.fleet import Limits, Shared, write_ends

    log_as(watching.log_format)
    _check_counts({"--threads": threads, "--per-host": per_host})
    chosen = _chosen(mailboxes, query, shard, results if only_failed else None, only_failed, ledger)
    limits = Limits(threads, per_host, deadline_min * 60 if deadline_min is not None else None, spread_min * 60)
    name = mailboxes.stem if mailboxes else "fleet"
    with watch(f"{name} {shard}" if shard else name, watching) as noted:
        with fleet_table(len(chosen)) as tell:
            ends = _run(scheduler, chosen, Shared(config, ledger), limits, tell)
        noted += ends
        if results:
            write_ends(results, ends)
        _conclude(ends)


def _conclude(ends: list[Ended]) -> None:
    from cleanup.cli.talk import say
    from cleanup.fleet import by_cause

    failures = by_cause(ends)
    undone = sum(count for _, count, _ in failures)
    say(f"{len(ends) - undone:,} of {len(ends):,} mailboxes are done.")
    for cause, count, example in failures:
        say(f"  {count:,} {cause}: {example}", level="warning", cause=cause, count=count)
    if failures:
        raise FinishedInPart(f"{undone:,} mailboxes are not done", hint=_how_to_go_on(sys.argv[1:]))


def _how_to_go_on(words: Sequence[str]) -> str:
    """Return what takes up again what is not done: the same command, if it wrote down how each mailbox ended."""
    if not any(word.partition("=")[0] == "--results" for word in words):
        return "With --results FILE, --only-failed takes up just these the next time"
    return shlex.join(["mailbox-cleanup", *words, *([] if "--only-failed" in words else ["--only-failed"])])


def _run(
    scheduler: str | None, chosen: list[Listed], shared: Shared, limits: Limits, tell: Callable[[Ended], None]
) -> list[Ended]:
    from cleanup.fleet import run_fleet

    if scheduler is None:
        return run_fleet(chosen, shared.settings_of, limits, tell)
    try:
        from cleanup.fleet.on_dask import run_on_dask
    except ImportError as error:
        raise UsageError("--scheduler needs Dask", hint=install_command("dask")) from error
    return run_on_dask(scheduler, chosen, shared, limits, tell)


def _check_counts(counts: Mapping[str, int]) -> None:
    for option, count in counts.items():
        if count < 1:
            raise UsageError(f"{option} {count} is too few", hint="It must be 1 at least")


def _chosen(
    file: Path | None, query: str | None, shard: str | None, last: Path | None, only_failed: bool, ledger: str | None
) -> list[Listed]:
    from cleanup.fleet import read_failed, read_list, shard_of

    if (file is None) == (query is None):
        raise UsageError("Which mailboxes?", hint="Give either --mailboxes FILE.csv or --query SQL")
    found = read_list(file) if file else _asked(query or "", ledger)
    if only_failed:
        if last is None:
            raise UsageError("--only-failed needs --results", hint="It names the file that the last run wrote")
        failed = read_failed(last)
        found = [one for one in found if one.name in failed]
    if shard is None:
        return found
    number, _, of = shard.partition("/")
    if not (number.isdigit() and of.isdigit()):
        raise UsageError(f"--shard {shard!r} is not like 0/4")
    return shard_of(found, int(number), int(of))


def _asked(query: str, ledger: str | None) -> list[Listed]:
    from cleanup.config import default_ledger
    from cleanup.fleet import listed
    from cleanup.ledger import Ledger

    with Ledger.open(ledger or default_ledger()) as opened:
        return listed(opened.rows(query), "the query")
