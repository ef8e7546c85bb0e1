"""What every output says of how many: scan, run, report, explain, history, digest, doctor and notebooks agree.

With each other, and with what lies on the server; after a storm, an undo, `--again`, an interruption and a refusal.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.demo import OWNER
from cleanup.model import Verdict
from cleanup.notebook import load_frames
from cleanup.report.counts import Counts, Fate
from cleanup.report.digest import RUN_FIELD
from cleanup.report.summary.summarize import count
from tests.cli.in_process import Program
from tests.servers.anna import anna_on_a_server

NOTICES = 92  # of Anna's 447 messages
ORDINARY = 355
VERDICTS = ("backscatter", "genuine", "unsure")


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setattr("cleanup.report.summary.html.charts_available", lambda: False)  # seconds, for no number
    with anna_on_a_server(tmp_path / "unused.sqlite") as demo:
        yield Program(demo, tmp_path / "ledger.sqlite", monkeypatch)


@dataclass(frozen=True)
class OnServer:
    """What lies on the server: messages in the Inbox, filed ones, digests."""

    inbox: int
    filed: int
    digests: tuple[str, ...]


def on_server(anna: Program) -> OnServer:
    with open_mailbox(anna.demo.account, read_only=True) as mailbox:
        folders = {folder.name for folder in mailbox.folders()}
        inbox = mailbox.examine("INBOX").exists
        if "Backscatter" not in folders:
            return OnServer(inbox, 0, ())
        mailbox.examine("Backscatter")
        raws = [raw for _, raw in mailbox.pull_bodies("Backscatter", mailbox.uids("Backscatter"))]
    bodies = [message_from_bytes(raw, policy=default) for raw in raws]
    digests = tuple(str(next(body.iter_parts()).get_content()) for body in bodies if RUN_FIELD in body)
    return OnServer(inbox, len(bodies) - len(digests), digests)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, (pattern, text)
    return int(found[1].replace(",", ""))


def _optional(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1].replace(",", "")) if found else 0


def everything_agrees(anna: Program, *options: object) -> Counts:
    """Assert that all outputs tell the same numbers, as a run with these options would see it; return them."""
    server = on_server(anna)
    frames = load_frames(anna.ledger, OWNER)
    known = count(frames.notices)
    assert known.notices + ORDINARY == server.inbox + server.filed

    # the report, as a table, as Markdown and as a page; and the notebook's frames
    said = f"{known.notices} notices: " + ", ".join(f"{known.of(Verdict(v))} {v}" for v in VERDICTS)
    table, page = (
        anna("report", "--ledger", anna.ledger).out,
        anna("report", "--ledger", anna.ledger, "--format", "html").out,
    )
    assert said in table
    assert said in anna("report", "--ledger", anna.ledger, "--format", "md").out
    for verdict in VERDICTS:
        assert f'<li class="{verdict}"><b>{known.of(Verdict(verdict))}</b>' in page
    filed, unsettled = known.of(Fate.FILED), known.of(Fate.OPEN)
    assert filed == _number(r"unsure; ([\d,]+) filed", table)
    assert filed <= server.filed <= filed + unsettled
    kept = known.of(Fate.KEPT)
    assert kept == _optional(r"; ([\d,]+) kept at your word", table)
    assert ("will not be filed again" in table) == (kept > 0)

    # the mailbox, as scan and doctor see it: what is filed is not there
    scan = anna.on("scan", *options).out
    rows = [json.loads(line) for line in anna.on("scan", "--format", "jsonl", *options).out.splitlines()]
    assert _number(r"([\d,]+) messages, among them", scan) == server.inbox
    assert len(rows) == _number(r"among them ([\d,]+) automatic", scan) == known.notices - server.filed
    planned = _optional(r"Plan: ([\d,]+) message", scan)
    assert planned == sum(row["to_file"] for row in rows) or "Refused" in scan
    stays = re.search(r"Unsure; they stay where they are:\n(.*?)\n\n", scan, re.DOTALL)
    listed = [int(n.replace(",", "")) for n in re.findall(r"^ *([\d,]+)  ", stays[1], re.MULTILINE)] if stays else []
    assert sum(listed) == sum(row["verdict"] == "unsure" and not row["to_file"] for row in rows)
    doctor = anna.on("doctor", *options).out
    assert _number(r"A trial look found ([\d,]+) notice", doctor) == len(rows)
    assert _number(r"a run would move ([\d,]+)", " ".join(doctor.split())) == planned

    # history: what the journal tells
    runs = json.loads(anna("history", "--ledger", anna.ledger, "--format", "json").out)
    assert sum(run["filed_now"] for run in runs) == filed or unsettled
    shown = anna("history", "--ledger", anna.ledger).out
    for run in runs:
        (row,) = frames.runs[frames.runs["run_id"] == run["run"]].to_dict("records")
        assert (row["filed"], row["put_back"]) == (run["filed"] or 0, run["put_back"])
        assert re.search(rf"^ +{run['run']}  .* {run['put_back']}$", shown, re.MULTILINE)

    # explain, for one of each: where it is
    for fate, where in (
        (Fate.FILED, "filed in Backscatter"),
        (Fate.KEPT, "in the Inbox"),
        (Fate.STAYS, "in the Inbox"),
    ):
        for notice in frames.notices[frames.notices["fate"] == fate.value].tail(1).itertuples():
            told = anna("explain", OWNER, notice.uid, "--ledger", anna.ledger).out
            assert f"; {where}." in told
            assert ("it stays where it is" in told) <= (fate is not Fate.FILED)
    return known


def _run_line(line: str) -> dict[str, int]:
    """Return the numbers of the one line that a run leaves."""
    parts = {
        "notices": r"([\d,]+) notices",
        "filed": r": ([\d,]+)(?: of [\d,]+)? filed",
        "genuine": r"([\d,]+) genuine",
        "unsure": r"([\d,]+) unsure",
    }
    found = {name: _number(pattern, line) for name, pattern in parts.items()}
    found |= {
        "kept": _optional(r"([\d,]+) kept at your word", line),
        "left": _optional(r"([\d,]+) backscatter left", line),
    }
    assert found["notices"] == sum(found.values()) - found["notices"], line
    return found


def _bounces_that_return_nothing(anna: Program, count: int) -> None:
    """Put bounces to strangers into the storm's hour: unsure, and `--policy storm` files them."""
    hours = Counter(one.fingerprint.arrived.replace(minute=0, second=0) for one in anna.demo.scan().judged)
    ((hour, _),) = hours.most_common(1)
    with open_mailbox(anna.demo.account) as mailbox:
        for number in range(count):
            mailbox.append("INBOX", NOTHING_RETURNED.format(n=number).encode(), (), hour + timedelta(minutes=number))


