"""Anna's mailbox on any server of the tests, and the real command against it, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cleanup.connector.account import Account
from cleanup.connector.archive import read_archive
from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OUTBOUND, OWNER
from cleanup.report.digest import RUN_FIELD
from tests.cli.command import ANNA, PROGRAM, Ended, Started
from tests.report.filing.on_server import FLAGS, Whole, whole
from tests.servers.running import RunningServer

BACKSCATTER = 72  # of Anna's 447 messages
RULES = ("--outbound-host", OUTBOUND[1], "--now", f"{LAST_DAY:%Y-%m-%d}")
CHANGING = {"SELECT", "CREATE", "SUBSCRIBE", "APPEND", "UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE", "DELETE",
            "RENAME", "STORE", "MOVE", "COPY", "EXPUNGE", "CLOSE", "SETACL", "SETQUOTA"}  # fmt: skip
Mailbox = dict[str, list[Whole]]  # by folder


@dataclass(frozen=True)
class Job:
    """One mailbox of Anna's and the commands that reach it."""

    account: Account
    ledger: Path

    def run(self, *options: object, port: int | None = None) -> Ended:
        """Run `mailbox-cleanup run --yes` to its end."""
        return self.end(self.start("run", OWNER, "--yes", *RULES, *options, port=port))

    def scan(self, *options: object, port: int | None = None) -> Ended:
        """Run `mailbox-cleanup scan` to its end."""
        return self.end(self.start("scan", OWNER, *RULES, *options, port=port))

    def undo(self, *options: object, port: int | None = None) -> Ended:
        """Run `mailbox-cleanup undo last --yes` to its end."""
        return self.end(self.start("undo", "last", "--mailbox", OWNER, "--yes", *options, port=port))

    def command(self, *words: object, port: int | None = None) -> tuple[list[str], dict[str, str]]:
        """Return all words of a command without the program, and its environment. `port` is that of a proxy."""
        reach = ("--host", self.account.host, "--port", port or self.account.real_port, "--security", "plain",
                 "--username", self.account.username, "--ledger", self.ledger)  # fmt: skip
        environment = {**os.environ, "NO_COLOR": "1", "CLEANUP_PASSWORD": self.account.credential.read()}
        return [*map(str, (*words, *reach))], environment

    def start(self, *words: object, port: int | None = None) -> Started:
        """Start a command."""
        given, environment = self.command(*words, port=port)
        return Started([str(PROGRAM), *given], environment)

    def end(self, started: Started) -> Ended:
        """Wait for a command; return how it ended."""
        return self.checked(started.end(timeout_s=300))

    def checked(self, ended: Ended) -> Ended:
        """Return how a command ended. What no command may ever do is asserted here."""
        assert "Traceback" not in ended.err, ended.err
        assert self.account.credential.read() not in ended.out + ended.err
        return ended

    def mailbox(self) -> Mailbox:
        """Return everything in the mailbox but the digests; empty folders are left out."""
        with open_mailbox(self.account, read_only=True) as mailbox:
            names = [folder.name for folder in mailbox.folders() if folder.selectable]
            found = {name: [one for one in whole(mailbox, name) if not is_digest(one)] for name in names}
        return {name: messages for name, messages in found.items() if messages}

    def digests(self) -> int:
        """Return how many digests lie in the backscatter folder."""
        with open_mailbox(self.account, read_only=True) as mailbox:
            mailbox.folders()
            return sum(map(is_digest, whole(mailbox, "Backscatter")))


def is_digest(one: Whole) -> bool:
    """Return whether a message is one of our own digests."""
    return RUN_FIELD.encode() in one[0][:2000]


def anna_on(server: RunningServer, ledger: Path) -> Job:
    """Return a job on a new user's mailbox that holds Anna's mail, with flags."""
    account = replace(server.new_account(), host="127.0.0.1", port=server.port, security="plain", ca_file=None)
    with open_mailbox(account) as mailbox:
        if all(folder.name != "Sent" for folder in mailbox.folders()):
            mailbox.create_folder("Sent")
        for archive, folder in (("Inbox.mbox", "INBOX"), ("Sent.mbox", "Sent")):
            for number, message in enumerate(read_archive(ANNA / archive)):
                raw = re.sub(rb"\r?\n", b"\r\n", message.raw) if server.name == "cyrus" else message.raw  # it is strict
                mailbox.append(folder, raw, FLAGS[number % len(FLAGS)], message.arrived or LAST_DAY)
    return Job(account, ledger)


class Template:
    """Anna's mailbox on a server, for each test anew; on a Dovecot it is copied: a second instead of five."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server

    @cached_property
    def _first(self) -> Job:
        return anna_on(self.server, Path("unused"))

    def job(self, ledger: Path) -> Job:
        """Return a job on a fresh mailbox."""
        if "dovecot" not in self.server.name:
            return anna_on(self.server, ledger)
        assert self.server.folder is not None
        account = replace(self._first.account, username=self.server.new_account().username)
        mail = self.server.folder / "mail"
        subprocess.run(["cp", "-a", mail / self._first.account.username, mail / account.username], check=True)
        return Job(account, ledger)
