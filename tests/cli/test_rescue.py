"""`rescue`: a genuine bounce in Junk is offered, moved back on request, and that can be undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cleanup.config import IdentitySettings, MailboxSettings
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.connector.pull import digest
from cleanup.demo import LAST_DAY, Demo
from cleanup.detector.rescue import Rescue
from cleanup.jobs.rescue import offer, rescue
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from tests.cli.command import Ended, cleanup
from tests.servers.anna import anna_on_a_server

OWNER = "anna.berg@example.org"


def _ids(mailbox: Mailbox, folder: str) -> list[str]:
    chunks = mailbox.pull_headers(folder, ("Message-ID",))
    return [digest(one.fields) for chunk in chunks for one in chunk]


def _put_away(demo: Demo) -> str:
    """Move one genuine bounce and one forged one to Junk, as a spam filter would; return the genuine one's digest."""
    judged = demo.scan().judged
    genuine = next(j for j in judged if j.finding.verdict.value == "genuine" and j.notice.kind.value == "ndr")
    forged = next(j for j in judged if j.finding.verdict.value == "backscatter")
    with open_mailbox(demo.account) as mailbox:
        if "Junk" not in {folder.name for folder in mailbox.folders()}:
            mailbox.create_folder("Junk")
        mailbox.select("INBOX")
        mailbox.move([genuine.ref.uid, forged.ref.uid], "Junk")
    return genuine.fingerprint.digest


def test_a_genuine_bounce_in_junk_is_offered_and_moved_back_on_request_only(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "unused.sqlite") as demo:
        digest = _put_away(demo)
        account = demo.account
        reach = (
            *("--host", account.host, "--port", account.port, "--security", "plain", "--username", "anna"),
            *("--ledger", tmp_path / "ledger.sqlite"),
        )

        def command(name: str, *options: object) -> Ended:
            return cleanup(name, *options, *reach, CLEANUP_PASSWORD="anna")

        rules = ("--outbound-host", "192.0.2.10", "--now", "2026-10-20")
        offered = command("rescue", OWNER, *rules)
        with open_mailbox(account, read_only=True) as mailbox:
            assert digest in _ids(mailbox, "Junk")
        moved = command("rescue", OWNER, *rules, "--move", "--yes")
        with open_mailbox(account, read_only=True) as mailbox:
            back, left = digest in _ids(mailbox, "INBOX"), len(_ids(mailbox, "Junk"))
        undone = command("undo", "last", "--mailbox", OWNER, "--yes")
        with open_mailbox(account, read_only=True) as mailbox:
            again = digest in _ids(mailbox, "Junk")

    assert (offered.code, offered.out.count("Junk")) == (0, 1)
    assert moved.code == 0
    assert moved.err.startswith("1 message moved to INBOX; to take it back: mailbox-cleanup undo 1 --ledger ")
    assert (back, left) == (True, 1)
    assert undone.code == 0, undone.err
    assert again


def told(demo: Demo) -> MailboxSettings:
    """Return the settings with the outbound host named: Junk is judged without what the Inbox teaches."""
    return demo.settings.model_copy(update={"identity": IdentitySettings(outbound_hosts=("192.0.2.10",))})


def test_sent_and_each_folder_are_read_once_for_the_offer_and_the_move(tmp_path: Path) -> None:
    read: Counter[str] = Counter()
    offers: list[int] = []

    def agreed(offered: Sequence[Rescue]) -> Sequence[Rescue]:
        offers.append(len(offered))
        return offered

    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        _put_away(demo)
        with open_mailbox(demo.account) as mailbox:
            mailbox.create_folder("Backscatter")  # a second folder to look through
        done = rescue(
            demo.account,
            told(demo),
            now=LAST_DAY,
            agreed=agreed,
            progress=lambda stage, at, total: read.update([stage] if at == total else []),
        )

    assert done is not None
    assert (done.moved, offers) == (1, [1])
    assert read["Reading Sent"] == 1


def test_nothing_that_was_not_agreed_to_is_moved_or_written_down(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        digest = _put_away(demo)
        done = rescue(demo.account, demo.settings, now=LAST_DAY, agreed=lambda _: (), progress=lambda *_: None)
        with open_mailbox(demo.account, read_only=True) as mailbox:
            assert digest in _ids(mailbox, "Junk")

    assert done is None
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.runs() == []


def test_what_a_person_called_backscatter_is_not_offered(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        digest = _put_away(demo)
        offered = offer(demo.account, told(demo), now=LAST_DAY, progress=lambda *_: None)
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            ledger.label(OWNER, digest, Verdict.BACKSCATTER, said_by="review")
        after = offer(demo.account, told(demo), now=LAST_DAY, progress=lambda *_: None)

    assert [one.judged.fingerprint.digest for one in offered] == [digest]
    assert after == ()
