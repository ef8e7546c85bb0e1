"""What scan and run show of a mailbox: verdicts, the genuine bounces by name, what stays and why, the plan."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cleanup.cli.console import command_line, say
from cleanup.cli.machine import message_row
from cleanup.cli.screen import ALARM, VERDICT_STYLES, WARNING, cells, out, print_hanging, print_list, table
from cleanup.cli.senders import print_questions
from cleanup.detector.account_state import AccountState, JudgedNotice, account_state
from cleanup.detector.sender_questions import FEWEST, foremost
from cleanup.jobs.idle_check import Look
from cleanup.model import LABELLED, FilingPlan, Finding, Kind, Notice, Strength, Verdict
from cleanup.report.counts import Fate, count_judged, fate_of, is_undelivered
from cleanup.report.text import (
    EARLIER,
    KINDS,
    in_local_time,
    local_time,
    local_zone,
    plural,
    row_in_words,
    safe_text,
    why_not_arrived,
)

if TYPE_CHECKING:
    from cleanup.jobs.archive_scan import Scanned
    from cleanup.jobs.result import Done

MOST_LINES = 10
MOST_BOUNCES = 50  # of the owner's own: each wants something done
_Place = tuple[str, datetime | None]  # a UID or a file's name, and when the notice came


def print_scanned(scanned: Sequence[Scanned], form: str) -> None:
    """Print archived messages, judged; what could not be read is said on stderr."""
    for unread in [s for s in scanned if s.problem][:MOST_LINES]:
        say(f"{unread.path} could not be read: {unread.problem}", level="warning")
    if form == "table":
        judged = [(s.notice, s.finding) for s in scanned if s.notice and s.finding]
        console = out()
        _answer(console, account_state([JudgedNotice(notice, finding, notice.date) for notice, finding in judged]))
        places = [(PurePath(s.path).name, s.notice.date) for s in scanned if s.notice and s.finding]
        stays = [(notice, finding, Fate.STAYS) for notice, finding in judged[::-1]]
        _verdicts(console, stays, len(scanned), ("message", places[::-1]))
        return
    print_rows([message_row(s.path, s.notice, s.finding, s.problem) for s in scanned], form)


def print_look(look: Look, form: str, asking: Sequence[object] = ()) -> None:
    """Print a mailbox that was looked at, with the plan. `asking` are the options that reach its ledger."""
    if form != "table":
        moves = {move.ref for move in look.plan.moves}
        rows = [
            message_row(str(j.ref.uid), j.notice, j.finding) | {"uid": j.ref.uid, "to_file": j.ref in moves}
            for j in look.judged
        ]
        print_rows(rows, form)
        return
    console = out()
    _answer(console, look.state)
    counts = count_judged(look.judged, look.plan, ordinary=look.ordinary)
    planned = frozenset(move.ref for move in look.plan.moves)
    fates = [(j.notice, j.finding, fate_of(j.finding, planned=j.ref in planned)) for j in reversed(look.judged)]
    places: list[_Place] = [(str(j.ref.uid), j.fingerprint.arrived) for j in reversed(look.judged)]
    _verdicts(console, fates, counts.messages, ("UID", places))
    _passed_over(console, look)
    _coverage(console, look)
    _senders(console, look, ["senders", look.task.mailbox, *asking])
    print_plan(console, look.plan)


def print_rows(rows: Sequence[dict[str, Any]], form: str) -> None:
    """Print rows as json, jsonl or csv on stdout."""
    if form == "jsonl":
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=True) + "\n")
    elif form == "json":
        sys.stdout.write(json.dumps(rows, ensure_ascii=True, indent=1) + "\n")
    else:
        _write_csv(rows)


def print_plan(console: Console, plan: FilingPlan) -> None:
    """Print exactly what a run would do."""
    console.print()
    forbidden = plan.let_through().refusals
    for refusal in forbidden:
        print_hanging(console, "Refused: ", refusal, style=ALARM)
    what = "would be moved" if plan.moves and not forbidden else "is moved"
    count = 0 if forbidden else len(plan.moves)
    console.print(
        *cells(f"Plan: {plural(count, 'message') if count else 'nothing'} {what} from {plan.source} to {plan.target}.")
    )
    if count:
        uids = ", ".join(str(move.ref.uid) for move in plan.moves[:MOST_LINES])
        more = f" and {count - MOST_LINES:,} more" if count > MOST_LINES else ""
        print_hanging(console, "      UIDs ", f"{uids}{more}")
    if plan.limits:
        print_hanging(console, "      ", f"A run does not move that many unasked: {' '.join(plan.refusals)}")
    if earlier := sum(one.reason == EARLIER for one in plan.not_filed):
        print_hanging(
            console, "      ", f"{plural(earlier, 'message')} more arrived before --since; left where they are."
        )


def print_closing(console: Console, done: Done, took_s: float) -> None:
    """Print what a run did in one table, with what else you should know."""
    counts, look = done.counts, done.look
    left = counts.of(Verdict.BACKSCATTER) - counts.of(Verdict.BACKSCATTER, Fate.FILED)
    columns = ("moved", "kept", "undecided", "genuine", "seconds")
    row = [done.moved, left + counts.of(Fate.KEPT), counts.waiting, counts.of(Verdict.GENUINE)]
    console.print(f"\n{look.task.mailbox}, run {done.run_id}: {plural(counts.messages, 'message')}", style="bold")
    print_list(console, columns, {"": [[*(f"{n:,}" for n in row), f"{took_s:.1f}"]]}, numbers=columns)
    if done.moved:
        console.print(f"{plural(done.moved, 'message')} filed in {safe_text(look.plan.target)}.", soft_wrap=True)
    if look.resting:
        console.print(f"Nothing is new since run {look.resting.run_id}.")
    for remark in done.remarks():
        print_hanging(console, "", remark if remark.endswith("?") else f"{remark}.", below=2)


# --- pieces --------------------------------------------------------------------------------------------------------


def _answer(console: Console, state: AccountState) -> None:
    """Print the answer to everybody's first question, and what to do about it."""
    console.print(safe_text(state.headline, limit=600), style="bold")
    for line in state.what_to_do:
        print_hanging(console, "  * ", line)
    console.print()


