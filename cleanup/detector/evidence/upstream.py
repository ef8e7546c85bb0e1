"""The upstream family: what filters before us wrote on the notice. Believed only from the owner's own side."""

from __future__ import annotations

from collections.abc import Iterator

from cleanup.detector.evidence.dns_questions import blocklist_name, taken_from
from cleanup.detector.evidence.question import Question, points
from cleanup.detector.networks import organisation
from cleanup.detector.path import MOST_LINES
from cleanup.detector.received import read_received
from cleanup.model import Family, Reason, Strength, Verdict

UPSTREAM = Family.UPSTREAM


def upstream(question: Question) -> Iterator[Reason]:
    """Yield what earlier filters and the DNS blocklist say."""
    if not question.notice.marks and not question.known.dns_answers:
        return
    marks = {name.lower(): value for name, value in question.notice.marks}
    yield from _exchange_online(question, marks)
    yield from _spam_marks(question, marks)
    yield from _blocklist(question)


def _exchange_online(question: Question, marks: dict[str, str]) -> Iterator[Reason]:
    """Yield EOP's backscatter mark. EOP marks all NDRs of those who do not send through it, so it never decides."""
    if "backscatter ndr" not in marks.get("x-customspam", "").lower():
        return
    # Anybody can write the mark; a line of Exchange Online at least shows that the notice came by there.
    lines = question.notice.received[:MOST_LINES]
    through = any(organisation(read_received(line).by or "") == "outlook.com" for line in lines)
    strength = Strength.SUPPORTING if through else Strength.NOTE
    says = "Exchange Online Protection marked it as backscatter."
    yield points("filter.marked", UPSTREAM, Verdict.BACKSCATTER, strength, says)


def _spam_marks(question: Question, marks: dict[str, str]) -> Iterator[Reason]:
    # SpamAssassin writes the first two, and in its version line on which host it ran:
    # "SpamAssassin 3.4.6 (2021-04-09) on mail.example.org". rspamd's milter names the host in a field of its own.
    flagged = marks.get("x-spam-flag", "").strip().lower() == "yes"
    flagged = flagged or marks.get("x-spam-status", "").strip().lower().startswith("yes")
    flagged = flagged or marks.get("x-rspamd-action", "").strip().lower() in ("reject", "add header", "rewrite subject")
    if not flagged:
        return
    written_by = marks.get("x-spam-checker-version", "").rpartition(" on ")[2] or marks.get("x-rspamd-server", "")
    own = question.known.owner.is_own_host(written_by.strip())
    strength = Strength.SUPPORTING if own else Strength.NOTE
    says = f"A spam filter{' of yours' if own else ', nobody knows whose,'} marked it."
    yield points("filter.marked", UPSTREAM, Verdict.BACKSCATTER, strength, says)


def _blocklist(question: Question) -> Iterator[Reason]:
    """Yield whether the host that handed the notice over is listed. Big honest providers are: it is only said."""
    if not question.known.dns_answers:
        return
    address, zone = taken_from(question.notice.received), question.known.policy.dnsbl_zone
    if address is not None and blocklist_name(address, zone) in question.known.dns_answers:
        says = f"{address} is listed by {zone} for sending backscatter."
        yield points("dnsbl.backscatterer", UPSTREAM, Verdict.BACKSCATTER, Strength.NOTE, says)
