"""What is read of sent mail, and how far it can vouch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.addresses import address_key, untagged_key
from cleanup.detector.coverage import Coverage, Proof, cover_times
from cleanup.detector.message_ids import id_key, id_shape
from cleanup.detector.moments import us
from cleanup.detector.sent import InboxClue, MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.subjects import subject_key, subjects_agree
from cleanup.model import Policy, SentSource
from tests.detector.judging import NOW, SINCE, a_sent_index, a_sent_message, replies_to_sent

HEADER = b"""Message-ID: <Abc.1@Example.ORG>\r
Date: Mon, 14 Sep 2026 11:00:00 +0200 (CEST)\r
From: =?utf-8?q?Anna_J=C3=B8rgensen?= <Anna@Example.org>\r
To: "Berg, Bob" <bob@far.test>, kate@far.test\r
Cc: =?iso-8859-1?B?SvZyZw==?= <joerg@far.test>,\r
 undisclosed-recipients:;\r
Bcc: hidden@far.test\r
Subject: =?utf-8?B?UsO8Y2s=?=\r
 =?utf-8?B?ZnJhZ2U=?= number 7\r
User-Agent: Mozilla Thunderbird\r
\r
"""


def test_a_sent_header_is_read_with_all_its_recipients():
    sent = read_sent_header("Sent", 7, None, HEADER)

    assert sent.message_id == "Abc.1@Example.ORG"
    assert sent.from_name == "Anna Jørgensen"
    assert sent.recipients == ("bob@far.test", "kate@far.test", "joerg@far.test", "hidden@far.test")
    assert sent.subject == "Rückfrage number 7"
    assert sent.date == datetime(2026, 9, 14, 9, 0, tzinfo=UTC)
    assert sent.zone_minutes == 120


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff\xfe\x00",
        b"From\n\n",
        b"To: " + b"<" * 9000,
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999",
        b"Subject: =?x?q?=?=",
    ],
)
def test_a_header_that_cannot_be_read_is_empty_and_raises_nothing(block):
    assert read_sent_header("Sent", 1, None, block).message_id is None


def test_forwarded_mail_and_drafts_do_not_teach():
    resent = read_sent_header("Sent", 1, None, b"From: carl@x.test\r\nResent-From: anna@example.org\r\n\r\n")

    assert resent.forwarded
    assert a_sent_index(resent, others=0).profile.addresses == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.ORG", "anna@example.org"),
        ('"anna"@example.org', "anna@example.org"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@example.org.", "anna@example.org"),
        ("prvs=0123abcdef=anna@example.org", "anna@example.org"),
        ("SRS0=HHHH=TT=example.org=anna@forwarder.test", "anna@example.org"),
        ("first.last@googlemail.com", "firstlast@gmail.com"),
        ("jo\u0308rg@example.org", "j\u00f6rg@example.org"),
    ],
)
def test_addresses_that_mean_the_same_compare_equal(one, other):
    assert address_key(one) == address_key(other)


def test_tags_are_dropped_only_where_asked():
    assert untagged_key("anna+shop@example.org") == "anna@example.org"
    assert address_key("anna+shop@example.org") != "anna@example.org"
    assert address_key("no address") == ""


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Lunch on Friday",
        "RE: AW: WG: Lunch on Friday",
        "Re[2]: lunch  on\tfriday",
        "[EXT] Lunch on Friday",
        "Fwd: [team] SV: Lunch on Friday",
        "回复：Lunch on Friday",
        "*****SPAM***** Lunch on Friday",
    ],
)
def test_subjects_compare_without_prefixes_tags_spaces_and_case(subject):
    assert subject_key(subject) == "lunch on friday"


def test_a_cut_subject_agrees_by_its_beginning_and_a_short_one_does_not():
    assert subjects_agree("Minutes of the meeting on budget...", "Minutes of the meeting on budgets and travel")
    assert subjects_agree("Minutes", "Minutes of the meeting") is False
    assert subjects_agree("", "Minutes") is None


def test_ids_compare_without_brackets_and_with_the_right_side_in_any_case():
    assert id_key("<A.b@[Host.Example]>") == id_key("A.b@host.example") != id_key("a.b@host.example")
    assert id_shape("0100018f0a1b2c3d-77@email.amazonses.com") == id_shape("0100019aaabbccdd-12@email.amazonses.com")


def test_holes_are_silences_that_the_rate_makes_improbable():
    daily = [a_sent_message(n, date=NOW - timedelta(days=n)) for n in range(400) if not 100 <= n < 140]

    holes = a_sent_index(*daily, others=0).coverage.holes

    assert [(h.start.date(), h.end.date()) for h in holes] == [
        ((NOW - timedelta(days=140)).date(), (NOW - timedelta(days=99)).date())
    ]


def test_a_silence_is_a_hole_from_the_odd_length_on():
    day_us = us(datetime(1970, 1, 2, tzinfo=UTC))
    daily = [day * day_us for day in range(200)]

    covered = {days: cover_times([*daily, daily[-1] + days * day_us], 201, ()) for days in range(1, 40)}

    are_holes = {days: bool(coverage.holes) for days, coverage in covered.items()}
    assert are_holes == {days: timedelta(days=days) >= coverage.odd_silence for days, coverage in covered.items()}
    assert {False, True} == set(are_holes.values())


def test_a_purge_up_to_today_is_a_hole_while_mail_still_comes():
    until_august = [a_sent_message(n, date=NOW - timedelta(days=n)) for n in range(40, 400)]
    today = InboxClue("r@x", (), "bob@far.test", ("anna@example.org",), NOW)

    assert a_sent_index(*until_august, others=0, inbox=[today]).coverage.all_holes[-1].end == NOW
    assert a_sent_index(*until_august, others=0).coverage.all_holes == ()  # an archive that ends there


def test_weekends_nights_and_a_week_off_are_no_holes():
    days = [NOW - timedelta(days=n) for n in range(300) if (NOW - timedelta(days=n)).weekday() < 5]
    work = [day - timedelta(hours=h) for day in days for h in (2, 5)]
    written = [a_sent_message(n, date=when) for n, when in enumerate(work) if not 50 <= (NOW - when).days < 59]

    assert a_sent_index(*written, others=0).coverage.all_holes == ()


def test_completeness_is_measured_by_replies_and_said_in_words():
    coverage = a_sent_index(inbox=replies_to_sent(found=62, lost=38)).coverage

    assert (coverage.measured().found, coverage.measured().samples) == (62, 100)
    assert coverage.measured(way="replies").at_least < 0.62 < coverage.measured().at_most
    assert any("62 of 100" in line for line in coverage.in_words())


def test_replies_among_many_people_and_to_received_mail_prove_nothing():
    ours = "20260914.99999@example.org"
    crowd = InboxClue("r1@x", (ours,), "bob@far.test", ("anna@example.org", "kate@example.org"))
    to_received = [
        InboxClue("r2@x", ("20260914.88888@example.org",), "bob@far.test", ("anna@example.org",)),
        InboxClue("20260914.88888@example.org", (), "kate@example.org", ("anna@example.org",)),
    ]

    assert a_sent_index(inbox=[crowd, *to_received]).coverage.measured().samples == 0


def test_ten_answers_to_one_message_are_one_sample():
    one = InboxClue("r@x", ("20260914.01000@example.org",), "bob@far.test", ("anna@example.org",))

    assert a_sent_index(inbox=[one] * 10).coverage.measured().samples == 1


def test_a_self_copy_is_a_sample_and_forged_mail_to_oneself_is_not():
    copy = InboxClue("20260914.01001@example.org", (), "anna@example.org", ("anna@example.org",))
    spam = InboxClue("x@zombie.test", (), "anna@example.org", ("anna@example.org",))

    assert a_sent_index(inbox=[copy, spam]).coverage.measured(way="self-copies").samples == 1


def test_an_inbox_clue_is_read_from_a_header():
    header = b"Message-ID: <r@x>\r\nIn-Reply-To: <a@b>\r\nFrom: Bob <bob@far.test>\r\nTo: anna@example.org\r\n\r\n"
    clue = inbox_clue(header)

    assert clue == InboxClue("r@x", ("a@b",), "bob@far.test", ("anna@example.org",), None)


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ((), "No Sent folder"),
        ((SentSource("Sent", 5, 0, problem="the server said NO"),), "the server said NO"),
        ((SentSource("Sent", 900, 450),), "only 450 of 900"),
        ((SentSource("Sent", 200, 200), SentSource("Sent 2025", 9, 0, problem="gone")), "Sent 2025"),
    ],
)
def test_what_was_not_read_whole_is_unusable_and_says_why(sources, words):
    coverage = a_sent_index(sources=sources).coverage

    assert words in (coverage.unusable() or "")
    assert "proves nothing" in coverage.in_words()[0]


def test_rows_are_found_in_any_spelling():
    index = MemorySentIndex.build([a_sent_message(1)], [SentSource("Sent", 1, 1)], now=NOW)
    rows = index.rows_for([])

    assert rows.by_id("<20260914.00001@EXAMPLE.org>")
    assert rows.written_to("Friend1+tag@pals.test")
    assert not rows.by_recipient_subject("friend1@pals.test", "")


def test_wilson_bounds_are_those_of_the_textbook():
    coverage = a_sent_index(inbox=replies_to_sent(found=100)).coverage

    assert coverage.measured().at_least == pytest.approx(0.963, abs=0.001)
    assert coverage.why_incomplete(Policy()) is None


def vouches(found: int, samples: int, *, word: bool) -> bool:
    proofs = ((Proof("replies", "d@x", True), found), (Proof("replies", "d@x", False), samples - found))
    return (
        Coverage(messages=200, complete_since=SINCE if word else None, proofs=proofs).why_incomplete(Policy()) is None
    )


@given(samples=st.integers(0, 2_000), share=st.floats(0, 1), word=st.booleans())
def test_one_more_that_was_found_never_makes_sent_less_believable_and_one_missing_never_more(samples, share, word):
    found = round(share * samples)

    assert vouches(found + 1, samples + 1, word=word) >= vouches(found, samples, word=word)
    assert vouches(found, samples + 1, word=word) <= vouches(found, samples, word=word)


@pytest.mark.parametrize("samples", [0, 1, 24, 29, 30, 31, 34, 35, 400])
def test_sent_that_misses_nothing_is_never_said_to_miss_mail(samples):
    assert vouches(samples, samples, word=False)
