"""Received lines of many dialects, read into one form (RFC 5321 section 4.4 and what is written instead).

Names are kept apart by who vouches for them: `helo` is what the sender said of itself, `name` what the receiver looked
up. Exim writes the looked-up name first; Postfix, sendmail and Courier the HELO; qmail `from NAME (HELO x) (IP)`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from cleanup.detector.networks import Address, is_public, read_address

MOST_CHARACTERS = 2_000  # of one line
DEEPEST_COMMENT = 4

# The commonest form (Postfix, sendmail), without further comments: three of four lines, at a tenth of the cost.
_COMMON = re.compile(
    r"^from (?P<helo>[^\s()\[\]]+) \((?P<name>[^\s()\[\]@=]+) \[(?:::ffff:)?(?P<address>[0-9.]{7,15})\]\)\s+"
    r"by (?P<by>[^\s()\[\];,]+)(?: \([^()]*\))?\s+with (?P<protocol>[A-Za-z]+)(?: id [^\s();]+)?"
    r"(?:\s+for [^\s();]+)?(?:;|$)"
)
_IN_COMMENT = r"\((?:[^()]++|\((?:[^()]++|\([^()]*\))*\))*\)"
_USUAL = re.compile(
    rf"^(?:from\s+(?P<from>(?:[^()\s]++|\s(?!by\s)|{_IN_COMMENT})*)\s)?by\s+(?P<by>[^\s();]+(?:\s*{_IN_COMMENT})*)"
    rf"(?:\s+(?:with|via)\s+(?P<with>[^();]*?(?:\s*{_IN_COMMENT})*))?\s*(?:\s(?:id|for)\s[^;]*)?(?:;|$)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"(?:^|\s)(from|by|with|via|id|for)\s+(?=\S)", re.IGNORECASE)
_COMMENT = re.compile(r"\([^()]*\)")
_HOST = re.compile(r"^\[?([^\s()\[\];,]+)\]?")
_BRACKETED = re.compile(r"\[(?:ipv6:)?([0-9a-f:.]{3,45})(?:%[^\]]*)?\]", re.IGNORECASE)
_BARE = re.compile(
    r"(?<![\w.:-])(?:ipv6:)?((?:\d{1,3}\.){3}\d{1,3}|(?=[0-9a-f]*:[0-9a-f:]*:)[0-9a-f:]{3,39}(?:\d{1,3}(?:\.\d{1,3}){3})?)(?![\w.-])",
    re.IGNORECASE,
)
_HELO = re.compile(r"\b(?:helo|ehlo)[=\s]+\[?([^\s()\[\];,]+)", re.IGNORECASE)
_HELO_LITERAL = re.compile(r"\b(?:helo|ehlo)[=\s]+[^\s()]+", re.IGNORECASE)
# Never inside a host name: a stranger's PTR record may read auth02.example.net.
_LOGIN = re.compile(
    r"(?<![\w.=-])(?:authenticated(?![\w.-])|auth(?:info)?[=:]|account\s|login[=:]|sasl(?![\w.-]))", re.IGNORECASE
)
_AUTH_PROTOCOL = re.compile(
    r"^(?:(?:utf8)?(?:e?smtp|lmtp)s?a|asmtps?|https?|httpus?|mapi|webmail|local|submission)\b", re.IGNORECASE
)
_FROM_NOBODY = re.compile(r"^\s*(?:\(qmail|\(from\b|by\b|\(nullmailer|\(postfix, from userid)", re.IGNORECASE)


class Hop(NamedTuple):
    """One Received line. `authenticated`: the receiver says that the sender logged in, or handed over in person."""

    helo: str | None = None
    name: str | None = None  # what the receiver looked up; None where it found or wrote nothing
    address: Address | None = None
    by: str | None = None
    by_address: Address | None = None
    protocol: str | None = None
    authenticated: bool = False
    unnamed: bool = False  # the receiver says that it looked and found no name

    @property
    def handed_over_inside(self) -> bool:
        """Whether the sender was a process or a machine of the receiver's own network."""
        return self.address is None or not is_public(self.address)


