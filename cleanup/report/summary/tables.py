"""The tables of a report, from frames: each a Section that is ready to be shown.

Everything here is vectorised; a section of a million notices holds a few dozen rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cleanup.model import LABELLED, Kind, Strength, Verdict
from cleanup.report.counts import Fate
from cleanup.report.summary.frames import Frames
from cleanup.report.summary.labels import sentences
from cleanup.report.text import KINDS, row_in_words, rule_in_words, why_not_arrived

MOST_ROWS = 50
MOST_BARS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """One table, ready to be shown: its column names are the headings. `left_out` rows did not fit."""

    name: str
    title: str
    says: str
    table: pd.DataFrame
    left_out: int = 0


# --- what a person has to look at ----------------------------------------------------------------------------------


def undelivered(notices: pd.DataFrame, bounces: pd.DataFrame) -> Section:
    """Return the owner's own mail that did not arrive, newest first, one row a notice."""
    chosen = notices[are_undelivered(notices)]
    newest = chosen.sort_values("arrived", ascending=False).head(MOST_ROWS)
    table = pd.DataFrame(
        {
            **_whose(newest, notices),
            "When": newest["arrived"],
            "To": newest["finding_id"].map(_recipients_of(bounces, newest["finding_id"])),
            "Subject": newest["original_subject"],
            "Why": [why_not_arrived(*both) for both in zip(newest["cause"].astype(str), newest["action"], strict=True)],
            "Status": newest["status"].astype("str").where(newest["status"].notna()),
            "UID": newest["uid"].astype("str"),
        }
    )
    says = (
        "These bounces answer mail that you did send. Most need something from you: another address, a call, a new try."
    )
    return cut("undelivered", "Your own mail that did not arrive", says, table, of=len(chosen))


def are_undelivered(notices: pd.DataFrame) -> pd.Series:
    """Return which notices say that mail of the owner's own did not arrive."""
    return (notices["verdict"] == Verdict.GENUINE.value) & (notices["kind"] == Kind.NDR.value)


def unsure(notices: pd.DataFrame, reasons: pd.DataFrame, labels: pd.DataFrame) -> Section:
    """Return the unsure notices in the Inbox, each with what keeps it from being decided.

    Newest first; after them those that a person decided to leave there.
    """
    left = notices["fate"].isin([Fate.STAYS.value, Fate.KEPT.value])
    chosen = notices[(notices["verdict"] == Verdict.UNSURE.value) & left]
    ordered = chosen.assign(kept=chosen["fate"] == Fate.KEPT.value)
    newest = ordered.sort_values(["kept", "arrived"], ascending=[True, False]).head(MOST_ROWS)
    table = pd.DataFrame(
        {
            **_whose(newest, notices),
            "When": newest["arrived"],
            "About": about(newest),
            "From": newest["reporting_mta"]
            .astype(pd.StringDtype())
            .fillna(newest["notice_sender"].astype(pd.StringDtype())),
            "Because": _because(newest, reasons, labels),
            "UID": newest["uid"].astype("str"),
        }
    )
    says = "We can't tell from the evidence whether you sent what these answer. They stay where they are."
    return cut("unsure", "Unsure, left where they are", says, table, of=len(chosen))


def about(notices: pd.DataFrame) -> pd.Series:
    """Return the subject that a notice answers, or its own where it returns none."""
    return notices["original_subject"].fillna(notices["notice_subject"])


