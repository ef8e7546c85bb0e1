"""How the mailboxes of a fleet ended: what became of each, failures by cause, and what to try again."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cleanup.atomic_write import write_for_owner
from cleanup.errors import CleanupError, MailboxLocked, SafetyStop, SentCannotVouch, UsageError, as_named
from cleanup.jobs.result import Done
from cleanup.ledger.values import mailbox_key
from cleanup.report.counts import Counts

NOTHING_JUDGED = "Until Sent vouches, bounces stay undecided, and in the Inbox."


class Result(StrEnum):
    """What became of one mailbox."""

    DONE = "done"
    REFUSED = "refused"  # a safety limit was met, nothing was moved
    FAILED = "failed"  # an error, or a Sent that cannot vouch
    LOCKED = "locked"  # somebody else works on it
    NOT_BEGUN = "not begun"  # the deadline came, or a signal


@dataclass(frozen=True, slots=True)
class Ended:
    """How one mailbox ended. `cause` is the code of the error, `says` its words; `counts` where it was looked at.

    `sent_at_least`: the lower bound of the share of certainly sent mail that Sent holds, where it was measured.
    """

    name: str
    result: Result
    says: str
    cause: str | None = None
    moved: int = 0
    took_s: float = 0.0
    counts: Counts | None = None
    sent_at_least: float | None = None

    @classmethod
    def of(cls, name: str, done: Done, took_s: float) -> Ended:
        """Return how a mailbox ended whose run came to its end."""
        plan, measured = done.look.plan, done.look.sent.coverage.measured()
        seen = (done.counts, measured.at_least if measured.samples else None)
        if plan.refusals and plan.moves:
            return cls(name, Result.REFUSED, " ".join(plan.refusals), SafetyStop.code, 0, took_s, *seen)
        if done.not_moved:
            says = f"{done.not_moved} messages could not be moved"
            return cls(name, Result.FAILED, says, "partly", done.moved, took_s, *seen)
        if why := done.cannot_judge:
            says = f"{why} {NOTHING_JUDGED}"
            return cls(name, Result.FAILED, says, SentCannotVouch.code, done.moved, took_s, *seen)
        return cls(name, Result.DONE, done.in_words(), None, done.moved, took_s, *seen)

    @classmethod
    def of_error(cls, name: str, error: Exception, took_s: float = 0.0) -> Ended:
        """Return how a mailbox ended whose run did not."""
        named = error if isinstance(error, CleanupError) else as_named(error)
        result = Result.LOCKED if isinstance(named, MailboxLocked) else Result.FAILED
        return cls(name, result, str(named), named.code, took_s=took_s)


def by_cause(ends: Iterable[Ended]) -> list[tuple[str, int, str]]:
    """Return the failures by cause, most frequent first: code, how many, and the words of the first one."""
    failed = [one for one in ends if one.result is not Result.DONE]
    counts = Counter(one.cause or one.result.value for one in failed)
    first = {one.cause or one.result.value: one for one in reversed(failed)}
    return [(cause, count, f"{first[cause].name}: {first[cause].says}") for cause, count in counts.most_common()]


_COLUMNS = ("mailbox", "result", "cause", "moved", "took_s")
Row = Mapping[str, str]  # of the file of results, by column


def write_ends(file: Path, ends: Iterable[Ended], *, before: Iterable[Row] = ()) -> None:
    """Write how each mailbox ended, as CSV that only this user can read: `--only-failed` reads it.

    `before` are rows that stay, in their order and place, where a mailbox was not taken up again. Raises UsageError.
    """
    rows = {row["mailbox"]: row for row in before}
    for e in ends:
        values = (e.name, e.result.value, e.cause or "", str(e.moved), f"{e.took_s:.1f}")
        rows[e.name] = dict(zip(_COLUMNS, values, strict=True))
    text = io.StringIO(newline="")  # csv writes its own line ends
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows.values())
    try:
        write_for_owner(file, text.getvalue().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"The results cannot be written to {file}", why=error.strerror) from error


def read_ends(file: Path) -> list[Row]:
    """Return how the mailboxes ended the last time, as write_ends() wrote it. Raises UsageError where nobody did."""
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            rows: list[Row] = list(csv.DictReader(opened))
        if any(not row["mailbox"] or row["result"] not in set(Result) for row in rows):
            raise KeyError("result")
        return rows
    except (OSError, UnicodeError, KeyError, csv.Error) as error:
        raise UsageError(
            f"{file} does not tell which mailboxes failed", hint="Run once without --only-failed"
        ) from error


def not_done(rows: Iterable[Row]) -> frozenset[str]:
    """Return the mailboxes that are not done, for whatever cause: as many as the last run counted."""
    return frozenset(row["mailbox"] for row in rows if row["result"] != Result.DONE)


# --- Which mailboxes a fleet has ------------------------------------------------------------------------------------

COLUMN = "mailbox"


@dataclass(frozen=True, slots=True)
class Listed:
    """One mailbox of a list: a profile or an address, and further settings by their names."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def read_list(file: Path) -> list[Listed]:
    """Return the mailboxes of a CSV file: a column `mailbox`, and columns named like the settings of a profile.

    Raises UsageError where the file cannot be read, has no such column, or names a mailbox twice.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeError, csv.Error) as error:
        raise UsageError(f"The list {file} cannot be read", why=str(error)) from error
    return mailboxes_of(rows, str(file))


def mailboxes_of(rows: Iterable[Mapping[str, object]], where: str) -> list[Listed]:
    """Return the mailboxes of rows, in their order. Raises UsageError as read_list() does."""
    found: dict[str, Listed] = {}
    known: set[str] = set()
    for number, row in enumerate(rows, start=1):
        name = str(row.get(COLUMN) or "").strip()
        if not name:
            raise UsageError(f"{where}: row {number} names no mailbox", hint=f"A column {COLUMN!r} is needed")
        key = mailbox_key(name) if "@" in name else name
        if key in known:
            raise UsageError(f"{where}: {name} is there twice")
        known.add(key)
        found[name] = Listed(
            name, {str(k): str(v) for k, v in row.items() if k and k != COLUMN and v not in (None, "")}
        )
    return list(found.values())


def shard_of(mailboxes: Sequence[Listed], number: int, of: int) -> list[Listed]:
    """Return the mailboxes of one shard, numbered from 0: by a hash of the name, whatever the list's order."""
    if not 0 <= number < of:
        raise UsageError(f"There is no shard {number} of {of}", hint="Shards are numbered 0/N to N-1/N")
    return [one for one in mailboxes if int(hashlib.sha256(one.name.encode()).hexdigest(), 16) % of == number]
