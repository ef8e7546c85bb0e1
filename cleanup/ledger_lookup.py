"""Which ledger a command means, which mailboxes in it, and which run: found without asking any server.

Every command and every notebook finds its ledger here. What is named first counts: `--ledger` (or an argument),
`CLEANUP_LEDGER`, the profile's `ledger`, `[defaults] ledger`, the file in this user's data folder. Where no mailbox is
named there is no profile to ask; if all profiles name one ledger, that one is meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanup.config import ledger_of, load_mailbox, shared_ledger, without_password
from cleanup.errors import UsageError, option_words
from cleanup.ledger import Ledger, RunRecord, is_there
from cleanup.ledger.values import mailbox_key
from cleanup.report.text import local_time

MOST_NAMED = 5
MOST_RUNS = 1000  # that are looked through for those since a moment


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that people mean, whose mailbox it is of, and the ledger that holds it.

    `mailbox` is the address as it was written when the run was made: on some servers it is the login, to the letter.
    """

    run_id: int
    mailbox: str
    ledger: str


def find_ledger(
    mailboxes: Sequence[str] = (),
    ledger: str | Path | None = None,
    config: Path | None = None,
    *,
    may_be_new: bool = False,
) -> str:
    """Return the path or URL of the ledger that a command means: that of these profiles or addresses, if it names some.

    Raises UsageError where profiles have different ledgers and none is named, and where there is no such ledger, as
    looking makes none, unless it `may_be_new`; ConfigurationError for a configuration that cannot be read.
    """
    if ledger:
        where = str(ledger)
    elif not mailboxes:
        where = shared_ledger(config)
    else:
        by_ledger = {ledger_of(load_mailbox(name, config=config)): name for name in reversed(mailboxes)}
        if len(by_ledger) > 1:
            named = ", ".join(f"{without_password(path)} ({name})" for path, name in reversed(by_ledger.items()))
            raise UsageError("These mailboxes have different ledgers", why=named, hint="Name one of them with --ledger")
        where = next(iter(by_ledger))
    if not may_be_new and not is_there(where):
        raise UsageError(f"There is no ledger {where}", hint="The first run makes it; --ledger names another")
    return where


@contextmanager
def looking_back(
    mailboxes: Sequence[str], ledger: str | Path | None, config: Path | None, *, to_write: bool = False
) -> Iterator[tuple[Ledger, tuple[str, ...]]]:
    """Yield the ledger, open, and the addresses of these mailboxes as they stand in it.

    Unless something is `to_write`, it may lie where nothing can be written.
    Raises UsageError where there is no such ledger, or where it knows nothing of one of them.
    """
    where = find_ledger(mailboxes, ledger, config)
    addresses = [load_mailbox(name, config=config).address for name in mailboxes]
    with Ledger.open(where, looking=not to_write) as opened:
        yield opened, tuple(known_as(opened, address) for address in addresses)


def known_as(ledger: Ledger, address: str) -> str:
    """Return an address as the ledger has it. Raises UsageError for one that it does not know, with the nearest."""
    known, key = ledger.mailboxes(), mailbox_key(address)
    if key in known:
        return key
    if not known:
        raise UsageError("The ledger holds no run yet", hint="The first run of a mailbox makes it known")
    if near := difflib.get_close_matches(key, known, n=1):
        hint = f"Did you mean {near[0]}?"
    else:
        more = f" and {len(known) - MOST_NAMED:,} more" if len(known) > MOST_NAMED else ""
        hint = f"It knows {', '.join(known[:MOST_NAMED])}{more}"
    raise UsageError(f"The ledger knows no mailbox {address}", hint=hint)


def find_run(which: str, mailbox: str | None, ledger: str | None, config: Path | None) -> FoundRun:
    """Return the run that a person means by its number or by "last", as far as the ledger knows before it is asked what
    became of a run that was cut off. Raises UsageError where there is none, or where it is another mailbox's.
    """
    mailboxes = (mailbox,) if mailbox else ()
    where = find_ledger(mailboxes, ledger, config)
    with looking_back(mailboxes, where, config) as (opened, addresses):
        if which == "last":
            record = opened.last_filing(addresses[0] if addresses else None, or_open=True)
        elif which.isdigit():
            record = opened.run(int(which))
        else:
            raise UsageError(f"{which!r} is neither the number of a run nor 'last'")
    if record is None:
        raise no_such_run("There is no run to undo" if which == "last" else f"There is no run {which}", ledger, config)
    if addresses and record.mailbox != addresses[0]:
        raise UsageError(
            f"Run {record.run_id} is of {record.mailbox} and not of {addresses[0]}; nothing was touched",
        ).going_on(
            "To undo it",
            ["undo", record.run_id, "--mailbox", record.mailbox, *option_words(ledger=ledger, config=config)],
        )
    return _found(record, where)


def no_such_run(what: str, ledger: str | None, config: Path | None) -> UsageError:
    """Return the error for a run that is not in the ledger, with the command that shows those that are."""
    return UsageError(what).going_on("To see the runs", ["history", *option_words(ledger=ledger, config=config)])


def find_runs_since(
    begin: datetime, mailbox: str | None, ledger: str | None, config: Path | None
) -> tuple[FoundRun, ...]:
    """Return the runs that were at work since then and moved something that is not back, the latest first.

    Raises UsageError where there is none, and where they are of several mailboxes.
    """
    mailboxes = (mailbox,) if mailbox else ()
    where = find_ledger(mailboxes, ledger, config)
    with looking_back(mailboxes, where, config) as (opened, addresses):
        runs = opened.runs(addresses[0] if addresses else None, limit=MOST_RUNS)
    ours = [run for run in runs if run.command == "run" and run.filed and (run.finished or run.started) >= begin]
    if not ours:
        raise UsageError(f"Nothing that was filed since {local_time(begin, zone=True)} is left to put back")
    if len(whose := sorted({run.mailbox for run in ours})) > 1:
        raise UsageError(
            "Runs of several mailboxes filed mail since then",
            why=", ".join(whose[:MOST_NAMED]),
            hint="Name one with --mailbox",
        )
    return tuple(_found(run, where) for run in ours)


def _found(record: RunRecord, where: str) -> FoundRun:
    actor = record.actor or ""
    as_typed = actor if mailbox_key(actor) == record.mailbox else record.mailbox
    return FoundRun(record.run_id, as_typed, where)


def which_fit(run_id: int, condition: str, ledger: str) -> tuple[int, ...]:
    """Return the UIDs of the messages that a run filed and a condition holds for. Raises UsageError for none."""
    from cleanup.report.summary.labels import uids_where  # pandas, which no other step of an undo needs

    with Ledger.open(ledger) as opened:
        return uids_where(opened, run_id, condition)
