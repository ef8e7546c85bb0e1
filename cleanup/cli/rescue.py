"""`rescue`: genuine bounces that somebody put away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.report.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cleanup.detector.rescue import Rescue


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rescue")(opt.grouped(rescue))


def rescue(
    mailbox: opt.Mailbox,
    rules: opt.Rules,
    reach: opt.Reach,
    move: Annotated[bool, typer.Option("--move", help="Move them to the Inbox.")] = False,
    only: Annotated[list[int] | None, typer.Option(metavar="UID", help="Only what has this UID; repeatable.")] = None,
    yes: opt.Yes = False,
) -> None:
    """Find genuine bounces in Junk and in the backscatter folder. They are moved back only with --move."""
    from cleanup.access import account_of
    from cleanup.cli.console import command_line, confirmed, must_be_answerable, progress_bars, say
    from cleanup.jobs import rescue as job

    must_be_answerable(yes=yes or not move)
    settings = opt.settings_for(mailbox, reach, rules)
    account = account_of(settings, ask=opt.ask_password)
    now = opt.clock(rules.now)
    with progress_bars(reach.quiet) as bars:

        def shown(offered: Sequence[Rescue]) -> Sequence[Rescue]:
            bars.stop()
            chosen = [one for one in offered if not only or one.judged.ref.uid in only]
            _print(chosen)
            return chosen

        def agreed(offered: Sequence[Rescue]) -> Sequence[Rescue]:
            chosen = shown(offered)
            return chosen if chosen and confirmed(f"Move {_many(chosen)} to {settings.inbox}?", yes=yes) else ()

        if not move:
            shown(job.offer(account, settings, now=now, progress=bars))
            return
        done = job.rescue(account, settings, now=now, agreed=agreed, progress=bars)
    if done is None:
        say("Nothing was moved.")
        return
    undoing = f"to take it back: {command_line(['undo', done.run_id, *opt.as_words(reach)])}"
    say(f"{plural(done.moved, 'message')} moved to {settings.inbox}; {undoing}")


def _many(chosen: Sequence[Rescue]) -> str:
    return plural(len(chosen), "message")


def _print(offered: Sequence[Rescue]) -> None:
    from cleanup.cli.screen import out, print_list

    if not offered:
        out().print("Junk and the backscatter folder hold no genuine bounce.")
        return
    groups: dict[str, list[tuple[str, ...]]] = {}
    for one in offered:
        notice, ref = one.judged.notice, one.judged.ref
        to = ", ".join(recipient.address for recipient in notice.recipients[:2])
        row = (ref.folder, str(ref.uid), to, notice.returned[0].subject or notice.subject or "")
        groups.setdefault(one.says, []).append(row)
    print_list(out(), ("folder", "UID", "to", "subject"), groups)
