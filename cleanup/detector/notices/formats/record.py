"""What a record of the format table says, and the one reader that applies it to a notice in plain words.

Patterns are plain text with `{address}`, `{why}` and `{any}` in them; they match whole lines, whatever the spacing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from cleanup.model import Action

MOST_TEXT = 65_536  # characters of a notice's text that are looked at
MOST_LINE = 1_000  # characters of a line
MOST_LINES = 3_000
MOST_FIELDS = 200  # of the header
MOST_FITTING = 10  # formats that are tried on one notice
MOST_RECIPIENTS = 1_000
MOST_HEADER_LINES = 60
MOST_WHY = 12  # lines of a reason

_LOCAL = r"[^\s<>()\[\]\",;:@：，。、（）「」]"
_LABEL = r"[^\s<>()\[\]\"',;:.@：，。、（）「」’”»]"
# An address begins where no other could have begun before it, and is taken whole: lines stay linear to match.
ADDRESS = (
    rf"(?P<address>(?:\"[^\"\r\n]{{1,64}}+\"|{_LOCAL}{{1,600}}+)"
    rf"@{_LABEL}{{1,200}}+(?:\.{_LABEL}{{1,63}}+){{0,30}}+)(?:\.(?=\s|$))?"
)
_PLACES = {
    "{address}": rf"(?:(?<![A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-])|(?<=smtp=))[<\"'‘“«「]?(?:mailto:)?{ADDRESS}[>\"'’”»」]?",
    "{name}": r"(?P<address>[A-Za-z0-9][A-Za-z0-9._+-]{0,63}+)",
    "{n}": r"\d{1,5}",
    "{why}": r"(?P<why>.*)",
    "{any}": r".{0,200}?",
}
_PLACE = re.compile(r"(\{(?:address|name|n|why|any)\})")
_RETURNED = re.compile(  # a header block in the middle of the text: the returned message, with no line that says so
    r"(?:[>|] ?){0,3}(?:Received: (?:from|by|\()|Return-Path: ?<|DKIM-Signature: |Message-ID: ?<|X-Original-To: )",
    re.IGNORECASE,
)
_OF_A_HEADER = re.compile(
    r"(?:[>|] ?){0,3}(?:(?:From|To|Cc|Subject|Date|Sender|Reply-To|MIME-Version|"
    r"Content-[a-z-]{1,30}|X-[a-z-]{1,50}): |From \S+@)",
    re.IGNORECASE,
)
_HEADER_LINE = re.compile(r"(?:[>|] ?){0,3}(?:Received|Return-Path|Delivered-To|Message-ID|X-[a-z-]{1,50}): ?\S", re.I)
_OF_THE_SENDER = re.compile(
    r"\W{0,6}(?:(?:envelope|original|message) )?(?:sender|from|mail from|absender|expéditeur|remitente|mittente|"
    r"remetente|"
    r"afzender|nadawca|avsändare|avsender|afsender|lähettäjä|odes[íi]latel|odosielateľ|feladó|expeditor|gönderen|pengirim|"
    r"người gửi|αποστολέας|отправитель|відправник|подател|שולח|المرسل|ผู้ส่ง|"
    r"送信者|差出人|发件人|发信人|寄件[者人]|보낸 ?사람)(?:['’]?s)?(?: (?:e-?mail )?address|"
    r" e-?mail)?\s{0,9}[:：]",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"(?:[^@:：]{1,60}[:：])?\s*+"
    r"((?:[<\"']{0,2}+[^\s<>,;:@\"']{1,200}+@[^\s<>,;:@\"']{1,255}+[>\"']{0,2}+(?:\s*+[,;]\s*+|\s++|\Z)){2,200}+)"
)
_COMMA = re.compile(r"[,;\s]+")
_SPACE = re.compile(r"\s+")
_REPLY = re.compile(r"\b([245]\d\d)(?=[ \-]|$)")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")


@dataclass(frozen=True, slots=True, eq=False)
class NoticeFormat:
    """One way in which mail systems word a notice. Of each kind of condition that is given, one entry must be there.

    Phrases compare without case and spacing. A record without `sender`, `subject` or `headers` fits only mail that
    shows itself to be a machine's.
    """

    name: str  # what Notice.format says
    family: str  # the product or service, for docs/formats.md
    source: str  # where the wording is known from
    text: tuple[str, ...] = ()  # phrases of the notice's own text; reading starts at the first that is there
    also: tuple[str, ...] = ()  # all of these stand in the text too
    sender: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # (field, phrase)
    recipients: tuple[str, ...] = ("{address}",)
    originals: tuple[str, ...] = ()  # lines that say which address the one above came from; alone they name it
    expanded: tuple[str, ...] = ()  # the same, where the system reports on the address that it was given
    names: tuple[str, ...] = ()  # lines that name a recipient by a mere local part: `{name}`
    before: bool = False  # recipients may stand above the phrase: read from the top
    ends: tuple[str, ...] = ()  # lines at which the notice's own words end
    returned_after: tuple[str, ...] = ()  # lines after which the returned message is quoted
    why_after: tuple[str, ...] = ()  # lines after which the reason stands, away from the recipient
    everyday: bool = False  # people and shops word it so too: the mail has to show in other ways that it is a notice
    action: Action = Action.FAILED
    delayed: tuple[str, ...] = ()  # phrases with which the same format says that it still tries
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a record looks at: the notice's own header fields and its own text, decoded."""

    sender: str
    subject: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    machine_made: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient as the text names it, which may be a mere local part, and the words that go with it."""

    address: str
    why: str = ""
    original: str | None = None  # the address that was written to, where the text says it

    @property
    def reply(self) -> str | None:
        """The SMTP reply code that the words hold."""
        found = _REPLY.search(self.why)
        return found[1] if found else None

    @property
    def status(self) -> str | None:
        """The enhanced status code that the words hold."""
        found = _STATUS.search(self.why)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a record found. `returned` is the returned message as it is quoted in the text, None where it is not."""

    format: NoticeFormat
    action: Action
    failures: tuple[Failure, ...] = ()
    returned: str | None = None


