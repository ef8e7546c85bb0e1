"""`demo`: the whole job on a made-up mailbox, on a server in this process."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.errors import FinishedInPart, StopNow

if TYPE_CHECKING:
    from rich.console import Console

    from cleanup.demo import Comparison, Demo
    from cleanup.progress import Bars


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the HTML report goes.")] = Path(
        "mailbox-cleanup-report.html"
    ),
    serve: Annotated[bool, typer.Option("--serve", help="Keep the server up, to look around.")] = False,
    port: Annotated[int, typer.Option(metavar="N", help="Port of the server; 0 takes a free one.")] = 0,
    ledger: Annotated[
        Path | None, typer.Option(metavar="LEDGER", help="Ledger file; without it a temporary one.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Show the whole job on a made-up mailbox. Look, file, report, look again, compare with the truth."""
    from cleanup.cli.console import progress_bars
    from cleanup.cli.render import print_look
    from cleanup.cli.report import write_html
    from cleanup.cli.screen import out
    from cleanup.demo import LAST_DAY, OWNER, anna_on_a_server, compare

    console, began = out(), time.monotonic()
    with ExitStack() as stack:
        place = ledger or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.sqlite"
        bars = stack.enter_context(progress_bars(quiet))
        anna = stack.enter_context(anna_on_a_server(place, port=port, progress=bars))
        bars.stop()
        _step(console, f"1. scan: what is in the mailbox of {OWNER}? Nothing is changed.")
        seen = anna.scan(bars)
        bars.stop()
        print_look(seen, "table")
        _step(console, "2. run: move the backscatter, note every move, verify it.")
        _run(console, anna, bars)
        _step(console, "3. report: one page, no scripts, to show to anybody.")
        write_html(str(place), output, LAST_DAY)
        _step(console, "4. run again: nothing is left to do.")
        _run(console, anna, bars)
        _step(console, "5. compare with the truth, which is known here.")
        comparison = compare(seen, anna.filed(), anna.truth)
        _print_comparison(console, comparison)
        console.print(f"\nAll of this took {time.monotonic() - began:.1f} s.")
        if serve:
            _serve(console, anna, place)
    if comparison.wrongly_filed or comparison.right < comparison.total:
        raise FinishedInPart("Some verdicts are not the true ones", hint="Please report it")


def _run(console: Console, anna: Demo, bars: Bars) -> None:
    done = anna.run(progress=bars)
    bars.stop()
    console.print(done.in_words())


def _step(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold")


def _print_comparison(console: Console, comparison: Comparison) -> None:
    from cleanup.cli.screen import table

    said = ("ordinary", "genuine", "backscatter", "unsure")
    shown = table(None, "truth", *(f"called {word}" for word in said))
    counts = {(true, word): n for true, word, n in comparison.counts}
    for true in said:
        shown.add_row(true, *(str(counts.get((true, word), 0)) for word in said))
    console.print(shown)
    console.print(
        f"\n{comparison.right} of {comparison.total} are what they truly are. The backscatter folder holds "
        f"{comparison.filed} messages; {comparison.wrongly_filed} of them should not be there."
    )


def _serve(console: Console, anna: Demo, ledger: Path) -> None:
    from cleanup.demo import LAST_DAY, OWNER, PASSWORD

    where = anna.account
    reach = f"--host {where.host} --port {where.port} --security plain --username {where.username} --ledger {ledger}"
    _step(console, "The server stays up until you press Ctrl-C.")
    console.print(f"Any mail client: IMAP, {where.host}, port {where.port}, no encryption, user {where.username},")
    console.print(f"password {PASSWORD}. Or, in another terminal:\n")
    for line in (
        f"export CLEANUP_PASSWORD={PASSWORD}",
        f"mailbox-cleanup undo last --mailbox {OWNER} {reach}",
        f"mailbox-cleanup run {OWNER} {reach} --now {LAST_DAY:%Y-%m-%d} --again",
        f"mailbox-cleanup report --ledger {ledger}",
    ):
        console.print(f"  {line}", soft_wrap=True)
    with suppress(StopNow):
        while True:
            time.sleep(3600)
