"""Thousands of steps of runs, undos, faults, kills and an owner who tidies: nothing lost, nothing doubled, ever.

The machine works on the model mailbox, which meets the same contract as the real servers (test_filing_on_servers.py).
What it assumes: a command whose client died has ended by the time of the next run (recovery waits for it).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cleanup.ledger import Ledger, MoveState
from cleanup.model import FilingPlan
from cleanup.report.filing.execute import MoveResults
from cleanup.report.filing.journal import is_in_both
from tests.report.filing.acts import OWNER, TARGET, Reopen, file_these, plan_of, recover_now, undo_run
from tests.report.filing.model_mailbox import EPOCH, Killed, Mail, ModelMailbox, ModelServer

MISCHIEFS = ("drop-before", "drop-after", "half", "late", "refuse", "refuse-half", "bad", "lie", "copy-only",
             "kill-before", "kill-after")  # fmt: skip
CHANGES = ("MOVE", "COPY", "STORE", "EXPUNGE")
FOLDERS = ("INBOX", TARGET, "Archive")
# By the number of the changing command in a run; by the number of the looking one.
changing = st.dictionaries(st.integers(1, 7), st.sampled_from(MISCHIEFS), min_size=1, max_size=3)
looking = st.dictionaries(st.integers(1, 40), st.sampled_from(("drop-before", "kill-before")), max_size=1)
acts = st.lists(st.integers(0, 999), max_size=3)
OURS = frozenset({"\\Deleted"})  # the only flag that we ever set, and only on what was copied


class Mover(RuleBasedStateMachine):
    """A mailbox, its owner and the program."""

    @initialize(move=st.booleans(), tells=st.booleans(), count=st.integers(2, 8))
    def begin(self, move: bool, tells: bool, count: int) -> None:
        self.server = ModelServer(move=move, tells_copyuid=tells)
        self.ledger = Ledger.open("sqlite://")
        for folder in FOLDERS:
            self.server.make(folder)
        self.expected: Counter[str] = Counter()  # how often each message exists, by the owner's own doing
        self.flags: dict[str, frozenset[str]] = {}
        self.put_there: set[str] = set()  # what the owner put into the target himself
        self.to_tell: set[str] = set()  # what an undo copied back out of Archive
        self.number = 0
        for number in range(count):
            self._arrive("good" if number % 2 else "bad")

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    # --- the world ---------------------------------------------------------------------------------------------

    @rule()
    def delivers_the_same_again(self) -> None:
        names = [n for n in self.server.names("INBOX") if self.flags[n] == {"\\Seen"}]
        if names:
            self._arrive(names[-1])

    @rule(pick=st.integers(0, 999), where=st.sampled_from(FOLDERS), there=st.sampled_from(FOLDERS))
    def owner_moves(self, pick: int, where: str, there: str) -> None:
        uid = self._pick(where, pick)
        mail = self.server.boxes[where].mails[uid] if uid is not None else None
        # Of a double he was told, and deletes one; should he keep both, they are two messages from then on.
        if (
            uid is not None
            and mail is not None
            and where != there
            and self._count(mail.name) <= self.expected[mail.name]
        ):
            del self.server.boxes[where].mails[uid]
            self.server.boxes[there].add(mail)
            self.put_there.add(mail.name)

    @rule(pick=st.integers(0, 999), where=st.sampled_from(FOLDERS))
    def owner_deletes(self, pick: int, where: str) -> None:
        uid = self._pick(where, pick)
        if uid is not None:
            name = self.server.boxes[where].mails[uid].name
            # Of a double that the program is at he deletes the one too many; in Archive nothing of it lies.
            if where == "Archive" or self._count(name) <= self.expected[name]:
                self.expected[name] -= 1
            del self.server.boxes[where].mails[uid]

    @rule(pick=st.integers(0, 999), where=st.sampled_from(FOLDERS))
    def owner_flags(self, pick: int, where: str) -> None:
        uid = self._pick(where, pick)
        if uid is not None and self._count(self.server.boxes[where].mails[uid].name) == 1:
            mail = self.server.boxes[where].mails[uid]
            self.flags[mail.name] = frozenset(self.flags[mail.name] ^ {"\\Flagged"})
            kept = self.flags[mail.name] | (mail.flags & OURS)
            self.server.boxes[where].mails[uid] = type(mail)(mail.name, mail.arrived, kept)

    @rule(where=st.sampled_from(FOLDERS[:2]))
    def server_renumbers(self, where: str) -> None:
        self.server.renumber(where)

    # --- the program -------------------------------------------------------------------------------------------

    @rule(changing=changing, looking=looking, can_reopen=st.booleans(), owner=acts, storm=st.integers(0, 6))
    def disturbed_run(
        self, changing: dict[int, str], looking: dict[int, str], can_reopen: bool, owner: list[int], storm: int
    ) -> None:
        for _ in range(storm):
            self._arrive("bad")
        self._disturb(changing, looking, owner)
        try:
            self._run(can_reopen)
        except Killed:
            pass
        finally:
            self._calm()

    @rule(owner=acts, storm=st.integers(0, 3))
    def run_while_the_owner_works_in_the_very_moment_of_a_move(self, owner: list[int], storm: int) -> None:
        for _ in range(storm):
            self._arrive("bad")
        left, moved = list(owner), set[str]()
        doubled = {name for name, count in self.expected.items() if self._count(name) > count}

        def amid() -> None:
            if left:
                moved.update(self._act_amid(left.pop(), doubled))

        self.server.amid = amid
        try:
            outcome = self._run(can_reopen=False, look_on=self._reopen)
        finally:
            self.server.amid = lambda: None
        for name in moved:  # where the move of ours was under way, it is in both folders now: told, and left
            told = {one.reason for one in outcome.doubled} if outcome else set()
            was_told = name in doubled and "stayed in" in self.recovered_in_words  # by an undo that is half-way
            assert self._count(name) == 1 or "in Archive, too" in told or was_told
            self.expected[name] = max(1, self._count(name))

    @rule(changing=changing, looking=looking, can_reopen=st.booleans(), owner=acts)
    def disturbed_undo(
        self, changing: dict[int, str], looking: dict[int, str], can_reopen: bool, owner: list[int]
    ) -> None:
        last = self.ledger.last_filing(OWNER)
        if last is None:
            return
        before = Counter(self.server.copied)
        self._disturb(changing, looking, owner)
        try:
            reopen = self._reopen if can_reopen else None
            told = undo_run(self.ledger, ModelMailbox(self.server), last.run_id, reopen=reopen).in_words()
        except Killed:
            told = None
        finally:
            self._calm()
        for (folder, name), count in (self.server.copied - before).items():
            if folder == "Archive":  # copied back, and left where the owner put it: once a message, and told
                self.expected[name] += count
                self.to_tell.add(name)
                assert self.server.copied[folder, name] <= self._filed(name)
        self._hear(told)

    @rule()
    def clean_run(self) -> None:
        """One undisturbed run ends what all the others began."""
        self._run(can_reopen=False)

        still_open = self.ledger.open_moves(OWNER)
        untried = any("cannot be tried out" in (move.note or "") for move in still_open)  # marks of killed runs
        assert all(is_in_both(move) for move in still_open)
        if untried:
            assert not self.ledger.moves(mailbox=OWNER, states=[MoveState.MOVED, MoveState.UNDONE])
            return
        assert all("renumbered" in (move.note or "") for move in still_open)
        labels, in_both = self.ledger.labels(OWNER), self._open_lines()
        assert not in_both or "stayed in" in self.recovered_in_words  # told by each run, as long as it is so
        left = [m for m in self.server.boxes["INBOX"].mails.values() if m.name.startswith("bad")]
        assert all(m.fingerprint.digest in labels or m.fingerprint.digest in in_both or m.flags & OURS for m in left)
        if not in_both:
            assert all(self._count(name) == count for name, count in self.expected.items())

    @rule()
    def second_run_changes_nothing(self) -> None:
        self.clean_run()
        self.server.log.clear()
        self._run(can_reopen=False)
        assert not {"MOVE", "COPY", "STORE", "EXPUNGE", "CREATE"} & set(self.server.log)

    # --- what must always hold -----------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_and_nothing_is_doubled_for_good(self) -> None:
        if not hasattr(self, "server"):
            return
        open_lines = self._open_lines()
        for name, count in self.expected.items():
            mails = [m for box in self.server.boxes.values() for m in box.mails.values() if m.name == name]
            digest = mails[0].fingerprint.digest if mails else ""
            assert count <= len(mails) <= count + open_lines[digest], name
            assert all(m.flags - OURS == self.flags[name] for m in mails), name

    @invariant()
    def nothing_good_is_ever_filed(self) -> None:
        if hasattr(self, "server"):
            assert all(n.startswith("bad") or n in self.put_there for n in self.server.names(TARGET))

    # --- pieces --------------------------------------------------------------------------------------------------

    def _open_lines(self) -> Counter[str]:
        return Counter(m.intent.fingerprint.digest for m in self.ledger.open_moves(OWNER))

    def _filed(self, name: str) -> int:
        """Return for how many messages of that name a filing was begun."""
        digests = [m.intent.fingerprint.digest for m in self.ledger.moves(mailbox=OWNER, undoing=False)]
        return digests.count(Mail(name, EPOCH).fingerprint.digest)

    def _hear(self, told: str | None) -> None:
        """What is in Archive, too, is told as soon as it is known; None: nothing could be told any more."""
        open_lines = self._open_lines()
        known = {name for name in self.to_tell if not open_lines[Mail(name, EPOCH).fingerprint.digest]}
        assert not known or told is None or ("Archive" in told and "Nothing was removed" in told)
        self.to_tell -= known

    def _act_amid(self, pick: int, doubled: Set[str]) -> set[str]:
        """Move or flag a message while both the source and the target of our move hold it; of equal ones none.

        Return what was moved. Of what was `doubled` before, a flag would be one of the two's alone.
        """
        inbox = self.server.boxes["INBOX"]
        uids = [uid for uid, mail in sorted(inbox.mails.items()) if self.expected[mail.name] == 1]
        if not uids:
            return set()
        mail = inbox.mails[uids[pick % len(uids)]]
        if pick % 2:
            inbox.expunge(uids[pick % len(uids)])
            self.server.boxes["Archive"].add(mail)
            return {mail.name}
        if mail.name in doubled:
            return set()
        self.flags[mail.name] = frozenset(self.flags[mail.name] ^ {"\\Flagged"})
        kept = self.flags[mail.name] | (mail.flags & OURS)
        inbox.mails[uids[pick % len(uids)]] = type(mail)(mail.name, mail.arrived, kept)
        return set()

    def _run(self, can_reopen: bool, look_on: Reopen | None = None) -> MoveResults | None:
        mailbox = ModelMailbox(self.server)
        reopen = self._reopen if can_reopen else None
        try:
            recovered = recover_now(self.ledger, mailbox, reopen)
        except Killed:
            self._hear(None)
            raise
        self.recovered_in_words = recovered.in_words()
        self._hear(self.recovered_in_words)
        if recovered.stopped is not None:
            return None
        return file_these(self.ledger, ModelMailbox(self.server), self._plan(), reopen, look_on)

    def _plan(self) -> FilingPlan:
        labels = self.ledger.labels(OWNER)
        trouble, between = self.server.trouble, self.server.between
        self.server.trouble, self.server.between = (lambda _: None), (lambda: None)  # planning is not the matter here
        bad = [
            uid
            for uid, mail in self.server.boxes["INBOX"].mails.items()
            if mail.name.startswith("bad") and mail.fingerprint.digest not in labels and not mail.flags & OURS
        ]
        plan = plan_of(ModelMailbox(self.server), bad)
        self.server.trouble, self.server.between = trouble, between
        return plan

    def _disturb(self, changing: dict[int, str], looking: dict[int, str], owner: Sequence[int]) -> None:
        seen: Counter[bool] = Counter()
        left = list(owner)

        def trouble(name: str) -> str | None:
            seen[name in CHANGES] += 1
            return (changing if name in CHANGES else looking).get(seen[name in CHANGES])

        def between() -> None:  # with COPY there is a moment in which a new flag is lost, and nothing can be done
            if left and seen[False] % 5 == 4 and self.server.move:
                pick = left.pop()
                (self.owner_tidies if pick % 2 else self.owner_flags)(pick, "INBOX")

        self.server.trouble, self.server.between = trouble, between

    def owner_tidies(self, pick: int, where: str) -> None:
        self.owner_moves(pick, where, "Archive")

    def _arrive(self, name: str) -> None:
        if name in ("good", "bad"):
            self.number += 1
            name = f"{name}{self.number}"
        self.server.arrive(name, "INBOX", "\\Seen")
        self.expected[name] += 1
        self.flags[name] = frozenset({"\\Seen"})

    def _calm(self) -> None:
        self.server.trouble, self.server.between = (lambda _: None), (lambda: None)
        self.server.carry_out_late()

    def _reopen(self) -> ModelMailbox:
        return ModelMailbox(self.server)

    def _pick(self, folder: str, pick: int) -> int | None:
        uids = sorted(self.server.boxes[folder].mails)
        return uids[pick % len(uids)] if uids else None

    def _count(self, name: str) -> int:
        return sum(m.name == name for box in self.server.boxes.values() for m in box.mails.values())


# Every step is played to its end: minutes where the machine is busy.
MoverInCi = pytest.mark.timeout(1200)(Mover.TestCase)
MoverInCi.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def test_an_undo_that_stands_half_way_is_not_begun_again() -> None:
    """Found by the machine: the message was copied a second time after the folder had been renumbered."""
    mover = Mover()
    mover.begin(count=1, tells=True, move=False)
    mover.clean_run()
    mover.disturbed_undo(can_reopen=True, changing={2: "drop-before", 3: "refuse-half"}, looking={}, owner=[])
    mover.server_renumbers("Backscatter")

    mover.disturbed_undo(can_reopen=False, changing={}, looking={}, owner=[])

    mover.nothing_is_lost_and_nothing_is_doubled_for_good()
    assert mover.server.names("INBOX") == ["bad1"]
    mover.teardown()


@pytest.mark.parametrize("cut", [{1: "drop-after"}, {2: "drop-before"}])
def test_what_an_undo_copied_back_is_not_filed_again(cut: dict[int, str]) -> None:
    """Found by the machine: the next run took it for a new message, and the line that told of the double was closed."""
    mover = Mover()
    mover.begin(count=1, tells=False, move=False)
    mover.clean_run()
    mover.disturbed_undo(can_reopen=False, changing=cut, looking={}, owner=[])
    mover.server_renumbers("Backscatter")

    mover.clean_run()
    mover.clean_run()

    mover.nothing_is_lost_and_nothing_is_doubled_for_good()
    assert mover.server.names("INBOX") == mover.server.names("Backscatter") == ["bad1"]
    assert mover.ledger.open_moves(OWNER)
    mover.teardown()
