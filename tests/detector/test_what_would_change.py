"""What would change a verdict."""

from __future__ import annotations

from cleanup.detector.policy import POLICY, what_would_change
from cleanup.model import Finding, Verdict
from tests.detector.judging import ARRIVED, OUT1, STRANGER, a_notice, a_returned, a_sent_index, judged


def test_every_row_has_its_answer():
    answers = {row.name: what_would_change(Finding(Verdict.UNSURE, row.name)) for row in POLICY}

    assert [name for name, said in answers.items() if not said and name != "hint-of-the-contrary"] == []
    assert len({said for said in answers.values() if said}) == len(POLICY) - 1


def test_a_spared_forgery_names_what_spared_it():
    finding = judged(a_notice(a_returned(received=(STRANGER, OUT1))))

    assert "a host of yours stands deeper down" in " ".join(what_would_change(finding))


def test_a_silent_sent_folder_asks_for_a_word_on_it():
    finding = judged(a_notice(a_returned()), a_sent_index(complete_since=ARRIVED))

    assert "--sent-complete-since" in " ".join(what_would_change(finding))
