"""Writes the screens of docs/helpdesk.md from the commands themselves: python -m tests.house.screens

Anna's mailbox on the embedded server, a terminal of 80 columns without colours, judged as of the day after her last
message. What depends on the machine is evened out: the server's address, times, the versions of things.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from cleanup.demo import LAST_DAY, OWNER, PASSWORD, anna_on_a_server
from tests.cli.command import PROGRAM

FILE = Path(__file__).parents[2] / "docs" / "helpdesk.md"
COLUMNS, ROWS = 80, 60
_HOST = "--host imap.example.org"
_NOW = f"--now {LAST_DAY:%Y-%m-%d}"
# In this order: the mailbox is the same one all the time.
SESSION = (
    f"doctor {OWNER} {_HOST}",
    f"scan {OWNER} {_HOST}",
    f"run {OWNER} {_HOST}",
    f"explain {OWNER} 459 {_HOST}",
    f"undo last --mailbox {OWNER} {_HOST}",
)
_BLOCK = re.compile(
    r"^```console\n\$ mailbox-cleanup (?P<command>[^\n]*)\n(?P<output>.+?)^```$", re.MULTILINE | re.DOTALL
)
_OF_THE_MACHINE = ("configuration", "ledger", "host name", "connection", "encryption", "login")


def screens() -> dict[str, str]:
    """Return what each command of the session shows."""
    with tempfile.TemporaryDirectory() as folder, anna_on_a_server(Path(folder) / "unused.sqlite") as anna:
        reach = f"--ledger ledger.sqlite --host 127.0.0.1 --port {anna.account.port} --security plain --username anna"
        made: dict[str, str] = {}
        for command in SESSION:
            screen = _even(typed(_real(command, reach), Path(folder)), reach)
            made[command] = _without_repeating(screen, list(made.values()))
        return made


def shown(text: str) -> dict[str, str]:
    """Return the screens that the document shows, by command; a block with a command alone is none."""
    return {block["command"]: block["output"] for block in _BLOCK.finditer(text)}


def document(text: str, made: dict[str, str]) -> str:
    """Return the document with these screens."""

    def renewed(block: re.Match[str]) -> str:
        command = block["command"]
        return f"```console\n$ mailbox-cleanup {command}\n{made.get(command, block['output'])}```"

    return _BLOCK.sub(renewed, text)


# --- pieces --------------------------------------------------------------------------------------------------------


def _real(command: str, reach: str) -> list[str]:
    typed = command.replace(_HOST, reach)
    return shlex.split(typed if command.startswith("undo") else f"{typed} {_NOW}")


def typed(words: list[str], folder: Path, *, answer: str = "y", **environment: str) -> str:
    """Return what a terminal of 80 columns shows of a command; a question is answered with y, or otherwise."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    plain = {"TERM": "dumb", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(
        [str(PROGRAM), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "CLEANUP_PASSWORD": PASSWORD} | plain | environment,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    for some in _read(ours):
        seen += some
        if seen.endswith(b"[y/N] "):
            os.write(ours, f"{answer}\n".encode())
    os.close(ours)
    process.wait(60)
    return seen.decode().replace("\r\n", "\n")


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            some = os.read(terminal, 4096)
        except OSError:  # the program has ended
            return
        if not some:
            return
        yield some


def _even(text: str, reach: str) -> str:
    text = re.sub(r"(genuine  seconds\n.*?) +[\d.]+$", r"\1      1.2", text, flags=re.MULTILINE)
    lines = text.replace(f" {_NOW}", "").replace(reach, _HOST).splitlines()
    return "".join(f"{line.rstrip()}\n" for line in _without_the_machine(lines))


def _without_repeating(screen: str, earlier: list[str]) -> str:
    """Return the screen; paragraphs that it begins with just as an earlier one did become a line of dots."""
    paragraphs = screen.split("\n\n")
    same = max((_alike(paragraphs, one.split("\n\n")) for one in earlier), default=0)
    return "\n\n".join(["...", *paragraphs[same:]]) if same else screen


def _alike(some: list[str], others: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(some, others, strict=False)))


def _without_the_machine(lines: list[str]) -> Iterator[str]:
    """Yield the lines; of doctor's stages, those that only tell of the machine become one line of dots."""
    dropped = False
    for line in lines:
        stage = re.match(r"(?:ok|WARN)  +(\w+(?: \w+)?)  ", line)
        if stage is None and dropped and line.startswith(" "):
            continue
        was_dropped, dropped = dropped, stage is not None and stage[1] in _OF_THE_MACHINE
        if stage and stage[1] == "program":
            yield "ok     program           1 ms  Python 3.11"
            dropped = True
        elif not dropped:
            yield re.sub(r" *\d+ ms  ", lambda took: f"{'12 ms  ':>{len(took[0])}}", line) if stage else line
        elif not was_dropped or (stage and stage[1] == "configuration"):
            yield "..."


if __name__ == "__main__":
    FILE.write_text(document(FILE.read_text(encoding="utf-8"), screens()), encoding="utf-8")
