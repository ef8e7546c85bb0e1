"""The ledger's promises on a real PostgreSQL (marker `server`)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete

from cleanup.detector.coverage import Coverage
from cleanup.errors import LedgerUnusable, MailboxLocked
from cleanup.ledger import Ledger, MoveState, schema
from cleanup.model import SentSource, Verdict
from tests.ledger.memories import CHECKS
from tests.ledger.some import MAILBOX, NOON, a_judged, an_intent
from tests.servers.postgresql import postgresql

pytestmark = pytest.mark.server


def test_everything_that_a_run_writes_is_read_back(database: str) -> None:
    with Ledger.open(database, clock=lambda: NOON) as ledger:
        run = ledger.start_run(MAILBOX, "run", options={"policy": "balanced"})
        ledger.record_findings(run, [a_judged(7, subject="a\0b \udcff"), a_judged(8, verdict=Verdict.UNSURE)])
        ledger.record_sent(run, [SentSource("Sent", 3, 3)], Coverage(messages=3, oldest=NOON))
        first, second = ledger.intend(run, [an_intent(7), an_intent(8)])
        ledger.advance([(first.move_id, MoveState.MOVED, 41, None)])
        ledger.label(MAILBOX, "d", Verdict.GENUINE, said_by="review")
        ledger.finish_run(run, {"moved": 1})

    with Ledger.open(database) as again:
        assert again.open_moves(MAILBOX) == [second]
        assert again.filed_uids(MAILBOX, "Backscatter", 22) == {41}
        assert again.labels(MAILBOX) == {"d": Verdict.GENUINE}
        last = again.last_filing(MAILBOX)
        assert last is not None
        assert (last.run_id, last.filed, last.started) == (run, 1, NOON)


def test_many_machines_may_open_a_new_ledger_at_the_same_time() -> None:
    with postgresql() as new, ThreadPoolExecutor(8) as machines:
        ledgers = list(machines.map(Ledger.open, [new] * 8))

        assert [ledger.start_run(MAILBOX, "run") for ledger in ledgers] == list(range(1, 9))
        for ledger in ledgers:
            ledger.close()


def test_a_database_that_cannot_be_reached_is_named_without_its_password(database: str) -> None:
    wrong = database.replace("cleanup@", "cleanup:geheim@").rsplit(":", 1)[0] + ":1/postgres"

    with pytest.raises(LedgerUnusable) as caught:
        Ledger.open(wrong)

    assert "geheim" not in str(caught.value)


def test_a_run_on_another_machine_is_running_while_it_holds_the_mailbox_and_then_cut_off(database: str) -> None:
    with Ledger.open(database) as here, Ledger.open(database) as there:
        with there.exclusive("carol@example.org"):
            run = there.start_run("carol@example.org", "run")
            during = here.run(run)
        after = here.run(run)

    assert during is not None
    assert after is not None
    assert (during.status, after.status) == ("running", "cut off")


def test_what_fails_while_a_mailbox_is_held_keeps_its_own_name(database: str) -> None:
    with Ledger.open(database) as ledger:
        with pytest.raises(ValueError, match="of the run's own"), ledger.exclusive(MAILBOX):
            raise ValueError("of the run's own")

        with ledger.exclusive(MAILBOX):
            pass


def test_two_machines_that_share_a_ledger_hold_a_mailbox_one_after_the_other(database: str) -> None:
    with Ledger.open(database) as here, Ledger.open(database) as there:
        with here.exclusive(MAILBOX):
            with pytest.raises(MailboxLocked, match="Another machine"), there.exclusive(MAILBOX):
                pass
            with there.exclusive("bob@example.org"):
                pass
        with there.exclusive(MAILBOX):
            pass


def test_two_machines_whose_profiles_of_a_mailbox_differ_hold_it_one_after_the_other(database: str) -> None:
    login = "imap.example.org\0anna"
    with Ledger.open(database) as here, Ledger.open(database) as there:
        with here.exclusive("Anna@example.org", login):
            for same in (("info@example.org", login), ("anna@Example.org",), ("x@example.org", "anna@example.org")):
                with pytest.raises(MailboxLocked), there.exclusive(*same):
                    pass
            with there.exclusive("info@example.org"):  # what was taken before it was refused was given back
                pass
        with there.exclusive("info@example.org", login), here.exclusive("anna@example.org"):
            pass


def test_addresses_of_one_login_are_one_mailbox(database: str) -> None:
    with Ledger.open(database) as ledger:
        ledger.label("heidi@example.org", "d", Verdict.GENUINE, said_by="undo")
        for address in ("heidi@example.org", "office@example.org"):
            ledger.note_names(address, ["her login", address])
        (move,) = ledger.intend(ledger.start_run("office@example.org", "run"), [an_intent(7)])

        assert ledger.labels("office@example.org") == {"d": Verdict.GENUINE}
        assert ledger.open_moves("heidi@example.org") == [move]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_the_memory_of_a_mailbox(check: Callable[[Ledger], None], database: str) -> None:
    with Ledger.open(database) as ledger:
        with ledger.engine.begin() as connection:
            connection.execute(delete(schema.moves))  # the other tests' mailbox is this one, too
            connection.execute(delete(schema.cursors))
        check(ledger)


def test_a_ledger_moves_from_sqlite_as_the_docs_say(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "docs" / "postgresql.md"
    script = re.search(r"<!-- moving a ledger -->\n```python\n(.*?)^```$", file.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "move_ledger.py").write_text(script[1])  # type: ignore[index]
    old = str(tmp_path / "ledger.sqlite")
    with Ledger.open(old, clock=lambda: NOON) as ledger:
        run = ledger.start_run(MAILBOX, "run", options={"policy": "balanced"})
        ledger.record_findings(run, [a_judged(7), a_judged(8, verdict=Verdict.UNSURE)])
        (move,) = ledger.intend(run, [an_intent(7)])
        ledger.advance([(move.move_id, MoveState.MOVED, 41, None)])
        ledger.label(MAILBOX, "d", Verdict.GENUINE, said_by="review")
        before = ledger.runs(MAILBOX, limit=9), ledger.moves(run_id=run)

    with postgresql() as new:
        subprocess.run([sys.executable, str(tmp_path / "move_ledger.py"), old, new], check=True)

        with Ledger.open(new) as ledger:
            assert ledger.moves(run_id=run) == before[1]
            assert [one.filed for one in ledger.runs(MAILBOX, limit=9)] == [one.filed for one in before[0]] == [1]
            assert ledger.labels(MAILBOX) == {"d": Verdict.GENUINE}
            assert ledger.start_run(MAILBOX, "run") == run + 1