_Fated = tuple[Notice, Finding, Fate]


def _verdicts(console: Console, judged: Sequence[_Fated], total: int, places: tuple[str, Sequence[_Place]]) -> None:
    if not judged:
        console.print(f"{plural(total, 'message')}, none of them an automatic notice." if total else "No messages.")
        return
    console.print(f"{plural(total, 'message')}, among them {plural(len(judged), 'automatic notice')}.\n")
    counts = Counter((n.kind, f.verdict) for n, f, _ in judged)
    shown = table(None, "what", "genuine", "backscatter", "unsure", "", numbers=list(Verdict))
    for kind in Kind:
        row = [counts[kind, verdict] for verdict in Verdict]
        if any(row):
            shown.add_row(KINDS[kind], *(f"{n:,}" if n else "" for n in row), "")
    console.print(shown)
    _bounces(console, judged, places)
    unsure = [(f, fate) for _, f, fate in judged if f.verdict is Verdict.UNSURE]
    networks = Counter(f.sender.network for f, _ in unsure if f.sender)
    asked = {network for network, count in networks.items() if count >= FEWEST}
    left = [_why_unsure(f, asked) for f, fate in unsure if fate is not Fate.PLANNED]
    _because(console, "Unsure; they stay where they are:", left)
    leaning = [_why_unsure(f, asked) for f, fate in unsure if fate is Fate.PLANNED]
    _because(console, "Unsure, most likely forged; --policy storm moves them, too:", leaning)


def _bounces(console: Console, judged: Sequence[_Fated], places: tuple[str, Sequence[_Place]]) -> None:
    """Print the owner's own mail that did not arrive, each with what names it and its date; up to 50."""
    named, where = places
    genuine = [
        (notice, place)
        for (notice, finding, _), place in zip(judged, where, strict=True)
        if is_undelivered(finding.verdict, notice.kind)
    ]
    if not genuine:
        return
    console.print("\nMail of yours that did not arrive:", style=VERDICT_STYLES[Verdict.GENUINE])
    groups: dict[str, list[tuple[str, ...]]] = {}
    for notice, (name, came) in genuine[:MOST_BOUNCES]:
        to = ", ".join(r.address for r in notice.recipients) or "?"
        row = (name, local_time(came) if came else "?", to, notice.returned[0].subject or "")
        groups.setdefault(why_not_arrived(notice.cause, notice.action), []).append(row)
    columns = (named, f"came{_zone(place for _, place in genuine)}", "to", "subject")
    print_list(console, columns, groups, numbers=("UID",))
    if (left := len(genuine) - MOST_BOUNCES) > 0:
        console.print(f"... and {left:,} more; scan with --format csv lists them all")


