"""One logged-in connection: commands with a deadline, a budget and a log; refusals by name; secrets hidden."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cleanup.connector.account import MIB, Account
from cleanup.connector.client import (
    BoundedClient,
    ImapDead,
    ImapError,
    converse,
    heard,
    new_budget,
    send_at_once,
    untagged,
)
from cleanup.connector.login import connect, log_in
from cleanup.connector.redact import Redactor
from cleanup.connector.refusals import broke_off, refusal, told
from cleanup.errors import CleanupError, CommandRefused, ConnectionLost, PermissionMissing, ServerMisbehaved, Throttled

LOOKING = frozenset(
    {"LOGIN", "AUTHENTICATE", "STARTTLS", "CAPABILITY", "ID", "ENABLE", "NAMESPACE", "LIST", "STATUS", "EXAMINE",
     "SEARCH", "FETCH", "GETQUOTAROOT", "MYRIGHTS", "NOOP", "UNSELECT", "LOGOUT"}
)  # fmt: skip
OPENING = frozenset({"EXAMINE", "SELECT"})
# Untagged data that answer a command; whatever else comes belongs to the opening of a folder, or to the last command.
ANSWERED_BY = {"LIST": ("LIST", "STATUS"), "STATUS": ("STATUS",), "SEARCH": ("SEARCH",), "FETCH": ("FETCH",)}
MOST_AT_ONCE = 16_000  # bytes of commands sent at once: whatever the answers, neither side waits for the other to read
GOODBYE_S = 5.0
TRIES = 3
LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One command that only looks."""

    name: str
    args: tuple[bytes, ...]
    uid: bool = False

    @property
    def line(self) -> bytes:
        """The command as it is sent, without its tag."""
        return b" ".join([*([b"UID"] if self.uid else []), self.name.encode(), *self.args])

    @property
    def logged(self) -> str:
        """Its name for the log."""
        return f"UID {self.name}" if self.uid else self.name


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
        self._waits = 0
        self._ahead: deque[tuple[Ask, bytes]] = deque()  # sent and not yet heard, with their tags
        self._redact = Redactor()
        self._budget = new_budget(account.connect_timeout_s, MIB)
        self._arm(account.connect_timeout_s)
        self._client: BoundedClient = connect(account, self._budget, self._note)
        try:
            self._arm(account.command_timeout_s)
            self._redact = log_in(self._client, account, self._note)
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
        if literal is not None:
            args = (*args, b"{%d%s}" % (len(literal), b"+" if self.has("LITERAL+") else b""))
        word, answer = self._converse(Ask(name, args, uid), literal)
        if word != "OK":
            raise refusal(name, word, answer.text)
        return answer

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

    def foresee(self, asks: Sequence[Ask]) -> None:
        """Send looks at once that will be asked for next, in this order; command() then need not wait for each.

        Whoever asks for something else has the answers read and dropped, and is answered as if they had never been
        sent. So at most one of them may open a folder, and nothing about a folder may come before it. A server may
        answer some together (Dovecot tells what a FETCH asked for before it ends the SEARCH before it), so no two may
        be answered by data of one name.
        """
        opening = [number for number, ask in enumerate(asks) if ask.name in OPENING]
        assert len(opening) <= 1
        assert all(not ask.uid for ask in asks[: opening[0] if opening else 0])
        names = [name for ask in asks for name in ANSWERED_BY.get(ask.name, ())]
        assert len(names) == len(set(names))
        lines = [ask.line for ask in asks]
        if self.dead or not asks or sum(map(len, lines)) > MOST_AT_ONCE:
            return
        for ask in asks:
            self._allow(ask.name)
        self._arm(self.account.command_timeout_s)
        with self._named(asks[0].name):
            self._drop_what_was_foreseen()
            self._ahead.extend(zip(asks, send_at_once(self._client.imap, lines), strict=True))
        self.log += [ask.logged for ask in asks]
        self._waits += 1

    def has(self, capability: str) -> bool:
        """Return whether the server offers a capability."""
        return capability.upper() in self.capabilities

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server."""
        return self._client.imap.bytes_read

    @property
    def round_trips(self) -> int:
        """How often we had to wait for the server: once for commands that were sent at once."""
        return self._waits

    @property
    def dead(self) -> bool:
        """Whether the connection is of no use any more."""
        return self._dead is not None

    def close(self) -> None:
        """Log out if that is still possible. Never sends CLOSE, which would expunge."""
        if not self.dead:
            self._budget.arm(time.monotonic() + GOODBYE_S, MIB)
            self._note("LOGOUT")
            with contextlib.suppress(ImapError, OSError, CleanupError, ValueError):  # it was polite to try
                converse(self._client.imap, "LOGOUT", (b"LOGOUT",), None)
        self.kill()

    def kill(self) -> None:
        """Drop the connection as it is."""
        self._dead = self._dead or ConnectionLost("The connection was closed")
        self._client.imap.shutdown()

    # --- pieces ------------------------------------------------------------------------------------------------

    def _converse(self, ask: Ask, literal: bytes | None) -> tuple[str, Answer]:
        imap = self._client.imap
        try:
            with self._named(ask.name):
                if self._ahead and self._ahead[0][0] == ask:
                    word, data = heard(imap, ask.name, self._ahead.popleft()[1])
                    found = self._taken_by(ask)
                else:
                    self._drop_what_was_foreseen()
                    self._note(ask.logged)
                    word, data = converse(imap, ask.name, [ask.line], literal)
                    found = untagged(imap)
        except ImapError as error:
            return "BAD", Answer({}, self._redact(told(error)))
        text = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
        return word, Answer(found, self._redact(text))

    def _taken_by(self, ask: Ask) -> dict[str, list[Any]]:
        """Return what answers a foreseen command; the rest stays for those that were sent together with it."""
        there = self._client.imap.untagged_responses
        others = {name for other, _ in self._ahead for name in ANSWERED_BY.get(other.name, ())}
        own = ANSWERED_BY.get(ask.name, ()) if self._ahead and ask.name not in OPENING else there.keys() - others
        return {name: list(there.pop(name)) for name in list(there) if name in own}

    def _drop_what_was_foreseen(self) -> None:
        while self._ahead:
            ask, tag = self._ahead.popleft()
            try:
                heard(self._client.imap, ask.name, tag)
            except ImapDead:
                raise
            except ImapError:  # a refusal of something that nobody wants to know any more
                continue

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Turn what kills the connection into an error by its name; ImapError (BAD) goes through."""
        try:
            yield
        except CleanupError as error:
            raise self._died(type(error)(f"{error.what} (at {name})")) from None
        except ImapDead as error:
            raise self._died(broke_off(name, self._redact(told(error)))) from None
        except ImapError:
            raise
        except OSError as error:
            raise self._died(ConnectionLost(f"The connection broke off at {name}", why=error.strerror)) from None
        except (ValueError, UnicodeError) as error:
            raise self._died(ServerMisbehaved(f"The server's answer to {name} makes no sense")) from error

    def _note(self, name: str) -> None:
        self.log.append(name)
        self._waits += 1

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
        """Return what the answer to the login told; ask where it did not (RFC 9051 section 7.2.2)."""
        told_already = untagged(self._client.imap).get("CAPABILITY")
        found = told_already or self.command("CAPABILITY").untagged.get("CAPABILITY", [])
        listed = b" ".join(part for part in found if isinstance(part, bytes))
        return frozenset(listed.decode("ascii", "replace").upper().split())
