"""`labels export` and `labels import`: what people said of notices, as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    labels = typer.Typer(no_args_is_help=True, help="What people said of notices, as CSV: out and in.")
    labels.command("export")(export_labels)
    labels.command("import")(import_labels)
    app.add_typer(labels, name="labels")


def export_labels(
    mailboxes: Annotated[
        list[str] | None, typer.Argument(metavar="MAILBOX", help="Profiles or addresses; none: all in the ledger.")
    ] = None,
    output: opt.Output = None,
    ledger: opt.LedgerAt = None,
    config: opt.Config = None,
) -> None:
    """Write all labels as CSV, oldest first. The latest on a message is the one that counts."""
    from cleanup.cli.console import write_out
    from cleanup.ledger_lookup import looking_back
    from cleanup.report.summary.frames import load
    from cleanup.report.summary.review import labels_csv

    with looking_back(tuple(mailboxes or ()), ledger, config) as (opened, names):
        made = labels_csv(load(opened, names))
    write_out(made.encode(), output)


def import_labels(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with mailbox, digest and verdict, and a note if you like.")
    ],
    ledger: opt.LedgerAt = None,
    config: opt.Config = None,
) -> None:
    """Read labels: all of the file, or nothing. They count at the next run."""
    from cleanup.cli.console import say
    from cleanup.config import plain, without_password
    from cleanup.ledger import Ledger
    from cleanup.ledger_lookup import find_ledger
    from cleanup.report.summary.review import read_labels_csv
    from cleanup.report.text import plural

    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", why=plain(error)) from error
    labels = read_labels_csv(lines)
    mailboxes = tuple(dict.fromkeys(label.mailbox for label in labels))
    where = find_ledger(mailboxes, ledger, config, may_be_new=True)
    with Ledger.open(where) as opened:
        opened.advance((), labels=labels)
    say(f"{plural(len(labels), 'label')} read into {without_password(where)}. They count at the next run.")
