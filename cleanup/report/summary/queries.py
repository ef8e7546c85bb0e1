"""From rows of the ledger to the columns of a frame: one place that knows dtypes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, func, select

from cleanup.ledger import schema
from cleanup.ledger.texts import us
from cleanup.ledger.values import UNDO_LABEL
from cleanup.model import Action, Cause, Extent, Kind, Verdict

NO_TIME = np.iinfo(np.int64).min  # what numpy takes for NaT
ROWS_AT_ONCE = 20_000
BETWEEN = "\x1f"  # between columns that are read as one text
Objects = npt.NDArray[np.object_]


class As(Enum):
    """What becomes of a column."""

    TEXT = auto()
    WORD = auto()  # a category
    NUMBER = auto()
    TRUTH = auto()
    TIME = auto()


def read(connection: Connection, query: Select[Any], kinds: Mapping[str, As]) -> pd.DataFrame:
    """Return the query's rows as a frame. Reads from the driver's own cursor: a row object each would cost more.

    Piece by piece, as a row of Python objects takes many times the room of a row of the frame.
    """
    names = [column.name for column in query.selected_columns]
    result = connection.execute(query)
    pieces = [_piece(names, [], kinds)]
    while rows := result.cursor.fetchmany(ROWS_AT_ONCE):
        pieces.append(_piece(names, rows, kinds))
    result.close()
    return pd.DataFrame({name: _joined([piece[name] for piece in pieces]) for name in kinds})


def _piece(names: Sequence[str], rows: Sequence[Any], kinds: Mapping[str, As]) -> pd.DataFrame:
    table = np.array(rows, dtype=object).reshape(len(rows), len(names))
    return frame_of({name: table[:, at] for at, name in enumerate(names)}, kinds)


def _joined(pieces: list[pd.Series]) -> Any:
    if isinstance(pieces[0].dtype, pd.CategoricalDtype):
        return pd.api.types.union_categoricals(pieces)
    return pd.concat(pieces, ignore_index=True)


def frame_of(columns: Mapping[str, Sequence[Any] | Objects], kinds: Mapping[str, As]) -> pd.DataFrame:
    """Return the columns as a frame, each of its kind, in the order of `kinds`."""
    found: dict[str, Any] = {}
    for name, values in columns.items():
        if BETWEEN in name:
            found |= _apart(name.split(BETWEEN), values)
        else:
            found[name] = _typed(name, values, kinds[name])
    return pd.DataFrame({name: found[name] for name in kinds})


def _apart(names: Sequence[str], values: Sequence[Any] | Objects) -> dict[str, pd.Categorical]:
    """Return the columns that _together put into one."""
    codes, found = pd.factorize(np.asarray(values, dtype=object))
    words = [text.split(BETWEEN) for text in found]
    return {name: _words(name, [row[at] or None for row in words]).take(codes) for at, name in enumerate(names)}


def _typed(name: str, values: Sequence[Any] | Objects, kind: As) -> Any:
    if kind is As.WORD:
        return _words(name, values)
    if kind is As.TEXT:
        return _texts(values)
    if kind is As.TIME:
        moments = np.array(values, dtype="int64").view("datetime64[us]")
        return pd.Series(moments).dt.tz_localize("UTC")
    return np.array(values, dtype="bool" if kind is As.TRUTH else "int64")


def _texts(values: Sequence[Any] | Objects) -> Any:
    """Return texts; handed to Arrow directly where pandas would, which is ten times faster than through pandas."""
    dtype = pd.StringDtype()
    if dtype.storage != "pyarrow":
        return pd.array(values, dtype=dtype)
    import pyarrow

    return pd.array(pyarrow.array(values, type=pyarrow.large_string()), dtype=dtype)


def _words(name: str, values: Sequence[Any] | Objects) -> pd.Categorical:
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


# --- Which rows of the ledger make which frame, and what becomes of each column -------------------------------------


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows are wanted: of these mailboxes (none named: all), from a time on, of one run."""

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


EVERYTHING = Chosen((), None, None)


