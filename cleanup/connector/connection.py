"""One logged-in connection: commands with a deadline, a budget and a log; refusals by name; secrets hidden."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from cleanup.connector.account import MIB, Account
from cleanup.connector.client import (
    BoundedImap,
    ImapDead,
    ImapError,
    converse,
    heard,
    new_budget,
    send_at_once,
    untagged,
)
from cleanup.connector.folders import printable, unquoted
from cleanup.connector.login import TurnedAway, connect, log_in
from cleanup.connector.quirks import broke_off, error_text, refusal
from cleanup.connector.redact import Redactor
from cleanup.errors import CleanupError, ConnectionLost, PermissionMissing, ServerMisbehaved, Throttled, TookTooLong

MOST_AT_ONCE = 16_000  # bytes of commands sent at once: whatever the answers, neither side waits for the other to read
GOODBYE_S = 5.0
PAUSES_S = (1.0, 3.0)  # before a server that is busy is asked to log us in again
TRIES = 3
LONGEST_PAUSE_S = 60.0
_GONE = frozenset({"EXPUNGE", "VANISHED"})
# What a server may do without naming it that speaks IMAP4rev2 and nothing older (RFC 9051 appendix E).
_OF_REV2 = frozenset({"ENABLE", "ESEARCH", "LIST-STATUS", "MOVE", "NAMESPACE", "UIDPLUS", "UNSELECT"})


# --- One command, and what a server says to it ----------------------------------------------------------------------

LOOKING = frozenset(
    {"LOGIN", "AUTHENTICATE", "STARTTLS", "CAPABILITY", "ID", "ENABLE", "NAMESPACE", "LIST", "STATUS", "EXAMINE",
     "SEARCH", "FETCH", "GETQUOTAROOT", "MYRIGHTS", "NOOP", "UNSELECT", "LOGOUT"}
)  # fmt: skip
OPENING = frozenset({"EXAMINE", "SELECT"})
NAMES_A_FOLDER = OPENING | {"STATUS", "CREATE", "SUBSCRIBE", "APPEND", "MYRIGHTS"}  # as its first argument
RELOCATING = frozenset({"MOVE", "COPY"})
# Untagged data that answer a command; whatever else comes belongs to the opening of a folder, or to the last command.
ANSWERED_BY = {
    "NAMESPACE": ("NAMESPACE",),
    "LIST": ("LIST", "STATUS"),
    "STATUS": ("STATUS",),
    "SEARCH": ("SEARCH", "ESEARCH"),
    "FETCH": ("FETCH",),
    "MYRIGHTS": ("MYRIGHTS",),
}
OF_MESSAGES = frozenset(
    {"SEARCH", "ESEARCH", "FETCH", "EXPUNGE", "VANISHED"}
)  # data about messages of the folder that is open


@dataclass(frozen=True, slots=True)
class Command:
    """One command, without its tag."""

    name: str
    args: tuple[bytes, ...]
    uid: bool = False

    @property
    def line(self) -> bytes:
        """How it is sent."""
        return b" ".join([*([b"UID"] if self.uid else []), self.name.encode(), *self.args])

    @property
    def logged(self) -> str:
        """Its name for the log."""
        return f"UID {self.name}" if self.uid else self.name


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one command: its untagged data by name, as imaplib keeps it, and the final text.

    The text may tell a secret: nobody is shown it but in a refusal, which is redacted.
    """

    untagged: dict[str, list[Any]]
    text: str

    def code(self, name: str) -> bytes | None:
        """Return the argument of a response code (COPYUID, UIDNEXT, ...), tagged or untagged, or None."""
        values = self.untagged.get(name, [])
        return values[-1] if values and isinstance(values[-1], bytes) else None


# --- The connection -------------------------------------------------------------------------------------------------


