"""Who a notice in words says has failed: by its own text, else by its header, else by what it returned."""

from __future__ import annotations

from collections.abc import Iterator

from cleanup.detector.addresses import domain_of
from cleanup.detector.networks import organisation
from cleanup.detector.notices.addresses import lower_domain, plain_address
from cleanup.detector.notices.causes import find_cause
from cleanup.detector.notices.dsn import find_reply, find_status
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.wording import Failure
from cleanup.model import Recipient, Returned


def recipients_in_words(
    mail: Mail, failures: tuple[Failure, ...], returned: tuple[Returned, ...]
) -> tuple[Recipient, ...]:
    """Return the recipients that the text names, else those of X-Failed-Recipients; () where neither names one.

    Those to whom the notice itself goes are left out where it names others: notices speak of their sender too.
    """
    named = failures or tuple(Failure(address) for address in _in_header(mail))
    others = tuple(f for f in named if f.address.lower() not in mail.own_addresses) or named
    found = {r.address.lower(): r for f in others if (r := _recipient(f, mail, returned))}
    return tuple(found.values())


def only_addressee(returned: tuple[Returned, ...]) -> tuple[Recipient, ...]:
    """Return the one addressee of the one returned message, for where nothing else names who failed."""
    addressees = {a.lower(): a for one in returned for a in one.to}
    return tuple(Recipient(a) for a in addressees.values()) if len(addressees) == 1 and len(returned) == 1 else ()


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
