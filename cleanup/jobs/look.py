"""Looks at one mailbox: pull what is new, find the notices, judge them, plan. Reads only.

A dry run stops here and prints the plan; a real run (run.py) hands the very same plan on to be carried out. What
earlier runs read is taken from the ledger's memory, so that only what is new crosses the network; the verdicts are
those of a look at everything.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from cleanup.connector.folders import backscatter_folder_name, find_sent
from cleanup.connector.mailbox import FolderState, Mailbox
from cleanup.detector.account_state import JudgedNotice, account_state
from cleanup.detector.sender_questions import sender_questions
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_knowing
from cleanup.detector.who_sends import FailingRecord, KnownSender, failing_records, who_sends
from cleanup.dns import answers_for, spf_for
from cleanup.jobs.idle_check import READ_BY, IdleCheck, Look, Task, judged_by
from cleanup.jobs.notices import DELETED, read_candidates
from cleanup.jobs.sync import (
    InboxRead,
    read_inbox,
    read_sent_folders,
    sent_index,
    what_look_asks,
)
from cleanup.ledger import KeptNotice, Ledger, Memory, Remembered
from cleanup.model import (
    DNS_KEPT_FOR,
    FilingPlan,
    Judged,
    MessageRef,
    NotFiled,
    SentSource,
    Verdict,
)
from cleanup.progress import Progress, unseen
from cleanup.report.filing.plan import plan_filing


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
    over: a run takes it from the folder before it looks. What the memory accuses is looked at, and is read anew where
    another message lies under its number. Raises the named errors of the connector; SentFolderNotFound where there are
    notices and no folder of sent mail to judge them by.
    """
    with _remembering(memory, task) as known:
        pulled = _pull(mailbox, task, known, seen, leaving, progress)
        arrived = [(one.notice, one.fingerprint.arrived) for one in pulled.notices]
        sent = sent_index(mailbox, task, known, pulled.inbox.cursor, arrived, pulled.sources, now)
        judged, senders, failing = _judge(pulled.notices, sent, task, pulled.state, labels or {}, known, now)
        ordinary = known.cursors()[task.inbox].held - len(pulled.set_aside) - len(judged)
    plan = _plan(judged, task, pulled)
    accused = {move.ref.uid: move.fingerprint for move in plan.moves if move.ref.uid in pulled.kept}
    if accused:  # by what earlier nights read: nobody looked at them tonight
        sizes, times = {one.size for one in accused.values()}, {one.arrived for one in accused.values()}
        # Sizes are asked for by SEARCH, which sends no header again; a size that fits is taken for the same message.
        # What is not found by its size lies there no more: its number names another message now.
        if others := accused.keys() - {*mailbox.of_size(task.inbox, sizes, times)}:
            known.read_again(pulled.inbox.cursor, others)
            return look(mailbox, task, now=now, labels=labels, progress=progress, memory=known, leaving=leaving)
        judged = _with_marks(judged, pulled.kept, mailbox.deleted(task.inbox))
        plan = _plan(judged, task, pulled)
    findings = [JudgedNotice(j.notice, j.finding, j.fingerprint.arrived) for j in judged]
    return Look(
        task,
        pulled.state,
        ordinary,
        judged,
        sent,
        sent.coverage.sources,
        plan,
        account_state(findings),
        judged_by(task, labels or {}),
        passed_over=_passed_over(mailbox, pulled.state, {*pulled.inbox.hidden, *pulled.bodiless}),
        senders=senders,
        questions=sender_questions(findings),
        failing_records=failing,
    )


# --- what there is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pulled:
    """What a look has of a mailbox before anything is judged.

    `kept` are notices that earlier runs read, by UID; `notices` are these and those that were read now. `set_aside` are
    the UIDs of what a run takes from the Inbox first. `bodiless` could not be read.
    """

    target: str  # the folder's full name
    state: FolderState
    inbox: InboxRead
    sources: Sequence[SentSource]
    notices: Sequence[KeptNotice]
    kept: Mapping[int, KeptNotice]
    set_aside: Collection[int]
    bodiless: Collection[int]


