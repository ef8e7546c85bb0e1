"""Plain shapes that notices of unknown systems share: an address under a label, on a line of its own, by a reply code.

Where no line has such a shape, the address that the returned message was sent to stands in the text, or there is only
one address in it that belongs to nobody who has a part in the notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from cleanup.detector.notices.addresses import plain_address, plain_addresses
from cleanup.detector.notices.formats.record import Failure, listed_addresses, names_no_recipient
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.phrases import NOTICE_SUBJECT
from cleanup.model import Returned

MOST_LINES = 400
MOST_FOUND = 200

_RETURNED = re.compile(
    r"^[ \t>|*]{0,12}(?:received|return-path|message-id|dkim-signature|from|subject|date)[ \t]*:", re.IGNORECASE
)
_SUMMARY = re.compile(r"^[ \t>|*]{0,12}(?:from|to|cc|subject|date|sent)[ \t]*:", re.IGNORECASE)
_COPIED = re.compile(
    r"^[ \t>|*]{0,12}(?:received|return-path|message-id|dkim-signature)[ \t]*:|"
    r"^\W{0,40}(?:(?:the|your|start of) )?(?:original|unsent|returned|forwarded|old) (?:message|mail)\b|"
    r"copy of (?:the|your)|message headers?|"
    r"below this line",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"\b[45]\d\d[ -]|\b[45]\.\d{1,3}\.\d{1,3}\b|unknown|unable to|could ?n.t|could not|cannot|can.t|"
    r"did not|no such|not found|not exist|rejected|refused|fail|"
    r"undeliver|full|quota|denied|invalid|n[o']t (?:a )?valid|not recogni|unavailable|disabled|unreachable|timed out",
    re.IGNORECASE,
)
_CONTACT = re.compile(r"https?://|\b(?:contact|write to|questions?|visit|or mail|call us|kontakt|contactez)\b", re.I)
_ANSWERED = re.compile(r"(?<![\d.,])[45][0-5]\d(?![\d.,])|\b[45]\.\d{1,3}\.\d{1,3}\b")
_LINE = re.compile(
    r"^\W{0,6}(?:mailto:)?[\"'<(]?[^\s<>\"'()@]{1,200}+@[^\s<>\"'(),;:@]{1,255}+[\"'>)]?(?:[\s:;,(\-].{0,2000})?$"
)
_RCPT = re.compile(
    r"(?:(?:RCPT TO|Rejected-For|Error-for):\s{0,8}<?|\bSMTP=)([^\s<>,]{1,200}@[^\s<>,]{1,255})", re.IGNORECASE
)
_LABEL = re.compile(
    r"^\W{0,6}(?:\w{1,20} ){0,2}(?:recipients?|addressee|destination|addressed to|receiver|rcpt|empfänger\w{0,7}|"
    r"destinataires?|destinatario|destinatário|geadresseerden?|ontvanger|odbiorca|adresat|получатель|адресат|příjemce|"
    r"adresát|宛先|受信者|收件人|收件者|收信人|수신자|받는 ?사람|alıcı|mottagare|modtager|mottaker|"
    r"vastaanottaja|címzett|"
    r"príjemca|destinatar|παραλήπτης|одержувач|отримувач|получател|נמען|המען|المستلم|المستقبل|ผู้รับ|người nhận|penerima)"
    r"(?: address| e?-?mail)?(?:\(e?s\))?\s{0,40}[:：=]\s{0,40}(.{3,500})$",
    re.IGNORECASE,
)
_DELIVERED_TO = re.compile(
    r"(?:not|n't|unable to|fail\w{0,4}) (?:be )?(?:deliver|forward|relay)\w{0,4} (?:\S{1,40} ){0,3}?to "
    r"(?:[^\s@]{1,20} ){0,3}?[<\"']?([^\s<>\"'@]{1,200}@[^\s<>\"',;]{1,255})",
    re.IGNORECASE,
)
_HELPERS = re.compile(
    r"^(?:post-?master|help-?desk|help|support|abuse|info|admin\w{0,10}|webmaster|hostmaster|contact|service|noc|"
    r"mailer-daemon|it|staff|security|unblock\w{0,6}|delist\w{0,6}|no-?reply|donotreply|bounces?|spam|feedback)@",
    re.IGNORECASE,
)


def read_shapes(mail: Mail, text: str, returned: Iterable[Returned] = ()) -> tuple[Failure, ...]:
    """Return the recipients that a text of the notice names in one of the common shapes; () where it names none."""
    if not mail.machine_made:
        return ()
    whole = text.splitlines()[:MOST_LINES]
    end = next((n for n, line in enumerate(whole) if _RETURNED.match(line)), len(whole))
    lines = [line[:2_000] for line in whole[:end]]
    if found := _shaped(lines, mail):
        return found
    # Some notices begin with To and Subject, which end the text above before it has begun.
    end = next((n for n, line in enumerate(whole) if _COPIED.search(line)), len(whole))
    if found := _shaped([line[:2_000] for line in whole[:end] if not _SUMMARY.match(line)], mail):
        return found
    # An address in the text to which the returned message went.
    went_to = {address.lower() for one in returned for address in one.to} - mail.own_addresses
    addressed = tuple(f for f in _others(lines, mail) if f.address.lower() in went_to) if went_to else ()
    return addressed or _only_one(lines, mail)


def labelled_recipients(text: str) -> frozenset[str]:
    """Return the addresses, in small letters, that stand under a label which says that they are recipients."""
    found = (_LABEL.match(line[:2_000]) for line in text.splitlines()[:MOST_LINES] if "@" in line)
    return frozenset(a.lower() for label in found if label for a in plain_addresses(label[1]))


def _shaped(lines: list[str], mail: Mail) -> tuple[Failure, ...]:
    found: dict[str, Failure] = {}
    for number, line in enumerate(lines):
        for address in _named(line, lines[number + 1 : number + 4]):
            if address.lower() not in mail.own_addresses and len(found) < MOST_FOUND:
                found.setdefault(address.lower(), Failure(address, _why(line, lines[number + 1 : number + 6])))
    return tuple(found.values())


def _only_one(lines: list[str], mail: Mail) -> tuple[Failure, ...]:
    """Return the only address in a text about failure that is neither the sender's, nor the owner's, nor a helper's."""
    if not (mail.null_sender or mail.role_sender):
        return ()
    text = " ".join(lines)
    answered = mail.null_sender and mail.role_sender and _ANSWERED.search(text)
    if not (answered or mail.subject_of_notice or NOTICE_SUBJECT.search(text)):
        return ()
    others = (f for f in _others(lines, mail) if "." in f.address.rpartition("@")[2])
    found = tuple(islice((f for f in others if not _HELPERS.match(f.address)), 2))
    return found if len(found) == 1 else ()


