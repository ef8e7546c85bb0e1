"""Groups of options that several commands share, and what they become."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from cleanup.errors import UsageError, option_words

if TYPE_CHECKING:
    from cleanup.config import MailboxSettings
    from cleanup.dns.network import Network
    from cleanup.model import Identity, Policy


def _option(name: str, value: str | None, text: str, *, default: str | None = None) -> Any:
    """Return an option; `value` is what its value is called in the help, None where it takes none."""
    return typer.Option(name, metavar=value, help=f"{text} [{default}]" if default else text, show_default=False)


# Options that mean the same in each command that takes them.
ROWS_FORMATS = ("table", "json", "jsonl", "csv")
Mailbox = Annotated[str, typer.Argument(metavar="MAILBOX", help="A profile or an address.")]
Config = Annotated[Path | None, _option("--config", "FILE", "Configuration file.")]
LedgerAt = Annotated[str | None, _option("--ledger", "LEDGER", "Ledger file or database URL.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RowsFormat = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table, json, jsonl or csv.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write, instead of stdout.")
]


@dataclass(frozen=True, slots=True)
class Reach:
    """How to get to a mailbox and to the ledger."""

    config: Config = None
    ledger: LedgerAt = None
    host: Annotated[str | None, _option("--host", "HOST", "IMAP server.")] = None
    port: Annotated[int | None, _option("--port", "N", "Port; 993 for TLS, else 143.")] = None
    security: Annotated[str | None, _option("--security", "HOW", "tls, starttls, or plain (loopback only).")] = None
    username: Annotated[str | None, _option("--username", "NAME", "Login, if not the address.")] = None
    authorization_id: Annotated[
        str | None, _option("--authorization-id", "NAME", "Whose mailbox, where the login is a helpdesk's.")
    ] = None
    password_file: Annotated[Path | None, _option("--password-file", "FILE", "File with the password, mode 0600.")] = (
        None
    )
    password_command: Annotated[
        str | None, _option("--password-command", "COMMAND", "Command that prints the password.")
    ] = None
    password_env: Annotated[
        str | None,
        _option("--password-env", "NAME", "Environment variable with the password.", default="CLEANUP_PASSWORD"),
    ] = None
    token_command: Annotated[
        str | None, _option("--token-command", "COMMAND", "Command that prints an OAuth 2 access token.")
    ] = None
    ca_file: Annotated[Path | None, _option("--ca-file", "FILE", "Additional CA certificates (PEM).")] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Whose mail it is, and how to judge."""

    identity: Annotated[list[str] | None, _option("--identity", "ADDRESS", "An address of yours; repeatable.")] = None
    outbound_host: Annotated[
        list[str] | None,
        _option("--outbound-host", "HOST", "Name, address or network that your mail leaves from; repeatable."),
    ] = None
    sent_folder: Annotated[
        list[str] | None, _option("--sent-folder", "FOLDER", "A folder of sent mail; repeatable.")
    ] = None
    not_sent_folder: Annotated[
        list[str] | None,
        _option(
            "--not-sent-folder", "FOLDER", "A folder that holds none of your sent mail, whatever its name; repeatable."
        ),
    ] = None
    sent_complete_since: Annotated[
        str | None, _option("--sent-complete-since", "WHEN", "ISO 8601: from then on all sent mail is in Sent.")
    ] = None
    target: Annotated[
        str | None, _option("--target", "FOLDER", "Folder for the backscatter.", default="Backscatter")
    ] = None
    policy: Annotated[str | None, _option("--policy", "NAME", "cautious, balanced or storm.", default="balanced")] = (
        None
    )
    file_other_notices: Annotated[
        bool | None,
        _option(
            "--file-other-notices/--no-file-other-notices",
            None,
            "File forged automatic replies, challenges, receipts and virus notices, too.",
            default="no",
        ),
    ] = None
    spf: Annotated[
        bool | None,
        _option(
            "--spf/--no-spf",
            None,
            "Ask DNS which hosts may send for your own domains.",
            default="yes; no for archives",
        ),
    ] = None
    dkim: Annotated[
        bool | None,
        _option("--dkim/--no-dkim", None, "Ask DNS for your domains' DKIM keys.", default="no"),
    ] = None
    dkim_keys: Annotated[Path | None, _option("--dkim-keys", "FILE", "File with DKIM keys: NAME TEXT a line.")] = None
    dnsbl: Annotated[
        bool | None, _option("--dnsbl/--no-dnsbl", None, "Ask Backscatterer.org; shown, never counted.", default="no")
    ] = None
    now: Annotated[str | None, _option("--now", "WHEN", "ISO 8601: judge as of this moment.")] = None


