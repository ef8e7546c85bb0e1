"""Hostile mail, made on purpose: each case is a name and the bytes. Deterministic; sizes are parameters."""

from __future__ import annotations

import random
from collections.abc import Iterator

HEAD = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.test\r\nTo: anna@example.org\r\nSubject: failure notice\r\n"
REPORT = b'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
STATUS = b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
WORDS = (
    b"Hi. This is the qmail-send program at mx.test.\r\n\r\n<bob@far.test>:\r\nSorry, no mailbox here by that name.\r\n"
)
MESSAGE = b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b.test\r\n\r\n"
BOMB = b'Content-Type: multipart/mixed; boundary="(a+)+$"\r\n\r\n--(a+)+$\r\n\r\n'
CHARSETS = ("utf-8", "us-ascii", "iso-2022-jp", "gb18030", "utf-7", "utf-16", "x" * 200, "a\0b", "hex", "idna", "")
TRICKS = (b"\0", b"\r", b"\n\n", b"=?utf-8?q?", b"--", b"<>", b"@", b";" * 50, b"\x1b$B", b"\xff\xfe")


def hostile_mails(size: int = 200_000) -> Iterator[tuple[str, bytes]]:
    """Yield every hostile mail, each about `size` bytes where its trick can be sized."""
    yield from _structure(size)
    yield from _headers(size)
    yield from _encoded(size)
    yield from _lines(size)
    yield from _charsets(size)
    yield from _patterns(size)
    yield from _reports(size)