@dataclass(slots=True)
class _Found:
    """A recipient while its reason is being gathered."""

    address: str
    why: list[str] = field(default_factory=list)
    original: str | None = None
    closed: bool = False
    indent: int = 0  # of the line that named it


def read_wording(letter: Letter, formats: Iterable[NoticeFormat]) -> Reading | None:
    """Return the reading of the first format that fits and names a recipient, else of the first that fits."""
    fits = (_apply(f, letter) for f in islice(_fitting(letter, formats), MOST_FITTING))
    first: Reading | None = None
    for reading in fits:
        if reading.failures:
            return reading
        first = first or reading
    return first


@dataclass(frozen=True, slots=True)
class _Conditions:
    """The conditions of a record, folded for comparing."""

    record: NoticeFormat
    sender: tuple[str, ...]
    subject: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    text: tuple[str, ...]
    also: tuple[str, ...]
    bound: bool  # to a sender, a subject or a field: it fits mail that does not show itself to be a machine's, too


@lru_cache(maxsize=16)
def _conditions(formats: tuple[NoticeFormat, ...]) -> tuple[_Conditions, ...]:
    return tuple(
        _Conditions(
            record,
            _folded_all(record.sender),
            _folded_all(record.subject),
            tuple((name.casefold(), phrase.casefold()) for name, phrase in record.headers),
            _folded_all(record.text),
            _folded_all(record.also),
            bool(record.sender or record.subject or record.headers),
        )
        for record in formats
    )


def _fitting(letter: Letter, formats: Iterable[NoticeFormat]) -> Iterator[NoticeFormat]:
    text, sender, subject = (_folded(t) for t in (own_words(letter.text), letter.sender, letter.subject))

    for asked in _conditions(tuple(formats)):
        if not (asked.bound or letter.machine_made):
            continue
        if asked.sender and not _is_in(asked.sender, sender):  # short ones first: a text is long to search
            continue
        if asked.subject and not _is_in(asked.subject, subject):
            continue
        if asked.text and not _is_in(asked.text, text):
            continue
        if asked.headers:
            names = {name for name, _ in asked.headers}
            header = ((name.casefold(), value) for name, value in letter.fields[:MOST_FIELDS])
            there = [(key, _folded(value[:MOST_LINE])) for key, value in header if key in names]
            if not any(name == key and phrase in value for name, phrase in asked.headers for key, value in there):
                continue
        if all(phrase in text for phrase in asked.also):
            yield asked.record


def _is_in(phrases: tuple[str, ...], text: str) -> bool:
    for phrase in phrases:  # noqa: SIM110 - a generator costs twice as much, and this is asked a hundred times a mail
        if phrase in text:
            return True
    return False


