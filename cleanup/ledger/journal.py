"""The journal's rows: written before a move, advanced after it, and never acted on when damaged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from cleanup.errors import LedgerUnusable
from cleanup.ledger.names import SAME_MAILBOX
from cleanup.ledger.schema import moves, runs, targets
from cleanup.ledger.statements import pieces
from cleanup.ledger.texts import from_us, moment, text, us
from cleanup.ledger.values import OPEN_STATES, MoveIntent, MoveRecord, MoveState, Target
from cleanup.model import Fingerprint

_NEVER_CHANGES = (
    "run_id", "undoes", "source", "source_uidvalidity", "uid", "target", "target_uidvalidity", "target_uidnext",
    "size", "arrived_us", "digest",
)  # fmt: skip


def write_intents(
    connection: Connection, run_id: int, intents: Sequence[MoveIntent], now: datetime
) -> list[MoveRecord]:
    """Write the moves that are about to be made; return their lines, in order."""
    rows = [_row(run_id, intent) | {"state": MoveState.INTENDED.value, "intended_us": us(now)} for intent in intents]
    rows = [row | {"seal": checksum(row)} for row in rows]
    # else a database may give the numbers back in any order
    numbered = insert(moves).returning(moves.c.move_id, sort_by_parameter_order=True)
    numbers = connection.execute(numbered, rows).scalars() if rows else ()
    return [
        MoveRecord(number, run_id, intent, MoveState.INTENDED, None, None, now, None)
        for number, intent in zip(numbers, intents, strict=True)
    ]


Outcome = tuple[int, MoveState, int | None, str | None]  # move id, state, UID at the target, note


def advance(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write how far moves got; the UID at the target and the note keep what they had where they are None.

    A move that takes back another and arrived makes that other one UNDONE.
    """
    if not outcomes:
        return
    connection.execute(_ADVANCE, [_reached(one, now) for one in outcomes])
    arrived = [move_id for move_id, state, _, _ in outcomes if state is MoveState.MOVED]
    undone = {"state": MoveState.UNDONE.value, "finished_us": us(now)}
    for some in pieces(arrived):
        connection.execute(_UNDO, {"arrived": list(some), **undone})


def _or_as_before(column: Column[Any]) -> ColumnElement[Any]:
    return func.coalesce(bindparam(f"new_{column.name}", type_=column.type), column)


_ADVANCE = (
    update(moves)
    .where(moves.c.move_id == bindparam("of_move"))
    .values(
        state=bindparam("new_state"),
        target_uid=_or_as_before(moves.c.target_uid),
        note=_or_as_before(moves.c.note),
        finished_us=_or_as_before(moves.c.finished_us),
    )
)
_TAKEN_BACK = select(moves.c.undoes).where(
    moves.c.move_id.in_(bindparam("arrived", expanding=True)), moves.c.undoes.is_not(None)
)
_UNDO = update(moves).where(moves.c.move_id.in_(_TAKEN_BACK))


def _reached(outcome: Outcome, now: datetime) -> dict[str, Any]:
    move_id, state, target_uid, note = outcome
    return {
        "of_move": move_id,
        "new_state": state.value,
        "new_target_uid": target_uid,
        "new_note": text(note),
        "new_finished_us": None if state in OPEN_STATES else us(now),
    }


def read_moves(
    connection: Connection,
    *,
    run_id: int | None = None,
    mailbox: str | None = None,
    states: Iterable[MoveState] = (),
    undoing: bool | None = None,
) -> list[MoveRecord]:
    """Return the moves of a run or of a mailbox in the order they were intended, in some states alone if named.

    `undoing` picks the moves that take back others (True), or those that do not (False).

    Raises LedgerUnusable for a line whose checksum does not fit.
    """
    wanted = [state.value for state in states] or None
    asked = {"of_run": run_id, "of_mailbox": mailbox, "in_states": wanted}
    given = {name: value for name, value in asked.items() if value is not None}
    return [_record(row) for row in connection.execute(_moves(frozenset(given), undoing), given).mappings()]


@cache
def _moves(given: frozenset[str], undoing: bool | None) -> Select[Any]:
    """Return the statement that asks for moves by what is given."""
    query = select(moves).order_by(moves.c.move_id)
    if "of_run" in given:
        query = query.where(moves.c.run_id == bindparam("of_run"))
    if "of_mailbox" in given:
        query = query.join(runs, runs.c.run_id == moves.c.run_id).where(runs.c.mailbox.in_(SAME_MAILBOX))
    if "in_states" in given:
        query = query.where(moves.c.state.in_(bindparam("in_states", expanding=True)))
    if undoing is not None:
        query = query.where(moves.c.undoes.is_not(None) if undoing else moves.c.undoes.is_(None))
    return query


