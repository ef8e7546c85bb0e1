"""A mailbox for the length of one command that changes it: locked, with its ledger and its connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

from cleanup import __version__
from cleanup.config import MailboxSettings, ledger_of
from cleanup.connector.account import Account
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.errors import CleanupError, LedgerUnusable, MailboxLocked
from cleanup.ledger.fast_path import FastPath
from cleanup.ledger.values import LOCK, UNDO_LABEL, LastRun, mailbox_key
from cleanup.lock import ANY_SERVER, LOOPBACK, hold_mailbox, lasting_names, lock_file, names_of
from cleanup.model import Verdict

if TYPE_CHECKING:
    from cleanup.connector.questions import Question
    from cleanup.ledger import Ledger
    from cleanup.report.filing.recovery import Recovered

NOBODY_COUNTS = nullcontext()


class _Run(TypedDict):
    mailbox: str
    command: str
    actor: str
    version: str
    policy: str
    options: Mapping[str, object]


@dataclass(slots=True)
class MailboxSession:
    """A mailbox that nobody else works on. Its connections are closed in the end, whatever happens."""

    account: Account
    settings: MailboxSettings
    _stack: ExitStack
    _ledgers: Ledgers
    _second_gate: AbstractContextManager[object] | None
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _opened: list[Mailbox] = field(default_factory=list)
    _main: Mailbox | None = None
    _ends: float = field(init=False)  # on time.monotonic()'s clock
    _is_named: bool = False  # the ledger knows by which names the mailbox goes
    begun: bool = False  # the run stands in the ledger

    def __post_init__(self) -> None:
        self._ends = time.monotonic() + self.settings.run_timeout_s

    @property
    def where(self) -> str:
        """The path or URL of the ledger."""
        return ledger_of(self.settings)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened when it is first asked for. Raises LedgerUnusable."""
        ledger = self._ledgers.of(self.where)
        if not self._is_named:
            ledger.note_names(self.settings.address, names_in_ledger(self.settings, self.account))
            self._is_named = True
        return ledger

    def last_run(self, *, without: str | None = None) -> LastRun:
        """Return what the last run left; `without` leaves out what people said in this way. Raises LedgerUnusable."""
        # without SQLAlchemy, where that can answer: on most nights nothing else is asked of the ledger
        plain = self._ledgers.fast_path(self.where).last_run(self.settings.address, without=without)
        return plain or self.ledger.last_run(self.settings.address, without=without)

    def hold_elsewhere(self) -> None:
        """Hold the mailbox on every machine that shares its ledger. Raises MailboxLocked, LedgerUnusable."""
        names = names_of(self.settings.address, self.account.host, self.account.owner)
        addresses = [mailbox_key(user) for server, user in names if server == ANY_SERVER]
        at_servers = [(server, user) for server, user in names if server not in (ANY_SERVER, LOOPBACK)]
        if (LOOPBACK, self.account.owner) in names:  # another machine's loopback is another server
            at_servers = []
        logins = [f"{server.lower()}\0{user.casefold()}" for server, user in at_servers]
        self._stack.enter_context(self._ledgers.of(self.where).exclusive(self.settings.address, *addresses, *logins))

    def open(self) -> Mailbox:
        """Return a new connection: the first one, or one in place of another, of which nothing is left."""
        if self._main:  # first, as a server may allow one connection only
            self._main.close()
        self._main = self._connected(read_only=False)
        return self._main

    @property
    def look_on(self) -> Callable[[], Mailbox] | None:
        """What makes a second connection, which changes nothing; None where the server may have one only."""
        return None if self._second_gate is None else self._look_on

    def _look_on(self) -> Mailbox:
        assert self._second_gate is not None
        self._stack.enter_context(self._second_gate)
        return self._connected(read_only=True)

    def recover(
        self, name: str, mailbox: Mailbox, then: Callable[[], Sequence[Question[Any]]] | None = None
    ) -> tuple[Recovered, Mailbox]:
        """Reconcile what earlier commands left open in the mailbox `name`; return that, and a connection that is alive.

        `then` returns what will be asked next. Raises what stopped it: while it is unknown where messages are, nothing
        more must be moved.
        """
        from cleanup.report.filing.recovery import recover

        recovered = recover(self.ledger, name, mailbox, reopen=self.open, then=then)
        if recovered.stopped:
            raise recovered.stopped
        return recovered, self.open() if mailbox.dead else mailbox

    def start_run(self, options: Mapping[str, object], counts: Mapping[str, int]) -> int:
        """Write that a run begins, and what it found; return its number."""
        run_id = self.ledger.start_run(**self._run(options), counts=counts)
        self.begun = True
        return run_id

    def write_rest(self, options: Mapping[str, object], counts: Mapping[str, int]) -> int:
        """Write a run that found nothing new; return its number."""
        fast_path = self._ledgers.fast_path(self.where)
        run = self._run(options)
        written = fast_path.write(run, counts, self._began)
        return self.ledger.write_rest(run, counts, self._began) if written is None else written

    @property
    def bytes_read(self) -> int:
        """How much the server sent, over all connections."""
        return sum(mailbox.bytes_read for mailbox in self._opened)

    @property
    def round_trips(self) -> int:
        """How many commands were answered, over all connections."""
        return sum(mailbox.round_trips for mailbox in self._opened)

    def _run(self, options: Mapping[str, object]) -> _Run:
        return _run_of(self.account, self.settings, {**options, LOCK: lock_of(self.account)})

    def _connected(self, *, read_only: bool) -> Mailbox:
        ends = self._ends
        mailbox = self._stack.enter_context(open_mailbox(self.account, read_only=read_only, run_deadline=ends))
        # what one connection found out of the server holds for all
        mailbox.one_by_one = any(earlier.one_by_one for earlier in self._opened)
        self._opened.append(mailbox)
        return mailbox


