"""Addresses out of the fields of reports and of returned headers (RFC 3464, 6533, 5322; X.400 and UUCP forms)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from cleanup.detector.header import read_people
from cleanup.detector.notices.headers import decoded

_TYPED = re.compile(r"^\s*([A-Za-z0-9-]{2,20})\s*;\s*(.*)$", re.DOTALL)
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNICODE = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_WIDE = "：，。、（）「」；＜＞"
_LOCAL = rf"[^\s<>()\[\]\",;:@{_WIDE}]"
# A local part is taken whole or not at all (X.400 ones have hundreds of characters): it begins where none could before.
_PLAIN = re.compile(
    rf"(?:\"[^\"\r\n]{{1,64}}\"|(?<!{_LOCAL}){_LOCAL}{{1,998}}+)@(?:\[[0-9A-Fa-f:.]{{2,45}}\]|[\w#%.~-]{{1,255}})"
)
_USUAL = re.compile(  # of those the first address is plain to see: "Anna <anna@example.org>"
    r"(?:[^@:\"<>]{0,200}<)?([A-Za-z0-9](?:[A-Za-z0-9.+_-]{0,62}[A-Za-z0-9])?@[A-Za-z0-9][A-Za-z0-9.-]{0,200}[A-Za-z0-9])>?"
)
# Words of other scripts stand beside it without a space: "发给bob@example.org宛". No top-level domain has two scripts.
_GROWN_BEFORE = re.compile(r"\A[^A-Za-z]{0,100}[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af](?=[A-Za-z0-9._+-]+\Z)")
_GROWN_ON = re.compile(r"([A-Za-z]{2,})-?[^\x00-\x7f]")
_NEEDLESS_QUOTES = re.compile(r"\"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)\"@")
_X400 = re.compile(r"/(?:S|s)=([^/;]{1,64})")


def lower_domain(address: str) -> str:
    """Return an address with its domain in lower case, and its local part without quotes that say nothing.

    Japanese carriers gave out local parts with dots in a row, which some systems quote and others do not.
    """
    local, at, domain = (_NEEDLESS_QUOTES.sub(r"\1@", address) if '"' in address else address).rpartition("@")
    if not address.isascii():
        local = _GROWN_BEFORE.sub("", local)
        labels, dot, last = domain.rpartition(".")
        if grown := _GROWN_ON.match(last):
            domain = f"{labels}{dot}{grown[1]}"
    return f"{local}@{domain.lower().rstrip('.')}" if at else address


def typed_address(value: str) -> str | None:
    """Return the address of an Original-Recipient or Final-Recipient field, decoded (RFC 3461 xtext, RFC 6533).

    Comments, brackets and a missing or wrong type are passed over; None where no address is there.
    """
    kind, rest = split_type(value)
    if kind.startswith("utf-8"):  # some write the form for the type: utf-8-addr-xtext
        rest = _UNICODE.sub(_character, rest)
    elif kind == "rfc822" and "+" in rest:
        # "anna+shop@example.org" is written plainly by many: xtext is undone only where it is all there is
        encoded = "@" not in rest or "+40" in rest
        rest = _HEX.sub(lambda pair: chr(int(pair[1], 16)), rest) if encoded else rest
    elif kind == "x400" and "@" not in rest:
        return None
    return plain_address(rest) or (plain_address(value) if kind else None)


def split_type(value: str) -> tuple[str, str]:
    """Return the type of a typed field in lower case and what follows it: ("rfc822", "a@b.example")."""
    typed = _TYPED.match(value)
    return (typed[1].lower(), typed[2].strip()) if typed else ("", value.strip())


def plain_address(text: str) -> str | None:
    """Return the first address in a text; None where there is none."""
    if "@" not in text:
        return None
    if usual := _USUAL.fullmatch(text):
        return lower_domain(usual[1])
    return next(plain_addresses(text), None)


def plain_addresses(text: str) -> Iterator[str]:
    """Yield the addresses in a text."""
    if ":" in text:
        text = text.replace("mailto:", " ").replace("MAILTO:", " ")
    for found in _PLAIN.finditer(text):
        address = found.group().rstrip(".!?").removeprefix("'").removeprefix("SMTP=").removeprefix("smtp=")
        if address.isprintable() and not address.startswith("//"):  # https://shop.example/anna@example.org
            yield lower_domain(address)


def people(values: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Return (address, decoded display name) of address fields."""
    return tuple(
        (lower_domain(person.address), decoded(person.name) if person.name else None)
        for person in read_people(values)
        if len(person.address) <= 500
    )


def first_person(values: Iterable[str]) -> tuple[str | None, str | None]:
    """Return the first address of address fields and its name; an address in no proper form is found too."""
    texts = tuple(values)
    for address, name in people(texts):
        return plain_address(address) or address, name
    return next((found for text in texts if (found := plain_address(text))), None), None


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if 0x20 < number < 0x110000 and not 0xD800 <= number < 0xE000 else match.group()
