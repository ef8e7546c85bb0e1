"""What a report says, before it takes a form: the headline, what to do, and the tables that people ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from cleanup.detector.account_state import Answer
from cleanup.model import Verdict
from cleanup.report import tables
from cleanup.report.counts import Counts, Fate
from cleanup.report.frames import Frames
from cleanup.report.headline import Headline, headline
from cleanup.report.said import put_back
from cleanup.report.tables import Section
from cleanup.report.words import plural

THIN_SENT = 0.9  # measured completeness below which Sent is said to miss mail
FEWEST_SAMPLES = 30


@dataclass(frozen=True, slots=True)
class Summary:
    """A report's content, before it takes a form, in the order in which it is told.

    urgent   what a person has to look at
    details  the other tables
    method   what the verdicts rest on
    facts    the runs
    """

    title: str
    made: datetime
    mailboxes: tuple[str, ...]
    headline: str
    answer: Answer
    to_do: tuple[str, ...]
    totals: Counts
    urgent: tuple[Section, ...] = ()
    details: tuple[Section, ...] = ()
    method: tuple[Section, ...] = ()
    facts: tuple[Section, ...] = ()
    span: tuple[datetime, datetime] | None = None  # first and last arrival

    @property
    def sections(self) -> tuple[Section, ...]:
        """Return all tables, in their order."""
        return (*self.urgent, *self.details, *self.method, *self.facts)


def summarize(frames: Frames, *, now: datetime) -> Summary:
    """Return what the frames tell, for the owner, the helpdesk and the mail admin."""
    notices = frames.notices
    totals = count(notices)
    told = headline(frames.runs, totals.of(Verdict.BACKSCATTER), totals.undelivered)
    mailboxes = tuple(sorted({str(name) for name in frames.runs["mailbox"]}))
    return Summary(
        title=_title(mailboxes),
        made=now,
        mailboxes=mailboxes,
        headline=told.text,
        answer=told.answer,
        to_do=_to_do(told, totals, frames),
        totals=totals,
        urgent=_filled(
            tables.undelivered(notices, frames.bounces), tables.unsure(notices, frames.reasons, frames.labels)
        ),
        details=_details(frames, len(mailboxes)),
        method=_filled(tables.rules(frames)),
        facts=_filled(tables.runs(frames.runs)),
        span=_span(notices),
    )


def count(notices: pd.DataFrame) -> Counts:
    """Return the counts of notices (Frames.notices)."""
    cells = notices.groupby(["verdict", "fate"], observed=False).size().to_dict()
    found = {(verdict, fate): int(cells.get((verdict.value, fate.value), 0)) for verdict in Verdict for fate in Fate}
    return Counts(found, undelivered=int(tables.are_undelivered(notices).sum()))


# --- pieces --------------------------------------------------------------------------------------------------------


def _title(mailboxes: tuple[str, ...]) -> str:
    if not mailboxes:
        return "nothing yet"
    return mailboxes[0] if len(mailboxes) == 1 else plural(len(mailboxes), "mailbox", "mailboxes")


def _filled(*sections: Section) -> tuple[Section, ...]:
    return tuple(section for section in sections if len(section.table))


def _details(frames: Frames, mailboxes: int) -> tuple[Section, ...]:
    notices = frames.notices
    latest = frames.bounces[frames.bounces["latest"]]
    return _filled(
        tables.by_kind(notices),
        *((tables.by_mailbox(notices),) if mailboxes > 1 else ()),
        tables.campaigns(notices),
        tables.top(notices, "reporting_mta", "reporters", "Servers that sent the forged bounces"),
        tables.top(latest, "recipient_domain", "domains", "Where the forged mail went"),
        tables.top(notices, "trusted_hop", "origins", "Where the forged mail came from"),
        tables.sent(frames),
    )


def _to_do(told: Headline, totals: Counts, frames: Frames) -> tuple[str, ...]:
    lines = [*told.to_do, *_failed(frames.runs)]
    if totals.undelivered:
        whose = "it did not arrive" if totals.undelivered == 1 else "they say what did not arrive"
        lines.append(f"Look at {plural(totals.undelivered, 'bounce')} of your own mail below: {whose}.")
    if totals.waiting:
        where = "it stays where it is" if totals.waiting == 1 else "they stay where they are"
        lines.append(f"If you like, look at {plural(totals.waiting, 'unsure notice')}: {where}.")
    if unsettled := totals.of(Fate.OPEN):
        lines.append(
            f"A run was cut off while it moved {plural(unsettled, 'message')}. Run again: it looks where they are."
        )
    lines += _put_back(frames)
    last = frames.sent_coverage.drop_duplicates("mailbox", keep="last")
    unusable = [str(problem) for problem in last["unusable"].dropna()]
    lines += [f"Sent could not vouch: {problem}" for problem in unusable[:3]]
    thin = last[(last["samples"] >= FEWEST_SAMPLES) & (last["at_least"] < THIN_SENT)]
    if len(thin):
        lines.append(
            "Sent misses mail that was certainly sent; see below. Let every phone and program save copies there."
        )
    return tuple(lines) or ("Nothing.",)


def _failed(runs: pd.DataFrame) -> list[str]:
    """Return which mailboxes nobody has looked at since: those whose last run failed, three of them by name."""
    last = runs[runs["command"] == "run"].drop_duplicates("mailbox", keep="last")
    failed = last[last["status"].isin(["failed", "locked"])]
    named = failed.head(3)
    lines = list(map(_failed_in_words, named["mailbox"], named["started"], named["says"]))
    more = len(failed) - len(lines)
    return [*lines, f"So did the last run of {plural(more, 'mailbox', 'mailboxes')} more."] if more > 0 else lines


def _failed_in_words(mailbox: str, when: datetime, says: object) -> str:
    why = f": {says}" if isinstance(says, str) else ""
    return f"The last run of {mailbox} failed on {when:%Y-%m-%d %H:%M} UTC{why}"


def _put_back(frames: Frames) -> list[str]:
    """Return what undos put back, a line each undone run: it is neither filed nor forgotten."""
    undone = put_back(frames).groupby("undone_run")["said"].agg(["size", "max"])
    return [
        _put_back_in_words(int(size), run, last)
        for run, size, last in zip(undone.index, undone["size"], undone["max"], strict=True)
    ]


def _put_back_in_words(count: int, run: int, last: datetime) -> str:
    what = f"{plural(count, 'message')} {'was' if count == 1 else 'were'}"
    which = f"undo of run {run}" if run else "an undo"
    return f"{what} put back by {which} on {last:%Y-%m-%d} and will not be filed again, unless you ask (run --again)."


def _span(notices: pd.DataFrame) -> tuple[datetime, datetime] | None:
    if notices.empty:
        return None
    return notices["arrived"].min().to_pydatetime(), notices["arrived"].max().to_pydatetime()