@dataclass(frozen=True, slots=True)
class Watching:
    """Who watches a job that runs by itself."""

    metrics_file: Annotated[
        Path | None, _option("--metrics-file", "FILE", "Write figures for Prometheus to this file.")
    ] = None
    ping_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Health check to ping; URL/fail after a failure.",
            envvar="CLEANUP_PING_URL",
            show_envvar=True,
        ),
    ] = None
    log_format: Annotated[
        str, _option("--log-format", "FORMAT", "How to talk on stderr: text or json.", default="text")
    ] = "text"


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with its dataclass parameters spelled out as options, one for each of their fields."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}

    def call(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    shared = {field.name for group in groups.values() for field in fields(group)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        spelled = groups.get(parameter.name)
        parameters += _spelled_out(spelled) if spelled else [parameter.replace(annotation=hints[parameter.name])]
    parameters.sort(key=lambda p: p.name in shared)  # a command's own options come first in its help
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    call.__name__, call.__doc__ = command.__name__, command.__doc__
    return call


def _spelled_out(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(f.name, kind, default=f.default, annotation=hints[f.name]) for f in fields(group)]


def moment(text: str | None, option: str, *, like: str = "2026-10-14T03:10Z") -> datetime | None:
    """Return an ISO 8601 moment in UTC (no zone means UTC), or None where the option was not given."""
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text!r} is not a date or time", hint=f"Write it like {like}") from error


_FIRST_YEAR, _LAST_YEAR = 1971, 2999
_TIME_OF_DAY = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d")
_SINCE = {"h": "hours", "d": "days", "w": "weeks"}


def since(text: str, now: datetime, option: str = "--since") -> datetime:
    """Return the beginning that "12h", "30d", "2w", "today", "17:30" or an ISO 8601 moment mean.

    "today" and "17:30" go by this machine's clock: its last midnight, and when it showed that last.
    """
    if text == "today":
        return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    number, unit = text[:-1], text[-1:]
    if number.isdigit() and unit in _SINCE and len(number) < 6:
        try:
            return now - timedelta(**{_SINCE[unit]: int(number)})
        except OverflowError:
            return datetime(1, 1, 1, tzinfo=UTC)  # from the beginning
    if _TIME_OF_DAY.fullmatch(text):
        hour, minute = (int(part) for part in text.split(":"))
        here = now.astimezone()
        last = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return (last if last <= here else last - timedelta(days=1)).astimezone(UTC)
    return moment(text, option, like="30d, 12h, 2w, 17:30, today or 2026-10-14") or now


def clock(now: str | None) -> datetime:
    """Return the moment to judge at: `--now`, or the present. Raises UsageError outside of the years 1971 to 2999."""
    asked = moment(now, "--now") or datetime.now(UTC)
    if not _FIRST_YEAR <= asked.year <= _LAST_YEAR:  # judging counts back and forth from it
        raise UsageError(f"--now {now!r} is too far off", hint=f"Name a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return asked


def settings_for(mailbox: str, reach: Reach, rules: Rules | None = None, **more: Any) -> MailboxSettings:
    """Return a mailbox's settings with this command's options on top; `more` are further fields of the settings."""
    from cleanup.config import load_mailbox

    rules = rules or Rules()
    who = {"addresses": tuple(rules.identity or ()), "outbound_hosts": tuple(rules.outbound_host or ())}
    policy = {"name": rules.policy, "file_other_notices": rules.file_other_notices, **more.pop("policy", {})}
    network = {"spf": rules.spf, "dkim": rules.dkim, "dnsbl": rules.dnsbl, "dkim_keys": rules.dkim_keys}
    by_name = {f.name: getattr(reach, f.name) for f in fields(reach) if f.name not in ("config", "quiet")}
    options = {
        **by_name,
        **more,
        "sent_folders": tuple(rules.sent_folder or ()),
        "not_sent_folders": tuple(rules.not_sent_folder or ()),
        "target": rules.target,
        "sent_complete_since": moment(rules.sent_complete_since, "--sent-complete-since"),
        "identity": {key: value for key, value in who.items() if value} or None,
        "policy": {key: value for key, value in policy.items() if value is not None} or None,
        "network": {key: value for key, value in network.items() if value is not None} or None,
    }
    return load_mailbox(mailbox, config=reach.config, options=options)


def one_of(what: str, given: str, known: Sequence[str]) -> None:
    """Raise UsageError for a word that is none of those known, before any work is done."""
    if given not in known:
        raise UsageError(f"Unknown {what} {given!r}", hint=f"Known are: {', '.join(known)}")


def as_words(reach: Reach) -> list[str]:
    """Return the options that reach a mailbox, as they were typed: for a command to copy."""
    return option_words(**{f.name: getattr(reach, f.name) for f in fields(reach) if f.name != "quiet"})


def to_ledger(reach: Reach) -> list[str]:
    """Return the options that reach the ledger alone, for a command to copy that asks no server."""
    return option_words(config=reach.config, ledger=reach.ledger)


def as_typed(command: str, *more: object, without: Collection[str] = ()) -> list[str]:
    """Return the command line of this program once more, for another command and with `more` words: to be pasted.

    `without` are options whose values `more` gives anew. Everything else that was typed is in it, and needs to be: a
    command that reaches the server otherwise is another one.
    """
    words: list[str] = []
    typed = iter(sys.argv[2:])
    for word in typed:
        if word in without:
            next(typed, None)  # its value
        elif word.partition("=")[0] not in without:
            words.append(word)
    return [command, *words, *map(str, more)]


def offline_rules(rules: Rules) -> tuple[Identity, Policy, datetime | None]:
    """Return whose mail it is, how to judge, and since when Sent is complete, where no profile is concerned."""
    from cleanup.config import rules_of

    identity = {"addresses": rules.identity or (), "outbound_hosts": rules.outbound_host or ()}
    who, policy = rules_of(identity, {"name": rules.policy} if rules.policy else {})
    return who, policy, moment(rules.sent_complete_since, "--sent-complete-since")


def network(rules: Rules) -> Network:
    """Return what DNS may be asked where no profile is concerned: nothing, unless the options say so.

    Whom to ask may stand in the environment (CLEANUP_NETWORK__NAMESERVERS, CLEANUP_NETWORK__PORT).
    """
    from cleanup.config import nameservers_from_environment
    from cleanup.dns.network import network_of

    said = {"spf": bool(rules.spf), "dkim": bool(rules.dkim), "dnsbl": bool(rules.dnsbl), "dkim_keys": rules.dkim_keys}
    return network_of(nameservers_from_environment().model_copy(update=said))


def show_person(text: str) -> None:
    """Show a person what to do in a browser. Raises UsageError where there is no terminal."""
    from cleanup.cli.console import say

    if not sys.stderr.isatty():
        raise UsageError("The login needs a person once", hint="On a terminal: mailbox-cleanup login MAILBOX")
    say(text)


def ask_password(account: str) -> str:
    """Return the password that a person types, unseen. Raises UsageError where there is no terminal."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"No password for {account}", hint="Give --password-file, --password-command or CLEANUP_PASSWORD"
        )
    import getpass

    try:
        return getpass.getpass(f"Password for {account}: ")
    except EOFError:
        raise UsageError(f"No password for {account} was typed") from None
