"""Looks at everything that a run needs, stage by stage, and says what is wrong and what to do about it.

Nothing is changed: the mailbox is only looked at, and no ledger is made where there is none.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cleanup.access import account_of
from cleanup.config import MailboxSettings, ledger_of
from cleanup.connector import probe
from cleanup.connector.account import Account
from cleanup.connector.folders import Folder, backscatter_folder_name, find_sent, sent_not_opened
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.detector.sender_questions import foremost
from cleanup.errors import (
    CleanupError,
    CommandRefused,
    FolderNotFound,
    LedgerUnusable,
    MoveNotSupported,
    PermissionMissing,
)
from cleanup.jobs.look import look
from cleanup.jobs.run import earlier_runs, task_of
from cleanup.ledger import Ledger, is_there
from cleanup.progress import Progress, unseen
from cleanup.report.counts import Fate, count_judged
from cleanup.report.text import plural

SOON = timedelta(days=14)
EXTRAS = {
    "charts": ("altair", "vl_convert"),
    "parquet": ("pyarrow",),
    "xlsx": ("xlsxwriter",),
    "postgres": ("psycopg",),
    "microsoft": ("msal",),
    "google": ("google.auth",),
    "keyring": ("keyring",),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One stage: what was found, in lines, and how long it took. `error` is why it failed; `warning` needs an eye."""

    stage: str
    took_ms: int
    says: tuple[str, ...] = ()
    warning: str | None = None
    error: CleanupError | None = None


@dataclass(slots=True)
class _Patient:
    """What the stages hand on to one another."""

    load: Callable[[], MailboxSettings]
    ask: Callable[[str], str]
    now: datetime
    stack: ExitStack
    progress: Progress = unseen
    warnings: list[str] = field(default_factory=list)
    settings: MailboxSettings | None = None
    account: Account | None = None
    mailbox: Mailbox | None = None
    folders: tuple[Folder, ...] = ()


def examine(
    load: Callable[[], MailboxSettings], *, ask: Callable[[str], str], now: datetime, progress: Progress = unseen
) -> Iterator[Check]:
    """Yield the stages in order, each as soon as it is done; the one that fails is the last.

    `load` returns the mailbox's settings, or raises; `ask` a password where none is configured. `progress` hears of the
    trial look, which may take long.
    """
    with ExitStack() as stack:
        patient = _Patient(load, ask, now, stack, progress)
        for stage, look_into in STAGES.items():
            patient.warnings.clear()  # each stage tells its own
            began = time.monotonic()
            says: tuple[str, ...] = ()
            error: CleanupError | None = None
            try:
                says = tuple(look_into(patient))
            except CleanupError as failed:
                error = failed
            took_ms = round((time.monotonic() - began) * 1000)
            yield Check(stage, took_ms, says, " ".join(patient.warnings) or None, error)
            if error is not None:
                return


# --- the stages ----------------------------------------------------------------------------------------------------


def _program(_: _Patient) -> Iterator[str]:
    missing = [name for name, packages in EXTRAS.items() if not all(_installed(package) for package in packages)]
    yield f"Python {sys.version.split()[0]}"
    if missing:
        yield f"optional parts that are not installed: {', '.join(missing)}"


def _configuration(patient: _Patient) -> Iterator[str]:
    patient.settings = settings = patient.load()
    patient.account = account_of(settings, ask=patient.ask)
    yield f"{settings.address} at {patient.account.where}, {settings.security}, as {patient.account.who}"