def _time(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(column, NO_TIME)


def _named(**columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.label(name) for name, column in columns.items()]


def _together(**columns: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return words as one text, which _apart takes apart: few different ones occur, and one is read faster than ten.

    For our own words only: a stranger's text could hold the mark between them. None is empty: that stands for NULL.
    """
    texts: list[ColumnElement[str]] = [func.coalesce(cast(column, Text), "") for column in columns.values()]
    joined = reduce(lambda one, other: one.concat(BETWEEN).concat(other), texts)
    return joined.label(BETWEEN.join(columns))


_F, _R = schema.findings.c, schema.runs.c

BOUNCES: Mapping[str, As] = {
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


def bounces(chosen: Chosen) -> Select[Any]:
    """Return the query of the bounces: one row a recipient of a finding."""
    to = schema.recipients.c
    wanted = select(
        _together(
            mailbox=_R.mailbox,
            kind=_F.kind,
            action=_F.action,
            verdict=_F.verdict,
            leaning=_F.leaning,
            decided_by=_F.row,
            flags=_F.flags,
            cause=_F.cause,
            returned=_F.extent,
            recipient_action=to.action,
            recipient_cause=to.cause,
        ),
        *_named(
            finding_id=_F.finding_id,
            run_id=_F.run_id,
            folder=_F.folder,
            uidvalidity=_F.uidvalidity,
            uid=_F.uid,
            digest=_F.digest,
            arrived=_F.arrived_us,
            size=_F.size,
            campaign=_F.campaign,
            trusted_hop=_F.trusted_hop,
            format=_F.format,
            reporting_mta=_F.reporting_mta,
            status=_F.status,
            original_id=_F.original_id,
            original_subject=_F.original_subject,
            original_date=_time(_F.original_date_us),
            original_from=_F.original_from,
            notice_subject=_F.notice_subject,
            notice_sender=_F.notice_sender,
            planned=_F.planned,
            not_filed_because=_F.not_filed_because,
            recipient=to.address,
            recipient_domain=to.domain,
            recipient_status=to.status,
        ),
    )
    joined = schema.findings.join(schema.runs).outerjoin(schema.recipients)
    return wanted.select_from(joined).where(chosen.of(_F.arrived_us)).order_by(_F.finding_id, to.position)


REASONS: Mapping[str, As] = {
    "finding_id": As.NUMBER,
    "rule": As.WORD,
    "family": As.WORD,
    "points_to": As.WORD,
    "strength": As.WORD,
    "says": As.WORD,
}


def reasons(chosen: Chosen) -> Select[Any]:
    """Return the query of the reasons: one row a reason of a finding."""
    why = schema.reasons.c
    wanted = select(
        _together(rule=why.rule, family=why.family, points_to=why.points_to, strength=why.strength),
        *_named(finding_id=why.finding_id, says=why.says),
    ).order_by(why.reason_id)
    if chosen == EVERYTHING:
        return wanted  # a million rows that are looked up in no other table
    joined = schema.reasons.join(schema.findings).join(schema.runs)
    return wanted.select_from(joined).where(chosen.of(_F.arrived_us))


MOVES: Mapping[str, As] = {
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


def moves(chosen: Chosen) -> Select[Any]:
    """Return the query of the moves: one row a message that was to be moved."""
    m = schema.moves.c
    wanted = select(
        _together(mailbox=_R.mailbox, state=m.state),
        *_named(
            move_id=m.move_id,
            run_id=m.run_id,
            source=m.source,
            source_uidvalidity=m.source_uidvalidity,
            uid=m.uid,
            target=m.target,
            digest=m.digest,
            note=m.note,
            is_undo=m.undoes.is_not(None),
            intended=m.intended_us,
            finished=_time(m.finished_us),
        ),
    )
    return wanted.select_from(schema.moves.join(schema.runs)).where(chosen.of(m.intended_us)).order_by(m.move_id)


SENT_SOURCES: Mapping[str, As] = {
    "run_id": As.NUMBER,
    "mailbox": As.WORD,
    "folder": As.WORD,
    "announced": As.NUMBER,
    "read": As.NUMBER,
    "problem": As.WORD,
}


def sent_sources(chosen: Chosen) -> Select[Any]:
    """Return the query of the Sent folders that a run read, and how far it could."""
    s = schema.sent_sources.c
    wanted = select(s.run_id, _R.mailbox, s.folder, s.announced, s.read, s.problem)  # named as in the frame
    joined = schema.sent_sources.join(schema.runs)
    return wanted.select_from(joined).where(chosen.of(_R.started_us)).order_by(s.sent_source_id)


LABELS: Mapping[str, As] = {
    "label_id": As.NUMBER,
    "mailbox": As.WORD,
    "digest": As.TEXT,
    "verdict": As.WORD,
    "said_by": As.WORD,
    "note": As.WORD,
    "said": As.TIME,
    "undone_run": As.NUMBER,  # 0 where no undo said it
}


def labels(chosen: Chosen) -> Select[Any]:
    """Return labels by mailbox alone: a person's word does not age."""
    label = schema.labels.c
    wanted = select(
        label.label_id,
        label.mailbox,
        label.digest,
        label.verdict,
        label.said_by,
        label.note,
        label.said_us.label("said"),
        func.coalesce(_undone_run(label), 0).label("undone_run"),
    )
    if chosen.mailboxes:
        wanted = wanted.where(label.mailbox.in_(chosen.mailboxes))
    return wanted.order_by(label.label_id)


def _undone_run(said: Any) -> ColumnElement[Any]:
    """Return the run that an undo took back as it wrote this label, as the journal tells; null for other labels."""
    back, filed = schema.moves.alias("back"), schema.moves.alias("filed")
    undoing = schema.runs.alias("undoing")
    journal = back.join(filed, filed.c.move_id == back.c.undoes).join(undoing, undoing.c.run_id == back.c.run_id)
    return (
        select(func.max(filed.c.run_id))
        .select_from(journal)
        .where(said.said_by == UNDO_LABEL, back.c.digest == said.digest, undoing.c.mailbox == said.mailbox)
        .where(back.c.finished_us <= said.said_us)
        .correlate(schema.labels)
        .scalar_subquery()
    )
