"""Judges archived mail (forms: connector/archive.py) against archived sent mail. No server, no ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanup.connector.archive import read_archive
from cleanup.detector.header import header_block, header_fields
from cleanup.detector.notices import read_notice
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
        read = list(read_archive(place))
        whole = [m for m in read if m.problem is None and _is_mail(m.raw)]
        problem = next((f"{m.path}: {m.problem or 'it is no mail'}" for m in read if m not in whole), None)
        sources.append(SentSource(str(place), len(read), len(whole), problem=problem))
        messages += [
            read_sent_header(str(place), number, m.arrived, header_block(m.raw)) for number, m in enumerate(whole, 1)
        ]
    return messages, sources


def _is_mail(raw: bytes) -> bool:
    """Return whether bytes begin with a header that a sent message has: what is none must not pass for one."""
    fields = header_fields(header_block(raw))
    return not fields.keys().isdisjoint(("from", "to", "date", "message-id", "subject"))
