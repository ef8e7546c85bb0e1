"""Read one notice: who failed, why, and what was returned. The most authoritative reader answers."""

from __future__ import annotations

from collections.abc import Callable

from cleanup.detector.guard import guard
from cleanup.detector.notices.bounces import read_bounce
from cleanup.detector.notices.fill_in import completed, hostile
from cleanup.detector.notices.headers import read_fields
from cleanup.detector.notices.is_bounce import is_a_copy
from cleanup.detector.notices.json_events import read_json_event
from cleanup.detector.notices.list_refusals import read_list_refusal
from cleanup.detector.notices.lookalikes import other_kind
from cleanup.detector.notices.mail import Mail, unwrapped
from cleanup.detector.notices.signs import reason
from cleanup.model import Kind, Notice

Reader = Callable[[Mail], Notice | None]


def read_other_notice(mail: Mail) -> Notice | None:
    """Return what is a notice and no bounce, or no notice at all; None where the next reader is to be asked."""
    kind = other_kind(mail)
    return Notice(kind, format=kind.value) if kind else None


READERS: tuple[Reader, ...] = (read_json_event, read_list_refusal, read_other_notice, read_bounce)


def read_notice(raw: bytes) -> Notice | None:
    """Return the notice that a message is; None for ordinary mail. Never raises, however odd the mail.

    `Notice.too_hostile` says why a mail that looks like a notice was not read.
    """
    guarded = guard(raw)
    fields, body_at = read_fields(guarded.raw)
    if reason(fields.by_name) is None:
        return None
    mail = Mail(fields, guarded.raw, body_at)
    if guarded.too_hostile:
        return hostile(mail, guarded.too_hostile)
    try:
        return _read(mail)
    except (RecursionError, MemoryError, ValueError, LookupError, ArithmeticError) as error:
        return hostile(mail, f"reading it failed ({type(error).__name__})")


def _read(mail: Mail) -> Notice | None:
    inner = mail if is_a_copy(mail) else unwrapped(mail)
    notice = next((found for reader in READERS if (found := reader(inner))), None)
    return completed(notice, mail) if notice and notice.kind is not Kind.ORDINARY else None