def are_open(connection: Connection, mailbox: str) -> bool:
    """Return whether nobody knows yet what became of some move of a mailbox."""
    return connection.execute(_OPEN, {"of_mailbox": mailbox}).first() is not None


_OPEN = (
    select(moves.c.move_id)
    .join(runs, runs.c.run_id == moves.c.run_id)
    .where(runs.c.mailbox.in_(SAME_MAILBOX), moves.c.state.in_([state.value for state in OPEN_STATES]))
    .limit(1)
)


def read_filed_uids(connection: Connection, mailbox: str, folder: str, uidvalidity: int, first: int) -> frozenset[int]:
    """Return the UIDs from `first` on in a folder that moves put there."""
    where = {"of_mailbox": mailbox, "folder": folder, "numbering": uidvalidity, "first": first}
    return frozenset(connection.execute(_FILED, where).scalars())


_FILED = (
    select(moves.c.target_uid)
    .join(runs, runs.c.run_id == moves.c.run_id)
    .where(runs.c.mailbox.in_(SAME_MAILBOX), moves.c.state == MoveState.MOVED.value)
    .where(moves.c.target == bindparam("folder"), moves.c.target_uidvalidity == bindparam("numbering"))
    .where(moves.c.target_uid >= bindparam("first"))
)


def read_targets(connection: Connection, mailbox: str) -> list[Target]:
    """Return the folders into which moves that stand went, with what they looked like when all were last seen there."""
    return [Target(*row) for row in connection.execute(_TARGETS, {"of_mailbox": mailbox})]


_STANDING = (
    select(moves.c.target, moves.c.target_uidvalidity)
    .join(runs, runs.c.run_id == moves.c.run_id)
    .where(runs.c.mailbox.in_(SAME_MAILBOX), moves.c.state == MoveState.MOVED.value, moves.c.undoes.is_(None))
)
_INTO = _STANDING.distinct().subquery()
_TARGETS = (
    select(_INTO.c.target, _INTO.c.target_uidvalidity, targets.c.uidnext, targets.c.held)
    .outerjoin(
        targets,
        (targets.c.mailbox == bindparam("of_mailbox"))
        & (targets.c.folder == _INTO.c.target)
        & (targets.c.uidvalidity == _INTO.c.target_uidvalidity),
    )
    .order_by(_INTO.c.target, _INTO.c.target_uidvalidity)
)


def write_target(connection: Connection, mailbox: str, target: Target) -> None:
    """Write what a folder looked like when all that stands in it was seen there."""
    where = (targets.c.mailbox == mailbox, targets.c.folder == target.folder)
    connection.execute(delete(targets).where(*where))
    seen = {"uidvalidity": target.uidvalidity, "uidnext": target.uidnext, "held": target.held}
    connection.execute(insert(targets), {"mailbox": mailbox, "folder": target.folder, **seen})


def read_standing_uids(connection: Connection, mailbox: str, target: Target, first: int) -> list[int]:
    """Return the UIDs from `first` on in a folder of what moves put there and that, as far as known, stands."""
    uids = _STANDING.with_only_columns(moves.c.target_uid).where(*_in_folder(target), moves.c.target_uid >= first)
    return list(connection.execute(uids, {"of_mailbox": mailbox}).scalars())


def read_standing(connection: Connection, mailbox: str, target: Target, uids: Sequence[int]) -> list[MoveRecord]:
    """Return the moves that put these messages of a folder there, in the order they were intended.

    Raises LedgerUnusable for a line whose checksum does not fit.
    """
    query = _STANDING.with_only_columns(moves).where(*_in_folder(target))
    found = (
        row
        for some in pieces(uids)
        for row in connection.execute(query.where(moves.c.target_uid.in_(some)), {"of_mailbox": mailbox}).mappings()
    )
    return sorted(map(_record, found), key=lambda one: one.move_id)  # each piece came in an order of its own


def _in_folder(target: Target) -> tuple[ColumnElement[bool], ...]:
    return moves.c.target == target.folder, moves.c.target_uidvalidity == target.uidvalidity


def have_arrived(connection: Connection, mailbox: str, source: str, uidvalidity: int, target: str) -> bool:
    """Return whether a move from one folder, numbered as it is now, into another was ever seen to arrive."""
    way = {"of_mailbox": mailbox, "source": source, "numbering": uidvalidity, "target": target}
    return connection.execute(_ARRIVED, way).first() is not None


_ARRIVED = (
    select(moves.c.move_id)
    .join(runs, runs.c.run_id == moves.c.run_id)
    .where(runs.c.mailbox.in_(SAME_MAILBOX), moves.c.source == bindparam("source"))
    .where(moves.c.source_uidvalidity == bindparam("numbering"), moves.c.target == bindparam("target"))
    .where(moves.c.state.in_([MoveState.MOVED.value, MoveState.UNDONE.value]))
    .limit(1)
)


