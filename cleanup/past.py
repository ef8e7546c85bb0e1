"""What people mean by "the last run" or "these mailboxes": the runs in a ledger, found without asking any server."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cleanup.config import MailboxSettings, default_ledger, ledger_of, load_mailbox
from cleanup.errors import UsageError
from cleanup.ledger import Ledger, is_there

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that can be undone, and how many of its moves still stand."""

    run_id: int
    mailbox: str
    filed: int


def which_ledger(
    mailboxes: tuple[str, ...], ledger: str | None, config: Path | None, *, may_be_new: bool = False
) -> tuple[tuple[str, ...], str]:
    """Return the addresses that people mean by profiles or addresses, and the ledger that holds them.

    Raises UsageError where there is no such ledger, as looking makes none, unless it `may_be_new`.
    """
    settings = [load_mailbox(name, config=config) for name in mailboxes]
    where = ledger or _ledger_of(settings)
    if not may_be_new and not is_there(where):
        raise UsageError(f"There is no ledger {where}", hint="The first run makes it; --ledger names another")
    return tuple(one.address for one in settings), where


@contextmanager
def looking_back(
    mailboxes: tuple[str, ...], ledger: str | None, config: Path | None
) -> Iterator[tuple[Ledger, tuple[str, ...]]]:
    """Yield the ledger, open, and the addresses of these mailboxes as they stand in it.

    Raises UsageError where there is no such ledger, or where it knows nothing of one of them.
    """
    addresses, where = which_ledger(mailboxes, ledger, config)
    with Ledger.open(where) as opened:
        yield opened, tuple(known_as(opened, address) for address in addresses)


def known_as(ledger: Ledger, address: str) -> str:
    """Return an address as the ledger has it, where only the case differs. Raises UsageError for an unknown one."""
    known = {one.lower(): one for one in ledger.mailboxes()}
    if found := known.get(address.lower()):
        return found
    if not known:
        raise UsageError("The ledger holds no run yet", hint="The first run of a mailbox makes it known")
    raise UsageError(f"The ledger knows no mailbox {address}", hint=_those_that_are(address.lower(), known))


def _those_that_are(address: str, known: Mapping[str, str]) -> str:
    if near := difflib.get_close_matches(address, known, n=1):
        return f"Did you mean {known[near[0]]}?"
    some = ", ".join(list(known.values())[:MOST_NAMED])
    return f"It knows {some}" + (f" and {len(known) - MOST_NAMED:,} more" if len(known) > MOST_NAMED else "")


def find_run(which: str, mailbox: str | None, ledger: str | None, config: Path | None) -> FoundRun:
    """Return the run that a person means by its number or by "last". Raises UsageError where there is none."""
    with looking_back((mailbox,) if mailbox else (), ledger, config) as (opened, addresses):
        if which == "last":
            record = opened.last_filing(addresses[0] if addresses else None)
        elif which.isdigit():
            record = opened.run(int(which))
        else:
            raise UsageError(f"{which!r} is neither the number of a run nor 'last'")
    if record is None:
        what = "There is no run to undo" if which == "last" else f"There is no run {which}"
        given = {"--ledger": ledger, "--config": config}
        shows = ["mailbox-cleanup", "history", *(str(w) for pair in given.items() if pair[1] for w in pair)]
        raise UsageError(what, hint=f"The runs: {shlex.join(shows)}")
    return FoundRun(record.run_id, record.mailbox, record.filed)


def which_fit(run_id: int, condition: str, ledger: str) -> tuple[int, ...]:
    """Return the UIDs of the messages that a run filed and a condition holds for. Raises UsageError for none."""
    from cleanup.report.which import uids_where  # pandas, which no other step of an undo needs

    with Ledger.open(ledger) as opened:
        return uids_where(opened, run_id, condition)


def _ledger_of(settings: list[MailboxSettings]) -> str:
    return ledger_of(settings[0]) if settings else default_ledger()