def _zone(places: Iterable[_Place]) -> str:
    """Return the time zone of the first of these moments, in brackets."""
    return next((f" ({local_zone(came)})" for _, came in places if came), "")


def _because(console: Console, title: str, reasons: Sequence[str]) -> None:
    """Print how many there are for each reason, the most frequent first, and how many for all others together."""
    if not reasons:
        return
    counts = Counter(in_local_time(reason) for reason in reasons).most_common()
    console.print(f"\n{title}")
    rows = [(f"{count:,}", why) for why, count in counts[:MOST_LINES]]
    if others := sum(count for _, count in counts[MOST_LINES:]):
        rows.append((f"{others:,}", "other reasons"))
    print_list(console, ("notices", "because"), {"": rows}, numbers=("notices",))


def _why_unsure(finding: Finding, asked: Collection[str]) -> str:
    if finding.row == LABELLED:
        return "An undo put it back, or a person called it unsure. (run --again judges anew what an undo put back.)"
    if finding.sender is not None and finding.sender.network in asked:
        return f"Nothing shows whether {finding.sender.network} sends for you."
    counted = [r for r in finding.reasons if r.points_to is Verdict.UNSURE and r.strength is not Strength.NOTE]
    if counted and counted[0].rule == "origin.service":
        return "It came from a host that nobody knows, and that may be a service of yours."
    return counted[0].says if counted else row_in_words(finding.row)


def _passed_over(console: Console, look: Look) -> None:
    """Print which messages could not be read, and why."""
    if not look.passed_over:
        return
    console.print()
    count = plural(len(look.passed_over), "message")
    print_hanging(
        console, "Not read: ", f"{count} of {look.task.inbox}; the next run looks at them again.", style=WARNING
    )
    for one in look.passed_over[:MOST_LINES]:
        print_hanging(console, "  ", f"UID {one.ref.uid}: {one.reason}.")
    if (left := len(look.passed_over) - MOST_LINES) > 0:
        console.print(f"... and {left} more")


def _coverage(console: Console, look: Look) -> None:
    console.print()
    for source in look.sources:
        problem = f": {source.problem}" if source.problem else ""
        how_much = f"{source.read:,} of {plural(source.announced, 'message')} read"
        print_hanging(console, "Sent mail: ", f"{source.folder}, {how_much}{problem}")
    for line in look.sent.coverage.in_words():
        print_hanging(console, "      ", line)


def _senders(console: Console, look: Look, command: Sequence[object]) -> None:
    """Print who is known to send for the owner, in a few words, and what only a person can say."""
    known = [f"{one.who} ({one.source.value})" for one in look.senders if one.sends]
    if known:
        more = f" and {len(known) - MOST_LINES} more" if len(known) > MOST_LINES else ""
        print_hanging(console, "Sends for you: ", f"{', '.join(known[:MOST_LINES])}{more}")
    if look.questions:
        asked = foremost(look.questions)
        console.print("\nOnly you can say:")
        print_questions(console, asked, command)
        if left := len(look.questions) - len(asked):
            told = f"{'and ' if asked else ''}{plural(left, 'smaller question')}; after a run, this lists them"
            console.print(f"    {told}: {command_line(command)}", soft_wrap=True)


def _write_csv(rows: Sequence[dict[str, Any]]) -> None:
    from cleanup.report.text import csv_text

    def flat() -> Iterator[dict[str, str]]:
        for row in rows:
            yield {
                k: csv_text(v if isinstance(v, str) else json.dumps(v)) if v is not None else "" for k, v in row.items()
            }

    if rows:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat())
