"""Whether what was read of a mail makes a bounce of it. People write "delivery failed" too, and parcel services do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import plain_address
from cleanup.detector.notices.formats.record import Reading
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.phrases import NOTICE_SUBJECT, SENDER_NAME, SENDER_ROLE
from cleanup.model import Extent, Recipient, Returned

_QUOTED_FROM = re.compile(  # as mail programs quote it in their users' languages
    r"^[ \t>|*]{0,8}(?:from|von|de|da|van|från|fra|lähettäjä|od|от|від|feladó|kimden|gönderen|από|מאת|من|差出人|发件人|"
    r"寄件者|보낸 ?사람)\*?[ \t]?[:：]\*?[ \t]{0,9}([^\r\n]{3,200})",
    re.IGNORECASE | re.MULTILINE,
)
_COPY_FIELDS = (  # how the names of the fields begin by which journals, moderation and ticket systems know their mail
    "x-ms-journal-report",
    "x-ms-exchange-organization-journal",
    "x-ms-exchange-organization-approval",
    "x-otrs-",
    "x-zammad-",
    "rt-ticket",
    "x-rt-",
    "x-zendesk-",
    "x-freshdesk-",
    "x-redmine-",
    "x-jira-",
    "x-github-",
    "x-gitlab-",
    "x-bugzilla-",
)
_REFERRED = re.compile(  # with what Majordomo refers a letter to its list's keeper
    r"bounce \S{1,200}@\S{1,200}:\s{1,9}(?:non-?member|admin|approval|(?:global )?taboo|message too long)",
    re.IGNORECASE,
)
_SUMMARY = re.compile(r"^[ \t>|*]{0,12}(?:subject|betreff|objet|asunto|oggetto|to|cc)[ \t]?:.*$", re.I | re.M)
MOST_SAID = 1_500  # characters within which a mail says what it is
_SOMETHING_ELSE = re.compile(  # in small letters
    # quarantines, moderation
    r"quarantin|released|approve or|(?:requires|awaits?|awaiting|pending) (?:your )?(?:approval|moderation)|"
    r"to be approved|(?:approve|reject) it|moderated|held messages?|being held|freigegeben|libéré|liberado|"
    r"liberad[ao]|rilasciat|"
    r"vrijgegeven|zwolnion|освобожд|解放|隔離|隔离|격리|карантин|cuarentena|quarenten|validation\b.{0,40}distrib|"
    # journals, archives, copies, rules, review
    r"archiv|restored|journal|incident|policy ?:|selected for review|supervis|as you asked|copy of a (?:message|"
    r"meeting)|"
    r"mail ?flow rule|message id: |on-behalf-of:|"
    # tickets, reports, calls, documents
    r"ticket|\bcase \d|help ?desk[^@\n]{0,40}<|voice ?(?:mail|message)|missed call|\bfax|scanned|copier|"
    r"newsletter|statistic|mail queue|"
    r"messages in the queue|-queue id-|\bcron <|logwatch|recall (?:report|this)|\n#\d{2,} |new conversation|"
    r"test mail|probe|bounces? processed|subscribers? (?:\w{1,12} ){0,2}(?:marked|removed|unconfirmed)|"
    r"bounce action notice|bounce format was not recognized|errors from \S|"
    r"meeting|submission|abuse desk|complain|"
    # filters about mail to their reader, warnings
    r"(?:messages?|mails?) (?:sent |addressed )?to you\b|new (?:reply|post|comment) |replied to |"
    r"an sie gerichtet|vous (?:est|était) adressé|dirigido a usted|"
    r"indirizzato a lei|zurückgehalten|retenu par|was delivered to you|sent to you|pretends to be|in your name|"
    r"forge[dr]|wrote to you|sent you an? |(?:\d|your) incoming (?:e-?mails?|messages?|mails?)\b|"
    r"release (?:the |your |these |all )?(?:pending )?(?:messages?|mails?|e-?mails?)|"
    r"your (?:mailbox|inbox|postbox|quota|subscription|membership)\b|"
    r"suspicious|is unsolicited commercial|spam detection software|content (?:checker|preview)|undecipherable"
)

_ABOUT_ITS_READERS_MAIL = re.compile(
    r"\b(?:your|original|the|this|a) (?:\S{1,20} )?(?:message|e-?mail|mail)\b|you (?:have |had )?(?:sent|wrote)|"
    r"ihre (?:nachricht|e-?mail|mail)|votre (?:message|courriel|mail)|su (?:mensaje|correo)|sua mensagem|"
    r"(?:tuo|suo|vostro) messaggio|uw bericht|undeliver|returned|recipient|error",
    re.IGNORECASE,
)

_MERELY_ABOUT_MAIL = re.compile(
    r"\b(?:your|the) (?=(?:mail|message|e-?mail) )|수신자"
)  # signs in a subject, small letters


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read of a mail that has no status report."""

    mail: Mail
    reading: Reading | None  # the record of the table that fits
    recipients: tuple[Recipient, ...]
    returned: tuple[Returned, ...]

    @property
    def by_a_product(self) -> bool:
        """Whether it is in the words of a mail system, and not only in everyday ones."""
        return self.reading is not None and not self.reading.format.everyday

    @property
    def worded(self) -> bool:
        """Whether its words name who failed."""
        return self.reading is not None and bool(self.reading.failures)

    @property
    def gives_back(self) -> bool:
        """Whether it gives a message back."""
        return self.returned[0].extent is not Extent.NOTHING

    @property
    def says_why(self) -> bool:
        """Whether it gives a message back, or a server's answer."""
        return self.gives_back or any(r.reply or r.status for r in self.recipients)

    @property
    def lists_domains(self) -> bool:
        """Whether it names addresses of several domains and gives nothing back, as reports about many mails do."""
        return len({domain_of(r.address) for r in self.recipients}) > 1 and not self.gives_back


