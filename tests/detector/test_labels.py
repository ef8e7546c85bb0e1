"""A person's word: it decides the message, and holds back its like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cleanup.detector.mailings import label_of_mailing, subject_template
from cleanup.detector.verdict import Case, judge_all
from cleanup.ledger import Ledger
from cleanup.model import Family, Finding, Fingerprint, Judged, MessageRef, Notice, Policy, Verdict
from tests.detector.judging import ANNA, ARRIVED, a_notice, a_returned, a_sent_index


def _notice(number: int, subject: str) -> Notice:
    returned = a_returned(message_id=f"spam.{number}@zombie.isp.test", subject=subject)
    return replace(a_notice(), returned=(returned,))


INVOICES = [_notice(n, f"Your invoice {n} is overdue") for n in range(4)]
WATCHES = [_notice(n, f"Cheap watches, offer {n}") for n in range(4, 7)]


def _judge(notices: list[Notice], labels: dict[str, Verdict], policy: Policy | None = None) -> list[Finding]:
    cases = [Case(notice, ARRIVED, f"key-{n}") for n, notice in enumerate(notices)]
    return judge_all(cases, a_sent_index(), ANNA, policy or Policy(), labels=labels)


def test_without_a_word_they_are_backscatter() -> None:
    assert {f.verdict for f in _judge(INVOICES + WATCHES, {})} == {Verdict.BACKSCATTER}


def test_what_is_like_a_message_that_was_called_genuine_is_held_back() -> None:
    first, *like = _judge(INVOICES, {"key-0": Verdict.GENUINE})

    assert (first.verdict, first.row) == (Verdict.GENUINE, "a-person-said-so")
    assert {f.verdict for f in like} == {Verdict.UNSURE}
    assert all(any(r.rule == "label.like" for r in f.reasons) for f in like)


def test_other_mailings_are_judged_as_before() -> None:
    findings = _judge(INVOICES + WATCHES, {"key-0": Verdict.GENUINE})

    assert {f.verdict for f in findings[len(INVOICES) :]} == {Verdict.BACKSCATTER}


def test_calling_one_backscatter_accuses_no_other() -> None:
    findings = _judge(INVOICES, {"key-0": Verdict.BACKSCATTER})

    assert not any(r.rule == "label.like" for f in findings for r in f.reasons)


def test_a_word_on_the_single_message_comes_before_that_on_its_like() -> None:
    findings = _judge(INVOICES, {"key-0": Verdict.GENUINE, "key-1": Verdict.BACKSCATTER})

    assert findings[1].verdict is Verdict.BACKSCATTER


def test_switching_campaigns_off_does_not_silence_people() -> None:
    policy = Policy(switched_off=frozenset({Family.CAMPAIGN}))

    assert _judge(INVOICES, {"key-0": Verdict.GENUINE}, policy)[1].verdict is Verdict.UNSURE


def test_a_subject_with_next_to_nothing_in_it_makes_nothing_alike() -> None:
    findings = _judge([_notice(1, "Hi 1"), _notice(2, "Hi 2")], {"key-0": Verdict.GENUINE})

    assert findings[1].verdict is Verdict.BACKSCATTER


def test_a_later_run_remembers_although_the_message_is_gone(tmp_path: Path) -> None:
    finding = _judge(INVOICES[:1], {})[0]
    seen = Judged(MessageRef("INBOX", 11, 1), Fingerprint(900, ARRIVED, "d" * 64), (), INVOICES[0], finding)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.record_findings(ledger.start_run("anna@example.org", "run"), [seen])
        ledger.label("anna@example.org", "d" * 64, Verdict.GENUINE, said_by="moved-back")
        labels = ledger.labels("anna@example.org")
        of_ben = ledger.labels("ben@example.org")

    assert labels[label_of_mailing(subject_template("Your invoice 7 is overdue") or "")] is Verdict.GENUINE
    assert of_ben == {}
    assert {f.verdict for f in _judge(INVOICES[1:], labels)} == {Verdict.UNSURE}


def test_taking_a_word_back_frees_its_like(tmp_path: Path) -> None:
    finding = _judge(INVOICES[:1], {})[0]
    seen = Judged(MessageRef("INBOX", 11, 1), Fingerprint(900, ARRIVED, "d" * 64), (), INVOICES[0], finding)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.record_findings(ledger.start_run("anna@example.org", "run"), [seen])
        for verdict in (Verdict.GENUINE, Verdict.BACKSCATTER):
            ledger.label("anna@example.org", "d" * 64, verdict, said_by="review")

        assert ledger.labels("anna@example.org") == {"d" * 64: Verdict.BACKSCATTER}
