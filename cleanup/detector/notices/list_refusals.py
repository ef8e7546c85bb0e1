"""Refusals by mailing lists in plain words: Mailman, Sympa, LISTSERV, Majordomo, mlmmj, Ecartis and groups on the web.

They carry the list's own fields, often the subject of the message that they refuse, and no sign of a mail system. What
makes one: the list's administrative address sent it, and it says that a message to the list was refused.
"""

from __future__ import annotations

import re
from itertools import islice

from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.phrases import LIST_SENDER
from cleanup.detector.notices.returned import MOST_RETURNED, returned_by_parts, returned_in_text
from cleanup.model import Action, Cause, Extent, Kind, Notice, Recipient, Returned

MOST_WORDS = 2_000  # characters within which a list says that it refuses

_OF_A_LIST = re.compile(
    r"(?P<list>[^@\s]{1,100}?)[-+](?:bounces?|owner|admin)(?:[-+][^@]{0,100})?@(?P<domain>.+)", re.I
)
_PROGRAM = re.compile(r"owner-(?P<list>[^@\s]{1,100})@(?P<domain>.+)", re.IGNORECASE)
_NAMED = re.compile(
    r"\b(?:list[ae]?|lijst|post(?:ing)?|message|mail|to|für|an|group|lista) (?:to |the |for |'|\"|<){0,3}"
    r"([^\s<>'\",;:]{1,100}@[^\s<>'\",;:]{1,200})",
    re.IGNORECASE,
)
_SHORT_NAME = re.compile(r"\b(?:(?:the|list|liste|lista) ['\"]?)([\w.+-]{1,60})['\"]? (?:mailing )?(?:list\b|\()", re.I)
_REFUSED = re.compile(
    r"posting of your message titled .{0,300} (?:has been|was) rejected"
    r"|your message has been rejected, probably because you are not subscribed"
    r"|you are not allowed to (?:post to this|send this message)"
    r"|content filtering rules and was prevented from being forwarded"
    r"|message (?:to|for) (?:the )?(?:mailing )?list .{0,150} (?:was|has been|is) (?:rejected|denied|refused)"
    r"|message to (?:the )?\S{1,200} (?:mailing[- ]?list |list |group )?(?:was|has been) (?:rejected|denied|refused)"
    r"|(?:the|your) message you sent to (?:the )?.{1,100} (?:was|has been) (?:rejected|denied|refused)"
    r"|message \S{1,200} for list .{1,100} has been rejected"
    r"|not authorized to (?:send mail|post) to the .{1,60}\blist\b"
    r"|message is being returned to you unprocessed"
    r"|unable to be delivered to the list"
    r"|not a member of (?:the|this) (?:mailing )?list .{0,150}(?:may post|reject|refuse)"
    r"|send your message is not subscribed to this group|not subscribed to th(?:at|is) group"
    r"|your post(?:ing)? (?:to .{1,100})?(?:was|has been) (?:rejected|denied|refused)"
    r"|(?:veröffentlichung ihrer nachricht|ihre nachricht (?:an|für) .{0,30}list) .{0,300}abgelehnt"
    r"|ihre nachricht wurde (?:\S{1,30} ){0,3}abgelehnt"
    r"|votre message (?:pour|à|destiné à) la liste .{0,150} a été (?:rejeté|refusé)"
    r"|publication de votre message .{0,300} a été (?:rejeté|refusé)"
    r"|su mensaje (?:para|a|dirigido a) la lista .{0,150} (?:ha sido|fue) rechazado"
    r"|messaggio (?:per|inviato alla|alla) ?(?:la )?lista .{0,150} (?:rifiutato|respinto)"
    r"|mensagem para a lista .{0,150} foi rejeitada"
    r"|bericht (?:aan|voor) (?:de )?(?:mailing)?lijst .{0,150}(?:geweigerd|afgewezen)",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


def read_list_refusal(mail: Mail) -> Notice | None:
    """Return the refusal of a message by a mailing list; None for anything else, whatever a list's members write."""
    if not LIST_SENDER.search(mail.sender) or mail.is_report:
        return None
    # A refusal goes to one person, from the list's software; what goes to the list, or collects its mail, is members'.
    digest = mail.root.type == "multipart/digest" or "digest" in mail.subject.lower()
    if mail.by_mail_program or mail.to_the_list or digest:
        return None
    refusal = _REFUSED.search(_SPACE.sub(" ", mail.words[:MOST_WORDS]))
    address = _list_of(mail) if refusal else None
    if refusal is None or address is None:
        return None
    refused = Recipient(address, action=Action.FAILED, diagnostic=refusal.group()[:300], cause=Cause.POLICY)
    parts = tuple(islice(returned_by_parts(mail), MOST_RETURNED))
    return Notice(
        Kind.NDR,
        "list-refusal",
        action=Action.FAILED,
        recipients=(refused,),
        returned=parts or (returned_in_text(mail.words) or Returned(Extent.NOTHING),),
        cause=refused.cause,
    )


def _list_of(mail: Mail) -> str | None:
    """Return the list's address: by the address that its software writes from, else as the text names it."""
    sender = plain_address(mail.sender) or ""
    named = _OF_A_LIST.fullmatch(sender) or _PROGRAM.fullmatch(sender)
    if named and named["list"].lower() not in ("mailman", "sympa", "listserv", "majordomo"):
        return lower_domain(f"{named['list']}@{named['domain']}")
    text = _SPACE.sub(" ", f"{mail.subject}\n{mail.words[:MOST_WORDS]}")
    for found in _NAMED.finditer(text):
        address = plain_address(found[1])
        if address and address.lower() not in mail.own_addresses:
            return address
    short = _SHORT_NAME.search(text)
    return lower_domain(f"{short[1]}@{sender.rpartition('@')[2]}") if short and "@" in sender else None
