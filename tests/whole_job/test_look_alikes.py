"""Whatever looks like a bounce and is none stays in the Inbox, through the whole command and on a real server."""

from __future__ import annotations

from datetime import timedelta

from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OWNER
from tests.detector.samples import expected_of, sample_paths
from tests.whole_job.job import BACKSCATTER, Job

NO_BOUNCES = ("ordinary", "auto_reply", "challenge", "virus_notice", "mdn", "arf")


def no_bounces() -> list[bytes]:
    """The golden samples of everything but bounces, sent to Anna."""
    chosen = [sample for sample in sample_paths() if expected_of(sample)["kind"] in NO_BOUNCES]
    raws = (sample.read_bytes().replace(b"anna@example.org", OWNER.encode()) for sample in chosen)
    return [raw for raw in raws if b"\0" not in raw and not raw.startswith(b"\xef\xbb\xbf")]


def test_nothing_but_bounces_is_filed(job: Job) -> None:
    added = no_bounces()
    with open_mailbox(job.account) as mailbox:
        for raw in added:
            mailbox.append("INBOX", raw, (), LAST_DAY - timedelta(hours=2))
    before = {raw for raw, *_ in job.mailbox()["INBOX"]}

    ended = job.run()

    after = job.mailbox()
    assert ended.code == 0, ended
    assert len(after["Backscatter"]) == BACKSCATTER
    assert len(before) - len({raw for raw, *_ in after["INBOX"]}) == BACKSCATTER
    assert len(added) > 150
