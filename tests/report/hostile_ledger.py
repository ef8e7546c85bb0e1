"""A ledger in which every text that a stranger can write is hostile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cleanup.ledger import Ledger
from cleanup.model import FilingPlan, Judged, PlannedMove, Recipient, SentSource, Verdict
from tests.ledger.some import MAILBOX, a_judged

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}{% raw %}",
    '=cmd|"/c calc"!A1',
    "+1-1",
    "@SUM(A1)",
    "-2+3",
    "\t=1+1",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m red",
    "a\r\nBcc: x@y.test\r\n\r\nbody",
    "\u202egnp.exe",
    "\u2066hidden\u2069\u200b\u200d\ufeff",
    "\x00\x08\x7f",
    "\ud800 lone",
    "[click](javascript:alert(1)) ![x](http://evil.test/x.png) <http://evil.test>",
    "| a | b |\n|---|---|",
    "\u2028line\u2029",
    "x" * 100_000,
    "𐀀\U000e0001 tag \U000f0000",
    "http://evil.test/track?you",
)


def a_hostile(text: str, uid: int, verdict: Verdict) -> Judged:
    one = a_judged(uid, verdict=verdict, subject=text)
    returned = replace(one.notice.returned[0], subject=text, message_id=text, from_address=text, date_text=text)
    to = Recipient(text + "@" + text, original=text, status=text, diagnostic=text)
    notice = replace(one.notice, recipients=(to,), returned=(returned,), reporting_mta=text, sender=text, status=text)
    reasons = (replace(one.finding.reasons[0], says=text), *one.finding.reasons)
    return replace(one, notice=notice, finding=replace(one.finding, reasons=reasons, campaign=text, trusted_hop=text))


def fill(path: Path, texts: tuple[str, ...] = PAYLOADS) -> list[Judged]:
    """Write one run that found each text under each verdict; return what was written."""
    judged = [
        a_hostile(text, 1 + number * 3 + place, verdict)
        for number, text in enumerate(texts)
        for place, verdict in enumerate(Verdict)
    ]
    plan = FilingPlan("INBOX", "Backscatter", 11, tuple(PlannedMove(j.ref, j.fingerprint, j.flags) for j in judged[:3]))
    with Ledger.open(path) as ledger:
        run = ledger.start_run(MAILBOX, "run", actor=texts[0], options={"answer": "spoofed", "headline": texts[0]})
        ledger.record_findings(run, judged, plan)
        ledger.record_sent(run, [SentSource(text, 3, 2, problem=text) for text in texts])
        ledger.finish_run(run, {"notices": len(judged)})
    return judged
