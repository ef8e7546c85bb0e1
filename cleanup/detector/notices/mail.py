"""One message as the readers see it: its fields, its parts, its own words, and whether a machine made it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from cleanup.detector.notices.addresses import plain_address
from cleanup.detector.notices.charsets import html_text
from cleanup.detector.notices.headers import Fields, main_type, read_fields
from cleanup.detector.notices.parts import Part, read_parts, walk
from cleanup.detector.notices.phrases import (
    AUTO_SUBJECT,
    HARMLESS_SUBJECT,
    NOTICE_SUBJECT,
    RETURNED_SUBJECT,
    SENDER_NAME,
    SENDER_ROLE,
)
from cleanup.detector.subjects import answers_or_forwards, forwards, subject_key, untagged

MOST_WORDS = 65_536  # characters of the notice's own text
MOST_WRAPPERS = 3

_NULL = re.compile(r"^\s*<\s*>\s*$")
_MAIL_PROGRAM = re.compile(
    r"thunderbird|mozilla|outlook|apple mail|iphone|ipad|eudora|mutt|\bpine\b|evolution|kmail|the bat|squirrelmail|"
    r"roundcube|\bgnus\b|lotus notes release|airmail|k-9|claws|sylpheed|pegasus|becky|foxmail|geary|horde|webmail|"
    r"yahoomail|icedove|seamonkey|postbox|mailbird|em ?client|fairemail|zimbra \d|open-xchange",
    re.IGNORECASE,
)
_SERVICE = re.compile(  # in local parts and display names
    r"no-?reply|notif|admin|root|system|daemon|server|service|support|gateway|delivery|mailer|list|bounce|master|alert|"
    r"report|robot|\bbot\b|virus|filter|scan|imss|spam|security|mms|sms|auto|mail\b",
    re.IGNORECASE,
)
_LIST_FIELDS = (
    "List-Id",
    "List-Post",
    "Mailing-List",
    "X-Mailing-List",
    "List-Unsubscribe",
    "X-BeenThere",
    "X-Mailman-Version",
)
_LIST_ROUTE = re.compile(
    r"(?:-|\b)(?:bounces?|bnc|admin|owner|errors|request|return)(?:[-+=].{0,200})?@|owner-|\bsentto-", re.IGNORECASE
)
_IN_BRACKETS = re.compile(r"[(\[][^()\[\]]{3,80}[)\]]\s*$")
_WRAPPED = re.compile(r"wrapped", re.IGNORECASE)
_SUSPECTED = re.compile(  # with what filters introduce the message that they attach
    r"spam detection software|identified this (?:incoming )?e-?mail as|suspected (?:as |to be |of being )?spam|"
    r"believes that the attachment to this message|original (?:message|mail|e-?mail) (?:has been |is )?attached",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mail:
    """A message that may be a notice. What is costly is found out once, when first asked for."""

    fields: Fields
    raw: bytes = field(repr=False)
    body_at: int | None = None  # where the header ends, if that is known

    @cached_property
    def root(self) -> Part:
        """The whole structure."""
        return read_parts(self.raw, None if self.body_at is None else (self.fields, self.body_at))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """All parts that are the notice's own: what lies within returned messages is not."""
        return tuple(walk(self.root))

    @cached_property
    def subject(self) -> str:
        """The decoded subject, without the marks that gateways put before it."""
        return untagged(self.fields.text("Subject"))

    @cached_property
    def own_subject(self) -> str:
        """The subject without that of the message it answers: "Undeliverable: RELEASED: our newsletter"."""
        before, colon, _ = self.subject.partition(":")
        return before if colon and NOTICE_SUBJECT.search(f"{before}:") else self.subject

    @cached_property
    def sender(self) -> str:
        """From, decoded: name and address."""
        return self.fields.text("From")

    @cached_property
    def words(self) -> str:
        """The notice's own text: its plain parts, or its HTML ones where it has no plain text."""
        plain = [p.text for p in self.parts if p.type in ("text/plain", "text", "text/enriched", "") and not p.children]
        text = "\n".join(plain)
        if not text.strip():
            text = "\n".join(html_text(p.text) for p in self.parts if p.type == "text/html")
        elif text.lstrip()[:15].lower().startswith(("<html", "<!doctype html")):
            text = html_text(text)
        return text[:MOST_WORDS]

    @cached_property
    def null_sender(self) -> bool:
        """Whether it came with the null return path."""
        return any(_NULL.match(path) for path in self.fields.all("Return-Path"))

    @cached_property
    def role_sender(self) -> bool:
        """Whether a mail system's address or name sent it, or nobody at all: Domino writes "From: <>"."""
        return bool(_NULL.match(self.sender) or SENDER_ROLE.search(self.sender) or SENDER_NAME.search(self.sender))

    @cached_property
    def is_report(self) -> bool:
        """Whether it declares itself a report (RFC 6522) or a bare part of one."""
        declared = main_type(self.fields.first("Content-Type") or "")
        return declared == "multipart/report" or declared in STATUS_TYPES

    @cached_property
    def automatic(self) -> bool:
        """Whether a field says that a machine answers."""
        submitted = (self.fields.first("Auto-Submitted") or "").strip().lower()
        return submitted.startswith(("auto-replied", "auto-generated", "auto-notified")) or self.fields.has(
            "X-Failed-Recipients", "X-MS-Exchange-Message-Is-Ndr", "X-MS-Embedded-Report"
        )

    @cached_property
    def shows_machine(self) -> bool:
        """Whether sender, structure or a field say that a machine made it, or the return path with the subject.

        Spam and badly sent letters have no return path either.
        """
        null = self.null_sender and self.subject_of_notice
        return null or self.returns_its_readers_mail or self.role_sender or self.is_report or self.automatic

    @cached_property
    def returns_its_readers_mail(self) -> bool:
        """Whether an address such as programs have gives a message back that was written as its reader."""
        if not self.from_service or self.by_mail_program or not self.addressees:
            return False
        messages = (part.children[0] for part in self.parts if part.is_message and part.children)
        return any(plain_address(m.fields.first("From") or "") in self.addressees for m in messages)

    @cached_property
    def machine_made(self) -> bool:
        """Whether it may be a machine's: it shows so, or has the subject of a notice."""
        return self.shows_machine or self.null_sender or self.subject_of_notice

    @cached_property
    def by_mail_program(self) -> bool:
        """Whether it names the program that a person writes mail with."""
        programs = (*self.fields.all("X-Mailer"), *self.fields.all("User-Agent"))
        return any(_MAIL_PROGRAM.search(program) for program in programs)

    @cached_property
    def by_a_person_in_office(self) -> bool:
        """Whether a person wrote it from a mail system's address: postmasters and administrators write letters too.

        What tells them from their programs: they forward, their mail program names itself, or it came back to them
        where it failed; and no field or subject says that it is a notice.
        """
        if not self.role_sender or self.is_report or self.automatic:
            return False
        if self.forward:
            return True
        paths = {plain_address(path) for path in self.fields.all("Return-Path")}
        own_way_back = paths == {plain_address(self.fields.first("From") or "")} != {None}
        if self.by_mail_program:
            return own_way_back or self.answer or not self.subject_of_failure
        asks = self.subject.rstrip().endswith("?") and ":" not in self.subject
        return own_way_back and (asks or not self.subject_of_failure)

    @cached_property
    def sent_by_its_author(self) -> bool:
        """Whether its return path is its From, and that is no address of a program or a service: a person wrote it."""
        paths = {plain_address(path) for path in self.fields.all("Return-Path")}
        return not self.from_service and paths == {plain_address(self.fields.first("From") or "")}

    @cached_property
    def from_service(self) -> bool:
        """Whether it comes from an address such as programs and services have, or from none."""
        author = plain_address(self.fields.first("From") or "")
        name = self.sender.partition("<")[0] if "<" in self.sender else ""
        return author is None or bool(_SERVICE.search(author.rpartition("@")[0]) or _SERVICE.search(name))

    @cached_property
    def bulk(self) -> bool:
        """Whether it was sent to many: with a way to unsubscribe, or by a list."""
        return self.fields.has("List-Unsubscribe", "List-Id", "X-Campaign", "X-CampaignID", "Feedback-ID")

    @cached_property
    def subject_of_notice(self) -> bool:
        """Whether the subject is one that notices carry."""
        if not NOTICE_SUBJECT.search(self.subject):
            return False
        if not self.answer:
            return True
        ending = _IN_BRACKETS.search(self.subject)  # "RE: Offer (delivery failed)"
        return self.null_sender and not self.forward and bool(ending and NOTICE_SUBJECT.search(ending[0]))

    @cached_property
    def subject_of_failure(self) -> bool:
        """Whether the subject says that mail failed or is late."""
        return self.subject_of_notice and not HARMLESS_SUBJECT.search(self.own_subject)

    @cached_property
    def subject_of_returned_mail(self) -> bool:
        """Whether the subject can only be that of a notice about mail."""
        return bool(RETURNED_SUBJECT.search(self.subject)) and not self.answer

    @cached_property
    def subject_of_auto_reply(self) -> bool:
        """Whether the subject is one that automatic replies carry."""
        return bool(AUTO_SUBJECT.search(self.subject))

    @cached_property
    def answer(self) -> bool:
        """Whether the subject is that of a reply or a forward."""
        return answers_or_forwards(self.subject)

    @cached_property
    def answers(self) -> bool:
        """Whether it answers one message: by its subject, a field, or what it says of itself (RFC 3834)."""
        submitted = (self.fields.first("Auto-Submitted") or "").strip().lower()
        return self.answer or submitted.startswith("auto-replied") or self.fields.has("In-Reply-To", "References")

    @cached_property
    def forward(self) -> bool:
        """Whether the subject is that of a forward."""
        return forwards(self.subject)

    @cached_property
    def redistributed(self) -> bool:
        """Whether a mailing list passed it on: list fields, and it went to the list or has the list's way back.

        The list's keeper gets the list's bounces with the list's fields on them: those are addressed to the keeper.
        """
        listed = (self.fields.first("Precedence") or "").strip().lower() == "list"
        if not (listed or self.fields.has(*_LIST_FIELDS)):
            return False
        to = " ".join((*self.fields.all("To"), *self.fields.all("Cc"))).lower()
        if not (self.role_sender or self.null_sender):
            return not _LIST_ROUTE.search(to)
        if self.to_the_list:
            return True
        came_back_to_it = any(_LIST_ROUTE.search(path) for path in self.fields.all("Return-Path"))
        return came_back_to_it and not _LIST_ROUTE.search(" ".join((to, *self.addressees)))

    @cached_property
    def to_the_list(self) -> bool:
        """Whether it was written to a list that it names as its own."""
        to = " ".join((*self.fields.all("To"), *self.fields.all("Cc"))).lower()
        posts = (plain_address(v) for name in ("X-BeenThere", "List-Post") for v in self.fields.all(name))
        return any(post and post.lower() in to for post in posts)

    @cached_property
    def addressees(self) -> frozenset[str]:
        """Those to whom it is written or was delivered, in lower case."""
        names = ("To", "Delivered-To", "X-Original-To", "Envelope-To")
        values = (value for name in names for value in self.fields.all(name))
        return frozenset(address.lower() for value in values if (address := plain_address(value)))

    @cached_property
    def own_addresses(self) -> frozenset[str]:
        """The addresses that the notice itself came from and goes to, in lower case."""
        values = (value for name in ("From", "To", "Reply-To") for value in self.fields.all(name))
        return frozenset(address.lower() for value in values if (address := plain_address(value)))

    def of_type(self, *types: str) -> Iterator[Part]:
        """Yield the notice's own parts of these types."""
        return (part for part in self.parts if part.type in types)