def write_lost_flags(connection: Connection, lost_flags: Mapping[int, Sequence[str]]) -> None:
    """Write by move which flags the target did not take."""
    if lost_flags:
        connection.execute(
            _LOSE, [{"of_move": number, "new_lost": list(flags)} for number, flags in lost_flags.items()]
        )


_LOSE = (
    update(moves)
    .where(moves.c.move_id == bindparam("of_move"))
    .values(lost_flags=bindparam("new_lost", type_=moves.c.lost_flags.type))
)


def read_lost_flags(connection: Connection, move_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Return by move the flags that the target did not take, of those moves that lost some."""
    lost = select(moves.c.move_id, moves.c.lost_flags).where(moves.c.lost_flags.is_not(None))
    return {
        move_id: tuple(flags)
        for some in pieces(sorted(move_ids))
        for move_id, flags in connection.execute(lost.where(moves.c.move_id.in_(some)))
        if flags
    }


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run moved. `filed` went to the backscatter folder, and `standing` of them are there as far as is known.

    `put_back` are, of a run, those of them that are back where they were; of an undo or a rescue, what it put back.
    """

    filed: int = 0
    standing: int = 0
    put_back: int = 0


def moved_by_run(connection: Connection, first: int = 0, last: int | None = None) -> dict[int, Moved]:
    """Return what each run from `first` to `last` moved, by its number; runs that moved nothing are left out."""
    query = _BY_RUN.where(moves.c.run_id >= first)
    query = query if last is None else query.where(moves.c.run_id <= last)
    counted: dict[int, list[tuple[bool, str, int]]] = {}
    for run_id, command, undoes, state, count in connection.execute(query):
        counted.setdefault(run_id, []).append((command == "run" and not undoes, state, count))
    return {
        run_id: Moved(
            filed=sum(n for files, state, n in rows if files and state in _ARRIVED_ONCE),
            standing=sum(n for files, state, n in rows if files and state == MoveState.MOVED.value),
            put_back=sum(n for files, state, n in rows if state in (_BACK if files else _ARRIVED_ONCE)),
        )
        for run_id, rows in counted.items()
    }


_BY_RUN = (
    select(moves.c.run_id, runs.c.command, moves.c.undoes.is_not(None), moves.c.state, func.count())
    .join(runs, runs.c.run_id == moves.c.run_id)
    .group_by(moves.c.run_id, runs.c.command, moves.c.undoes.is_not(None), moves.c.state)
)
_BACK = (MoveState.UNDONE.value, MoveState.RETURNED.value)
_ARRIVED_ONCE = (MoveState.MOVED.value, MoveState.LOST_SIGHT.value, *_BACK)


def checksum(row: Any) -> str:
    """Return the checksum over what never changes in a line of the journal."""
    written = "\0".join(str(row[column]) for column in _NEVER_CHANGES)
    if row.get("keeps_source"):  # lines of older versions say nothing of it
        written += "\0keeps"
    return hashlib.sha256(written.encode()).hexdigest()


def _row(run_id: int, intent: MoveIntent) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "undoes": intent.undoes,
        "source": intent.source,
        "source_uidvalidity": intent.source_uidvalidity,
        "uid": intent.uid,
        "target": intent.target,
        "target_uidvalidity": intent.target_uidvalidity,
        "target_uidnext": intent.target_uidnext,
        "size": intent.fingerprint.size,
        "arrived_us": us(intent.fingerprint.arrived),
        "digest": intent.fingerprint.digest,
        "flags": list(intent.flags),
        "keeps_source": int(intent.keeps_source),
    }


def _record(row: RowMapping) -> MoveRecord:
    if checksum(row) != row["seal"]:
        raise LedgerUnusable(
            f"Move {row['move_id']} in the ledger was damaged",
            hint="Restore the ledger from a backup, or move it away: nothing was moved",
        )
    intent = MoveIntent(
        source=row["source"],
        source_uidvalidity=row["source_uidvalidity"],
        uid=row["uid"],
        target=row["target"],
        target_uidvalidity=row["target_uidvalidity"],
        target_uidnext=row["target_uidnext"],
        fingerprint=Fingerprint(row["size"], moment(row["arrived_us"]), row["digest"]),
        flags=tuple(row["flags"]),
        undoes=row["undoes"],
        keeps_source=bool(row["keeps_source"]),
    )
    return MoveRecord(
        move_id=row["move_id"],
        run_id=row["run_id"],
        intent=intent,
        state=MoveState(row["state"]),
        target_uid=row["target_uid"],
        note=row["note"],
        intended=moment(row["intended_us"]),
        finished=from_us(row["finished_us"]),
    )
