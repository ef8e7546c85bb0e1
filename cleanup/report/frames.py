"""Tidy pandas frames of the ledger: the only place that makes them.

Times are `datetime64[us, UTC]`, durations are not stored. Words from small sets are categories, other texts `string`
(Arrow-backed where pyarrow is installed), counts and ids `int64`. The same from SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, func, select

from cleanup.detector.sent_coverage import Measure
from cleanup.ledger import Ledger, schema
from cleanup.ledger.opening import told
from cleanup.ledger.texts import us
from cleanup.ledger.values import MoveState
from cleanup.model import Action, Cause, Extent, Kind, Verdict

NO_TIME = np.iinfo(np.int64).min  # what numpy takes for NaT
ROWS_AT_ONCE = 50_000


class As(Enum):
    """What becomes of a column."""

    TEXT = auto()
    WORD = auto()  # a category
    NUMBER = auto()
    TRUTH = auto()
    TIME = auto()


@dataclass(frozen=True, slots=True)
class Frames:
    """What the ledger knows, as frames.

    bounces        one row a notice and failed recipient; `latest` marks the newest finding of each message, `filed`
                   those that a run moved and that were not put back
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

    @property
    def notices(self) -> pd.DataFrame:
        """One row a message, as last judged: what is counted. Recipients are those of its first row."""
        latest = self.bounces[self.bounces["latest"]]
        return latest.drop_duplicates("finding_id").reset_index(drop=True)


def load(
    ledger: Ledger, mailboxes: Iterable[str] = (), *, since: datetime | None = None, run: int | None = None
) -> Frames:
    """Return the frames of some mailboxes (none named: all), of what arrived or ran `since` then, of one run alone.

    Raises LedgerUnusable.
    """
    chosen = _Chosen(tuple(mailboxes), since, run)
    with told("read"), ledger.engine.connect() as connection:
        read = partial(_read, connection)
        moves = read(_moves(chosen), _MOVES)
        bounces = read(_bounces(chosen), _BOUNCES)
        return Frames(
            bounces=_with_marks(bounces, moves),
            reasons=read(_reasons(chosen), _REASONS),
            runs=_runs(connection, chosen),
            moves=moves,
            sent_coverage=_sent_coverage(connection, chosen),
            sent_sources=read(_sent_sources(chosen), _SENT_SOURCES),
            labels=read(_labels(chosen), _LABELS),
        )


# --- which rows ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chosen:
    mailboxes: tuple[str, ...]
    since: datetime | None
    run: int | None

    def of(self, time: ColumnElement[int] | None, run_id: ColumnElement[int] | None = None) -> ColumnElement[bool]:
        """Return the condition on rows joined with `runs`."""
        conditions: list[ColumnElement[bool]] = [schema.runs.c.run_id.is_not(None)]
        if self.mailboxes:
            conditions.append(schema.runs.c.mailbox.in_(self.mailboxes))
        if self.since is not None and time is not None:
            conditions.append(time >= us(self.since))
        if self.run is not None:
            conditions.append((schema.runs.c.run_id if run_id is None else run_id) == self.run)
        return and_(*conditions)


def _time(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, NO_TIME)


_F, _R = schema.findings.c, schema.runs.c

_BOUNCES: Mapping[str, As] = {
    "finding_id": As.NUMBER,
    "run_id": As.NUMBER,
    "mailbox": As.WORD,
    "folder": As.WORD,
    "uidvalidity": As.NUMBER,
    "uid": As.NUMBER,
    "digest": As.TEXT,
    "arrived": As.TIME,
    "size": As.NUMBER,
    "kind": As.WORD,
    "action": As.WORD,
    "verdict": As.WORD,
    "leaning": As.WORD,
    "decided_by": As.WORD,
    "flags": As.WORD,
    "campaign": As.WORD,
    "trusted_hop": As.WORD,
    "format": As.WORD,
    "reporting_mta": As.WORD,
    "status": As.WORD,
    "cause": As.WORD,
    "returned": As.WORD,
    "original_id": As.TEXT,
    "original_subject": As.TEXT,
    "original_date": As.TIME,
    "original_from": As.WORD,
    "notice_subject": As.TEXT,
    "notice_sender": As.WORD,
    "planned": As.TRUTH,
    "not_filed_because": As.WORD,
    "recipient": As.TEXT,
    "recipient_domain": As.WORD,
    "recipient_action": As.WORD,
    "recipient_status": As.WORD,
    "recipient_cause": As.WORD,
}