def _ledger(patient: _Patient) -> Iterator[str]:
    assert patient.settings
    where = ledger_of(patient.settings)
    if not is_there(where):
        yield f"{where} will be made by the first run"
        file = Path(where).expanduser()
        folder = next(parent for parent in file.parents if parent.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            why = f"{folder} is no folder that can be written to"
            raise LedgerUnusable(f"The ledger {file} cannot be made", why=why, hint="Name another with --ledger")
        return
    with Ledger.open(where) as ledger:
        shown = ledger.engine.url.render_as_string(hide_password=True)
        count = len(ledger.runs(patient.settings.address, limit=1_000_000))
        waiting = len(ledger.open_moves(patient.settings.address))
    yield f"{shown if '://' in where else where} holds {plural(count, 'run')} of this mailbox"
    if waiting:
        moves = plural(waiting, "move")
        patient.warnings.append(f"The next run first finds out what became of {moves} of a run that was cut off.")


def _name(patient: _Patient) -> Iterator[str]:
    assert patient.account
    yield f"{patient.account.host} is {', '.join(probe.addresses_of(patient.account)[:4])}"


def _connection(patient: _Patient) -> Iterator[str]:
    assert patient.account
    probe.reach(patient.account).close()
    yield f"{patient.account.where} listens"


def _encryption(patient: _Patient) -> Iterator[str]:
    assert patient.account
    if patient.account.security != "tls":
        yield "none: on this machine only" if patient.account.security == "plain" else "by STARTTLS, at the login"
        return
    facts = probe.handshake(patient.account)
    yield f"{facts.version}, certificate by {facts.issuer}, valid until {facts.ends:%Y-%m-%d}"
    if facts.ends - patient.now < SOON:
        patient.warnings.append(f"The certificate ends on {facts.ends:%Y-%m-%d}; tell the server's administrator.")


def _login(patient: _Patient) -> Iterator[str]:
    assert patient.account
    patient.mailbox = patient.stack.enter_context(open_mailbox(patient.account, read_only=True))
    yield f"logged in as {patient.account.who}"


def _capabilities(patient: _Patient) -> Iterator[str]:
    assert patient.mailbox
    if not patient.mailbox.can_move and not patient.mailbox.can_uid_expunge:
        raise MoveNotSupported(
            "The server offers neither MOVE nor UIDPLUS", hint="Nothing can be moved safely there; scan works"
        )
    yield "MOVE" if patient.mailbox.can_move else "no MOVE: copied, verified, then expunged by UID"
    known = [name for name in ("SPECIAL-USE", "CONDSTORE", "QRESYNC") if name in patient.mailbox.capabilities]
    if known:
        yield f"also {', '.join(known)}"


def _folders(patient: _Patient) -> Iterator[str]:
    assert patient.mailbox
    assert patient.settings
    mailbox, settings = patient.mailbox, patient.settings
    patient.folders = mailbox.folders()
    yield f"{settings.inbox} holds {mailbox.examine(settings.inbox).exists:,} messages"
    for folder in find_sent(patient.folders, settings.sent_folders, settings.not_sent_folders):
        try:
            yield f"sent mail is in {folder.name}: {mailbox.examine(folder.name).exists:,} messages"
        except (CommandRefused, FolderNotFound, PermissionMissing) as error:
            patient.warnings.append(f"{sent_not_opened(folder.name, error)}. Until then nothing is filed.")
    for name in settings.not_sent_folders:
        yield f"{name} is left out as a folder of sent mail, as you say"
    target = backscatter_folder_name(patient.folders, settings.target)
    there = any(folder.name == target for folder in patient.folders)
    _check_rights(mailbox, settings.inbox, target, patient.folders)
    yield f"backscatter goes to {target}" + ("" if there else ", which the first run makes")


def _check_rights(mailbox: Mailbox, inbox: str, target: str, folders: Sequence[Folder]) -> None:
    """Raise PermissionMissing where the server tells that a run may not do what it has to (RFC 4314)."""
    parents = [  # RFC 4314 section 4: to make a folder takes the right k on the one above it
        folder.name for folder in folders if folder.delimiter and target.startswith(folder.name + folder.delimiter)
    ]
    there = any(folder.name == target for folder in folders)
    above = target if there else max(parents, key=len, default="")
    wanted = [(inbox, "te", "take messages out of")]
    wanted += [(target, "i", "put messages into")] if there else [(above, "k", "make a folder in")]
    for folder, letters, what in wanted:
        rights = mailbox.rights(folder) if folder else None
        if rights is not None and not rights.issuperset(letters):
            raise PermissionMissing(
                f"This login may not {what} {folder}",
                why=f"the server tells the rights {''.join(sorted(rights))}, and {' and '.join(letters)} is needed",
                hint="Ask the server's administrator for it, or name another folder with --target",
            )


def _coverage(patient: _Patient) -> Iterator[str]:
    assert patient.mailbox
    assert patient.settings
    assert patient.account
    open_already = patient.mailbox
    earlier, mailbox = earlier_runs(  # as the next run does
        patient.stack, patient.settings, patient.account, lambda: open_already
    )
    seen = look(
        mailbox,
        task_of(patient.settings),
        now=patient.now,
        labels=earlier.labels,
        memory=earlier.memory,
        leaving=earlier.leaving,
        progress=patient.progress,
    )
    coverage = seen.sent.coverage
    yield from coverage.in_words()
    for why in (coverage.unusable(), coverage.why_incomplete(seen.task.policy)):
        if why:
            patient.warnings.append(f"{why} Until that changes hardly anything is filed.")
            break
    for one in seen.senders:
        verb = "Sends for you" if one.sends else "Is no help"
        yield f"{verb}: {one.who} ({one.source.value}; it {one.says})."
    if not any(one.sends for one in seen.senders):
        yield "Nobody is known to send for you; --outbound-host names hosts that you know."
    patient.warnings += [f"{one.in_words()}." for one in seen.failing_records]
    asked = foremost(seen.questions)
    for question in asked:
        yield f"Only you can say: {question.in_words()}"
    if more := len(seen.questions) - len(asked):
        yield f"{'And' if asked else 'Only you can say:'} {plural(more, 'smaller question')} that can wait."
    if seen.questions:
        yield "`senders` lists them after a run, and takes your answers."
    counts = count_judged(seen.judged, seen.plan, ordinary=seen.ordinary)
    found = f"A trial look found {plural(counts.notices, 'notice')}"
    if seen.plan.moves and seen.plan.limits:
        yield f"{found}. A run does not move that many unasked: {' '.join(seen.plan.refusals)}"
    elif seen.plan.moves and seen.plan.refusals:
        yield f"{found}; a run would move 0: {' '.join(seen.plan.refusals)}"
    else:
        yield f"{found}; a run would move {counts.of(Fate.PLANNED):,}."


STAGES: Mapping[str, Callable[[_Patient], Iterator[str]]] = {
    "program": _program,
    "configuration": _configuration,
    "ledger": _ledger,
    "host name": _name,
    "connection": _connection,
    "encryption": _encryption,
    "login": _login,
    "capabilities": _capabilities,
    "folders": _folders,
    "sent coverage": _coverage,
}


# --- pieces --------------------------------------------------------------------------------------------------------


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is part of
        return False


def as_json(check: Check) -> dict[str, Any]:
    """Return a stage for --json."""
    return {
        "stage": check.stage,
        "ok": check.error is None,
        "took_ms": check.took_ms,
        "says": list(check.says),
        "warning": check.warning,
        "error": str(check.error) if check.error else None,
        "code": check.error.code if check.error else None,
    }
