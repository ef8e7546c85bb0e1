"""Judges archived mail (forms: connector/archive.py) against archived sent mail. No server, no ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanup.connector.archive import read_archive
from cleanup.detector.header import header_block, header_fields
from cleanup.detector.notices.reading import read_notice
from cleanup.detector.sent import MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.verdict import Case, judge_all
from cleanup.dns import answers_for, spf_for
from cleanup.dns.network import Network
from cleanup.model import Finding, Identity, Notice, Policy, SentMessage, SentSource


@dataclass(frozen=True, slots=True)
class Scanned:
    """One archived message: notice and finding are None for ordinary mail, and where a `problem` kept it unread."""

    path: str
    notice: Notice | None
    finding: Finding | None
    problem: str | None = None


def scan_archive(
    source: Path,
    sent: Sequence[Path],
    identity: Identity,
    policy: Policy,
    *,
    now: datetime,
    complete_since: datetime | None = None,
    network: Network | None = None,
) -> list[Scanned]:
    """Return every message of the archive, in the order of the sorted paths, judged where it is a notice.

    Without `sent` every notice is unsure: an absent Sent folder vouches for nothing.
    """
    messages, sources = _read_sent(sent)
    read = [(m, read_notice(m.raw)) for m in read_archive(source)]
    clues = [inbox_clue(header_block(m.raw)) for m, notice in read if notice is None]
    index = MemorySentIndex.build(messages, sources, now=now, inbox=clues, complete_since=complete_since)
    cases = [Case(notice, m.arrived or notice.date, m.path) for m, notice in read if notice]
    answers = answers_for([case.notice for case in cases], identity, policy, network or Network())
    arrived = [(case.notice, case.arrived) for case in cases]
    spf, _ = spf_for(arrived, identity, index.profile, network or Network(), now)
    judged = judge_all(cases, index, identity, policy, dns_answers=answers, spf=spf)
    findings = dict(zip((case.key for case in cases), judged, strict=True))
    return [Scanned(m.path, notice, findings.get(m.path), m.problem) for m, notice in read]


def judge_raw(
    raw: bytes,
    sent: Sequence[Path],
    identity: Identity,
    policy: Policy,
    *,
    now: datetime,
    complete_since: datetime | None = None,
    network: Network | None = None,
) -> tuple[Notice | None, Finding | None]:
    """Return what one message is, judged; None twice for ordinary mail."""
    notice = read_notice(raw)
    if notice is None:
        return None, None
    messages, sources = _read_sent(sent)
    index = MemorySentIndex.build(messages, sources, now=now, complete_since=complete_since)
    answers = answers_for([notice], identity, policy, network or Network())
    spf, _ = spf_for([(notice, notice.date)], identity, index.profile, network or Network(), now)
    case = Case(notice, notice.date, "the message")
    return notice, judge_all([case], index, identity, policy, dns_answers=answers, spf=spf)[0]


def _read_sent(places: Sequence[Path]) -> tuple[list[SentMessage], list[SentSource]]:
    """Return all archived sent mail, and one source a place: what could not be read is said there."""
    messages: list[SentMessage] = []
    sources: list[SentSource] = []
    for place in places:
        announced = read = 0
        problem: str | None = None
        for message in read_archive(place):
            announced += 1
            header = header_block(message.raw)
            # What begins with no field that a sent message has must not pass for one: Sent would seem to be read.
            is_mail = not header_fields(header).keys().isdisjoint(("from", "to", "date", "message-id", "subject"))
            if message.problem or not is_mail:
                problem = problem or f"{message.path}: {message.problem or 'it is no mail'}"
                continue
            read += 1
            messages.append(read_sent_header(str(place), read, message.arrived, header))
        sources.append(SentSource(str(place), announced, read, problem=problem))
    return messages, sources
