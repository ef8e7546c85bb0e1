"""`explain`: the whole reasoning about one message."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError

if TYPE_CHECKING:
    from cleanup.config import MailboxSettings

MOST_FOUND = 20
_LEAD = re.compile(r"(?:  \* |(?:  )?[A-Za-z][A-Za-z ]*: {2,}|  (?=\S))?")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(opt.grouped(explain))


def explain(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="An .eml file, - for stdin, or a profile or an address.")
    ],
    rules: opt.Rules,
    reach: opt.Reach,
    uid: Annotated[
        int | None, typer.Argument(metavar="UID", help="The message's UID in the Inbox, as reports show it.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Find it by whom the mail went to, or a part of that.")
    ] = None,
    subject: Annotated[str | None, typer.Option(metavar="TEXT", help="Find it by a part of its subject.")] = None,
    sent: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Archived sent mail (a path); repeatable.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Look at the mailbox again, whatever the ledger knows.")] = False,
) -> None:
    """Say why one message got its verdict. What was read, what counted, and what would change it."""
    if source == "-":
        print_explained(_explain_raw(sys.stdin.buffer.read(), sent or [], rules))
    elif Path(source).is_file():
        print_explained(_explain_raw(_only_message(Path(source)), sent or [], rules))
    elif uid is None and (to or subject):
        _find(source, to or "", subject or "", rules, reach, live)
    elif uid is None:
        raise UsageError(
            f"There is no file {source!r}", hint="For a mailbox, name the message's UID too, or --to or --subject"
        )
    else:
        print_explained(_explain_uid(source, uid, rules, reach, live))


def _only_message(path: Path) -> bytes:
    from cleanup.connector.archive import read_archive

    first, *others = islice(read_archive(path), 2)
    if others:
        raise UsageError(f"{path} holds several messages").going_on("To see them all", ["scan", path])
    if first.problem:
        raise UsageError(f"{path} could not be read: {first.problem}")
    return first.raw


def _explain_raw(raw: bytes, sent: Sequence[Path], rules: opt.Rules) -> list[str]:
    from cleanup.jobs.archive_scan import judge_raw
    from cleanup.report.summary.explain import explained_finding, explained_notice

    who, policy, since = opt.offline_rules(rules)
    now, network = opt.clock(rules.now), opt.network(rules)
    notice, finding = judge_raw(raw, sent, who, policy, now=now, complete_since=since, network=network)
    if notice is None or finding is None:
        return ["This is ordinary mail: no automatic answer to anything. It is never moved."]
    return [*explained_notice(notice), "", *explained_finding(finding)]


def _explain_uid(mailbox: str, uid: int, rules: opt.Rules, reach: opt.Reach, live: bool) -> list[str]:
    from cleanup.access import host_of

    settings = opt.settings_for(mailbox, reach, rules)
    can_look = host_of(settings) is not None
    if not live and (told := _explain_recorded(uid, settings, may_be_unknown=can_look)):
        return told
    if not live and not can_look:
        raise UsageError(
            f"No run has seen a notice with UID {uid} in {settings.inbox}",
            hint="To look in the mailbox, name its --host",
        )
    return _explain_live(uid, settings, rules, reach)


def _find(mailbox: str, to: str, subject: str, rules: opt.Rules, reach: opt.Reach, live: bool) -> None:
    """Explain the one notice that was seen with this recipient and subject, or list those that fit."""
    from cleanup.cli.console import print_command
    from cleanup.cli.screen import err, out, print_list
    from cleanup.config import ledger_of
    from cleanup.ledger_lookup import known_as, looking_back
    from cleanup.report.summary.finding_record import find_alike
    from cleanup.report.text import local_time, local_zone

    settings = opt.settings_for(mailbox, reach, rules)
    with looking_back((mailbox,), ledger_of(settings), reach.config) as (ledger, _):
        found = find_alike(ledger, known_as(ledger, settings.address), settings.inbox, to, subject)
    if not found:
        wanted = " and ".join(f"{what} {word!r}" for what, word in (("to", to), ("with the subject", subject)) if word)
        hint = "scan lists what is in the mailbox now; a run makes it known"
        raise UsageError(f"No run has seen a notice of mail {wanted}", hint=hint)
    if len(found) == 1:
        print_explained(_explain_uid(mailbox, found[0].uid, rules, reach, live))
        return
    rows = [(str(one.uid), local_time(one.arrived), one.verdict, one.to, one.subject) for one in found[:MOST_FOUND]]
    columns = ("UID", f"came ({local_zone(found[0].arrived)})", "verdict", "to", "subject")
    print_list(out(), columns, {f"Seen in {settings.inbox}": rows}, numbers=("UID",))
    if len(found) > MOST_FOUND:
        out().print(f"... and {len(found) - MOST_FOUND:,} more")
    print_command(err(), "To see why, name one", ["explain", mailbox, found[0].uid, *opt.as_words(reach)])


def _explain_recorded(uid: int, settings: MailboxSettings, *, may_be_unknown: bool) -> list[str]:
    """Return what the ledger tells of a message; nothing where no run has seen it."""
    from cleanup.config import ledger_of
    from cleanup.ledger import Ledger, is_there
    from cleanup.ledger_lookup import known_as
    from cleanup.report.summary.explain import explained_finding, explained_notice
    from cleanup.report.summary.finding_record import find_recorded
    from cleanup.report.text import local_time

    if not is_there(where := ledger_of(settings)):
        return []
    with Ledger.open(where, looking=True) as ledger:
        address = settings.address if may_be_unknown else known_as(ledger, settings.address)
        found = find_recorded(ledger, address, settings.inbox, uid)
        senders = ledger.known_senders(address)
    if found is None:
        return []
    head = f"As run {found.run_id} saw it; arrived {local_time(found.arrived, zone=True)}; {found.place}."
    why = explained_finding(found.finding, found.said, fate=found.fate, judged=found.judged)
    return [head, "", *explained_notice(found.notice), "", *why, *_who_sends(senders)]


def _who_sends(senders: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return who was known to send for the owner when it was judged, and from where: who, source, words."""
    if not senders:
        return []
    return [
        "",
        "Known to send for you, or not to:",
        *(f"  * {who} {says} ({source})." for who, source, says in senders),
    ]