def is_bounce(gathered: Gathered) -> bool:
    """Return whether words, structure and sender together make a bounce.

    Structure alone makes none: machines send people mail with mail in it for many reasons. It takes a field that says
    so, or words of failure or delay.
    """
    mail = gathered.mail
    # It names or gives back something, or comes from a mail system: banks and newsletters do not. Postmasters write
    # letters too, so the address alone is not enough.
    system = mail.role_sender and (mail.null_sender or mail.subject_of_notice or gathered.says_why)
    if not (gathered.recipients or gathered.gives_back or system or mail.is_report) or is_a_copy(mail):
        return False
    if _passes_on_mail_to_its_reader(gathered):
        # Only a product's own wording outweighs that.
        in_its_words = gathered.worded and gathered.by_a_product
        if not (in_its_words and mail.subject_of_failure and gathered.recipients):
            return False
    if not mail.fields.has("X-Failed-Recipients", "X-MS-Exchange-Message-Is-Ndr"):
        declared = mail.root.option("report-type").lower() == "delivery-status" and not mail.sent_by_its_author
        if not declared and not _says_so_in_words(gathered):
            return False
    return mail.shows_machine or _is_borne_out(gathered)


def is_a_copy(mail: Mail) -> bool:
    """Return whether a journal, a moderator's desk or a ticket system made it: such mail carries fields that say so."""
    return any(name.startswith(_COPY_FIELDS) for name in mail.fields.by_name)


def says_something_else(mail: Mail) -> bool:
    """Return whether a mail says that it was released, moderated, copied, reported or filed for its reader."""
    if _REFERRED.match(mail.subject):
        return True
    words = _SUMMARY.sub("", mail.words[:MOST_SAID])  # what the message answered is called says nothing
    said = f"{mail.sender}\n{mail.own_subject}\n{words}".lower()
    # Lines end anywhere within a sentence; some phrases are told by where their line begins or ends.
    return bool(_SOMETHING_ELSE.search(said) or _SOMETHING_ELSE.search(" ".join(said.split())))


def _passes_on_mail_to_its_reader(gathered: Gathered) -> bool:
    """Return whether what it gives back was written to its own addressee by somebody else: released, moderated, copied.

    A bounce gives back what its addressee wrote, or what was written in his name.
    """
    returned = gathered.returned[0]
    if not gathered.gives_back or returned.from_address is None:
        return False
    addressees = gathered.mail.addressees
    return returned.from_address.lower() not in addressees and any(a.lower() in addressees for a in returned.to)


