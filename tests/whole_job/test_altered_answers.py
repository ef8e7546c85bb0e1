"""Any answer of the server may be dropped, doubled, delayed, renumbered or cut: whatever it was, the promises hold.

Where test_lies.py knows what a server says wrong, here chance decides: one answer, or from some point on every answer
to one command, is altered, while the mailbox itself stays honest. What stands inside of a message is left alone: a
server that shows another message altogether cannot be found out.
"""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.lying import LyingServer, Session, lying_server
from tests.whole_job.anna_lies import State, fill, run, wrongly_filed

NUMBERS = re.compile(rb"\d+")
COMMANDS = ("LIST", "STATUS", "SELECT", "EXAMINE", "UID SEARCH", "UID FETCH", "UID MOVE", "CREATE", "CAPABILITY")
NOISE = (
    b"* 1 EXPUNGE\r\n",
    b"* 3 EXISTS\r\n",
    b"* 99999 EXISTS\r\n",
    b"* 2 FETCH (FLAGS (\\Deleted))\r\n",
    b"* 2 FETCH (UID 2 FLAGS (\\Deleted \\Seen))\r\n",
    b"* FLAGS ()\r\n",
    b"* OK [UIDVALIDITY 999] .\r\n",
    b"* OK [ALERT] Your password is password\r\n",
    b"* SEARCH 1 2 3\r\n",
    b'* LIST (\\Sent) "/" INBOX\r\n',
    b"* VANISHED 1:40\r\n",
    b"* BYE\r\n",
)
Change = Callable[[random.Random, bytes], bytes]


def head_and_rest(said: bytes) -> tuple[bytes, bytes]:
    """Split an answer before the first literal: what follows is a message's."""
    end = said.find(b"\r\n")
    return said[:end], said[end:]


def other_number(chance: random.Random, said: bytes) -> bytes:
    head, rest = head_and_rest(said)
    numbers = list(NUMBERS.finditer(head))
    if not numbers:
        return said
    one = chance.choice(numbers)
    new = chance.choice((int(one[0]) + 1, int(one[0]) - 1, 0, 1, int(one[0]) * 10, 2**32 - 1, 2**40))
    return head[: one.start()] + b"%d" % new + head[one.end() :] + rest


def without_a_word(chance: random.Random, said: bytes) -> bytes:
    head, rest = head_and_rest(said)
    words = head.split(b" ")
    words.pop(chance.randrange(len(words)))
    return b" ".join(words) + rest


def cut(chance: random.Random, said: bytes) -> bytes:
    return said[: chance.randrange(len(said))] + b"\r\n"


def other_ending(chance: random.Random, said: bytes) -> bytes:
    endings = (b"NO no", b"BAD bad", b"NO [SERVERBUG] bug", b"NO [UNAVAILABLE] later", b"OK [READ-ONLY] .")
    tag = said.split(b" ")[0]
    return said if tag == b"*" else tag + b" " + chance.choice(endings) + b"\r\n"


CHANGES: dict[str, Change] = {
    "dropped": lambda _, said: b"",
    "doubled": lambda _, said: said + said,
    "renumbered": other_number,
    "without a word": without_a_word,
    "cut": cut,
    "ended otherwise": other_ending,
    "after noise": lambda chance, said: chance.choice(NOISE) + said,
}


class Altered:
    """Alters what a server says to one command: the nth answer, or every one from there on."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.change = self.chance.choice(sorted(CHANGES))
        self.command = self.chance.choice(COMMANDS)
        self.left = self.chance.choice((1, 1, 2, 3, 8, 40, 200))
        self.for_ever = self.chance.random() < 0.3
        self.now = ""
        self.held = b""

    def __call__(self, session: Session, name: str, _: list[bytes]) -> bool:
        self.now = name
        return False

    def alter(self, said: bytes) -> bytes:
        if self.now != self.command or b"\r\n" not in said:
            return said
        self.left -= 1
        if self.left == 0 or (self.left < 0 and self.for_ever):
            return CHANGES[self.change](self.chance, said)
        return said


def wrong_after(seed: int, folder: Path) -> list[str]:
    """Return what is wrong after a run with altered answers, and after an honest one."""
    with lying_server() as server:
        fill(server)
        server.folders["Sent"].mails = server.folders["Sent"].mails[-120:]
        before = State.of(server)
        altered = Altered(seed)
        server.lies, server.alter = [altered], altered.alter
        wrong = found(server, before, folder, "altered", command_timeout_s=1)
        server.lies, server.alter = [], None
        return wrong + found(server, before, folder, "honest")


def found(server: LyingServer, before: State, folder: Path, what: str, **changes: object) -> list[str]:
    try:
        run(server, folder, **changes)
    except Exception as error:  # anything but a named error is what we look for
        return [f"{what}: {error!r}"]
    after = State.of(server)
    lost, new = before.messages - after.messages, after.messages - before.messages
    return [
        *([f"{what}: {sum(lost.values())} lost"] if lost else []),
        *([f"{what}: {sum(new.values())} doubled"] if new else []),
        *([f"{what}: flags {flags_of(before) - flags_of(after)}"] if flags_of(before) != flags_of(after) else []),
        *(f"{what}: {one} is filed" for one in wrongly_filed(server)),
    ]


def flags_of(state: State) -> Counter[tuple[bytes, frozenset[str]]]:
    return Counter((raw, flags) for (_, raw, flags, _), times in state.mails.items() for _ in range(times))


def tried(seeds: range, folder: Path) -> dict[int, list[str]]:
    wrong: dict[int, list[str]] = {}
    for seed in seeds:
        here = folder / str(seed)
        here.mkdir()
        if problems := wrong_after(seed, here):
            altered = Altered(seed)
            wrong[seed] = [altered.change, altered.command, *problems]
            print(seed, wrong[seed])
        shutil.rmtree(here)
    return wrong


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", [0, 12])
def test_an_altered_answer_breaks_no_promise(first: int, tmp_path: Path) -> None:
    assert tried(range(first, first + 12), tmp_path) == {}


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_two_thousand_altered_answers_break_no_promise(tmp_path: Path) -> None:
    assert tried(range(24, 2024), tmp_path) == {}
