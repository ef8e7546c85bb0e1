"""A small IMAP server that can lie: it answers OK and does nothing, moves half, invents UIDs, talks out of turn.

Its mail lies in plain Python values (`server.folders`), so that a test sees what really happened. Without a lie it is
honest enough for a whole run.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.servers.running import PASSWORD

CAPABILITIES = b"IMAP4rev1 UIDPLUS MOVE SPECIAL-USE LITERAL+ UNSELECT AUTH=PLAIN"
WATCHED = CAPABILITIES + b" ENABLE QRESYNC LIST-EXTENDED LIST-STATUS"  # what the second connection works with
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\([^)]*\)|[^ ]+)')
_FIELDS = re.compile(rb"HEADER\.FIELDS \(([^)]*)\)", re.IGNORECASE)
_PARTIAL = re.compile(rb"BODY\.PEEK\[\]<0\.(\d+)>", re.IGNORECASE)
_SIZE = re.compile(rb"LARGER (\d+) SMALLER (\d+)", re.IGNORECASE)


@dataclass
class Mail:
    """One message of a folder."""

    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)
    arrived: bytes = b"01-Mar-2026 12:00:00 +0000"


@dataclass
class Box:
    """One folder. `attributes` are shown by LIST."""

    uidvalidity: int = 7
    uidnext: int = 1
    mails: list[Mail] = field(default_factory=list)
    attributes: bytes = b"\\HasNoChildren"

    def add(self, raw: bytes, flags: set[str] | None = None, arrived: bytes | None = None) -> int:
        """Add a message; return its UID."""
        mail = Mail(self.uidnext, raw, set(flags or ()), arrived or b"01-Mar-2026 12:00:00 +0000")
        self.mails.append(mail)
        self.uidnext += 1
        return mail.uid

    def named(self, uids: set[int]) -> list[Mail]:
        """Return the messages with these UIDs."""
        return [mail for mail in self.mails if mail.uid in uids]


class Gone(Exception):
    """The connection ends here."""


Lie = Callable[["Session", str, list[bytes]], bool]  # True: the command is answered, do not do it


class LyingServer:
    """A running server. `lies` are asked, in order, before each command is obeyed."""

    def __init__(self, *lies: Lie, capabilities: bytes = CAPABILITIES, greeting: bytes = b"* OK ready\r\n") -> None:
        self.folders = {"INBOX": Box(), "Sent": Box(attributes=b"\\Sent")}
        self.lies = list(lies)
        self.alter: Callable[[bytes], bytes] | None = None  # what is said, on its way out
        self.capabilities = capabilities
        self.greeting = greeting
        self.password = PASSWORD
        self.commands: list[str] = []
        self.lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []

    def serve(self) -> None:
        """Take connections until close()."""
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(sock)
                threading.Thread(target=Session(self, sock).run, daemon=True).start()

    def close(self) -> None:
        """Drop everything."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