def unwrapped(mail: Mail) -> Mail:
    """Return the message that a filter or gateway wrapped whole, as it came; the mail itself where it wraps none.

    SpamAssassin (report_safe 1 and 2), amavis and others put what they suspect into a part and leave the header as it
    was; InterScan and MailScanner send it on under their own name: that is followed only to a notice.
    """
    for _ in range(MOST_WRAPPERS):
        inner = None if _has_status_part(mail) else _wrapped(mail)
        if inner is None:
            return mail
        mail = inner
    return mail


def _has_status_part(mail: Mail) -> bool:
    return any(True for _ in mail.of_type(*STATUS_TYPES))


def _wrapped(mail: Mail) -> Mail | None:
    inner = _only_message(mail)
    if inner is None:
        return None
    if _declared_original(mail) or _WRAPPED.search(mail.fields.text("X-Amavis-Modified")) or _same_header(mail, inner):
        return inner
    if mail.answer or not (mail.role_sender or mail.null_sender) or not (inner.role_sender or inner.null_sender):
        return None
    wordless = inner.is_report and "@" not in mail.words
    return inner if wordless or _SUSPECTED.search(mail.words[:2_000]) else None


def _only_message(mail: Mail) -> Mail | None:
    """Return the one message in a mail: a part of its own type, or text that SpamAssassin declares to be one."""
    found = [part for part in mail.parts if (part.is_message and part.children) or part.option("x-spam-type")]
    if len(found) != 1:
        return None
    raw = found[0].octets
    fields = found[0].children[0].fields if found[0].children else read_fields(raw)[0]
    return Mail(fields, raw) if fields.items else None


def _declared_original(mail: Mail) -> bool:
    return any(part.option("x-spam-type") == "original" for part in mail.parts)


def _same_header(mail: Mail, inner: Mail) -> bool:
    """Return whether a mail shows the sender and the id, or the sender and the subject, of the message in it."""
    senders = plain_address(mail.sender), plain_address(inner.sender)
    if senders[0] is None or senders[0] != senders[1]:
        return False
    same_id = mail.fields.first("Message-ID") == inner.fields.first("Message-ID") is not None
    return same_id or subject_key(mail.subject) == subject_key(inner.subject) != ""


STATUS_TYPES = (
    "message/delivery-status",
    "message/global-delivery-status",
    "message/delivery-status-notification",
    "text/delivery-status",
)
