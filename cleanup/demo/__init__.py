"""The demonstration: an IMAP server in this process, Anna Berg's mailbox in it, and the real job run against it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path

from cleanup.access import account_of
from cleanup.config import MailboxSettings
from cleanup.connector.account import Account
from cleanup.connector.archive import read_archive
from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import open_mailbox
from cleanup.demo.embedded_server import embedded_server
from cleanup.errors import CleanupError
from cleanup.jobs.idle_check import Look
from cleanup.jobs.result import Done
from cleanup.jobs.run import look_at, run_mailbox
from cleanup.progress import Progress, unseen
from cleanup.report.digest import RUN_FIELD

OWNER = "anna.berg@example.org"
PASSWORD = "anna"  # noqa: S105 - of the made-up mailbox, on loopback only
OUTBOUND = ("out1.example.org", "192.0.2.10")
LAST_DAY = datetime(2026, 10, 20, tzinfo=UTC)  # the day after Anna's last message: "now" in her mailbox


@dataclass(frozen=True, slots=True)
class Truth:
    """What an Inbox message is; verdict is "" for ordinary mail."""

    what: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Verdicts against the truth: counts by (true verdict, said verdict); and what truly lies in the folder now."""

    counts: tuple[tuple[str, str, int], ...]
    filed: int
    wrongly_filed: int  # messages in the backscatter folder that are no backscatter

    @property
    def right(self) -> int:
        """How many verdicts are the true ones."""
        return sum(n for true, said, n in self.counts if true == said)

    @property
    def total(self) -> int:
        """How many messages were compared."""
        return sum(n for _, _, n in self.counts)


@dataclass(frozen=True, slots=True)
class Demo:
    """Anna's mailbox on a running server, and how to reach it."""

    settings: MailboxSettings
    account: Account
    truth: dict[str, Truth]

    def scan(self, progress: Progress = unseen) -> Look:
        """Return what a dry run finds."""
        return look_at(self.account, self.settings, now=LAST_DAY, progress=progress)

    def run(self, progress: Progress = unseen, *, full: bool = False) -> Done:
        """File what is found, as `mailbox-cleanup run --yes` does; `full` reads again what an earlier run read."""
        return run_mailbox(
            self.account, self.settings, now=LAST_DAY, agreed=lambda _: True, progress=progress, full=full
        )

    def filed(self) -> list[str]:
        """Return the Message-IDs of what lies in the backscatter folder, as the server shows it, digests aside."""
        with open_mailbox(self.account, read_only=True) as mailbox:
            if self.settings.target not in {folder.name for folder in mailbox.folders()}:
                return []
            chunks = list(mailbox.pull_headers(self.settings.target, ("Message-ID", RUN_FIELD)))
        headers = [HeaderParser().parsestr(one.fields.decode("ascii")) for chunk in chunks for one in chunk]
        return [header["Message-ID"].strip("<> ") for header in headers if RUN_FIELD not in header]


@contextmanager
def anna_on_a_server(ledger: Path, *, port: int = 0, progress: Progress = unseen) -> Iterator[Demo]:
    """Yield Anna's mailbox on an embedded server that runs until the end of the block.

    Raises UsageError where pymap (extra `demo`) is missing, CannotConnect where the port is taken.
    """
    folder = sample_folder()
    with embedded_server({"anna": PASSWORD}, port=port) as server:
        settings = settings_for_demo(server.port, ledger)
        account = replace(account_of(settings, ask=lambda _: PASSWORD), credential=from_text(PASSWORD))
        with open_mailbox(account) as mailbox:
            for archive, target in (("Inbox.mbox", "INBOX"), ("Sent.mbox", "Sent")):
                messages = list(read_archive(folder / archive))
                for done, message in enumerate(messages, start=1):
                    mailbox.append(target, message.raw, (), message.arrived or LAST_DAY)
                    progress(f"Loading {target}", done, len(messages))
        yield Demo(settings, account, read_truth(folder))


def sample_folder() -> Path:
    """Return where Anna's mailbox lies: in the installed package, or in the checkout beside it."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "sample_data", here.parent / "sample_data"):
        if (folder / "mailboxes" / "anna" / "truth.csv").exists():
            return folder / "mailboxes" / "anna"
    raise CleanupError("The sample mailbox is not installed", hint="Install mailbox-cleanup again")


def read_truth(folder: Path) -> dict[str, Truth]:
    """Return the truth by the Message-ID of each Inbox message."""
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["message_id"]: Truth(row["what"], row["verdict"]) for row in csv.DictReader(file)}


def compare(look: Look, filed: Collection[str], truth: dict[str, Truth]) -> Comparison:
    """Return how the verdicts, ordinary mail included, and the ids in the backscatter folder compare with the truth."""
    said = {j.notice.message_id: j.finding.verdict.value for j in look.judged}
    counts = Counter((t.verdict or "ordinary", said.get(mid, "ordinary")) for mid, t in truth.items())
    wrong = [mid for mid in filed if mid not in truth or truth[mid].verdict != "backscatter"]
    return Comparison(tuple((true, word, n) for (true, word), n in sorted(counts.items())), len(filed), len(wrong))


def settings_for_demo(port: int, ledger: Path) -> MailboxSettings:
    """Return the settings of Anna's mailbox on the embedded server; nobody's environment or file plays in."""
    return MailboxSettings.model_construct(
        address=OWNER,
        host="127.0.0.1",
        port=port,
        security="plain",
        username="anna",
        ledger=str(ledger),
    )
