"""An owner who works in his mailbox meanwhile: a second connection that flags, moves, deletes and expunges."""

from __future__ import annotations

import contextlib
import imaplib
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field

from cleanup.connector.account import Account
from cleanup.connector.mailbox import open_mailbox
from tests.report.filing.on_server import Whole, whole

ARCHIVE = "Archive"
_UID = re.compile(rb"UID (\d+)")
_SUBJECT = re.compile(rb"Undelivered (\d+)")


@dataclass
class Owner:
    """One owner with a seed. What the server confirmed to him is kept: by it the end is judged.

    What it did not confirm (the message was gone when it answered) may have been done or not: either is right.
    """

    account: Account
    chance: random.Random
    flags: dict[int, frozenset[str]] = field(default_factory=dict)  # by message number
    either: dict[int, set[str]] = field(default_factory=dict)  # flags of which he was told nothing
    marked: set[int] = field(default_factory=set)  # what he wanted to be deleted
    acts: Counter[str] = field(default_factory=Counter)
    moved: Counter[int] = field(default_factory=Counter)  # how often he moved each message

    def work(self, count: int) -> None:
        """Do `count` things, one after the other, with short pauses."""
        with contextlib.closing(_Hand(self.account)) as hand:
            for _ in range(count):
                act = self.chance.choice(("flag", "unsee", "keyword", "move", "delete", "expunge", "back"))
                if self._do(hand, act):
                    self.acts[act] += 1
                time.sleep(self.chance.random() * 0.02)

    def do(self, act: str, number: int) -> None:
        """Do one thing with one message, where it is there to be done with."""
        with contextlib.closing(_Hand(self.account)) as hand:
            if hand.select("Backscatter" if act == "back" else "INBOX"):
                for uid, known in hand.numbers.items():
                    if known == number:
                        self._change(hand, act, uid)
                        return

    def _do(self, hand: _Hand, act: str) -> bool:
        """Return whether it had an effect."""
        folder = "Backscatter" if act == "back" else "INBOX"
        if not hand.select(folder) or not hand.numbers:
            return False
        uid = self.chance.choice(sorted(hand.numbers))
        return self._change(hand, act, uid)

    def _change(self, hand: _Hand, act: str, uid: int) -> bool:
        number = hand.numbers[uid]
        if act in ("move", "back"):
            self.moved[number] += 1
            return hand.move(uid, ARCHIVE if act == "move" else "INBOX")
        if act == "copy":
            self.moved[number] += 1  # it may be there twice from now on
            return hand.copy(uid, ARCHIVE)
        if act == "expunge":
            return hand.expunge()
        if act == "delete":
            done = hand.store(uid, "+FLAGS", "\\Deleted")
            self.marked.add(number)
            return done and hand.expunge(uid)
        sign, flag = {"flag": ("+", "\\Flagged"), "unsee": ("-", "\\Seen"), "keyword": ("+", "Later")}[act]
        doubtful = self.either.setdefault(number, set())
        if not hand.store(uid, f"{sign}FLAGS", flag):
            doubtful.add(flag)
            return False
        doubtful.discard(flag)
        known = self.flags[number]
        self.flags[number] = known | {flag} if sign == "+" else known - {flag}
        return True


class _Hand:
    """imaplib, and which message has which UID in the selected folder."""

    def __init__(self, account: Account) -> None:
        self._imap = imaplib.IMAP4("127.0.0.1", account.real_port)
        self._imap.login(account.username, account.credential.read())
        self.numbers: dict[int, int] = {}

    def select(self, folder: str) -> bool:
        """Open a folder and learn its messages."""
        if self._imap.select(folder)[0] != "OK":
            return False
        _, data = self._imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found = [(_UID.search(one[0]), _SUBJECT.search(one[1])) for one in data if isinstance(one, tuple)]
        self.numbers = {int(uid[1]): int(number[1]) for uid, number in found if uid and number}
        return True

    def store(self, uid: int, how: str, flag: str) -> bool:
        """Set or clear a flag; return whether the server confirms it."""
        _, data = self._imap.uid("STORE", str(uid), how, f"({flag})")
        return any(f"UID {uid} ".encode() in line or f"UID {uid})".encode() in line for line in data if line)

    def move(self, uid: int, folder: str) -> bool:
        """Move a message."""
        self._imap.create(folder)
        return self._imap.uid("MOVE", str(uid), folder)[0] == "OK"

    def copy(self, uid: int, folder: str) -> bool:
        """Copy a message."""
        self._imap.create(folder)
        return self._imap.uid("COPY", str(uid), folder)[0] == "OK"

    def expunge(self, uid: int | None = None) -> bool:
        """Expunge a message, or all that are marked."""
        answer = self._imap.expunge() if uid is None else self._imap.uid("EXPUNGE", str(uid))
        return answer[0] == "OK"

    def close(self) -> None:
        """Log out; what is marked stays marked."""
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self._imap.logout()


def everything(account: Account) -> dict[str, list[Whole]]:
    """Return all folders of a mailbox, whole."""
    with open_mailbox(account, read_only=True) as mailbox:
        return {folder.name: whole(mailbox, folder.name) for folder in mailbox.folders() if folder.selectable}


def number_of(one: Whole) -> int:
    """Return which of the test's messages it is."""
    match = _SUBJECT.search(one[0])
    assert match is not None
    return int(match[1])
