"""`review`: walk through the notices that nobody could decide, and say what they are. The server is not asked."""

from __future__ import annotations

import sys
from collections import Counter
from ipaddress import ip_network
from typing import TYPE_CHECKING

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError

if TYPE_CHECKING:
    from cleanup.ledger import Ledger
    from cleanup.model import Verdict
    from cleanup.report.summary.frames import Frames
    from cleanup.report.summary.review import Waiting

_QUESTION = "[g]enuine, [b]ackscatter, [s]kip, [q]uit"
_ALIKE = "[B] backscatter, with {} that answer the same mailing"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("review")(review)


def review(
    mailbox: opt.Mailbox,
    ledger: opt.LedgerAt = None,
    config: opt.Config = None,
) -> None:
    """Say who sends for you, and what the unsure notices are. One word on a sender decides all that it sent.

    Newest notices first; what you say counts at the next run.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("There is no terminal to ask on", hint="mailbox-cleanup labels import takes a CSV file")

    from cleanup.cli.console import say
    from cleanup.ledger_lookup import looking_back
    from cleanup.report.summary.frames import load
    from cleanup.report.summary.review import waiting
    from cleanup.report.text import plural

    with looking_back((mailbox,), ledger, config, to_write=True) as (opened, (address,)):
        frames = load(opened, [address])
        queue = waiting(frames)
        if not queue:
            say("Nothing waits for you: there is no undecided notice.")
            return
        decided = _ask_who_sends(opened, address)
        if decided:
            say(f"That decides {plural(len(decided), 'notice')} at the next run.")
        queue = [one for one in queue if one.digest not in (decided or ())]
        said = _walk(opened, address, frames, queue) if decided is not None else {}
    left = sum(1 for one in queue if one.digest not in said)
    counts = Counter(verdict.value for verdict in said.values())
    waits = "waits" if left == 1 else "wait"
    called = "decided on none"
    if said:
        called = f"called {counts['genuine']} genuine and {counts['backscatter']} backscatter"
    say(f"You {called}; {left:,} still {waits}.")
    if said:
        say("That counts at the next run. What you called genuine is never filed, and neither is its like.")


def _ask_who_sends(ledger: Ledger, address: str) -> set[str] | None:
    """Ask about each network that nobody can place; return the digests that the answers decide, None to stop."""
    from cleanup.cli.screen import out, print_hanging
    from cleanup.detector.sender_questions import foremost, is_answered, label_of_sender, questions_about
    from cleanup.ledger import Label
    from cleanup.model import Verdict

    unplaced = ledger.unplaced(address)
    decided: set[str] = set()
    for question in foremost(questions_about(met for _, met in unplaced)):
        out().print()
        print_hanging(out(), "", question.in_words())
        if question.examples:
            print_hanging(out(), "  ", f"Their subjects: {'; '.join(question.examples)}")
        word = _word("[y]es, [n]o, [s]kip, [q]uit", "ynsq")
        if word == "q":
            return None
        if word != "s":
            verdict = Verdict.GENUINE if word == "y" else Verdict.BACKSCATTER
            ledger.advance((), labels=[Label(address, label_of_sender(question.network), verdict, "review")])
            answer = ((ip_network(question.network), verdict),)
            decided |= {digest for digest, met in unplaced if is_answered(met.sender, answer)}
    return decided


def _word(question: str, known: str) -> str:
    """Return the first letter of an answer, one of those that are known; an empty one skips, no answer quits."""
    from cleanup.cli.screen import err

    while True:
        err().print(f"{question}: ", end="")
        line = sys.stdin.readline()
        if not line:
            return "q"
        word = line.strip().lower()[:1] or "s"
        if word in known:
            return word


def _walk(ledger: Ledger, address: str, frames: Frames, queue: list[Waiting]) -> dict[str, Verdict]:
    """Ask about each; return what was said, by digest. Every word is written at once."""
    from cleanup.ledger import Label

    said: dict[str, Verdict] = {}
    for number, one in enumerate(queue, 1):
        if one.digest in said:
            continue
        alike = tuple(digest for digest in one.alike if digest not in said)
        _show(frames, one, number, len(queue))
        answer = _ask(len(alike))
        if answer is None:
            break
        words = dict.fromkeys((one.digest, *(alike if answer.all_alike else ())), answer.verdict)
        spoken = {digest: verdict for digest, verdict in words.items() if verdict}
        labels = [Label(address, digest, verdict, "review") for digest, verdict in spoken.items()]
        ledger.advance((), labels=labels)
        said |= spoken
    return said


class _Answer:
    """What a person said: a verdict or None for "skip", and whether it is meant for all that are alike."""

    def __init__(self, verdict: Verdict | None = None, *, all_alike: bool = False) -> None:
        self.verdict = verdict
        self.all_alike = all_alike


def _ask(alike: int) -> _Answer | None:
    """Return the answer; None to stop. Asks again until it is one that is known."""
    from cleanup.cli.screen import err
    from cleanup.model import Verdict

    known = {"g": _Answer(Verdict.GENUINE), "b": _Answer(Verdict.BACKSCATTER), "s": _Answer(), "": _Answer()}
    question = _QUESTION
    if alike:
        known["B"] = _Answer(Verdict.BACKSCATTER, all_alike=True)
        question = f"{_QUESTION}, {_ALIKE.format(alike)}"
    while True:
        err().print(f"{question}: ", end="")
        line = sys.stdin.readline()
        if not line or line.strip().lower() in ("q", "quit"):
            return None
        word = line.strip()
        first = word[:1] if word[:1] == "B" else word[:1].lower()
        if first in known:
            return known[first]


def _show(frames: Frames, one: Waiting, number: int, total: int) -> None:
    from cleanup.cli.explain import print_explained
    from cleanup.cli.screen import out
    from cleanup.report.summary.explain import explained_finding, explained_notice
    from cleanup.report.summary.finding_record import recorded
    from cleanup.report.text import local_time

    found = recorded(frames, one.finding_id)
    console = out()
    console.print(f"\n{number} of {total}: UID {one.uid}, arrived {local_time(found.arrived, zone=True)}", style="bold")
    why = explained_finding(found.finding, found.said, judged=found.judged)
    print_explained([*explained_notice(found.notice), "", *why, ""])
