"""The table of bounce formats holds together, and its page and samples keep up with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cleanup.detector.notices.formats import FORMATS
from cleanup.detector.notices.formats.described import formats_page
from cleanup.detector.notices.formats.record import Letter, NoticeFormat, compiled, read_wording
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.notices.returned import returned_in_text
from cleanup.model import Action
from tests.detector.samples import expected_of, sample_paths

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
EXIM = (
    "This message was created automatically by mail delivery software.\n\n  carol@partner.example\n    unknown user\n"
)


def a_letter(text: str, *, machine_made: bool = True) -> Letter:
    return Letter(sender="postmaster@partner.example", subject="", text=text, machine_made=machine_made)


def test_every_format_has_a_name_of_its_own() -> None:
    assert len({record.name for record in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("record", FORMATS, ids=lambda record: record.name)
def test_every_format_says_where_it_is_known_from_and_by_what_it_is_recognised(record: NoticeFormat) -> None:
    assert record.source
    assert record.text or record.headers


@pytest.mark.parametrize("record", FORMATS, ids=lambda record: record.name)
def test_every_line_pattern_finds_the_address_it_is_for(record: NoticeFormat) -> None:
    for pattern in (*record.recipients, *record.originals, *record.expanded):
        line = pattern.replace("{address}", "carol@partner.example").replace("{why}", "").replace("{any}", " ")
        line = line.replace("{n}", "1")
        found = compiled(pattern).match(re.sub(r"\s+", " ", line).strip())

        assert found, pattern
        assert found["address"] == "carol@partner.example", pattern


def test_a_mere_local_part_belongs_to_the_domain_that_reports() -> None:
    raw = (
        b"From: MAILER-DAEMON@aol.com\nTo: anna@example.org\nSubject: Mail Delivery Problem\n\n"
        b"Your mail to the following recipients could not be delivered because\n"
        b"they are not accepting mail from anna@example.org:\n\tcarol77\n"
    )

    notice = read_notice(raw)

    assert notice is not None
    assert [r.address for r in notice.recipients] == ["carol77@aol.com"]


def test_an_alias_of_sendmail_is_whom_it_reports_on() -> None:
    text = (
        "   ----- The following addresses had permanent fatal errors -----\ncarol@inner.example\n"
        "    (reason: 550 unknown)\n    (expanded from: <sales@partner.example>)\n"
    )

    reading = read_wording(a_letter(text), FORMATS)

    assert reading is not None
    assert [f.address for f in reading.failures] == ["sales@partner.example"]


def test_the_page_of_formats_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == formats_page(FORMATS)


def test_a_person_who_quotes_a_bounce_is_not_taken_for_a_machine() -> None:
    assert read_wording(a_letter(EXIM, machine_made=False), FORMATS) is None


def test_the_reason_stays_with_its_recipient() -> None:
    text = EXIM + "  erin@partner.example\n    mailbox is full\n"

    reading = read_wording(a_letter(text), FORMATS)

    assert reading is not None
    assert [(f.address, f.why) for f in reading.failures] == [
        ("carol@partner.example", "unknown user"),
        ("erin@partner.example", "mailbox is full"),
    ]


WAY = ("from top.test (top.test [203.0.113.1]) by mx.test with SMTP id 1; Mon", "from below.test by top.test id 2; Mon")
HEADER = (
    f"Received: {WAY[0].replace(' by ', chr(10) + chr(9) + 'by ')}\nReceived: {WAY[1]}\n"
    "From: anna@example.org\nTo: carol@partner.example\nSubject: Minutes\nMessage-ID: <1@example.org>\n"
)


def a_letter_of(record: NoticeFormat, mark: str, header: str) -> Letter:
    words = " ".join((record.text[:1] or ("x",))[0:1]), *record.also
    if re.match(r"[\w-]+:?$|Received", mark):  # the mark is itself a line of the returned header
        header = header if header.startswith(mark) else f"{mark.rstrip(':')}: <anna@example.org>\n{header}"
    else:
        header = f"{mark}\n\n{header}"
    return Letter(
        sender=" ".join(record.sender[:1]) or "postmaster@partner.example",
        subject=" ".join(record.subject[:1]),
        text="\n".join((*words, "", header)),
        fields=tuple((name, f"{phrase} 1") for name, phrase in record.headers),
        machine_made=True,
    )


@pytest.mark.parametrize("indent", ["\t", ""], ids=["folded", "folds without their indent"])
@pytest.mark.parametrize("record", FORMATS, ids=lambda record: record.name)
def test_the_topmost_line_of_what_a_format_returns_is_kept(record: NoticeFormat, indent: str) -> None:
    header = HEADER.replace("\t", indent)
    for mark in record.returned_after or ("Original message follows",):
        reading = read_wording(a_letter_of(record, mark, header), (record,))
        assert reading is not None
        returned = returned_in_text(reading.returned or "")

        assert returned is not None, mark
        assert [" ".join(line.split()) for line in returned.received] == list(WAY), mark
        assert returned.message_id == "1@example.org", mark


def test_an_alias_names_the_address_that_was_written_to() -> None:
    text = EXIM.replace("    unknown", "    (ultimately generated from sales@partner.example)\n    unknown")

    reading = read_wording(a_letter(text), FORMATS)

    assert reading is not None
    assert [(f.address, f.original) for f in reading.failures] == [("carol@partner.example", "sales@partner.example")]


def test_addresses_of_the_returned_message_are_nobody_that_failed() -> None:
    reading = read_wording(a_letter(EXIM + "\nReceived: from x\nTo: dave@partner.example\n"), FORMATS)

    assert reading is not None
    assert [f.address for f in reading.failures] == ["carol@partner.example"]
    assert reading.returned is not None
    assert "dave@partner.example" in reading.returned


def test_a_delay_is_no_failure() -> None:
    text = "A message that you sent has not yet been delivered to one or more of its recipients.\n\n"

    reading = read_wording(a_letter(text + "  carol@partner.example\n"), FORMATS)

    assert reading is not None
    assert reading.action is Action.DELAYED


def test_every_format_has_a_sample() -> None:
    sampled = {expected_of(sample)["format"] for sample in sample_paths()}

    assert {record.name for record in FORMATS} - sampled == set()
