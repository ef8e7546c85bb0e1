"""What looks like a bounce and is none: receipts, abuse reports, auto-replies, challenges, virus notices, people."""

from __future__ import annotations

import re

from cleanup.detector.notices.answering_words import as_said, challenges, finds_a_virus, is_away, names_a_virus
from cleanup.detector.notices.is_bounce import says_something_else
from cleanup.detector.notices.mail import STATUS_TYPES, Mail
from cleanup.model import Kind

_MDN = ("message/disposition-notification", "message/global-disposition-notification")
_ARF = ("message/feedback-report",)
_ARF_WORDS = re.compile(r"^Feedback-Type[ \t]*:[ \t]*\S|this is an? e-?mail abuse report", re.IGNORECASE | re.MULTILINE)
_ARF_SUBJECT = re.compile(r"abuse report|complaint|feedback report")
_MDN_WORDS = re.compile(
    r"^Disposition[ \t]*:[ \t]*\S.{0,100}(?:displayed|deleted|dispatched|processed|denied)",
    re.IGNORECASE | re.MULTILINE,
)
_RECEIPT_SUBJECT = re.compile(
    r"^\W*(?:not read|read|gelesen|ungelesen|lu|non lu|leído|letto|lido|gelezen|läst|lest|"
    r"przeczytano|прочтено|开封|開封済み|已读)\s?: ",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"\b5\d\d[ -]\S|\b5\.\d\.\d\b|\bMessage-ID: ?<", re.IGNORECASE)  # by a mail server
_MONITOR = re.compile(
    r"\b(?:nagios|icinga|zabbix|monit|munin|cron|jenkins|gitlab|github|jira|bugzilla|logwatch|prometheus)\w{0,20}@",
    re.IGNORECASE,
)
_CHALLENGER = re.compile(r"boxbe|spam ?arrest|mail ?in ?black|bluebottle|tmda|sendio|vanquish|earthlink|mailblocks")
_HELD = re.compile(r"quarantine (?:summary|digest|report|notif)|spam (?:digest|summary|report)\b")
_TICKET = re.compile(r"\s*\[(?:[^\]]{0,40}\d|(?:request|ticket|case|issue|incident)[^\]]{0,40})\]\s", re.IGNORECASE)
_DOMAIN_REPORTS = ("tlsrpt", "dmarc", "aggregate")  # RFC 8460; they are about a domain, not about a message
_DOMAIN_REPORT = re.compile(r"\s*(?:\[[^\]]{0,40}\]\s*)?report domain:", re.IGNORECASE)
_TO_ITS_READER = re.compile(r"(?:sent|addressed|delivered) to you\b|(?:message|mail) (?:to|for) you\b")
_FAILED = re.compile(  # in small letters
    r"undeliver|not (?:be )?(?:been )?deliver|delivery (?:has |to .{0,80})?(?:fail|status|"
    r"error|problem)|could(?:n't| not) be (?:deliver|sent|reach)|returned|user unknown|"
    r"unknown user|no such user|permanent (?:fatal )?error|bounce"
    r"|mailbox (?:is )?full|quota|rejected|\b5\d\d[ -]\S|\b5\.\d\.\d\b|delayed|does not exist|not (?:a )?member|"
    r"no longer (?:valid|in use|active|exists|with|available|works?)|invalid (?:recipient|"
    r"address)|konnte nicht|unzustell"
)


def other_kind(mail: Mail) -> Kind | None:
    """Return the kind of a notice that is no bounce, or ORDINARY for no notice; None for what may be a bounce."""
    if _is_abuse_report(mail):
        return Kind.ARF
    if _is_receipt(mail):
        return Kind.MDN
    if _by_challenger(mail) or _is_dressed_as_a_report(mail):
        return Kind.CHALLENGE
    if _is_about_a_domain(mail) or by_a_person(mail) or mail.redistributed:
        return Kind.ORDINARY
    if _has_status(mail):
        return None
    if _HELD.search(mail.subject.lower()):
        return Kind.ORDINARY
    if _is_challenge(mail):
        return Kind.CHALLENGE
    if _is_virus_notice(mail):
        return Kind.VIRUS_NOTICE
    return Kind.AUTO_REPLY if _is_auto_reply(mail) else None


def by_a_person(mail: Mail) -> bool:
    """Return whether a person wrote it: an answer or a forward, or mail with no sign of a machine."""
    if mail.by_a_person_in_office:
        return True
    if mail.is_report or mail.role_sender:
        return False
    if mail.answer and not _by_autoresponder(mail):
        return not (mail.null_sender and (mail.subject_of_notice or _answers_by_itself(mail)))
    if mail.null_sender or mail.returns_its_readers_mail:
        return False
    if mail.sent_by_its_author and not _by_machine(mail):
        return True
    return _by_mail_program(mail) or _by_ticket_system(mail) or not (mail.subject_of_notice or _by_machine(mail))


