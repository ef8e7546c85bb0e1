"""Who a notice in words says has failed: by its own text, else by its header, else by what it returned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.dsn import find_reply, find_status
from cleanup.detector.notices.formats.record import Failure
from cleanup.detector.notices.mail import Mail
from cleanup.model import Recipient, Returned

_HELPERS = re.compile(r"(?:post-?master|mailer-daemon|abuse|support|help-?desk)@", re.IGNORECASE)


def recipients_in_words(
    mail: Mail, failures: tuple[Failure, ...], returned: tuple[Returned, ...], *, stated: bool
) -> tuple[Recipient, ...]:
    """Return the recipients that the text names, else those of X-Failed-Recipients; () where neither names one.

    X-Failed-Recipients says who, the text why. Whom to ask for help is left out where it names others. Those to whom
    the notice itself goes and who sent what it returns have failed only where nobody else has and it is `stated`: where
    a product's own wording names them, so that it is no guess.
    """
    by_field = tuple(_in_header(mail))
    apart = mail.own_addresses | _senders(returned)
    named = _stated(by_field, failures) if by_field else _without(apart, failures, fall_back=stated)
    found = {r.address.lower(): r for f in named if (r := _recipient(f, mail, returned))}
    return tuple(found.values())


def only_addressee(mail: Mail, returned: tuple[Returned, ...]) -> tuple[Recipient, ...]:
    """Return the one addressee of the one returned message, for where nothing else names who failed.

    Never the reader of the notice: that would be a guess about the owner.
    """
    addressees = {a.lower(): a for one in returned for a in one.to}
    if not addressees.keys().isdisjoint(mail.addressees):
        return ()
    return tuple(Recipient(a) for a in addressees.values()) if len(addressees) == 1 and len(returned) == 1 else ()


def _stated(addresses: tuple[str, ...], failures: tuple[Failure, ...]) -> tuple[Failure, ...]:
    """Return the recipients of X-Failed-Recipients with the words that the text has for them."""
    by_address = {f.address.lower(): f for f in failures} | {f.original.lower(): f for f in failures if f.original}
    alone = failures[0].why if len(addresses) == 1 == len(failures) else ""
    return tuple(by_address.get(a.lower()) or Failure(a, alone) for a in addresses)


def _without(excluded: frozenset[str], failures: tuple[Failure, ...], *, fall_back: bool) -> tuple[Failure, ...]:
    others = tuple(f for f in failures if f.address.lower() not in excluded) or (failures if fall_back else ())
    return tuple(f for f in others if not _HELPERS.match(f.address)) or others


def _senders(returned: tuple[Returned, ...]) -> frozenset[str]:
    """Return the addresses that a returned message came from, and its id, which looks like one."""
    named = (a for one in returned for a in (one.from_address, one.message_id))
    paths = (plain_address(v) for one in returned for n, v in one.headers if n.lower() == "return-path")
    return frozenset(a.lower() for a in (*named, *paths) if a)


def _in_header(mail: Mail) -> Iterator[str]:
    for name in ("X-Failed-Recipients", "X-Failed-Recipient"):
        for value in mail.fields.all(name):
            for piece in value.split(","):
                if address := plain_address(piece):
                    yield address


def _recipient(failure: Failure, mail: Mail, returned: tuple[Returned, ...]) -> Recipient | None:
    address = failure.address if "@" in failure.address else _whole(failure.address, mail, returned)
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


def _whole(local: str, mail: Mail, returned: tuple[Returned, ...]) -> str | None:
    """Return the address of a mere local part: as the returned message has it, else at the domain that reports."""
    for address in (address for one in returned for address in one.to):
        if address.lower().startswith(f"{local.lower()}@"):
            return address
    domain = organisation(domain_of(plain_address(mail.sender) or ""))
    return f"{local}@{domain}" if domain else None