def _pull(
    mailbox: Mailbox,
    task: Task,
    memory: Memory,
    seen: IdleCheck | None,
    leaving: Collection[MessageRef],
    progress: Progress,
) -> _Pulled:
    """Bring the memory up to date, and read the bodies of what may be a notice and was not read before."""
    mailbox.send_ahead(*what_look_asks(task, memory, seen))
    folders = mailbox.folders()
    target = backscatter_folder_name(folders, task.target)
    state = seen.inbox if seen else mailbox.examine(task.inbox)
    inbox = read_inbox(mailbox, task, memory, state, progress)
    candidates = {uid: pulled for uid, pulled in inbox.fresh.items() if pulled.ref not in leaving}
    sources = read_sent_folders(mailbox, task, memory, folders, seen.sent if seen else {}, progress)
    read, bodiless = read_candidates(mailbox, task, memory, inbox.cursor, candidates, progress)
    going = {ref.uid for ref in leaving if ref.uidvalidity == state.uidvalidity and ref.folder == task.inbox}
    set_aside = going & (inbox.fresh.keys() | inbox.kept.keys())
    kept = {uid: one for uid, one in inbox.kept.items() if uid not in set_aside}
    notices = [one for _, one in sorted({**kept, **read}.items())]
    if notices:
        find_sent(folders, task.sent_folders, task.not_sent_folders)  # raises: without it none can be judged
    return _Pulled(target, state, inbox, sources, notices, kept, set_aside, bodiless)


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
    memory.retire_the_damaged()  # before anything is judged by it: a lost row of Sent would accuse
    counts, run_id = (last.counts, last.run_id) if last else ({}, None)
    memory.remember(Remembered(READ_BY, None, run_id, counts))  # until this run is through, something is left to do
    yield memory


def _with_marks(judged: Sequence[Judged], kept: Container[int], deleted: Collection[int]) -> tuple[Judged, ...]:
    r"""Return what was judged with the mark \Deleted as it is now, also on what is known from earlier nights."""
    marked = frozenset(deleted)
    return tuple(
        replace(one, flags=(*one.flags, DELETED)) if one.ref.uid in kept and one.ref.uid in marked else one
        for one in judged
    )


def _passed_over(mailbox: Mailbox, inbox: FolderState, uids: Iterable[int]) -> tuple[NotFiled, ...]:
    reasons = mailbox.passed_over(inbox.folder)
    refs = [MessageRef(inbox.folder, inbox.uidvalidity, uid) for uid in sorted(uids)]
    return tuple(NotFiled(ref, reasons.get(ref.uid, "the server does not show it")) for ref in refs)


# --- the verdicts and the plan ---------------------------------------------------------------------------------------


def _judge(
    notices: Sequence[KeptNotice],
    sent: MemorySentIndex,
    task: Task,
    inbox: FolderState,
    labels: Mapping[str, Verdict],
    memory: Memory,
    now: datetime,
) -> tuple[tuple[Judged, ...], tuple[KnownSender, ...], tuple[FailingRecord, ...]]:
    """Return the verdicts, who sends for the owner as far as the notices tell, and own SPF records that lack a host."""
    cases = [Case(one.notice, one.fingerprint.arrived, one.fingerprint.digest) for one in notices]
    answers = answers_for([one.notice for one in notices], task.identity, task.policy, task.network)
    arrived, since = [(one.notice, one.fingerprint.arrived) for one in notices], now - DNS_KEPT_FOR
    kept = memory.dns_lookups(since) if task.network.spf else ()
    spf, made = spf_for(arrived, task.identity, sent.profile, task.network, now, kept)
    if task.network.spf:
        memory.keep_dns_lookups(made, since)
    findings, learned = judge_knowing(
        cases, sent, task.identity, task.policy, labels=labels, dns_answers=answers, spf=spf
    )
    judged = tuple(
        Judged(MessageRef(inbox.folder, inbox.uidvalidity, one.uid), one.fingerprint, one.flags, one.notice, finding)
        for one, finding in zip(notices, findings, strict=True)
    )
    return judged, who_sends(learned), failing_records(learned)


def _plan(judged: Sequence[Judged], task: Task, pulled: _Pulled) -> FilingPlan:
    return plan_filing(
        judged,
        source=task.inbox,
        target=pulled.target,
        uidvalidity=pulled.state.uidvalidity,
        inbox_size=pulled.state.exists - len(pulled.set_aside),
        policy=task.policy,
        since=task.since,
    )
