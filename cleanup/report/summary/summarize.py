"""What a report says, before it takes a form: the headline, what to do, and the tables that people ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from cleanup.detector.account_state import Answer, advice
from cleanup.model import Verdict
from cleanup.report.counts import Counts, Fate
from cleanup.report.summary import tables
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.labels import put_back
from cleanup.report.summary.tables import Section
from cleanup.report.text import plural

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
    title = plural(len(mailboxes), "mailbox", "mailboxes") if len(mailboxes) > 1 else "".join(mailboxes)
    arrived = notices["arrived"]
    return Summary(
        title=title or "nothing yet",
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
        span=(arrived.min().to_pydatetime(), arrived.max().to_pydatetime()) if len(arrived) else None,
    )


def count(notices: pd.DataFrame) -> Counts:
    """Return the counts of notices (Frames.notices)."""
    cells = notices.groupby(["verdict", "fate"], observed=False).size().to_dict()
    found = {(verdict, fate): int(cells.get((verdict.value, fate.value), 0)) for verdict in Verdict for fate in Fate}
    return Counts(found, undelivered=int(tables.are_undelivered(notices).sum()))


# --- pieces --------------------------------------------------------------------------------------------------------


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
    lines = [*told.to_do, *_failed(frames.runs), *_refused(frames)]
    if totals.undelivered:
        whose = "it says what did not arrive" if totals.undelivered == 1 else "they say what did not arrive"
        lines.append(f"Look at the {plural(totals.undelivered, 'bounce')} of your own mail below: {whose}.")
    if totals.waiting:
        where = "it stays where it is" if totals.waiting == 1 else "they stay where they are"
        lines.append(f"If you like, look at the {plural(totals.waiting, 'unsure notice')}: {where}.")
    if unsettled := totals.of(Fate.OPEN):
        lines.append(
            f"A run was cut off while it moved {plural(unsettled, 'message')}. Run again: it looks where each one is."
        )
    lines += _put_back(frames)
    last = frames.sent_coverage.drop_duplicates("mailbox", keep="last")
    unusable = [str(problem) for problem in last["unusable"].dropna()]
    lines += [f"Sent could not vouch: {problem}" for problem in unusable[:3]]
    thin = last[(last["samples"] >= FEWEST_SAMPLES) & (last["at_least"] < THIN_SENT)]
    if len(thin):
        lines.append(
            "Mail that you certainly sent is missing in Sent, see below. Let every phone and program save copies there."
        )
    return tuple(lines) or ("Nothing.",)


def _failed(runs: pd.DataFrame) -> list[str]:
    """Return which mailboxes nobody has looked at since: those whose last run failed, three of them by name."""
    last = runs[runs["command"] == "run"].drop_duplicates("mailbox", keep="last")
    failed = last[last["status"].isin(["failed", "locked"])]
    named = failed.head(3)
    lines = [
        f"The last run of {mailbox} failed on {when:%Y-%m-%d %H:%M} UTC"
        + (f": {says}" if isinstance(says, str) else "")
        for mailbox, when, says in zip(named["mailbox"], named["started"], named["says"], strict=True)
    ]
    more = len(failed) - len(lines)
    return [*lines, f"So did the last run of {plural(more, 'more mailbox', 'more mailboxes')}."] if more > 0 else lines


def _refused(frames: Frames) -> list[str]:
    """Return which mailboxes' last run moved nothing because a safety limit was met, three of them by name."""
    last = frames.runs[frames.runs["command"] == "run"].drop_duplicates("mailbox", keep="last")
    lines = []
    for mailbox in last.loc[last["status"] == "refused", "mailbox"].astype(str):
        left = count(frames.notices[frames.notices["mailbox"] == mailbox]).of(Verdict.BACKSCATTER, Fate.STAYS)
        if left:
            lines.append(
                f"The last run of {mailbox} moved nothing, as a safety limit was met: {left:,} forged "
                f"{'bounce is' if left == 1 else 'bounces are'} still in the Inbox. Look at the plan (mailbox-cleanup "
                f"scan {mailbox}); if it is right, run again with --max-moves or --max-share raised."
            )
    more = [f"So did the last run of {plural(len(lines) - NAMED, 'more mailbox', 'more mailboxes')}."]
    return lines[:NAMED] + (more if len(lines) > NAMED else [])


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


# --- The sentence on top --------------------------------------------------------------------------------------------