NOTHING_RETURNED = (
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx{n}.stranger.test\r\nTo: anna.berg@example.org\r\n"
    "Subject: failure notice\r\nMessage-ID: <nothing-{n}@mx{n}.stranger.test>\r\n\r\n"
    "Hi. This is the qmail-send program at mx{n}.stranger.test.\r\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\r\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n"
    "<nobody{n}@stranger.test>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n"
)


def test_after_a_storm_what_was_filed_is_filed_whatever_its_verdict(anna: Program) -> None:
    _bounces_that_return_nothing(anna, 3)
    options = ("--policy", "storm")
    looked = anna.on("scan", *options).out
    plan = _number(r"Plan: ([\d,]+) message", looked)

    line = _run_line(anna.on("run", "--yes", *options).err)
    known = everything_agrees(anna, *options)

    assert (plan, line["filed"], line["unsure"]) == (78, 78, 3)
    assert "Unsure, most likely forged; --policy storm moves them, too:\n" in looked
    assert (known.of(Fate.FILED), known.of(Verdict.UNSURE, Fate.FILED), known.waiting) == (78, 6, 3)
    (digest,) = on_server(anna).digests
    assert "14 genuine notices and 3 unsure ones stay where they are." in " ".join(digest.split())


def test_after_an_undo_nothing_is_filed_and_it_is_said_what_was_put_back(anna: Program) -> None:
    anna.on("run", "--yes")
    anna.undo()

    before = everything_agrees(anna)
    line = _run_line(anna.on("run", "--yes").err)
    after = everything_agrees(anna)

    assert before == after
    assert (line["filed"], line["kept"], line["unsure"]) == (0, 72, 6)
    assert (after.of(Fate.KEPT), after.of(Fate.FILED), after.waiting) == (72, 0, 6)
    runs = json.loads(anna("history", "--ledger", anna.ledger, "--format", "json").out)
    assert [(run["filed"], run["put_back"], run["filed_now"]) for run in runs] == [
        (0, 0, 0),
        (None, 72, 0),
        (72, 72, 0),
    ]


def test_what_is_filed_again_is_no_longer_said_to_stay(anna: Program) -> None:
    anna.on("run", "--yes")
    anna.undo()

    line = _run_line(anna.on("run", "--yes", "--again").err)
    known = everything_agrees(anna)

    assert (line["filed"], line["kept"]) == (72, 0)
    assert (known.of(Fate.FILED), known.of(Fate.KEPT)) == (72, 0)


def test_a_run_that_was_cut_off_says_what_it_found_and_what_is_not_settled(
    anna: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off_after_the_first_batch(anna, monkeypatch)

    known = everything_agrees(anna)

    assert (known.of(Fate.FILED), known.of(Fate.OPEN)) == (1, 71)
    (run,) = json.loads(anna("history", "--ledger", anna.ledger, "--format", "json").out)
    assert (run["notices"], run["unsure"]) == (NOTICES, 6)

    anna.on("run", "--yes")

    known = everything_agrees(anna)
    assert (known.of(Fate.FILED), known.of(Fate.OPEN)) == (72, 0)


def test_a_refused_run_files_nothing_and_says_so_everywhere(anna: Program) -> None:
    refused = anna.on("run", "--yes", "--max-moves", 10)

    known = everything_agrees(anna)

    assert refused.code == 20
    assert (known.of(Fate.FILED), known.of(Verdict.BACKSCATTER, Fate.STAYS)) == (0, 72)


class _PowerCut(BaseException):
    """Ends the program in the middle: nobody catches it, and nothing is written any more."""


def _cut_off_after_the_first_batch(anna: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Mailbox.move, []

    def move(self: Mailbox, uids: list[int], *more: object) -> object:
        calls.append(len(uids))
        moved = real(self, uids, *more)  # type: ignore[arg-type]
        if len(calls) == 2:
            raise _PowerCut
        return moved

    with monkeypatch.context() as cut:
        cut.setattr(Mailbox, "move", move)
        with pytest.raises(_PowerCut):
            anna.on("run", "--yes")
