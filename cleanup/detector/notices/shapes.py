"""Plain shapes that notices of unknown systems share: an address on a line of its own, a reply code after it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cleanup.detector.notices.addresses import plain_address
from cleanup.detector.notices.mail import Mail
from cleanup.detector.notices.wording import Failure

MOST_LINES = 400
MOST_FOUND = 200

_RETURNED = re.compile(
    r"^[ \t>|*]{0,12}(?:received|return-path|message-id|dkim-signature|from|subject|date)[ \t]*:", re.IGNORECASE
)
_RULE = re.compile(r"^\W{0,3}[-=_*+]{3,}.{0,80}$")
_REFUSED = re.compile(
    r"\b[45]\d\d[ -]|\b[45]\.\d{1,3}\.\d{1,3}\b|unknown|unable to|could ?n.t|could not|cannot|can.t|"
    r"did not|no such|not found|not exist|rejected|refused|fail|"
    r"undeliver|full|quota|denied|invalid",
    re.IGNORECASE,
)
_LINE = re.compile(
    r"^\W{0,6}(?:mailto:)?[\"'<(]?[^\s<>\"'()]{1,200}@[^\s<>\"'(),;:]{1,255}[\"'>)]?(?:[\s:;,(\-].{0,2000})?$"
)
_RCPT = re.compile(r"RCPT TO:\s?<?([^\s<>]{1,200}@[^\s<>]{1,255})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shaped:
    """The recipients that the shape of the text gives away."""

    failures: tuple[Failure, ...]


def read_shapes(mail: Mail, text: str) -> Shaped | None:
    """Return the recipients that a text of the notice names in one of the common shapes; None where it names none."""
    if not mail.machine_made:
        return None
    lines = _own_lines(text)
    found: dict[str, Failure] = {}
    for number, line in enumerate(lines):
        address = _named(line, lines[number + 1 : number + 4])
        if address and address.lower() not in mail.own_addresses and len(found) < MOST_FOUND:
            found.setdefault(address.lower(), Failure(address, _why(line, lines[number + 1 : number + 6])))
    return Shaped(tuple(found.values())) if found else None


def _own_lines(text: str) -> list[str]:
    lines = text.splitlines()[:MOST_LINES]
    end = next((n for n, line in enumerate(lines) if _RETURNED.match(line)), len(lines))
    return [line[:2_000] for line in lines[:end]]


def _named(line: str, after: list[str]) -> str | None:
    if "@" not in line:
        return None
    if rcpt := _RCPT.search(line):
        return plain_address(rcpt[1])
    if _LINE.match(line) and (_REFUSED.search(line) or any(map(_REFUSED.search, after)) or _alone(line)):
        return plain_address(line)
    return plain_address(line) if _REFUSED.search(line) else None


def _alone(line: str) -> bool:
    return len(line.split()) == 1


def _why(line: str, after: list[str]) -> str:
    gathered = [line]
    for following in after:
        if not following.strip() or ("@" in following and _LINE.match(following)):
            break
        gathered.append(following)
    return " ".join(" ".join(gathered).split())[:2_000]
