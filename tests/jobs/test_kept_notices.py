"""What was read of a notice is remembered: a night fetches what is new, with the verdicts of a fresh reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cleanup.config import PolicySettings
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.demo import LAST_DAY, Demo
from cleanup.detector.notices import reading
from cleanup.detector.notices.reading import read_notice
from cleanup.dns.network import Network
from cleanup.errors import ConnectionLost
from cleanup.jobs import notices, sync
from cleanup.jobs.look import look
from cleanup.jobs.result import Done
from cleanup.jobs.run import run_mailbox, task_of
from cleanup.ledger import Ledger
from cleanup.ledger.values import KeptNotice
from cleanup.model import Fingerprint, Verdict
from tests.servers.anna import anna_on_a_server
from tests.servers.lying import Mail, Session, lying_server, uid_set
from tests.whole_job.anna_lies import TARGET, fill, run, scan

LETTER = b"From: x@y.test\r\nTo: anna.berg@example.org\r\nSubject: hello\r\nMessage-ID: <%d@y.test>\r\n\r\nHi\r\n"


def declined(anna: Demo, *, full: bool = False) -> Done:
    """Run, and agree to nothing: then all 92 notices stay."""
    return run_mailbox(
        anna.account, anna.settings, now=LAST_DAY, agreed=lambda _: False, progress=lambda *_: None, full=full
    )


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Demo]:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        yield demo


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The UIDs of the messages whose bodies were fetched."""
    uids: list[int] = []
    real = Mailbox.pull_bodies

    def noted(self: Mailbox, folder: str, wanted: Sequence[int], **more: object) -> Iterator[tuple[int, bytes]]:
        uids.extend(wanted)
        return real(self, folder, wanted, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Mailbox, "pull_bodies", noted)
    return uids


def a_letter_comes(anna: Demo, number: int = 1) -> None:
    with open_mailbox(anna.account) as mailbox:
        mailbox.append("INBOX", LETTER % number, (), LAST_DAY)


def kept_rows(ledger: Path) -> list[tuple[str, int, bytes]]:
    query = "SELECT folder, uid, read FROM kept_mail JOIN cursors USING (folder_id) ORDER BY folder, uid"
    with closing(sqlite3.connect(ledger)) as connection:
        return connection.execute(query).fetchall()


