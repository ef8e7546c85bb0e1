"""`history` and `forget`: what the ledger holds, and how to shorten it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError, option_words

if TYPE_CHECKING:
    from cleanup.ledger import RunRecord

_STATES = {
    "intended": "not settled: the next run looks where they are",
    "unclear": "unclear: the next run looks where they are",
    "moved": "moved, still in {target}",
    "kept": "where they were; they could not be moved",
    "taken": "in neither folder; somebody moved or deleted them",
    "undone": "back where they were, by undo",
    "returned": "back where they were, moved by hand",
    "lost_sight": "in neither folder any more; somebody moved or deleted them",
}

history = typer.Typer(help="Show what was done, and shorten what is kept.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    history.callback(invoke_without_command=True)(show_all)
    history.command("show")(show)
    history.command("prune")(prune)
    app.add_typer(history, name="history")
    app.command("forget")(forget)


def show_all(
    context: typer.Context,
    mailbox: Annotated[str | None, typer.Option(metavar="MAILBOX", help="A profile or an address.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many runs.")] = 20,
    form: opt.RowsFormat = "table",
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """Show the latest runs."""
    if context.invoked_subcommand is None:
        from cleanup.ledger_lookup import looking_back

        opt.one_of("format", form, opt.ROWS_FORMATS)
        with looking_back((mailbox,) if mailbox else (), ledger, config) as (opened, names):
            _print_runs(opened.runs(next(iter(names), None), limit=limit), form)


def show(
    run: Annotated[int, typer.Argument(metavar="RUN", help="The number of a run.")],
    form: opt.RowsFormat = "table",
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """Show one run. What it found, what it moved, and what became of that."""
    from cleanup.cli.render import print_rows
    from cleanup.ledger import Ledger
    from cleanup.ledger_lookup import find_ledger, no_such_run
    from cleanup.report.text import local_time

    opt.one_of("format", form, opt.ROWS_FORMATS)
    with Ledger.open(find_ledger((), ledger, config), looking=True) as opened:
        record, moved = opened.run(run), opened.moves(run_id=run)
    if record is None:
        raise no_such_run(f"There is no run {run}", ledger, config)
    rows = [
        {"uid": m.intent.uid, "from": m.intent.source, "to": m.intent.target, "state": m.state.value} for m in moved
    ]
    if form != "table":
        print_rows([_row(record) | {"moves": rows}], form)
        return
    times = {"started": record.started, "finished": record.finished}
    local = {name: local_time(time, zone=True) for name, time in times.items() if time}
    said = {key.replace("_", " "): value for key, value in (_row(record) | local).items() if value not in (None, "")}
    _print_table([[key, value] for key, value in said.items()], ("", ""))
    states = Counter(_STATES[m.state.value].format(target=m.intent.target) for m in moved)
    _print_table([[count, state] for state, count in states.items()], ("moves", "of which now"))


def prune(
    keep: Annotated[str, typer.Option(metavar="AGE", help="Keep what is younger: 180d, 12w, or ISO 8601.")],
    yes: opt.Yes = False,
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """Drop what old runs found: subjects, addresses, reasons. Runs and moves stay, so undo still works."""
    from cleanup.cli.console import confirmed, say
    from cleanup.ledger import Ledger
    from cleanup.ledger.retention import prune as drop
    from cleanup.ledger_lookup import find_ledger
    from cleanup.report.text import local_time

    before = opt.since(keep, datetime.now(UTC), "--keep")
    if not confirmed(f"Drop what runs before {local_time(before, zone=True)} found?", yes=yes):
        say("Nothing was dropped.")
        return
    with Ledger.open(find_ledger((), ledger, config)) as opened:
        removed = drop(opened, before)
    say(f"{removed.findings:,} findings and {removed.runs:,} runs without moves were dropped.")


def forget(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="Whose data to drop: the address of a mailbox, or of anybody who wrote to one."
        ),
    ],
    yes: opt.Yes = False,
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """Drop a person's data from the ledger. Mail is not touched; what was filed can then not be undone by a command."""
    from cleanup.cli.console import command_line, confirmed, say
    from cleanup.ledger import Ledger
    from cleanup.ledger.retention import forget as drop
    from cleanup.ledger_lookup import find_ledger
    from cleanup.lock import hold_mailbox, name_of

    if "@" not in address:
        raise UsageError(f"{address!r} is not an e-mail address")
    if not confirmed(f"Drop everything that the ledger holds of {address}?", yes=yes):
        say("Nothing was dropped.")
        return
    where = find_ledger((address,), ledger, config)
    held = hold_mailbox(*name_of(address), "mailbox-cleanup forget")  # or a run would write on in what is dropped
    with held, Ledger.open(where) as opened, opened.exclusive(address):
        removed = drop(opened, address)
    say(f"{removed.findings:,} rows and {removed.runs:,} runs of {address} were dropped.")
    for other in removed.addresses:
        again = command_line(["forget", other, *option_words(config=config, ledger=ledger)])
        say(f"The same mailbox is in the ledger as {other}, too. To drop that:\n  {again}")


# --- pieces --------------------------------------------------------------------------------------------------------


def _print_runs(records: list[RunRecord], form: str) -> None:
    from cleanup.cli.console import say
    from cleanup.cli.render import print_rows
    from cleanup.cli.screen import out, print_list
    from cleanup.report.text import local_time, local_zone

    rows = [_row(record) for record in records]
    if form != "table":
        print_rows(rows, form)
    elif not rows:
        say("The ledger holds no run yet.")
    else:
        counted = ("notices", "filed", "put_back")
        columns = ("run", "started", "command", "status", *counted)
        groups: dict[str, list[list[str]]] = {}
        for record, row in zip(records, rows, strict=True):
            # a run that failed before it found anything shows the error's code (docs/exit-codes.md)
            seen = row | {"started": local_time(record.started), "status": row["error"] or row["status"]}
            cells = ["" if seen[column] is None else str(seen[column]) for column in columns]
            groups.setdefault(row["mailbox"], []).append(cells)
        headings = [column.replace("_", " ") for column in columns]
        headings[1] += f" ({local_zone(records[0].started)})"
        print_list(out(), headings, groups, numbers=["run", "notices", "filed", "put back"])


def _row(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.run_id,
        "mailbox": record.mailbox,
        "command": record.command,
        "started": f"{record.started:%Y-%m-%dT%H:%M:%SZ}",
        "finished": f"{record.finished:%Y-%m-%dT%H:%M:%SZ}" if record.finished else None,
        "status": record.status,
        "error": record.options.get("error"),
        "says": record.options.get("says"),
        "actor": record.actor,
        "answer": record.options.get("answer"),
        "messages": record.counts.get("messages"),
        "notices": record.counts.get("notices"),
        "genuine": record.counts.get("genuine"),
        "backscatter": record.counts.get("backscatter"),
        "unsure": record.counts.get("unsure"),
        "filed": record.filed_once if record.command == "run" else None,
        "put_back": record.put_back,
        "filed_now": record.filed,
    }


def _print_table(rows: list[list[Any]], columns: Sequence[str], numbers: Collection[str] = ()) -> None:
    from cleanup.cli.screen import cells, out, table

    if rows:
        shown = table(None, *columns, numbers=numbers)
        shown.show_header = any(columns)
        for row in rows:
            shown.add_row(*cells(*("" if value is None else value for value in row)))
        out().print(shown)
