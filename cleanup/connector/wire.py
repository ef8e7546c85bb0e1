"""One logged-in connection: commands with a deadline, a budget and a log; refusals by name; secrets hidden."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from cleanup.connector.account import MIB, Account
from cleanup.connector.asks import ANSWERED_BY, LOOKING, OF_MESSAGES, OPENING, Answer, Ask
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
from cleanup.errors import CleanupError, ConnectionLost, PermissionMissing, ServerMisbehaved, Throttled, TookTooLong

MOST_AT_ONCE = 16_000  # bytes of commands sent at once: whatever the answers, neither side waits for the other to read
GOODBYE_S = 5.0
TRIES = 3
LONGEST_PAUSE_S = 60.0
_GONE = frozenset({"EXPUNGE", "VANISHED"})


class Wire:
    """One connection. After ConnectionLost or ServerMisbehaved it is dead, and says so to every further command.

    `log` holds the names of the commands that were sent, without their arguments. `run_deadline` (time.monotonic())
    bounds the whole run; each command also has its own. `one_by_one`: nothing is sent before the answer to what went
    before, for a server that may not take it. `hurried`: whether the connection died while several were on their way.
    `expunges` grows whenever the server tells that messages are gone, and so that sequence numbers changed.
    """

    def __init__(self, account: Account, *, read_only: bool = False, run_deadline: float | None = None) -> None:
        self.account = account
        self.read_only = read_only
        self.run_deadline = run_deadline
        self.log: list[str] = []
        self.one_by_one = False
        self.hurried = False
        self.expunges = 0
        self._dead: CleanupError | None = None
        self._waits = 0
        self._is_unheard = False  # whether something was sent since we last listened
        self._are_several = False  # whether what was sent last went out before all else was answered
        self._ahead: deque[tuple[Ask, bytes]] = deque()  # sent and not yet heard, with their tags
        self._open: Ask | None = None  # what opened the folder that whoever asks takes to be open
        self._open_as: bytes | None = None  # its UIDVALIDITY
        self._is_elsewhere = False  # whether what was sent ahead opened another one since
        self._introduction: list[Ask] = []  # goes out in front of the first command
        self._unread: deque[tuple[Ask, bytes]] = deque()  # what was said in it is nobody's question
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

    def command(
        self, name: str, *args: bytes, uid: bool = False, literal: bytes | None = None, then: Sequence[Ask] = ()
    ) -> Answer:
        """Send one command and return its answer.

        Raises CommandRefused, or a more exact name, for NO and BAD: nothing is broken. Raises ConnectionLost or
        ServerMisbehaved where nobody can know what happened. A `literal` comes last, after its announced size. `then`
        are looks that go out right behind it, as foresee() sends them.
        """
        self._allow(name)
        self._arm(self.account.command_timeout_s)
        if literal is not None:
            args = (*args, b"{%d%s}" % (len(literal), b"+" if self.has("LITERAL+") else b""))
        word, answer = self._converse(Ask(name, args, uid), literal, () if self.one_by_one else self._sendable(then))
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
        sent, in the folder that was open for him. A server may answer some together (Dovecot tells what a FETCH asked
        for before it ends the SEARCH before it), so between one opening of a folder and the next no two may be answered
        by data of one name. What is on its way already is not sent again.
        """
        if self.dead or self.one_by_one or not (sent := self._sendable(asks)):
            return
        if [ask for ask, _ in self._ahead][: len(sent)] == list(sent):
            return
        self._arm(self.account.command_timeout_s)
        with self._named(sent[0].name):
            self._drop_what_was_foreseen()
            self._ahead.extend(zip(sent, self._send(sent), strict=True))

    def look_afresh(self) -> None:
        """Drop what is on its way: whoever asks from now on is told how things are from now on."""
        if not self.dead:
            with self._named("NOOP"):
                self._drop_what_was_foreseen()

    def has(self, capability: str) -> bool:
        """Return whether the server offers a capability."""
        return capability.upper() in self.capabilities

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server."""
        return self._client.imap.bytes_read

    @property
    def round_trips(self) -> int:
        """How often we had to wait for the server: once for whatever was sent before we listened."""
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

    def _converse(self, ask: Ask, literal: bytes | None, then: Sequence[Ask]) -> tuple[str, Answer]:
        try:
            with self._named(ask.name):
                word, data = self._answered(ask, literal, then)
                found = self._taken_by(ask)
        except ImapError as error:
            word, answer = "BAD", Answer({}, self._redact(told(error)))
        else:
            text = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
            answer = Answer(found, self._redact(text))
        if ask.name in OPENING:
            self._open, self._is_elsewhere = ask if word == "OK" else None, False
            self._open_as = answer.code("UIDVALIDITY")
        return word, answer

    def _answered(self, ask: Ask, literal: bytes | None, then: Sequence[Ask]) -> tuple[str, list[Any]]:
        """Return the answer to a command. A look that is found bad beside others is asked once more, and by itself."""
        try:
            if self._ahead and self._ahead[0][0] == ask:
                return self._heard(*self._ahead.popleft())
            return self._said_here(ask, literal, then)
        except ImapDead:
            raise
        except ImapError:
            if not self._are_several or not (ask.name in LOOKING or ask.name in OPENING):
                raise
            self.one_by_one = True
            return self._said_here(ask, None, ())

    def _said_here(self, ask: Ask, literal: bytes | None, then: Sequence[Ask]) -> tuple[str, list[Any]]:
        """Send a command in the folder that whoever asks takes to be open."""
        self._drop_what_was_foreseen()
        self._go_back(ask)
        return self._said(ask, literal, then)

    def _said(self, ask: Ask, literal: bytes | None, then: Sequence[Ask]) -> tuple[str, list[Any]]:
        if literal is not None:
            self._note(ask.logged)
            return converse(self._client.imap, ask.name, [ask.line], literal)
        tag, *tags = self._send([ask, *then])
        self._ahead.extend(zip(then, tags, strict=True))
        return self._heard(ask, tag)

    def _go_back(self, ask: Ask) -> None:
        """Open again what was open, if `ask` is about messages and something that was sent ahead opened another folder.

        Raises ServerMisbehaved where that folder was renumbered meanwhile.
        """
        if not self._is_elsewhere or self._open is None or not (ask.uid or ask.name in OF_MESSAGES):
            return
        word, _ = self._said(self._open, None, ())
        opened = Answer(self._taken_by(self._open), "")
        if word != "OK" or opened.code("UIDVALIDITY") != self._open_as:
            raise ServerMisbehaved("A folder was renumbered while it was open")
        self._is_elsewhere = False

    def _send(self, asks: Sequence[Ask]) -> list[bytes]:
        """Send commands at once; return their tags, to be heard in this order."""
        first, self._introduction = self._introduction, []
        if first and self.one_by_one:
            self._unread.extend((ask, self._send([ask])[0]) for ask in first)
            self._drop(self._unread)
            first = []
        every = [*first, *asks]
        self.log += [ask.logged for ask in every]
        self._is_unheard = True
        self._are_several = len(every) + len(self._ahead) + len(self._unread) > 1
        tags = send_at_once(self._client.imap, [ask.line for ask in every])
        self._unread.extend(zip(first, tags, strict=False))
        return tags[len(first) :]

    def _heard(self, ask: Ask, tag: bytes) -> tuple[str, list[Any]]:
        self._waits += self._is_unheard
        self._is_unheard = False
        self._drop(self._unread)
        return heard(self._client.imap, ask.name, tag)

    def _drop(self, unwanted: deque[tuple[Ask, bytes]]) -> None:
        """Read the answers to what nobody asks for any more."""
        while unwanted:
            ask, tag = unwanted.popleft()
            try:
                heard(self._client.imap, ask.name, tag)
            except ImapDead:
                raise
            except ImapError:  # a refusal, which nobody wants to know of either
                continue

    def _drop_what_was_foreseen(self) -> None:
        self._is_elsewhere = self._is_elsewhere or any(ask.name in OPENING for ask, _ in self._ahead)
        self._drop(self._ahead)

    def _taken_by(self, ask: Ask) -> dict[str, list[Any]]:
        """Return what answers a command; the rest stays for those that were sent together with it.

        Data about messages that came before a folder was open are about another folder's.
        """
        there, opens = self._client.imap.untagged_responses, ask.name in OPENING
        beside = list(takewhile(lambda other: other.name not in OPENING, (other for other, _ in self._ahead)))
        others = {name for other in beside for name in ANSWERED_BY.get(other.name, ())}
        others -= OF_MESSAGES if opens else set()
        own = ANSWERED_BY.get(ask.name, ()) if beside and not opens else there.keys() - others
        found = {name: list(there.pop(name)) for name in list(there) if name in own}
        self.expunges += len(found.keys() & _GONE)
        return {name: values for name, values in found.items() if not (opens and name in OF_MESSAGES)}

    def _sendable(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """Return the looks that may be sent at once: up to the first whose answer could be taken for another's."""
        beside: set[str] = set()
        length = 0
        for number, ask in enumerate(asks):
            self._allow(ask.name)
            assert ask.name in LOOKING or ask.name in OPENING
            answers = set(ANSWERED_BY.get(ask.name, ()))
            beside = set() if ask.name in OPENING else beside
            length += len(ask.line)
            if beside & answers or length > MOST_AT_ONCE:
                return asks[:number]
            beside |= answers
        return asks

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Turn what kills the connection into an error by its name; ImapError (BAD) goes through."""
        try:
            yield
        except CleanupError as error:
            if self.run_deadline is not None and time.monotonic() >= self.run_deadline:
                late = "This run took longer than it may"
                raise self._died(
                    TookTooLong(late, hint="run_timeout_s sets how long; the next run carries on")
                ) from None
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
        self.hurried = self._are_several
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
        """Say who we are (RFC 2971) before the first command: NetEase's servers open no folder for who does not."""
        if self.has("ID"):
            self._introduction = [Ask("ID", (b'("name" "mailbox-cleanup")',))]

    def _ask_capabilities(self) -> frozenset[str]:
        """Return what the answer to the login told; ask where it did not (RFC 9051 section 7.2.2)."""
        told_already = untagged(self._client.imap).get("CAPABILITY")
        found = told_already or self.command("CAPABILITY").untagged.get("CAPABILITY", [])
        listed = b" ".join(part for part in found if isinstance(part, bytes))
        return frozenset(listed.decode("ascii", "replace").upper().split())