class Session:
    """One connection to it."""

    def __init__(self, server: LyingServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.tag = b"*"
        self.selected = ""
        self.opened: list[Mail] = []  # what was in the folder when it was opened, by sequence number
        self._file = sock.makefile("rb")

    def run(self) -> None:
        """Answer until the client goes."""
        with contextlib.suppress(OSError, Gone):
            self.say(self.server.greeting)
            while line := self._read_command():
                self._obey(line)
        self.sock.close()

    def say(self, *pieces: bytes) -> None:
        """Send bytes as they are."""
        said = b"".join(pieces)
        self.sock.sendall(self.server.alter(said) if self.server.alter else said)

    def done(self, text: bytes = b"OK done") -> None:
        """End a command."""
        self.say(self.tag, b" ", text, b"\r\n")

    def hang_up(self) -> None:
        """End the connection without a word."""
        raise Gone

    @property
    def box(self) -> Box:
        """The selected folder."""
        return self.server.folders[self.selected]

    def _read_command(self) -> list[bytes]:
        words: list[bytes] = []
        while line := self._file.readline():
            line = line.rstrip(b"\r\n")
            literal = _LITERAL.search(line)
            head = line[: literal.start()] if literal else line
            words += [_unquoted(m) for m in _WORD.finditer(head)]
            if not literal:
                return words
            if not literal[2]:
                self.say(b"+ go on\r\n")
            words.append(self._file.read(int(literal[1])))
        return []

    def _obey(self, words: list[bytes]) -> None:
        if len(words) < 2:  # an answer to a challenge
            return
        self.tag, name, *args = words
        command = name.decode("latin-1").upper()
        if command == "UID":
            command, args = f"UID {args[0].decode().upper()}", args[1:]
        with self.server.lock:
            self.server.commands.append(command)
            if not any(lie(self, command, args) for lie in self.server.lies):
                handler = _HANDLERS.get(command)
                try:
                    handler(self, args) if handler else self.done(b"BAD unknown")
                except KeyError:  # no folder is open, or none of that name
                    self.done(b"BAD no mailbox selected")

    # --- the honest answers ------------------------------------------------------------------------------------

    def fetch_data(self, number: int, mail: Mail, items: bytes) -> bytes:
        """Return the FETCH data of a message."""
        parts = [b"UID %d" % mail.uid]
        if b"FLAGS" in items:
            parts.append(b"FLAGS (%s)" % " ".join(sorted(mail.flags)).encode("latin-1"))
        if b"INTERNALDATE" in items:
            parts.append(b'INTERNALDATE "%s"' % mail.arrived)
        if b"RFC822.SIZE" in items:
            parts.append(b"RFC822.SIZE %d" % len(mail.raw))
        if fields := _FIELDS.search(items):
            parts.append(_literal(b"BODY[HEADER.FIELDS (%s)]" % fields[1], _chosen(mail.raw, fields[1])))
        elif b"BODY.PEEK[HEADER]" in items:
            parts.append(_literal(b"BODY[HEADER]<0>", mail.raw.split(b"\r\n\r\n")[0] + b"\r\n\r\n"))
        elif partial := _PARTIAL.search(items):
            parts.append(_literal(b"BODY[]<0>", mail.raw[: int(partial[1])]))
        return b"* %d FETCH (%s)\r\n" % (number, b" ".join(parts))

    def relocate(self, uids: set[int], target: str, *, keep: bool) -> bytes:
        """Move or copy messages; return the COPYUID code of it."""
        mails, box = self.box.named(uids), self.server.folders[target]
        after = [box.add(mail.raw, mail.flags, mail.arrived) for mail in mails]
        if not keep:
            self.box.mails = [mail for mail in self.box.mails if mail.uid not in uids]
        before = b",".join(b"%d" % mail.uid for mail in mails)
        return b"[COPYUID %d %s %s]" % (box.uidvalidity, before, b",".join(b"%d" % uid for uid in after))


def _unquoted(match: re.Match[bytes]) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", match[1]) if match[1] is not None else match[2]


def _literal(name: bytes, octets: bytes) -> bytes:
    return name + b" {%d}\r\n" % len(octets) + octets


def _chosen(raw: bytes, names: bytes) -> bytes:
    wanted = tuple(name.strip().lower() + b":" for name in names.split())
    unfolded = re.split(rb"\r\n(?![ \t])", raw.split(b"\r\n\r\n")[0])
    return b"".join(line + b"\r\n" for line in unfolded if line.lower().startswith(wanted)) + b"\r\n"


def uid_set(text: bytes, box: Box) -> set[int]:
    """Return which UIDs of a folder a set names; "*" is the last one."""
    last = max((mail.uid for mail in box.mails), default=0)
    named: set[int] = set()
    for piece in text.split(b","):
        first, *rest = [last if end == b"*" else int(end) for end in piece.split(b":")]
        low, high = sorted((first, rest[0] if rest else first))
        named |= {mail.uid for mail in box.mails if low <= mail.uid <= high}
    return named


def _login(session: Session, args: list[bytes]) -> None:
    right = args[-1] == session.server.password.encode()
    session.done(b"OK in" if right else b"NO [AUTHENTICATIONFAILED] no")


def _capability(session: Session, _: list[bytes]) -> None:
    session.say(b"* CAPABILITY ", session.server.capabilities, b"\r\n")
    session.done()


def _list(session: Session, args: list[bytes]) -> None:
    with_status = b"STATUS" in b" ".join(args)
    for name, box in session.server.folders.items():
        session.say(b'* LIST (%s) "/" "%s"\r\n' % (box.attributes, name.encode()))
        if with_status and b"\\Noselect" not in box.attributes:
            session.say(status_line(name.encode(), box))
    session.done()


def status_line(name: bytes, box: Box) -> bytes:
    """Return what STATUS says of a folder."""
    numbers = (name, len(box.mails), box.uidnext, box.uidvalidity)
    return b'* STATUS "%s" (MESSAGES %d UIDNEXT %d UIDVALIDITY %d)\r\n' % numbers


def _there(session: Session, name: bytes) -> Box | None:
    """Return a folder that can be opened; refuse what is none."""
    box = session.server.folders.get(name.decode())
    if box is None or b"\\Noselect" in box.attributes:
        session.done(b"NO [NONEXISTENT] no such folder" if box is None else b"NO it holds no messages")
        return None
    return box


def _status(session: Session, args: list[bytes]) -> None:
    if box := _there(session, args[0]):
        session.say(status_line(args[0], box))
        session.done()


def _open(session: Session, args: list[bytes], mode: bytes) -> None:
    box = _there(session, args[0])
    if box is None:
        return
    session.selected, session.opened = args[0].decode(), list(box.mails)
    numbers = (len(box.mails), box.uidvalidity, box.uidnext)
    session.say(b"* %d EXISTS\r\n* OK [UIDVALIDITY %d] .\r\n* OK [UIDNEXT %d] .\r\n" % numbers)
    session.done(b"OK [%s] open" % mode)


def _search(session: Session, args: list[bytes]) -> None:
    if args[0].upper() == b"DELETED":
        session.say(b"* SEARCH", *(b" %d" % m.uid for m in session.box.mails if "\\Deleted" in m.flags), b"\r\n")
        session.done()
        return
    sizes = [(int(low), int(high)) for low, high in _SIZE.findall(b" ".join(args))]
    found = uid_set(args[1], session.box) if not sizes else set()
    found |= {m.uid for m in session.box.mails if any(low < len(m.raw) < high for low, high in sizes)}
    session.say(b"* SEARCH", *(b" %d" % uid for uid in sorted(found)), b"\r\n")
    session.done()


def _fetch(session: Session, args: list[bytes]) -> None:
    named, items = uid_set(args[0], session.box), b" ".join(args[1:]).upper()
    for number, mail in enumerate(session.box.mails, start=1):
        if mail.uid in named:
            session.say(session.fetch_data(number, mail, items))
    session.done()


def _fetch_by_number(session: Session, args: list[bytes]) -> None:
    """Tell the last flags of what was expunged since, as servers may (RFC 2180 section 4.1.2)."""
    numbered = Box(mails=[Mail(n, b"") for n in range(1, len(session.opened) + 1)])
    for number in sorted(uid_set(args[0], numbered)):
        session.say(session.fetch_data(number, session.opened[number - 1], b" ".join(args[1:]).upper()))
    session.done()


def _relocating(keep: bool) -> Callable[[Session, list[bytes]], None]:
    def handle(session: Session, args: list[bytes]) -> None:
        if args[1].decode() not in session.server.folders:
            session.done(b"NO [TRYCREATE] no such folder")
            return
        code = session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=keep)
        if keep:
            session.done(b"OK %s done" % code)
        else:
            session.say(b"* OK %s moved\r\n" % code)
            session.done()

    return handle


