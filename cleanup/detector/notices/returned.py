"""What a notice gives back of the message it answers: as a part, as header lines, or quoted within its text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from cleanup.detector.header import read_date, read_ids
from cleanup.detector.notices.addresses import first_person, people
from cleanup.detector.notices.headers import Fields, ambiguous, decoded, read_fields
from cleanup.detector.notices.mail import Mail, Part, read_parts, walk
from cleanup.model import Extent, Returned

MOST_RETURNED = 20
MOST_ID = 998  # characters: the longest line of a header (RFC 5322 section 2.1.1)
MOST_TEXT = 65_536
MOST_BLOCKS = 8  # header blocks of one text that are looked at
MOST_RAW = 1_048_576
MOST_UNINDENTED = 12  # lines of one field that lost the indent of its folds
MOST_LINES = 300  # of a header block within a text

_HEADER_TYPES = (
    "text/rfc822-headers",
    "message/rfc822-headers",
    "text/rfc822",
    "message/global-headers",
    "text/rfc822-header",
)
_OTHER_IDS = (
    "X-Microsoft-Original-Message-ID",
    "X-Google-Original-Message-ID",
    "Resent-Message-ID",
    "X-Original-Message-ID",
)
_MESSAGE_FIELDS = {"from", "date", "subject"}
_ONE_OF_A_KIND = ("From", "Message-ID", "Date", "Subject", "To", "Cc", "Return-Path", "Sender")
_TELLING = (
    "received|from|to|subject|message-id|date|return-path|mime-version|dkim-signature|"
    "x-mailer|cc|reply-to|content-type|sender|sent"
)
_START = re.compile(rf"\n([ \t>|*]{{0,12}})(?:{_TELLING})[ \t]*:[ \t]*\S", re.IGNORECASE)
_FIELD_OF_MAIL = re.compile(
    rf"(?:{_TELLING}|in-reply-to|references|content-[a-z-]{{1,30}}|x-[\w-]{{1,60}})[ \t]*:", re.I
)
_LABELLED = re.compile(r"\w{1,30}(?: \w{1,30}){1,4}:\s")  # "Sent date: ..." of a summary
_LINE = re.compile(r"[!-9;-~]{1,60}[ \t]*:(?!//)")
_ID_IN_WORDS = re.compile(  # the spaces possessive: tried in every division, sixty thousand of them took minutes
    r"message[ -]?id[ \t]*+(?:is|was)?[ \t]*+[:=]?[ \t]*+\n{0,2}+[ \t]*+"
    r"<?([^\s<>:;,\"']{1,200}@[^\s<>;,\"'()]{1,200})",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")


def returned_by_parts(mail: Mail) -> Iterator[Returned]:
    """Yield the messages that a notice carries as parts, in their order."""
    for part in mail.parts:
        found = _from_part(part)
        # Some begin the message right after the delimiter line, so that its header looks like the part's own.
        headless = part is not mail.root and {name.lower() for name, _ in part.fields.items} >= _MESSAGE_FIELDS
        if found is None and headless:
            extent = Extent.FULL if part.body.strip() else Extent.HEADERS
            found = from_fields(part.fields, extent, digest=_digest(part))
        if found is not None:
            yield found


def returned_in_text(text: str) -> Returned | None:
    """Return the message whose header stands somewhere in a text; None where none does."""
    best: Returned | None = None
    for number, block in enumerate(_blocks(text[:MOST_TEXT])):
        found = _from_quoted(block)
        if found and (best is None or _worth(found) > _worth(best)):
            best = found
        if number >= MOST_BLOCKS:
            break
    return best


def id_in_words(text: str) -> str | None:
    """Return the Message-ID that a text speaks of; None where it names none."""
    text = text[:MOST_TEXT]
    found = _ID_IN_WORDS.search(text) if "message" in text.lower() else None
    return found[1].strip(".>") if found else None


def with_other_ids(returned: Returned, ids: Iterable[str]) -> Returned:
    """Return the same with further ids; the first of them stands in for a missing Message-ID."""
    fresh = tuple(i for i in dict.fromkeys(ids) if i and i != returned.message_id and i not in returned.other_ids)
    return replace(returned, other_ids=(*returned.other_ids, *fresh)) if fresh else returned


def from_fields(fields: Fields, extent: Extent, *, raw: bytes | None = None, digest: str | None = None) -> Returned:
    """Return what a header block of the returned message says."""
    message_ids = read_ids(fields.all("Message-ID")[:1]) or read_ids(fields.all("Message-Id")[:1])
    sender, name = first_person(fields.all("From")[:1])
    stated = fields.first("Message-ID") or ""
    bare = stated.strip().strip("<>").strip()  # without brackets, or with spaces in it
    if "<" in stated and ">" not in stated and fields.items[-1][0].lower() == "message-id":
        message_ids, bare = (), ""  # the header was cut within it: half an id would only be missing in Sent
    date_text = fields.first("Date")
    moment = read_date(date_text or fields.first("Sent") or "")
    subject = fields.first("Subject")
    return Returned(
        extent=extent,
        message_id=next(iter(message_ids), None) or (bare if 0 < len(bare) <= MOST_ID else None),
        other_ids=tuple(i for other in _OTHER_IDS for i in read_ids(fields.all(other))),
        from_address=sender,
        from_name=name,
        to=tuple(dict.fromkeys(a for field in ("To", "Cc") for a, _ in people(fields.all(field)))),
        subject=decoded(subject) if subject is not None else None,
        date=moment.time if moment else None,
        date_text=date_text,
        thread_index=fields.first("Thread-Index"),
        in_reply_to=read_ids(fields.all("In-Reply-To")),
        references=read_ids(fields.all("References")),
        received=tuple(fields.all("Received")),
        headers=fields.items,
        raw=raw,
        body_digest=digest,
        ambiguous=tuple(ambiguous(fields, _ONE_OF_A_KIND)),
    )


# --- as a part -----------------------------------------------------------------------------------------------------


def _from_part(part: Part) -> Returned | None:
    if part.is_message and part.children:
        inner = part.children[0]
        if len(inner.fields.items) < 2:
            text = part.octets.decode("utf-8", "replace") if not inner.fields.items else ""
            return returned_in_text(text) if text.strip() else None
        full = bool(inner.body.strip())
        return from_fields(
            inner.fields, Extent.FULL if full else Extent.HEADERS, raw=part.octets[:MOST_RAW], digest=_digest(inner)
        )
    if part.type in _HEADER_TYPES:
        fields, start = read_fields(part.octets)
        if not fields.items:
            return returned_in_text(part.octets[:MOST_TEXT].decode("utf-8", "replace"))
        extent = Extent.FULL if part.octets[start:].strip() else Extent.HEADERS
        digest = _digest(read_parts(part.octets)) if extent is Extent.FULL else None
        return from_fields(fields, extent, raw=part.octets[:MOST_RAW], digest=digest)
    return None


def _digest(message: Part) -> str | None:
    """Return a digest of the first words of a message: mailings with other names and numbers share it."""
    text = next((p.text for p in walk(message) if p.is_text and not p.children and p.body.strip()), "")
    words = " ".join(_WORD.findall(text[:4_000])).casefold()
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:32] if len(words) > 20 else None


# --- quoted --------------------------------------------------------------------------------------------------------


def _blocks(text: str) -> Iterator[str]:
    """Yield the header blocks of a text, freed of the indent or quote marks before each of their lines."""
    at = 0
    text = f"\n{text}"  # a line end is quicker to find than the beginning of a line
    while start := _START.search(text, at):
        indent, here = start[1], start.start(1)
        lines: list[str] = []
        while here < len(text) and len(lines) < MOST_LINES:
            line, following = _line(text, here, indent)
            if not line.strip():
                break
            if not (_LINE.match(line) or line[0] in " \t"):
                if not lines or not _goes_on(text, here, indent):
                    break
                line = "\t" + line
            lines.append(line)
            here = following
        yield "\n".join(lines)
        at = max(here, start.end()) - 1


def _line(text: str, at: int, indent: str) -> tuple[str, int]:
    """Return the line that begins there, without its quote marks, and where the next one begins."""
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    line = text[at:end]
    return line[len(indent) :] if line.startswith(indent) else line.lstrip(" \t>|*"), end + 1


def _goes_on(text: str, at: int, indent: str) -> bool:
    """Return whether a line that is no field goes on with the one above: GMX and HTML strip the indent of folds.

    A field follows then, before any empty line.
    """
    for _ in range(MOST_UNINDENTED):
        line, at = _line(text, at, indent)
        if not line.strip() or _LABELLED.match(line):
            return False
        if _FIELD_OF_MAIL.match(line):
            return True
    return False


def _from_quoted(block: str) -> Returned | None:
    fields, _ = read_fields(block.encode("utf-8", "replace"))
    names = {name.lower() for name, _ in fields.items}
    if len(names & {"from", "to", "subject", "message-id", "date", "received", "sent"}) < 2:
        return None
    items = []
    for name, value in fields.items:  # some systems put quotes around what they quote: Subject: 'Minutes'
        in_quotes = len(value) > 2 and value[0] == value[-1] and value[0] in "'\""
        items.append((name, value[1:-1] if in_quotes else value))
    return from_fields(Fields(tuple(items)), Extent.QUOTED)


def _worth(returned: Returned) -> int:
    return (
        4 * bool(returned.message_id) + 2 * bool(returned.received) + bool(returned.date) + bool(returned.from_address)
    )
