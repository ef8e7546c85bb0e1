"""A large made-up Maildir with the truth: ordinary mail, genuine bounces, backscatter, shaped like sample_data.

Messages are small, so that it is made in seconds. With `realistic` those of people are as large as real ones
(log-normal, half of them below 20 kB, 60 kB on average, 10 MB at most), and names of files carry S= and W=, as Dovecot
writes them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import random
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from types import ModuleType
from typing import Any

NEW_NUMBERS = 10_000_000  # in the names of files that are delivered later: apart from those of build()
MEDIAN, MEAN, LARGEST = 20_000, 60_000, 10_000_000  # bytes of realistic messages
SPREAD = math.sqrt(2 * math.log(MEAN / MEDIAN))  # sigma of that log-normal distribution
ATTACHMENT = "JVBERi0xLjcKJeLjz9MKMSAwIG9iago8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+PgplbmRvYmoK\n"  # a line of base64
LINE_END = "\n"
ROOT = Path(__file__).resolve().parent.parent

SETTLES_S = 3  # Dovecot looks through a Maildir anew that changed in the last two seconds


@dataclass(frozen=True, slots=True)
class Size:
    """How many messages of each sort."""

    inbox: int
    sent: int
    notices: int
    genuine: int
    realistic: bool = False


def build(maildir: Path, size: Size, seed: int) -> set[str]:
    """Write the Maildir (Inbox and Sent) and return the Message-IDs of the notices that are backscatter."""
    shapes = _shapes()
    rng = random.Random(seed)
    sent = [_sent(shapes, rng, n, size.sent) for n in range(size.sent)]
    write = Writer(random.Random(seed + 1) if size.realistic else None)
    for n, m in enumerate(sent):
        write(maildir / ".Sent", write.grown(f"{m.headers()}\n{shapes.BODY}"), m.date.timestamp(), n)
    items = [*_genuine(shapes, rng, sent, size.genuine), *_forged(shapes, rng, size.notices - size.genuine)]
    items += [_ordinary(shapes, rng, sent) for _ in range(size.inbox - len(items))]
    rng.shuffle(items)
    for n, item in enumerate(items):
        text = write.grown(item.text) if item.what == "ordinary" else item.text
        write(maildir, text, item.arrived.timestamp(), n, flags=rng.choice(("", "S", "S", "FS", "RS")))
    return {shapes.own_id(item.text) for item in items if item.verdict == "backscatter"}


def deliver(maildir: Path, rng: random.Random, inbox: int, sent: int, notices: int, first: int = 0) -> int:
    """Add mail that came and went since: so many to the Inbox, of which some are backscatter, and so many to Sent.

    The first file is numbered `first`, from NEW_NUMBERS on. Returns the size of the notices in bytes, as sent by IMAP.
    """
    shapes, write = _shapes(), Writer(None)
    wrote = [_sent(shapes, rng, n, sent) for n in range(sent)]
    for n, m in enumerate(wrote):
        write(maildir / ".Sent", f"{m.headers()}\n{shapes.BODY}", m.date.timestamp(), NEW_NUMBERS + first + n)
    forged = _forged(shapes, rng, notices)
    items = [*forged, *(_ordinary(shapes, rng, wrote) for _ in range(inbox - notices))]
    for n, item in enumerate(items):
        write(maildir, item.text, item.arrived.timestamp(), NEW_NUMBERS + first + n)
    return sum(len(item.text.encode()) + item.text.count(LINE_END) for item in forged)


def snapshot(maildir: Path) -> list[tuple[str, str, int]]:
    """Return (SHA-256 of the bytes, flags, whole-second arrival time) of every message in a Maildir folder, sorted."""
    found = []
    for part in ("cur", "new"):
        for entry in os.scandir(maildir / part):
            flags = entry.name.rpartition(":2,")[2] if ":2," in entry.name else ""
            digest = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
            found.append((digest, "".join(sorted(flags)), int(entry.stat().st_mtime)))
    return sorted(found)


def _shapes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_shapes", ROOT / "sample_data" / "mailboxes" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _sent(shapes: ModuleType, rng: random.Random, n: int, total: int) -> Any:
    when = shapes.START + timedelta(days=shapes.DAYS * n / total, minutes=rng.randint(0, 20))
    subject = rng.choice(shapes.TOPICS).format(n=n)
    return shapes.Sent(f"{rng.getrandbits(64):016x}.{n}@postbird.example.org", rng.choice(shapes.PEOPLE), subject, when)


def _genuine(shapes: ModuleType, rng: random.Random, sent: list, count: int) -> list:  # type: ignore[type-arg]
    writers = (shapes.postfix, shapes.exim, shapes.exchange, shapes.qmail)
    items = []
    for n, m in enumerate(rng.sample(sent, count)):
        mta = f"mx.{shapes.domain(m.to)}"
        when = m.date + timedelta(minutes=4)
        text = writers[n % 4](rng, m, mta, when, shapes.own_route(m, mta))
        items.append(shapes.Item(text, when, "own", "genuine"))
    return items


def _forged(shapes: ModuleType, rng: random.Random, count: int) -> list:  # type: ignore[type-arg]
    items: list[object] = []
    while len(items) < count:
        items += list(shapes.storm(rng))
    return items[:count]


def _ordinary(shapes: ModuleType, rng: random.Random, sent: list) -> object:  # type: ignore[type-arg]
    if rng.random() < 0.3 and sent:
        m = rng.choice(sent)
        when = m.date + timedelta(hours=5)
        sender, more = m.to, f"In-Reply-To: <{m.message_id}>\n"
    else:
        sender, more = rng.choice(shapes.PEOPLE), ""
        when = shapes.START + timedelta(minutes=rng.randint(0, shapes.DAYS * 24 * 60))
    text = (
        shapes.route(shapes.MX, f"mail.{shapes.domain(sender)}", "198.51.100.77", when)
        + f"From: {sender}\nTo: {shapes.OWNER}\nSubject: {rng.choice(shapes.TOPICS).format(n=rng.randint(1, 9999))}\n"
        f"Date: {format_datetime(when)}\nMessage-ID: <{rng.getrandbits(60):x}@{shapes.domain(sender)}>\n{more}"
        "Content-Type: text/plain; charset=utf-8\n\n" + "Dear Anna, here are the papers.\n" * rng.randint(1, 60)
    )
    return shapes.Item(text, when, "ordinary", "")


class Writer:
    """Writes messages into Maildir folders; those of people as large as real ones where it has a `rng`."""

    def __init__(self, rng: random.Random | None) -> None:
        self._rng = rng

    def grown(self, text: str) -> str:
        """Return a message with as much attached as real ones have."""
        if self._rng is None:
            return text
        wanted = min(self._rng.lognormvariate(math.log(MEDIAN), SPREAD), LARGEST)
        return text + ATTACHMENT * max(0, round((wanted - len(text)) / len(ATTACHMENT)))

    def __call__(self, folder: Path, text: str, arrived: float, number: int, flags: str = "S") -> None:
        """Write one message that arrived then."""
        (folder / "cur").mkdir(parents=True, exist_ok=True)
        for name in ("new", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        octets = text.encode()
        sizes = f",S={len(octets)},W={len(octets) + text.count(LINE_END)}" if self._rng else ""
        file = folder / "cur" / f"{int(arrived)}.M{number}.made{sizes}:2,{flags}"
        file.write_bytes(octets)
        os.utime(file, (int(arrived), int(arrived)))