def _bounces(chosen: _Chosen) -> Select[Any]:
    to = schema.recipients.c
    wanted = select(
        _F.finding_id,
        _F.run_id,
        _R.mailbox,
        _F.folder,
        _F.uidvalidity,
        _F.uid,
        _F.digest,
        _F.arrived_us,
        _F.size,
        _F.kind,
        _F.action,
        _F.verdict,
        _F.leaning,
        _F.row,
        cast(_F.flags, Text),
        _F.campaign,
        _F.trusted_hop,
        _F.format,
        _F.reporting_mta,
        _F.status,
        _F.cause,
        _F.extent,
        _F.original_id,
        _F.original_subject,
        _time(_F.original_date_us),
        _F.original_from,
        _F.notice_subject,
        _F.notice_sender,
        _F.planned,
        _F.not_filed_because,
        to.address,
        to.domain,
        to.action,
        to.status,
        to.cause,
    )
    joined = schema.findings.join(schema.runs).outerjoin(schema.recipients)
    return wanted.select_from(joined).where(chosen.of(_F.arrived_us)).order_by(_F.finding_id, to.position)


_REASONS: Mapping[str, As] = {
    "finding_id": As.NUMBER,
    "run_id": As.NUMBER,
    "rule": As.WORD,
    "family": As.WORD,
    "points_to": As.WORD,
    "strength": As.WORD,
    "says": As.WORD,
}


def _reasons(chosen: _Chosen) -> Select[Any]:
    why = schema.reasons.c
    wanted = select(why.finding_id, _F.run_id, why.rule, why.family, why.points_to, why.strength, why.says)
    joined = schema.reasons.join(schema.findings).join(schema.runs)
    return wanted.select_from(joined).where(chosen.of(_F.arrived_us)).order_by(why.reason_id)


_MOVES: Mapping[str, As] = {
    "move_id": As.NUMBER,
    "run_id": As.NUMBER,
    "mailbox": As.WORD,
    "source": As.WORD,
    "source_uidvalidity": As.NUMBER,
    "uid": As.NUMBER,
    "target": As.WORD,
    "digest": As.TEXT,
    "state": As.WORD,
    "note": As.WORD,
    "is_undo": As.TRUTH,
    "intended": As.TIME,
    "finished": As.TIME,
}


def _moves(chosen: _Chosen) -> Select[Any]:
    m = schema.moves.c
    wanted = select(
        m.move_id,
        m.run_id,
        _R.mailbox,
        m.source,
        m.source_uidvalidity,
        m.uid,
        m.target,
        m.digest,
        m.state,
        m.note,
        m.undoes.is_not(None),
        m.intended_us,
        _time(m.finished_us),
    )
    return wanted.select_from(schema.moves.join(schema.runs)).where(chosen.of(m.intended_us)).order_by(m.move_id)


_SENT_SOURCES: Mapping[str, As] = {
    "run_id": As.NUMBER,
    "mailbox": As.WORD,
    "folder": As.WORD,
    "announced": As.NUMBER,
    "read": As.NUMBER,
    "problem": As.WORD,
}


def _sent_sources(chosen: _Chosen) -> Select[Any]:
    s = schema.sent_sources.c
    wanted = select(s.run_id, _R.mailbox, s.folder, s.announced, s.read, s.problem)
    joined = schema.sent_sources.join(schema.runs)
    return wanted.select_from(joined).where(chosen.of(_R.started_us)).order_by(s.sent_source_id)


_LABELS: Mapping[str, As] = {
    "label_id": As.NUMBER,
    "mailbox": As.WORD,
    "digest": As.TEXT,
    "verdict": As.WORD,
    "said_by": As.WORD,
    "note": As.WORD,
    "said": As.TIME,
}


def _labels(chosen: _Chosen) -> Select[Any]:
    """Return labels by mailbox alone: a person's word does not age."""
    label = schema.labels.c
    wanted = select(
        label.label_id, label.mailbox, label.digest, label.verdict, label.said_by, label.note, label.said_us
    )
    if chosen.mailboxes:
        wanted = wanted.where(label.mailbox.in_(chosen.mailboxes))
    return wanted.order_by(label.label_id)


# --- the two frames whose rows hold JSON ---------------------------------------------------------------------------

RUN_COUNTS = ("messages", "notices", "genuine", "backscatter", "unsure", "filed")


def _runs(connection: Connection, chosen: _Chosen) -> pd.DataFrame:
    query = select(schema.runs).where(chosen.of(_R.started_us)).order_by(_R.run_id)
    rows = connection.execute(query).mappings().all()
    plain = ("run_id", "mailbox", "command", "actor", "version", "policy", "status")
    kinds = dict.fromkeys(plain, As.WORD) | {"run_id": As.NUMBER}
    columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in plain}
    for name in ("answer", "headline", "target"):
        columns[name], kinds[name] = [row["options"].get(name) for row in rows], As.WORD
    for name in RUN_COUNTS:
        columns[name], kinds[name] = [row["counts"].get(name, 0) for row in rows], As.NUMBER
    for name in ("started", "finished"):
        stored = [row[f"{name}_us"] for row in rows]
        columns[name], kinds[name] = [NO_TIME if time is None else time for time in stored], As.TIME
    return _frame(columns, kinds)


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