def _says_so_in_words(gathered: Gathered) -> bool:
    """Return whether it speaks of failure: as a product does, or under a subject that says so, or with an answer.

    Plain words (“was blocked”) are everybody's: a mail that says what else it is is not taken for a bounce by them.
    """
    mail, reading = gathered.mail, gathered.reading
    if gathered.by_a_product and gathered.worded:
        return True
    shows_all = mail.null_sender and mail.role_sender and mail.subject_of_failure and bool(gathered.recipients)
    if not shows_all and says_something_else(mail):
        return False
    if gathered.by_a_product and mail.subject_of_failure:
        return True
    # A help desk's letter, or its ticket, attaches a message and names nobody who failed.
    files = any(part.is_message or part.type.startswith("application/") for part in mail.parts)
    attached = files and not gathered.recipients
    passed_on = attached and (mail.has_its_own_way_back or not mail.titled_as_notice)
    if reading and (gathered.recipients or (mail.subject_of_failure and gathered.gives_back and not passed_on)):
        return True
    signs = (
        mail.null_sender or mail.role_sender,
        mail.subject_of_failure,
        mail.is_report,
        bool(gathered.recipients),
        gathered.returned[0].extent in (Extent.FULL, Extent.HEADERS),
    )
    if sum(signs) < 2:
        return False
    if not gathered.recipients and not gathered.gives_back and mail.words.isascii():
        return mail.subject_of_failure and _ABOUT_ITS_READERS_MAIL.search(mail.words[:MOST_SAID]) is not None
    if not (mail.role_sender or mail.subject_of_failure or mail.is_report or gathered.gives_back):
        return False  # a build or a monitor quotes a server's answer, too
    answered = any(r.reply or r.status for r in gathered.recipients)
    if mail.is_report:
        return True
    if mail.subject_of_failure:  # a postmaster's own letter may have one: "Why your mail to Bob was late"
        if passed_on:
            return False
        by_a_person = mail.has_its_own_way_back and not (mail.automatic or mail.subject_of_returned_mail)
        # "Your message was" may go on with "logged", and what is attached is a copy then.
        shown = attached and not (mail.role_sender or mail.subject_of_returned_mail)
        by_its_subject = not (by_a_person or shown) and _speaks_of_failure(mail.own_subject)
        return answered or by_its_subject or _speaks_of_failure(mail.words)
    # Lists of addresses to be given up hold codes, too.
    if answered and not (gathered.lists_domains and not mail.subject_of_notice):
        return True
    return bool(gathered.recipients) and _speaks_of_failure(mail.words)


def _speaks_of_failure(words: str) -> bool:
    """Return whether a text has words of failure or delay: "your message was" is enough for a subject only."""
    return NOTICE_SUBJECT.search(_MERELY_ABOUT_MAIL.sub("", words[:MOST_SAID].lower()))


def _is_borne_out(gathered: Gathered) -> bool:
    """Return whether more than its subject says that a mail without a machine's marks is a bounce.

    It gives back a message that is no notice itself; or it comes from an address such as programs have, and is worded
    as a product words it, or names somebody elsewhere with a server's answer or under a subject that only notices have.
    """
    mail = gathered.mail
    if mail.null_sender and mail.from_service and gathered.worded and gathered.recipients:
        return True
    if not (gathered.gives_back or mail.from_service):
        return False
    # A person quotes a notice with its From: "Is this yours? ---- Forwarded message ----".
    quoted = (found[1] for found in _QUOTED_FROM.finditer(mail.words[:8_000]))
    if any(SENDER_ROLE.search(sender) or SENDER_NAME.search(sender) for sender in quoted):
        return False
    if gathered.worded and gathered.by_a_product:
        return True
    if gathered.gives_back:
        if mail.greets or not (mail.from_service or gathered.recipients or gathered.by_a_product):
            return False  # a person shows what came in somebody's name
        return not SENDER_ROLE.search(gathered.returned[0].from_address or "")
    # Addresses of the sender's own organisation are those to write to, not those that failed.
    own = organisation(domain_of(plain_address(mail.sender) or ""))
    elsewhere = any(organisation(domain_of(r.address)) != own for r in gathered.recipients)
    if gathered.lists_domains:
        return False
    return elsewhere and (gathered.says_why or (gathered.worded and mail.subject_of_returned_mail and not mail.bulk))
