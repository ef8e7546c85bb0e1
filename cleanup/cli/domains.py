"""`domains` and `sieve`: what a mail admin can do about backscatter, from the ledger. Nothing is sent or changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError, option_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cleanup.config import MailboxSettings
    from cleanup.report.summary.domains import DomainSummary, Letter
    from cleanup.report.summary.frames import Frames
    from cleanup.report.summary.sieve import Campaign, Trial


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("domains")(domains)
    app.command("sieve")(opt.grouped(sieve))


def domains(
    letter: Annotated[
        str | None,
        typer.Option(
            metavar="ORGANISATION", help="Print the letter to this organisation's postmaster, and nothing else."
        ),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="30d, 12h, 2w, today, or ISO 8601.")] = None,
    ledger: opt.LedgerAt = None,
    config: opt.Config = None,
    now: Annotated[
        str | None, typer.Option(metavar="WHEN", help="ISO 8601: as of this moment.", show_default=False)
    ] = None,
) -> None:
    """Say for each domain who forges it, and what would help. Also who sends the backscatter."""
    from cleanup.cli.console import say
    from cleanup.report.summary.domains import by_domain

    summaries = by_domain(_frames((), ledger, config, since, opt.clock(now)))
    if letter is not None:
        sys.stdout.write(_letter(summaries, letter).text)
        return
    if not summaries:
        say("The ledger holds no backscatter from that time.")
    for summary in summaries:
        _print(summary, option_words(config=config, ledger=ledger))


def sieve(
    mailbox: opt.Mailbox,
    rules: opt.Rules,
    reach: opt.Reach,
    stored: Annotated[
        bool, typer.Option("--stored", help="Try it on the ledger's subjects only, without a look at the mailbox.")
    ] = False,
) -> None:
    """Print a narrow Sieve rule for each campaign that is running. It ends by itself; nothing is installed.

    The rule is tried first on the bounces in the mailbox; one that would catch a genuine bounce is not printed.
    """
    from cleanup.access import host_of
    from cleanup.cli.console import say
    from cleanup.config import identity_of, ledger_of
    from cleanup.report.summary.sieve import SieveRule, running_campaigns, script, sieve_rule

    settings, moment = opt.settings_for(mailbox, reach, rules), opt.clock(rules.now)
    own_hosts = tuple(sorted(host for host in identity_of(settings).outbound_hosts if "/" not in host))
    frames = _frames((mailbox,), ledger_of(settings), reach.config, None, moment)
    campaigns = running_campaigns(frames, now=moment)
    if not campaigns:
        say("No forged campaign is running: none with 20 bounces or more in the last 24 hours.")
        return
    by_subjects = stored or host_of(settings) is None
    if by_subjects:
        why = "" if stored else " For whole mail, name the mailbox's --host."
        say(f"The trial sees only the stored subjects, not everything that the rule looks at.{why}")
    trials = [None] * len(campaigns) if by_subjects else _tried(settings, frames, campaigns, own_hosts, reach.quiet)
    rules_made: list[SieveRule] = []
    for campaign, tried in zip(campaigns, trials, strict=True):
        rule = sieve_rule(frames, campaign, now=moment, folder=settings.target, own_hosts=own_hosts, tried=tried)
        if rule.text is None:
            say(f"No rule for the campaign {campaign.key!r}: {rule.refused}")
            continue
        say(f"Tried {rule.trial.tried_on()}, it {rule.trial.in_words()}.")
        rules_made.append(rule)
    sys.stdout.write(script(rules_made))


# --- pieces --------------------------------------------------------------------------------------------------------


def _tried(
    settings: MailboxSettings, frames: Frames, campaigns: Sequence[Campaign], own_hosts: Sequence[str], quiet: bool
) -> tuple[Trial, ...]:
    from cleanup.access import account_of
    from cleanup.cli.console import progress_bars
    from cleanup.jobs.sieve_trial import try_rules

    account = account_of(settings, ask=opt.ask_password)
    with progress_bars(quiet) as bars:
        return try_rules(account, settings, frames, campaigns, own_hosts, bars)


def _frames(
    mailboxes: tuple[str, ...], ledger: str | None, config: Path | None, since: str | None, moment: datetime
) -> Frames:
    from cleanup.ledger_lookup import looking_back
    from cleanup.report.summary.frames import load

    with looking_back(mailboxes, ledger, config) as (opened, names):
        return load(opened, names, since=opt.since(since, moment) if since else None)


def _letter(summaries: tuple[DomainSummary, ...], wanted: str) -> Letter:
    letters = [letter for summary in summaries for letter in summary.letters]
    found = next((letter for letter in letters if letter.organisation == wanted.lower()), None)
    if found is None:
        names = ", ".join(dict.fromkeys(letter.organisation for letter in letters)) or "none"
        raise UsageError(f"There is no letter to {wanted!r}", hint=f"There are letters to: {names}")
    return found


def _print(summary: DomainSummary, to_ledger: Sequence[str] = ()) -> None:
    from rich.padding import Padding

    from cleanup.cli.console import print_command
    from cleanup.cli.report import print_section
    from cleanup.cli.screen import cells, out
    from cleanup.report.text import safe_text

    console = out()
    console.print(*cells(f"{summary.domain}; times are local"), style="bold")
    console.print(*cells(summary.says))
    for section in summary.sections:
        print_section(console, section)
    console.print("\nWhat would help", style="bold")
    for measure in summary.measures:
        console.print(*cells(f"  * {measure.name}:"))
        console.print(Padding(safe_text(measure.says, limit=600), (0, 0, 0, 4)))
    for letter in summary.letters:
        words = ["domains", "--letter", letter.organisation, *to_ledger]
        print_command(console, f"\nA letter to {safe_text(letter.to)}, to paste", words)
    console.print()
