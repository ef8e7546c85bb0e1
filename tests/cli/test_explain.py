"""`explain`: from the ledger, from a file, from standard input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.demo import Demo
from cleanup.jobs.undo import undo_run
from cleanup.ledger import Ledger
from cleanup.model import MessageRef, Verdict
from cleanup.report.summary.finding_record import find_recorded
from tests.cli.command import ANNA, RULES, cleanup
from tests.ledger.some import MAILBOX, a_judged
from tests.servers.anna import anna_on_a_server

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


@pytest.mark.parametrize("read_last", [12, None], ids=["as the memory knows", "as findings tell"])
def test_a_uid_means_the_message_that_has_it_in_the_inbox_now(read_last: int | None, tmp_path: Path) -> None:
    """Not one that had it before the folder was numbered anew, nor one of another folder."""
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for folder, numbering, uids in (("INBOX", 11, (7, 8)), ("INBOX", 12, (7,)), ("Junk", 30, (7, 9))):
            found = [replace(a_judged(uid), ref=MessageRef(folder, numbering, uid)) for uid in uids]
            ledger.record_findings(ledger.start_run(MAILBOX, "run"), found)
        if read_last:
            ledger.memory(MAILBOX).begin("INBOX", read_last, is_sent=False)
        now = find_recorded(ledger, MAILBOX, "INBOX", 7)

        assert now is not None
        assert now.run_id == 2
        assert find_recorded(ledger, MAILBOX, "INBOX", 8) is None
        assert find_recorded(ledger, MAILBOX, "INBOX", 9) is None
        ledger.memory(MAILBOX).begin("INBOX", 13, is_sent=False)
        assert find_recorded(ledger, MAILBOX, "INBOX", 7) is None


# --- what people said ----------------------------------------------------------------------------------------------


@pytest.fixture
def undone(tmp_path: Path) -> Iterator[Demo]:
    """Anna's mailbox after a run and its undo."""
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        undo_run(anna.account, anna.settings, anna.run().run_id)
        yield anna


def test_what_an_undo_put_back_is_said_to_be_so_before_any_run_knows_it(undone: Demo) -> None:
    explained = cleanup("explain", OWNER, 459, "--ledger", undone.settings.ledger).out
    report = cleanup("report", "--ledger", undone.settings.ledger).out

    assert "in the Inbox." in explained
    assert re.search(r"^Since then:   It was put back by undo of run 1 on \d{4}-\d\d-\d\d", explained, re.MULTILINE)
    assert "72 messages were put back by undo of run 1 on " in report


def test_a_run_that_heeds_an_undo_says_who_spoke_and_what_the_evidence_would_say(undone: Demo) -> None:
    look = undone.run().look
    uid = next(one.ref.uid for one in look.judged if one.finding.row == "a-person-said-so")

    explained = cleanup("explain", OWNER, uid, "--ledger", undone.settings.ledger).out
    report = cleanup("report", "--ledger", undone.settings.ledger, "--format", "md").out

    assert re.search(
        r"^Decided by:   It was put back by undo of run 1 on .* \[a-person-said-so\]", explained, re.MULTILINE
    )
    assert "Evidence:     The evidence alone would say backscatter (disproved-twice)." in explained
    assert "What would count without that word:" in explained
    assert "It was put back by undo of run 1 on " in report
    assert "A person said so." not in explained + report


def test_a_look_at_the_mailbox_itself_knows_who_spoke_too(undone: Demo) -> None:
    uid = next(one.ref.uid for one in undone.scan().judged if one.finding.row == "a-person-said-so")
    reach = ("--host", "127.0.0.1", "--port", undone.account.port, "--security", "plain", "--username", "anna")

    done = cleanup("explain", OWNER, uid, "--live", "--ledger", undone.settings.ledger, *reach, CLEANUP_PASSWORD="anna")

    assert "It was put back by undo of run 1 on " in done.out


def test_a_later_word_of_a_person_stands_above_the_undo(undone: Demo) -> None:
    with Ledger.open(str(undone.settings.ledger)) as ledger:
        digest = ledger.moves(run_id=1)[0].intent.fingerprint.digest
        uid = ledger.moves(run_id=1)[0].intent.uid
        ledger.label(OWNER, digest, Verdict.BACKSCATTER, said_by="review")

    explained = cleanup("explain", OWNER, uid, "--ledger", undone.settings.ledger).out

    assert "Since then:   A person called it backscatter in review on " in explained
    assert "71 messages were put back by undo" in cleanup("report", "--ledger", undone.settings.ledger).out
