"""The idle check of one mailbox: did anything happen since the last run? If not, that is all that a night does.

Nothing is imported here that reads or judges mail: on most nights in most mailboxes nobody needs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING

from cleanup import __version__
from cleanup.connector.mailbox import FolderState, Mailbox
from cleanup.connector.questions import Examine, Status
from cleanup.detector.account_state import AccountState, account_state
from cleanup.detector.coverage import cover_times
from cleanup.detector.header import INBOX_FIELDS
from cleanup.detector.sent import SENT_FIELDS, MemorySentIndex, Profile, SentRows
from cleanup.dns.network import Network
from cleanup.errors import CommandRefused, FolderNotFound, PermissionMissing
from cleanup.ledger.values import Cursor, LastRun, Remembered
from cleanup.model import (
    FilingPlan,
    Identity,
    Judged,
    NotFiled,
    Notice,
    Policy,
    Recipient,
    Returned,
    SentMessage,
    SentSource,
    Verdict,
)

if TYPE_CHECKING:
    from cleanup.detector.sender_questions import SenderQuestion
    from cleanup.detector.who_sends import FailingRecord, KnownSender

_ROWS = 3  # counts up when what stands in the rows of the memory changes
_SHAPES = [[f.name for f in fields(kind)] for kind in (Profile, Notice, Returned, Recipient, SentMessage)]
_READER = (__version__, _ROWS, INBOX_FIELDS, SENT_FIELDS, _SHAPES)
READ_BY = hashlib.sha256(repr(_READER).encode()).hexdigest()  # of whatever decides what a row of the memory holds


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be looked at in one mailbox, and by which rules."""

    mailbox: str  # the owner's address: the name in the ledger
    inbox: str
    target: str
    sent_folders: tuple[str, ...]
    identity: Identity
    policy: Policy
    not_sent_folders: tuple[str, ...] = ()  # left out, whatever they look like
    complete_since: datetime | None = None
    network: Network = field(default_factory=Network)
    since: datetime | None = None  # what arrived earlier is judged, too, and stays


@dataclass(frozen=True, slots=True)
class Look:
    """What a mailbox holds, judged, with the plan that follows from it.

    `resting` is set where nothing happened since an earlier run: then nothing was read, and nothing is in `judged`.
    """

    task: Task
    inbox: FolderState
    ordinary: int
    judged: tuple[Judged, ...]
    sent: MemorySentIndex
    sources: tuple[SentSource, ...]
    plan: FilingPlan
    state: AccountState
    judged_by: str = ""  # which rules, labels and identity decided
    passed_over: tuple[NotFiled, ...] = ()  # messages that could not be read, and why; the next run looks at them again
    senders: tuple[KnownSender, ...] = ()  # who is known to send for the owner, and from where
    questions: tuple[SenderQuestion, ...] = ()  # who may, and a person has to say
    failing_records: tuple[FailingRecord, ...] = ()  # own SPF records that mail of the owner's fails
    resting: Remembered | None = None

    @property
    def why_sent_is_silent(self) -> str | None:
        """Why Sent says nothing of any notice: unreadable, empty, measured to hold too little; None where it does."""
        coverage = self.sent.coverage
        return coverage.unusable() or coverage.why_incomplete(self.task.policy)


@dataclass(frozen=True, slots=True)
class IdleCheck:
    """The folders' states, as far as they were asked for, and what the last run left where they did not change."""

    inbox: FolderState
    sent: Mapping[str, FolderState] = field(default_factory=dict)
    resting: Remembered | None = None


def check_idle(mailbox: Mailbox, task: Task, last_run: LastRun) -> IdleCheck:
    """Return whether anything happened since the last run, for one command a folder."""
    last, cursors = last_run.last, last_run.cursors
    sent_folders = [cursor.folder for cursor in cursors.values() if cursor.is_sent]
    opening, sent = Examine(task.inbox), dict[str, FolderState]()
    # one STATUS alone goes along: of several at once nobody can tell which answer is whose
    mailbox.send_ahead(opening, *map(Status, sent_folders[:1]))
    state = mailbox.ask(opening)
    for folder in sent_folders:
        try:
            sent[folder] = mailbox.status(folder)
        except (CommandRefused, FolderNotFound, PermissionMissing):  # what looks closer says so
            return IdleCheck(state, sent)
    same_rules = last is not None and (last.read_by, last.judged_by) == (READ_BY, judged_by(task, last_run.labels))
    unchanged = all(is_unchanged(cursors.get(folder), seen) for folder, seen in {**sent, task.inbox: state}.items())
    # without a folder of sent mail nothing rests: one may have been made since
    return IdleCheck(state, sent, last if same_rules and sent and unchanged else None)


def is_unchanged(cursor: Cursor | None, state: FolderState) -> bool:
    """Return whether a folder holds just what the memory does: whatever comes or goes changes one of these numbers."""
    if cursor is None:
        return False
    return (cursor.uidvalidity, cursor.uidnext, cursor.held) == (state.uidvalidity, state.uidnext, state.exists)


def at_rest(task: Task, seen: IdleCheck, last: Remembered) -> Look:
    """Return the look at a mailbox in which nothing happened since the last run."""
    plan = FilingPlan(task.inbox, task.target, seen.inbox.uidvalidity)
    sources = tuple(SentSource(state.folder, state.exists, state.exists) for state in seen.sent.values())
    coverage = cover_times((), sum(source.read for source in sources), sources, complete_since=task.complete_since)
    sent = MemorySentIndex(SentRows(()), coverage, Profile())
    ordinary = last.counts.get("messages", 0) - last.counts.get("notices", 0)
    return Look(task, seen.inbox, ordinary, (), sent, sources, plan, account_state(()), resting=last)


def judged_by(task: Task, labels: Mapping[str, Verdict]) -> str:
    """Return a digest of everything but mail that verdicts depend on."""
    identity = tuple((f.name, _in_order(getattr(task.identity, f.name))) for f in fields(task.identity))
    policy = tuple((f.name, _in_order(getattr(task.policy, f.name))) for f in fields(task.policy))
    words = sorted((digest, verdict.value) for digest, verdict in labels.items())
    everything = (
        identity,
        policy,
        words,
        repr(task.network),
        task.complete_since,
        task.since,
        task.sent_folders,
        task.not_sent_folders,
        task.target,
    )
    return hashlib.sha256(repr(everything).encode()).hexdigest()


def _in_order(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value  # a set's own order differs from run to run
