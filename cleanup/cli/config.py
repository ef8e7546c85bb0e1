"""`config`: write, show and check the configuration file."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cleanup.cli import options as opt
from cleanup.errors import CleanupError, ExitCode, UsageError, option_words

if TYPE_CHECKING:
    from cleanup.config import MailboxSettings

config = typer.Typer(help="Write, show and check the configuration file.", rich_markup_mode=None, no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    config.command("init")(init)
    config.command("show")(show)
    config.command("validate")(validate)
    app.add_typer(config, name="config")


def init(
    address: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The mailbox's address.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The profile's name.")] = None,
    host: Annotated[str | None, typer.Option(metavar="HOST", help="IMAP server.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port; 993 for TLS, else 143.")] = None,
    security: Annotated[str, typer.Option(metavar="HOW", help="tls, starttls, or plain (loopback only).")] = "tls",
    username: Annotated[str | None, typer.Option(metavar="NAME", help="Login, if not the address.")] = None,
    password_command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Command that prints the password.")
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the password, mode 0600.")
    ] = None,
    outbound_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Where your mail leaves from; repeatable.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Additional CA certificates (PEM).")] = None,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Try the login first.")] = True,
    file: opt.Config = None,
) -> None:
    """Ask for what is missing, try the login, and write a profile. It is commented, and only you can read it."""
    from cleanup.cli.console import asked, print_command, say
    from cleanup.cli.screen import err
    from cleanup.config import load_mailbox
    from cleanup.config.explain import refuse_existing, write_profile
    from cleanup.detector.providers import imap_host

    address = address or asked("Your e-mail address")
    if "@" not in address:
        raise UsageError(f"{address!r} is not an e-mail address")
    profile = name or address.partition("@")[0]
    refuse_existing(profile, file)
    host = host or asked("IMAP server", default=imap_host(address.rpartition("@")[2].lower()))
    if password_command is None and password_file is None and sys.stdin.isatty():
        password_command = asked("A command that prints the password (empty: ask each time)", default="") or None
    if outbound_host is None and sys.stdin.isatty():
        outbound_host = asked("The servers that your mail leaves from (empty: they are found)", default="").split()
    given: dict[str, Any] = {
        "address": address,
        "host": host,
        "port": port,
        "security": security,
        "username": username,
        "password_command": password_command,
        "password_file": str(password_file.expanduser().absolute()) if password_file else None,
        "ca_file": str(ca_file.expanduser().absolute()) if ca_file else None,
    }
    whole = given | ({"identity": {"outbound_hosts": outbound_host}} if outbound_host else {})
    try:
        settings = load_mailbox(address, options=whole)  # refuses what no command could use
        if test:
            _try_login(settings)
            _say_who_sends(settings)
    except CleanupError as error:  # nobody types all that twice
        answers = option_words(**given, name=name, outbound_host=outbound_host, config=file)
        error.going_on("Nothing was written. To try again with your answers", ["config", "init", *answers])
        raise
    written = write_profile(profile, whole, file)
    say(f"Profile {profile} was written to {written}.")
    print_command(err(), "Next", ["scan", profile, *option_words(config=file)])


def show(
    mailbox: opt.Mailbox,
    origin: Annotated[bool, typer.Option("--origin", help="Also say where each value came from.")] = False,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")] = "table",
    file: opt.Config = None,
) -> None:
    """Show every setting of a mailbox. Secrets are not among them: the settings only say where those are."""
    from cleanup.cli.screen import cells, out, table
    from cleanup.config.explain import values

    opt.one_of("format", form, ("table", "json"))
    found = values(mailbox, file)
    if form == "json":
        rows = {one.name: {"value": one.value, "origin": one.origin} for one in found}
        sys.stdout.write(json.dumps(rows, default=str, indent=1) + "\n")
        return
    shown = table(None, "setting", "value", *(["from"] if origin else []))
    for one in found:
        shown.add_row(*cells(one.name, _shown(one.value), *([one.origin] if origin else [])))
    out().print(shown)


def _shown(value: Any) -> str:
    """Return a value as the file writes it; nothing for what is not set."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{key} = {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def validate(file: opt.Config = None) -> None:
    """Check the whole configuration file. Unknown keys are named with the nearest known one."""
    from cleanup.cli.console import say
    from cleanup.config import default_config_file
    from cleanup.config.explain import problems

    found = problems(file)
    for problem in found:
        say(f"{problem} [{problem.code}]")
    if found:
        raise typer.Exit(int(ExitCode.USAGE))
    say(f"{file or default_config_file()} is in order.")


def _try_login(settings: MailboxSettings) -> None:
    from cleanup.access import account_of
    from cleanup.cli import options as opt
    from cleanup.cli.console import say
    from cleanup.connector.mailbox import open_mailbox

    account = account_of(settings, ask=opt.ask_password)
    with open_mailbox(account, read_only=True) as mailbox:
        say(f"Logged in to {account.where}; {len(mailbox.folders())} folders.")


def _say_who_sends(settings: MailboxSettings) -> None:
    """Say who is known to send for the owner already, and from where: DNS is asked about the address's own domain."""
    from cleanup.cli.console import say
    from cleanup.config import identity_of
    from cleanup.detector.spf import SpfAnswers, SpfQuestions
    from cleanup.detector.who_sends import known_beforehand
    from cleanup.dns.network import network_of
    from cleanup.dns.spf import ask_spf

    network, domain = network_of(settings.network), settings.address.rpartition("@")[2]
    asked = ask_spf(SpfQuestions({domain: ()}), network, datetime.now(UTC))[0] if network.spf else SpfAnswers()
    for one in known_beforehand(identity_of(settings), asked):
        say(f"{'Sends for you' if one.sends else 'No help'}: {one.who} ({one.source.value}; it {one.says}).")
