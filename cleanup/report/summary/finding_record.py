"""One notice and its finding as the ledger recorded them, for explaining it without asking the server again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from cleanup.ledger import Ledger
from cleanup.ledger.values import mailbox_key
from cleanup.model import (
    Action,
    Cause,
    Extent,
    Family,
    Finding,
    Kind,
    Notice,
    Reason,
    Recipient,
    Returned,
    Strength,
    Verdict,
)
from cleanup.report.counts import Fate
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.labels import Said, said_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """A notice as a run saw it. `fate` says where it is, as far as the ledger knows; `target`, where it was moved to.

    `said` is a person's latest word on it, which the run may not have known yet.
    """

    run_id: int
    arrived: datetime
    notice: Notice
    finding: Finding
    fate: Fate = Fate.STAYS
    target: str | None = None  # None: no run tried to move it
    said: Said | None = None
    judged: datetime | None = None  # when that run began

    @property
    def place(self) -> str:
        """Where the message is, in words."""
        return {
            Fate.FILED: f"filed in {self.target}",
            Fate.OPEN: f"it was being moved to {self.target} when the run was cut off: the next run looks where it is",
            Fate.GONE: "somebody has moved or deleted it since",
        }.get(self.fate, "in the Inbox")


def find_recorded(ledger: Ledger, mailbox: str, folder: str, uid: int) -> Recorded | None:
    """Return the latest record of the message that has this UID in a folder; None where no run has seen it.

    UIDs mean something in one folder and one numbering alone (UIDVALIDITY, RFC 9051 section 2.3.1.1): what was found
    before the folder was numbered anew had other UIDs, whatever they are now.
    """
    frames = load(ledger, [mailbox])
    here = frames.bounces[frames.bounces["folder"] == folder]
    read = ledger.memory(mailbox).cursors().get(folder)
    latest = here.loc[here["run_id"] == here["run_id"].max(), "uidvalidity"].max()
    rows = here[(here["uid"] == uid) & (here["uidvalidity"] == (read.uidvalidity if read else latest))]
    return None if rows.empty else recorded(frames, int(rows["finding_id"].max()))


@dataclass(frozen=True, slots=True)
class Alike:
    """A notice among those that a person looks for, by what they remember of it."""

    uid: int
    arrived: datetime
    verdict: str
    to: str
    subject: str


def find_alike(ledger: Ledger, mailbox: str, folder: str, to: str, subject: str) -> list[Alike]:
    """Return the notices of a folder in whose recipients and subjects these words occur, the newest first.

    Letter case does not matter, and "" occurs in everything. The subject is that of the notice or of what it answers.
    """
    frames = load(ledger, [mailbox])
    here = frames.notices[frames.notices["folder"] == folder]
    rows = frames.bounces[frames.bounces["finding_id"].isin(here["finding_id"])]
    fits = rows[_holds(rows["recipient"], to)] if to else rows
    fits = fits[_holds(fits["original_subject"], subject) | _holds(fits["notice_subject"], subject)]
    newest = fits.drop_duplicates("finding_id").sort_values("arrived", ascending=False)
    verdicts = here.set_index("finding_id")["verdict"]
    return [
        Alike(
            int(row["uid"]),
            row["arrived"].to_pydatetime(),
            str(verdicts[row["finding_id"]]),
            _plain(row["recipient"]) or "?",
            _plain(row["original_subject"]) or _plain(row["notice_subject"]) or "",
        )
        for row in newest.to_dict("records")
    ]


def _holds(column: pd.Series, word: str) -> pd.Series:
    return column.astype(pd.StringDtype()).fillna("").str.contains(word, case=False, regex=False)


def last_word(ledger: Ledger, mailbox: str, digest: str) -> Said | None:
    """Return a person's latest word on a message; None where the ledger knows of none."""
    return said_of(load(ledger, [mailbox]), mailbox_key(mailbox), digest)


def recorded(frames: Frames, finding_id: int) -> Recorded:
    """Return one record of the frames."""
    rows = frames.bounces[frames.bounces["finding_id"] == finding_id]
    reasons = frames.reasons[frames.reasons["finding_id"] == finding_id]
    first: dict[str, Any] = {str(name): _plain(value) for name, value in rows.iloc[0].items()}
    said = said_of(frames, first["mailbox"], first["digest"])
    finding = _finding(first, reasons)
    moves = frames.moves[~frames.moves["is_undo"] & (frames.moves["run_id"] == first["run_id"])]
    moves = moves[(moves["uid"] == first["uid"]) & (moves["source_uidvalidity"] == first["uidvalidity"])]
    now = frames.notices.loc[frames.notices["finding_id"] == finding_id, "fate"]
    return Recorded(
        first["run_id"],
        first["arrived"],
        _notice(first, rows),
        finding,
        Fate(now.iloc[0]) if len(now) else Fate.STAYS,
        str(moves["target"].iloc[-1]) if len(moves) else None,
        said,
        frames.runs.set_index("run_id")["started"][first["run_id"]].to_pydatetime(),
    )


def _notice(first: dict[str, Any], rows: pd.DataFrame) -> Notice:
    returned = Returned(
        Extent(first["returned"]),
        message_id=first["original_id"],
        from_address=first["original_from"],
        subject=first["original_subject"],
        date_text=f"{first['original_date']:%Y-%m-%d %H:%M} UTC" if first["original_date"] else None,
    )
    return Notice(
        kind=Kind(first["kind"]),
        format=first["format"],
        action=Action(first["action"]) if first["action"] else None,
        recipients=tuple(_recipients(rows)),
        returned=(returned,),
        reporting_mta=first["reporting_mta"],
        cause=Cause(first["cause"]),
        subject=first["notice_subject"],
        sender=first["notice_sender"],
    )


def _recipients(rows: pd.DataFrame) -> list[Recipient]:
    wanted = rows.loc[rows["recipient"].notna(), ["recipient", "recipient_action", "recipient_status"]]
    return [
        Recipient(str(address), action=Action(action) if _plain(action) else None, status=_plain(status))
        for address, action, status in wanted.itertuples(index=False, name=None)
    ]


def _finding(first: dict[str, Any], reasons: pd.DataFrame) -> Finding:
    wanted = reasons[["rule", "family", "points_to", "strength", "says"]].itertuples(index=False, name=None)
    return Finding(
        verdict=Verdict(first["verdict"]),
        row=first["decided_by"],
        reasons=tuple(Reason(r, Family(f), Verdict(p), Strength(s), says) for r, f, p, s, says in wanted),
        leaning=Verdict(first["leaning"]) if first["leaning"] else None,
        flags=tuple(flag for flag in (first["flags"] or "").split(", ") if flag),
        campaign=first["campaign"],
        trusted_hop=first["trusted_hop"],
    )


def _plain(value: Any) -> Any:
    """Return a cell as a plain value: None for every kind of nothing."""
    return None if pd.isna(value) else value
