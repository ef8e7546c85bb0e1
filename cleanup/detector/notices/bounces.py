"""Bounces: the status report where there is one, the table of wordings where there is none, and plain shapes last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.dsn import Report, find_reply, find_status, read_report, severest
from cleanup.detector.notices.formats import FORMATS
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.returned import (
    MOST_RETURNED,
    id_in_words,
    returned_by_parts,
    returned_in_text,
    with_other_ids,
)
from cleanup.detector.notices.second_opinion import second_text
from cleanup.detector.notices.shapes import Shaped, read_shapes
from cleanup.detector.notices.wording import Failure, Letter, Reading, read_wording
from cleanup.model import Action, Cause, Extent, Kind, Notice, Recipient, Returned

_STILL_TRYING = re.compile(
    r"delayed|still being retried|warning: could not send|not yet been delivered|will (?:keep|"
    r"continue) (?:on )?(?:trying|to try)|verzögert|noch nicht|retardé|retrasad|in ritardo|"
    r"atrasad|vertraagd|opóźn|задерж|遅延|延迟|延遲|지연",
    re.IGNORECASE,
)


def read_bounce(mail: Mail) -> Notice | None:
    """Return the bounce that a message is; None where nothing in it says so."""
    report = read_report(mail) or Report()
    if report.recipients:
        return _notice(mail, report, "rfc3464", report.recipients, None)
    reading = read_wording(_letter(mail), FORMATS)
    shaped = None if reading and reading.failures else read_shapes(mail, mail.words)
    if not shaped and not (reading and reading.failures) and mail.machine_made:
        shaped = read_shapes(mail, second_text(mail.raw))
    recipients = _recipients(mail, reading, shaped)
    if not (reading or shaped or _is_bare_bounce(mail, recipients)):
        return None
    name = reading.format.name if reading else "shapes" if shaped else "bare"
    action = _action(mail, reading)
    stated = tuple(replace(r, action=action) for r in recipients)
    return _notice(mail, report, name, stated, reading)


def _letter(mail: Mail) -> Letter:
    return Letter(mail.sender, mail.subject, mail.words, mail.fields.items, mail.machine_made)


def _is_bare_bounce(mail: Mail, recipients: tuple[Recipient, ...]) -> bool:
    """Return whether sender, subject and structure together say bounce where no words do."""
    signs = (mail.null_sender or mail.role_sender, mail.subject_of_notice, mail.is_report, bool(recipients))
    return sum(signs) >= 2


def _action(mail: Mail, reading: Reading | None) -> Action:
    if reading and reading.action is not Action.FAILED:
        return reading.action
    return Action.DELAYED if _STILL_TRYING.search(mail.subject) else Action.FAILED


# --- recipients ----------------------------------------------------------------------------------------------------


def _recipients(mail: Mail, reading: Reading | None, shaped: Shaped | None) -> tuple[Recipient, ...]:
    failures = (reading.failures if reading else ()) or (shaped.failures if shaped else ())
    found = {f.address.lower(): _from_failure(f) for f in failures}
    if not found:
        found = {a.lower(): _from_failure(Failure(a)) for a in _named_in_header(mail)}
    return tuple(found.values())


def _named_in_header(mail: Mail) -> Iterator[str]:
    for name in ("X-Failed-Recipients", "X-Failed-Recipient"):
        for value in mail.fields.all(name):
            for piece in value.split(","):
                if address := plain_address(piece):
                    yield address


def _from_failure(failure: Failure) -> Recipient:
    status, reply = failure.status or find_status(failure.why), failure.reply or find_reply(failure.why)
    return Recipient(
        address=lower_domain(failure.address),
        original=lower_domain(failure.original) if failure.original else None,
        status=status,
        reply=reply,
        diagnostic=failure.why or None,
        cause=find_cause(failure.why, status, reply),
    )


def _from_returned(returned: tuple[Returned, ...]) -> tuple[Recipient, ...]:
    """Return the one addressee of the one returned message, where nothing else names who failed."""
    addressees = {a.lower(): a for one in returned for a in one.to}
    return tuple(Recipient(a) for a in addressees.values()) if len(addressees) == 1 and len(returned) == 1 else ()


# --- the notice ----------------------------------------------------------------------------------------------------


def _notice(
    mail: Mail, report: Report, name: str, recipients: tuple[Recipient, ...], reading: Reading | None
) -> Notice:
    returned = _returned(mail, report, reading)
    recipients = recipients or tuple(replace(r, action=_action(mail, reading)) for r in _from_returned(returned))
    first = next((r for r in recipients if r.status), None)
    return Notice(
        kind=Kind.NDR,
        format=name,
        action=severest(recipients) or _action(mail, reading),
        recipients=recipients,
        returned=returned,
        reporting_mta=report.reporting_mta,
        envelope_id=report.envelope_id,
        arrival_date=report.arrival_date,
        status=first.status if first else find_status(mail.words[:4_000]),
        cause=_cause(mail, recipients),
    )


def _cause(mail: Mail, recipients: tuple[Recipient, ...]) -> Cause:
    known = next((r.cause for r in recipients if r.cause is not Cause.UNKNOWN), None)
    return known or find_cause(mail.words[:1_000])


def _returned(mail: Mail, report: Report, reading: Reading | None) -> tuple[Returned, ...]:
    found = [one for one, _ in zip(returned_by_parts(mail), range(MOST_RETURNED), strict=False)]
    if not found:
        quoted = reading.returned if reading and reading.returned else mail.words
        texts = (quoted, mail.words, *(part.text for part in mail.parts if not part.children and not part.is_text))
        one = next((quoted_one for text in texts if text and (quoted_one := returned_in_text(text))), None)
        found = [one or Returned(Extent.NOTHING)]
    named = id_in_words(mail.words)
    ids = (*report.other_ids, *((named,) if named and len(found) == 1 else ()))
    return (with_other_ids(found[0], ids), *found[1:])