NAMED = 3  # mailboxes in a sentence
_SEVERITY = {answer.value: place for place, answer in enumerate(Answer)}
_FORGED = (
    "not hacked, as far as the evidence shows: "
    "{bounces} answered mail that never passed your server and is not in Sent."
)
_ONE_FORGED = "Your address is being forged; your account is " + _FORGED
_OF_MANY: Mapping[Answer, str] = {
    Answer.COMPROMISED: "Somebody is sending through your mail server with the login of {who}.",
    Answer.REPLAYED: "Somebody is sending mail of {who} again to strangers. No account is needed for that.",
    Answer.LOOP: "A forwarding rule in {who} passes mail on to an address that does not exist.",
    Answer.GAP: "Bounced mail of {who} left by your own server and is not in Sent.",
    Answer.SPOOFED: "Somebody forges the addresses of {who}; the accounts are " + _FORGED,
    Answer.OWN_MAILING: "Nobody is forged: the bounces in {who} answer a mailing that was sent from there.",
    Answer.CANNOT_SAY: "We can't tell yet whether somebody forges the addresses of {who}.",
    Answer.QUIET: "Nothing points to a hacked or forged address in {who}.",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The most alarming answer of any run, in words, and what to do about it."""

    answer: Answer
    text: str
    to_do: tuple[str, ...] = ()


def headline(runs: pd.DataFrame, backscatter: int, undelivered: int = 0) -> Headline:
    """Return the most alarming answer of any of the runs, and how many bounces of own mail are `undelivered` beside it.

    Of one mailbox in the words of the run that saw the most of it. Of several in words that say how many it holds for
    and name the first of them. `backscatter` counts the notices of all of them that were last judged so.
    """
    if runs.empty:
        return Headline(Answer.QUIET, "No run has looked at a mailbox yet.", _BEGIN)
    said = runs[runs["answer"].notna()]
    if said.empty:
        return Headline(Answer.QUIET, "Nothing new was found.")
    answered = said["answer"].astype(str)
    if said["mailbox"].nunique() == 1 and (answered == Answer.SPOOFED.value).any() and backscatter > undelivered:
        # As account_state() has it of one run: own mail that Sent lacks is no news in a storm. Once the storm is filed,
        # a later run sees that mail alone.
        said = said[answered != Answer.GAP.value]
    # for each mailbox the run with its most alarming answer that saw the most; who was forged most is first
    ranked = said.assign(severity=said["answer"].astype(str).map(_SEVERITY))
    ranked = ranked.sort_values(["severity", "notices", "run_id"], ascending=[True, False, False])
    worst = ranked.drop_duplicates("mailbox")
    if len(worst) == 1:
        found = _of_one(worst.iloc[0], backscatter)
        return replace(
            found, text=found.text + _between(found.answer, backscatter, undelivered, "your own mail that did")
        )
    answers = {str(mailbox): Answer(answer) for mailbox, answer in zip(worst["mailbox"], worst["answer"], strict=True)}
    forged = said.loc[said["answer"].astype(str) == Answer.SPOOFED.value, "mailbox"].nunique()
    found = of_many(answers, int(forged), backscatter)
    return replace(found, text=found.text + _between(found.answer, backscatter, undelivered, "their own mail that did"))


def of_many(answers: Mapping[str, Answer], forged: int, backscatter: int) -> Headline:
    """Return what is most alarming in several mailboxes, given the worst answer of each, in the order of naming.

    `forged` of them had a run that found them forged, which another answer does not hide.
    """
    worst = min(answers.values(), key=lambda answer: _SEVERITY[answer.value])
    these = [mailbox for mailbox, answer in answers.items() if answer is worst]
    bounces = plural(backscatter, "bounce")
    text = _OF_MANY[worst].format(who=_who(these, len(answers)), bounces=bounces)
    if forged and worst is not Answer.SPOOFED:
        text += f" Besides, somebody forges the addresses of {_how_many(forged, len(answers))} ({bounces})."
    return Headline(worst, text, _for_each(worst, these))


# --- pieces --------------------------------------------------------------------------------------------------------

_BEGIN = ("Let it look, without changing anything: mailbox-cleanup scan MAILBOX",)
_FOR_ALL = (Answer.SPOOFED, Answer.QUIET)  # advice that needs no name


def _of_one(run: pd.Series, backscatter: int) -> Headline:
    answer = Answer(str(run["answer"]))
    if answer is Answer.SPOOFED and backscatter:
        return Headline(answer, _ONE_FORGED.format(bounces=plural(backscatter, "bounce")), advice(answer))
    # none is called backscatter any more: a person's word or other rules have had the last one
    as_seen = f"As run {run['run_id']} saw it: " if answer is Answer.SPOOFED else ""
    return Headline(answer, f"{as_seen}{run['headline']}", advice(answer))


def _between(answer: Answer, backscatter: int, undelivered: int, of: str) -> str:
    """Return the sentence on what must not be overlooked in a flood of forged bounces."""
    if answer is not Answer.SPOOFED or not undelivered:
        return ""
    verb = "is" if undelivered == 1 else "are"
    begin = "Between them" if backscatter else "Now there"  # what an earlier run saw does not hold today's number
    return f" {begin} {verb} {plural(undelivered, 'bounce')} of {of} not arrive."


def _who(these: Sequence[str], of: int) -> str:
    """Return "2 of 12 mailboxes (anna@example.org, ben@example.org)"; of all of them just how many they are."""
    names = "" if len(these) == of else f" ({_names(these)})"
    return _how_many(len(these), of) + names


def _how_many(these: int, of: int) -> str:
    if these == of:
        return f"{'both' if of == 2 else f'all {of:,}'} mailboxes"
    return f"{these:,} of {of:,} mailboxes"


def _names(these: Sequence[str]) -> str:
    more = f" and {len(these) - NAMED:,} more" if len(these) > NAMED else ""
    return ", ".join(these[:NAMED]) + more


def _for_each(answer: Answer, these: Sequence[str]) -> tuple[str, ...]:
    if answer in _FOR_ALL:
        return advice(answer)
    return tuple(f"{_names(these)}: {line[0].lower()}{line[1:]}" for line in advice(answer))
