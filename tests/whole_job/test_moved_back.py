"""A person moves a filed message back: the next run notices, and files neither it nor its like again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("pymap")

from cleanup.connector.archive import read_archive
from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OWNER, Demo, sample_folder
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from tests.servers.anna import anna_on_a_server

SUBJECT = b"Win a phone today"


def _move_one_back(demo: Demo) -> str:
    """Move the first filed notice of a forged mailing back to the Inbox, as a person does; return its Message-ID."""
    with open_mailbox(demo.account) as mailbox:
        chunks = mailbox.pull_headers("Backscatter", ("Message-ID",))
        ids = {pulled.ref.uid: pulled.fields for chunk in chunks for pulled in chunk}
        for uid, raw in mailbox.pull_bodies("Backscatter", sorted(ids)):
            if SUBJECT in raw:
                mailbox.select("Backscatter")
                mailbox.move([uid], "INBOX")
                return _message_id(ids[uid])
    raise AssertionError("nothing of that mailing was filed")


def _message_id(fields: bytes) -> str:
    found = re.search(rb"message-id:\s*<([^>]*)>", fields, re.IGNORECASE)
    assert found
    return found[1].decode()


def _another_of_the_mailing(demo: Demo) -> None:
    """Let one more notice of the same mailing come in."""
    raw = next(m.raw for m in read_archive(sample_folder() / "Inbox.mbox") if SUBJECT in m.raw)
    outer = raw.split(b"Message-ID: <", 1)
    with open_mailbox(demo.account) as mailbox:
        mailbox.append("INBOX", outer[0] + b"Message-ID: <new-" + outer[1], (), LAST_DAY)


def test_neither_the_message_nor_its_like_is_filed_again(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.db") as demo:
        first = demo.run()
        back = _move_one_back(demo)
        _another_of_the_mailing(demo)

        second = demo.run()
        third = demo.run()
        filed = demo.filed()
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            labels = ledger.labels(OWNER)

    said = {one.notice.message_id: one.finding for one in second.look.judged}
    like = next(finding for message_id, finding in said.items() if message_id and message_id.startswith("new-"))
    assert first.moved == 72
    assert (said[back].verdict, said[back].row) == (Verdict.GENUINE, "a-person-said-so")
    assert like.verdict is Verdict.UNSURE
    assert any(reason.rule == "label.like" for reason in like.reasons)
    assert (second.moved, third.moved) == (0, 0)
    assert back not in filed
    assert len(filed) == 71
    assert Verdict.GENUINE in labels.values()
