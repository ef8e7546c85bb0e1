"""What a run did, and the one line that tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cleanup.jobs.idle_check import Look
from cleanup.model import Verdict
from cleanup.report.counts import Counts, Fate, count_judged

if TYPE_CHECKING:
    from cleanup.report.filing.execute import MoveResults
    from cleanup.report.filing.recovery import Recovered


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. `run_id` is its number in the ledger; `outcome` is None where nothing was to be filed."""

    run_id: int
    look: Look
    recovered: Recovered | None  # None where nothing happened since an earlier run
    outcome: MoveResults | None
    remark: str | None = None  # what else the owner should know, such as a digest that could not be left
    bytes_read: int = 0  # from the server
    round_trips: int = 0
    carried_on: tuple[tuple[int, int], ...] = ()  # earlier runs that ended early: number, and how many they moved
    told_before: frozenset[str] = frozenset()  # own domains of whose incomplete SPF records earlier runs told

    @property
    def moved(self) -> int:
        """How many messages were filed."""
        return len(self.outcome.moved) if self.outcome else 0

    @property
    def not_moved(self) -> int:
        """How many were to be filed and are not, the owner's own doings aside."""
        return len(self.outcome.not_moved) + len(self.outcome.unclear) if self.outcome else 0

    @property
    def waiting(self) -> int:
        """How many notices nobody can decide."""
        return self.counts.waiting

    @property
    def counts(self) -> Counts:
        """What the Inbox held, and what was filed of it; after a night without news what an earlier run left there."""
        if self.look.resting:
            return Counts.read(self.look.resting.counts)
        moved = self.outcome.moved if self.outcome else ()
        return count_judged(self.look.judged, ordinary=self.look.ordinary, moved=moved)

    @property
    def cannot_judge(self) -> str | None:
        """Why nothing could be judged that needs Sent, whatever it shows; None where Sent vouches, or nothing waits.

        A night on which Sent cannot be read, is empty or holds half of the mail is not as good as one without bounces.
        """
        undecided = any(one.finding.verdict is Verdict.UNSURE and not one.finding.is_kept for one in self.look.judged)
        return self.look.why_sent_is_silent if undecided else None

    def remarks(self, senders: str | None = None) -> list[str]:
        """What else the owner should know: what a run that was cut off left, a Sent that cannot vouch, open questions,
        what of the filed messages is elsewhere, too, or not as it was, no digest.
        """
        look = self.look
        silent = look.why_sent_is_silent if look.judged else look.sent.coverage.unusable()
        recovered = self.recovered.in_words().splitlines() if self.recovered else []
        moved = self.outcome.remarks if self.outcome else []
        failing = [one.in_words() for one in look.failing_records if one.domain not in self.told_before]
        told = (*recovered, self._passed_over(), silent, *moved, self._questions(senders), *failing, self.remark)
        return [remark.rstrip(".") for remark in told if remark]

    def _questions(self, senders: str | None) -> str | None:
        if not self.look.questions:
            return None
        from cleanup.detector.sender_questions import foremost

        if not (asked := foremost(self.look.questions)):
            return None
        more = f"{len(self.look.questions) - 1:,} more to say" if len(self.look.questions) > 1 else ""
        told = ": ".join(part for part in (more, senders) if part)
        return f"{asked[0].in_words()}{f' ({told})' if told else ''}"

    def _passed_over(self) -> str | None:
        passed = self.look.passed_over
        if not passed:
            return None
        count = "1 message was" if len(passed) == 1 else f"{len(passed):,} messages were"
        return f"{count} not read and will be looked at again (UID {passed[0].ref.uid}: {passed[0].reason})"

    def undoes(self) -> list[tuple[str, int]]:
        """Return what takes all of it back: this run, and those before it that were cut off and whose work it ended.

        Each with its words and the number of the run, for `undo`.
        """
        own = [("To take it back", self.run_id)] if self.moved else []
        return own + [
            (f"To take back the {n:,} that run {run_id} moved before it ended early, too", run_id)
            for run_id, n in self.carried_on
        ]

    def in_words(self, undo: Callable[[int], str] | None = None, senders: str | None = None) -> str:
        """Return the one line that a nightly job leaves.

        `undo` gives the command that takes a run back, `senders` is the one that takes answers on who sends for you.
        """
        counts, resting = self.counts, self.look.resting
        told = [f"; {what[0].lower()}{what[1:]}: {undo(number)}" for what, number in self.undoes()] if undo else []
        undoing = "".join(told)
        planned = len(self.look.plan.moves)
        filed = f"{self.moved:,} of {planned:,}" if self.moved < planned else f"{self.moved:,}"
        left = counts.of(Verdict.BACKSCATTER) - counts.of(Verdict.BACKSCATTER, Fate.FILED)
        others = [f"{n:,} {what}" for n, what in ((counts.of(Fate.KEPT), "kept at your word"),) if n]
        others += [f"{left:,} backscatter left in {self.look.plan.source}"] if left else []
        return (
            f"{self.look.task.mailbox}: run {self.run_id}, {counts.messages:,} messages, "
            f"{counts.notices:,} notices: {filed} filed in {self.look.plan.target}, "
            f"{', '.join([f'{counts.of(Verdict.GENUINE):,} genuine', f'{self.waiting:,} unsure', *others])}{undoing}"
            f"{f'; nothing new since run {resting.run_id}' if resting else ''}"
            f"{''.join(f'; {remark}' for remark in self.remarks(senders))}"
        )
