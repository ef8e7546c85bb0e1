"""A Sieve rule's trial looks where the rule looks: at whole messages, undecoded. One genuine bounce forbids it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cleanup.connector.archive import read_archive
from cleanup.connector.mailbox import open_mailbox
from cleanup.detector.header import header_block
from cleanup.ledger import Ledger
from cleanup.report.summary.frames import Frames, load
from cleanup.report.summary.sieve import Campaign, Conditions, Trial, sieve_rule, try_on, try_out
from tests.cli.command import cleanup
from tests.report.summary.some_frames import fill, judged_mailbox
from tests.report.summary.test_sieve import MORNING

PARCEL = Campaign("your parcel # is waiting", ("your parcel", "is waiting at the depot"), 30, MORNING, MORNING)
RULE = Conditions(PARCEL.parts, ("out1.example.org",))
SUBJECT = b"Subject: Your PARCEL 17 is waiting at the depot\r\n"


@pytest.mark.parametrize(
    ("message", "held"),
    [
        (b"Subject: failure\r\n\r\nreturned:\r\n" + SUBJECT, True),
        (b"Subject: failure\n\nreturned:\n" + SUBJECT, True),
        (SUBJECT + b"\r\nThe words stand in its own header only.\r\n", False),
        (b"\r\nSubject: Your parcel 17 is waiting\r\n at the depot\r\n", False),  # folded
        (b"\r\nSubject: =?utf-8?q?Your_parcel_17_is_waiting_at_the_depot?=\r\n", False),  # encoded
        (b"\r\nReceived: from OUT1.example.org\r\n" + SUBJECT, False),
        (SUBJECT, False),  # no body
    ],
)
def test_a_rule_holds_for_what_stands_in_the_undecoded_body(message: bytes, held: bool) -> None:
    assert RULE.hold_for(message) is held


@pytest.fixture
def frames(tmp_path: Path) -> Frames:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        fill(ledger, judged_mailbox())
        return load(ledger)


def _digests(frames: Frames, verdict: str) -> list[str]:
    return frames.notices.loc[frames.notices["verdict"] == verdict, "digest"].tolist()


def test_words_that_the_ledger_does_not_keep_count_too_and_a_genuine_bounce_forbids_the_rule(frames: Frames) -> None:
    caught, other = b"\r\n\r\nreturned:\r\n" + SUBJECT, b"\r\n\r\nnothing of it\r\n"
    forged, genuine = _digests(frames, "backscatter"), _digests(frames, "genuine")
    messages = [*((digest, caught) for digest in (*forged[:3], genuine[0], "f" * 64)), (genuine[1], other)]

    (trial,) = try_on(messages, frames, [PARCEL])

    assert try_out(frames, PARCEL).genuine == 0
    assert trial == Trial(caught=5, backscatter=3, genuine=1, unsure=1, of=6)
    refused = sieve_rule(frames, PARCEL, now=MORNING, tried=trial)
    assert refused.text is None
    assert "of them 1 genuine and 1 unsure" in str(refused.refused)


def test_a_rule_that_would_catch_nothing_is_not_printed(frames: Frames) -> None:
    (trial,) = try_on([(_digests(frames, "backscatter")[0], b"\r\n\r\nfolded\r\n")], frames, [PARCEL])

    assert "no backscatter" in str(sieve_rule(frames, PARCEL, now=MORNING, tried=trial).refused)


def test_the_rule_says_what_it_was_tried_on(frames: Frames) -> None:
    text = sieve_rule(frames, PARCEL, now=MORNING, tried=Trial(4120, 4117, 0, 3, of=4500)).text

    assert text is not None
    assert "Tried on the 4,500 bounces in the mailbox, it would have caught 4,120 notices" in text.replace("\n# ", " ")


# --- the command, on the embedded server ---------------------------------------------------------------------------

MOMENT = "2026-10-14T06:00"


@contextmanager
def _anna(folder: Path, *, genuine_with_the_words: bool = False) -> Iterator[list[object]]:
    """Yield the command's arguments for Anna's mailbox after a run."""
    pytest.importorskip("pymap")
    from cleanup.demo import LAST_DAY, OWNER, PASSWORD, anna_on_a_server, sample_folder

    with anna_on_a_server(folder / "ledger.db") as demo:
        if genuine_with_the_words:
            genuine = next(name for name, truth in demo.truth.items() if truth.verdict == "genuine")
            inbox = read_archive(sample_folder() / "Inbox.mbox")
            raw = next(m.raw for m in inbox if genuine.encode() in header_block(m.raw))
            with open_mailbox(demo.account) as mailbox:
                again = raw.replace(b"Message-ID: <", b"Message-ID: <again-", 1)
                mailbox.append("INBOX", again + b"\r\n> your parcel is waiting\r\n", (), LAST_DAY)
        demo.run()
        os.environ["CLEANUP_PASSWORD"] = PASSWORD
        try:
            where = demo.account
            reach = ["--host", where.host, "--port", where.port, "--security", "plain", "--username", where.username]
            yield ["sieve", OWNER, *reach, "--ledger", folder / "ledger.db", "--now", MOMENT, "--quiet"]
        finally:
            del os.environ["CLEANUP_PASSWORD"]


def test_the_command_tries_the_rules_on_the_whole_mailbox(tmp_path: Path) -> None:
    with _anna(tmp_path) as command:
        tried, stored = cleanup(*command), cleanup(*command, "--stored")

    assert (tried.code, stored.code) == (0, 0)
    assert "Tried on the 92 bounces in the mailbox, it would have caught 22 notices, none of them genuine" in tried.err
    assert "Tried by the stored subjects, it would have caught 22 notices" in stored.err
    assert tried.out.count("fileinto") == stored.out.count("fileinto") == 1 + 2  # required once, used by two rules


def test_the_command_prints_no_rule_that_a_genuine_bounce_would_fall_to(tmp_path: Path) -> None:
    with _anna(tmp_path, genuine_with_the_words=True) as command:
        done = cleanup(*command)

    assert "of them 1 genuine" in done.err
    assert "your parcel is waiting" not in done.out
    assert "pending refund" in done.out
