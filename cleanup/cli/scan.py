"""`scan`: look at a mailbox or at archived mail; change nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("scan")(opt.grouped(scan))


def scan(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A profile, an address, or a path: .eml folder, mbox, Maildir.")
    ],
    rules: opt.Rules,
    reach: opt.Reach,
    sent: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Archived sent mail (a path); repeatable.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="File only what arrived since: 12h, 2d, today, or ISO 8601.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what is new since a run.")] = False,
    form: opt.RowsFormat = "table",
) -> None:
    """Look, and change nothing: verdicts, reasons and the plan. `run` would carry out that very plan."""

    opt.one_of("format", form, opt.ROWS_FORMATS)
    if since and Path(source).exists():
        raise UsageError("--since goes with a mailbox on a server", hint="Archived mail is only looked at")
    if Path(source).exists():
        _scan_archive(Path(source), sent or [], rules, form)
    elif os.sep in source and "@" not in source:
        raise UsageError(f"There is no file or folder {source!r}")
    elif sent:
        raise UsageError(
            f"There is no path {source!r}", hint="--sent goes with archived mail; on a server: --sent-folder"
        )
    else:
        _scan_mailbox(source, rules, reach, form, full, since)


def _scan_archive(path: Path, sent: list[Path], rules: opt.Rules, form: str) -> None:
    from cleanup.cli.render import print_scanned
    from cleanup.jobs.archive_scan import scan_archive

    who, policy, since = opt.offline_rules(rules)
    now, network = opt.clock(rules.now), opt.network(rules)
    print_scanned(scan_archive(path, sent, who, policy, now=now, complete_since=since, network=network), form)


def _scan_mailbox(mailbox: str, rules: opt.Rules, reach: opt.Reach, form: str, full: bool, since: str | None) -> None:
    from cleanup.access import account_of
    from cleanup.cli.console import print_command, progress_bars
    from cleanup.cli.render import print_look
    from cleanup.cli.screen import out
    from cleanup.jobs.run import look_at

    settings = opt.settings_for(mailbox, reach, rules)
    account, now = account_of(settings, ask=opt.ask_password), opt.clock(rules.now)
    begin = opt.since(since, now) if since else None
    with progress_bars(reach.quiet) as progress:
        seen = look_at(account, settings, now=now, progress=progress, full=full, since=begin)
    print_look(seen, form, opt.to_ledger(reach))
    if form == "table" and seen.plan.let_through().moves and not seen.plan.let_through().refusals:
        print_command(out(), "\nNext, to move them", opt.as_typed("run"))