def _explain_live(uid: int, settings: MailboxSettings, rules: opt.Rules, reach: opt.Reach) -> list[str]:
    from cleanup.access import account_of
    from cleanup.cli.console import progress_bars
    from cleanup.config import ledger_of
    from cleanup.jobs.run import look_at
    from cleanup.ledger import Ledger
    from cleanup.model import LABELLED
    from cleanup.report.summary.explain import explained_finding, explained_notice
    from cleanup.report.summary.finding_record import last_word

    account = account_of(settings, ask=opt.ask_password)
    with progress_bars(reach.quiet) as progress:
        seen = look_at(account, settings, now=opt.clock(rules.now), progress=progress)
    for one in seen.judged:
        if one.ref.uid == uid:
            said = None
            if one.finding.row == LABELLED:  # who said so, and when, stands in the ledger alone
                with Ledger.open(ledger_of(settings), looking=True) as ledger:
                    said = last_word(ledger, settings.address, one.fingerprint.digest)
            senders = [(known.who, known.source.value, known.says) for known in seen.senders]
            return [*explained_notice(one.notice), "", *explained_finding(one.finding, said), *_who_sends(senders)]
    return [f"{settings.inbox} holds no notice with UID {uid}: it is ordinary mail, or it is not there any more."]


def print_explained(lines: Sequence[str]) -> None:
    """Print what explains a message; what does not fit on a line goes on below its beginning."""
    from cleanup.cli.screen import out, print_hanging

    console = out()
    for line in lines:
        lead = _LEAD.match(line)[0]  # type: ignore[index] # it matches everything
        print_hanging(console, lead, line[len(lead) :], below=len(lead) if lead.strip() else len(lead) + 2)