def _structure(size: int) -> Iterator[tuple[str, bytes]]:
    for depth in (50, 99, 150, 1_000, size // 80):
        yield f"nested multiparts {depth}", HEAD + _nested(depth)
        yield f"nested messages {depth}", HEAD + b"Content-Type: message/rfc822\r\n\r\n" * depth + WORDS
    parts = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * (size // 40)
    yield "many parts", HEAD + REPORT + parts
    yield (
        "many messages",
        HEAD + REPORT + MESSAGE * (size // 60),
    )
    yield "many delimiters", HEAD + REPORT + b"--b\r\n" * (size // 5)
    yield "delimiters of another boundary", HEAD + REPORT + b"--bb\r\n" * (size // 6)
    yield (
        "boundary of a pattern",
        HEAD + BOMB + b"a" * size,
    )
    yield "empty boundary", HEAD + b'Content-Type: multipart/report; boundary=""\r\n\r\n--\r\n' * 3 + WORDS
    yield "no boundary", HEAD + b"Content-Type: multipart/report\r\n\r\n" + WORDS
    yield "boundary never closed", HEAD + REPORT + STATUS
    yield "endless boundary", HEAD + b"Content-Type: multipart/report; boundary=" + b"b" * size + b"\r\n\r\n" + WORDS
    yield "the same boundary within", HEAD + _nested(60, same=True)


def _nested(depth: int, *, same: bool = False) -> bytes:
    heads = []
    for number in range(depth):
        mark = b"b" if same else b"b%d" % number
        heads.append(b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n' % (mark, mark))
    return b"".join(heads) + b"Content-Type: text/plain\r\n\r\n" + WORDS


def _headers(size: int) -> Iterator[tuple[str, bytes]]:
    yield "one long subject", HEAD.replace(b"failure notice", b"failure " * (size // 8)) + b"\r\n" + WORDS
    yield "many subjects", HEAD + b"Subject: failure notice\r\n" * (size // 25) + b"\r\n" + WORDS
    yield "one field folded often", HEAD + b"X-A: b" + b"\r\n b" * (size // 4) + b"\r\n\r\n" + WORDS
    yield "received without end", b"Received: from a by b; Mon\r\n" * (size // 28) + HEAD + b"\r\n" + WORDS
    yield "addresses without end", HEAD + b"Cc: " + b"a@b.test, " * (size // 10) + b"\r\n\r\n" + WORDS
    yield "comments in addresses", HEAD + b"Cc: " + b"(" * (size // 2) + b"\r\n\r\n" + WORDS
    yield "quotes in addresses", HEAD + b'Cc: "' + b'\\"' * (size // 2) + b"\r\n\r\n" + WORDS
    yield "references without end", HEAD + b"References: " + b"<a@b> " * (size // 6) + b"\r\n\r\n" + WORDS
    yield "semicolons in a type", HEAD + b"Content-Type: text/plain" + b";" * size + b"\r\n\r\n" + WORDS
    yield "parameters in a type", HEAD + b"Content-Type: text/plain" + b"; a=b" * (size // 5) + b"\r\n\r\n" + WORDS
    yield "continued parameters", HEAD + b"Content-Type: text/plain" + b"; a*0*=b" * (size // 8) + b"\r\n\r\n" + WORDS
    yield "mixed continuations", HEAD + b"Content-Type: multipart/report; boundary*=x; boundary*0=b\r\n\r\n" + WORDS
    yield "only a header", HEAD
    yield "half a header", HEAD[:-20]
    yield "a header without end", HEAD + b"X" * size
    yield "a colon only", HEAD + b":\r\n: b\r\n\r\n" + WORDS
    yield "absurd dates", HEAD + b"Date: Mon, 99 Foo 99999 99:99:99 +99999999999\r\n\r\n" + WORDS
    yield "a zone without end", HEAD + b"Date: Mon, 1 Jan 2024 00:00:00 +" + b"9" * 5_000 + b"\r\n\r\n" + WORDS
    yield "no sender", b"Return-Path: <>\r\nSubject: failure notice\r\nFrom: <\r\n\r\n" + WORDS


def _encoded(size: int) -> Iterator[tuple[str, bytes]]:
    for name, word in (
        ("partial words", b"=?utf-8?q?a"),
        ("whole words", b"=?utf-8?q?a?= "),
        ("base64 words", b"=?utf-8?b?////?= "),
        ("words of no charset", b"=?no-such?q?=ff?= "),
        ("words of a codec", b"=?hex?q?ff?= =?zlib?b?eJw=?= =?idna?q?.?= =?unicode_escape?q?\\x?= "),
        ("marks only", b"=?" * 3),
    ):
        yield f"subject of {name}", HEAD + b"Subject: " + word * (size // len(word)) + b"\r\n\r\n" + WORDS
        yield f"sender of {name}", HEAD + b"From: " + word * (size // len(word)) + b" <a@b.test>\r\n\r\n" + WORDS
    bad = b"Content-Transfer-Encoding: base64\r\n\r\n"
    yield "broken base64", HEAD + bad + b"a" * (size + 1)
    yield "base64 of signs", HEAD + bad + b"=" * size
    yield "broken quoted-printable", HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * size
    yield "unknown encoding", HEAD + b"Content-Transfer-Encoding: x-uue\r\n\r\nbegin 644 x\r\n" + b"M" * size


def _lines(size: int) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "NULs", b"\0" * size
    yield "NULs in the header", HEAD.replace(b"failure", b"fail\0ure") + b"\r\n" + WORDS
    yield "bare CR", (HEAD + b"\r\n" + WORDS).replace(b"\r\n", b"\r")
    yield "bare LF", (HEAD + b"\r\n" + WORDS).replace(b"\r\n", b"\n")
    yield "mixed ends", (HEAD + b"\r\n" + WORDS).replace(b"\r\n", b"\r\r\n")
    yield "one line", HEAD + b"\r\n" + b"a" * size
    yield "empty lines", HEAD + b"\r\n" + b"\r\n" * (size // 2)
    yield "only CR", b"\r" * size
    yield "only LF", b"\n" * size
    yield "a mark before", b"\xef\xbb\xbf" + HEAD + b"\r\n" + WORDS
    yield "an mbox line before", b"From MAILER-DAEMON Mon Jan 1\r\n" + HEAD + b"\r\n" + WORDS
    yield "ten megabytes", HEAD + b"\r\n" + WORDS + b"x" * 10_000_000


def _charsets(size: int) -> Iterator[tuple[str, bytes]]:
    high = bytes(range(128, 256)) * (size // 128)
    for charset in CHARSETS:
        kind = b"Content-Type: text/plain; charset=" + charset.encode() + b"\r\n\r\n"
        yield f"charset {charset[:20]!r}", HEAD + kind + WORDS + high
    yield "no charset", HEAD + b"\r\n" + WORDS + high
    yield "escapes without end", HEAD + b"\r\n" + b"\x1b$B" * (size // 3)


def _patterns(size: int) -> Iterator[tuple[str, bytes]]:
    for name, text in (
        ("at signs", b"@"),
        ("addresses", b"a@b.test "),
        ("address lines", b"<a@b.test>:\r\n"),
        ("unfinished addresses", b"a@"),
        ("open brackets", b"<"),
        ("quotes", b'"'),
        ("colons", b"a: "),
        ("fields", b"From: a\r\n"),
        ("received", b"Received: from a\r\n"),
        ("indents", b" "),
        ("quote marks", b"> "),
        ("digits", b"5.1.1 "),
        ("replies", b"550 "),
        ("failures", b"could not be delivered "),
        ("message ids", b"Message-ID: "),
        ("final recipients", b"Final-Recipient: rfc822; "),
        ("reporting", b"Reporting-MTA:\r\n"),
        ("dashes", b"--"),
        ("virus", b"virus "),
        ("confirm", b"to confirm "),
        ("tags", b"<br"),
        ("tables", b"<table><tr><td>"),
    ):
        yield f"words of {name}", HEAD + b"\r\n" + text * (size // len(text))
        html = b"Content-Type: text/html\r\n\r\n"
        yield f"markup of {name}", HEAD + html + text * (size // len(text))
        yield (
            f"subject of {name}",
            HEAD + b"Subject: " + text.replace(b"\r\n", b" ") * (size // len(text)) + b"\r\n\r\n",
        )
    yield (
        "JSON brackets",
        HEAD.replace(b"MAILER-DAEMON@mx.test", b"no-reply@sns.amazonaws.com") + b"\r\n" + b'{"a":' * (size // 5),
    )


def _reports(size: int) -> Iterator[tuple[str, bytes]]:
    group = b"Final-Recipient: rfc822; u%d@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
    yield "recipients without end", HEAD + REPORT + STATUS + b"".join(group % n for n in range(size // 75))
    yield "one group of many", HEAD + REPORT + STATUS + b"Final-Recipient: rfc822; a@far.test\r\n" * (size // 40)
    yield (
        "xtext",
        HEAD + REPORT + STATUS + b"Final-Recipient: utf-8; " + b"\\x{110000}" * (size // 10) + b"@far.test\r\n",
    )
    yield "a diagnostic without end", HEAD + REPORT + STATUS + b"Diagnostic-Code: smtp; " + b"550 " * (size // 4)
    yield "a status without end", HEAD + REPORT + STATUS + b"Status: " + b"5." * (size // 2)
    yield "gaps", HEAD + REPORT + STATUS + b"\r\n \r\n" * (size // 5)


def mutants(raw: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield damaged copies of a mail: cut, doubled, flipped, emptied, with lines moved and ends changed."""
    chance = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(raw)
        for _ in range(chance.randint(1, 6)):
            chance.choice(_DAMAGES)(damaged, chance)
        yield bytes(damaged)


def _flip(raw: bytearray, chance: random.Random) -> None:
    for _ in range(min(len(raw), 20)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)


def _cut(raw: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(raw) + 1)
    del raw[start : start + chance.randint(1, 400)]


def _double(raw: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(raw) + 1)
    raw[start:start] = raw[start : start + chance.randint(1, 400)] * chance.randint(1, 3)


def _insert(raw: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(raw) + 1)
    raw[start:start] = chance.choice(TRICKS)


def _ends(raw: bytearray, chance: random.Random) -> None:
    old, new = chance.choice(((b"\r\n", b"\n"), (b"\n", b"\r"), (b"\n\n", b"\n"), (b"\n", b"\n\n"), (b": ", b":\n ")))
    raw[:] = raw.replace(old, new)


_DAMAGES = (_flip, _cut, _double, _insert, _ends)
