"""Night after night: what a run costs and leaves, as the nightly job makes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cleanup.config import NetworkSettings, PolicySettings
from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.demo import LAST_DAY, Demo
from cleanup.errors import CannotConnect, ConnectionLost, ServerMisbehaved
from cleanup.jobs.result import Done
from cleanup.jobs.run import run_mailbox
from cleanup.jobs.session import Ledgers
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from tests.servers.anna import anna_on_a_server
from tests.servers.nameserver import nameserver


def declined(anna: Demo, *, full: bool = False) -> Done:
    """Run, and agree to nothing."""
    account, settings = anna.account, anna.settings
    return run_mailbox(account, settings, now=LAST_DAY, agreed=lambda _: False, progress=lambda *_: None, full=full)


@pytest.fixture
def anna(tmp_path: Path) -> Iterator[Demo]:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as demo:
        yield demo


def with_policy(anna: Demo, policy: PolicySettings) -> Demo:
    settings = anna.settings.model_copy(update={"policy": policy})
    return replace(anna, settings=settings)


def test_a_night_on_which_nothing_happened_costs_two_round_trips_and_three_kilobytes(anna: Demo) -> None:
    first = anna.run()

    night = anna.run()

    assert night.look.resting is not None
    assert night.look.resting.run_id == first.run_id
    assert night.round_trips == 2
    assert night.bytes_read <= 3_000
    assert night.waiting == first.waiting


def test_that_your_own_spf_record_is_incomplete_is_told_once(anna: Demo) -> None:
    zone = {"example.org": {"TXT": ["v=spf1 ip4:198.51.100.99 -all"]}}
    with nameserver(zone) as (port, _):
        network = NetworkSettings(spf=True, nameservers=("127.0.0.1",), port=port)
        asking = replace(anna, settings=anna.settings.model_copy(update={"network": network}))

        first, idle = asking.run(), asking.run()
        with open_mailbox(anna.account) as mailbox:
            mailbox.append("INBOX", b"From: bo@far.test\r\nSubject: lunch\r\n\r\nNoon?\r\n", (), LAST_DAY)
        later = asking.run()

    told = "Mail of yours by 192.0.2.10 fails your own SPF record (example.org): have that host added to the record"
    assert [told in done.in_words() for done in (first, idle, later)] == [True, False, False]
    assert idle.look.resting is not None
    assert later.look.failing_records == (("example.org", "192.0.2.10"),)


def test_a_night_on_which_nothing_happened_asks_for_no_shared_ledger(anna: Demo) -> None:
    anna.run()

    class Closed(Ledgers):
        def of(self, where: str) -> Ledger:
            raise AssertionError(f"{where} was opened, which checks the whole of it")

    with closing(Closed()) as ledgers:
        night = run_mailbox(
            anna.account,
            anna.settings,
            now=LAST_DAY,
            agreed=lambda _: False,
            progress=lambda *_: None,
            ledgers=ledgers,
        )

    assert night.look.resting is not None


NEW = 20  # of one forged mailing: a single one of them, by a host that nobody named, would be unsure


def test_new_mail_is_read_and_judged_with_what_was_there(anna: Demo) -> None:
    anna.run()
    with open_mailbox(anna.account) as mailbox:
        mailbox.examine("Backscatter")
        for _, raw in list(mailbox.pull_bodies("Backscatter", mailbox.uids("Backscatter")[:NEW])):
            again = raw.replace(b"Message-ID: <", b"Message-ID: <again-", 1)
            mailbox.append("INBOX", again, (), LAST_DAY - timedelta(days=1))

    night = anna.run()

    assert night.look.resting is None
    assert len(night.look.judged) == 20 + NEW
    assert night.moved == NEW
    assert night.round_trips <= 17  # two batches; what follows the first one takes five
    assert night.bytes_read < 300_000
    assert anna.run().look.resting is not None


def test_a_refused_plan_is_made_again_the_next_night(anna: Demo) -> None:
    refused = with_policy(anna, PolicySettings(max_moves=10)).run()

    again = with_policy(anna, PolicySettings(max_moves=10)).run()

    assert again.look.plan.refusals == refused.look.plan.refusals != ()
    assert again.look.plan.moves == refused.look.plan.moves


def test_other_rules_judge_anew_what_still_lies_in_the_inbox(anna: Demo) -> None:
    anna.run()

    night = with_policy(anna, PolicySettings(name="cautious")).run()

    assert night.look.resting is None
    assert len(night.look.judged) == 20


def test_a_persons_word_counts_on_the_next_night(anna: Demo) -> None:
    first = anna.run()
    unsure = next(one for one in first.look.judged if one.finding.verdict is Verdict.UNSURE)
    with Ledger.open(str(anna.settings.ledger)) as ledger:
        ledger.label(first.look.task.mailbox, unsure.fingerprint.digest, Verdict.BACKSCATTER, said_by="review")

    assert anna.run().moved == 1


def test_a_full_run_reads_everything_and_finds_the_same(anna: Demo) -> None:
    declined(anna)
    known = declined(anna)

    whole = declined(anna, full=True)

    assert whole.look.judged == known.look.judged
    assert whole.bytes_read > 1.5 * known.bytes_read


def test_a_dry_run_shows_what_the_run_will_do_and_leaves_the_ledger_alone(anna: Demo, tmp_path: Path) -> None:
    declined(anna)
    before = everything_in(tmp_path / "ledger.sqlite")

    plan = anna.scan().plan

    assert everything_in(tmp_path / "ledger.sqlite") == before
    assert anna.run().look.plan == plan


def everything_in(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_run_that_was_cut_off_while_reading_is_carried_on(
    anna: Demo, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [chunks]
    real = Mailbox.pull_headers_of

    def cut(self: Mailbox, *args: object, **more: object) -> Iterator[object]:
        for chunk in real(self, *args, **more):  # type: ignore[arg-type]
            if left[0] == 0:
                raise ConnectionLost("The power went out")
            left[0] -= 1
            yield chunk

    with monkeypatch.context() as broken:
        broken.setattr(Mailbox, "pull_headers_of", cut)
        with pytest.raises(ConnectionLost):
            anna.run()

    assert (anna.run().moved, len(anna.filed())) == (72, 72)


def test_a_run_ends_when_it_has_taken_as_long_as_it_may_and_the_next_one_does_the_work(anna: Demo) -> None:
    hasty = replace(anna, settings=anna.settings.model_copy(update={"run_timeout_s": 0.001}))

    with pytest.raises(CannotConnect, match=r"longer than it may|took too long"):
        hasty.run()

    assert anna.run().moved == 72


def test_a_server_that_lists_mail_and_does_not_show_it_is_not_taken_for_an_empty_mailbox(
    anna: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mailbox, "pull_headers_of", lambda *_, **__: iter(()))

    with pytest.raises(ServerMisbehaved, match="does not show them"):
        anna.run()


def test_a_renumbered_inbox_is_read_anew(anna: Demo) -> None:
    before = declined(anna)
    with Ledger.open(str(anna.settings.ledger)) as ledger:
        memory = ledger.memory(str(anna.settings.address))
        cursor = memory.cursors()["INBOX"]
        memory.begin("INBOX", cursor.uidvalidity + 1, is_sent=False)

    night = declined(anna)

    assert night.look.judged == before.look.judged
