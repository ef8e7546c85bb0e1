"""`undo`: put back what a run filed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import FinishedInPart, UsageError
from cleanup.report.text import plural

if TYPE_CHECKING:
    from cleanup.ledger_lookup import FoundRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("undo")(opt.grouped(undo))


def undo(
    reach: opt.Reach,
    which: Annotated[str, typer.Argument(metavar="RUN", help="The number of a run, or 'last'.")] = "last",
    mailbox: Annotated[
        str | None, typer.Option(metavar="MAILBOX", help="A profile or an address.", show_default=False)
    ] = None,
    yes: opt.Yes = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="All runs since: 17:30, 2h, today, or ISO 8601.", show_default=False),
    ] = None,
    only: Annotated[
        list[int] | None, typer.Option(metavar="UID", help="Put back only what had this UID; repeatable.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Put back only what this holds for, over the columns of `report --frame bounces`.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Put back what a run filed: folder, flags and dates as they were."""
    from cleanup.ledger_lookup import find_run, find_runs_since

    if since is None:
        found = find_run(which, mailbox, reach.ledger, reach.config)
        whole = [_undo_one(found, None if which == "last" else found.run_id, reach, mailbox, yes, only, where)]
    elif which != "last" or only:
        raise UsageError("--since goes with neither a run nor --only", hint="Leave out one of them")
    else:
        runs = find_runs_since(opt.since(since, opt.clock(None)), mailbox, reach.ledger, reach.config)
        whole = [_undo_one(one, one.run_id, reach, mailbox, yes, None, where) for one in runs]
    if not all(whole):
        raise FinishedInPart("Some messages were not put back", hint="They are named above")


def _undo_one(
    found: FoundRun,
    run_id: int | None,
    reach: opt.Reach,
    mailbox: str | None,
    yes: bool,
    only: list[int] | None,
    where: str | None,
) -> bool:
    """Put back what one run filed, or the last one where no `run_id` is given; return whether all came back."""
    from cleanup.access import account_of
    from cleanup.cli.console import confirmed, progress_bars, say
    from cleanup.jobs.undo import undo_run
    from cleanup.ledger_lookup import which_fit

    settings = opt.settings_for(mailbox or found.mailbox, replace(reach, ledger=found.ledger))
    account = account_of(settings, ask=opt.ask_password)
    said = f"Run {found.run_id} left nothing to put back."
    with progress_bars(reach.quiet) as bars:

        def chosen(run_id: int, count: int) -> tuple[int, ...] | None:
            nonlocal said
            bars.stop()
            uids = tuple(only or ())
            if where is not None:
                uids += which_fit(run_id, where, found.ledger)
            said = "Nothing was put back."
            question = f"Put back {plural(len(uids) or count, 'message')} that run {run_id} moved?"
            return uids if confirmed(question, yes=yes) else None

        outcome = undo_run(account, settings, run_id, chosen=chosen, progress=bars)
    if outcome is None:
        say(said)
        return True
    if only and not (outcome.put_back or outcome.not_put_back):
        raise UsageError(f"Run {outcome.undone_run} moved no message that had such a UID")
    say(outcome.in_words())
    return not outcome.not_put_back
