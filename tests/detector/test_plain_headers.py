"""A plain header is read once, and fast; what is read of it is what the longer ways read."""

from __future__ import annotations

from email.utils import format_datetime, getaddresses

from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.header import decode_words, fields_of_any, plain_fields, read_any_date, read_date, read_people
from cleanup.detector.notices.headers import read_fields
from cleanup.detector.notices.signs import clue_of_ordinary, reason, why_candidate
from cleanup.detector.sent import inbox_clue
from tests.detector.samples import sample_paths
from tests.examples import examples

NAMES = [b"From", b"to", b"SUBJECT", b"Return-Path", b"References", b"X-Autoreply", b"Date", b"Message-ID", b"A b", b""]
VALUES = [
    *(
        b" <>",
        b" <a@b.test>",
        b" Undelivered mail",
        b" hello",
        b"",
        b" =?utf-8?q?=C3=BC?=",
        b" \xc3\xbc",
        b" a\rb",
        b"\x0b",
    ),
    *(b"\r\n folded", b"\n folded", b"\r\n\t\r\n", b" \x00", b" " + b"long" * 400, b" Wed, 1 Jul 2026 07:44:00 +0000"),
]
LINES = st.builds(
    lambda name, colon, value, end: name + colon + value + end,
    *(st.sampled_from(NAMES), st.sampled_from([b":", b":", b":", b" :", b""])),
    st.lists(st.sampled_from(VALUES), max_size=2).map(b"".join),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"", b"\r"]),
)
BLOCKS = st.builds(
    lambda lines, end: b"".join(lines) + end, st.lists(LINES, max_size=7), st.sampled_from([b"", b"\r\n", b"\r\n\r\n"])
)
MANY = st.integers(198, 203).map(lambda times: b"A: b\r\n" * times)


@examples(250)
@given(st.one_of(BLOCKS, BLOCKS, BLOCKS, MANY, st.binary(max_size=40)))
def test_a_plain_block_is_what_both_readers_read(block: bytes) -> None:
    plain = plain_fields(block)

    if plain is not None:
        assert plain == fields_of_any(block)
        assert plain == read_fields(block)[0].by_name


@examples(150)
@given(BLOCKS)
def test_reading_once_says_what_reading_twice_says(block: bytes) -> None:
    why = reason(read_fields(block)[0].by_name)

    assert why_candidate(block) == why
    assert clue_of_ordinary(block) == (inbox_clue(block) if why is None else None)


def test_samples_are_candidates_either_way() -> None:
    for sample in sample_paths():
        block = sample.read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n", b"\r\n") + b"\r\n"
        assert why_candidate(block) == reason(read_fields(block)[0].by_name)


DATES = st.from_regex(
    r"\A(Mon, |Xyz, |)([0-9]{1,2}) (Jan|Feb|Sep|Foo) ([0-9]{4}) [0-9]{2}:[0-9]{2}:[0-9]{2} ([+-][0-9]{4}|GMT|-0000)\Z"
)


@examples(250)
@given(st.one_of(DATES, st.datetimes().map(format_datetime), st.text(max_size=30)))
def test_a_date_is_read_the_same_both_ways(text: str) -> None:
    assert read_date(text) == read_any_date(text)


def test_a_leap_second_and_a_zone_that_nobody_knows_are_read_as_ever() -> None:
    for text in (
        "Wed, 31 Dec 2025 23:59:60 +0000",
        "Wed, 31 Dec 2025 23:59:60 -0000",
        "Wed, 1 Jul 2026 07:44:00 +9999",
    ):
        assert read_date(text) == read_any_date(text) is not None


NAME = st.one_of(
    st.text("ab<>@., :;()-=?\xe9'[]\\\"", max_size=6).map(lambda inside: f'"{inside}" '),
    st.sampled_from(["", "Anna Berg ", '"=?utf-8?q?=C3=BC?=" ', "a.b "]),
)
ADDRESS = st.builds(
    lambda local, domain: f"<{local}@{domain}>", st.text("ab.+-_1", min_size=1), st.text("ab.-1", min_size=1)
)
PEOPLE = st.lists(st.builds(str.__add__, NAME, ADDRESS), min_size=1, max_size=3)


@examples(200)
@given(PEOPLE, st.sampled_from([", ", ",", " "]))
def test_quoted_names_are_read_as_the_standard_library_reads_them(people: list[str], between: str) -> None:
    value = '"Berg, Anna" <anna@example.org>' + between + between.join(people)
    known = [(address.strip(), decode_words(name).strip() or None) for name, address in getaddresses([value])]

    assert [tuple(one) for one in read_people([value])] == [one for one in known if "@" in one[0]]


def test_mail_that_answers_nothing_is_not_asked_whom_it_was_written_to() -> None:
    block = b"From: a@b.test\r\nTo: c@d.test\r\nMessage-ID: <1@b.test>\r\n"

    assert inbox_clue(block).to == ()
    assert inbox_clue(block + b"In-Reply-To: <2@d.test>\r\n").to == ("c@d.test",)
