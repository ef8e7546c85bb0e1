"""`run` and `undo` as their users start them, on the embedded server with Anna's mailbox."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cleanup.config.settings import IdentitySettings, MailboxSettings
from cleanup.demo import Demo
from cleanup.jobs.run import run_mailbox
from cleanup.ledger import Ledger, MoveIntent
from cleanup.model import Fingerprint
from cleanup.progress import unseen
from cleanup.report.filing.journal import Journal
from tests.cli.command import Ended, cleanup
from tests.house.screens import typed
from tests.servers.anna import anna_on_a_server

OWNER = "anna.berg@example.org"


class Anna:
    """Anna's mailbox, and the commands with everything that reaches it."""

    def __init__(self, demo: Demo, ledger: Path) -> None:
        self.demo = demo
        self._reach = (
            *("--host", demo.account.host, "--port", demo.account.port, "--security", "plain"),
            *("--username", "anna", "--ledger", ledger),
        )

    @property
    def reach_in_words(self) -> str:
        """The options that reach the mailbox, in the order in which the program prints them."""
        account, ledger = self.demo.account, self._reach[-1]
        return f"--ledger {ledger} --host {account.host} --port {account.port} --security plain --username anna"

    def run(self, *options: object) -> Ended:
        rules = ("--outbound-host", "192.0.2.10", "--now", "2026-10-20")
        return cleanup("run", OWNER, *self._reach, *rules, *options, CLEANUP_PASSWORD="anna")

    def undo(self, *options: object) -> Ended:
        return cleanup("undo", "last", "--mailbox", OWNER, *self._reach, *options, CLEANUP_PASSWORD="anna")

    def explain(self, uid: int, *options: object) -> Ended:
        return cleanup("explain", OWNER, uid, *self._reach, *options, CLEANUP_PASSWORD="anna")

    def on_a_terminal(self, folder: Path, *words: object, answer: str = "y", term: str = "xterm") -> str:
        """Return what a terminal, which can draw unless it is "dumb", shows of a command."""
        return typed([str(word) for word in (*words, *self._reach)], folder, answer=answer, TERM=term)

    def paste(self, line: str, folder: Path) -> str:
        """Return what a terminal shows of a command line that was copied from a screen."""
        program, *words = shlex.split(line)
        assert program == "mailbox-cleanup"
        return typed(words, folder, TERM="dumb")

    @property
    def filed(self) -> int:
        return len(self.demo.filed())


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Anna]:
    with anna_on_a_server(tmp_path / "unused.sqlite") as demo:
        yield Anna(demo, tmp_path / "ledger.sqlite")


def test_a_terminal_shows_how_far_moving_and_putting_back_are(anna: Anna, tmp_path: Path) -> None:
    rules = ("--outbound-host", "192.0.2.10", "--now", "2026-10-20")

    run = anna.on_a_terminal(tmp_path, "run", OWNER, *rules)
    undo = anna.on_a_terminal(tmp_path, "undo", "last", "--mailbox", OWNER)

    assert re.search(r"Moving .* 72/72 [\d,]+/s \d:\d\d:\d\d", run)
    assert re.search(r"Putting back .* 72/72 [\d,]+/s \d:\d\d:\d\d", undo)
    assert "72 messages of run 1 were put back." in undo


def test_only_what_arrived_since_is_filed_and_the_rest_comes_with_the_next_run(anna: Anna) -> None:
    plan = anna.run("--since", "2026-10-14T04:00Z", "--dry-run").out
    part = anna.run("--yes", "--since", "2026-10-14T04:00Z")

    (filed,) = re.findall(r"Plan: (\d+) messages would be moved", plan)
    (left,) = re.findall(r"(\d+) messages more arrived before --since", plan)
    assert 0 < int(filed) < 72
    assert (part.code, anna.filed, int(filed) + int(left)) == (0, int(filed), 72)

    assert anna.run("--yes").code == 0
    assert anna.filed == 72


