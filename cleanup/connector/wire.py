"""One logged-in connection: commands with a deadline, a budget and a log; refusals by name; secrets hidden."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any

from cleanup.connector.account import MIB, Account
from cleanup.connector.client import BoundedClient, ImapDead, ImapError, converse, new_budget, untagged
from cleanup.connector.login import connect, log_in
from cleanup.connector.redact import Redactor
from cleanup.connector.refusals import broke_off, refusal, told
from cleanup.errors import CleanupError, CommandRefused, ConnectionLost, PermissionMissing, ServerMisbehaved, Throttled

LOOKING = frozenset(
    {"LOGIN", "AUTHENTICATE", "STARTTLS", "CAPABILITY", "ID", "ENABLE", "NAMESPACE", "LIST", "STATUS", "EXAMINE",
     "SEARCH", "FETCH", "GETQUOTAROOT", "MYRIGHTS", "NOOP", "UNSELECT", "LOGOUT"}
)  # fmt: skip
GOODBYE_S = 5.0
TRIES = 3
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one command: its untagged data by name, as imaplib keeps it, and the final text."""

    untagged: dict[str, list[Any]]
    text: str

    def code(self, name: str) -> bytes | None:
        """Return the argument of a response code (COPYUID, UIDNEXT, ...), tagged or untagged, or None."""
        values = self.untagged.get(name, [])
        return values[-1] if values and isinstance(values[-1], bytes) else None


class Wire:
    """One connection. After ConnectionLost or ServerMisbehaved it is dead, and says so to every further command.

    `log` holds the names of the commands that were sent, without their arguments. `run_deadline` (time.monotonic())
    bounds the whole run; each command also has its own.
    """

    def __init__(self, account: Account, *, read_only: bool = False, run_deadline: float | None = None) -> None:
        self.account = account
        self.read_only = read_only
        self.run_deadline = run_deadline
        self.log: list[str] = []
        self._dead: CleanupError | None = None
        self._redact = Redactor()
        self._budget = new_budget(account.connect_timeout_s, MIB)
        self._arm(account.connect_timeout_s)
        self._client: BoundedClient = connect(account, self._budget, self.log.append)
        try:
            self._arm(account.command_timeout_s)
            self._redact = log_in(self._client, account, self.log.append)
            self.capabilities = self._ask_capabilities()
            self._introduce()
        except BaseException:
            self.close()
            raise

    def command(self, name: str, *args: bytes, uid: bool = False, literal: bytes | None = None) -> Answer:
        """Send one command and return its answer.

        Raises CommandRefused, or a more exact name, for NO and BAD: nothing is broken. Raises ConnectionLost or
        ServerMisbehaved where nobody can know what happened. A `literal` comes last, after its announced size.
        """
        self._allow(name)
        self._arm(self.account.command_timeout_s)
        line = [b"UID", name.encode()] if uid else [name.encode()]
        line += args
        if literal is not None:
            line.append(b"{%d%s}" % (len(literal), b"+" if self.has("LITERAL+") else b""))
        self.log.append(f"UID {name}" if uid else name)
        word, text = self._converse(name, line, literal)
        if word != "OK":
            raise refusal(name, word, text)
        return Answer(untagged(self._client.imap), text)

    def ask(self, name: str, *args: bytes, uid: bool = False) -> Answer:
        """Send a command that changes nothing; where the server asks for a short pause, wait and ask again.

        At most three tries, and no pause longer than a minute or than the run may still take. Raises as command() does.
        """
        for _ in range(TRIES - 1):
            try:
                return self.command(name, *args, uid=uid)
            except Throttled as error:
                if not 0 < error.wait_s <= self._patience():
                    raise
                time.sleep(error.wait_s)
        return self.command(name, *args, uid=uid)

    def has(self, capability: str) -> bool:
        """Return whether the server offers a capability."""
        return capability.upper() in self.capabilities

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server."""
        return self._client.imap.bytes_read

    @property
    def round_trips(self) -> int:
        """How many commands were sent."""
        return len(self.log)

    @property
    def dead(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._dead is not None

    def close(self) -> None:
        """Log out if that is still possible. Never sends CLOSE, which would expunge."""
        if not self.dead:
            self._budget.arm(time.monotonic() + GOODBYE_S, MIB)
            self.log.append("LOGOUT")
            with contextlib.suppress(ImapError, OSError, CleanupError, ValueError):  # it was polite to try
                converse(self._client.imap, "LOGOUT", (b"LOGOUT",), None)
        self.kill()

    def kill(self) -> None:
        """Drop the connection as it is."""
        self._dead = self._dead or ConnectionLost("The connection was closed")
        self._client.imap.shutdown()

    # --- pieces ------------------------------------------------------------------------------------------------

    def _converse(self, name: str, line: list[bytes], literal: bytes | None) -> tuple[str, str]:
        try:
            word, data = converse(self._client.imap, name, line, literal)
        except CleanupError as error:
            raise self._died(type(error)(f"{error.what} (at {name})")) from None
        except ImapDead as error:
            raise self._died(broke_off(name, self._redact(told(error)))) from None
        except ImapError as error:
            return "BAD", self._redact(told(error))
        except OSError as error:
            raise self._died(ConnectionLost(f"The connection broke off at {name}", why=error.strerror)) from None
        except (ValueError, UnicodeError) as error:
            raise self._died(ServerMisbehaved(f"The server's answer to {name} makes no sense")) from error
        text = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
        return word, self._redact(text)

    def _died(self, error: CleanupError) -> CleanupError:
        self._dead = error
        self._client.imap.shutdown()
        return error

    def _allow(self, name: str) -> None:
        """Stop a dry run's changing commands before they are sent: EXAMINE alone does not stop MOVE on Dovecot."""
        if self._dead:
            raise ConnectionLost("The connection is gone", why=str(self._dead))
        if self.read_only and name not in LOOKING:
            raise PermissionMissing(f"{name} was not sent: this run only looks")

    def _arm(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        if self.run_deadline is not None:
            deadline = min(deadline, self.run_deadline)
        self._budget.arm(deadline, self.account.max_answer_bytes)

    def _patience(self) -> float:
        left = LONGEST_PAUSE_S if self.run_deadline is None else self.run_deadline - time.monotonic()
        return min(LONGEST_PAUSE_S, left)

    def _introduce(self) -> None:
        """Say who we are (RFC 2971): NetEase's servers open no folder for programs that do not."""
        if self.has("ID"):
            with contextlib.suppress(CommandRefused):
                self.command("ID", b'("name" "mailbox-cleanup")')

    def _ask_capabilities(self) -> frozenset[str]:
        answer = self.command("CAPABILITY")
        listed = b" ".join(part for part in answer.untagged.get("CAPABILITY", []) if isinstance(part, bytes))
        return frozenset(listed.decode("ascii", "replace").upper().split())
