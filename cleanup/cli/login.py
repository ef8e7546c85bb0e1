"""`login`: try the login, with a person at hand where a token needs one."""

from __future__ import annotations

import typer

from cleanup.cli import options as opt


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("login")(opt.grouped(login))


def login(
    mailbox: opt.Mailbox,
    reach: opt.Reach,
) -> None:
    """Try the login. A token is got with the help of a browser, and kept for the nightly runs."""
    from cleanup.access import account_of
    from cleanup.cli.console import say
    from cleanup.connector.mailbox import open_mailbox

    settings = opt.settings_for(mailbox, reach)
    account = account_of(settings, ask=opt.ask_password, show=opt.show_person)
    with open_mailbox(account, read_only=True) as opened:
        say(f"Logged in to {account.where} as {account.who}; {len(opened.folders())} folders.")
