"""One message as the readers see it: its fields, its parts, its own words, and whether a machine made it."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from selectolax.lexbor import LexborHTMLParser

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import plain_address
from cleanup.detector.notices.headers import Fields, main_type, params, read_fields
from cleanup.detector.notices.phrases import (
    AUTO_SUBJECT,
    HARMLESS_SUBJECT,
    NOTICE_SUBJECT,
    RETURNED_SUBJECT,
    SENDER_NAME,
    SENDER_ROLE,
)
from cleanup.detector.subjects import answers_or_forwards, forwards, subject_key, without_marks

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
_GREETING = re.compile(  # as people greet; machines greet by address, or nobody in particular
    r"\s{0,20}(?!.{0,30}\b(?:sender|user|customer|client|sir|madam|kunde|absender|nutzer|utente|cliente|usuario)\b)"
    r"(?:dear|hi|hello|hallo|liebe[rs]?|guten tag|sehr geehrte[rs]?|bonjour|ch[eè]re?s?|hola|estimad[oa]s?|ciao|"
    r"gentile|beste|geachte|olá|hej)\b[^\n@.:]{0,60}[,!]?[ \t\r]{0,9}\n",
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
    r"believes that the attachment to this message",
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
        return without_marks(self.fields.text("Subject"))

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

    @property
    def is_whole(self) -> bool:
        """Whether its structure is as declared, so that every parser reads the same words in it."""
        if not self.words.strip():
            return False
        return not self.fields.has("Content-Type") or all(_is_whole(part) for part in self.parts)

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
        if self.by_mail_program:
            return self.has_its_own_way_back or self.answer or not self.subject_of_failure
        asks = self.subject.rstrip().endswith("?") and ":" not in self.subject
        greets = self.greets and not self.subject_of_returned_mail
        return self.has_its_own_way_back and (asks or greets or not self.subject_of_failure)

    @cached_property
    def greets(self) -> bool:
        """Whether it begins as a letter does."""
        return _GREETING.match(self.words) is not None

    @cached_property
    def has_its_own_way_back(self) -> bool:
        """Whether its return path is its From: it was sent as people's mail is, to come back where it fails."""
        paths = {plain_address(path) for path in self.fields.all("Return-Path")}
        return paths == {plain_address(self.fields.first("From") or "")} != {None}

    @cached_property
    def sent_by_its_author(self) -> bool:
        """Whether it comes back to its From, and that is no address of a program or a service: a person wrote it."""
        return self.has_its_own_way_back and not self.from_service

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
    def titled_as_notice(self) -> bool:
        """Whether the subject begins as a notice's that mail failed or is late.

        Ticket systems and archives put a title of theirs before the subject of the notice that they pass on.
        """
        before, colon, _ = self.subject.partition(":")
        own = not before.startswith("[") and (not colon or NOTICE_SUBJECT.search(f"{before}:"))
        return self.subject_of_failure and own

    @cached_property
    def sent_by_a_mail_system(self) -> bool:
        """Whether a mail system's address sent it under a notice's own title, with no way back to that address."""
        titled = self.titled_as_notice and self.subject_of_returned_mail
        return titled and self.role_sender and not self.has_its_own_way_back

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
        inner = _wrapped(mail)
        if inner is None:
            return mail
        mail = inner
    return mail


def _wrapped(mail: Mail) -> Mail | None:
    if any(True for _ in mail.of_type(*STATUS_TYPES)):
        return None
    # A part of its own type, or text that SpamAssassin declares to be a message.
    found = [part for part in mail.parts if (part.is_message and part.children) or part.option("x-spam-type")]
    if len(found) != 1:
        return None
    raw = found[0].octets
    fields = found[0].children[0].fields if found[0].children else read_fields(raw)[0]
    if not fields.items:
        return None
    inner = Mail(fields, raw)
    declared = any(part.option("x-spam-type") == "original" for part in mail.parts)
    if declared or _WRAPPED.search(mail.fields.text("X-Amavis-Modified")) or _same_header(mail, inner):
        return inner
    if mail.answer or not (mail.role_sender or mail.null_sender) or not (inner.role_sender or inner.null_sender):
        return None
    # What attaches a report of its own without a word is a mail system, under a notice's title. Ticket systems,
    # archives and guards attach other people's for somebody to read: what they send is theirs, and no bounce.
    makers = {organisation(domain_of(plain_address(one.sender) or "")) for one in (mail, inner)}
    own_report = inner.is_report and len(makers) == 1 and mail.sent_by_a_mail_system
    wordless = own_report and "@" not in mail.words
    return inner if wordless or _SUSPECTED.search(mail.words[:2_000]) else None


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


# --- The MIME structure of a notice, split over bytes ---------------------------------------------------------------

MOST_DEPTH = 24  # the guard lets 100 pass; no notice means anything by more than a few
MOST_PARTS = 1_000

