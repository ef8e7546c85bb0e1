"""What a terminal of 80 columns shows: whole addresses, a row a line, each reason once, colours and the local time."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cleanup import signals
from cleanup.cli import options as opt
from cleanup.cli.render import print_closing
from cleanup.cli.screen import print_list
from cleanup.demo import OWNER
from cleanup.errors import StopNow, Stopped
from cleanup.jobs.result import Done
from cleanup.ledger import Ledger
from cleanup.ledger.values import UNDO_LABEL
from cleanup.model import Finding, Verdict
from cleanup.report.summary.explain import explained_finding
from cleanup.report.summary.labels import Said
from cleanup.report.text import in_local_time
from tests.cli.command import cleanup
from tests.house.screens import COLUMNS, typed
from tests.servers.anna import anna_on_a_server
from tests.servers.running import free_port

ADDRESS = re.compile(r"[\w.-]+@[\w.-]+")


def _drawn(*rows: tuple[str, ...], why: str = "", width: int = 40) -> list[str]:
    console = Console(file=StringIO(), width=width, color_system=None)
    print_list(console, ("UID", "to", "subject"), {why: rows}, numbers=("UID",))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_cell_that_just_fills_its_column_does_not_touch_the_next() -> None:
    for width in range(30, 70):
        drawn = _drawn(("1", "MAILER-DAEMON@mx3.larch1320.test", "draft for the server"), width=width)
        assert not any("testdraft" in line for line in drawn), width


def test_what_stands_on_a_line_of_its_own_has_room_for_itself() -> None:
    """An address that is longer than its column has its own line, and the subject below it needs but one more."""
    address = "an.address.of.a.length@that-is-rare.example"
    assert _drawn(("1", address, "Photos of us from last night 9338"), width=50)[1:] == [
        f"  1  {address}",
        "       Photos of us from last night 9338",
    ]


def test_a_report_breaks_no_address_and_says_each_reason_once(annas_ledger: Path, tmp_path: Path) -> None:
    screen = typed(["report", "--ledger", str(annas_ledger), "--now", "2026-10-20"], tmp_path)

    rows = screen[screen.index("Your own mail that did not arrive") :].splitlines()
    assert max(map(len, rows)) <= COLUMNS
    assert {a for a in ADDRESS.findall(screen) if a.startswith("bob")} == {"bob@partner.test"}
    assert screen.count("There is no such mailbox") == 1
    assert "There is no such mailbox (10):" in rows
    assert [row for row in rows if "carla@studio.test" in row] == [
        "  539  2026-10-16 15:20  carla@studio.test  Offer for the garden fence"
    ]


def test_a_report_says_what_it_is_at(annas_ledger: Path, tmp_path: Path) -> None:
    """A large ledger is read and drawn for many seconds: nobody must take the silence for an end."""
    words = ["report", "--ledger", str(annas_ledger), "--format", "html", "--output", str(tmp_path / "page.html")]

    screen = typed(words, tmp_path, TERM="xterm")

    assert "Reading the ledger" in screen
    assert "Writing the report" in screen
    assert "Written to" in screen


def test_what_is_too_long_for_its_column_has_a_line_of_its_own() -> None:
    long = "somebody.with.a.long.name@department.example"

    drawn = _drawn(("7", "a@b.test", "Hello"), ("12", long, "An offer for a garden fence"))

    assert drawn == [
        "UID  to                    subject",
        "  7  a@b.test              Hello",
        f" 12  {long}",
        "       An offer for a garden fence",
    ]


def test_what_rows_have_in_common_is_said_above_them_with_their_number() -> None:
    assert _drawn(("7", "a@b.test", "Hi"), why="It is full.")[1:] == ["It is full (1):", "    7  a@b.test  Hi"]


def test_people_see_their_own_time_and_programs_utc(annas_ledger: Path, tmp_path: Path) -> None:
    words = ["explain", OWNER, "459", "--ledger", str(annas_ledger)]

    assert "arrived 2026-10-14 05:10 CEST" in typed(words, tmp_path, TZ="CEST-2")
    assert "arrived 2026-10-14 03:10 UTC" in typed(words, tmp_path, TZ="UTC")
    rows = cleanup("history", "--ledger", annas_ledger, "--format", "jsonl", TZ="CEST-2").out.splitlines()
    assert all(json.loads(row)["started"].endswith("Z") for row in rows)


def test_a_failure_is_red_unless_colours_are_switched_off(tmp_path: Path) -> None:
    words = ["doctor", OWNER, "--host", "127.0.0.1", "--port", str(free_port()), "--security", "plain"]

    coloured = typed(words, tmp_path, TERM="xterm-256color", NO_COLOR="")

    assert "\x1b[1;31mFAILED" in coloured
    assert "\x1b" not in typed(words, tmp_path)


def test_a_notice_is_found_by_whom_the_mail_went_to_or_by_its_subject(annas_ledger: Path) -> None:
    one = cleanup("explain", OWNER, "--to", "CARLA@", "--ledger", annas_ledger)
    several = cleanup("explain", OWNER, "--to", "bob@", "--ledger", annas_ledger)
    both = cleanup("explain", OWNER, "--to", "bob@", "--subject", "minutes", "--ledger", annas_ledger)
    none = cleanup("explain", OWNER, "--to", "nobody@x.test", "--ledger", annas_ledger)

    assert "carla@studio.test" in one.out
    assert "Decided by:" in one.out
    assert re.findall(r"^ +(\d+)  2026", several.out, re.MULTILINE) == ["453", "367", "314"]
    assert "explain anna.berg@example.org 453" in several.err
    assert "Minutes of Tuesday" in both.out
    assert "Decided by:" in both.out
    assert (none.code, "nobody@x.test" in none.err) == (2, True)


@pytest.fixture(params=[0, 2], ids=["UTC", "CEST"])
def east(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[timedelta]:
    """How far east of UTC the clock here is."""
    monkeypatch.setenv("TZ", f"HERE-{request.param}")
    time.tzset()
    yield timedelta(hours=request.param)
    monkeypatch.undo()
    time.tzset()


def test_a_time_of_day_is_when_the_clock_here_showed_it_last(east: timedelta) -> None:
    now = datetime(2026, 10, 20, 16, 0, tzinfo=UTC) - east

    begins = [opt.since(text, now) + east for text in ("15:30", "17:30", "today")]

    assert begins == [
        datetime(2026, 10, 20, 15, 30, tzinfo=UTC),
        datetime(2026, 10, 19, 17, 30, tzinfo=UTC),
        datetime(2026, 10, 20, tzinfo=UTC),
    ]


def test_a_failed_login_keeps_the_answers(tmp_path: Path) -> None:
    port, secret = free_port(), tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    given = ("--address", "a@example.org", "--host", "127.0.0.1", "--port", port, "--security", "plain")

    done = cleanup(
        *("config", "init", *given, "--password-file", secret, "--outbound-host", "192.0.2.1"),
        *("--config", tmp_path / "c.toml"),
    )

    assert done.code == 10
    assert not (tmp_path / "c.toml").exists()
    assert "mailbox-cleanup config init --address a@example.org --host 127.0.0.1" in done.err
    assert f"--password-file {secret} --outbound-host 192.0.2.1 --config {tmp_path / 'c.toml'}" in done.err


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What is said at once when a signal comes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    heard: list[str] = []
    signals.watch(heard.append)
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)
    signals._watch.came = None


def test_a_run_ends_with_a_table_also_after_ctrl_c_which_is_answered_at_once(told: list[str], tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "Moving" and done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        with pytest.raises(Stopped) as stopped:
            anna.run(interrupt)
        signals._watch.came = None
        finished = anna.run()

    assert told == ["Finishing this batch of 1 ..."]
    assert isinstance(stopped.value.done, Done)
    assert _closing(stopped.value.done)[1:3] == [
        "moved  kept  undecided  genuine  seconds",
        "    1    71          6       14      1.5",
    ]
    assert _closing(finished)[2] == "   71     0          6       14      1.5"


def test_a_run_that_is_stopped_before_its_first_batch_is_not_called_cut_off(told: list[str], tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "Moving" and done == 0:
            os.kill(os.getpid(), signal.SIGINT)

    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna, pytest.raises(StopNow):
        anna.run(interrupt)

    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert [run.status for run in ledger.runs(OWNER)] == ["stopped"]
    assert told == []  # nothing had to be finished


def _closing(done: Done) -> list[str]:
    console = Console(file=StringIO(), width=COLUMNS, color_system=None)
    print_closing(console, done, 1.5)
    return console.file.getvalue().strip().splitlines()  # type: ignore[attr-defined]


def test_the_long_look_of_doctor_shows_how_far_it_is(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "unused.sqlite") as anna:
        reach = ("--host", anna.account.host, "--port", str(anna.account.port), "--security", "plain")
        screen = typed(["doctor", OWNER, *reach, "--username", "anna"], tmp_path, TERM="xterm")

    assert re.search(r"Reading .* \d+/\d+", screen)
    assert "A trial look found 92 notices" in screen


def test_doctor_says_which_limit_a_run_would_ask_about(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "unused.sqlite") as anna:
        reach = ("--host", anna.account.host, "--port", str(anna.account.port), "--security", "plain")
        words = ["doctor", OWNER, *reach, "--username", "anna"]
        screen = " ".join(typed(words, tmp_path, CLEANUP_POLICY__MAX_MOVES="10").split())

    assert "A trial look found 92 notices. A run does not move that many unasked: 72 messages would be moved" in screen
    assert "would move 0" not in screen


def test_the_closing_table_stands_alone_also_where_nobody_was_asked(tmp_path: Path) -> None:
    """Bars that still stood while it was printed took a line of it away with each redraw."""
    with anna_on_a_server(tmp_path / "unused.sqlite") as anna:
        reach = f"--ledger {tmp_path}/l.sqlite --host 127.0.0.1 --port {anna.account.port} --security plain"
        words = ["run", OWNER, *reach.split(), "--username", "anna", "--now", "2026-10-20", "--yes"]

        screen = typed(words, tmp_path, TERM="xterm")

    assert "Moving" in screen
    assert "Moving" not in screen[screen.index(f"{OWNER}, run 1") :]


def test_a_moment_in_a_sentence_stands_in_the_time_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        told = in_local_time("The id is in Sent (2026-10-14 23:10 UTC), yet 2026-10-14 is a day.")
    finally:
        monkeypatch.undo()
        time.tzset()

    assert told == "The id is in Sent (2026-10-15 01:10 CEST), yet 2026-10-14 is a day."


def test_a_word_from_before_the_run_is_not_said_to_have_come_since() -> None:
    when = datetime(2026, 10, 15, tzinfo=UTC)
    finding = Finding(Verdict.BACKSCATTER, "disproved-twice")
    said = Said(Verdict.UNSURE, UNDO_LABEL, when, undone_run=1)

    before = explained_finding(finding, said, judged=when + timedelta(hours=1))
    since = explained_finding(finding, said, judged=when - timedelta(hours=1))

    assert any(line.startswith("Before that:") for line in before)
    assert not any(line.startswith("Since then:") for line in before)
    assert any(line.startswith("Since then:") for line in since)
