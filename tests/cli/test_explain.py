"""`explain`: from the ledger, from a file, from standard input."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import ANNA, RULES, cleanup

NOTICE = Path(__file__).parents[2] / "sample_data" / "notices" / "activehunter.eml"
OWNER = "anna.berg@example.org"


def test_a_filed_message_is_explained_without_asking_the_server(annas_ledger: Path) -> None:
    done = cleanup("explain", OWNER, 459, "--ledger", annas_ledger)

    assert done.code == 0
    assert "filed in Backscatter" in done.out
    assert "[sent.absent]" in done.out
    assert "[origin.foreign]" in done.out
    assert "What would change it:" in done.out


def test_a_file_says_who_read_it_and_what_was_read() -> None:
    done = cleanup("explain", NOTICE)

    assert done.code == 0
    assert "a bounce (failed), read as format 'activehunter'" in done.out
    assert "taro@kaisha.example" in done.out
    assert "unsure" in done.out


def test_standard_input_is_read_too_and_judged_against_sent() -> None:
    done = cleanup("explain", "-", "--sent", ANNA / "Sent.mbox", *RULES, stdin=NOTICE.read_bytes())

    assert done.code == 0
    assert "[recipient.never_written]" in done.out


def test_ordinary_mail_is_said_to_be_ordinary() -> None:
    done = cleanup("explain", "-", stdin=b"From: a@b.test\nSubject: Lunch?\n\nAt noon?\n")

    assert "This is ordinary mail" in done.out


def test_a_mailbox_without_a_uid_is_a_usage_error() -> None:
    done = cleanup("explain", OWNER)

    assert done.code == 2
    assert "name the message's UID" in done.err
