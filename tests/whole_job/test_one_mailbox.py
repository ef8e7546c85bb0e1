"""One mailbox is one mailbox, however its address is written and whichever of its names a profile uses."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

pytest.importorskip("pymap")

from cleanup.config import MailboxSettings
from cleanup.connector.mailbox import open_mailbox
from cleanup.demo import LAST_DAY, OWNER, Demo, settings_for_demo
from cleanup.jobs.idle_check import Look
from cleanup.jobs.run import look_at, run_mailbox
from cleanup.jobs.session import names_in_ledger
from cleanup.jobs.undo import undo_run
from cleanup.ledger import Ledger
from tests.servers.anna import anna_on_a_server
from tests.whole_job.job import BACKSCATTER, Job, Template

ANOTHER_SPELLING, ANOTHER_ADDRESS = "Anna.BERG@Example.org", "info@example.org"


def test_what_was_put_back_stays_however_the_address_is_written(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        first = anna.run()
        undo_run(anna.account, anna.settings, first.run_id)
        again = anna.settings.model_copy(update={"address": ANOTHER_SPELLING})
        planned = look_at(anna.account, again, now=LAST_DAY, progress=lambda *_: None).plan.moves
        second = run_mailbox(anna.account, again, now=LAST_DAY, agreed=lambda _: True, progress=lambda *_: None)
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            known = ledger.mailboxes()

    assert first.moved == BACKSCATTER
    assert (len(planned), second.moved) == (0, 0)
    assert known == [OWNER]


def _under_another_address(anna: Demo) -> MailboxSettings:
    """Return the settings of the same login in a profile that names another address of it."""
    identity = anna.settings.identity.model_copy(update={"addresses": (OWNER,)})
    return anna.settings.model_copy(update={"address": ANOTHER_ADDRESS, "host": "localhost", "identity": identity})


@pytest.mark.parametrize("way", ["undo", "by hand", "before names were kept"])
def test_what_was_put_back_stays_under_another_address_of_the_same_login(tmp_path: Path, way: str) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        first = anna.run()
        if way == "before names were kept":
            with Ledger.open(anna.settings.ledger) as ledger, ledger.engine.begin() as connection:
                connection.execute(text("DELETE FROM mailbox_names"))
        if way == "by hand":
            with open_mailbox(anna.account) as mailbox:
                mailbox.select("Backscatter")
                mailbox.move(mailbox.uids("Backscatter"), "INBOX")
        else:
            undo_run(anna.account, anna.settings, first.run_id)
        again = _under_another_address(anna)
        account = replace(anna.account, host=again.host)
        planned = look_at(account, again, now=LAST_DAY, progress=lambda *_: None).plan.moves
        second = run_mailbox(account, again, now=LAST_DAY, agreed=lambda _: True, progress=lambda *_: None)
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            known = ledger.mailboxes()

    assert first.moved == BACKSCATTER
    assert (len(planned), second.moved) == (0, 0)
    assert known == [OWNER, ANOTHER_ADDRESS]


def test_another_address_of_another_login_is_another_mailbox(tmp_path: Path) -> None:
    with anna_on_a_server(tmp_path / "ledger.sqlite") as anna:
        first = anna.run()
        undo_run(anna.account, anna.settings, first.run_id)
        again = _under_another_address(anna)
        with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
            own = ledger.labels(OWNER)
            ledger.note_names(ANOTHER_ADDRESS, names_in_ledger(again, replace(anna.account, username="ben")))
            others = ledger.labels(ANOTHER_ADDRESS)
            ledger.note_names(ANOTHER_ADDRESS, names_in_ledger(again, replace(anna.account, port=1)))
            at_another_port = ledger.labels(ANOTHER_ADDRESS)
            ledger.note_names(ANOTHER_ADDRESS, names_in_ledger(again, anna.account))
            its = ledger.labels(ANOTHER_ADDRESS)

    assert len(own) >= BACKSCATTER
    assert (others, at_another_port, its) == ({}, {}, own)


@pytest.mark.server
def test_a_second_profile_of_the_same_mailbox_waits_on_a_real_server(anna_on_dovecot: Template, tmp_path: Path) -> None:
    """Another address, another name of the server, another ledger: while one run is at it, the other moves nothing."""
    job = anna_on_dovecot.job(tmp_path / "ledger.sqlite")
    settings = settings_for_demo(job.account.real_port, job.ledger).model_copy(
        update={"username": job.account.username}
    )
    planned, go_on = threading.Event(), threading.Event()
    moved: list[int] = []

    def agreed(_: Look) -> bool:
        planned.set()
        return go_on.wait(60)

    def first() -> None:
        done = run_mailbox(job.account, settings, now=LAST_DAY, agreed=agreed, progress=lambda *_: None)
        moved.append(done.moved)

    at_it = threading.Thread(target=first)
    at_it.start()
    assert planned.wait(60)
    other = tmp_path / "other.sqlite"
    try:
        ends = [
            second.end(second.start("run", "info@example.org", "--yes", "--outbound-host", "192.0.2.10"))
            for second in (Job(replace(job.account, host=host), other) for host in ("127.0.0.1", "localhost"))
        ]
    finally:
        go_on.set()
        at_it.join()

    assert [ended.code for ended in ends] == [11, 11]
    assert f"process {os.getpid()}" in ends[1].err
    assert moved == [BACKSCATTER]
    assert not other.exists()
