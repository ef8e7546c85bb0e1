"""What people said of messages, in words: by whom or by which act, when, and of which run an undo took it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from cleanup.errors import UsageError
from cleanup.ledger import Ledger
from cleanup.ledger.values import MOVED_BACK_LABEL, UNDO_LABEL
from cleanup.model import Verdict
from cleanup.report.counts import Fate
from cleanup.report.summary.frames import Frames, load
from cleanup.report.text import local_time

_KEY = ["mailbox", "digest"]
_WAYS = {"review": "in review", "import": "by labels import"}


@dataclass(frozen=True, slots=True)
class Said:
    """A person's latest word on a message. `undone_run` is the run that was taken back, where that said it."""

    verdict: Verdict
    said_by: str
    when: datetime
    undone_run: int | None = None

    def in_words(self) -> str:
        """Return it as a sentence, with its day."""
        day = local_time(self.when, zone=True)
        if self.said_by == UNDO_LABEL:
            which = f"undo of run {self.undone_run}" if self.undone_run else "an undo"
            return f"It was put back by {which} on {day}."
        if self.said_by == MOVED_BACK_LABEL:
            return f"Somebody moved it back by hand, as was seen on {day}."
        return f"A person called it {self.verdict.value} {_WAYS.get(self.said_by, f'({self.said_by})')} on {day}."


def last_words(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that count: the latest on each message of each mailbox."""
    return labels.drop_duplicates(_KEY, keep="last")


def said_of(frames: Frames, mailbox: str, digest: str) -> Said | None:
    """Return the latest word on a message; None where nobody said anything."""
    words = frames.labels[(frames.labels["mailbox"] == mailbox) & (frames.labels["digest"] == digest)]
    return None if words.empty else _said(words.iloc[-1])


def put_back(frames: Frames) -> pd.DataFrame:
    """Return the labels of the reported messages that an undo put back, unless they were filed or spoken of since."""
    words, notices = last_words(frames.labels), frames.notices
    kept = notices.loc[notices["fate"] == Fate.KEPT.value, "digest"]
    return words[(words["said_by"] == UNDO_LABEL) & words["digest"].isin(kept)]


def sentences(notices: pd.DataFrame, labels: pd.DataFrame) -> pd.Series:
    """Return what people said of each notice, as a sentence; missing where nobody said anything."""
    wanted = last_words(labels[labels["digest"].isin(notices["digest"])])
    by_message = {(str(row.mailbox), str(row.digest)): _said(row).in_words() for row in wanted.itertuples(index=False)}
    keys = zip(notices["mailbox"].astype(str), notices["digest"].astype(str), strict=True)
    return pd.Series([by_message.get(key) for key in keys], index=notices.index, dtype=pd.StringDtype())


def _said(row: Any) -> Said:
    return Said(Verdict(row.verdict), str(row.said_by), row.said.to_pydatetime(), int(row.undone_run) or None)


# --- Which messages of a run a condition means ----------------------------------------------------------------------

EXAMPLE = """reporting_mta == "mx.example.net" or original_subject.str.contains("invoice")"""
_HINT = f"Write it like: {EXAMPLE}"


def uids_where(ledger: Ledger, run_id: int, condition: str) -> tuple[int, ...]:
    """Return the UIDs, as they were before the run, of the messages that it filed and a condition holds for.

    The condition is one of pandas' query() over the columns of the frame `bounces`. Never empty: raises UsageError
    where it cannot be read, is no condition, or holds for nothing.
    """
    bounces = load(ledger, run=run_id).bounces
    try:
        found = bounces.query(condition, engine="python", local_dict={}, global_dict={})
        uids = {int(uid) for uid in found.loc[found["filed"].astype(bool), "uid"]}
    except Exception as error:  # pandas raises whatever the condition's own words do
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"--where {condition!r} cannot be read", why=why, hint=f"{_HINT}. The columns: {', '.join(bounces.columns)}"
        ) from error
    if not uids:
        raise UsageError(f"--where {condition!r} holds for no message that run {run_id} filed", hint=_HINT)
    return tuple(sorted(uids))
