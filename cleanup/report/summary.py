"""What a report says, before it takes a form: the headline, what to do, and the tables that people ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from cleanup.detector.account_state import Answer, advice
from cleanup.model import Kind, Verdict
from cleanup.report import tables
from cleanup.report.frames import Frames
from cleanup.report.tables import Section
from cleanup.report.words import plural

THIN_SENT = 0.9  # measured completeness below which Sent is said to miss mail
FEWEST_SAMPLES = 30


@dataclass(frozen=True, slots=True)
class Totals:
    """How many messages were last judged to be what."""

    notices: int
    genuine: int
    backscatter: int
    unsure: int
    filed: int
    undelivered: int  # genuine bounces that say that mail did not arrive


@dataclass(frozen=True, slots=True)
class Summary:
    """A report's content, before it takes a form."""

    title: str
    made: datetime
    mailboxes: tuple[str, ...]
    headline: str
    answer: Answer
    to_do: tuple[str, ...]
    totals: Totals
    urgent: tuple[Section, ...] = ()  # what a person has to look at
    details: tuple[Section, ...] = ()
    span: tuple[datetime, datetime] | None = field(default=None)  # first and last arrival


def summarize(frames: Frames, *, now: datetime) -> Summary:
    """Return what the frames tell, for the owner, the helpdesk and the mail admin."""
    notices = frames.notices
    totals = count(notices)
    answer, headline = _headline(frames.runs, totals)
    mailboxes = tuple(sorted({str(name) for name in frames.runs["mailbox"]}))
    urgent = (tables.undelivered(notices, frames.bounces), tables.unsure(notices, frames.reasons))
    latest = frames.bounces[frames.bounces["latest"]]
    details = (
        tables.by_kind(notices),
        *((tables.by_mailbox(notices),) if len(mailboxes) > 1 else ()),
        tables.campaigns(notices),
        tables.top(notices, "reporting_mta", "reporters", "Servers that sent the forged bounces"),
        tables.top(latest, "recipient_domain", "domains", "Where the forged mail went"),
        tables.top(notices, "trusted_hop", "origins", "Where the forged mail came from"),
        tables.rules(frames),
        tables.sent(frames),
        tables.runs(frames.runs),
    )
    return Summary(
        title=mailboxes[0] if len(mailboxes) == 1 else plural(len(mailboxes), "mailbox", "mailboxes"),
        made=now,
        mailboxes=mailboxes,
        headline=headline,
        answer=answer,
        to_do=_to_do(answer, totals, frames),
        totals=totals,
        urgent=tuple(section for section in urgent if len(section.table)),
        details=tuple(section for section in details if len(section.table)),
        span=_span(notices),
    )


def count(notices: pd.DataFrame) -> Totals:
    """Return the totals of notices."""
    verdicts = notices["verdict"].value_counts()
    undelivered = (notices["verdict"] == Verdict.GENUINE.value) & (notices["kind"] == Kind.NDR.value)
    by_word = {verdict: int(verdicts.get(verdict.value, 0)) for verdict in Verdict}
    return Totals(
        notices=len(notices),
        genuine=by_word[Verdict.GENUINE],
        backscatter=by_word[Verdict.BACKSCATTER],
        unsure=by_word[Verdict.UNSURE],
        filed=int(notices["filed"].sum()),
        undelivered=int(undelivered.sum()),
    )


# --- pieces --------------------------------------------------------------------------------------------------------


def _headline(runs_of: pd.DataFrame, totals: Totals) -> tuple[Answer, str]:
    """Return the most alarming answer of any run, in the words of the run that saw the most of it."""
    said = runs_of[runs_of["answer"].notna()]
    if said.empty:
        return Answer.QUIET, "No run has looked at this mailbox yet." if runs_of.empty else "Nothing new was found."
    severity = {answer.value: place for place, answer in enumerate(Answer)}
    place = said["answer"].astype("str").map(severity)
    worst = said[place == place.min()].sort_values(["notices", "run_id"]).iloc[-1]
    answer = Answer(str(worst["answer"]))
    if answer is Answer.SPOOFED and totals.backscatter and said["mailbox"].nunique() == 1:
        return answer, (
            f"Your address is being forged; your account is not hacked, as far as the evidence shows: "
            f"{plural(totals.backscatter, 'bounce')} answered mail that never passed your server and is not in Sent."
        )
    return answer, str(worst["headline"])


def _to_do(answer: Answer, totals: Totals, frames: Frames) -> tuple[str, ...]:
    lines = list(advice(answer))
    if totals.undelivered:
        lines.append(f"Look at {plural(totals.undelivered, 'bounce')} of your own mail below: it did not arrive.")
    if totals.unsure:
        lines.append(f"If you like, look at {plural(totals.unsure, 'unsure notice')}: they stay where they are.")
    last = frames.sent_coverage.drop_duplicates("mailbox", keep="last")
    unusable = [str(problem) for problem in last["unusable"].dropna()]
    lines += [f"Sent could not vouch: {problem}" for problem in unusable[:3]]
    thin = last[(last["samples"] >= FEWEST_SAMPLES) & (last["at_least"] < THIN_SENT)]
    if len(thin):
        lines.append(
            "Sent misses mail that was certainly sent; see below. Let every phone and program save copies there."
        )
    return tuple(lines) or ("Nothing.",)


def _span(notices: pd.DataFrame) -> tuple[datetime, datetime] | None:
    if notices.empty:
        return None
    return notices["arrived"].min().to_pydatetime(), notices["arrived"].max().to_pydatetime()
