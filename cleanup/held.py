"""A mailbox held for one command that changes it: locked against others, with its ledger and its connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cleanup import __version__
from cleanup.config import MailboxSettings, ledger_of
from cleanup.connector.account import Account
from cleanup.connector.session import Mailbox, open_mailbox
from cleanup.ledger import Ledger
from cleanup.ledger.cut_off import LOCK
from cleanup.lock import hold_mailbox, lock_file
from cleanup.model import Verdict
from cleanup.report.journal import UNDO_LABEL

if TYPE_CHECKING:
    from cleanup.report.recovery import Recovered


@dataclass(slots=True)
class Held:
    """A mailbox that nobody else works on. Its connections are closed in the end, whatever happens."""

    account: Account
    settings: MailboxSettings
    ledger: Ledger
    _stack: ExitStack
    _opened: list[Mailbox] = field(default_factory=list)

    def open(self) -> Mailbox:
        """Return a new connection: the first one, or one in place of one that died."""
        return self._connected(read_only=False)

    def look_on(self) -> Mailbox:
        """Return a further connection, which changes nothing."""
        return self._connected(read_only=True)

    def settle(self, name: str, mailbox: Mailbox) -> tuple[Recovered, Mailbox]:
        """Settle what earlier commands left open in the mailbox `name`; return that, and a connection that is alive.

        Raises what stopped it: while it is unknown where messages are, nothing more must be moved.
        """
        from cleanup.report.recovery import recover

        recovered = recover(self.ledger, name, mailbox, reopen=self.open)
        if recovered.stopped:
            raise recovered.stopped
        return recovered, self.open() if mailbox.dead else mailbox

    def start_run(self, options: Mapping[str, object]) -> int:
        """Write that a run begins; return its number."""
        policy, noted = self.settings.policy.name, {**options, LOCK: lock_of(self.account)}
        return self.ledger.start_run(
            self.settings.address, "run", actor=self.account.who, version=__version__, policy=policy, options=noted
        )

    @property
    def bytes_read(self) -> int:
        """How much the server sent, over all connections."""
        return sum(mailbox.bytes_read for mailbox in self._opened)

    @property
    def round_trips(self) -> int:
        """How many commands were answered, over all connections."""
        return sum(mailbox.round_trips for mailbox in self._opened)

    def _connected(self, *, read_only: bool) -> Mailbox:
        mailbox = self._stack.enter_context(open_mailbox(self.account, read_only=read_only))
        self._opened.append(mailbox)
        return mailbox


def lock_of(account: Account) -> str:
    """Return the file that hold() holds, for the ledger to tell a run that was cut off from one that runs."""
    return str(lock_file(account.host, account.who))


@contextmanager
def hold(account: Account, settings: MailboxSettings, command: str, ledger: Ledger | None = None) -> Iterator[Held]:
    """Hold a mailbox on this machine, and on every machine that shares its ledger.

    `ledger`: one that is open already and stays open; without it the settings' own is opened.
    Raises MailboxLocked, LedgerUnusable, and the connector's errors when it is opened.
    """
    with ExitStack() as stack:
        stack.enter_context(hold_mailbox(account.host, account.who, f"mailbox-cleanup {command}"))
        ledger = ledger or stack.enter_context(Ledger.open(ledger_of(settings)))
        stack.enter_context(ledger.exclusive(settings.address))
        yield Held(account, settings, ledger, stack)


def words_of(ledger: Ledger, settings: MailboxSettings, *, again: bool) -> dict[str, Verdict]:
    """Return what people said of the mailbox's messages; `again`: but for what an undo said."""
    return ledger.labels(settings.address, without=(UNDO_LABEL,) if again else ())