_GUESSED = re.compile(
    rb"^--([^\s\"<>][^\r\n]{3,200}?)[ \t]*\r?\ncontent-(?:type|description|disposition|transfer)", re.I | re.M
)
_LINE_FEED = 10
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_OF_A_PART = frozenset(("content-transfer-encoding", "content-disposition", "content-description", "content-id"))
_ENCODINGS = ("", "7bit", "8bit", "binary", "quoted-printable", "base64")
_MESSAGES = ("message/rfc822", "message/global", "message/partial")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header fields, its body as it was transferred, and the parts in it."""

    type: str
    fields: Fields
    body: bytes
    options: tuple[tuple[str, str], ...] = ()
    children: tuple[Part, ...] = ()

    def option(self, name: str) -> str:
        """Return a parameter of Content-Type; "" where it is not given."""
        return next((value for key, value in self.options if key == name), "")

    @property
    def octets(self) -> bytes:
        """The body with its transfer encoding undone."""
        encoding = (self.fields.first("Content-Transfer-Encoding") or "").strip().lower()
        return untransferred(self.body, encoding)

    @property
    def text(self) -> str:
        """The body as text, whatever charset was or was not declared."""
        return decode_text(self.octets, self.option("charset"))

    @property
    def is_message(self) -> bool:
        """Whether the part holds a message."""
        return self.type in _MESSAGES

    @property
    def is_text(self) -> bool:
        """Whether the part is text that belongs to the notice's own words."""
        return self.type in ("text/plain", "text/html", "text/enriched", "text", "")


def read_parts(raw: bytes, header: tuple[Fields, int] | None = None) -> Part:
    """Return the structure of a message. Never raises; what is nested too deep or too often stays unsplit.

    `header` is what read_fields() says of it, where that was asked before.
    """
    return _message(raw, 0, [0], header)


def walk(part: Part, *, into_messages: bool = False) -> Iterator[Part]:
    """Yield a part and all in it, in their order; messages are entered only where asked for."""
    yield part
    if not part.is_message or into_messages:
        for child in part.children:
            yield from walk(child, into_messages=into_messages)


def _is_whole(part: Part) -> bool:
    """Return whether a part is what it declares to be: its encoding, its charset, its parts and where they end."""
    encoding = (part.fields.first("Content-Transfer-Encoding") or "").strip().lower()
    if encoding not in _ENCODINGS or (encoding == "base64" and _NOT_BASE64.search(part.body.translate(None, b"\r\n"))):
        return False
    if main_type(part.fields.first("Content-Type") or "").startswith("multipart/"):
        closing = f"--{part.option('boundary').rstrip()}--".encode("utf-8", "replace")
        return bool(part.children) and closing in part.body
    if part.is_message or not part.is_text:
        return part.is_message
    octets = part.octets
    if b"\x1b" in octets:  # ISO-2022 shifts charsets by escapes, which readers without its declaration pass on
        return False
    try:
        return octets.isascii() or bool(octets.decode(_codec(part.option("charset").strip().lower()) or "ascii"))
    except ValueError:
        return False


def untransferred(body: bytes, encoding: str) -> bytes:
    """Return a body with its transfer encoding undone; what is broken is decoded as far as it goes."""
    if encoding == "base64":
        # What follows the first "=" is another block, or a footer that a list added; six bits left over are no byte.
        plain = _NOT_BASE64.sub(b"", body).split(b"=", 1)[0]
        plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
        try:
            return base64.b64decode(plain + b"=" * (-len(plain) % 4))
        except binascii.Error:
            return body
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    return body


def _message(raw: bytes, depth: int, count: list[int], header: tuple[Fields, int] | None = None) -> Part:
    fields, start = header or read_fields(raw)
    return _part(fields, raw[start:], depth, count, default="text/plain")


def _part(fields: Fields, body: bytes, depth: int, count: list[int], default: str) -> Part:
    """Return one part with all in it. `count` is how many there are so far, of the whole message."""
    declared = fields.first("Content-Type") or ""
    kind, options = main_type(declared) or default, params(declared)
    count[0] += 1
    children: tuple[Part, ...] = ()
    if depth < MOST_DEPTH and count[0] < MOST_PARTS:
        if kind.startswith("multipart/"):
            pieces = _pieces(body, options.get("boundary", ""))
            if not pieces and (guessed := _GUESSED.search(body)):  # the declared boundary is missing, or not used
                pieces = _pieces(body, guessed[1].decode("latin-1"))
            of_children = "message/rfc822" if kind == "multipart/digest" else "text/plain"  # RFC 2046 section 5.1.5
            children = tuple(_piece(piece, depth + 1, count, of_children) for piece in pieces[:MOST_PARTS])
        elif kind in _MESSAGES:
            encoding = (fields.first("Content-Transfer-Encoding") or "").strip().lower()
            children = (_message(untransferred(body, encoding), depth + 1, count),)
    if kind.startswith("multipart/") and not children:
        kind = "text/plain"  # its structure is lost; what it says is not
    return Part(kind, fields, body, tuple(options.items()), children)


