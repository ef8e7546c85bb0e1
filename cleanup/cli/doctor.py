"""`doctor`: everything that a run needs, stage by stage."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt

if TYPE_CHECKING:
    from cleanup.jobs.doctor import Check


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(opt.grouped(doctor))


def doctor(
    mailbox: opt.Mailbox,
    rules: opt.Rules,
    reach: opt.Reach,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a stage.")] = False,
) -> None:
    """Check everything that a run needs, and say what to do. Nothing is changed."""
    from cleanup.cli.console import progress_bars
    from cleanup.jobs import doctor as stages

    failed = None
    load = lambda: opt.settings_for(mailbox, reach, rules)  # noqa: E731 - called as the second stage, with its time
    with progress_bars(reach.quiet) as bars:
        for check in stages.examine(load, ask=opt.ask_password, now=opt.clock(rules.now), progress=bars):
            bars.stop()
            if as_json:
                sys.stdout.write(json.dumps(stages.as_json(check)) + "\n")
            else:
                _print(check)
            failed = check.error
    if failed is not None:
        raise typer.Exit(int(failed.exit_code))


def _print(check: Check) -> None:
    from cleanup.cli.screen import ALARM, WARNING, out, print_hanging

    console = out()
    mark, style = ("FAILED", ALARM) if check.error else ("WARN", WARNING) if check.warning else ("ok", "")
    lines = [*check.says, *([check.warning] if check.warning else [])]
    if check.error:
        lines.append(f"{check.error} [{check.error.code}]")
    lead = f"{mark:<7}{check.stage:<14}{check.took_ms:>5} ms  "
    for number, line in enumerate(lines):
        print_hanging(console, " " * len(lead) if number else lead, line, style=style)
