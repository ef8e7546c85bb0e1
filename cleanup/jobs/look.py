"""Looks at one mailbox: pull what is new, find the notices, judge them, plan. Reads only.

A dry run stops here and prints the plan; a real run (run.py) hands the very same plan on to be carried out. What
earlier runs read is taken from the ledger's memory, so that only what is new crosses the network; the verdicts are
those of a look at everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from cleanup.connector.folders import backscatter_folder_name, find_sent
from cleanup.connector.mailbox import FolderState, Mailbox
from cleanup.connector.pull import fingerprint_of, is_of
from cleanup.detector.account_state import JudgedNotice, account_state
from cleanup.detector.notices import read_notice
from cleanup.detector.sender_questions import sender_questions
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_knowing
from cleanup.detector.who_sends import KnownSender, who_sends
from cleanup.dns import answers_for, spf_for
from cleanup.jobs.idle_check import READ_BY, IdleCheck, Look, Task, judged_by
from cleanup.jobs.sync import read_inbox, read_sent_folders, sent_index, what_look_asks
from cleanup.ledger import Ledger, Memory
from cleanup.ledger.values import Cursor, Remembered
from cleanup.model import (
    DNS_KEPT_FOR,
    Fingerprint,
    Judged,
    MessageRef,
    NotFiled,
    Notice,
    PulledHeaders,
    Verdict,
)
from cleanup.progress import Progress, unseen
from cleanup.report.filing.plan import plan_filing

TWO_MESSAGES = "the server showed two different messages under this UID"
_Read = tuple[PulledHeaders, Fingerprint, Notice]


def look(
    mailbox: Mailbox,
    task: Task,
    *,
    now: datetime,
    labels: Mapping[str, Verdict] | None = None,
    progress: Progress = unseen,
    memory: Memory | None = None,
    seen: IdleCheck | None = None,
    leaving: Collection[MessageRef] = (),
) -> Look:
    """Return what the mailbox holds and the plan for it. Reads only.

    `labels` are people's words by fingerprint digest. `memory` is what earlier runs read, and is brought up to date;
    without it everything is read. `seen` saves asking for the folders' states again. What is `leaving` is passed
    over: a run takes it from the folder before it looks. Raises the named errors of the connector; SentFolderNotFound
    where there are notices and no folder of sent mail to judge them by.
    """
    with _remembering(memory, task) as known:
        mailbox.send_ahead(*what_look_asks(known, seen))
        folders = mailbox.folders()
        target = backscatter_folder_name(folders, task.target)
        state = seen.inbox if seen else mailbox.examine(task.inbox)
        cursor, candidates, hidden = read_inbox(mailbox, known, state, progress)
        set_aside = {uid for uid, pulled in candidates.items() if pulled.ref in leaving}
        candidates = {uid: pulled for uid, pulled in candidates.items() if uid not in set_aside}
        sources = read_sent_folders(mailbox, task, known, folders, seen.sent if seen else {}, progress)
        notices, bodiless = _read_candidates(mailbox, known, cursor, candidates, progress)
        if notices:
            find_sent(folders, task.sent_folders, task.not_sent_folders)  # raises: without it none can be judged
        cases = [Case(notice, fingerprint.arrived, fingerprint.digest) for _, fingerprint, notice in notices]
        sent = sent_index(mailbox, task, known, cursor, cases, sources, now)
        judged, senders = _judge(notices, cases, sent, task, labels or {}, known, now)
        ordinary = known.cursors()[task.inbox].held - len(set_aside) - len(judged)
    plan = plan_filing(
        judged,
        source=task.inbox,
        target=target,
        uidvalidity=state.uidvalidity,
        inbox_size=state.exists - len(set_aside),
        policy=task.policy,
        since=task.since,
    )
    told = [JudgedNotice(j.notice, j.finding, j.fingerprint.arrived) for j in judged]
    return Look(
        task,
        state,
        ordinary,
        judged,
        sent,
        sent.coverage.sources,
        plan,
        account_state(told),
        judged_by(task, labels or {}),
        passed_over=_passed_over(mailbox, state, {*hidden, *bodiless}),
        senders=senders,
        questions=sender_questions(told),
    )


@contextmanager
def _remembering(memory: Memory | None, task: Task) -> Iterator[Memory]:
    """Yield the memory, ready to be brought up to date; one that lasts for this look where there is none.

    What another version read says nothing now: then everything is read again.
    """
    if memory is None:
        with Ledger.open(":memory:") as passing:
            yield passing.memory(task.mailbox)
        return
    last = memory.remembered()
    if last is not None and last.read_by != READ_BY:
        memory.retire(list(memory.cursors()))
    memory.retire_the_damaged()
    counts, run_id = (last.counts, last.run_id) if last else ({}, None)
    memory.remember(Remembered(READ_BY, None, run_id, counts))  # until this run is through, something is left to do
    yield memory


# --- the notices ---------------------------------------------------------------------------------------------------


def _read_candidates(
    mailbox: Mailbox, memory: Memory, cursor: Cursor, candidates: Mapping[int, PulledHeaders], progress: Progress
) -> tuple[list[_Read], set[int]]:
    """Return what is a notice, by UID, and what was not shown; let the memory know what is none."""
    found: list[_Read] = []
    none: list[int] = []
    unread = set(candidates)
    sizes = {uid: pulled.size for uid, pulled in candidates.items()}
    bodies = mailbox.pull_bodies(cursor.folder, sorted(candidates), sizes=sizes) if candidates else ()
    for done, (uid, raw) in enumerate(bodies, start=1):
        progress("Reading the notices", done, len(candidates))
        unread.discard(uid)
        notice, pulled = read_notice(raw), candidates[uid]
        fingerprint = fingerprint_of(pulled)
        as_announced = is_of(fingerprint, raw)
        if notice is not None:
            found.append((pulled, fingerprint, notice if as_announced else replace(notice, too_hostile=TWO_MESSAGES)))
        elif as_announced:
            none.append(uid)
    if none:
        memory.no_notices(cursor, none)
    return found, unread


def _passed_over(mailbox: Mailbox, inbox: FolderState, uids: Iterable[int]) -> tuple[NotFiled, ...]:
    reasons = mailbox.passed_over(inbox.folder)
    refs = [MessageRef(inbox.folder, inbox.uidvalidity, uid) for uid in sorted(uids)]
    return tuple(NotFiled(ref, reasons.get(ref.uid, "the server does not show it")) for ref in refs)


# --- the verdicts --------------------------------------------------------------------------------------------------


def _judge(
    notices: Sequence[_Read],
    cases: Sequence[Case],
    sent: MemorySentIndex,
    task: Task,
    labels: Mapping[str, Verdict],
    memory: Memory,
    now: datetime,
) -> tuple[tuple[Judged, ...], tuple[KnownSender, ...]]:
    answers = answers_for([notice for _, _, notice in notices], task.identity, task.policy, task.network)
    arrived, since = [(case.notice, case.arrived) for case in cases], now - DNS_KEPT_FOR
    kept = memory.dns_lookups(since) if task.network.spf else ()
    spf, made = spf_for(arrived, task.identity, sent.profile, task.network, now, kept)
    if task.network.spf:
        memory.keep_dns_lookups(made, since)
    findings, learned = judge_knowing(
        cases, sent, task.identity, task.policy, labels=labels, dns_answers=answers, spf=spf
    )
    judged = tuple(
        Judged(pulled.ref, fingerprint, pulled.flags, notice, finding)
        for (pulled, fingerprint, notice), finding in zip(notices, findings, strict=True)
    )
    return judged, who_sends(learned)