def _piece(piece: bytes, depth: int, count: list[int], default: str) -> Part:
    if piece.startswith((b"\n", b"\r\n")):
        return _part(Fields(), piece.lstrip(b"\r\n"), depth, count, default)
    fields, start = read_fields(piece)
    if not fields.items:
        return _part(fields, piece, depth, count, default)
    if piece[start : start + 8].lower() == b"content-":
        # Fields after an empty line are the part's own where that line stands in its header by mistake.
        more, end = read_fields(piece[start:])
        names = {name.lower() for name, _ in more.items}
        if names and names <= _OF_A_PART and piece[start + end - 1 : start + end] == b"\n":
            fields, start = Fields((*fields.items, *more.items)), start + end
    return _part(fields, piece[start:], depth, count, default)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """Return what stands between the delimiter lines; the last is taken whole where it is never closed."""
    if not boundary.strip():
        return []
    mark = boundary.rstrip().encode("utf-8", "replace")
    delimiter = re.compile(rb"--" + re.escape(mark) + rb"(--)?[ \t]*\r?(?:\n|\Z)")
    found: list[bytes] = []
    start = -1
    for match in delimiter.finditer(body):
        if match.start() and body[match.start() - 1] != _LINE_FEED:
            continue
        if start >= 0:
            # the line break before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1)
            found.append(body[start : match.start()].removesuffix(b"\n").removesuffix(b"\r"))
        start = match.end()
        if match[1] or len(found) >= MOST_PARTS:
            return found
    return [*found, body[start:]] if start >= 0 else found


# --- Text out of bytes: declared charsets, lying ones, none at all; and plain text out of HTML ----------------------

MOST_TEXT = 131_072  # bytes that are decoded; a notice says what it has to say at its beginning
GUESS_FROM = 2_048  # bytes from which an undeclared charset is guessed

_BREAKS = re.compile(
    r"<(?:br|/p|/div|/tr|/li|/h[1-6]|/pre|p|div|tr|li|hr|table|/td|/th)\b[^<>]{0,2000}>", re.IGNORECASE
)
_SPACES = re.compile(r"[ \t\xa0]+")
_MAP = {"gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932"}
_EVERY_BYTE = ("us-ascii", "ascii", "latin-1", "iso8859-1", "unknown", "unknown-8bit", "x-unknown", "default", "")


def decode_text(octets: bytes, charset: str = "") -> str:
    """Return octets as text with "\\n" line ends. Undeclared or lying charsets are guessed; nothing raises."""
    return _text(bytes(octets[:MOST_TEXT]), charset.strip().strip("'\"").lower())


@lru_cache(maxsize=4)  # the readers ask for the text of the same few parts
def _text(octets: bytes, charset: str) -> str:
    text = _decoded(octets, charset)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def html_text(markup: str) -> str:
    """Return what a reader of the HTML sees, a block a line."""
    broken = _BREAKS.sub(lambda tag: "\n" + tag.group(), markup[:MOST_TEXT])
    try:
        root = LexborHTMLParser(broken)
        root.strip_tags(["script", "style", "head", "title"], recursive=True)
        text = root.body.text(separator="") if root.body else ""
    except (ValueError, RuntimeError, RecursionError, UnicodeError):
        text = html.unescape(broken)
    return "\n".join(_SPACES.sub(" ", line).strip() for line in text.split("\n"))


def _decoded(octets: bytes, charset: str) -> str:
    if octets.isascii():
        if b"\x1b$" in octets or b"\x1b(" in octets:
            return octets.decode("iso-2022-jp", "replace")
        return octets.decode("utf-7", "replace") if charset == "utf-7" else octets.decode("ascii")
    name = _codec(charset)
    if name and name not in _EVERY_BYTE:
        try:
            return octets.decode(name)
        except (UnicodeDecodeError, ValueError):
            pass
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > MOST_TEXT - 8 or (name and name not in _EVERY_BYTE):
            return octets.decode(name or "utf-8", "replace")
    if name in ("iso8859-1", "latin-1"):
        return octets.decode("cp1252", "replace")
    return octets.decode(_likely(bytes(octets[:GUESS_FROM])), "replace")


@lru_cache(maxsize=256)
def _likely(sample: bytes) -> str:
    from charset_normalizer import from_bytes  # few nights see a text that needs it

    try:
        best = from_bytes(sample, steps=2, chunk_size=512).best()
    except (ValueError, LookupError, RecursionError):
        return "cp1252"
    return best.encoding if best and _codec(best.encoding) else "cp1252"


@lru_cache(maxsize=512)
def _codec(charset: str) -> str:
    """Return Python's name of a charset; "" for an unknown one and for those that decode no text."""
    if not charset or len(charset) > 40 or not charset.isascii() or "\0" in charset:
        return ""
    try:
        found = codecs.lookup(_MAP.get(charset, charset))
    except (LookupError, ValueError):
        return ""
    return found.name if getattr(found, "_is_text_encoding", True) else ""
