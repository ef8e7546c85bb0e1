"""`senders`: who is known to send for the owner, what only a person can say, and the answers. No server is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.ledger import Ledger
from cleanup.ledger.retention import forget
from cleanup.ledger.values import SENDERS, Remembered
from cleanup.model import UnknownSender, Verdict
from tests.cli.command import Ended, cleanup
from tests.cli.test_review import review
from tests.ledger.some import MAILBOX, a_judged

SHOP = UnknownSender("198.51.100.0/24", "198.51.100.7", "web17.hostfarm.example")
CRM = UnknownSender("203.0.113.0/24", "203.0.113.9")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger after one run: three bounces of a shop's mail and two of a CRM's that nobody could place."""
    met = [SHOP, SHOP, SHOP, CRM, CRM]
    judged = [a_judged(uid, verdict=Verdict.UNSURE) for uid in range(1, len(met) + 1)]
    judged = [
        replace(one, finding=replace(one.finding, sender=sender)) for one, sender in zip(judged, met, strict=True)
    ]
    with Ledger.open(tmp_path / "ledger.sqlite") as opened:
        known = [["192.0.2.10", "configuration", "is named as an outbound host"]]
        run_id = opened.start_run(MAILBOX, "run", options={SENDERS: known})
        opened.record_findings(run_id, judged)
        opened.finish_run(run_id)
        opened.memory(MAILBOX).remember(Remembered("x", None, run_id, {}))
    return tmp_path / "ledger.sqlite"


def senders(ledger: Path, *options: object) -> Ended:
    return cleanup("senders", MAILBOX, "--ledger", ledger, *options)


def answers(ledger: Path) -> dict[str, Verdict]:
    with Ledger.open(ledger) as opened:
        return {key: verdict for key, verdict in opened.labels(MAILBOX).items() if key.startswith("sender:")}


def test_the_list_says_who_is_known_from_where_and_what_only_a_person_can_say(ledger: Path) -> None:
    shown = " ".join(senders(ledger).out.split())

    assert "192.0.2.10 configuration is named as an outbound host" in shown
    assert "1 3 undelivered messages in your name came from web17.hostfarm.example [198.51.100.7] since" in shown
    assert "2 2 undelivered messages in your name came from 203.0.113.9 since" in shown
    assert f"--ledger {ledger} --no 198.51.100.0/24" in shown


def test_an_answer_by_number_or_network_closes_the_question_and_stands_in_the_list(ledger: Path) -> None:
    done = senders(ledger, "--yes", 1, "--no", "203.0.113.0/24")

    assert done.code == 0
    assert "198.51.100.0/24 sends for you: bounces of its mail are never filed. 3 of them wait" in done.err
    assert answers(ledger) == {
        "sender:198.51.100.0/24": Verdict.GENUINE,
        "sender:203.0.113.0/24": Verdict.BACKSCATTER,
    }
    shown = " ".join(senders(ledger).out.split())
    assert "198.51.100.0/24 your answer sends for you" in shown
    assert "203.0.113.0/24 your answer does not send for you" in shown
    assert "Only you can say" not in shown


def test_an_answer_is_taken_back_by_the_network_or_an_address_in_it(ledger: Path) -> None:
    senders(ledger, "--yes", 1)

    done = senders(ledger, "--forget", "198.51.100.7")

    assert "Your answer about 198.51.100.0/24 is taken back." in done.err
    assert answers(ledger) == {"sender:198.51.100.0/24": Verdict.UNSURE}
    assert "3 undelivered messages" in senders(ledger).out
    assert senders(ledger, "--forget", "198.51.100.7").code == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--yes", "7"), "There is no question 7"),
        (("--no", "here"), "'here' is neither an address nor a network"),
        (("--no", "0.0.0.0/0"), "0.0.0.0/0 is wider than one sender's network"),
        (("--no", "2001:db8::/16"), "wider than one sender's network"),
        (("--yes", "1", "--no", "198.51.100.0/24"), "is given with --yes and with --no"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(ledger: Path, options: tuple[str, ...], words: str) -> None:
    done = senders(ledger, "--yes", "203.0.113.9", *options)

    assert done.code == 2
    assert words in done.err
    assert answers(ledger) == {}


def test_review_asks_who_sends_first_and_one_word_decides_the_campaign(ledger: Path) -> None:
    done = review(ledger, "ns" + "q", MAILBOX)

    assert "3 undelivered messages in your name came from web17.hostfarm.example" in " ".join(done.out.split())
    assert "That decides 3 notices at the next run." in done.err
    assert "1 of 2: UID" in done.out
    assert answers(ledger) == {"sender:198.51.100.0/24": Verdict.BACKSCATTER}


def test_answers_go_out_and_in_with_the_labels_and_are_forgotten_with_the_mailbox(ledger: Path) -> None:
    senders(ledger, "--no", 1)
    exported = cleanup("labels", "export", MAILBOX, "--ledger", ledger).out
    (ledger.parent / "labels.csv").write_text(exported)
    other = ledger.parent / "other.sqlite"

    assert cleanup("labels", "import", ledger.parent / "labels.csv", "--ledger", other).code == 0
    assert answers(other) == {"sender:198.51.100.0/24": Verdict.BACKSCATTER}

    with Ledger.open(ledger) as opened:
        forget(opened, MAILBOX)
    assert answers(ledger) == {}
