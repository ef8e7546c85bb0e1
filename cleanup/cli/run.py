"""`run`: file the backscatter of one mailbox."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleanup.cli import options as opt
from cleanup.errors import CleanupError, ExitCode, FinishedInPart, SafetyStop, SentCannotVouch
from cleanup.report.text import plural

if TYPE_CHECKING:
    from cleanup.jobs.idle_check import Look
    from cleanup.jobs.result import Done
    from cleanup.model import FilingPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(opt.grouped(run))


def run(
    mailbox: opt.Mailbox,
    rules: opt.Rules,
    reach: opt.Reach,
    watching: opt.Watching,
    yes: opt.Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Print the plan and change nothing.")] = False,
    max_moves: Annotated[
        int | None,
        typer.Option(metavar="N", help="Move more only if you agree; with --yes, refuse.", show_default="500"),
    ] = None,
    max_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The same for a larger share of the folder; 20 messages always pass.",
            show_default="0.2",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="File only what arrived since: 12h, 2d, today, or ISO 8601.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Judge anew what an undo put back, and file it.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read everything, not only what is new.")] = False,
    digest: Annotated[
        str | None, typer.Option(metavar="WHERE", help="folder, inbox or never.", show_default="folder")
    ] = None,
    strict_review: Annotated[bool, typer.Option("--strict-review", help="Exit with 4 if unsure ones wait.")] = False,
    form: opt.RowsFormat = "table",
) -> None:
    """File the backscatter of one mailbox: look, ask, move, write down."""
    from cleanup.access import account_of
    from cleanup.cli.console import command_line, confirmed, log_as, must_be_answerable, progress_bars, say
    from cleanup.cli.watching import facts, watch
    from cleanup.jobs.fleet.results import Ended
    from cleanup.jobs.run import look_at, run_mailbox

    log_as(watching.log_format)
    opt.one_of("format", form, opt.ROWS_FORMATS)
    limits = {"max_moves": max_moves, "max_share": max_share}
    settings = opt.settings_for(mailbox, reach, rules, digest=digest, policy=limits)
    must_be_answerable(yes=yes or dry_run)
    account = account_of(settings, ask=opt.ask_password)
    now = opt.clock(rules.now)
    how: Any = {"now": now, "again": again, "full": full, "since": opt.since(since, now) if since else None}

    if dry_run:
        with progress_bars(reach.quiet) as bars:
            seen = look_at(account, settings, progress=bars, **how)
        _print(seen, form, reach)
        return

    with watch(settings.address, watching) as ends, progress_bars(reach.quiet) as bars:

        def agreed(look: Look) -> bool:
            bars.stop()
            if not yes:
                _print(look, form, reach)
            return confirmed(_question(look), yes=yes)

        senders = ["senders", mailbox, *opt.to_ledger(reach)]
        began_s = time.monotonic()
        try:
            done = run_mailbox(account, settings, agreed=agreed, may_exceed=not yes, progress=bars, **how)
        except CleanupError as error:
            bars.stop()
            _close(error.done, time.monotonic() - began_s, reach, senders)
            raise
        bars.stop()  # also where nobody was asked: what is printed beside bars that stand is overwritten
        ends.append(Ended.of(settings.address, done, time.monotonic() - began_s))
        if not _close(done, ends[-1].took_s, reach, senders):
            line = done.in_words(lambda number: command_line(_undo_words(number, reach)), command_line(senders))
            say(line, level="info", **facts(ends[-1]))
    _exit_as(done, strict_review)


def _print(look: Look, form: str, reach: opt.Reach) -> None:
    from cleanup.cli.render import print_look

    print_look(look, form, opt.to_ledger(reach))


def _close(done: object, took_s: float, reach: opt.Reach, senders: list[str]) -> bool:
    """Print on a terminal what a run did, also one that was stopped, and what takes it back; return whether it did."""
    from cleanup.cli.console import logs_json
    from cleanup.jobs.result import Done

    if not isinstance(done, Done) or logs_json() or not sys.stderr.isatty():
        return False
    from cleanup.cli.console import print_command
    from cleanup.cli.render import print_closing
    from cleanup.cli.screen import err

    print_closing(err(), done, took_s)
    for what, number in done.undoes():
        print_command(err(), what, _undo_words(number, reach))
    if done.look.questions:
        from cleanup.detector.sender_questions import foremost

        if foremost(done.look.questions):
            print_command(err(), "To say who sends for you", senders)
    return True


def _undo_words(run_id: int, reach: opt.Reach) -> list[str]:
    return ["undo", str(run_id), *opt.as_words(reach)]


def _question(look: Look) -> str:
    """Return what a person is asked before anything is moved: with all numbers where a limit is met."""
    from cleanup.model import Kind, Verdict

    plan = look.plan
    count = len(plan.moves)
    if plan.limits is None:
        return f"Move {plural(count, 'message')} to {plan.target}?"
    planned = {move.ref for move in plan.moves}
    chosen = [one for one in look.judged if one.ref in planned]
    leaning = sum(one.finding.verdict is not Verdict.BACKSCATTER for one in chosen)
    alike = all(one.notice.kind is Kind.NDR for one in chosen)
    one, many = ("is a forged bounce", "are forged bounces") if alike else ("answers forged mail", "answer forged mail")
    probably = f" ({leaning:,} of them only probably)" if leaning else ""
    among = f"{count:,} of {plural(plan.limits.of, 'message')}"
    return f"{among} {one if count == 1 else many}{probably}. File {'it' if count == 1 else 'them'}?"


def _exit_as(done: Done, strict_review: bool) -> None:
    plan = done.look.plan
    if plan.refusals and plan.moves:
        why = " ".join(plan.refusals).rstrip(".")
        raise SafetyStop("Nothing was moved", why=why).going_on("To file them all the same", _past_limits(plan))
    if done.not_moved:
        what = plural(done.not_moved, "message")
        raise FinishedInPart(f"{what} could not be moved", hint="Run again; it carries on from here")
    if silent := done.cannot_judge:
        from cleanup.jobs.fleet.results import NOTHING_JUDGED

        raise SentCannotVouch(silent.rstrip("."), hint=NOTHING_JUDGED)
    if strict_review and done.waiting:
        raise typer.Exit(int(ExitCode.REVIEW_WAITS))


def _past_limits(plan: FilingPlan) -> list[str]:
    """Return this command with limits that the plan just keeps to; nothing where more than limits is in the way."""
    if plan.limits is None:
        return []
    least = {"--max-moves": plan.limits.max_moves, "--max-share": plan.limits.max_share}
    given = {option: f"{value:g}" for option, value in least.items() if value is not None}
    return opt.as_typed("run", *(word for pair in given.items() for word in pair), without=given)