def test_off_a_terminal_a_run_leaves_one_line_and_undo_takes_it_back(anna: Anna) -> None:
    done = anna.run("--yes")

    assert (done.code, done.out) == (0, "")
    assert done.err == (
        f"{OWNER}: run 1, 447 messages, 92 notices: 72 filed in Backscatter, 14 genuine, 6 unsure; "
        f"to take it back: mailbox-cleanup undo 1 {anna.reach_in_words}\n"
    )
    assert anna.filed == 72

    back = anna.undo("--yes")

    assert (back.code, back.err) == (0, "72 messages of run 1 were put back.\n")
    assert anna.filed == 0


def test_what_a_person_took_back_is_filed_again_only_on_request(anna: Anna) -> None:
    anna.run("--yes")
    anna.undo("--yes")

    assert "0 filed" in anna.run("--yes").err
    assert "72 filed" in anna.run("--yes", "--again").err


def test_a_dry_run_changes_nothing_and_shows_the_plan(anna: Anna) -> None:
    done = anna.run("--dry-run")

    assert done.code == 0
    assert "Plan: 72 messages would be moved from INBOX to Backscatter." in done.out
    assert anna.filed == 0


def test_without_a_terminal_and_without_yes_nothing_is_moved(anna: Anna) -> None:
    done = anna.run()

    assert done.code == 2
    assert "Add --yes" in done.err
    assert anna.filed == 0


RULES = ("--outbound-host", "192.0.2.10", "--now", "2026-10-20")


@pytest.mark.parametrize("limit", [("--max-moves", 10), ("--max-share", 0.05)])
def test_on_a_terminal_a_limit_asks_with_the_numbers(anna: Anna, tmp_path: Path, limit: tuple[str, object]) -> None:
    screen = anna.on_a_terminal(tmp_path, "run", OWNER, *RULES, *limit, answer="n", term="dumb")

    assert "72 of 447 messages are forged bounces. File them? [y/N] n" in screen
    assert "Nothing was moved" in screen
    assert anna.filed == 0

    screen = anna.on_a_terminal(tmp_path, "run", OWNER, *RULES, *limit, answer="y", term="dumb")

    assert re.search(r"moved  kept  undecided  genuine  seconds\n +72     0          6       14 ", screen)
    assert anna.filed == 72


def test_off_a_terminal_a_limit_refuses_and_prints_the_command_that_goes_on(anna: Anna, tmp_path: Path) -> None:
    refused = anna.run("--yes", "--max-moves", 10, "--max-share=0.05")

    assert refused.code == 20
    (command,) = re.findall(r"To file them all the same: (mailbox-cleanup run .*) \[safety-stop\]$", refused.err)
    assert command.endswith("--yes --max-moves 72 --max-share 0.17")
    assert "72 messages filed in Backscatter." in anna.paste(command, tmp_path)


def test_a_scan_ends_with_the_command_that_files_what_it_shows(anna: Anna, tmp_path: Path) -> None:
    scan = anna.on_a_terminal(tmp_path, "scan", OWNER, *RULES, "--policy", "storm", term="dumb")

    (command,) = re.findall(r"Next, to move them:\n  (mailbox-cleanup run .*)\n", scan)
    assert not anna.filed
    assert "filed in Backscatter" in " ".join(anna.paste(command, tmp_path).split())
    assert anna.filed >= 72


@pytest.mark.parametrize("limit", [("--max-moves", 10), ("--max-share", 0.05)])
def test_a_safety_limit_stops_everything_and_says_how_to_go_on(anna: Anna, limit: tuple[str, object]) -> None:
    done = anna.run("--yes", *limit)

    assert done.code == 20
    assert "Nothing was moved" in done.err
    assert limit[0] in done.err
    assert anna.filed == 0


def test_unsure_ones_make_exit_code_4_only_on_request(anna: Anna) -> None:
    assert anna.run("--yes", "--strict-review").code == 4