def _sent_coverage(connection: Connection, chosen: _Chosen) -> pd.DataFrame:
    """Return coverage with its measured completeness: `found` of `samples` sent messages, `at_least` as a share."""
    covered = schema.sent_coverage
    query = select(covered, _R.mailbox).select_from(covered.join(schema.runs)).where(chosen.of(_R.started_us))
    rows = connection.execute(query.order_by(covered.c.run_id)).mappings().all()
    proofs = [row["proofs"] for row in rows]
    columns: dict[str, Sequence[Any]] = {name: [row[name] for row in rows] for name in ("run_id", "mailbox")}
    columns |= {name: [row[name] for row in rows] for name in ("messages", "unusable")}
    for name in ("oldest", "newest", "complete_since"):
        columns[name] = [NO_TIME if row[f"{name}_us"] is None else row[f"{name}_us"] for row in rows]
    columns["holes"] = [len(row["holes"]) for row in rows]
    columns["found"] = [sum(times for _, _, found, times in proof if found) for proof in proofs]
    columns["samples"] = [sum(times for *_, times in proof) for proof in proofs]
    frame = _frame({name: columns[name] for name in _COVERAGE}, _COVERAGE)
    bounds = [Measure(found, n).at_least for found, n in zip(columns["found"], columns["samples"], strict=True)]
    frame["at_least"] = pd.Series(bounds, dtype="float64")
    return frame


# --- from rows to columns ------------------------------------------------------------------------------------------


def _read(connection: Connection, query: Select[Any], kinds: Mapping[str, As]) -> pd.DataFrame:
    """Return the query's rows as a frame. Reads from the driver's own cursor: a row object each would cost more."""
    columns: list[list[Any]] = [[] for _ in kinds]
    result = connection.execute(query)
    cursor = result.cursor
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        for column, values in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(values)
    result.close()
    return _frame(dict(zip(kinds, columns, strict=True)), kinds)


def _frame(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, As]) -> pd.DataFrame:
    return pd.DataFrame({name: _typed(name, values, kinds[name]) for name, values in columns.items()})


def _typed(name: str, values: Sequence[Any], kind: As) -> Any:
    if kind is As.WORD:
        return _words(name, values)
    if kind is As.TEXT:
        return pd.array(values, dtype=pd.StringDtype())
    if kind is As.TIME:
        moments = np.array(values, dtype="int64").view("datetime64[us]")
        return pd.Series(moments).dt.tz_localize("UTC")
    return np.array(values, dtype="bool" if kind is As.TRUTH else "int64")


def _words(name: str, values: Sequence[Any]) -> pd.Categorical:
    """Return a category; where our own words are meant, all of them are there, so that a count shows noughts too."""
    if name in _KNOWN_WORDS:
        return pd.Categorical(values, categories=[word.value for word in _KNOWN_WORDS[name]])
    codes, found = pd.factorize(np.array(values, dtype=object))
    if name == "flags":
        found = np.array([flags.strip("[]").replace('"', "") for flags in found], dtype=object)
    return pd.Categorical.from_codes(codes, categories=pd.Index(found, dtype=object).astype(pd.StringDtype()))


_KNOWN_WORDS: Mapping[str, type[Verdict] | type[Kind] | type[Action] | type[Cause] | type[Extent]] = {
    "verdict": Verdict,
    "leaning": Verdict,
    "points_to": Verdict,
    "kind": Kind,
    "action": Action,
    "recipient_action": Action,
    "cause": Cause,
    "recipient_cause": Cause,
    "returned": Extent,
}


def _with_marks(bounces: pd.DataFrame, moves: pd.DataFrame) -> pd.DataFrame:
    """Return the bounces with `latest`, the newest finding of each message, and `filed`, where the move stands."""
    newest = bounces.groupby(["mailbox", "digest"], observed=True, sort=False)["finding_id"].transform("max")
    standing = moves[(moves["state"] == MoveState.MOVED.value) & ~moves["is_undo"]]
    keys = ["run_id", "uidvalidity", "uid"]
    filed = standing.rename(columns={"source_uidvalidity": "uidvalidity"})[keys].drop_duplicates()
    marked = bounces.merge(filed.assign(filed=True), on=keys, how="left")
    marked["filed"] = marked["filed"].notna()
    marked.insert(3, "latest", bounces["finding_id"].to_numpy() == newest.to_numpy())
    return marked
