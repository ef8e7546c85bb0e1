"""Every command that an output prints is pasted back, and must do what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from random import Random

import pytest

from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OWNER
from cleanup.errors import ConnectionLost
from cleanup.extras import install_command
from cleanup.report.summary.labels import EXAMPLE
from tests.cli.command import Ended
from tests.cli.in_process import Program
from tests.generator.mail import Original, Report, write
from tests.servers.anna import anna_on_a_server

_COMMAND = re.compile(r"mailbox-cleanup (?=[a-z])[^\n;`<()]*")
_PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")  # MAILBOX, RUN: a person fills it in


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setattr("cleanup.report.summary.html.charts_available", lambda: False)
    with anna_on_a_server(tmp_path / "unused.sqlite") as demo:
        yield Program(demo, tmp_path / "ledger.sqlite", monkeypatch)


def printed(ended: Ended) -> list[list[str]]:
    """Return the commands that an output prints, as words, without the program; those to be filled in are left out."""
    found = _COMMAND.findall(ended.out + ended.err)
    whole = [command.rstrip(" .,:") for command in found if not _PLACEHOLDER.search(command)]
    return [shlex.split(re.sub(r" \[[a-z-]+\]$", "", command))[1:] for command in whole]


def paste(anna: Program, words: list[str]) -> Ended:
    """Run a printed command, as a person does who says yes."""
    asks = words[0] in ("run", "undo")
    return anna(*words, *(["--yes"] if asks and "--yes" not in words else []))


def test_what_scan_prints_moves_just_what_it_planned(anna: Program) -> None:
    (command,) = printed(anna.on("scan"))

    done = paste(anna, command)

    assert (done.code, len(anna.demo.filed())) == (0, 72)


def test_what_a_run_prints_takes_it_back(anna: Program) -> None:
    (command,) = printed(anna.on("run", "--yes"))

    back = paste(anna, command)

    assert (back.code, len(anna.demo.filed())) == (0, 0)


def test_what_a_run_prints_takes_back_what_the_one_that_broke_off_moved_too(
    anna: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _broken_off_after_the_first_move(anna, monkeypatch)
    assert 0 < len(anna.demo.filed()) < 72

    commands = printed(anna.on("run", "--yes"))
    filed = len(anna.demo.filed())
    codes = [paste(anna, command).code for command in commands]

    assert (filed, codes) == (72, [0, 0])
    assert anna.demo.filed() == []


def test_what_rescue_prints_takes_it_back(anna: Program) -> None:
    with open_mailbox(anna.demo.account) as mailbox:
        mailbox.examine("INBOX")
        uid = next(one.ref.uid for one in anna.demo.scan().judged if one.finding.verdict.value == "genuine")
        _, raw = next(iter(mailbox.pull_bodies("INBOX", [uid])))
        mailbox.append("Junk", raw.replace(b"Message-ID: <", b"Message-ID: <again-", 1), (), LAST_DAY)

    moved = anna.on("rescue", "--move", "--yes")
    (command,) = printed(moved)
    back = paste(anna, command)

    assert (moved.code, back.code) == (0, 0), back.err
    assert "1 messages of run 1 were put back." in back.err or "1 message of run 1" in back.err


def test_what_a_run_and_a_scan_print_to_say_who_sends_takes_the_answer(anna: Program) -> None:
    _bounces_of_an_unknown_service(anna, count=4)

    scanned, ran = anna.on("scan"), anna.on("run", "--yes")
    asks = [words for words in printed(ran) if words[0] == "senders"]
    answers = [words for words in printed(scanned) if words[0] == "senders" and "--yes" in words]
    listed = [paste(anna, words) for words in asks]
    answered = [paste(anna, words) for words in answers]

    assert "4 undelivered messages in your name came from web17.hostfarm.example [185.12.81.90]" in ran.err
    assert [(one.code, "185.12.81.90" in one.out) for one in listed] == [(0, True)]
    assert [(one.code, "185.12.81.0/24 sends for you" in one.err) for one in answered] == [(0, True)]


def test_questions_that_are_too_small_to_ask_are_one_line_with_the_command_that_lists_them(anna: Program) -> None:
    _bounces_of_an_unknown_service(anna, count=2)

    scanned, ran = anna.on("scan"), anna.on("run", "--yes")
    (command,) = [words for words in printed(scanned) if words[0] == "senders"]
    listed = paste(anna, command)

    assert "1 smaller question" in scanned.out
    assert "A service of yours?" not in scanned.out + ran.err
    assert (listed.code, "2 undelivered messages" in listed.out) == (0, True)


def test_every_other_printed_command_works(anna: Program) -> None:
    anna.on("run", "--yes")
    to_whom = anna("domains", "--ledger", anna.ledger)
    # at once: when all is put back there is nobody to write to
    pasted = [(words, paste(anna, words)) for words in printed(to_whom)]
    outputs = [
        anna("report", "--ledger", anna.ledger),
        anna("report", "--ledger", anna.ledger, "--format", "md"),
        anna("report", "--ledger", anna.ledger, "--format", "html"),
        anna("report", "--ledger", anna.ledger, "--run", 99),
        anna("history", "show", 99, "--ledger", anna.ledger),
        anna("explain", OWNER, 459, "--ledger", anna.ledger),
        anna.on("run", "--yes", "--max-moves", 1),
        anna.undo(99),
        anna.undo("last"),
    ]

    pasted += [(words, paste(anna, words)) for output in outputs for words in printed(output)]

    assert len(pasted) >= 3
    assert [(words, done.err) for words, done in pasted if done.code] == []


def test_the_example_of_a_condition_can_be_read_and_the_columns_are_named(anna: Program) -> None:
    anna.on("run", "--yes")

    wrong = anna.undo("1", "--where", 'subject == "x"')
    example = anna.undo("1", "--where", EXAMPLE)

    assert wrong.code == 2
    assert EXAMPLE in wrong.err
    assert "original_subject" in wrong.err.partition("The columns: ")[2]
    assert "cannot be read" not in example.err


def test_what_installs_an_extra_can_be_pasted_where_no_index_has_the_program() -> None:
    words = shlex.split(install_command("xlsx"))

    done = subprocess.run([*words, "--no-index", "--dry-run"], capture_output=True, text=True, check=False)

    assert "mailbox-cleanup" not in words
    assert done.returncode == 0, done.stderr


def _bounces_of_an_unknown_service(anna: Program, count: int) -> None:
    """Put bounces of order confirmations into the Inbox, one a day, all by one web host."""
    web = "from web17.hostfarm.example (web17.hostfarm.example [185.12.81.90]) by mx{}.far.test (Postfix) with ESMTP"
    rng = Random(1)
    with open_mailbox(anna.demo.account) as mailbox:
        mailbox.examine("INBOX")
        for day in range(count):
            when = LAST_DAY - timedelta(days=day + 3)
            original = Original(
                message_id=f"order.{day}@web17.hostfarm.example",
                sender=f"Anna Berg <{OWNER}>",
                to=f"customer{day}@far.test",
                subject=f"Your order {day}",
                date=when,
                received=(f"{web.format(day)} id 4{day}; {format_datetime(when)}",),
            )
            report = Report(original, (original.to,), f"mx{day}.far.test", "198.51.100.9", OWNER, when)
            mailbox.append("INBOX", write(rng, report), (), when)


def _broken_off_after_the_first_move(anna: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from cleanup.connector.mailbox import Mailbox

    real, calls = Mailbox.move, []

    def move(self: Mailbox, uids: list[int], *more: object) -> object:
        calls.append(len(uids))
        if len(calls) > 1:
            raise ConnectionLost("The power went out")
        return real(self, uids, *more)  # type: ignore[arg-type]

    with monkeypatch.context() as cut:
        cut.setattr(Mailbox, "move", move)
        anna.on("run", "--yes")
