"""Whatever happens to a mailbox, night after night: scan plans what run files, and every count is what lies there.

Each history is drawn from a seed: runs of several kinds, undos, refusals, power cuts; the owner moves, takes back,
deletes and labels; new mail comes in.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path

import pytest

from cleanup.connector.mailbox import Mailbox, open_mailbox
from cleanup.demo import LAST_DAY, OWNER
from cleanup.ledger import Ledger
from cleanup.model import Verdict
from cleanup.notebook import load_frames
from cleanup.report.counts import Fate
from cleanup.report.digest import RUN_FIELD
from cleanup.report.summary.summarize import count
from tests.cli.in_process import Program
from tests.servers.anna import anna_on_a_server

STEPS = 8
FEW = (104, 106)
MANY = range(int(os.environ.get("FIRST", "100")), int(os.environ.get("COUNT", "150")) + 100)
Places = dict[str, str]  # folder by Message-ID


@pytest.fixture
def anna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.setattr("cleanup.report.summary.html.charts_available", lambda: False)  # seconds, for no number
    with anna_on_a_server(tmp_path / "unused.sqlite") as demo:
        yield Program(demo, tmp_path / "ledger.sqlite", monkeypatch)


@pytest.mark.parametrize("seed", FEW)
def test_counts_and_plans_hold_in_any_history(anna: Program, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    History(anna, monkeypatch, random.Random(seed)).lived()


@pytest.mark.sweep
@pytest.mark.parametrize("seed", MANY)
def test_counts_and_plans_hold_in_many_histories(anna: Program, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    History(anna, monkeypatch, random.Random(seed)).lived()


class _PowerCut(BaseException):
    """Ends the program in the middle: nobody catches it, and nothing is written any more."""


class History:
    """A mailbox, and what a person knows who watched all that happened to it."""

    def __init__(self, anna: Program, patch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self.anna, self.patch, self.chance = anna, patch, chance
        self.acts: list[str] = []
        self.filed: set[str] = set()  # by the program, and there since
        self.undone: set[str] = set()  # put back by undo, and not filed again since
        self.genuine: set[str] = set()  # by the owner's act or word
        self.is_settled = True  # no run was cut off since the last one that went through

    def lived(self) -> None:
        """Let it happen."""
        for _ in range(STEPS):
            act = self.chance.choice(
                [self.run, self.run, self.run_again, self.run_storm, self.undo, self.undo, self.refused, self.cut_off,
                 self.owner_takes_back, self.owner_moves_on, self.owner_deletes, self.owner_says, self.mail_comes]
            )  # fmt: skip
            self.acts.append(act.__name__)
            try:
                act()
            except AssertionError as error:
                raise AssertionError(f"after {self.acts}: {error}") from error

    # --- the program -------------------------------------------------------------------------------------------

    def run(self, *options: object) -> None:
        """What scan plans is filed, no more and no less, and is told by everybody."""
        before = self.places()
        scanned = self.anna.on("scan", "--format", "jsonl", *(option for option in options if option != "--again"))
        rows = [json.loads(line) for line in scanned.out.splitlines()]
        with open_mailbox(self.anna.demo.account, read_only=True) as mailbox:
            by_uid = self._in(mailbox, "INBOX")
        ended = self.anna.on("run", "--yes", *options)
        assert ended.code == 0, ended.err
        after = self.places()
        moved = self.moved(before, after, "INBOX", "Backscatter")
        planned = {by_uid[row["uid"]] for row in rows if row["to_file"]}
        assert planned == moved - self.undone if "--again" in options else planned == moved
        assert not moved & self.genuine
        assert "--again" in options or not moved & self.undone
        self.filed |= moved
        self.undone -= moved
        self.is_settled = True
        told = re.search(r"([\d,]+) notices.*?: ([\d,]+)(?: of [\d,]+)? filed", ended.err, re.DOTALL)
        assert told, ended.err
        assert (int(told[1]), int(told[2])) == (len(rows), len(moved)), ended.err
        self.everybody_agrees()

    def run_again(self) -> None:
        """A run that files once more what an undo put back."""
        self.run("--again")

    def run_storm(self) -> None:
        """A run by other rules."""
        self.run("--policy", "storm")

    def undo(self) -> None:
        """What the last run filed is put back. Of what the owner moved on, a copy: his own stays."""
        before = self.places()
        ended = self.anna.undo()
        after = self.places(copied_from="Archive")
        assert before.keys() == after.keys()
        put_back = {one for one in before if after[one] == "INBOX" != before[one]}
        assert all(before[one] == after[one] for one in before.keys() - put_back)
        assert all(before[one] in ("Backscatter", "Archive") for one in put_back)
        told = re.search(r"([\d,]+) messages? of run \d+ w", ended.err + ended.out)
        assert (int(told[1]) if told else 0) == len(put_back), ended.err + ended.out
        self.filed -= put_back
        self.undone |= put_back
        self._drop_copies(put_back)

    def refused(self) -> None:
        """A run that would move more than it may moves nothing."""
        before = self.places()
        rows = [json.loads(line) for line in self.anna.on("scan", "--format", "jsonl").out.splitlines()]
        ended = self.anna.on("run", "--yes", "--max-moves", 1)
        assert ended.code == (20 if sum(row["to_file"] for row in rows) > 1 else 0), ended.err
        if ended.code:
            assert self.places() == before
        else:
            moved = self.moved(before, self.places(), "INBOX", "Backscatter")
            self.filed |= moved
            self.undone -= moved

    def cut_off(self) -> None:
        """The power goes after some move; what was moved is the program's, as the next run finds out."""
        before, calls, last = self.places(), [0], self.chance.randint(1, 3)
        real = Mailbox.move

        def move(mailbox: Mailbox, uids: list[int], *more: object) -> object:
            calls[0] += 1
            if calls[0] == last and self.chance.random() < 0.5:
                raise _PowerCut
            answer = real(mailbox, uids, *more)  # type: ignore[arg-type]
            if calls[0] == last:
                raise _PowerCut
            return answer

        with self.patch.context() as cut:
            cut.setattr(Mailbox, "move", move)
            try:
                self.anna.on("run", "--yes")
            except _PowerCut:
                self.is_settled = False
        moved = self.moved(before, self.places(), "INBOX", "Backscatter")
        assert not moved & (self.genuine | self.undone)
        self.filed |= moved

    # --- others ------------------------------------------------------------------------------------------------

    def owner_takes_back(self) -> None:
        """The owner moves some of what was filed back to the Inbox."""
        if self.is_settled:  # else nobody can tell his act from a move that never was
            self.genuine |= self._take(self.filed, "INBOX")

    def owner_moves_on(self) -> None:
        """The owner moves some of what was filed elsewhere."""
        self._take(self.filed, "Archive")

    def owner_deletes(self) -> None:
        """The owner deletes some of what was filed for good."""
        gone = self._some(self.filed)
        if not gone:
            return
        with open_mailbox(self.anna.demo.account) as mailbox:
            uids = [uid for uid, one in self._in(mailbox, "Backscatter").items() if one in gone]
            mailbox.select("Backscatter")
            mailbox.mark_deleted(uids)
            mailbox.uid_expunge(uids)
        self.filed -= gone

    def owner_says(self) -> None:
        """The owner calls one that lies in the Inbox genuine."""
        if not self.anna.ledger.exists():
            return
        with open_mailbox(self.anna.demo.account, read_only=True) as mailbox:
            lying = self._in(mailbox, "INBOX")
        frame = load_frames(self.anna.ledger, OWNER).notices
        notices = [one for one in frame.itertuples() if one.folder == "INBOX" and one.uid in lying]
        if notices and self.is_settled:
            one = self.chance.choice(notices)
            with Ledger.open(self.anna.ledger) as ledger:
                ledger.label(OWNER, one.digest, Verdict.GENUINE, said_by="review")
            self.genuine.add(lying[one.uid])

    def mail_comes(self) -> None:
        """Some of what came before comes once more, with other Message-IDs."""
        with open_mailbox(self.anna.demo.account) as mailbox:
            mailbox.examine("INBOX")
            uids = mailbox.uids("INBOX")
            raws = [raw for _, raw in mailbox.pull_bodies("INBOX", self.chance.sample(uids, min(3, len(uids))))]
            for raw in raws:
                fresh = b"<again%d-" % self.chance.randrange(10**9)
                mailbox.append("INBOX", re.sub(rb"(?im)^(message-id:\s*)<", rb"\1" + fresh, raw, count=1), (), LAST_DAY)

    # --- what a person sees ------------------------------------------------------------------------------------

    def places(self, copied_from: str = "") -> Places:
        """Return where each message lies, each in one place; the program's own letters are left out.

        One folder may hold copies of what lies in the Inbox.
        """
        with open_mailbox(self.anna.demo.account, read_only=True) as mailbox:
            names = [folder.name for folder in mailbox.folders() if folder.selectable]
            found: Places = {}
            for name in names:
                for one in self._in(mailbox, name).values():
                    if one in found and name == copied_from:
                        continue
                    assert found.get(one, copied_from) == copied_from, f"{one} lies in {name} and in {found[one]}"
                    found[one] = name
        return found

    def moved(self, before: Places, after: Places, source: str, target: str) -> set[str]:
        """Return what went from one folder to another; nothing else changed."""
        assert before.keys() == after.keys()
        changed = {one for one in before if before[one] != after[one]}
        assert all((before[one], after[one]) == (source, target) for one in changed)
        return changed

    def everybody_agrees(self) -> None:
        """What report, history and frames tell is what lies there."""
        lying = self.places()
        there = {one for one in self.filed if lying.get(one) == "Backscatter"}
        assert there == self.filed
        with Ledger.open(self.anna.ledger) as ledger:
            if "resting_since" in ledger.runs(limit=1)[0].options:  # then nobody looked into the backscatter folder
                return
        frames = load_frames(self.anna.ledger, OWNER)
        known = count(frames.notices)
        assert known.of(Fate.FILED) == len(there), (known, len(there))
        runs = json.loads(self.anna("history", "--ledger", self.anna.ledger, "--format", "json").out)
        assert sum(run["filed_now"] for run in runs) == len(there)
        table = self.anna("report", "--ledger", self.anna.ledger).out
        assert f"; {len(there):,} filed" in table, table[:2000]

    def _in(self, mailbox: Mailbox, folder: str) -> dict[int, str]:
        mailbox.examine(folder)
        found = {}
        for uid, raw in mailbox.pull_bodies(folder, mailbox.uids(folder)):
            message = message_from_bytes(raw)
            if RUN_FIELD not in message:
                found[uid] = str(message["Message-ID"] or f"{folder} {uid}").strip()
        return found

    def _drop_copies(self, put_back: set[str]) -> None:
        with open_mailbox(self.anna.demo.account) as mailbox:
            if any(folder.name == "Archive" for folder in mailbox.folders()):
                uids = [uid for uid, one in self._in(mailbox, "Archive").items() if one in put_back]
                if uids:
                    mailbox.select("Archive")
                    mailbox.mark_deleted(uids)
                    mailbox.uid_expunge(uids)

    def _some(self, among: set[str]) -> set[str]:
        ordered = sorted(among)
        return set(self.chance.sample(ordered, min(len(ordered), self.chance.randint(1, 4))))

    def _take(self, among: set[str], target: str) -> set[str]:
        chosen = self._some(among)
        with open_mailbox(self.anna.demo.account) as mailbox:
            if all(folder.name != target for folder in mailbox.folders()):
                mailbox.create_folder(target)
            uids = [uid for uid, one in self._in(mailbox, "Backscatter").items() if one in chosen] if chosen else []
            if uids:
                mailbox.select("Backscatter")
                mailbox.move(uids, target)
        self.filed -= chosen
        return chosen
