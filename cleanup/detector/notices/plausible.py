"""Whether what was read of a mail makes a bounce of it. People write "delivery failed" too, and parcel services do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import plain_address
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.phrases import NOTICE_SUBJECT, SENDER_NAME, SENDER_ROLE
from cleanup.detector.notices.wording import Reading
from cleanup.model import Extent, Recipient, Returned

_QUOTED_FROM = re.compile(  # as mail programs quote it in their users' languages
    r"^[ \t>|*]{0,8}(?:from|von|de|da|van|från|fra|lähettäjä|od|от|від|feladó|kimden|gönderen|από|מאת|من|差出人|发件人|"
    r"寄件者|보낸 ?사람)\*?[ \t]?[:：]\*?[ \t]{0,9}([^\r\n]{3,200})",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read of a mail that has no status report."""

    mail: Mail
    reading: Reading | None  # the record of the table that fits
    recipients: tuple[Recipient, ...]
    returned: tuple[Returned, ...]

    @property
    def gives_back(self) -> bool:
        """Whether it gives a message back."""
        return self.returned[0].extent is not Extent.NOTHING

    @property
    def told(self) -> bool:
        """Whether it gives a message back, or a server's answer."""
        return self.gives_back or any(r.reply or r.status for r in self.recipients)


def is_bounce(gathered: Gathered) -> bool:
    """Return whether words, structure and sender together make a bounce."""
    if not _is_about_mail_of_ours(gathered):
        return False
    return _speaks_of_failure(gathered) and (gathered.mail.shows_machine or _is_borne_out(gathered))


def _is_about_mail_of_ours(gathered: Gathered) -> bool:
    """Return whether it names or gives back something, or comes from a mail system: banks and newsletters do not."""
    mail = gathered.mail
    system = mail.role_sender and (mail.null_sender or mail.subject_of_notice or gathered.told)  # postmasters write too
    return bool(gathered.recipients) or gathered.gives_back or system or mail.is_report


def _speaks_of_failure(gathered: Gathered) -> bool:
    """Return whether a known wording does, or at least two signs of structure stand in for it."""
    mail = gathered.mail
    if gathered.reading:
        return True
    signs = (
        mail.null_sender or mail.role_sender,
        mail.subject_of_notice,
        mail.is_report,
        bool(gathered.recipients),
        gathered.returned[0].extent in (Extent.FULL, Extent.HEADERS),
    )
    about_mail = mail.subject_of_notice or mail.is_report or gathered.told or NOTICE_SUBJECT.search(mail.words)
    return sum(signs) >= 2 and about_mail


def _is_borne_out(gathered: Gathered) -> bool:
    """Return whether more than its subject says that a mail without a machine's marks is a bounce.

    It gives back a message that is no notice itself; or it comes from an address such as programs have, and is worded
    as a product words it, or names somebody elsewhere with a server's answer or under a subject that only notices have.
    """
    mail, reading = gathered.mail, gathered.reading
    if _passes_on_a_notice(mail) or not (gathered.gives_back or mail.from_service):
        return False
    worded = reading is not None and bool(reading.failures)
    if worded and reading and not reading.format.everyday:
        return True
    if gathered.gives_back:
        return not SENDER_ROLE.search(gathered.returned[0].from_address or "")
    return _names_somebody_elsewhere(gathered) and (
        gathered.told or (worded and mail.subject_of_returned_mail and not mail.bulk)
    )


def _passes_on_a_notice(mail: Mail) -> bool:
    """Return whether a person quotes a notice with its From: "Is this yours? ---- Forwarded message ----"."""
    return any(SENDER_ROLE.search(f[1]) or SENDER_NAME.search(f[1]) for f in _QUOTED_FROM.finditer(mail.words[:8_000]))


def _names_somebody_elsewhere(gathered: Gathered) -> bool:
    """Return whether a recipient is not of the sender's own organisation: those are the addresses to write to."""
    own = organisation(domain_of(plain_address(gathered.mail.sender) or ""))
    return any(organisation(domain_of(r.address)) != own for r in gathered.recipients)
