"""`report`: what the ledger tells, as a table, a page or data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from cleanup.report.summary.frames import Frames
    from cleanup.report.summary.tables import Section

FORMATS = ("table", "md", "html", "csv", "json", "jsonl", "parquet", "xlsx")
MOST_ROWS = 10
# Of sections: the column that is said once for all rows that share it, those that come first, those that are left out.
_AS_A_LIST = {
    "undelivered": ("Why", ("UID", "When", "To"), ("Status",)),
    "unsure": ("Because", ("UID", "When", "From"), ()),
    "runs": ("", (), ("Version",)),
}
FRAMES = ("notices", "bounces", "reasons", "runs", "moves", "sent_coverage", "sent_sources", "labels")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(opt.grouped(report))


def report(
    mailboxes: Annotated[
        list[str] | None, typer.Argument(metavar="MAILBOX", help="Profiles or addresses; none: all in the ledger.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="30d, 12h, 2w, today, or ISO 8601.")] = None,
    run: Annotated[int | None, typer.Option(metavar="RUN", help="One run alone.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help=", ".join(FORMATS) + ".")] = "table",
    output: opt.Output = None,
    frame: Annotated[str, typer.Option(metavar="FRAME", help="Which frame csv, jsonl and parquet hold.")] = "notices",
    anonymous: Annotated[bool, typer.Option("--anonymize", help="Leave out names and addresses.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
    now: Annotated[
        str | None, typer.Option(metavar="WHEN", help="ISO 8601: report as of this moment.", show_default=False)
    ] = None,
) -> None:
    """Say what was found and done. For people as a table or a page, for programs as data."""
    _check(form, frame, output, open_it)
    moment = opt.clock(now)
    begin = opt.since(since, moment) if since else None

    from cleanup.cli.console import progress_bars
    from cleanup.ledger_lookup import looking_back, no_such_run
    from cleanup.report.summary.anonymize import anonymize
    from cleanup.report.summary.frames import load

    # a large ledger takes a while to be read and drawn, and a person must not sit before a silent screen
    with progress_bars(quiet=False) as bars:
        bars("Reading the ledger", 0, 1)
        with looking_back(tuple(mailboxes or ()), ledger, config) as (opened, names):
            if run is not None and opened.run(run) is None:
                raise no_such_run(f"There is no run {run}", ledger, config)
            frames = load(opened, names, since=begin, run=run)
        if anonymous:
            frames = anonymize(frames)
        bars("Reading the ledger", 1, 1)
        if form == "table":
            bars.stop()
            _print(frames, moment)
            return
        bars("Writing the report", 0, 1)
        made = _rendered(frames, form, frame, moment)
    _write(made, output, open_it)


def _check(form: str, frame: str, output: Path | None, open_it: bool) -> None:
    opt.one_of("format", form, FORMATS)
    opt.one_of("frame", frame, FRAMES)
    if open_it and output is None:
        raise UsageError("--open shows a file", hint="Name it with --output")
    if form in ("parquet", "xlsx") and output is None and sys.stdout.isatty():
        raise UsageError(f"{form} is no text for a terminal", hint="Name a file with --output")


def write_html(ledger: str, output: Path, moment: datetime) -> None:
    """Write the report of everything in a ledger as one page."""
    from cleanup.ledger import Ledger
    from cleanup.report.summary.frames import load

    with Ledger.open(ledger) as opened:
        _write(_rendered(load(opened), "html", "notices", moment), output, open_it=False)


def _rendered(frames: Frames, form: str, frame: str, moment: datetime) -> bytes:
    from cleanup.report.summary import export
    from cleanup.report.summary.html import render_html
    from cleanup.report.summary.summarize import summarize

    if form == "html":
        return render_html(summarize(frames, now=moment), frames).encode()
    if form == "md":
        return export.render_markdown(summarize(frames, now=moment)).encode()
    if form in ("xlsx", "json"):
        return export.render_xlsx(frames) if form == "xlsx" else export.render_json(frames).encode()
    chosen = getattr(frames, frame)
    if form == "parquet":
        return export.render_parquet(chosen)
    return (export.render_csv(chosen) if form == "csv" else export.render_jsonl(chosen)).encode()


def _write(made: bytes, output: Path | None, open_it: bool) -> None:
    from cleanup.cli.console import say, write_out

    write_out(made, output)
    if output is None:
        return
    if open_it and not shows(output):
        say(f"Written to {output.absolute()}; there is no browser here to show it")
    else:
        say(f"Written to {output}")


def _print(frames: Frames, moment: datetime) -> None:
    """Print the summary as tables: headline, what to do, what needs a person, the rest."""
    from cleanup.cli.screen import out, print_hanging
    from cleanup.report.summary.summarize import summarize
    from cleanup.report.text import in_local_time, local_zone, safe_text

    summary, console = summarize(frames, now=moment), out()
    zone = local_zone(summary.span[1] if summary.span else moment)
    console.print(f"{safe_text(summary.title)}; all times are {zone}", style="bold")
    console.print(safe_text(summary.headline, limit=600) + "\n")
    console.print(f"{summary.totals.in_words()}\n")
    console.print("What you need to do:")
    for line in summary.to_do:
        print_hanging(console, "  * ", in_local_time(line))
    for section in summary.sections:
        print_section(console, section)


def print_section(console: Console, section: Section) -> None:
    """Print the first rows of a section, those of one reason together."""
    from cleanup.cli.screen import print_list
    from cleanup.report.summary.export import shown

    console.print(f"\n{section.title}", style="bold")
    counted = [str(name) for name in section.table.select_dtypes("number").columns]
    most = len(section.table) if section.name == "undelivered" else MOST_ROWS  # those are the owner's own, up to 50
    why, order, left_out = _AS_A_LIST.get(section.name, ("", (), ()))
    there = [str(name) for name in section.table.columns if name not in (why, *left_out)]
    columns = sorted(there, key=lambda name: order.index(name) if name in order else len(order))
    groups: dict[str, list[tuple[str, ...]]] = {}
    for row in section.table.head(most).to_dict("records"):
        cells = tuple(shown(row[name], local=True) for name in columns)
        groups.setdefault(shown(row[why], limit=400) if why else "", []).append(cells)
    print_list(console, columns, groups, numbers=counted)
    if (left := len(section.table) + section.left_out - most) > 0:
        console.print(f"... and {left:,} more; report --format csv holds all")


# --- Shows a file in the person's browser, where there is one -------------------------------------------------------

PATIENCE_S = 3  # an opener that finds no browser gives up at once; one that found it may stay with it


def shows(file: Path) -> bool:
    """Return whether a browser was asked to show a file. What it and its opener write is not the reader's concern."""
    opener = _opener()
    if opener is None:
        return False
    words, nowhere = [opener, str(file.absolute())], subprocess.DEVNULL
    try:
        asked = subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
        return asked.wait(PATIENCE_S) == 0
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False


def _opener() -> str | None:
    """Return the program that opens files. Without a screen it would only try text browsers, one after the other."""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return shutil.which("xdg-open") if has_screen else None
