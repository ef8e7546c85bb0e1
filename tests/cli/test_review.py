"""`review` and `labels`: a person's word goes into the ledger, without asking the server."""

from __future__ import annotations

import csv
import io
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.model import Verdict
from cleanup.report.summary.frames import load
from cleanup.report.summary.review import waiting
from tests.cli.command import PROGRAM, Ended, cleanup
from tests.report.summary.some_frames import MAILBOX, fill, judged_mailbox

GENUINE, BACKSCATTER = Verdict.GENUINE, Verdict.BACKSCATTER


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        fill(opened, judged_mailbox())
    return tmp_path / "ledger.db"


def _labels(ledger: Path) -> dict[str, Verdict]:
    with Ledger.open(ledger) as opened:
        return {key: word for key, word in opened.labels(MAILBOX).items() if ":" not in key}


def _queue(ledger: Path) -> list[str]:
    with Ledger.open(ledger) as opened:
        return [one.digest for one in waiting(load(opened))]


def review(ledger: Path, keys: str, mailbox: str = MAILBOX) -> Ended:
    """Type these keys, each with Return, as on a terminal."""
    ours, theirs = pty.openpty()
    command = [str(PROGRAM), "review", mailbox, "--ledger", str(ledger)]
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{key}\n" for key in keys).encode())
        out, _ = process.communicate(timeout=60)
    told = b""
    try:
        while piece := os.read(ours, 65_536):
            told += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return Ended(process.returncode, out.decode(), told.decode())


def test_a_mailbox_that_the_ledger_does_not_know_has_not_nothing_to_review(ledger: Path) -> None:
    ended = review(ledger, "", mailbox=f"x{MAILBOX}")

    assert ended.code == 2
    assert f"Did you mean {MAILBOX}?" in " ".join(ended.err.split())


def test_it_shows_why_and_writes_what_is_said(ledger: Path) -> None:
    first, second, third, *_ = _queue(ledger)

    ended = review(ledger, "gsbq")

    assert ended.code == 0
    assert _labels(ledger) == {first: GENUINE, third: BACKSCATTER}
    assert second not in _labels(ledger)
    assert "What would change it:" in ended.out
    assert "You called 1 genuine and 1 backscatter" in ended.err


def test_what_is_labelled_does_not_come_again(ledger: Path) -> None:
    before = _queue(ledger)

    review(ledger, "bq")

    assert _queue(ledger) == before[1:]


def test_the_end_of_input_stops_it_and_keeps_what_was_said(ledger: Path) -> None:
    review(ledger, "g\x04")

    assert list(_labels(ledger).values()) == [GENUINE]


def test_an_answer_that_means_nothing_is_asked_for_again(ledger: Path) -> None:
    review(ledger, "xyg" + "q")

    assert list(_labels(ledger).values()) == [GENUINE]


def test_all_of_one_mailing_can_be_called_backscatter_at_once(ledger: Path) -> None:
    with Ledger.open(ledger) as opened:
        queue = waiting(load(opened))
    place = next(n for n, one in enumerate(queue) if len(one.alike) > 2)

    review(ledger, "s" * place + "Bq")

    assert _labels(ledger) == dict.fromkeys((queue[place].digest, *queue[place].alike), BACKSCATTER)


def test_without_a_terminal_it_says_what_to_do(ledger: Path) -> None:
    ended = cleanup("review", MAILBOX, "--ledger", ledger, stdin=b"g\n")

    assert ended.code == 2
    assert "labels import" in ended.err
    assert _labels(ledger) == {}


def test_labels_go_out_and_come_in_again(ledger: Path, tmp_path: Path) -> None:
    first, second, *_ = _queue(ledger)
    with Ledger.open(ledger) as opened:
        opened.label(MAILBOX, first, GENUINE, said_by="review", note="=cmd|' /C calc'!A0")
        opened.label(MAILBOX, second, BACKSCATTER, said_by="moved-back")
    out = tmp_path / "labels.csv"
    cleanup("labels", "export", "--ledger", ledger, "-o", out)
    other = tmp_path / "other.db"

    ended = cleanup("labels", "import", out, "--ledger", other)

    assert ended.code == 0
    assert _labels(other) == _labels(ledger) == {first: GENUINE, second: BACKSCATTER}
    assert next(csv.DictReader(io.StringIO(out.read_text())))["note"].startswith("'=")


def test_an_exported_label_says_what_it_is_about_though_nothing_was_returned(
    annas_ledger: Path, tmp_path: Path
) -> None:
    shutil.copy(annas_ledger, tmp_path / "annas.db")
    with Ledger.open(tmp_path / "annas.db") as opened:
        notices = load(opened).notices
        silent = notices[notices["original_subject"].isna()].iloc[0]
        opened.label(str(silent["mailbox"]), silent["digest"], GENUINE, said_by="review")

    rows = csv.DictReader(io.StringIO(cleanup("labels", "export", "--ledger", tmp_path / "annas.db").out))

    assert [row["subject"] for row in rows] == [silent["notice_subject"]]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"{MAILBOX},{'a' * 64},maybe", "no verdict"),
        (f"{MAILBOX},abc,genuine", "no digest"),
        (f"nobody,{'a' * 64},genuine", "no mailbox"),
    ],
)
def test_one_bad_line_and_nothing_is_read(line: str, why: str, ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"mailbox,digest,verdict\n{MAILBOX},{'b' * 64},genuine\n{line}\n")

    ended = cleanup("labels", "import", file, "--ledger", ledger)

    assert ended.code == 2
    assert why in ended.err
    assert "Line 3" in ended.err
    assert _labels(ledger) == {}


def test_a_file_of_something_else_is_named(ledger: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00binary")
    (tmp_path / "y.csv").write_text("a,b\n1,2\n")

    for name in ("x.csv", "y.csv", "missing.csv"):
        assert cleanup("labels", "import", tmp_path / name, "--ledger", ledger).code == 2