def _by_mail_program(mail: Mail) -> bool:
    """Return whether a mail program sent it, or it stands in a conversation, and no machine says that it answers."""
    return (mail.by_mail_program or mail.fields.has("In-Reply-To", "References")) and not _by_machine(mail)


def _by_ticket_system(mail: Mail) -> bool:
    """Return whether a ticket or monitoring system sent it."""
    if _by_autoresponder(mail):
        return False
    return bool(_TICKET.match(mail.subject) or _MONITOR.search(mail.sender))


def _answers_by_itself(mail: Mail) -> bool:
    own = f"{mail.subject}\n{mail.words[:4_000]}"
    return is_away(own) or finds_a_virus(own) or challenges(own)


def _by_machine(mail: Mail) -> bool:
    return mail.automatic or mail.subject_of_auto_reply or _by_autoresponder(mail)


def _is_about_a_domain(mail: Mail) -> bool:
    """Return whether it is an aggregate report (DMARC, RFC 8460), which answers no message."""
    declared = mail.root.option("report-type").lower()
    return declared in _DOMAIN_REPORTS or bool(_DOMAIN_REPORT.match(mail.subject))


def _has_status(mail: Mail) -> bool:
    return any(True for _ in mail.of_type(*STATUS_TYPES))


def _is_abuse_report(mail: Mail) -> bool:
    if mail.root.option("report-type").lower() == "feedback-report" or any(True for _ in mail.of_type(*_ARF)):
        return True
    if mail.fields.has("Feedback-Type"):
        return True
    if mail.subject.lower().lstrip().startswith("complaint about message from"):  # Microsoft's junk mail reporting
        return any(part.is_message for part in mail.parts)
    named = _ARF_SUBJECT.search(mail.subject.lower())
    return bool(named and _ARF_WORDS.search(mail.words)) and not _has_status(mail)


def _is_receipt(mail: Mail) -> bool:
    if mail.root.option("report-type").lower() == "disposition-notification" or any(True for _ in mail.of_type(*_MDN)):
        return True
    if _has_status(mail):
        return False
    return bool(_RECEIPT_SUBJECT.search(mail.subject) and (mail.is_report or _MDN_WORDS.search(mail.words)))


def _by_challenger(mail: Mail) -> bool:
    """Return whether a challenge-response system signed it: TMDA, SpamArrest, Boxbe, Bluebottle."""
    return mail.fields.has(
        "X-TMDA-Confirm", "X-Challenge", "X-SpamArrest-Challenge", "X-Boxbe-Challenge", "X-Bluebottle-Request"
    )


def _is_dressed_as_a_report(mail: Mail) -> bool:
    """Return whether a known challenger's mail asks for proof, though it has the form of a report: Boxbe's has."""
    return bool(_CHALLENGER.search(mail.sender.lower())) and challenges(mail.words[:4_000])


def _is_challenge(mail: Mail) -> bool:
    return challenges(f"{mail.subject}\n{mail.words[:4_000]}") and not _speaks_of_failure(mail.subject)


def _is_virus_notice(mail: Mail) -> bool:
    if not names_a_virus(mail.subject):
        return False
    own = f"{mail.subject}\n{mail.words[:3_000]}"
    return finds_a_virus(own) and not _TO_ITS_READER.search(as_said(own))


def _speaks_of_failure(text: str) -> bool:
    return bool(_FAILED.search(text.lower()))


def _by_autoresponder(mail: Mail) -> bool:
    fields = mail.fields
    return (
        fields.has("X-Autoreply", "X-Autorespond", "X-Auto-Response", "X-Mail-Autoreply", "Delivered-To-Autoresponder")
        or "auto_reply" in (fields.first("Precedence") or "").lower()
        or (fields.first("Auto-Submitted") or "").strip().lower().startswith(("auto-replied", "auto-notified"))
    )


def _is_auto_reply(mail: Mail) -> bool:
    """Return whether it is an automatic reply. Bounces of Exim and Postfix say auto-replied too: words decide."""
    if mail.fields.has("X-Failed-Recipients"):
        return False
    if mail.subject_of_auto_reply:
        return not (mail.role_sender and _speaks_of_failure(mail.words[:3_000]))
    if mail.subject_of_notice and _speaks_of_failure(f"{mail.subject}\n{mail.words[:3_000]}"):
        return False
    if _by_autoresponder(mail) and not mail.role_sender:
        return not (_ANSWERED.search(mail.words[:3_000]) or any(part.is_message for part in mail.parts))
    away = is_away(mail.words[:2_000])
    if not away and not mail.answers and (says_something_else(mail) or any(part.is_message for part in mail.parts)):
        return False  # a machine's mail without a return path is no answer for that
    failed = _speaks_of_failure(f"{mail.subject}\n{mail.words[:2_000]}")
    if _by_autoresponder(mail) or (mail.null_sender and (mail.answer or mail.automatic)):
        return not failed and (away or not mail.role_sender)
    return away and not failed and mail.automatic
