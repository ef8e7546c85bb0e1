"""The sentence on top: right for one mailbox and right for many."""

from __future__ import annotations

import pandas as pd
import pytest

from cleanup.detector.account_state import Answer, advice
from cleanup.report.summary.summarize import headline, of_many

ANNA, BEN, CARLA = "anna@example.org", "ben@example.org", "carla@example.org"
COLUMNS = ("run_id", "mailbox", "answer", "headline", "notices")


def _runs(*rows: tuple[str, str | None, str | None, int]) -> pd.DataFrame:
    numbered = [(n, *row) for n, row in enumerate(rows, 1)]
    return pd.DataFrame(numbered, columns=list(COLUMNS)).astype({"mailbox": "category", "answer": "category"})


def test_one_mailbox_hears_the_most_alarming_answer_in_the_words_of_its_fullest_run() -> None:
    runs = _runs((ANNA, "quiet", "Quiet.", 9), (ANNA, "gap", "3 left.", 3), (ANNA, "gap", "5 left.", 5))

    told = headline(runs, 0)

    assert (told.answer, told.text) == (Answer.GAP, "5 left.")
    assert told.to_do == advice(Answer.GAP)


def test_a_forged_mailbox_hears_how_many_it_was_in_all() -> None:
    told = headline(_runs((ANNA, "spoofed", "7 bounces.", 7), (ANNA, "spoofed", "4 bounces.", 4)), 11)

    assert told.text.startswith("Your address is being forged")
    assert "11 bounces" in told.text


def test_where_nothing_is_called_backscatter_any_more_the_headline_names_the_run_that_called_it_so() -> None:
    """A person put it back, or other rules judged it since: the page must not claim what its own counts deny."""
    told = headline(_runs((ANNA, "spoofed", "72 bounces answer forged mail.", 92), (ANNA, "cannot_say", "78.", 92)), 0)

    assert told.text == "As run 1 saw it: 72 bounces answer forged mail."


def test_the_genuine_bounces_in_a_flood_are_named_on_top() -> None:
    runs = _runs((ANNA, "spoofed", "7 bounces.", 7))

    assert headline(runs, 2_870, 10).text.endswith("Between them are 10 bounces of your own mail that did not arrive.")
    assert headline(runs, 2_870, 1).text.endswith("Between them is 1 bounce of your own mail that did not arrive.")
    # none is backscatter any more, and some may be genuine by now: today's number is not among what that run saw
    assert headline(runs, 0, 13).text.endswith(" Now there are 13 bounces of your own mail that did not arrive.")
    assert "Between" not in headline(runs, 2_870, 0).text


def test_a_storm_stays_the_headline_when_a_later_night_sees_only_what_was_left_of_it() -> None:
    """The storm is filed, so the next run has nothing but a few bounces of own mail of which Sent has no copy."""
    gap = (ANNA, "gap", "21 bounced messages left by your own server and cannot be found in Sent.", 165)
    runs = _runs((ANNA, "spoofed", "1,363 bounces.", 1_528), gap)

    assert headline(runs, 1_363, 28).answer is Answer.SPOOFED
    assert headline(runs, 20, 28).answer is Answer.GAP  # as much of it as of forged mail: that is the news
    assert headline(_runs(gap), 1_363, 28).answer is Answer.GAP


def test_of_many_mailboxes_it_says_how_many_it_holds_for_and_speaks_to_nobody() -> None:
    runs = _runs((ANNA, "spoofed", "Your 40.", 40), (BEN, "spoofed", "Your 2.", 2), (CARLA, "quiet", "Quiet.", 0))

    told = headline(runs, 42)

    assert "2 of 3 mailboxes (anna@example.org, ben@example.org)" in told.text
    assert "42 bounces" in told.text
    assert "Your" not in told.text


def test_one_alarming_mailbox_among_many_is_named_and_the_forged_ones_are_not_hidden() -> None:
    runs = _runs((ANNA, "spoofed", "x", 9), (BEN, "spoofed", "x", 9), (BEN, "compromised", "x", 9))

    told = headline(runs, 18)

    assert told.answer is Answer.COMPROMISED
    assert told.text == (
        "Somebody is sending through your mail server with the login of 1 of 2 mailboxes (ben@example.org). "
        "Besides, somebody forges the addresses of both mailboxes (18 bounces)."
    )
    assert all(line.startswith("ben@example.org: ") for line in told.to_do)


@pytest.mark.parametrize("answer", list(Answer))
def test_every_answer_has_words_for_many(answer: Answer) -> None:
    some = of_many({ANNA: answer, BEN: answer, CARLA: Answer.QUIET}, 0, 5)
    every = of_many({ANNA: answer, BEN: answer}, 0, 5)

    assert "{" not in some.text + every.text
    assert "both mailboxes" in every.text
    assert answer is Answer.QUIET or "2 of 3 mailboxes (anna@example.org, ben@example.org)" in some.text


def test_a_crowd_is_counted_and_three_are_named() -> None:
    told = of_many({f"u{n}@example.org": Answer.LOOP for n in range(1500)} | {ANNA: Answer.QUIET}, 0, 0)

    assert "1,500 of 1,501 mailboxes (u0@example.org, u1@example.org, u2@example.org and 1,497 more)" in told.text


def test_without_runs_it_says_how_to_begin() -> None:
    told = headline(_runs(), 0)

    assert told.text == "No run has looked at a mailbox yet."
    assert "scan" in told.to_do[0]


def test_runs_without_an_answer_found_nothing_new() -> None:
    assert headline(_runs((ANNA, None, None, 0)), 0).text == "Nothing new was found."
