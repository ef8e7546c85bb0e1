"""Months of one mailbox in minutes: mail, an owner who tidies, a server that lies, lost ledgers, runs and undos.

What must hold at every step: no message is lost or doubled, no flag is altered, nothing but backscatter is ever filed.
Of a bounce with a stolen id Sent alone tells, or the ledger that read it: with both gone it is backscatter like any.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from cleanup.errors import CleanupError
from cleanup.report.filing import recovery
from tests.servers.lying import (
    CAPABILITIES,
    Box,
    Lie,
    LyingServer,
    Mail,
    Session,
    flips_uidvalidity_at_select,
    lying_server,
)
from tests.whole_job.anna_lies import TARGET, fill, run, scan, truth_of, undo
from tests.whole_job.test_lies import CHANGING, MOVE_LIES, SENT_LIES
from tests.whole_job.test_second_night import blanks_sent, hides_sent

HONEST = (  # what doubles of itself or waits for a deadline is tried in test_lies.py
    "says OK and does nothing", "says OK with an invented COPYUID", "moves half", "malforms COPYUID",
    "tells the new UIDs in the wrong order", "moves and hangs up", "moves and says NO", "says NO", "says BAD",
    "says BYE", "sends flags that nobody asked for", "refuses to create the folder",
)  # fmt: skip
LIES: dict[str, Lie] = {
    **{name: MOVE_LIES[name] for name in HONEST},
    **SENT_LIES,
    "hides Sent": hides_sent,
    "blanks Sent": blanks_sent,
    "renumbers": flips_uidvalidity_at_select,
}
FOLDERS = ("INBOX", TARGET, "Archive")
number = st.integers(0, 9999)


class Breaks:
    """Hangs up at the nth command from now on, before or after it was obeyed."""

    def __init__(self, nth: int, command: str) -> None:
        self.left, self.command = nth, command

    def __call__(self, session: Session, name: str, args: list[bytes]) -> bool:
        self.left -= name == self.command
        if self.left == 0:
            self.left = -1
            session.hang_up()
        return False


class Mailbox(RuleBasedStateMachine):
    """Anna's mailbox through a time of trouble."""

    capabilities = CAPABILITIES

    @initialize(begins_with=st.integers(0, 30))
    def begin(self, begins_with: int) -> None:
        self._running = lying_server(capabilities=self.capabilities)
        self.server: LyingServer = self._running.__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="cleanup-machine-"))
        fill(self.server)
        self.server.folders |= {"Archive": Box(uidvalidity=21)}
        inbox = self.server.folders["INBOX"]
        chosen = [mail for mail in inbox.mails if truth_of(mail.raw)] + inbox.mails[:60]
        self.to_come = sorted({mail.uid: mail for mail in chosen}.values(), key=lambda mail: mail.arrived[::-1])
        inbox.mails = []
        self.expected: dict[bytes, frozenset[str]] = {}
        self.put_there: set[bytes] = set()
        self.deleted: list[Mail] = []  # from Sent
        self.is_forgotten = False  # whether something that was deleted from Sent is in no ledger either
        self.arrives(begins_with)

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self._running.__exit__(None, None, None)
            shutil.rmtree(self.folder)

    # --- the world -------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 12))
    def arrives(self, count: int) -> None:
        for mail in self.to_come[:count]:
            self.server.folders["INBOX"].add(mail.raw, mail.flags, mail.arrived)
            self.expected[mail.raw] = frozenset(mail.flags)
        del self.to_come[:count]

    @rule(pick=number, where=st.sampled_from(FOLDERS), there=st.sampled_from(FOLDERS))
    def owner_moves(self, pick: int, where: str, there: str) -> None:
        mail = self._pick(where, pick)
        if mail and where != there and there in self.server.folders:
            self.server.folders[where].mails.remove(mail)
            self.server.folders[there].add(mail.raw, mail.flags, mail.arrived)
            self.put_there |= {mail.raw} if there == TARGET else set()

    @rule(pick=number, where=st.sampled_from(FOLDERS))
    def owner_deletes(self, pick: int, where: str) -> None:
        if mail := self._pick(where, pick):
            self.server.folders[where].mails.remove(mail)
            del self.expected[mail.raw]

    @rule(pick=number, where=st.sampled_from(FOLDERS))
    def owner_flags(self, pick: int, where: str) -> None:
        if mail := self._pick(where, pick):
            mail.flags ^= {"\\Flagged"}
            self.expected[mail.raw] = frozenset(mail.flags)

    @rule(where=st.sampled_from(("INBOX", "Sent", TARGET)))
    def server_renumbers(self, where: str) -> None:
        if box := self.server.folders.get(where):
            box.uidvalidity += 100
            for uid, mail in enumerate(box.mails, start=1):
                mail.uid = uid
            box.uidnext = len(box.mails) + 1

    @rule(pick=number, count=st.sampled_from((1, 3, 20, 200)))
    def owner_tidies_sent(self, pick: int, count: int) -> None:
        mails = self.server.folders["Sent"].mails
        start = pick % len(mails) if mails else 0
        self.deleted += mails[start : start + count]
        self.is_forgotten = self.is_forgotten or not any(self.folder.iterdir())
        del mails[start : start + count]

    @rule()
    def sent_is_restored(self) -> None:
        for mail in self.deleted:
            self.server.folders["Sent"].add(mail.raw, mail.flags, mail.arrived)
        self.deleted = []

    @rule()
    def ledger_is_lost(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()
        self.is_forgotten = self.is_forgotten or bool(self.deleted)

    # --- the program -----------------------------------------------------------------------------------------------

    @rule(lie=st.sampled_from(sorted(LIES)))
    def runs_against_a_lie(self, lie: str) -> None:
        self._with(LIES[lie], lambda: run(self.server, self.folder))

    @rule(nth=st.integers(1, 4), command=st.sampled_from(("UID MOVE", "UID FETCH", "UID SEARCH", "STATUS", "EXAMINE")))
    def runs_on_a_bad_line(self, nth: int, command: str) -> None:
        self._with(Breaks(nth, command), lambda: run(self.server, self.folder))

    @rule(nth=st.integers(1, 3), command=st.sampled_from(("UID MOVE", "UID FETCH", "none")))
    def undoes(self, nth: int, command: str) -> None:
        self._with(Breaks(nth, command), lambda: undo(self.server, self.folder))

    @rule()
    def runs(self) -> None:
        ended = run(self.server, self.folder)
        assert ended.error is None, ended.error
        self.server.commands.clear()
        again = run(self.server, self.folder)
        assert again.error is None
        assert not CHANGING & set(self.server.commands)

    @rule()
    def scans(self) -> None:
        before = copy.deepcopy(self.server.folders)
        self.server.commands.clear()
        scan(self.server, self.folder)
        assert not {*CHANGING, "SELECT"} & set(self.server.commands)
        assert self.server.folders == before

    # --- what must always hold ---------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_doubled_or_altered(self) -> None:
        if hasattr(self, "expected"):
            there = [mail for name in FOLDERS for mail in self._mails(name)]
            counts = Counter(mail.raw for mail in there)
            assert counts.keys() == self.expected.keys()
            assert set(counts.values()) <= {1}
            assert all(frozenset(mail.flags) == self.expected[mail.raw] for mail in there)

    @invariant()
    def only_backscatter_is_filed(self) -> None:
        if hasattr(self, "expected"):
            filed = [mail.raw for mail in self._mails(TARGET) if mail.raw not in self.put_there]
            assert {truth_of(raw) for raw in filed} <= {"backscatter", *(["unsure"] if self.is_forgotten else [])}

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _with(self, lie: Lie, act: Callable[[], object]) -> None:
        self.server.lies = [lie]
        try:
            act()
        except CleanupError:
            pass
        finally:
            self.server.lies = []

    def _mails(self, name: str) -> list[Mail]:
        box = self.server.folders.get(name)
        return box.mails if box else []

    def _pick(self, name: str, pick: int) -> Mail | None:
        mails = self._mails(name)
        return mails[pick % len(mails)] if mails else None


@pytest.fixture(autouse=True, scope="module")
def _no_waiting() -> object:
    """Every command of the scripted server has ended when its connection has: nothing is to be waited for."""
    waited, recovery.CALM_S = recovery.CALM_S, 0.0
    yield
    recovery.CALM_S = waited


class MailboxWithoutMove(Mailbox):
    """The same on a server that can only copy and expunge."""

    capabilities = CAPABILITIES.replace(b" MOVE", b"")


EASY = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
IN_CI = settings(EASY, max_examples=5, stateful_step_count=100, derandomize=True)
MailboxInCi, WithoutMoveInCi = Mailbox.TestCase, MailboxWithoutMove.TestCase
MailboxInCi.settings = WithoutMoveInCi.settings = IN_CI
MailboxInCi.pytestmark = WithoutMoveInCi.pytestmark = [pytest.mark.timeout(1200)]


@pytest.mark.sweep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("machine", (Mailbox, MailboxWithoutMove))
def test_years_of_a_mailbox(machine: type[Mailbox]) -> None:
    run_state_machine_as_test(machine, settings=settings(EASY, max_examples=200, stateful_step_count=100))
