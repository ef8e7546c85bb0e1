"""Bounces: the status report where there is one, the table of wordings where there is none, and plain shapes last."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from email.errors import MessageError
from itertools import islice

from cleanup.detector.addresses import domain_of
from cleanup.detector.guard import split_header
from cleanup.detector.header import read_ids
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.dsn import Report, find_reply, find_status, read_report, severest
from cleanup.detector.notices.formats import FORMATS
from cleanup.detector.notices.formats.record import (
    Failure,
    Letter,
    NoticeFormat,
    Reading,
    own_words,
    read_wording,
)
from cleanup.detector.notices.is_bounce import MOST_SAID, Gathered, is_bounce
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.returned import (
    MOST_RETURNED,
    id_in_words,
    returned_by_parts,
    returned_in_text,
    with_other_ids,
)
from cleanup.detector.notices.shapes import labelled_recipients, read_shapes
from cleanup.model import Action, Cause, Extent, Kind, Notice, Recipient, Returned

_STILL_TRYING = re.compile(  # in small letters
    r"delayed|still being retried|warning: could not send|not yet been delivered|warning message only|will (?:keep|"
    r"continue) (?:on )?(?:trying|to try)|verzögert|noch nicht|retardé|retrasad|in ritardo|"
    r"atrasad|vertraagd|opóźn|задерж|遅延|延迟|延遲|지연"
)

_GOES_ON = re.compile(
    r"(?:warning message|warning|notification) only|(?:do|need) not (?:need to )?(?:re-?send|send .{0,20}again)|"
    r"(?:no|not) (?:need|necessary|required) to re-?send|will (?:be re-?tr(?:y|ied)|re-?try|try again|"
    r"keep (?:on )?trying|"
    r"continue (?:trying|to try))|still (?:being )?(?:trying|re-?tried)|attempts (?:will|to deliver) .{0,40}continu|"
    r"wird weiter(?:hin)? versuch|weitere zustellversuche|nouvelles tentatives|seguir(?:á|emos) intentando"
)
_STEMS_OF_GOING_ON = (
    " only",
    "resend",
    "re-send",
    "again",
    "will ",
    "still ",
    "attempts",
    "weiter",
    "tentativ",
    "seguir",
)
_GIVEN_UP = re.compile(
    r"permanent|g[ai]v(?:e|en|ing) up|no (?:further|more) attempt|will not (?:be )?(?:re-?tr|try)|not be retried|"
    r"could not be delivered (?:with)?in|endgültig"
)
_ARRIVED = re.compile(  # in small letters
    r"success(?:ful|fully)? (?:mail )?deliver|delivered successfully|erfolgreich zugestellt|"
    r"(?:remis|livré|délivré) avec succès|entregad[oa] (?:correctamente|con éxito)|entregue com sucesso|"
    r"consegnato (?:con successo|correttamente)"
)
_NOT_ALL = re.compile(
    r"undeliver|fail|could ?n.t|could not|cannot|\b(?:was|were|has|have) ?n.t|(?:was|were|been) not|nicht|\bno se\b"
)
_HELPERS = re.compile(r"(?:post-?master|mailer-daemon|abuse|support|help-?desk)@", re.IGNORECASE)
_SUCCEEDED = {  # how Exchange begins the subject of a report of success, where its status part was lost
    Action.DELIVERED: re.compile(
        r"\W*(?:delivered|zugestellt|übermittelt|remis|entregado|recapitato|consegnato|entregue|bezorgd|afgeleverd|"
        r"dostarczono|доставлено|配信済み|已送达|已传递|已送達|배달됨|teslim edildi|levererat|leveret|levert|doručeno|"
        r"toimitettu|kézbesítve)\s?[:：]",
        re.IGNORECASE,
    ),
    Action.RELAYED: re.compile(r"\W*(?:relayed|weitergegeben|relayé|retransmitido|中継済み|已中继)\s?[:：]", re.I),
    Action.EXPANDED: re.compile(r"\W*(?:expanded|erweitert|développé|expandido|espanso|展開済み|已展开)\s?[:：]", re.I),
}


def read_bounce(mail: Mail, formats: tuple[NoticeFormat, ...] = FORMATS) -> Notice | None:
    """Return the bounce that a message is; None where nothing in it says so.

    Without any record of the table it is read by plain shapes, as the notices of unknown systems are.
    """
    report = read_report(mail) or Report()
    if report.recipients:
        returned = _returned(mail, report, None)
        recipients = _others_in_words(mail, report, returned, formats) or report.recipients
        # Some systems say "failed" of what they still try: passing codes alone (4.x.x), and words that it goes on.
        passing = all(r.action is Action.FAILED and (r.status or "").startswith("4.") for r in recipients)
        if passing and _goes_on(mail):
            recipients = tuple(replace(r, action=Action.DELAYED) for r in recipients)
        return _notice(mail, report, "rfc3464", recipients, returned, severest(recipients) or _action(mail, None))
    reading = read_wording(_letter(mail), formats)
    returned = _returned(mail, report, reading)
    failures = _failures(mail, reading, returned)
    stated = reading is not None and bool(reading.failures) and not reading.format.everyday
    recipients = _recipients_in_words(mail, failures, returned, stated=stated)
    if not is_bounce(Gathered(mail, reading, recipients, returned)):
        return None
    name = reading.format.name if reading else "shapes" if failures else "bare"
    if not recipients:
        # The one addressee of the one returned message; never the notice's own reader, which would be a guess about
        # the owner.
        addressees = {a.lower(): a for one in returned for a in one.to}
        if len(addressees) == 1 == len(returned) and addressees.keys().isdisjoint(mail.addressees):
            recipients = tuple(Recipient(a) for a in addressees.values())
    action = _action(mail, reading)
    return _notice(mail, report, name, tuple(replace(r, action=action) for r in recipients), returned, action)


def _others_in_words(
    mail: Mail, report: Report, returned: tuple[Returned, ...], formats: tuple[NoticeFormat, ...]
) -> tuple[Recipient, ...]:
    """Return whom the text names where the status part names only the notice's reader, who sent what is returned.

    Some systems write the sender for the recipient. () where they do not, or where the reader wrote to himself.
    """
    if any(r.address.lower() not in mail.addressees for r in report.recipients):
        return ()
    if any(a.lower() in mail.addressees for one in returned for a in one.to):
        return ()
    reading = read_wording(_letter(mail), formats)
    failures = reading.failures if reading else read_shapes(mail, mail.words, returned)
    others = tuple(f for f in failures if f.address.lower() not in mail.addressees)
    named = _recipients_in_words(mail, others, returned, stated=False) if others else ()
    status = report.recipients[0]
    return tuple(
        replace(r, action=status.action, status=r.status or status.status, reply=r.reply or status.reply) for r in named
    )


def _failures(mail: Mail, reading: Reading | None, returned: tuple[Returned, ...]) -> tuple[Failure, ...]:
    """Return who failed by the wording, else by shape. A greeting names the owner: then the shape is asked first."""
    worded = reading.failures if reading else ()
    if reading and reading.format.everyday and len(worded) > 1:  # beside a table's recipient stand senders and helpers
        labelled = labelled_recipients(mail.words)
        worded = tuple(f for f in worded if f.address.lower() in labelled) or worded
    if any(f.address.lower() not in mail.own_addresses for f in worded) or not mail.machine_made:
        return worded
    found = read_shapes(mail, mail.words, returned)
    if not found and not mail.is_whole:
        found = read_shapes(mail, _second_text(mail.raw), returned)
    return found or worded


def _letter(mail: Mail) -> Letter:
    return Letter(mail.sender, mail.subject, mail.words, mail.fields.items, mail.machine_made)


def _action(mail: Mail, reading: Reading | None) -> Action:
    if reading and reading.action is not Action.FAILED:
        return reading.action
    if mail.role_sender:
        for action, subject in _SUCCEEDED.items():
            if subject.match(mail.subject):
                return action
    if reading is None or reading.format.everyday:
        said = f"{mail.subject}\n{mail.words[:1_000]}".lower()
        if _ARRIVED.search(said) and not _NOT_ALL.search(said):
            return Action.DELIVERED
    opening = mail.subject if reading else f"{mail.subject}\n{mail.words[:1_000]}"
    return Action.DELAYED if _STILL_TRYING.search(opening.lower()) or _goes_on(mail) else Action.FAILED


def _goes_on(mail: Mail) -> bool:
    """Return whether the text says that delivery is still being tried, and nowhere that it was given up."""
    text = " ".join(mail.words[:MOST_SAID].split()).lower()
    if not any(stem in text for stem in _STEMS_OF_GOING_ON):
        return False
    return bool(_GOES_ON.search(text)) and not _GIVEN_UP.search(text)


# --- who failed, by words ------------------------------------------------------------------------------------------


def _recipients_in_words(
    mail: Mail, failures: tuple[Failure, ...], returned: tuple[Returned, ...], *, stated: bool
) -> tuple[Recipient, ...]:
    """Return the recipients that the text names, else those of X-Failed-Recipients; () where neither names one.

    Those to whom the notice itself goes and who sent what it returns have failed only where nobody else has and it is
    `stated`: where a product's own wording names them, so that it is no guess.
    """
    by_field = [
        address
        for name in ("X-Failed-Recipients", "X-Failed-Recipient")
        for value in mail.fields.all(name)
        for piece in value.split(",")
        if (address := plain_address(piece))
    ]
    if by_field:  # the field says who, the text why
        by_address = {f.address.lower(): f for f in failures} | {f.original.lower(): f for f in failures if f.original}
        alone = failures[0].why if len(by_field) == 1 == len(failures) else ""
        named = tuple(by_address.get(a.lower()) or Failure(a, alone) for a in by_field)
    else:
        # Who sent the returned message is no recipient of it, nor is its id, which looks like an address.
        senders = [a for one in returned for a in (one.from_address, one.message_id, *one.other_ids)]
        senders += [plain_address(v) for one in returned for n, v in one.headers if n.lower() == "return-path"]
        apart = mail.own_addresses | {a.lower() for a in senders if a}
        others = tuple(f for f in failures if f.address.lower() not in apart) or (failures if stated else ())
        # Whom to ask for help ("write to postmaster@...") is left out where the text names others.
        named = tuple(f for f in others if not _HELPERS.match(f.address)) or others
    found = {r.address.lower(): r for f in named if (r := _recipient(f, mail, returned))}
    return tuple(found.values())


def _recipient(failure: Failure, mail: Mail, returned: tuple[Returned, ...]) -> Recipient | None:
    """Return the recipient; None for a mere local part that cannot be made whole."""
    address: str | None = failure.address
    if "@" not in failure.address:  # as the returned message has it, else at the domain that reports
        went_to = (a for one in returned for a in one.to if a.lower().startswith(f"{failure.address.lower()}@"))
        domain = organisation(domain_of(plain_address(mail.sender) or ""))
        address = next(went_to, f"{failure.address}@{domain}" if domain else None)
    if address is None:
        return None
    status, reply = failure.status or find_status(failure.why), failure.reply or find_reply(failure.why)
    return Recipient(
        address=lower_domain(address),
        original=lower_domain(failure.original) if failure.original else None,
        status=status,
        reply=reply,
        diagnostic=failure.why or None,
        cause=find_cause(failure.why, status, reply),
    )


# --- the notice ----------------------------------------------------------------------------------------------------


def _notice(
    mail: Mail,
    report: Report,
    name: str,
    recipients: tuple[Recipient, ...],
    returned: tuple[Returned, ...],
    action: Action,
) -> Notice:
    first = next((r for r in recipients if r.status), None)
    cause = next((r.cause for r in recipients if r.cause is not Cause.UNKNOWN), None)
    return Notice(
        kind=Kind.NDR,
        format=name,
        action=action,
        recipients=recipients,
        returned=returned,
        reporting_mta=report.reporting_mta,
        envelope_id=report.envelope_id,
        arrival_date=report.arrival_date,
        status=first.status if first else find_status(mail.words[:4_000]),
        cause=cause or find_cause(own_words(mail.words)[:1_000]),
    )


def _returned(mail: Mail, report: Report, reading: Reading | None) -> tuple[Returned, ...]:
    found = list(islice(returned_by_parts(mail), MOST_RETURNED))
    if not found:
        quoted = reading.returned if reading and reading.returned else mail.words
        texts = (quoted, mail.words, *(part.text for part in mail.parts if not part.children and not part.is_text))
        one = next(
            (quoted_one for text in dict.fromkeys(texts) if text and (quoted_one := returned_in_text(text))), None
        )
        found = [one or Returned(Extent.NOTHING)]
    named = id_in_words(mail.words)
    referred = read_ids(mail.fields.all("X-Riferimento-Message-ID"))  # certified mail of Italy
    ids = (*report.other_ids, *((named,) if named and len(found) == 1 else ()), *referred)
    return (with_other_ids(found[0], ids), *found[1:])


# --- a second parser -----------------------------------------------------------------------------------------------
#
# mail-parser stands on the standard library's parser: another grammar for broken structure, nested encodings and odd
# parts. It takes milliseconds where ours takes a fraction, so it is asked, and loaded, only for mail that is not what
# it declares to be, and in which ours found nobody: of 1,784 damaged notices it found the recipients of 13 more.

logging.getLogger("mailparser").setLevel(logging.CRITICAL + 1)  # it logs what strangers wrote

MOST_BYTES = 32_768  # the notice's own words stand at the beginning
MOST_HEADER = 16_384
MOST_ENCODED = 40  # encoded words: decoding them is quadratic in the library
MOST_DELIMITERS = 100
MOST_LINES = 1_500  # each gap between the lines of a status report makes a message of its own
MOST_TEXT = 65_536

# seen on damaged mail: None where a delimiter was expected, NULs in charsets, headers of a wrong type
_ODD = (AttributeError, ValueError, TypeError, LookupError, RecursionError, AssertionError, ArithmeticError)


def _second_text(raw: bytes) -> str:
    """Return the text that mail-parser finds in a mail; "" for what would take it long. Never raises."""
    raw = raw[:MOST_BYTES]
    header, _ = split_header(raw)
    tame = (
        len(header) <= MOST_HEADER
        and raw.count(b"=?") <= MOST_ENCODED
        and raw.count(b";") <= 1_000
        and raw.count(b"\n--") <= MOST_DELIMITERS
        and raw.count(b"\n") <= MOST_LINES
    )
    if not tame:
        return ""
    import mailparser
    from mailparser.exceptions import MailParserError

    try:
        parsed = mailparser.parse_from_bytes(raw)
        texts = (*parsed.text_plain, *parsed.text_html, *parsed.text_not_managed)
    except (MailParserError, MessageError, *_ODD):
        return ""
    return "\n".join(text for text in texts if isinstance(text, str))[:MOST_TEXT]
