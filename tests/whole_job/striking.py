"""Strikes at a whole run: kill -9, signals, broken connections and full disks, and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cleanup.demo import OWNER
from tests.cli.command import PROGRAM, Ended
from tests.faults.points import Outcome
from tests.servers.faultproxy import Fault, fault_proxy
from tests.whole_job.job import RULES, Job, Mailbox, Template

SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "interrupt": signal.SIGINT}
LATE_S = 0.3  # how long a command or its answer is held back while its sender dies
DOCUMENTED = (0, 1, 3, 10, 14, 20, 130, 143, -signal.SIGKILL, -signal.SIGTERM)
BATCH = 100


@dataclass(frozen=True)
class Strike:
    """What goes wrong and when: before the nth `command` reaches the server, or in its answer.

    `what` is a signal's name or a kind of broken connection.
    """

    what: str
    command: str
    nth: int = 1
    after: bool = False

    @property
    def name(self) -> str:
        """A unique name, for the table of a sweep."""
        return f"whole job, {self.what} at {self.command} {self.nth} {'answered' if self.after else 'sent'}"

    @property
    def fault(self) -> Fault:
        """What the proxy has to do."""
        if self.what in SIGNALS:
            return Fault("delay", self.command, self.nth, in_answer=self.after, seconds=LATE_S)
        return Fault(self.what, self.command, self.nth, in_answer=self.after, at_byte=9)  # type: ignore[arg-type]


class Stricken:
    """A server's template, and the state that an undisturbed run leaves there."""

    def __init__(self, template: Template, folder: Path) -> None:
        self.template = template
        self._folder = folder
        self._number = 0

    @cached_property
    def commands(self) -> list[str]:
        """The commands of an undisturbed run, in order."""
        job = self.fresh()
        with fault_proxy(job.account.real_port) as proxy:
            assert job.run(port=proxy.port).code == 0
            return proxy.commands

    @cached_property
    def before(self) -> Mailbox:
        """What the mailbox holds before a run."""
        return self.fresh().mailbox()

    @cached_property
    def expected(self) -> Mailbox:
        """What an undisturbed run leaves."""
        job = self.fresh()
        assert job.run().code == 0
        return job.mailbox()

    def fresh(self) -> Job:
        """Return a job on a new copy of the mailbox, with a new ledger."""
        self._number += 1
        return self.template.job(self._folder / f"{self._number}.sqlite")

    def by_wire(self, strike: Strike) -> Outcome:
        """Strike a run through the proxy; return how it ended and what a clean run made of it."""
        job = self.fresh()
        with fault_proxy(job.account.real_port, strike.fault) as proxy:
            process = job.start("run", OWNER, "--yes", *RULES, port=proxy.port)
            if strike.what in SIGNALS:
                proxy.on_strike = lambda: os.kill(process.pid, SIGNALS[strike.what])
            ended = job.end(process)
            if not proxy.struck:
                return Outcome(strike.name, "not reached")
        return self.judge(job, strike.name, ended)

    def by_disk(self, blocks: int) -> Outcome:
        """Let no file grow beyond `blocks` KiB; a full disk looks like that to SQLite."""
        job = self.fresh()
        limit = ("bash", "-c", f'ulimit -f {blocks}; exec "$@"', "-", PROGRAM)
        words, environment = job.command("run", OWNER, "--yes", *RULES)
        done = subprocess.run([*limit, *words], env=environment, capture_output=True, timeout=300, check=False)
        ended = job.checked(Ended(done.returncode, done.stdout.decode(), done.stderr.decode()))
        return self.judge(job, f"whole job, disk full at {blocks} KiB", ended)

    def judge(self, job: Job, point: str, ended: Ended) -> Outcome:
        """Look at the mailbox after the strike, run once undisturbed, and look again."""
        if ended.code not in DOCUMENTED:
            return Outcome(point, "WRONG CODE", f"{ended.code} {ended.err}")
        if bad := self._harm(job.mailbox()):
            return Outcome(point, *bad)
        again = job.run()
        if again.code != 0:
            return Outcome(point, "NOT CLEAN", f"{again.code} {again.err} after {ended}")
        if job.mailbox() != self.expected:
            return Outcome(point, "WRONG END", str({name: len(m) for name, m in job.mailbox().items()}))
        return Outcome(point, "ok", f"exit code {ended.code}")

    def _harm(self, now: Mailbox) -> tuple[str, str] | None:
        """Return what is lost, doubled or altered; a batch may be in both folders where there is no MOVE."""
        before = Counter(_parts(self.before))
        there = Counter(_parts(now))
        if lost := before - there:
            return "LOST", str(list(lost)[:1])[:200]
        doubles = sum((there - before).values())
        allowed = BATCH if "without" in self.template.server.name else 0
        return ("DOUBLED", str(doubles)) if doubles > allowed else None


def _parts(mailbox: Mailbox) -> list[tuple[bytes, frozenset[str], object]]:
    return [(raw, flags - {"\\Deleted"}, when) for all_of in mailbox.values() for raw, flags, when in all_of]
