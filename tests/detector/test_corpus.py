"""Measures the reader on real messages and holds the figures that were reached. `-s` prints them.

A third of the MTA families, chosen by a hash of their names, was held out while the reader was written.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cleanup.detector.guard import guard, split_header
from cleanup.detector.notices.bounces import read_bounce
from cleanup.detector.notices.headers import read_fields
from cleanup.detector.notices.mail import Mail, unwrapped
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.notices.signs import why_candidate
from cleanup.model import Kind, Notice
from tests.detector.hostile import mutants
from tests.detector.pace import a_million_counted

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "dev"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real messages is not on this machine"),
]


@dataclass(frozen=True)
class Read:
    """One message of the corpus: what is known of it, its bytes, and what the reader made of it."""

    truth: dict[str, Any]
    raw: bytes
    notice: Notice | None

    @property
    def kind(self) -> str:
        return self.notice.kind.value if self.notice else "ordinary"

    @property
    def is_ndr(self) -> bool:
        return str(self.truth["label"]).startswith("ndr")

    @property
    def held_out(self) -> bool:
        return int(hashlib.sha256(f"f{self.truth['family']}".encode()).hexdigest(), 16) % 3 == 0


@cache
def corpus() -> tuple[Read, ...]:
    rows = [json.loads(line) for line in (CORPUS / "manifest.jsonl").open(encoding="utf-8")]
    mails = ((row, (CORPUS / row["file"]).read_bytes()) for row in rows)
    return tuple(Read(row, raw, read_notice(raw)) for row, raw in mails)


def bounces(*, held_out: bool | None = None) -> list[Read]:
    return [r for r in corpus() if r.is_ndr and held_out in (None, r.held_out)]


def found(reads: list[Read]) -> list[Read]:
    return [r for r in reads if r.kind == "ndr"]


def id_is_right(read: Read) -> bool | None:
    """Whether the returned Message-ID is right; None where none is known."""
    known = {read.truth.get("orig_message_id"), *_listed(read.truth.get("orig_message_id_alt"))} - {None}
    if not known or read.notice is None:
        return None
    ids = {(one.message_id or "").strip("<> ") for one in read.notice.returned}
    return bool(ids & {k.strip("<> ") for k in known})


def recipients_are_exact(read: Read) -> bool | None:
    """Whether exactly the failed recipients were read; None where they are only guessed."""
    known = [{a.lower() for a in reading} for reading in read.truth.get("failed_recipients") or []]
    if not known or read.notice is None or "weak" in (read.truth.get("recipients_method") or ""):
        return None
    got = {r.address.lower() for r in read.notice.recipients}
    each = all(k & got for k in known) and all(any(a in k for k in known) for a in got)
    return got in known or each


def share(answers: list[bool | None]) -> float:
    told = [a for a in answers if a is not None]
    return sum(told) / len(told)


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


@pytest.mark.parametrize("held_out", [False, True, None])
def test_bounces_are_found_and_read(held_out):
    reads = bounces(held_out=held_out)
    seen = found(reads)
    ids, exact = share([id_is_right(r) for r in seen]), share([recipients_are_exact(r) for r in seen])
    which = {False: "looked at", True: "held out", None: "all"}[held_out]
    print(f"\n{which}: found {len(seen)}/{len(reads)}, Message-ID {ids:.4f}, recipients {exact:.4f}")

    assert len(seen) / len(reads) >= 0.995
    assert ids >= 0.99
    assert exact >= 0.98


def test_notices_in_words_are_read_without_any_record():
    """So the notices of systems that nobody has described are read."""
    reads = [r for r in found(bounces()) if r.notice and r.notice.format not in ("rfc3464", "ses-json")]
    blind = [replace(r, notice=read_bounce(a_mail(r.raw), ())) for r in reads]
    exact = share([recipients_are_exact(r) for r in blind])
    print(f"\nwithout the table: found {len(found(blind))}/{len(blind)}, recipients {exact:.4f}")

    assert len(found(blind)) / len(blind) >= 0.97
    assert exact >= 0.92


def test_reports_are_read_from_their_words_too():
    reads = [r for r in found(bounces()) if r.notice and r.notice.format == "rfc3464"]
    stripped = [r.raw.replace(b"delivery-status", b"x-gone").replace(b"Final-Recipient", b"X-Gone") for r in reads]
    blind = [replace(r, notice=read_notice(raw)) for r, raw in zip(reads, stripped, strict=True)]
    exact = share([recipients_are_exact(r) for r in blind])
    print(f"\nwithout status reports: found {len(found(blind))}/{len(blind)}, recipients {exact:.4f}")

    assert len(found(blind)) / len(blind) >= 0.97
    assert exact >= 0.9


def a_mail(raw: bytes) -> Mail:
    safe = guard(raw).raw
    return unwrapped(Mail(read_fields(safe)[0], safe))


def test_no_ordinary_mail_is_taken_for_a_notice():
    taken = [r.truth["file"] for r in corpus() if r.truth["label"] == "not_bounce" and r.notice]

    assert taken == []


def test_no_other_notice_is_taken_for_a_bounce():
    others = ("auto_reply", "challenge", "mdn", "arf_feedback")
    taken = [r.truth["file"] for r in corpus() if r.truth["label"] in others and r.kind == Kind.NDR.value]

    assert taken == []


def test_every_notice_is_a_candidate_and_hardly_any_ordinary_mail():
    asked = [(r, why_candidate(split_header(r.raw)[0])) for r in corpus() if r.truth["label"] != "unclear"]
    ordinary = [why for r, why in asked if r.truth["label"] == "not_bounce"]

    assert [r.truth["file"] for r, why in asked if why is None and r.truth["label"] != "not_bounce"] == []
    assert sum(why is not None for why in ordinary) / len(ordinary) < 0.03


def test_damaged_notices_are_read_quickly_and_without_an_exception():
    damaged = (m for n, r in enumerate(found(bounces())) for m in mutants(r.raw[:100_000], 3, n))
    seconds = sorted(_seconds(raw) for raw in damaged)
    print(f"\n{len(seconds)} damaged: p99 {seconds[len(seconds) * 99 // 100]:.4f} s, most {seconds[-1]:.4f} s")

    assert seconds[-1] < 1.0
    assert seconds[len(seconds) * 99 // 100] < 0.05


def _seconds(raw: bytes) -> float:
    started = time.process_time()
    read_notice(raw)
    return time.process_time() - started


def test_the_corpus_is_read_at_a_fair_pace():
    raws = [r.raw for r in corpus()]  # patterns are compiled by then
    started = time.process_time()
    for raw in raws:
        read_notice(raw)
    pace = len(raws) / (time.process_time() - started)
    print(f"\n{pace:,.0f} mails a second of processor time")

    assert pace * min(a_million_counted() for _ in range(5)) > 20  # 60 where nothing else runs