def change(ledger: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute(statement, values)


@pytest.mark.parametrize("filed", [False, True])
def test_one_new_letter_costs_two_kilobytes_whatever_is_kept(anna: Demo, asked: list[int], *, filed: bool) -> None:
    anna.run() if filed else declined(anna)
    asked.clear()
    a_letter_comes(anna)

    night = declined(anna)

    assert asked == []
    assert night.bytes_read <= 3_000
    assert len(night.look.judged) == (20 if filed else 92)


def test_kept_notices_are_judged_as_a_fresh_reading_would(anna: Demo) -> None:
    declined(anna)
    a_letter_comes(anna)

    night, fresh = declined(anna), declined(anna, full=True)

    assert night.look.judged == fresh.look.judged
    assert night.look.plan == fresh.look.plan
    assert (night.look.sent.coverage, night.look.senders) == (fresh.look.sent.coverage, fresh.look.senders)


def test_a_damaged_row_is_read_anew(anna: Demo, asked: list[int], tmp_path: Path) -> None:
    before = declined(anna)
    inbox = [(uid, read) for folder, uid, read in kept_rows(tmp_path / "ledger.sqlite") if folder == "INBOX"]
    for at, (_, read) in enumerate(inbox[:20]):  # a bit of each, somewhere
        place = at * len(read) // 20
        damaged = read[:place] + bytes([read[place] ^ 4]) + read[place + 1 :]
        change(tmp_path / "ledger.sqlite", "UPDATE kept_mail SET read = ? WHERE read = ?", damaged, read)
    a_letter_comes(anna)
    asked.clear()

    night = declined(anna)

    assert asked == [uid for uid, _ in inbox[:20]]
    assert night.look.judged == before.look.judged


def test_two_rows_that_were_swapped_are_read_anew(anna: Demo, asked: list[int], tmp_path: Path) -> None:
    before = declined(anna)
    (_, one, read), (_, other, its) = [row for row in kept_rows(tmp_path / "ledger.sqlite") if row[0] == "INBOX"][:2]
    change(tmp_path / "ledger.sqlite", "UPDATE kept_mail SET read = ? WHERE read = ?", b"", read)
    change(tmp_path / "ledger.sqlite", "UPDATE kept_mail SET read = ? WHERE read = ?", read, its)
    change(tmp_path / "ledger.sqlite", "UPDATE kept_mail SET read = ? WHERE read = ?", its, b"")
    a_letter_comes(anna)
    asked.clear()

    assert declined(anna).look.judged == before.look.judged
    assert asked == [one, other]


def test_another_reader_reads_everything_anew(anna: Demo, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    before = declined(anna)
    asked.clear()
    for module in (sync, notices):
        monkeypatch.setattr(module, "reader", lambda: "a later mail-parser")
    a_letter_comes(anna)

    night = declined(anna)

    assert len(asked) == 92
    assert night.look.judged == before.look.judged
    a_letter_comes(anna, 2)
    declined(anna)
    assert len(asked) == 92


def test_a_reading_that_is_cut_off_is_carried_on(anna: Demo, asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "AT_ONCE", 10)
    left = [35]

    def cut(raw: bytes) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionLost("The power went out")
        return read_notice(raw)

    with monkeypatch.context() as broken:
        broken.setattr(reading, "read_notice", cut)
        with pytest.raises(ConnectionLost):
            declined(anna)
    candidates = len(asked)
    asked.clear()

    night = declined(anna)

    assert len(night.look.judged) == 92
    assert len(asked) == candidates - 30


def test_what_left_the_inbox_leaves_the_memory(anna: Demo, tmp_path: Path) -> None:
    first = declined(anna)
    gone = [one.ref.uid for one in first.look.judged[::2]]
    with open_mailbox(anna.account) as mailbox:
        mailbox.select("INBOX")
        mailbox.mark_deleted(gone)
        mailbox.uid_expunge(gone)
    declined(anna)
    rows = {uid for folder, uid, _ in kept_rows(tmp_path / "ledger.sqlite") if folder == "INBOX"}
    assert rows == {one.ref.uid for one in first.look.judged} - {*gone}

    after = anna.run().look

    moved = {move.ref.uid for move in after.plan.moves}
    left = {uid for folder, uid, _ in kept_rows(tmp_path / "ledger.sqlite") if folder == "INBOX"}
    assert moved
    assert left == rows - moved


def test_sent_mail_that_no_notice_asks_about_any_more_is_forgotten(anna: Demo, tmp_path: Path) -> None:
    first = declined(anna)
    assert any(folder == "Sent" for folder, _, _ in kept_rows(tmp_path / "ledger.sqlite"))
    uids = [one.ref.uid for one in first.look.judged]
    with open_mailbox(anna.account) as mailbox:
        mailbox.select("INBOX")
        mailbox.mark_deleted(uids)
        mailbox.uid_expunge(uids)

    declined(anna)

    assert kept_rows(tmp_path / "ledger.sqlite") == []


def test_signatures_are_verified_over_what_is_fetched(anna: Demo, asked: list[int], tmp_path: Path) -> None:
    """No body is kept: where signatures are looked at, what returned signed mail is read each night."""
    task = task_of(anna.settings)
    with_keys = replace(task, network=Network(keys={"s._domainkey.example.org": "v=DKIM1; p=x"}))
    signed = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=from; bh=x; b=y\r\nFrom: anna.berg@example.org\r\n"
    )
    with Ledger.open(tmp_path / "other.sqlite") as ledger, open_mailbox(anna.account) as mailbox:
        mailbox.folders()
        mailbox.examine("INBOX")
        uid = next(iter(declined(anna).look.judged)).ref.uid
        ((_, raw),) = mailbox.pull_bodies("INBOX", [uid])
        at = raw.rindex(b"\nFrom: ") + 1
        mailbox.append("INBOX", raw[:at] + signed + raw[at:], (), LAST_DAY)
        memory = ledger.memory(task.mailbox)
        look(mailbox, task, now=LAST_DAY, memory=memory)
        asked.clear()
        look(mailbox, task, now=LAST_DAY, memory=memory)
        assert asked == []

        seen = look(mailbox, with_keys, now=LAST_DAY, memory=memory)

    (one,) = asked
    assert [bool(r.raw) for j in seen.judged if j.ref.uid == one for r in j.notice.returned] == [True]
    assert not any(r.raw for j in seen.judged if j.ref.uid != one for r in j.notice.returned)


# --- what a server may do meanwhile --------------------------------------------------------------------------------


def _stays(server_mails: Sequence[Mail], uid: int) -> bool:
    return any(mail.uid == uid for mail in server_mails)


def test_what_was_marked_as_deleted_since_stays(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        assert run(server, tmp_path, policy=PolicySettings(max_moves=10)).done
        uid = scan(server, tmp_path).plan.moves[3].ref.uid
        mail = next(mail for mail in server.folders["INBOX"].mails if mail.uid == uid)
        mail.flags.add("\\Deleted")
        marked = scan(server, tmp_path).plan
        mail.flags.discard("\\Deleted")
        unmarked = scan(server, tmp_path).plan
        mail.flags.add("\\Deleted")
        ended = run(server, tmp_path)

        assert [one.ref.uid for one in marked.not_filed if "deleted" in one.reason] == [uid]
        assert uid in {move.ref.uid for move in unmarked.moves}
        assert ended.done
        assert ended.done.moved == len(marked.moves) == len(unmarked.moves) - 1
        assert mail in server.folders["INBOX"].mails


@pytest.mark.parametrize("same_size", [False, True])
def test_a_letter_under_the_number_of_a_kept_notice_is_never_filed(tmp_path: Path, *, same_size: bool) -> None:
    """A mailbox that was put back from a backup may have other messages under old numbers, and say nothing of it."""
    with lying_server() as server:
        fill(server)
        assert run(server, tmp_path, policy=PolicySettings(max_moves=10)).done
        uid = scan(server, tmp_path).plan.moves[3].ref.uid
        mail = next(mail for mail in server.folders["INBOX"].mails if mail.uid == uid)
        size = len(mail.raw)
        mail.raw = LETTER % 7
        mail.raw += b"." * (size - len(mail.raw) if same_size else 3)
        first = run(server, tmp_path)
        there = len(server.folders[TARGET].mails)
        again = run(server, tmp_path)

        assert first.done
        assert again.done
        assert there > 50
        assert _stays(server.folders["INBOX"].mails, uid)
        assert uid not in {one.ref.uid for one in again.done.look.judged}
        if not same_size:
            assert uid not in {one.ref.uid for one in first.done.look.judged}


def test_a_notice_that_was_shown_in_part_is_read_again_the_next_night(tmp_path: Path) -> None:
    with lying_server() as server:
        fill(server)
        fresh = scan(server, tmp_path / "unused")
        uid = fresh.plan.moves[3].ref.uid
        mail = next(mail for mail in server.folders["INBOX"].mails if mail.uid == uid)

        def shows_a_part(session: Session, name: str, args: list[bytes]) -> bool:
            items = b" ".join(args[1:]).upper()
            if name != "UID FETCH" or b"BODY.PEEK[]" not in items:
                return False
            for number, one in enumerate(session.box.mails, start=1):
                if one.uid in uid_set(args[0], session.box):
                    shown = one if one is not mail else Mail(one.uid, one.raw[: one.raw.index(b"\r\n\r\n") + 4])
                    session.say(session.fetch_data(number, shown, items))
            session.done()
            return True

        server.lies.append(shows_a_part)
        first = run(server, tmp_path, policy=PolicySettings(max_moves=10))
        server.lies.clear()
        server.folders["INBOX"].add(LETTER % 3)
        again = run(server, tmp_path, policy=PolicySettings(max_moves=10))

        assert first.done
        assert uid not in {move.ref.uid for move in first.done.look.plan.moves}
        assert again.done
        assert again.done.look.judged == fresh.judged


def test_a_persons_word_on_a_kept_notice_counts(anna: Demo, asked: list[int]) -> None:
    first = declined(anna)
    said: Mapping[str, Verdict] = {first.look.judged[0].fingerprint.digest: Verdict.GENUINE}
    with Ledger.open(str(anna.settings.ledger)) as ledger:
        for digest, verdict in said.items():
            ledger.label(first.look.task.mailbox, digest, verdict, said_by="review")
    asked.clear()

    night = declined(anna)

    assert asked == []
    assert night.look.judged[0].finding.verdict is Verdict.GENUINE


def test_of_each_sample_all_is_kept_but_bytes(tmp_path: Path) -> None:
    samples = sorted((Path(__file__).parents[2] / "sample_data" / "notices").glob("*.eml"))
    read = [notice for file in samples if (notice := read_notice(file.read_bytes()))]
    notices = [KeptNotice(uid, Fingerprint(uid, LAST_DAY, "d"), (), False, one) for uid, one in enumerate(read, 1)]
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        memory = ledger.memory("anna@example.org")
        inbox = memory.begin("INBOX", 1, is_sent=False)
        memory.keep_notices(inbox, "reader", notices)

        kept = ledger.memory("anna@example.org").kept_notices(inbox, "reader")

    assert len(kept) == len(read) > 500
    for before in notices:
        lean = tuple(replace(one, raw=None) for one in before.notice.returned)
        assert kept[before.uid].notice == replace(before.notice, returned=lean)