def _store(session: Session, args: list[bytes]) -> None:
    sign, flags = args[-2].decode()[0], set(args[-1].decode("latin-1").strip("()").split())
    for mail in session.box.named(uid_set(args[0], session.box)):
        mail.flags = mail.flags | flags if sign == "+" else mail.flags - flags
    session.done()


def _enable(session: Session, args: list[bytes]) -> None:
    session.say(b"* ENABLED ", b" ".join(args), b"\r\n")
    session.done()


def _expunge(session: Session, args: list[bytes]) -> None:
    named = uid_set(args[0], session.box)
    session.box.mails = [m for m in session.box.mails if not (m.uid in named and "\\Deleted" in m.flags)]
    session.done()


def _create(session: Session, args: list[bytes]) -> None:
    exists = args[0].decode() in session.server.folders
    session.server.folders.setdefault(args[0].decode(), Box(uidvalidity=11))
    session.done(b"NO [ALREADYEXISTS] it is there" if exists else b"OK created")


def _append(session: Session, args: list[bytes]) -> None:
    box = session.server.folders[args[0].decode()]
    when = args[2] if len(args) > 3 else None
    uid = box.add(args[-1], set(args[1].decode("latin-1").strip("()").split()), when)
    session.done(b"OK [APPENDUID %d %d] done" % (box.uidvalidity, uid))


def _logout(session: Session, _: list[bytes]) -> None:
    session.say(b"* BYE bye\r\n")
    session.done()
    session.hang_up()


