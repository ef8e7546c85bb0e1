"""The guard: what it cuts, what it refuses, and that no hostile mail gets past it at a price."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from cleanup.detector.guard import MOST_BYTES, MOST_FIELD, MOST_HEADER, guard, split_header
from cleanup.detector.header import header_fields
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.notices.signs import why_candidate
from cleanup.model import Kind
from tests.detector.hostile import HEAD, WORDS, hostile_mails, mutants
from tests.detector.pace import a_million_counted

BOUNCE = HEAD + b"\r\n" + WORDS
HOSTILE = dict(hostile_mails())
SMALL, LARGE = dict(hostile_mails(50_000)), dict(hostile_mails(200_000))


def test_a_plain_mail_passes_unchanged():
    guarded = guard(BOUNCE)

    assert (guarded.raw, guarded.too_hostile, guarded.cut) == (BOUNCE, None, False)


def test_a_mail_is_cut_at_one_mebibyte():
    guarded = guard(BOUNCE + b"x" * 2_000_000)

    assert guarded.cut
    assert len(guarded.raw) == MOST_BYTES


def test_a_long_field_is_cut_and_the_others_stay():
    guarded = guard(b"Subject: " + b"a" * 100_000 + b"\r\n" + BOUNCE)

    header, body = split_header(guarded.raw)
    assert guarded.cut
    assert max(map(len, header.split(b"\n"))) <= MOST_FIELD
    assert b"MAILER-DAEMON" in header
    assert body.endswith(WORDS)


def test_a_long_header_is_cut_and_the_body_stays():
    guarded = guard(b"X-A: b\r\n" * 50_000 + BOUNCE)

    header, body = split_header(guarded.raw)
    assert len(header) <= MOST_HEADER + MOST_FIELD
    assert body.endswith(WORDS)


@pytest.mark.parametrize("fold", [b"\n x", b"\r\n\t", b"\n\tx"])
def test_a_million_folded_lines_cost_little_memory(fold):
    """What a pattern may give back it remembers: 150 MB once."""
    raw = b"X-A: a" + fold * 1_000_000 + b"\r\n" + BOUNCE
    tracemalloc.start()
    read_notice(raw)
    why_candidate(raw)
    header_fields(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 * len(raw)


@pytest.mark.parametrize("name", ["nested multiparts 150", "nested messages 1000", "many parts", "many messages"])
def test_too_many_parts_or_levels_are_named_and_not_read(name):
    notice = read_notice(HOSTILE[name])

    assert notice is not None
    assert notice.kind is Kind.NDR
    assert notice.too_hostile
    assert notice.sender == "MAILER-DAEMON@mx.test"


def test_a_hostile_mail_that_shows_no_notice_is_ordinary():
    raw = HOSTILE["many parts"].replace(b"Return-Path: <>", b"Return-Path: <a@b.test>")
    ordinary = raw.replace(b"MAILER-DAEMON@mx.test", b"carl@b.test").replace(b"failure notice", b"hello")

    assert read_notice(ordinary.replace(b"multipart/report", b"multipart/mixed")) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_mail_takes_long_or_an_exception(name):
    why_candidate(HOSTILE[name])

    assert _effort(HOSTILE[name]) < 30


@pytest.mark.parametrize("name", [n for n in SMALL if n in LARGE and len(LARGE[n]) > 3 * len(SMALL[n])])
def test_time_grows_no_faster_than_size(name):
    small, large = (min(_effort(raw[name]) for _ in range(2)) for raw in (SMALL, LARGE))

    assert large < 0.5 or large < small * 4 * 2.5, (small, large)


def test_hardly_any_hostile_mail_of_a_megabyte_takes_longer_than_counting_to_three_million():
    efforts = sorted(_effort(raw) for _, raw in hostile_mails(1_000_000))
    print(f"\n{len(efforts)} of 1 MB: p99 {efforts[len(efforts) * 99 // 100]:.2f} million, most {efforts[-1]:.2f}")

    assert efforts[len(efforts) * 99 // 100] < 3


@pytest.mark.parametrize("name", ["recipients without end", "words of fields", "many subjects", "markup of tables"])
def test_memory_stays_bounded(name):
    raw = dict(hostile_mails(1_000_000))[name]
    tracemalloc.start()

    read_notice(raw)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000_000


def test_damaged_mails_are_read_quickly_and_without_an_exception():
    seeds = [BOUNCE, *(raw for _, raw in hostile_mails(10_000) if 200 < len(raw) < 60_000)][:40]
    efforts = sorted(_effort(raw) for number, seed in enumerate(seeds) for raw in mutants(seed, 10, number))

    assert efforts[-1] < 30
    assert efforts[len(efforts) * 99 // 100] < 1.5


def _effort(raw: bytes) -> float:
    """Return how long reading takes, in the times that this machine needs to count to a million just then."""
    return min(_seconds(raw) / a_million_counted() for _ in range(2))


def _seconds(raw: bytes) -> float:
    started = time.process_time()
    read_notice(raw)
    return time.process_time() - started
