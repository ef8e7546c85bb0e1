"""Small values that the ledger's tests are built of."""

from __future__ import annotations

from datetime import UTC, datetime

from cleanup.ledger import MoveIntent
from cleanup.model import (
    Action,
    Cause,
    Extent,
    Family,
    Finding,
    Fingerprint,
    Judged,
    Kind,
    MessageRef,
    Notice,
    Reason,
    Recipient,
    Returned,
    Strength,
    Verdict,
)

MAILBOX = "anna@example.org"
NOON = datetime(2026, 10, 19, 12, 0, 0, 123456, tzinfo=UTC)


def a_fingerprint(number: int = 1) -> Fingerprint:
    return Fingerprint(size=1000 + number, arrived=NOON, digest=f"{number:064x}")


def an_intent(uid: int = 7, *, undoes: int | None = None) -> MoveIntent:
    return MoveIntent("INBOX", 11, uid, "Backscatter", 22, 40, a_fingerprint(uid), ("\\Seen",), undoes)


def a_judged(uid: int = 7, *, verdict: Verdict = Verdict.BACKSCATTER, subject: str = "Undelivered Mail") -> Judged:
    notice = Notice(
        kind=Kind.NDR,
        format="dsn",
        action=Action.FAILED,
        recipients=(Recipient("who@far.test", action=Action.FAILED, status="5.1.1", cause=Cause.NO_SUCH_USER),),
        returned=(Returned(Extent.HEADERS, message_id="a@forged.test", subject="Cheap", date=NOON),),
        reporting_mta="mx.far.test",
        status="5.1.1",
        cause=Cause.NO_SUCH_USER,
        subject=subject,
    )
    reason = Reason("sent.absent", Family.SENT, Verdict.BACKSCATTER, Strength.HARD, "It is not in Sent.")
    finding = Finding(verdict, "absent_and_hard", (reason,), flags=("x",), campaign="c1", trusted_hop="203.0.113.9")
    return Judged(MessageRef("INBOX", 11, uid), a_fingerprint(uid), ("\\Seen",), notice, finding)