def _run_of(account: Account, settings: MailboxSettings, options: Mapping[str, object]) -> _Run:
    return _Run(
        mailbox=settings.address,
        command="run",
        actor=account.who,
        version=__version__,
        policy=settings.policy.name,
        options=options,
    )


def write_failure(account: Account, settings: MailboxSettings, error: CleanupError, ledgers: Ledgers | None) -> None:
    """Write that a run ended before it found anything, and why, for history and reports to tell.

    Makes no ledger, and says nothing where that cannot be written: `error` is what the person has to hear.
    """
    from cleanup.ledger import is_there
    from cleanup.ledger.runs import LOCKED

    where = ledger_of(settings)
    options = {"error": error.code, "says": str(error)}
    try:
        if isinstance(error, LedgerUnusable) or not is_there(where):
            return
        with ExitStack() as stack:
            ledger = (ledgers or stack.enter_context(closing(Ledgers()))).of(where)
            run_id = ledger.start_run(**_run_of(account, settings, options))
            ledger.finish_run(run_id, {}, LOCKED if isinstance(error, MailboxLocked) else "failed")
    except CleanupError:
        return


def lock_of(account: Account) -> str:
    """Return the file that hold() holds, for the ledger to tell a run that was cut off from one that runs."""
    return str(lock_file(account.host, account.owner))


def names_in_ledger(settings: MailboxSettings, account: Account) -> list[str]:
    """Return by which names the ledger knows a mailbox again, if it is worked on under another address, too."""
    return lasting_names(settings.address, account.host, account.real_port, account.owner)


@contextmanager
def hold(
    account: Account,
    settings: MailboxSettings,
    command: str,
    ledgers: Ledgers | None = None,
    second_gate: AbstractContextManager[object] | None = NOBODY_COUNTS,
) -> Iterator[MailboxSession]:
    """Hold a mailbox on this machine, and on every machine that shares its ledger.

    `ledgers` are open for others, too; without them the settings' own is opened, when it is first asked for.
    `second_gate` is entered before a second connection is made; None: there must be none. Raises MailboxLocked,
    LedgerUnusable.
    """
    with ExitStack() as stack:
        # under each name that another profile may give it: the mailbox's address, and the login at its server
        for server, user in names_of(settings.address, account.host, account.owner):
            stack.enter_context(hold_mailbox(server, user, f"mailbox-cleanup {command}"))
        session = MailboxSession(
            account, settings, stack, ledgers or stack.enter_context(closing(Ledgers())), second_gate
        )
        if "://" in session.where:  # a file is this machine's alone, a database may be many machines'
            session.hold_elsewhere()
        yield session


def labels_of(ledger: Ledger, settings: MailboxSettings, *, again: bool) -> dict[str, Verdict]:
    """Return what people said of the mailbox's messages; `again`: but for what an undo said."""
    return ledger.labels(settings.address, without=(UNDO_LABEL,) if again else ())


# --- The ledgers that runs write to ---------------------------------------------------------------------------------

MOST_FAST_PATHS = 16  # plain connections at once: a list may name a ledger for each of a million mailboxes


class Ledgers:
    """One open ledger for each place that is named, for all threads: opening one checks the whole of it.

    On a night on which nothing happened the plain connection is all that is opened.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._open: dict[str, Ledger] = {}
        self._fast_paths: dict[str, FastPath] = {}
        self._opening = threading.Lock()
        self._lock = threading.Lock()  # of its own: idle mailboxes do not wait while a ledger is opened

    def of(self, where: str) -> Ledger:
        """Return the ledger at a path or URL. Raises LedgerUnusable."""
        with self._opening:
            if where not in self._open:
                from cleanup.ledger import Ledger

                self._open[where] = self._stack.enter_context(Ledger.open(where))
            return self._open[where]

    def fast_path(self, where: str) -> FastPath:
        """Return what answers for the ledger at a path while nothing happens."""
        with self._lock:
            if where not in self._fast_paths:
                if len(self._fast_paths) >= MOST_FAST_PATHS:
                    self._fast_paths.pop(next(iter(self._fast_paths))).close()
                self._fast_paths[where] = FastPath(where)
            return self._fast_paths[where]

    def close(self) -> None:
        """Close them all."""
        self._stack.close()
        for fast_path in self._fast_paths.values():
            fast_path.close()
