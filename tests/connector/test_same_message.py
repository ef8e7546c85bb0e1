"""A body is believed only where it is that of the message whose header was pulled; real servers always pass."""

from __future__ import annotations

from pathlib import Path

from cleanup.connector.mailbox import open_mailbox
from cleanup.connector.pull import FINGERPRINT_FIELDS, fingerprint_of, is_of
from cleanup.detector.header import header_block
from tests.servers.running import RunningServer

NOTICES = sorted((Path(__file__).parents[2] / "sample_data" / "notices").glob("*.eml"))


def test_every_sample_notice_is_the_message_whose_header_was_pulled(server: RunningServer) -> None:
    raw = [file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for file in NOTICES[::2]]
    with open_mailbox(server.new_account()) as mailbox:
        for one in raw:
            mailbox.append("INBOX", one)
        pulled = {one.ref.uid: one for chunk in mailbox.pull_headers("INBOX", FINGERPRINT_FIELDS) for one in chunk}
        bodies = dict(mailbox.pull_bodies("INBOX", sorted(pulled)))

    assert len(bodies) == len(raw)
    others = [uid for uid, body in bodies.items() if not is_of(fingerprint_of(pulled[uid]), body)]
    assert others == []
    first, second = sorted(bodies)[:2]
    assert not is_of(fingerprint_of(pulled[first]), bodies[second])


def test_the_header_ends_at_the_first_empty_line() -> None:
    assert header_block(b"A: 1\r\nB: 2\r\n\r\nbody\n\n") == b"A: 1\r\nB: 2\r\n"
    assert header_block(b"A: 1\nB: 2\n\nbody\r\n\r\n") == b"A: 1\nB: 2\n"
    assert header_block(b"A: 1\r\n\nbody") == b"A: 1\r\n"
    assert header_block(b"A: 1") == b"A: 1"
