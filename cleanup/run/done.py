"""What a run did, and the one line that tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cleanup.model import Judged, Verdict
from cleanup.report.words import LABELLED
from cleanup.run.glance import Look

if TYPE_CHECKING:
    from cleanup.report.filing import FilingOutcome
    from cleanup.report.recovery import Recovered


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did. `run_id` is its number in the ledger; `outcome` is None where nothing was to be filed."""

    run_id: int
    look: Look
    recovered: Recovered | None  # None where nothing happened since an earlier run
    outcome: FilingOutcome | None
    remark: str | None = None  # what else the owner should know, such as a digest that could not be left
    bytes_read: int = 0  # from the server
    round_trips: int = 0

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
        return self._counts[Verdict.UNSURE.value]

    @property
    def _counts(self) -> Mapping[str, int]:
        """What the Inbox held; where nothing happened since an earlier run, what that run left there."""
        counts = self.look.resting.counts if self.look.resting else counts_of(self.look.judged, self.look.ordinary)
        return Counter(counts)

    @property
    def cannot_judge(self) -> str | None:
        """Why nothing could be judged that needs Sent, whatever it shows; None where Sent vouches, or nothing waits.

        A night on which Sent cannot be read, is empty or holds half of the mail is not as good as one without bounces.
        """
        undecided = any(
            one.finding.verdict is Verdict.UNSURE and one.finding.row != LABELLED for one in self.look.judged
        )
        return self.look.why_sent_is_silent if undecided else None

    @property
    def remarks(self) -> list[str]:
        """What else the owner should know: what a run that was cut off left, a Sent that cannot vouch, no digest."""
        look = self.look
        silent = look.why_sent_is_silent if look.judged else look.sent.coverage.unusable()
        recovered = self.recovered.in_words().splitlines() if self.recovered else []
        told = (*recovered, self._passed_over(), silent, self._questions(), self.remark)
        return [remark.rstrip(".") for remark in told if remark]

    def _questions(self) -> str | None:
        if not (asked := self.look.questions):
            return None
        others = f", and {len(asked) - 1} more to say" if len(asked) > 1 else ""
        return f"{asked[0].in_words()} (mailbox-cleanup senders {self.look.task.mailbox}{others})"

    def _passed_over(self) -> str | None:
        passed = self.look.passed_over
        if not passed:
            return None
        count = "1 message was" if len(passed) == 1 else f"{len(passed):,} messages were"
        return f"{count} not read and will be looked at again (UID {passed[0].ref.uid}: {passed[0].reason})"

    def in_words(self, *, with_undo: bool = True) -> str:
        """Return the one line that a nightly job leaves."""
        counts, resting = self._counts, self.look.resting
        undoing = f"; to take it back: mailbox-cleanup undo {self.run_id}" if self.moved and with_undo else ""
        planned = len(self.look.plan.moves)
        filed = f"{self.moved:,} of {planned:,}" if self.moved < planned else f"{self.moved:,}"
        return (
            f"{self.look.task.mailbox}: run {self.run_id}, {counts['messages']:,} messages, "
            f"{counts['notices']:,} notices: {filed} filed in {self.look.plan.target}, "
            f"{counts[Verdict.GENUINE.value]:,} genuine, {self.waiting:,} unsure{undoing}"
            f"{f'; nothing new since run {resting.run_id}' if resting else ''}"
            f"{''.join(f'; {remark}' for remark in self.remarks)}"
        )


def counts_of(judged: Sequence[Judged], ordinary: int) -> dict[str, int]:
    """Return the counts of what lies in an Inbox."""
    verdicts = [one.finding.verdict for one in judged]
    by_word = {verdict.value: verdicts.count(verdict) for verdict in Verdict}
    return {"messages": ordinary + len(judged), "notices": len(judged)} | by_word
