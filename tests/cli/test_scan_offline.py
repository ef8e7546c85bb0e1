"""The stable machine interface: `scan PATH --format jsonl` (docs/machine-interface.md)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.command import ANNA, RULES, cleanup

PROMISED = {
    "path",
    "kind",
    "action",
    "verdict",
    "leaning",
    "recipients",
    "original_message_id",
    "original_subject",
    "original_date",
    "reporting_mta",
    "status",
    "format",
    "reasons",
}
INBOX, SENT = ANNA / "Inbox.mbox", ANNA / "Sent.mbox"


def _truth() -> list[str]:
    with (ANNA / "truth.csv").open(encoding="utf-8", newline="") as file:
        return [row["verdict"] for row in csv.DictReader(file)]


def test_every_message_of_an_mbox_gets_its_true_verdict_in_its_order() -> None:
    done = cleanup("scan", INBOX, "--sent", SENT, *RULES, "--format", "jsonl")

    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["verdict"] or "" for row in rows] == _truth()
    assert all(row.keys() >= PROMISED for row in rows)
    assert [row["path"] for row in rows[:2]] == [f"{INBOX}#1", f"{INBOX}#2"]


def test_without_sent_every_notice_is_unsure_and_the_rest_is_filled_in() -> None:
    rows = [json.loads(line) for line in cleanup("scan", INBOX, *RULES, "--format", "jsonl").out.splitlines()]

    notices = [row for row in rows if row["kind"] != "ordinary"]
    assert {row["verdict"] for row in notices} == {"unsure"}
    assert any(row["original_message_id"] and row["recipients"] and row["reasons"] for row in notices)


def test_a_folder_of_eml_files_is_read_in_the_order_of_its_sorted_paths(tmp_path: Path) -> None:
    (tmp_path / "b.eml").write_bytes(b"Subject: b\r\n\r\nhello\r\n")
    (tmp_path / "a.eml").write_bytes(b"Subject: a\n\nhello\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.eml").write_bytes(b"")

    done = cleanup("scan", tmp_path, "--format", "jsonl")

    assert done.code == 0
    paths = [json.loads(line)["path"] for line in done.out.splitlines()]
    assert paths == [str(tmp_path / name) for name in ("a.eml", "b.eml", "deeper/c.eml")]


def test_csv_json_and_jsonl_tell_the_same() -> None:
    lines = [json.loads(line) for line in cleanup("scan", INBOX, *RULES, "--format", "jsonl").out.splitlines()]
    whole = json.loads(cleanup("scan", INBOX, *RULES, "--format", "json").out)
    table = list(csv.DictReader(io.StringIO(cleanup("scan", INBOX, *RULES, "--format", "csv").out)))

    assert whole == lines
    assert [row["verdict"] for row in table] == [row["verdict"] or "" for row in lines]


def test_the_table_answers_the_first_question_first() -> None:
    done = cleanup("scan", INBOX, "--sent", SENT, *RULES)

    assert done.out.startswith("Your address is being forged; your account is not hacked")
    assert "carla@studio.test" in done.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("no-such-profile",), "neither an e-mail address nor the name of a profile"),
        (("./no-such-path",), "no file or folder"),
        ((INBOX, "--format", "yaml"), "Unknown format"),
        ((INBOX, "--now", "yesterday"), "not a date or time"),
        ((INBOX, "--sent", "no-such-file"), "no file or folder"),
    ],
)
def test_what_cannot_be_acted_on_is_one_clear_line_and_exit_code_2(
    arguments: tuple[object, ...], complaint: str
) -> None:
    done = cleanup("scan", *arguments)

    assert done.code == 2
    assert done.out == ""
    assert complaint in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("raw", [b"", b"\0" * 1000, b"\xff\xfe" * 99, b"From \n" * 99, b":" * 99, b"\r" * 99])
def test_however_odd_the_mail_the_exit_code_is_0(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.eml").write_bytes(raw)

    assert cleanup("scan", tmp_path, "--format", "jsonl").code == 0