def test_the_cautious_policy_files_nothing(anna: Anna) -> None:
    done = anna.run("--yes", "--policy", "cautious")

    assert done.code == 0
    assert anna.filed == 0


def test_explain_says_who_was_known_to_send_and_from_where(anna: Anna) -> None:
    anna.run("--yes")

    assert "  * 192.0.2.10 is named as an outbound host (configuration)." in anna.explain(459).out


def test_a_message_can_be_explained_from_the_mailbox_itself(anna: Anna) -> None:
    done = anna.explain(459, "--live", "--outbound-host", "192.0.2.10", "--now", "2026-10-20")

    assert done.code == 0
    assert "[disproved-twice]" in done.out


def killed_behind_its_first_move(anna: Anna, monkeypatch: pytest.MonkeyPatch, ledger: Path) -> None:
    """Run, and die when the first message was moved and nothing of it was written down yet."""
    identity = IdentitySettings(outbound_hosts=("192.0.2.10",))
    settings = MailboxSettings(address=OWNER, username="anna", ledger=str(ledger), identity=identity)
    now = datetime(2026, 10, 20, tzinfo=UTC)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Journal, "write", _killed)
        run_mailbox(anna.demo.account, settings, now=now, agreed=lambda _: True, progress=unseen)


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("which", ["last", "1"])
def test_undo_looks_what_a_run_that_was_killed_had_moved_before_it_decides(
    anna: Anna, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, which: str
) -> None:
    killed_behind_its_first_move(anna, monkeypatch, tmp_path / "ledger.sqlite")
    assert anna.filed == 1

    ended = cleanup("undo", which, "--mailbox", OWNER, *anna._reach, "--yes", CLEANUP_PASSWORD="anna")

    assert (ended.code, "1 message of run 1 was put back." in ended.out + ended.err) == (0, True)
    assert "Of an earlier run that was cut off, 1 message had arrived." in ended.out + ended.err
    assert anna.filed == 0


def test_undo_of_somebody_elses_run_is_refused_by_name_and_touches_nothing(anna: Anna, tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.start_run(OWNER, "run")
        bens = ledger.start_run("ben@example.org", "run")
        intent = MoveIntent("INBOX", 1, 1, "Backscatter", 2, 1, Fingerprint(1, datetime(2026, 1, 1, tzinfo=UTC), "x"))
        ledger.intend(bens, [intent])

    ended = cleanup("undo", bens, "--mailbox", OWNER, *anna._reach, "--yes", CLEANUP_PASSWORD="anna")

    assert ended.code == 2
    assert f"Run {bens} is of ben@example.org and not of {OWNER}" in ended.err
    assert f"undo {bens} --mailbox ben@example.org" in ended.err
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert len(ledger.open_moves("ben@example.org")) == 1
        assert len(ledger.runs()) == 2


def test_undo_since_takes_back_all_runs_that_were_at_work_since_then(anna: Anna) -> None:
    for limit in ("2026-10-14T04:00", "2026-10-01"):  # two runs, each with a part of the storm
        anna.run("--yes", "--since", limit)
    filed = anna.filed

    wrong = cleanup("undo", "1", "--since", "1h", "--mailbox", OWNER, *anna._reach, "--yes")
    undone = cleanup("undo", "--since", "1h", "--mailbox", OWNER, *anna._reach, "--yes", CLEANUP_PASSWORD="anna")
    again = cleanup("undo", "--since", "1h", "--mailbox", OWNER, *anna._reach, "--yes", CLEANUP_PASSWORD="anna")

    assert (wrong.code, undone.code, again.code) == (2, 0, 2)
    counts = re.findall(r"(\d+) messages? of run (\d) (?:was|were) put back", undone.err)
    assert [run for _, run in counts] == ["2", "1"]
    assert sum(int(count) for count, _ in counts) == filed > 0
    assert anna.filed == 0
    assert "is left to put back" in again.err
