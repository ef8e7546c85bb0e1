"""Looks at one mailbox: pull, find the notices, judge them, plan. Reads only.

A dry run stops here and prints the plan; a real run (run.py) hands the very same plan on to be carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup.connector.folders import Folder, backscatter_folder_name, find_sent
from cleanup.connector.pull import is_of
from cleanup.connector.session import FolderState, Mailbox
from cleanup.detector.account_state import AccountState, JudgedNotice, account_state
from cleanup.detector.candidates import CANDIDATE_FIELDS, why_candidate
from cleanup.detector.notices import read_notice
from cleanup.detector.sent import SENT_FIELDS, InboxClue, MemorySentIndex, inbox_clue, read_sent_header
from cleanup.detector.verdict import Case, judge_all
from cleanup.errors import CleanupError, ConnectionLost, SentFolderNotFound
from cleanup.model import (
    FilingPlan,
    Identity,
    Judged,
    Kind,
    Notice,
    Policy,
    PulledHeaders,
    SentMessage,
    SentSource,
    Verdict,
)
from cleanup.report.filing import plan_filing

TWO_MESSAGES = "the server showed two different messages under this UID"
INBOX_FIELDS = tuple(dict.fromkeys((*CANDIDATE_FIELDS, "In-Reply-To", "References", "To", "Message-ID")))

Progress = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be looked at in one mailbox, and by which rules."""

    mailbox: str  # the owner's address: the name in the ledger
    inbox: str
    target: str
    sent_folders: tuple[str, ...]
    identity: Identity
    policy: Policy
    complete_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a mailbox holds, judged, with the plan that follows from it."""

    task: Task
    inbox: FolderState
    ordinary: int
    judged: tuple[Judged, ...]
    sent: MemorySentIndex
    sources: tuple[SentSource, ...]
    plan: FilingPlan
    state: AccountState


def look(
    mailbox: Mailbox,
    task: Task,
    *,
    now: datetime,
    labels: Mapping[str, Verdict] | None = None,
    progress: Progress = lambda *_: None,
) -> Look:
    """Return what the mailbox holds and the plan for it. Reads only.

    `labels` are people's words by fingerprint digest. Raises the named errors of the connector.
    """
    folders = mailbox.folders()
    target = backscatter_folder_name(folders, task.target)
    state = mailbox.examine(task.inbox)
    candidates, clues, seen = _sift(mailbox, task.inbox, state.exists, progress)
    sent = _sent_index(mailbox, task, folders, clues, now, progress)
    notices = list(_read_candidates(mailbox, task.inbox, candidates, progress))
    judged = _judge(notices, sent.index, task, labels or {})
    plan = plan_filing(
        judged,
        source=task.inbox,
        target=target,
        uidvalidity=state.uidvalidity,
        inbox_size=state.exists,
        policy=task.policy,
    )
    answer = account_state([JudgedNotice(j.notice, j.finding, j.fingerprint.arrived) for j in judged])
    return Look(task, state, seen - len(judged), judged, sent.index, sent.sources, plan, answer)


# --- the Inbox -----------------------------------------------------------------------------------------------------


def _sift(
    mailbox: Mailbox, inbox: str, total: int, progress: Progress
) -> tuple[dict[int, PulledHeaders], list[InboxClue], int]:
    """Return the candidates by UID, what ordinary mail says of Sent's completeness, and how many there were."""
    candidates: dict[int, PulledHeaders] = {}
    clues: list[InboxClue] = []
    seen = 0
    for chunk in mailbox.pull_headers(inbox, INBOX_FIELDS):
        seen += len(chunk)
        for pulled in chunk:
            if why_candidate(pulled.fields):
                candidates[pulled.ref.uid] = pulled
            else:
                clues.append(inbox_clue(pulled.fields))
        progress("Reading the Inbox", seen, max(total, seen))
    return candidates, clues, seen


def _read_candidates(
    mailbox: Mailbox, inbox: str, candidates: dict[int, PulledHeaders], progress: Progress
) -> Iterator[tuple[PulledHeaders, Notice]]:
    for done, (uid, raw) in enumerate(mailbox.pull_bodies(inbox, sorted(candidates)), start=1):
        progress("Reading the notices", done, len(candidates))
        notice, pulled = read_notice(raw), candidates[uid]
        if notice is not None:
            yield pulled, notice if is_of(pulled.fingerprint, raw) else replace(notice, too_hostile=TWO_MESSAGES)


# --- Sent ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _SentRead:
    index: MemorySentIndex
    sources: tuple[SentSource, ...]


def _sent_index(
    mailbox: Mailbox,
    task: Task,
    folders: Sequence[Folder],
    clues: Sequence[InboxClue],
    now: datetime,
    progress: Progress,
) -> _SentRead:
    """Return what is known of the owner's sent mail. What cannot be read is a source with its problem."""
    missing: tuple[SentSource, ...] = ()
    try:
        names = [folder.name for folder in find_sent(folders, configured=task.sent_folders)]
    except SentFolderNotFound as error:
        names, missing = [], (SentSource("Sent", 0, 0, problem=str(error)),)
    read = [_read_sent(mailbox, name, progress) for name in names]
    sources = (*missing, *(source for source, _ in read))
    messages: Iterable[SentMessage] = (message for _, folder in read for message in folder)
    index = MemorySentIndex.build(messages, sources, now=now, inbox=clues, complete_since=task.complete_since)
    return _SentRead(index, sources)


def _read_sent(mailbox: Mailbox, folder: str, progress: Progress) -> tuple[SentSource, list[SentMessage]]:
    messages: list[SentMessage] = []
    announced = 0
    try:
        announced = mailbox.examine(folder).exists
        for chunk in mailbox.pull_headers(folder, SENT_FIELDS):
            messages += [read_sent_header(folder, h.ref.uid, h.fingerprint.arrived, h.fields) for h in chunk]
            progress(f"Reading {folder}", len(messages), max(announced, len(messages)))
    except ConnectionLost:
        raise
    except CleanupError as error:
        return SentSource(folder, announced, len(messages), problem=str(error)), messages
    return SentSource(folder, announced, len(messages)), messages


# --- the verdicts --------------------------------------------------------------------------------------------------


def _judge(
    notices: Sequence[tuple[PulledHeaders, Notice]],
    sent: MemorySentIndex,
    task: Task,
    labels: Mapping[str, Verdict],
) -> tuple[Judged, ...]:
    cases = [Case(notice, pulled.fingerprint.arrived, pulled.fingerprint.digest) for pulled, notice in notices]
    findings = judge_all(cases, sent, task.identity, task.policy, labels=labels)
    return tuple(
        Judged(pulled.ref, pulled.fingerprint, pulled.flags, notice, finding)
        for (pulled, notice), finding in zip(notices, findings, strict=True)
    )


def genuine_failures(judged: Iterable[Judged]) -> list[Judged]:
    """Return the bounces of the owner's own mail: what nobody must miss in a flood."""
    return [j for j in judged if j.finding.verdict is Verdict.GENUINE and j.notice.kind is Kind.NDR]
