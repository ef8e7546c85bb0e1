"""Header blocks as strangers write them: one accessor with one type, whatever is doubled, folded or mislabelled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cleanup.detector.header import decode_words

MOST_VALUE = 8_192  # characters of one field
MOST_FIELDS = 2_000
MOST_PLAIN = 65_536  # bytes of a header block that is read all at once
MOST_SAME = 200  # values of one field that are looked at
MOST_DECODED = 2_048  # characters of a value whose encoded words are decoded

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z)")
_PLAIN_FIELD = re.compile(r"(([!-9;-~]{1,200})[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)(?:\n|\Z))")
_FIRST_OF_LEAD = (b" ", b"\t", b"\r", b"\n", b">", b"F")
_EMPTY_LINES = rb"(?:[ \t\r\n]*\n)?"
_LEADING = re.compile(_EMPTY_LINES + rb"(?:>?From [^\n]*(?:\n|\Z)" + _EMPTY_LINES + rb"){0,20}")
_PARAM = re.compile(r';\s{0,50}([A-Za-z0-9_*-]{1,40})\s{0,50}=\s{0,50}(?:"([^"]{0,2000})"?|([^\s;"]{1,2000}))')


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one header block, unfolded, in their order. Names keep their case; look-ups ignore it."""

    items: tuple[tuple[str, str], ...] = ()
    _by_name: dict[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[str]] = {}
        for name, value in self.items:
            key = name.lower()
            values = by_name.get(key)
            if values is None:
                by_name[key] = [value]
            elif len(values) < MOST_SAME:
                values.append(value)
        object.__setattr__(self, "_by_name", by_name)

    @property
    def by_name(self) -> Mapping[str, Sequence[str]]:
        """The values of each field, at most MOST_SAME, by its name in lower case."""
        return self._by_name

    def all(self, name: str) -> Sequence[str]:
        """Return every value of a field, at most MOST_SAME."""
        return self._by_name.get(name.lower(), ())

    def first(self, name: str) -> str | None:
        """Return the first value of a field; None where there is no such field."""
        values = self._by_name.get(name.lower())
        return values[0] if values else None

    def text(self, name: str) -> str:
        """Return the first value with its encoded words decoded; "" where there is no such field."""
        return decoded(self.first(name) or "")

    def has(self, *names: str) -> bool:
        """Return whether one of the fields is there."""
        for name in names:  # noqa: SIM110 - a generator costs twice as much, and this is asked thirty times a mail
            if name.lower() in self._by_name:
                return True
        return False


def read_fields(block: bytes) -> tuple[Fields, int]:
    """Return the fields at the beginning of a block, and where what follows them begins.

    A "From " line and empty lines before the first field are passed over. The header ends at an empty line, which is
    taken along, or at the first line that is no field, which is not.
    """
    start = lead.end() if block[:1] in _FIRST_OF_LEAD and (lead := _LEADING.match(block)) else 0
    plain, end = _plain_items(block, start)
    if plain is not None:
        return Fields(plain), _after_empty_line(block, end)
    found: list[tuple[str, str]] = []
    while len(found) < MOST_FIELDS and (match := _FIELD.match(block, start)):
        found.append((match[1].decode("ascii"), unfolded(match[2])))
        start = match.end()
    return Fields(tuple(found)), _after_empty_line(block, start)


def _plain_items(block: bytes, start: int) -> tuple[tuple[tuple[str, str], ...] | None, int]:
    """Return the fields of a header in plain ASCII whose every line is one or a fold, and its end; None for others.

    Most are; all at once they are read in a third of the time.
    """
    ends = [at for at in (block.find(b"\n\n", start), block.find(b"\n\r\n", start)) if at >= 0]
    end = min(ends) + 1 if ends else len(block)
    head = block[start:end]
    if not head.isascii() or len(head) > MOST_PLAIN:
        return None, end
    fields = _PLAIN_FIELD.findall(text := head.decode("ascii"))
    if len(fields) > MOST_FIELDS or sum([len(whole) for whole, _, _ in fields]) != len(text):
        return None, end
    items = []
    for _, name, value in fields:
        if "\n" in value or "\r" in value:
            value = value[: MOST_VALUE * 2].replace("\n", "").replace("\r", "")
        items.append((name, value.strip(" \t\n\r\x0b\x0c")[:MOST_VALUE]))
    return tuple(items), end


def _after_empty_line(block: bytes, at: int) -> int:
    for end in (b"\n", b"\r\n"):
        if block.startswith(end, at):
            return at + len(end)
    return at


def unfolded(value: bytes) -> str:
    """Return a raw value on one line, as UTF-8 where it is, else byte for byte."""
    if len(value) > MOST_VALUE:
        value = value[: MOST_VALUE * 2]
    if b"\n" in value:
        value = value.replace(b"\n", b"")
    one_line = value.replace(b"\r", b"").strip()[:MOST_VALUE]
    try:
        return one_line.decode("utf-8")
    except UnicodeDecodeError:
        return one_line.decode("latin-1")


@lru_cache(maxsize=4_096)
def decoded(value: str) -> str:
    """Return a value with its encoded words decoded (RFC 2047) and its raw ISO-2022-JP, if there is any."""
    if "\x1b$" in value or "\x1b(" in value:
        return value.encode("latin-1", "replace").decode("iso-2022-jp", "replace")
    return decode_words(value[:MOST_DECODED]) if "=?" in value else value


def main_type(value: str) -> str:
    """Return the type of a Content-Type value in lower case: "text/plain"; "" where it says none."""
    return value.partition(";")[0].strip().lower().replace(" ", "")


def params(value: str) -> dict[str, str]:
    """Return the parameters of a Content-Type or Content-Disposition value by lower-cased name (RFC 2231 undone)."""
    if ";" not in value:
        return {}
    found: dict[str, str] = {}
    for name, quoted, bare in _PARAM.findall(";" + value.partition(";")[2]):
        base, _, _ = name.lower().partition("*")
        text = quoted or bare
        if "*" in name and text.count("'") >= 2:
            text = text.split("'", 2)[2]
        found[base] = found[base] + text if "*" in name and base in found else text
    return found


def ambiguous(fields: Fields, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the fields that stand there more than once with different values."""
    for name in names:
        if len(set(fields.all(name))) > 1:
            yield name
