"""The ledger as the rest of the program sees it: one object, short methods, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Engine,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    select,
    union,
)
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from cleanup.detector.coverage import Coverage
from cleanup.detector.sender_questions import Met, answers_about_senders, is_answered
from cleanup.errors import MailboxLocked
from cleanup.ledger import findings, schema
from cleanup.ledger import journal as moves
from cleanup.ledger import runs as history
from cleanup.ledger.names import note_names, same_mailbox
from cleanup.ledger.opening import ledger_errors, open_engine, reading, writing
from cleanup.ledger.runs import exclusive_key
from cleanup.ledger.statements import AT_ONCE
from cleanup.ledger.sync_state import Memory, read_cursors, read_remembered
from cleanup.ledger.texts import sure_text, text, to_us, us
from cleanup.ledger.values import (
    OPEN_STATES,
    SENDERS,
    TOLD_RECORDS,
    Label,
    LastRun,
    MoveIntent,
    MoveRecord,
    MoveState,
    RunRecord,
    Target,
    mailbox_key,
)
from cleanup.model import FilingPlan, Judged, SentSource, Verdict

_UNLOCK = select(func.pg_advisory_unlock_all())  # the connection is the mailbox's alone


def _locked(keys: Sequence[int]) -> ColumnElement[bool]:
    """Return the question whether all these locks could be taken, one after the other, up to the first that is held.

    In one order for everybody: of two machines that share some of them, one gets all.
    """
    taken = func.pg_try_advisory_lock(literal(keys[0], BigInteger)).is_(True)
    return case((taken, _locked(keys[1:])), else_=false()) if keys[1:] else taken


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """Runs, findings, moves, labels and memories of any number of mailboxes, each known by its mailbox_key().

    What returns of moves and labels was written durably; a power cut may take runs, findings and memories of the last
    seconds, and the next run reads them again.
    Every method raises LedgerUnusable where the database fails. `engine` is there for frames and notebooks to read.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = _now) -> None:
        self.engine = engine
        self._clock = clock

    @classmethod
    def open(cls, where: str | Path, *, clock: Callable[[], datetime] = _now, looking: bool = False) -> Self:
        """Return the ledger at a path (SQLite) or a database URL, made or brought up to date where needed.

        Who is only `looking` gets one that cannot be written, too.
        """
        return cls(open_engine(where, looking=looking), clock)

    def close(self) -> None:
        """Let the database go."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def exclusive(self, mailbox: str, *names: str) -> Iterator[None]:
        """Hold a mailbox against every other machine that shares this ledger; needed beside lock.hold_mailbox.

        `names` are further ones of the same mailbox, such as server and login.

        On PostgreSQL an advisory lock, which ends with its connection however that ends. SQLite is one machine's: there
        it does nothing. Raises MailboxLocked.
        """
        if self.engine.dialect.name != "postgresql":
            yield
            return
        keys = sorted({exclusive_key(name) for name in (mailbox_key(mailbox), *names)})
        with ExitStack() as stack:
            with ledger_errors("locked"):  # and nothing else: what fails while it is held has another name
                connection = stack.enter_context(self.engine.connect())
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                is_held = connection.execute(select(_locked(keys))).scalar()
            try:
                if not is_held:
                    raise MailboxLocked(
                        f"Another machine works on the mailbox of {mailbox}", hint="Wait until it has finished"
                    )
                yield
            finally:
                try:
                    connection.execute(_UNLOCK)
                except SQLAlchemyError:  # it ends with its connection; what the run came to is not touched by that
                    connection.invalidate()

    def note_names(self, mailbox: str, names: Collection[str]) -> None:
        """Write what else a mailbox is known by, for other addresses of it to be told; while it is held."""
        with writing(self.engine) as connection:
            note_names(connection, mailbox_key(mailbox), names)

    # --- runs --------------------------------------------------------------------------------------------------

    def start_run(
        self,
        mailbox: str,
        command: str,
        *,
        actor: str | None = None,
        version: str | None = None,
        policy: str | None = None,
        options: Mapping[str, object] | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> int:
        """Write that a run begins, and what it found, which stands also where it is cut off; return its number."""
        row = {
            "mailbox": mailbox_key(mailbox),
            "command": command,
            "actor": text(actor),
            "version": version,
            "policy": policy,
        }
        told = {"options": dict(options or {}), "counts": dict(counts or {})}
        with writing(self.engine, durably=False) as connection:
            return history.write_run(connection, self._clock(), row | told)

    def write_rest(self, run: Mapping[str, Any], counts: Mapping[str, int], began: datetime) -> int:
        """Write a run that found nothing new, begun and ended; return its number. `run` is what start_run() takes."""
        row = {
            **run,
            "mailbox": mailbox_key(run["mailbox"]),
            "actor": text(run["actor"]),
            "options": dict(run["options"]),
        }
        ended = {"finished_us": us(self._clock()), "status": "done", "counts": dict(counts)}
        with writing(self.engine, durably=False) as connection:
            return history.write_run(connection, began, row | ended)

    def finish_run(self, run_id: int, counts: Mapping[str, int] | None = None, status: str = "done") -> None:
        """Write how a run ended: done, partly, refused or failed."""
        with writing(self.engine, durably=False) as connection:
            history.end_run(connection, run_id, self._clock(), status, counts or {})

    def runs(self, mailbox: str | None = None, *, limit: int = 50) -> list[RunRecord]:
        """Return the latest runs, newest first."""
        with reading(self.engine) as connection:
            return history.read_runs(connection, mailbox=_key(mailbox), limit=limit)

    def run(self, run_id: int) -> RunRecord | None:
        """Return one run; None where there is none of that number."""
        with reading(self.engine) as connection:
            return next(iter(history.read_runs(connection, run_id=run_id, limit=1)), None)

    def mailboxes(self) -> list[str]:
        """Return the addresses that runs or people's words are of, sorted."""
        with reading(self.engine) as connection:
            return history.read_mailboxes(connection)

    def last_filing(self, mailbox: str | None = None, *, or_open: bool = False) -> RunRecord | None:
        """Return the latest run that moved something which is not back: what `undo last` means.

        `or_open`: or of which nobody knows yet what it moved.
        """
        states = (*history.TOUCHED, *(OPEN_STATES if or_open else ()))
        with reading(self.engine) as connection:
            return next(iter(history.read_runs(connection, mailbox=_key(mailbox), moved_in=states, limit=1)), None)

    # --- what was found ----------------------------------------------------------------------------------------

    def record_findings(self, run_id: int, judged: Sequence[Judged], plan: FilingPlan | None = None) -> None:
        """Write the findings of a run, all or none; `plan` says which are to be filed and why others are not."""
        with writing(self.engine, durably=False) as connection:
            findings.write_findings(connection, run_id, judged, plan)

    def record_sent(self, run_id: int, sources: Iterable[SentSource], coverage: Coverage | None = None) -> None:
        """Write which Sent folders were read, and what they can vouch for."""
        with writing(self.engine, durably=False) as connection:
            findings.write_sources(connection, run_id, sources)
            if coverage is not None:
                row = {
                    "run_id": run_id,
                    "messages": coverage.messages,
                    "oldest_us": to_us(coverage.oldest),
                    "newest_us": to_us(coverage.newest),
                    "complete_since_us": to_us(coverage.complete_since),
                    "unusable": text(coverage.unusable()),
                    "holes": [[us(hole.start), us(hole.end)] for hole in coverage.holes],
                    "proofs": [[p.way, sure_text(p.route or ""), p.found, times] for p, times in coverage.proofs],
                }
                connection.execute(insert(schema.sent_coverage).values(row))

    # --- the journal -------------------------------------------------------------------------------------------

    def intend(self, run_id: int, intents: Sequence[MoveIntent]) -> list[MoveRecord]:
        """Write the moves that are about to be made, all or none; return their lines in order."""
        with writing(self.engine) as connection:
            return moves.write_intents(connection, run_id, intents, self._clock())

    def advance(
        self,
        outcomes: Sequence[moves.Outcome],
        *,
        labels: Iterable[Label] = (),
        lost_flags: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Write how far moves got: (move id, state, target UID or None for as before, note or None), all or none.

        In the same transaction are written `labels`, what a person's act says of the messages, and by move the flags
        that the target did not take.
        """
        now = self._clock()
        with writing(self.engine) as connection:
            moves.advance(connection, outcomes, now)
            moves.write_lost_flags(connection, lost_flags)
            for label in labels:
                history.write_label(connection, label, now)

    def moves(
        self,
        *,
        run_id: int | None = None,
        mailbox: str | None = None,
        states: Iterable[MoveState] = (),
        undoing: bool | None = None,
    ) -> list[MoveRecord]:
        """Return the moves of a run or a mailbox in the order they were intended."""
        with reading(self.engine) as connection:
            whose = _key(mailbox)
            return moves.read_moves(connection, run_id=run_id, mailbox=whose, states=states, undoing=undoing)

    def filed_uids(self, mailbox: str, folder: str, uidvalidity: int, *, first: int = 1) -> frozenset[int]:
        """Return the UIDs from `first` on in a folder that moves put there and that, as far as known, are there."""
        with reading(self.engine) as connection:
            return moves.read_filed_uids(connection, mailbox_key(mailbox), folder, uidvalidity, first)

    def targets(self, mailbox: str) -> list[Target]:
        """Return the folders into which moves that stand went, and what they were when all was last seen there."""
        with reading(self.engine) as connection:
            return moves.read_targets(connection, mailbox_key(mailbox))

    def note_target(self, mailbox: str, target: Target) -> None:
        """Write what a folder looked like when all that stands in it was seen there."""
        with writing(self.engine, durably=False) as connection:
            moves.write_target(connection, mailbox_key(mailbox), target)

    def standing_uids(self, mailbox: str, target: Target, *, first: int = 1) -> list[int]:
        """Return the UIDs from `first` on in a folder of what moves put there and that, as far as known, stands."""
        with reading(self.engine) as connection:
            return moves.read_standing_uids(connection, mailbox_key(mailbox), target, first)

    def standing(self, mailbox: str, target: Target, uids: Sequence[int]) -> list[MoveRecord]:
        """Return the moves that put these messages of a folder there, in the order they were intended."""
        with reading(self.engine) as connection:
            return moves.read_standing(connection, mailbox_key(mailbox), target, uids)

    def lost_flags(self, move_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """Return by move the flags that the target did not take, of those moves that lost some."""
        with reading(self.engine) as connection:
            return moves.read_lost_flags(connection, move_ids)

    def have_arrived(self, mailbox: str, source: str, uidvalidity: int, target: str) -> bool:
        """Return whether a move from one folder, numbered as it is now, into another was ever seen to arrive."""
        with reading(self.engine) as connection:
            return moves.have_arrived(connection, mailbox_key(mailbox), source, uidvalidity, target)

    def open_moves(self, mailbox: str) -> list[MoveRecord]:
        """Return the moves of which nobody knows yet what became of them."""
        return self.moves(mailbox=mailbox, states=OPEN_STATES)

    # --- what people said, what was read -----------------------------------------------------------------------

    def label(self, mailbox: str, digest: str, verdict: Verdict, *, said_by: str, note: str | None = None) -> None:
        """Write what a person said of a message, by its fingerprint digest."""
        with writing(self.engine) as connection:
            history.write_label(connection, Label(mailbox, digest, verdict, said_by, note), self._clock())

    def labels(self, mailbox: str, *, without: Collection[str] = ()) -> dict[str, Verdict]:
        """Return people's latest word on each message, by fingerprint digest; `without` those said in these ways.

        Whole mailings of which one message was called genuine are there too (mailings.label_of_mailing).
        """
        with reading(self.engine) as connection:
            return history.read_labels(connection, mailbox_key(mailbox), without)

    def unplaced(self, mailbox: str) -> list[tuple[str, Met]]:
        """Return whom the last look at a mailbox could not place, with the digest of the notice that showed them.

        What a person has answered since, by sender_questions.label_of_sender() or of a notice itself, is left out.
        """
        whose = mailbox_key(mailbox)
        with reading(self.engine) as connection:
            last = read_remembered(connection, whose)
            if last is None or last.run_id is None:
                return []
            said = history.read_labels(connection, whose)
            answered = answers_about_senders(said)
            return [
                (digest, met)
                for digest, met in findings.read_unplaced(connection, last.run_id)
                if digest not in said and not is_answered(met.sender, answered)
            ]

    def known_senders(self, mailbox: str) -> list[tuple[str, str, str]]:
        """Return who was known to send for the owner at the last look, as who_sends() told it: who, source, words."""
        told = self._options_of_last(mailbox).get(SENDERS, ())
        return [(str(who), str(source), str(says)) for who, source, says in told]  # type: ignore[attr-defined]

    def told_records(self, mailbox: str) -> frozenset[str]:
        """Return the own domains of whose incomplete SPF records people were told, up to the last look."""
        told = self._options_of_last(mailbox).get(TOLD_RECORDS, ())
        return frozenset(str(domain) for domain in told)  # type: ignore[attr-defined]

    def _options_of_last(self, mailbox: str) -> Mapping[str, object]:
        with reading(self.engine) as connection:
            last = read_remembered(connection, mailbox_key(mailbox))
            runs = history.read_runs(connection, run_id=last.run_id, limit=1) if last and last.run_id else []
        return runs[0].options if runs else {}

    def last_run(self, mailbox: str, *, without: str | None = None) -> LastRun:
        """Return what the last run left of a mailbox; `without` leaves out what people said in this way."""
        mailbox = mailbox_key(mailbox)
        with reading(self.engine) as connection:  # one transaction: what one and the same run left
            last, cursors = read_remembered(connection, mailbox), read_cursors(connection, mailbox)
            labels = history.read_labels(connection, mailbox, (without,) if without else ())
            return LastRun(last, cursors, labels, moves.are_open(connection, mailbox))

    def memory(self, mailbox: str) -> Memory:
        """Return what earlier runs read of a mailbox, to be read and carried on."""
        return Memory(self.engine, mailbox, self._clock)

    def copied(self, mailbox: str, names: Collection[str] = ()) -> Ledger:
        """Return a ledger in memory that holds what this one knows of a mailbox, for what only looks to write into.

        `names` are what else the mailbox is known by. Of what was found, only the notices that people may have spoken
        of, in words or by moving them. The caller closes it.
        """
        whose = mailbox_key(mailbox)
        with reading(self.engine) as connection:
            addresses = same_mailbox(connection, whose, names)
        mine = select(schema.runs.c.run_id).where(schema.runs.c.mailbox.in_(addresses))
        moved = schema.moves.c.run_id.in_(mine)
        named = union(
            select(schema.labels.c.digest).where(schema.labels.c.mailbox.in_(addresses)),
            select(schema.moves.c.digest).where(moved),
        )
        found = schema.findings.c  # nearly all of a ledger, and needed of those messages alone
        copy = type(self).open(":memory:", clock=self._clock)
        with reading(self.engine) as source, copy.engine.begin() as target:
            for table, which in (
                (schema.mailbox_names, schema.mailbox_names.c.mailbox.in_(addresses)),
                (schema.runs, schema.runs.c.mailbox.in_(addresses)),
                (schema.labels, schema.labels.c.mailbox.in_(addresses)),
                (schema.moves, moved),
                (schema.targets, schema.targets.c.mailbox == whose),
                (schema.findings, and_(found.run_id.in_(mine), found.digest.in_(named))),
            ):
                rows = source.execute(select(table).where(which).order_by(*table.primary_key)).mappings()
                for some in rows.partitions(AT_ONCE):
                    target.execute(insert(table), [dict(row) for row in some])
        copy.note_names(whose, names)
        self.memory(whose).copied_to(copy.engine)
        return copy

    # --- whatever else stands in the database ------------------------------------------------------------------

    def rows(self, query: str) -> list[dict[str, object]]:
        """Return what a person's SQL selects; it is read in a transaction that is rolled back."""
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(sql(query)).mappings()]


def _key(mailbox: str | None) -> str | None:
    return None if mailbox is None else mailbox_key(mailbox)
