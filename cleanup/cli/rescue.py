"""`rescue`: genuine bounces that somebody put away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cleanup.detector.rescue import Rescue


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rescue")(opt.grouped(rescue))


def rescue(
    mailbox: Annotated[str, typer.Argument(help="A profile or an address.")],
    rules: opt.Rules,
    reach: opt.Reach,
    move: Annotated[bool, typer.Option("--move", help="Move them to the Inbox.")] = False,
    only: Annotated[list[int] | None, typer.Option(help="Only what has this UID; repeatable.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Find genuine bounces in Junk and in the backscatter folder. They are moved back only with --move."""
    from cleanup import rescue as job
    from cleanup.access import account_of
    from cleanup.cli.talk import confirmed, progress_bars, say

    settings = opt.settings_for(mailbox, reach, rules)
    account = account_of(settings, ask=opt.ask_password)
    now = opt.clock(rules.now)
    with progress_bars(reach.quiet) as bars:
        offered = [
            r for r in job.offer(account, settings, now=now, progress=bars) if not only or r.judged.ref.uid in only
        ]
        bars.stop()
        _print(offered)
        if not move or not offered:
            return
        if not confirmed(f"Move {len(offered)} messages to {settings.inbox}?", yes=yes):
            say("Nothing was moved.")
            return
        done = job.rescue(account, settings, [r.judged.ref.uid for r in offered], now=now, progress=bars)
    say(f"{done.moved} messages are in {settings.inbox} again; to take it back: mailbox-cleanup undo {done.run_id}")


def _print(offered: Sequence[Rescue]) -> None:
    from cleanup.cli.talk import cells, out, table

    if not offered:
        out().print("Junk and the backscatter folder hold no genuine bounce.")
        return
    shown = table(None, "folder", "UID", "to", "subject", "why")
    for one in offered:
        notice, ref = one.judged.notice, one.judged.ref
        to = ", ".join(recipient.address for recipient in notice.recipients[:2])
        shown.add_row(*cells(ref.folder, ref.uid, to, notice.returned[0].subject or notice.subject or "", one.says))
    out().print(shown)
