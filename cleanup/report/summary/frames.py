"""Tidy pandas frames of the ledger: the only place that makes them.

Times are `datetime64[us, UTC]`, durations are not stored. Words from small sets are categories, other texts `string`
(Arrow-backed where pyarrow is installed), counts and ids `int64`. The same from SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Connection, select

from cleanup.detector.coverage import Measure
from cleanup.ledger import Ledger, schema
from cleanup.ledger.journal import moved_by_run
from cleanup.ledger.opening import reading
from cleanup.ledger.runs import status_of
from cleanup.ledger.values import OPEN_STATES, UNDO_LABEL, MoveState, mailbox_key
from cleanup.model import Verdict
from cleanup.report.counts import Fate
from cleanup.report.summary import queries as rows_of
from cleanup.report.summary.queries import NO_TIME, As, Chosen, frame_of, read


@dataclass(frozen=True)  # no slots: `notices` is kept
class Frames:
    """What the ledger knows, as frames.

    bounces        one row a notice and failed recipient; `latest` marks the newest finding of each message, `filed`
                   those that a run moved and that were not put back; `verdict` is what the run said
    reasons        one row a reason, by finding_id
    runs           one row a run, with its counts and the answer to "am I hacked or spoofed?"
    moves          one row a journalled move
    sent_coverage  one row a run: what Sent could vouch for, and its measured completeness
    sent_sources   one row a run and Sent folder
    labels         one row a word of a person
    """

    bounces: pd.DataFrame
    reasons: pd.DataFrame
    runs: pd.DataFrame
    moves: pd.DataFrame
    sent_coverage: pd.DataFrame
    sent_sources: pd.DataFrame
    labels: pd.DataFrame

    @cached_property
    def notices(self) -> pd.DataFrame:
        """One row a message: what is counted. Recipients are those of its first row.

        `verdict` is a person's last word where there is one, as the next run will judge, else what the last run said
        (which `judged` keeps). `fate` says where the message is: stays, kept (at a person's word), filed, open, gone.
        The same frame at every use: who wants other columns makes a new one with `assign`.
        """
        latest = self.bounces[self.bounces["latest"]]
        notices = latest.drop_duplicates("finding_id").reset_index(drop=True)
        said = last_words_on(notices, self.labels)
        heeded = said["verdict"].notna() & ~((said["said_by"] == UNDO_LABEL) & notices["filed"])
        verdict = notices["verdict"].where(~heeded, said["verdict"].to_numpy())
        verdicts = pd.Categorical(verdict, categories=[word.value for word in Verdict])
        kept = heeded & (verdicts == Verdict.UNSURE.value)
        return notices.assign(
            verdict=verdicts, judged=notices["verdict"], fate=_fates(notices, self.moves, kept.to_numpy())
        )


NAMES = ("notices", *(field.name for field in fields(Frames)))


def load(
    ledger: Ledger, mailboxes: Iterable[str] = (), *, since: datetime | None = None, run: int | None = None
) -> Frames:
    """Return the frames of some mailboxes (none named: all), of what arrived or ran `since` then, of one run alone.

    Raises LedgerUnusable.
    """
    chosen = Chosen(tuple(mailbox_key(mailbox) for mailbox in mailboxes), since, run)
    with reading(ledger.engine) as connection:
        frame = partial(read, connection)
        moves = frame(rows_of.moves(chosen), rows_of.MOVES)
        bounces = frame(rows_of.bounces(chosen), rows_of.BOUNCES)
        return Frames(
            bounces=_with_marks(bounces, moves),
            reasons=_with_runs(frame(rows_of.reasons(chosen), rows_of.REASONS), bounces),
            runs=_runs(connection, chosen),
            moves=moves,
            sent_coverage=_sent_coverage(connection, chosen),
            sent_sources=frame(rows_of.sent_sources(chosen), rows_of.SENT_SOURCES),
            labels=frame(rows_of.labels(chosen), rows_of.LABELS),
        )


# --- the two frames whose rows hold JSON ---------------------------------------------------------------------------

RUN_COUNTS = ("messages", "notices", "genuine", "backscatter", "unsure")


def _runs(connection: Connection, chosen: Chosen) -> pd.DataFrame:
    """Return the runs. What they `filed` and what was `put_back` is counted in the journal, as `history` does.

    `filed` counts what a run moved, also where it was cut off; `put_back`, of a run, what of that is back by now; of an
    undo, what it put back.
    """
    query = select(schema.runs).where(chosen.of(schema.runs.c.started_us)).order_by(schema.runs.c.run_id)
    rows = connection.execute(query).mappings().all()
    plain = ("run_id", "mailbox", "command", "actor", "version", "policy", "status")
    kinds = dict.fromkeys(plain, As.WORD) | {"run_id": As.NUMBER}
    columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in plain}
    columns["status"] = [status_of(connection, row) for row in rows]
    for name in ("answer", "headline", "target", "error", "says"):
        columns[name], kinds[name] = [row["options"].get(name) for row in rows], As.WORD
    for name in RUN_COUNTS:
        columns[name], kinds[name] = [row["counts"].get(name, 0) for row in rows], As.NUMBER
    moved = moved_by_run(connection)
    for name in ("filed", "put_back"):
        columns[name] = [getattr(moved.get(row["run_id"]), name, 0) for row in rows]
        kinds[name] = As.NUMBER
    for name in ("started", "finished"):
        stored = [row[f"{name}_us"] for row in rows]
        columns[name], kinds[name] = [NO_TIME if time is None else time for time in stored], As.TIME
    return frame_of(columns, kinds)


_COVERAGE: Mapping[str, As] = {
    "run_id": As.NUMBER,
    "mailbox": As.WORD,
    "messages": As.NUMBER,
    "oldest": As.TIME,
    "newest": As.TIME,
    "complete_since": As.TIME,
    "unusable": As.WORD,
    "holes": As.NUMBER,
    "found": As.NUMBER,
    "samples": As.NUMBER,
}


def _sent_coverage(connection: Connection, chosen: Chosen) -> pd.DataFrame:
    """Return coverage with its measured completeness: `found` of `samples` sent messages, `at_least` as a share."""
    covered = schema.sent_coverage
    query = (
        select(covered, schema.runs.c.mailbox)
        .select_from(covered.join(schema.runs))
        .where(chosen.of(schema.runs.c.started_us))
    )
    rows = connection.execute(query.order_by(covered.c.run_id)).mappings().all()
    proofs = [row["proofs"] for row in rows]
    columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in ("run_id", "mailbox")}
    columns |= {name: [row[name] for row in rows] for name in ("messages", "unusable")}
    for name in ("oldest", "newest", "complete_since"):
        columns[name] = [NO_TIME if row[f"{name}_us"] is None else row[f"{name}_us"] for row in rows]
    columns["holes"] = [len(row["holes"]) for row in rows]
    columns["found"] = [sum(times for _, _, found, times in proof if found) for proof in proofs]
    columns["samples"] = [sum(times for *_, times in proof) for proof in proofs]
    frame = frame_of({name: columns[name] for name in _COVERAGE}, _COVERAGE)
    bounds = [Measure(found, n).at_least for found, n in zip(columns["found"], columns["samples"], strict=True)]
    frame["at_least"] = pd.Series(bounds, dtype="float64")
    return frame


# --- what follows from other frames --------------------------------------------------------------------------------


def judgements(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the labels that say what a message is: not those of an undo, which takes back everything alike."""
    return labels[labels["said_by"] != UNDO_LABEL]


def last_words_on(notices: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return people's latest word on each notice, in its row: verdict and said_by, missing where nobody spoke."""
    columns = ["verdict", "said_by"]
    last = labels.drop_duplicates(["mailbox", "digest"], keep="last").astype(dict.fromkeys(["mailbox", *columns], str))
    places = pd.MultiIndex.from_arrays([notices["mailbox"].astype(str), notices["digest"].astype(str)])
    words = last.set_index([last["mailbox"], last["digest"].astype(str)])[columns].reindex(places)
    return words.astype(pd.StringDtype()).set_axis(notices.index)


_FATES = {
    **dict.fromkeys((state.value for state in OPEN_STATES), Fate.OPEN.value),
    MoveState.MOVED.value: Fate.FILED.value,
    MoveState.TAKEN.value: Fate.GONE.value,
    MoveState.LOST_SIGHT.value: Fate.GONE.value,
}


def _fates(notices: pd.DataFrame, moves: pd.DataFrame, kept: np.ndarray[Any, Any]) -> Any:
    """Return where each notice is, by the latest state of its move; `kept` are those that stay at a person's word."""
    keys = ["run_id", "uidvalidity", "uid"]
    filing = moves[~moves["is_undo"]].rename(columns={"source_uidvalidity": "uidvalidity"})
    filing = filing.drop_duplicates(keys, keep="last")[[*keys, "state"]]
    fate = notices[keys].merge(filing, on=keys, how="left")["state"].astype(object).map(_FATES)
    undoing = moves[moves["is_undo"] & moves["state"].isin([state.value for state in OPEN_STATES])]
    fate = fate.mask((fate == Fate.FILED.value) & notices["digest"].isin(undoing["digest"]), Fate.OPEN.value)
    fate = fate.fillna(pd.Series(np.where(kept, Fate.KEPT.value, Fate.STAYS.value), dtype=object))
    return pd.Categorical(fate, categories=[one.value for one in Fate])


def _with_runs(reasons: pd.DataFrame, bounces: pd.DataFrame) -> pd.DataFrame:
    """Return the reasons with the run of their finding. One that was written after the findings were read has none."""
    runs = bounces.drop_duplicates("finding_id").set_index("finding_id")["run_id"]
    known = reasons["finding_id"].isin(runs.index)
    kept = reasons if known.all() else reasons[known].reset_index(drop=True)
    kept.insert(1, "run_id", runs.reindex(kept["finding_id"]).to_numpy(dtype="int64"))
    return kept


def _with_marks(bounces: pd.DataFrame, moves: pd.DataFrame) -> pd.DataFrame:
    """Return the bounces with `latest`, the newest finding of each message, and `filed`, where the move stands.

    Messages may be equal, and have one digest: those count that the last run saw together, and all that are filed.
    """
    newest = bounces.groupby(["mailbox", "digest"], observed=True, sort=False)["run_id"].transform("max")
    standing = moves[(moves["state"] == MoveState.MOVED.value) & ~moves["is_undo"]]
    keys = ["run_id", "uidvalidity", "uid"]
    filed = standing.rename(columns={"source_uidvalidity": "uidvalidity"})[keys].drop_duplicates()
    marked = bounces.merge(filed.assign(filed=True), on=keys, how="left")
    marked["filed"] = marked["filed"].notna()
    marked.insert(3, "latest", (bounces["run_id"].to_numpy() == newest.to_numpy()) | marked["filed"].to_numpy())
    return marked