def _whose(shown: pd.DataFrame, notices: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the column of mailboxes; none where all notices are of one."""
    return {"Mailbox": shown["mailbox"]} if notices["mailbox"].nunique() > 1 else {}


def _recipients_of(bounces: pd.DataFrame, finding_ids: pd.Series) -> pd.Series:
    rows = bounces[bounces["finding_id"].isin(finding_ids) & bounces["recipient"].notna()]
    return rows.groupby("finding_id")["recipient"].agg(lambda to: ", ".join(to.head(3)) + (" …" if len(to) > 3 else ""))


def _because(notices: pd.DataFrame, reasons: pd.DataFrame, labels: pd.DataFrame) -> pd.Series:
    """Return for each notice who said so, else the sentence that kept it unsure, else the policy's row."""
    ours = reasons[reasons["finding_id"].isin(notices["finding_id"])]
    counted = ours[(ours["points_to"] == Verdict.UNSURE.value) & (ours["strength"] != Strength.NOTE.value)]
    first = counted.drop_duplicates("finding_id").set_index("finding_id")["says"].astype("str")
    row = notices["decided_by"].astype("str").map(row_in_words)
    evidence = notices["finding_id"].map(first).astype(pd.StringDtype()).fillna(row)
    return evidence.where(notices["decided_by"] != LABELLED, sentences(notices, labels).fillna(evidence))


# --- tables --------------------------------------------------------------------------------------------------------


def by_kind(notices: pd.DataFrame) -> Section:
    """Return how many notices of each kind got which verdict."""
    table = notices.groupby(["kind", "verdict"], observed=False).size().unstack()
    table = table.loc[table.sum(axis=1) > 0].rename(index={kind.value: words for kind, words in KINDS.items()})
    table.index.name, table.columns.name = "What", None
    return cut("kinds", "What was found", "", table.reset_index())


def by_mailbox(notices: pd.DataFrame) -> Section:
    """Return one row a mailbox with its verdicts, most backscatter first."""
    table = notices.groupby(["mailbox", "verdict"], observed=True).size().unstack(fill_value=0)
    table = table.reindex(columns=[verdict.value for verdict in Verdict], fill_value=0)
    table["filed"] = (notices["fate"] == Fate.FILED.value).groupby(notices["mailbox"], observed=True).sum()
    table = table.sort_values("backscatter", ascending=False)
    table.index.name, table.columns.name = "Mailbox", None
    return cut("mailboxes", "Mailboxes", "", table.reset_index())


def campaigns(notices: pd.DataFrame) -> Section:
    """Return the largest forged campaigns: how many bounces, when, and what the forged mail was about."""
    forged = notices[(notices["verdict"] == Verdict.BACKSCATTER.value) & notices["campaign"].notna()]
    grouped = forged.groupby("campaign", observed=True)
    table = pd.DataFrame(
        {
            "Bounces": grouped.size(),
            "First": grouped["arrived"].min(),
            "Last": grouped["arrived"].max(),
            "Subject of one": grouped["original_subject"].first(),
        }
    ).sort_values("Bounces", ascending=False)
    says = "The bounces of one forged mailing have the same kind of subject, id and origin."
    return cut("campaigns", "Forged campaigns", says, table.reset_index(drop=True), most=MOST_BARS)


def top(rows: pd.DataFrame, column: str, name: str, title: str) -> Section:
    """Return what stands most often in a column of the backscatter."""
    forged = rows[rows["verdict"] == Verdict.BACKSCATTER.value]
    counted = forged[column].dropna().astype(pd.StringDtype()).value_counts()
    table = pd.DataFrame({"Name": counted.index, "Bounces": counted.to_numpy()})
    return cut(name, title, "", table, most=MOST_BARS)


def spoken(frames: Frames) -> pd.DataFrame:
    """Return how often each rule spoke of the notices, notes left out: rule, points_to, strength, notices."""
    reasons = frames.reasons
    counts = (reasons["strength"] != Strength.NOTE.value) & reasons["finding_id"].isin(frames.notices["finding_id"])
    said = reasons.loc[counts, ["rule", "points_to", "strength"]]
    return said.groupby(list(said.columns), observed=True).size().rename("notices").reset_index()


def rules(frames: Frames) -> Section:
    """Return which rules spoke, for what, and how often; notes are left out."""
    said = spoken(frames)
    names = said["rule"].astype(str)
    table = pd.DataFrame(
        {
            "What was found": names.map(rule_in_words) + " [" + names + "]",
            "Points to": said["points_to"],
            "Strength": said["strength"],
            "Notices": said["notices"],
        }
    )
    says = (
        "docs/how-it-decides.md explains each rule, by the name in brackets. To be called backscatter, a bounce needs "
        "evidence of two families, some of it hard."
    )
    return cut("rules", "What the verdicts rest on", says, table.sort_values("Notices", ascending=False))


def sent(frames: Frames) -> Section:
    """Return what each mailbox's Sent could vouch for at its last run, the least complete first."""
    last = frames.sent_coverage.drop_duplicates("mailbox", keep="last").sort_values("at_least", kind="stable")
    measured = last["found"].astype("str") + " of " + last["samples"].astype("str")
    table = pd.DataFrame(
        {
            **_whose(last, frames.runs),
            "Messages": last["messages"],
            "Oldest": last["oldest"].dt.strftime("%Y-%m-%d"),
            "Newest": last["newest"].dt.strftime("%Y-%m-%d"),
            "Holes": last["holes"],
            "Found": measured.where(last["samples"] > 0, "not measured"),
            "At least": last["at_least"].where(last["samples"] > 0),
            "Problem": last["unusable"],
        }
    )
    says = (
        "\u201cNot in Sent\u201d is not \u201cnot sent\u201d. So we measure how complete Sent is: a mail that somebody "
        "replied to, that certainly bounced, or that you also sent to yourself must be in it. This much was found."
    )
    return cut("sent", "What your Sent folder can vouch for", says, table)


def runs(frame: pd.DataFrame) -> Section:
    """Return the runs, newest first."""
    newest = frame.sort_values("started", ascending=False)
    status = newest["error"].astype(pd.StringDtype()).fillna(newest["status"].astype(pd.StringDtype()))
    table = pd.DataFrame(
        {
            "Run": newest["run_id"],
            **_whose(newest, frame),
            "Started": newest["started"],
            "Command": newest["command"],
            "Policy": newest["policy"],
            "Status": status,
            "Notices": newest["notices"],
            "Filed": newest["filed"],
            "Put back": newest["put_back"],
            "Version": newest["version"],
        }
    )
    says = "Every run can be taken back: mailbox-cleanup undo RUN."
    return cut("runs", "Runs", says, table, most=MOST_BARS)


# --- pieces --------------------------------------------------------------------------------------------------------


def cut(
    name: str, title: str, says: str, table: pd.DataFrame, *, most: int = MOST_ROWS, of: int | None = None
) -> Section:
    """Return a section of the table's first rows, without columns that say nothing. `of`: how many rows there are."""
    shown = table.head(most)
    told = shown.dropna(axis=1, how="all") if len(shown) else shown
    return Section(name, title, says, told, max(0, (len(table) if of is None else of) - most))