def own_words(text: str) -> str:
    """Return a text up to a header block in it: nothing of a notice's own is looked for in what it returns."""
    lines = text[:MOST_TEXT].splitlines()
    end = next((number for number, line in enumerate(lines) if number and _RETURNED.match(line)), len(lines))
    return "\n".join(lines[:end])


def _any_in(phrases: tuple[str, ...], text: str) -> bool:
    return not phrases or any(phrase in text for phrase in _folded_all(phrases))


@lru_cache(maxsize=2_048)
def _folded_all(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_folded(phrase) for phrase in phrases)


def _folded(text: str) -> str:
    if text.isascii():  # as the pattern does, several times as fast
        return f"{' ' * text[:1].isspace()}{' '.join(text.split())}{' ' * text[-1:].isspace()}".lower()
    return _SPACE.sub(" ", text).casefold()


def _apply(record: NoticeFormat, letter: Letter) -> Reading:
    lines = [line[:MOST_LINE] for line in letter.text[:MOST_TEXT].splitlines()[:MOST_LINES]]
    own, returned = _split(lines, record.returned_after)
    action = Action.DELAYED if record.delayed and _any_in(record.delayed, _folded("\n".join(own))) else record.action
    start = 0
    if not record.before:
        # Recipients stand below the phrase by which the record fits; a phrase may run over two lines.
        phrases = [phrase[:30] for phrase in _folded_all(record.text)]
        for number, line in enumerate(own):
            pair = _folded(line + " " + (own[number + 1] if number + 1 < len(own) else ""))
            if any(phrase in pair for phrase in phrases):
                start = number
                break
    return Reading(record, action, _failures(own[start:], record), returned)


def _split(lines: list[str], marks: tuple[str, ...]) -> tuple[list[str], str | None]:
    """Return the notice's own lines, and the text after the first mark or from the first line of a header block."""
    for number, line in enumerate(lines):
        is_mark = bool(marks) and _any_in(marks, _folded(line))
        if _RETURNED.match(line) or (is_mark and _HEADER_LINE.match(line)):  # the first line counts, a mark or not
            start = number  # and the block began above it, where fields stand there that notices have of their own, too
            while start and number - start < MOST_HEADER_LINES and _OF_A_HEADER.match(lines[start - 1]):
                start -= 1
            return lines[:start], "\n".join(lines[start:])
        if is_mark:
            return lines[:number], "\n".join(lines[number + 1 :]).lstrip("\n")
    return lines, None


def _failures(lines: list[str], record: NoticeFormat) -> tuple[Failure, ...]:
    """Return the recipients that the lines name, each with the words that follow it until an empty line."""
    found: dict[str, _Found] = {}
    apart: list[str] = []
    current: _Found | None = None
    reading_why = False
    for whole in lines:
        line = whole.strip()
        indent = len(whole) - len(whole.lstrip())
        if record.ends and _any_in(record.ends, _folded(line)):
            break
        if record.why_after and _any_in(record.why_after, _folded(line)):
            reading_why = True
        if current and (given := _recipient(line, record.expanded)):
            current.address = given[0]
            continue
        if current and not current.why and (original := _recipient(line, record.originals)):
            current.original = original[0]
            current.why += [original[1]] if original[1] else []
            continue
        # An indented line below a reason goes on with it: an address in it is a server's words, no further recipient.
        goes_on = current is not None and bool(current.why) and not current.closed and indent > current.indent
        hits = () if goes_on or names_no_recipient(line) else _named(line, record)
        for address, why in hits if len(found) < MOST_RECIPIENTS else ():
            if why and _REPLY.search(line) and not _REPLY.search(why):
                why = line  # "550 5.1.1 User <bob@example.org> unknown": a server's answer counts whole
            current = found.setdefault(address.casefold(), _Found(address))
            current.why += [why] if why else []
            current.closed, current.indent = False, indent
        if hits:
            continue
        if reading_why and line:
            apart.append(line)
        elif current:
            current.indent = current.indent if indent > current.indent or not line else MOST_LINE  # it ends there
            if not line:
                current.closed = bool(current.why)
            elif not current.closed and len(current.why) < MOST_WHY:
                current.why.append(line)
    failures = []
    for one in found.values():
        words = " ".join(one.why[:MOST_WHY])
        if not _REPLY.search(words):  # what stands apart counts where this holds no server's reply
            words = " ".join([words, *apart[:MOST_WHY]])
        failures.append(Failure(one.address, _SPACE.sub(" ", words).strip(), one.original))
    return tuple(failures)