class Wire:
    """One login. After ConnectionLost or ServerMisbehaved it is dead, and says so to every further command.

    `log` holds the names of the commands that were sent, without their arguments. `run_deadline` (time.monotonic())
    bounds the whole run; each command also has its own. `expunges` grows whenever the server tells that messages are
    gone, and so that sequence numbers changed.

    Some servers, and what stands before them, do not take commands that are sent together, as RFC 9051 section 5.5
    allows: they answer BAD, drop what comes behind the first, or hang up. So a connection that dies while several looks
    were on their way is made anew, once, and used `one_by_one` from then on: nothing is sent before the answer to what
    went before. `connections` counts; what a server was told to ENABLE holds for one.

    `capabilities` are in capital letters. `writes_utf8`: folder names are UTF-8 (RFC 9051 section 5.1) and not modified
    UTF-7, as where a server does not speak IMAP4rev1. `whole_headers`: whether header fields are asked for as whole
    headers (pull.py). `passed_over` says by folder and UID why a message that the server has was not read.
    """

    def __init__(self, account: Account, *, read_only: bool = False, run_deadline: float | None = None) -> None:
        self.account = account
        self.read_only = read_only
        self.run_deadline = run_deadline
        self.log: list[str] = []
        self.one_by_one = False
        self.connections = 0
        self.expunges = 0
        self.capabilities: frozenset[str] = frozenset()
        self.writes_utf8 = False
        self.whole_headers = False
        self.passed_over: dict[tuple[str, int], str] = {}
        self._dead: CleanupError | None = None
        self._waits = 0
        self._is_unheard = False  # whether something was sent since we last listened
        self._are_several = False  # whether what was sent last went out before all else was answered
        self._ahead: deque[tuple[Command, bytes]] = deque()  # sent and not yet heard, with their tags
        self._open: Command | None = None  # what opened the folder that whoever asks takes to be open
        self._open_as: bytes | None = None  # its UIDVALIDITY
        self._is_elsewhere = False  # whether another folder, or none, is open on the server
        self._introduction: list[Command] = []  # goes out in front of the first command
        self._unread: deque[tuple[Command, bytes]] = deque()  # what was said in it is nobody's question
        self._redact = Redactor()
        self._budget = new_budget(account.connect_timeout_s, MIB)
        self._bytes_before = 0  # from connections before this one
        self._machine: BoundedImap | None = None
        self._connect()

    def command(
        self, name: str, *args: bytes, uid: bool = False, literal: bytes | None = None, then: Sequence[Command] = ()
    ) -> Answer:
        """Send one command and return its answer.

        Raises CommandRefused, or a more exact name, for NO and BAD: nothing is broken. Raises ConnectionLost or
        ServerMisbehaved where nobody can know what happened. A `literal` comes last, after its announced size. `then`
        are looks that go out right behind it, as send_ahead() sends them.
        """
        self._check_allowed(name)
        self._arm(self.account.command_timeout_s)
        if literal is not None:  # with LITERAL+ (RFC 7888) it follows at once, without a go-ahead
            args = (*args, b"{%d%s}" % (len(literal), b"+" if self.has("LITERAL+") else b""))
        behind = () if self.one_by_one else self._sendable(then)
        word, answer = self._converse(Command(name, args, uid), literal, behind)
        if word != "OK":
            raise refusal(name + self._concerning(name, args, uid=uid), word, self._redact(answer.text))
        return answer

    def ask(self, command: Command) -> Answer:
        """Send a command that changes nothing; where the server asks for a short pause, wait and ask again.

        At most three tries, and no pause longer than a minute or than the run may still take. Raises as command() does.
        """
        for _ in range(TRIES - 1):
            try:
                return self.command(command.name, *command.args, uid=command.uid)
            except Throttled as error:
                left_s = LONGEST_PAUSE_S if self.run_deadline is None else self.run_deadline - time.monotonic()
                if not 0 < error.wait_s <= min(LONGEST_PAUSE_S, left_s):
                    raise
                time.sleep(error.wait_s)
        return self.command(command.name, *command.args, uid=command.uid)

    def send_ahead(self, commands: Sequence[Command]) -> None:
        """Send looks at once that will be asked for next, in this order; command() then need not wait for each.

        Whoever asks for something else has the answers read and dropped, and is answered as if they had never been
        sent, in the folder that was open for him. A server may answer some together (Dovecot tells what a FETCH asked
        for before it ends the SEARCH before it), so between one opening of a folder and the next no two may be answered
        by data of one name. What is on its way already is not sent again.
        """
        if self.dead or self.one_by_one or not (sent := self._sendable(commands)):
            return
        if [command for command, _ in self._ahead][: len(sent)] == list(sent):
            return
        self._arm(self.account.command_timeout_s)
        with self._retrying_one_by_one(), self._naming_errors(sent[0].name):
            self._drop_what_was_sent_ahead()
            self._ahead.extend(zip(sent, self._send(sent), strict=True))

    def look_afresh(self) -> None:
        """Drop what is on its way: whoever asks from now on is told how things are from now on."""
        if not self.dead:
            with self._retrying_one_by_one(), self._naming_errors("NOOP"):
                self._drop_what_was_sent_ahead()

    def has(self, capability: str) -> bool:
        """Return whether the server offers a capability."""
        return capability.upper() in self.capabilities

    @property
    def folder(self) -> str:
        """The folder that whoever asks takes to be open; "" where there is none."""
        return unquoted(self._open.args[0]) if self._open else ""

    @property
    def bytes_read(self) -> int:
        """How many bytes came from the server."""
        return self._bytes_before + (self._machine.bytes_read if self._machine else 0)

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
        if not self.dead and self._machine:
            self._budget.arm(time.monotonic() + GOODBYE_S, MIB)
            self._note("LOGOUT")
            with contextlib.suppress(ImapError, OSError, CleanupError, ValueError):  # it was polite to try
                converse(self._imap, "LOGOUT", (b"LOGOUT",), None)
        self.kill()

    def kill(self) -> None:
        """Drop the connection as it is."""
        self._dead = self._dead or ConnectionLost("The connection was closed")
        if self._machine:
            self._machine.shutdown()

    # --- coming up ---------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect and log in; a server that is busy is asked at most three times."""
        for pause_s in PAUSES_S:
            try:
                return self._log_in()
            except TurnedAway:
                if self.run_deadline is not None and time.monotonic() + pause_s > self.run_deadline:
                    raise
                time.sleep(pause_s)
        return self._log_in()

    def _log_in(self) -> None:
        self._arm(self.account.connect_timeout_s)
        client = connect(self.account, self._budget, self._note)
        self._machine = client.imap
        self._dead = None
        try:
            self._arm(self.account.command_timeout_s)
            self._redact = log_in(client, self.account, self._note)
            self.connections += 1
            # what the answer to the login told; ask where it did not (RFC 9051 section 7.2.2)
            told_already = untagged(self._imap).get("CAPABILITY")
            found = told_already or self.command("CAPABILITY").untagged.get("CAPABILITY", [])
            listed = b" ".join(part for part in found if isinstance(part, bytes))
            offered = frozenset(listed.decode("ascii", "replace").upper().split())
            self.writes_utf8 = "IMAP4REV2" in offered and "IMAP4REV1" not in offered
            self.capabilities = offered | _OF_REV2 if self.writes_utf8 else offered
            if self.has("ID"):  # RFC 2971; NetEase's servers open no folder for a program that did not say who it is
                self._introduction = [Command("ID", (b'("name" "mailbox-cleanup")',))]
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _retrying_one_by_one(self) -> Iterator[None]:
        """Swallow that the connection died while several looks were on their way: there is a new one then."""
        try:
            yield
        except (ConnectionLost, ServerMisbehaved) as error:
            if not self._are_several or self.one_by_one or self._is_late():
                raise
            self._reconnect(error)

    def _reconnect(self, because: CleanupError) -> None:
        """Make a new connection, for one command at a time. What was open is opened when somebody asks about it.

        Raises what broke the old one where there is no new one.
        """
        self._bytes_before = self.bytes_read
        self._machine = None
        self._ahead.clear()
        self._unread.clear()
        self._introduction.clear()
        self._is_elsewhere = self._open is not None
        self.expunges += 1  # the numbers of the old connection mean nothing here
        self.one_by_one = True
        try:
            self._connect()
        except CleanupError as error:
            self._dead = because
            raise because from error

    # --- pieces ------------------------------------------------------------------------------------------------

    @property
    def _imap(self) -> BoundedImap:
        assert self._machine
        return self._machine

    def _concerning(self, name: str, args: Sequence[bytes], *, uid: bool) -> str:
        """Return of which folder a command is, in words for an error."""
        if name in NAMES_A_FOLDER:
            return f" of {printable(unquoted(args[0]))}"
        if name in RELOCATING:
            return f" from {printable(self.folder)} to {printable(unquoted(args[-1]))}"
        return f" in {printable(self.folder)}" if uid or name in OF_MESSAGES else ""

    def _converse(self, command: Command, literal: bytes | None, then: Sequence[Command]) -> tuple[str, Answer]:
        # Only a look is repeated on a new connection: a MOVE may have been carried out though no answer came. Nor is a
        # FETCH by sequence number, as numbers mean other messages there.
        if (command.name in LOOKING and (command.uid or command.name not in OF_MESSAGES)) or command.name in OPENING:
            with self._retrying_one_by_one():
                return self._converse_once(command, literal, then)
            self._arm(self.account.command_timeout_s)
        return self._converse_once(command, literal, then)

    def _converse_once(self, command: Command, literal: bytes | None, then: Sequence[Command]) -> tuple[str, Answer]:
        try:
            with self._naming_errors(command.name):
                word, data = self._answered(command, literal, then)
                found = self._taken_by(command)
        except ImapError as error:
            word, answer = "BAD", Answer({}, error_text(error))
        else:
            text = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
            answer = Answer(found, text)
        if command.name in OPENING:  # a refused one leaves no folder open (RFC 9051 section 6.3.2)
            self._open, self._is_elsewhere = command if word == "OK" else None, False
            self._open_as = answer.code("UIDVALIDITY")
        return word, answer

    def _answered(self, command: Command, literal: bytes | None, then: Sequence[Command]) -> tuple[str, list[Any]]:
        """Return the answer to a command. A look that is found bad beside others is asked once more, and by itself."""
        try:
            if self._ahead and self._ahead[0][0] == command:
                return self._heard(*self._ahead.popleft())
            return self._send_in_folder(command, literal, then)
        except ImapDead:
            raise
        except ImapError:
            if not self._are_several or not (command.name in LOOKING or command.name in OPENING):
                raise
            self.one_by_one = True  # for the rest of this login: who refuses two commands once refuses them again
            return self._send_in_folder(command, None, ())

    def _send_in_folder(
        self, command: Command, literal: bytes | None, then: Sequence[Command]
    ) -> tuple[str, list[Any]]:
        """Send a command in the folder that whoever asks takes to be open."""
        self._drop_what_was_sent_ahead()
        self._reopen(command)
        return self._send_and_hear(command, literal, then)

    def _send_and_hear(self, command: Command, literal: bytes | None, then: Sequence[Command]) -> tuple[str, list[Any]]:
        if literal is not None:
            self._note(command.logged)
            return converse(self._imap, command.name, [command.line], literal)
        tag, *tags = self._send([command, *then])
        self._ahead.extend(zip(then, tags, strict=True))
        return self._heard(command, tag)

    def _reopen(self, command: Command) -> None:
        """Open again what was open, if a command is about messages and what was sent ahead opened another folder.

        Raises ServerMisbehaved where that folder was renumbered meanwhile.
        """
        if not self._is_elsewhere or self._open is None or not (command.uid or command.name in OF_MESSAGES):
            return
        word, _ = self._send_and_hear(self._open, None, ())
        opened = Answer(self._taken_by(self._open), "")
        if word != "OK" or opened.code("UIDVALIDITY") != self._open_as:
            raise ServerMisbehaved("A folder was renumbered while it was open")
        self._is_elsewhere = False

    def _send(self, commands: Sequence[Command]) -> list[bytes]:
        """Send commands at once; return their tags, to be heard in this order."""
        first, self._introduction = self._introduction, []
        if first and self.one_by_one:  # ID, too, is answered before the first command goes out
            self._unread.extend((command, self._send([command])[0]) for command in first)
            self._drop(self._unread)
            first = []
        every = [*first, *commands]
        self.log += [command.logged for command in every]
        self._is_unheard = True
        self._are_several = len(every) + len(self._ahead) + len(self._unread) > 1
        tags = send_at_once(self._imap, [command.line for command in every])
        self._unread.extend(zip(first, tags, strict=False))
        return tags[len(first) :]

    def _heard(self, command: Command, tag: bytes) -> tuple[str, list[Any]]:
        # a round trip is counted where we begin to wait: however many commands went out before, it is one
        self._waits += self._is_unheard
        self._is_unheard = False
        self._drop(self._unread)
        return heard(self._imap, command.name, tag)

    def _drop(self, unwanted: deque[tuple[Command, bytes]]) -> None:
        """Read the answers to what nobody asks for any more."""
        while unwanted:
            command, tag = unwanted.popleft()
            try:
                heard(self._imap, command.name, tag)
            except ImapDead:
                raise
            except ImapError:  # a refusal, which nobody wants to know of either
                continue

    def _drop_what_was_sent_ahead(self) -> None:
        self._is_elsewhere = self._is_elsewhere or any(command.name in OPENING for command, _ in self._ahead)
        self._drop(self._ahead)

    def _taken_by(self, command: Command) -> dict[str, list[Any]]:
        """Return what answers a command; the rest stays for those that were sent together with it.

        Data about messages that came before a folder was open are about another folder's. What MOVE and COPY are told
        (COPYUID) has names of its own, whatever was sent behind them.
        """
        there, opens = self._imap.untagged_responses, command.name in OPENING
        beside = list(takewhile(lambda other: other.name not in OPENING, (other for other, _ in self._ahead)))
        others = {name for other in beside for name in ANSWERED_BY.get(other.name, ())}
        others -= OF_MESSAGES if opens else set()
        own = ANSWERED_BY[command.name] if self._ahead and command.name in ANSWERED_BY else there.keys() - others
        found = {name: list(there.pop(name)) for name in list(there) if name in own}
        self.expunges += len(found.keys() & _GONE)
        return {name: values for name, values in found.items() if not (opens and name in OF_MESSAGES)}

    def _sendable(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Return the looks that may be sent at once: up to the first whose answer could be taken for another's."""
        beside: set[str] = set()
        length = 0
        for number, command in enumerate(commands):
            self._check_allowed(command.name)
            assert command.name in LOOKING or command.name in OPENING
            answers = set(ANSWERED_BY.get(command.name, ()))
            beside = set() if command.name in OPENING else beside
            length += len(command.line)
            if beside & answers or length > MOST_AT_ONCE:
                return commands[:number]
            beside |= answers
        return commands

    @contextlib.contextmanager
    def _naming_errors(self, name: str) -> Iterator[None]:
        """Turn what kills the connection into an error by its name; ImapError (BAD) goes through."""
        try:
            yield
        except CleanupError as error:
            if self._is_late():
                late = "This run took longer than it may"
                raise self._died(
                    TookTooLong(late, hint="run_timeout_s sets how long; the next run carries on")
                ) from None
            raise self._died(type(error)(f"{error.what} (at {name})")) from None
        except ImapDead as error:  # before ImapError, which it is, too; no chain, as its text may quote the secret
            raise self._died(broke_off(name, self._redact(error_text(error)))) from None
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
        self._imap.shutdown()
        return error

    def _is_late(self) -> bool:
        return self.run_deadline is not None and time.monotonic() >= self.run_deadline

    def _check_allowed(self, name: str) -> None:
        """Stop a dry run's changing commands before they are sent: EXAMINE alone does not stop MOVE on Dovecot."""
        if self._dead:
            raise ConnectionLost("The connection is gone", why=str(self._dead))
        if self.read_only and name not in LOOKING:  # nor a SELECT: it takes \Recent from the messages
            raise PermissionMissing(f"{name} was not sent: this run only looks")

    def _arm(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        if self.run_deadline is not None:
            deadline = min(deadline, self.run_deadline)
        self._budget.arm(deadline, self.account.max_answer_bytes)