@lru_cache(maxsize=32_768)
def read_received(line: str) -> Hop:
    """Return what a Received value says. Never raises: what cannot be read is None."""
    text = " ".join(line[:MOST_CHARACTERS].split())
    common = _COMMON.match(text)
    if common:
        return _of_the_common_form(common)
    clauses = _clauses(text)
    came_from, by = clauses.get("from", ""), clauses.get("by", "")
    if _FROM_NOBODY.match(text) and "from" not in clauses:
        came_from = ""
    helo, name = _names(came_from)
    protocol = clauses.get("with") or clauses.get("via") or ""
    # The receiver wrote by the protocol (RFC 3848: ESMTPA, ESMTPSA), or in a comment, that the sender logged in.
    comments = " ".join(f"({part.partition('(')[2]}" for part in (came_from, by, protocol) if "(" in part)
    # It wrote that there is no name: `(unknown [1.2.3.4])`, `from unknown (`, `from [1.2.3.4] (helo=`.
    plain = came_from.lower()
    unnamed = "(unknown " in plain or plain.startswith("unknown ") or (plain.startswith("[") and "helo=" in plain)
    return Hop(
        helo=helo,
        name=name,
        address=_sender_address(came_from),
        by=_host(by),
        by_address=_address(by),
        protocol=protocol.split()[0] if protocol else None,
        authenticated=bool(_AUTH_PROTOCOL.match(protocol) or _LOGIN.search(comments)),
        unnamed=name is None and unnamed,
    )


def _of_the_common_form(line: re.Match[str]) -> Hop:
    name = line["name"].rstrip(".")
    known = "." in name and not _is_doubted(name) and read_address(name) is None
    return Hop(
        helo=line["helo"].rstrip("."),
        name=name if known else None,
        address=read_address(line["address"]),
        by=line["by"].rstrip("."),
        protocol=line["protocol"],
        authenticated=bool(_AUTH_PROTOCOL.match(line["protocol"])),
        unnamed=not known and name.lower() == "unknown",
    )


def _clauses(text: str) -> dict[str, str]:
    """Return the clauses by keyword, comments with them; keywords inside comments do not count."""
    usual = _USUAL.match(text)
    if usual:
        return {name: clause for name, clause in usual.groupdict().items() if clause}
    plain = text
    for _ in range(DEEPEST_COMMENT):
        masked = _COMMENT.sub(lambda comment: "_" * len(comment[0]), plain)
        if masked == plain:
            break
        plain = masked
    end = plain.rfind(";")
    end = end if end >= 0 else len(text)
    found = list(_CLAUSE.finditer(plain, 0, end))
    starts = [match.start() for match in found[1:]]
    clauses: dict[str, str] = {}
    for this, stop in zip(found, (*starts, end), strict=bool(found)):
        clauses.setdefault(this[1].lower(), text[this.end() : stop].strip())
    return clauses


def _names(came_from: str) -> tuple[str | None, str | None]:
    """Return (what the sender said, what the receiver looked up)."""
    if not came_from:
        return None, None
    first, helo = _host(came_from), _HELO.search(came_from) if "lo" in came_from or "LO" in came_from else None
    if helo:  # Exim, qmail, CommuniGate: the looked-up name stands first
        name = first if first and not _is_doubted(first) and read_address(first) is None else None
        return helo[1], name
    # Postfix, sendmail: `HELO (NAME [IP])`, where the name may be missing, unknown or doubted.
    _, opened, comment = came_from.partition("(")
    before = comment.partition("[")[0].rpartition("@")[2].strip()
    host = _HOST.match(before)
    if not opened or _is_doubted(comment) or "[" not in comment or not host:
        return first, None
    looked_up = "." in host[1] and read_address(host[1]) is None and "=" not in before
    return first, host[1].rstrip(".") if looked_up else None


def _is_doubted(text: str) -> bool:
    """Return whether the receiver says that a name is not the sender's, or that it found none."""
    plain = text.lower()
    return "unknown" in plain or "unverified" in plain or "may be forged" in plain


def _host(clause: str) -> str | None:
    found = _HOST.match(clause)
    return found[1].rstrip(".") or None if found else None


def _sender_address(came_from: str) -> Address | None:
    """Return the address that the receiver saw: never a literal that the sender said of itself where both stand there.

    `from [HELO] (name [ADDRESS])` (Postfix, sendmail), `from [ADDRESS] (helo=[HELO])` (Exim), `(HELO [HELO]) (ADDRESS)`
    (qmail).
    """
    if "(" not in came_from:
        return _address(came_from)
    before, _, comment = _HELO_LITERAL.sub("", came_from).partition("(")
    return _address(comment) or _address(before)


def _address(clause: str) -> Address | None:
    """Return the address in brackets, else the first that stands bare."""
    if clause.count(".") < 3 and clause.count(":") < 2:
        return None
    for pattern in (_BRACKETED, _BARE):
        for found in pattern.finditer(clause):
            address = read_address(found[1])
            if address is not None:
                return address
    return None
