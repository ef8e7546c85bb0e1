"""Frames as the ledger gives them, of any number of notices: a generated mailbox, really judged, and repeated."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from cleanup.detector.verdict import Case, judge_all
from cleanup.ledger import Ledger
from cleanup.model import Fingerprint, Judged, MessageRef, Policy
from cleanup.report.summary.frames import Frames, load
from tests.generator.mailbox import a_mailbox, as_notice

MAILBOX = "anna.berg@example.org"


def judged_mailbox(seed: int = 5, *, each: int = 3) -> tuple[Judged, ...]:
    """Return the notices of a generated mailbox with their findings, in the order of their UIDs."""
    mailbox = a_mailbox(seed, each=each)
    cases = [Case(as_notice(s), s.arrived, f"{n:064x}") for n, s in enumerate(mailbox.specimens, 1)]
    findings = judge_all(cases, mailbox.index(), mailbox.identity, Policy())
    return tuple(
        Judged(
            MessageRef("INBOX", 11, n),
            Fingerprint(3_000, case.arrived or s.arrived, case.key),
            (),
            case.notice,
            finding,
        )
        for n, (s, case, finding) in enumerate(zip(mailbox.specimens, cases, findings, strict=True), 1)
    )


def fill(ledger: Ledger, judged: tuple[Judged, ...], *, mailbox: str = MAILBOX) -> int:
    """Write a run with these findings; return its number."""
    sent = a_mailbox(5, each=1).index()
    run = ledger.start_run(mailbox, "run", policy="balanced", options={"answer": "spoofed", "headline": "Forged."})
    ledger.record_findings(run, judged)
    ledger.record_sent(run, sent.coverage.sources, sent.coverage)
    ledger.finish_run(run, {"messages": len(judged), "notices": len(judged)})
    return run


@cache
def frames_of(notices: int) -> Frames:
    """Return frames of so many notices: those of one mailbox, again and again, each time an hour earlier."""
    with TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.db") as ledger:
        if notices:
            fill(ledger, judged_mailbox()[:notices])
        frames = load(ledger)
    times = -(-notices // max(len(frames.notices), 1))
    last = int(frames.bounces["finding_id"].max()) if notices else 0
    bounces = pd.concat([_again(frames.bounces, n, last) for n in range(max(times, 1))], ignore_index=True)
    reasons = pd.concat([_again(frames.reasons, n, last) for n in range(max(times, 1))], ignore_index=True)
    return replace(
        frames, bounces=bounces[bounces["finding_id"] <= notices], reasons=reasons[reasons["finding_id"] <= notices]
    )


def _again(frame: pd.DataFrame, times: int, last: int) -> pd.DataFrame:
    copy = frame.assign(finding_id=frame["finding_id"] + times * last)
    earlier = timedelta(hours=times)
    return copy.assign(arrived=copy["arrived"] - earlier) if "arrived" in copy else copy
