"""`senders`: who is known to send for a mailbox's owner, who may, and a person's yes or no. The server is not asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated

import typer

from cleanup.cli import options as opt
from cleanup.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from cleanup.detector.networks import Network
    from cleanup.detector.sender_questions import SenderQuestion
    from cleanup.ledger import Ledger
    from cleanup.model import Verdict

SAID_BY = "senders"
WIDEST = {4: 16, 6: 32}  # by IP version: the shortest prefix of a network that one answer may be about


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("senders")(senders)


def senders(
    mailbox: opt.Mailbox,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="NETWORK", help="This network, or the one of this question, sends for you."),
    ] = None,
    no: Annotated[
        list[str] | None, typer.Option("--no", metavar="NETWORK", help="It does not: its bounces answer forged mail.")
    ] = None,
    forget: Annotated[
        list[str] | None, typer.Option("--forget", metavar="NETWORK", help="Take your answer about it back.")
    ] = None,
    config: opt.Config = None,
    ledger: opt.LedgerAt = None,
) -> None:
    """Say who sends for you. Without options: who is known to, from where, and what only you can say."""
    from cleanup.config import load_mailbox
    from cleanup.ledger import Ledger
    from cleanup.ledger_lookup import find_ledger

    address = load_mailbox(mailbox, config=config).address
    answering = bool(yes or no or forget)
    where = find_ledger((mailbox,), ledger, config, may_be_new=answering)
    reach = opt.Reach(config=config, ledger=ledger)
    with Ledger.open(where, looking=not answering) as opened:
        if answering:
            _answer(opened, address, yes or (), no or (), forget or ())
        else:
            _list(opened, address, ["senders", mailbox, *opt.to_ledger(reach)])


def print_questions(
    console: Console, questions: Sequence[SenderQuestion], command: Sequence[object], *, first: int = 1
) -> None:
    """Print what only a person can say of senders, a sentence each, with the commands that answer; numbered."""
    from cleanup.cli.console import command_line
    from cleanup.cli.screen import print_hanging

    for number, question in enumerate(questions, start=first):
        print_hanging(console, f"{number:>2}  ", question.in_words())
        if question.examples:
            print_hanging(console, "    ", f"Their subjects: {'; '.join(question.examples)}")
        for word in ("yes", "no"):
            line = command_line([*command, f"--{word}", question.network])
            console.print(f"    {word + ':':<5}{line}", soft_wrap=True)


# --- the list ------------------------------------------------------------------------------------------------------


def _list(ledger: Ledger, address: str, command: Sequence[object]) -> None:
    from cleanup.cli.screen import cells, out, print_hanging, table
    from cleanup.detector.sender_questions import answers_about_senders, foremost, questions_about
    from cleanup.detector.who_sends import Source, known_from_answers

    answers = known_from_answers(answers_about_senders(ledger.labels(address)))
    told = [one for one in ledger.known_senders(address) if one[1] != Source.ANSWER]  # those may have changed since
    rows = [(one.who, one.source.value, one.says) for one in answers] + told
    console = out()
    if rows:
        shown = table(None, "who", "known from", "it")
        for row in rows:
            shown.add_row(*cells(*row))
        console.print(shown)
    else:
        nobody = (
            f"Nobody is known to send for {address} yet. Each run looks; name hosts that you know: --outbound-host."
        )
        print_hanging(console, "", nobody)
    questions = questions_about(met for _, met in ledger.unplaced(address))
    asked = foremost(questions)
    if asked:
        console.print("\nOnly you can say:")
        print_questions(console, asked, command)
    if smaller := questions[len(asked) :]:
        console.print("\nOnly you can say, but these can wait:")
        print_questions(console, smaller, command, first=len(asked) + 1)


# --- the answers ---------------------------------------------------------------------------------------------------


def _answer(ledger: Ledger, address: str, yes: Iterable[str], no: Iterable[str], forget: Iterable[str]) -> None:
    """Write all answers, or none where one of them cannot be understood."""
    from cleanup.cli.console import say
    from cleanup.detector.sender_questions import answers_about_senders, label_of_sender, questions_about
    from cleanup.ledger import Label
    from cleanup.model import Verdict

    unplaced = [met for _, met in ledger.unplaced(address)]
    questions = questions_about(unplaced)
    given = dict(answers_about_senders(ledger.labels(address)))
    said: dict[Network, Verdict] = {}
    for verdict, words in ((Verdict.GENUINE, yes), (Verdict.BACKSCATTER, no)):
        for word in words:
            network = _meant(word, questions)
            if said.setdefault(network, verdict) is not verdict:
                raise UsageError(f"{network} is given with --yes and with --no")
    taken_back = [_given(word, given) for word in forget]
    said |= dict.fromkeys(taken_back, Verdict.UNSURE)
    ledger.advance((), labels=[Label(address, label_of_sender(str(n)), v, SAID_BY) for n, v in said.items()])
    told = {
        Verdict.GENUINE: "{} sends for you: bounces of its mail are never filed.",
        Verdict.BACKSCATTER: "{} does not send for you: its bounces are filed unless something speaks for them.",
        Verdict.UNSURE: "Your answer about {} is taken back.",
    }
    for network, verdict in said.items():
        count = sum(ip_address(met.sender.address) in network for met in unplaced)
        wait = "waits" if count == 1 else "wait"
        waiting = f" {count:,} of them {wait} in the Inbox." if count and verdict is not Verdict.UNSURE else ""
        say(f"{told[verdict].format(network)}{waiting}")
    say("That counts from the next run on.")


def _meant(word: str, questions: Sequence[SenderQuestion]) -> Network:
    """Return the network that a person means: written out, or by the number of its question."""
    if word.isdigit():
        if not 1 <= int(word) <= len(questions):
            raise UsageError(f"There is no question {word}", hint="Name the network: 192.0.2.0/24, or an address")
        return ip_network(questions[int(word) - 1].network)
    network = _network(word)
    if network.prefixlen < WIDEST[network.version]:
        raise UsageError(
            f"{network} is wider than one sender's network", hint=f"At most a /{WIDEST[network.version]} at a time"
        )
    return network


def _given(word: str, given: Mapping[Network, Verdict]) -> Network:
    """Return the network of an answer that a person wants to take back: the one that is written, or is around it."""
    network = _network(word)
    around = [n for n in given if n.version == network.version and network.subnet_of(n)]  # type: ignore[arg-type]
    if not around:
        known = ", ".join(map(str, given)) or "none"
        raise UsageError(f"There is no answer about {network}", hint=f"There are: {known}")
    return max(around, key=lambda n: n.prefixlen)


def _network(word: str) -> Network:
    try:
        return ip_network(word.strip().strip("[]"), strict=False)
    except ValueError as error:
        raise UsageError(f"{word!r} is neither an address nor a network", hint="Write it like 192.0.2.0/24") from error