def _others(lines: list[str], mail: Mail) -> Iterator[Failure]:
    seen = set(mail.own_addresses)
    for number, line in enumerate(lines):
        for address in plain_addresses(line) if "@" in line else ():
            if address.lower() not in seen and len(seen) < MOST_FOUND:
                seen.add(address.lower())
                yield Failure(address, _why(line, lines[number + 1 : number + 6]))


def _named(line: str, after: list[str]) -> tuple[str, ...]:
    if "@" not in line or names_no_recipient(line):
        return ()
    if _LABEL.match(line) and (several := listed_addresses(line)):
        return several
    address = None
    if named := _RCPT.search(line) or _LABEL.match(line) or _DELIVERED_TO.search(line):
        address = plain_address(named[1])
    else:
        # A line that an address begins needs a refusal on it or below it, or nothing else; any other needs one on it,
        # and no word before the address that says whom to ask.
        refused = bool(_REFUSED.search(line))
        alone = len(line.split()) == 1
        leads = bool(_LINE.match(line)) and (refused or alone or any(map(_REFUSED.search, after)))
        if leads or (refused and not _CONTACT.search(line.partition("@")[0])):
            address = plain_address(line)
    return (address,) if address else ()


def _why(line: str, after: list[str]) -> str:
    gathered = [line]
    for following in after:
        if not following.strip() or ("@" in following and _LINE.match(following)):
            break
        gathered.append(following)
    return " ".join(" ".join(gathered).split())[:2_000]