def names_no_recipient(line: str) -> bool:
    """Return whether the address in a line is the sender's, by its label."""
    return "@" in line and _OF_THE_SENDER.match(line) is not None


def listed_addresses(line: str) -> tuple[str, ...]:
    """Return the addresses of a line that is a list of them, with or without a label; () for any other line."""
    if line.count("@") < 2 or not (found := _LIST.fullmatch(line)):
        return ()
    return tuple(address.strip("<>\"' ") for address in _COMMA.split(found[1]) if "@" in address)


def _named(line: str, record: NoticeFormat) -> tuple[tuple[str, str], ...]:
    """Return the recipients that a line names, and the reason on the same line."""
    if several := listed_addresses(line):
        return tuple((address, "") for address in several)
    hit = (
        _recipient(line, record.originals)
        or _recipient(line, record.expanded)
        or _recipient(line, record.recipients)
        or (_match(line, record.names) if record.names else None)
    )
    return (hit,) if hit else ()


def _recipient(line: str, patterns: tuple[str, ...]) -> tuple[str, str] | None:
    return _match(line, patterns) if patterns and "@" in line else None


def _match(line: str, patterns: tuple[str, ...]) -> tuple[str, str] | None:
    for pattern in patterns:
        if match := compiled(pattern).match(line):
            words = match.groupdict()
            return words["address"], (words.get("why") or "").strip()
    return None


@lru_cache(maxsize=1_024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return a line pattern of the table as a regular expression over a whole line, without case."""
    parts = (_PLACES.get(part) or _literal(part) for part in _PLACE.split(pattern))
    return re.compile("".join(parts) + r"\s*\Z", re.IGNORECASE)


def _literal(text: str) -> str:
    """Return a pattern for plain text: inner spaces are one or more, spaces next to a place are optional."""
    words = r"\s+".join(re.escape(word) for word in text.split())
    words = words[:-1] + r"\s{0,40}:" if words.endswith(":") and len(words) > 1 else words
    return (r"\s*" if text[:1].isspace() else "") + words + (r"\s*" if text[-1:].isspace() else "")


# --- Line shapes in which many formats name a recipient -------------------------------------------------------------

BARE = ("{address}", "{address}:")
COLON = ("{address}: {why}",)
STARRED = (
    "* {address}",
    "- {address}",
    "• {address}",
    "· {address}",
    "> {address}",
    "{n}. {address}",
    "{n}) {address}",
)
WITH_WHY = ("{address}: {why}", "{address} ({why})", "{address} [{why}]", "{address} - {why}", "{address}; {why}")
SENDMAIL = ("{address}", "{address} (reason: {why})", '"|{any}" (expanded from: {address})', "{address} ({why})")
ANYWHERE = (
    *BARE,
    *STARRED,
    *WITH_WHY,
    "{address}, {why}",
    "{address}... {why}",
    "* {address}: {why}",
    "- {address}: {why}",
    "* {address} {why}",
    "- {address} {why}",
    "{any} {address}:",
    "{any}<{address}>{why}",
)
COPY = (  # lines with which many systems begin what they give back
    "original message follows",
    "below this line is a copy of the message",
    "below is a copy of the original message",
    "this is a copy of the message",
    "this is a copy of your message",
    "original message headers",
    "original message header:",
    "message headers follow",
    "message header follows",
    "-- original message --",
    "----- original message -----",
    "-----original message-----",
    "returned message follows",
    "start of returned message",
    "unsent message below",
    "returned message --------",
    "included is a copy of the message header",
    "the header of the original message is following",
    "a copy of the original message",
)


# --- How a record of a language is made -----------------------------------------------------------------------------

_SITES = "Postfix, Exim, Exchange and hosters whose templates are translated"


def in_language(code: str, text: tuple[str, ...], recipients: tuple[str, ...], **more: tuple[str, ...]) -> NoticeFormat:
    """Return the record of a language (ISO 639-1 code); `more` are further fields of NoticeFormat."""
    return NoticeFormat(
        name=f"words-{code}",
        family="Notices in words",
        source=_SITES,
        text=text,
        recipients=(*recipients, *ANYWHERE),
        language=code,
        everyday=True,
        returned_after=(*more.pop("returned_after", ()), *COPY),
        **more,  # type: ignore[arg-type]
    )
