"""The short message that a run leaves in the backscatter folder: what was filed, what was kept, how to get it back.

It is appended over IMAP, never sent. Nothing in it makes it a notice for the next run: it comes from the owner's own
address, answers nothing, and carries no field of an automatic answer (RFC 3834 asks those of replies only).
"""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from cleanup.model import Judged, MessageRef, Verdict
from cleanup.report.counts import Fate, count_judged, is_undelivered
from cleanup.report.text import local_time, plural, safe_text, why_not_arrived

RUN_FIELD = "X-Mailbox-Cleanup-Run"
EXAMPLES = 5
MOST_BOUNCES = 50  # of the owner's own: each wants something done


@dataclass(frozen=True, slots=True)
class Digest:
    """What a digest tells."""

    owner: str
    run_id: int
    headline: str
    judged: Sequence[Judged]
    moved: Collection[MessageRef]
    source: str
    target: str


def digest_message(digest: Digest, *, now: datetime) -> bytes:
    """Return the message (RFC 5322, text and HTML), ready to be appended.

    It has 40 lines at most, but for the owner's own bounces: of those each is named, up to 50.
    """
    message = EmailMessage()
    message["From"] = f"Mailbox cleanup <{digest.owner}>"
    message["To"] = digest.owner
    message["Subject"] = f"Mailbox cleanup: {plural(len(digest.moved), 'forged bounce')} filed"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<run-{digest.run_id}.{now:%Y%m%d%H%M%S%f}@mailbox-cleanup.invalid>"
    message[RUN_FIELD] = str(digest.run_id)
    paragraphs = _paragraphs(digest)
    message.set_content(_as_text(paragraphs))
    message.add_alternative(_as_html(paragraphs), subtype="html")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n", max_line_length=76))


Paragraph = tuple[str, tuple[str, ...]]  # a sentence, and the list below it


def _paragraphs(digest: Digest) -> list[Paragraph]:
    counts = count_judged(digest.judged, moved=digest.moved)
    genuine, unsure = (counts.of(v) - counts.of(v, Fate.FILED) for v in (Verdict.GENUINE, Verdict.UNSURE))
    undelivered = [j for j in digest.judged if is_undelivered(j.finding.verdict, j.notice.kind)]
    filed = [j for j in digest.judged if j.ref in digest.moved]
    forged = f"{plural(counts.of(Fate.FILED), 'bounce')} of mail that you never sent"
    if leaning := counts.of(Verdict.UNSURE, Fate.FILED):
        forged += f" ({leaning:,} of them only most likely: --policy storm files those, too)"
    return [
        (safe_text(digest.headline, limit=400), ()),
        (safe_text(f"{forged} went from {digest.source} to {digest.target}, for example:"), _some(filed, _forged)),
        (_kept(genuine, unsure), ()),
        *([("Your own mail that did not arrive:", _all(undelivered, digest.owner))] if undelivered else []),
        (
            "Nothing was deleted. To get one back, move it to your Inbox: the next run remembers that, and never files "
            f"it again. To get all of them back, undo run {digest.run_id} (mailbox-cleanup undo {digest.run_id}, with "
            "the options or the configuration of that run).",
            (),
        ),
    ]


def _kept(genuine: int, unsure: int) -> str:
    both = f"{plural(genuine, 'genuine notice')} and {plural(unsure, 'unsure one')}"
    return f"{both} {'stays where it is' if genuine + unsure == 1 else 'stay where they are'}."


def _some(judged: Sequence[Judged], line: Callable[[Judged], str]) -> tuple[str, ...]:
    newest = sorted(judged, key=lambda one: one.fingerprint.arrived, reverse=True)
    more = (f"and {len(judged) - EXAMPLES:,} more",) if len(judged) > EXAMPLES else ()
    return (*(safe_text(line(one), limit=120) for one in newest[:EXAMPLES]), *more)


def _all(undelivered: Sequence[Judged], owner: str) -> tuple[str, ...]:
    newest = sorted(undelivered, key=lambda one: one.fingerprint.arrived, reverse=True)
    lines = tuple(safe_text(_undelivered(one), limit=160) for one in newest[:MOST_BOUNCES])
    left = len(newest) - MOST_BOUNCES
    return (*lines, f"and {left:,} more: mailbox-cleanup report {owner} --format csv") if left > 0 else lines


def _forged(one: Judged) -> str:
    who = one.notice.reporting_mta or one.notice.sender or "an unknown server"
    about = one.notice.returned[0].subject or one.notice.subject or "no subject"
    return f"{local_time(one.fingerprint.arrived, zone=True)}, from {who}: {about}"


def _undelivered(one: Judged) -> str:
    to = ", ".join(recipient.address for recipient in one.notice.recipients[:2]) or "somebody"
    where = f"UID {one.ref.uid}, {local_time(one.fingerprint.arrived, zone=True)}"
    why = why_not_arrived(one.notice.cause, one.notice.action)
    return f"{where}, to {to}: {one.notice.returned[0].subject or 'no subject'}. {why}"


def _as_text(paragraphs: Sequence[Paragraph]) -> str:
    return (
        "\n\n".join("\n".join([sentence, *(f"  * {line}" for line in lines)]) for sentence, lines in paragraphs) + "\n"
    )


def _as_html(paragraphs: Sequence[Paragraph]) -> str:
    parts = []
    for sentence, lines in paragraphs:
        items = "".join(f"<li>{html.escape(line)}</li>\n" for line in lines)
        parts.append(f"<p>{html.escape(sentence)}</p>\n" + (f"<ul>\n{items}</ul>\n" if items else ""))
    return f'<!doctype html>\n<html lang="en"><body>\n{"".join(parts)}</body></html>\n'