_HANDLERS: dict[str, Callable[[Session, list[bytes]], None]] = {
    "LOGIN": _login,
    "CAPABILITY": _capability,
    "LIST": _list,
    "STATUS": _status,
    "SELECT": lambda session, args: _open(session, args, b"READ-WRITE"),
    "EXAMINE": lambda session, args: _open(session, args, b"READ-ONLY"),
    "UID SEARCH": _search,
    "UID FETCH": _fetch,
    "FETCH": _fetch_by_number,
    "UID MOVE": _relocating(keep=False),
    "UID COPY": _relocating(keep=True),
    "UID STORE": _store,
    "UID EXPUNGE": _expunge,
    "CREATE": _create,
    "ENABLE": _enable,
    "APPEND": _append,
    "LOGOUT": _logout,
} | dict.fromkeys(("NOOP", "SUBSCRIBE", "UNSELECT"), lambda session, _: session.done())  # fmt: skip


# --- lies ----------------------------------------------------------------------------------------------------------


def says(command: str, *lines: bytes, then: bytes | None = b"OK done") -> Lie:
    """Answer a command with these lines and nothing done. `then` None hangs up after them."""

    def lie(session: Session, name: str, _: list[bytes]) -> bool:
        if name != command:
            return False
        session.say(*lines)
        if then is None:
            session.hang_up()
        session.done(then or b"")
        return True

    return lie


def once(command: str, then: bytes) -> Lie:
    """Answer a command with this the first time, and obey it from then on."""
    told: list[bytes] = []

    def lie(session: Session, name: str, _: list[bytes]) -> bool:
        if name != command or told:
            return False
        told.append(then)
        session.done(then)
        return True

    return lie


def chatters(command: str, *lines: bytes) -> Lie:
    """Send untagged lines that nobody asked for, then obey."""

    def lie(session: Session, name: str, _: list[bytes]) -> bool:
        if name == command:
            session.say(*lines)
        return False

    return lie


def moves_half(session: Session, name: str, args: list[bytes]) -> bool:
    """Obey a MOVE for every second message only and say OK without COPYUID."""
    if name != "UID MOVE":
        return False
    uids = sorted(uid_set(args[0], session.box))[::2]
    session.relocate(set(uids), args[1].decode(), keep=False)
    session.done()
    return True


def swaps_copyuids(session: Session, name: str, args: list[bytes]) -> bool:
    """Obey a MOVE and tell the new UIDs in the wrong order."""
    if name != "UID MOVE":
        return False
    code = session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
    validity, before, after = code.strip(b"[]").split()[1:]
    turned = b",".join(reversed(after.split(b",")))
    session.say(b"* OK [COPYUID %s %s %s] moved\r\n" % (validity, before, turned))
    session.done()
    return True


def moves_and_malforms(session: Session, name: str, args: list[bytes]) -> bool:
    """Obey a MOVE and answer like Exchange 2013: the response code stands where no response code may."""
    if name != "UID MOVE":
        return False
    code = session.relocate(uid_set(args[0], session.box), args[1].decode(), keep=False)
    session.say(b"* ", code, b"\r\n")
    session.done()
    return True


def flips_uidvalidity_at_select(session: Session, name: str, _: list[bytes]) -> bool:
    """Renumber the Inbox between the plan and the move."""
    if name == "SELECT":
        box = session.server.folders["INBOX"]
        box.uidvalidity += 1
        for mail in box.mails:
            mail.uid, box.uidnext = box.uidnext, box.uidnext + 1
    return False


def floods(command: str, line: bytes = b"* OK still here\r\n") -> Lie:
    """Answer a command with the same line for ever."""

    def lie(session: Session, name: str, _: list[bytes]) -> bool:
        while name == command:
            session.say(line * 1000)
        return False

    return lie


def sleeps(command: str, seconds: float) -> Lie:
    """Take a long time over a command."""

    def lie(session: Session, name: str, _: list[bytes]) -> bool:
        if name == command:
            time.sleep(seconds)
        return False

    return lie


@contextlib.contextmanager
def lying_server(
    *lies: Lie, capabilities: bytes = CAPABILITIES, greeting: bytes = b"* OK ready\r\n"
) -> Iterator[LyingServer]:
    """Yield a running server with an empty INBOX and Sent; the password is tests.servers.running.PASSWORD."""
    server = LyingServer(*lies, capabilities=capabilities, greeting=greeting)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.close()
