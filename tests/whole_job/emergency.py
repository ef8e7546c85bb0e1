"""Somebody drowns in bounces: a mailbox in a storm on a real server, with the domain's records on a name server.

Played by hand: python -m tests.whole_job.emergency 3000 prints what reaches the mailbox, and keeps the servers running.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle, islice
from random import Random

from cleanup.connector.account import Account
from cleanup.connector.mailbox import open_mailbox
from cleanup.model import Verdict
from tests.generator.mail import write
from tests.generator.senders import Placed, _Maker, a_place
from tests.generator.specimens import Specimen
from tests.generator.world import NOW, World, a_world
from tests.report.filing.on_server import whole
from tests.servers.dovecot import STATIC_PASSWORD, dovecot
from tests.servers.nameserver import nameserver
from tests.servers.running import RunningServer

BY_BOTS, BY_A_RENTED_HOST = "bots", "rented host"


@dataclass(frozen=True)
class Emergency:
    """A mailbox in a storm: the account, the owner's address, what the truth is, and the name server's records."""

    account: Account
    address: str
    truth: Mapping[str, Verdict | None]  # by the digest of a message; None: ordinary mail
    zone: Mapping[str, Mapping[str, tuple[str, ...]]]

    @property
    def reach(self) -> tuple[str, ...]:
        """The options that reach it, as a person types them."""
        host = ("--host", self.account.host, "--port", str(self.account.real_port), "--security", "plain")
        return (*host, "--username", self.account.username)

    def filed(self) -> list[Verdict | None]:
        """Return what truly is what lies in the backscatter folder; digests are left out."""
        with open_mailbox(self.account, read_only=True) as mailbox:
            if "Backscatter" not in {folder.name for folder in mailbox.folders()}:
                return []
            found = [_digest(raw) for raw, *_ in whole(mailbox, "Backscatter")]
        return [self.truth[digest] for digest in found if digest in self.truth]


def emergency_on(server: RunningServer, *, storm: int, ordinary: int, by: str = BY_BOTS, seed: int = 7) -> Emergency:
    """Return a mailbox at a shared hoster: mail, a few own bounces, a CRM's, and a storm of forgeries."""
    rng = Random(seed)
    place = a_place("hoster", rng)
    world = a_world(seed)
    world.owner, world.rng = place.address, rng
    world.sent = [
        replace(s, sender=f"Anna Berg <{place.address}>", message_id=place.new_id(rng, s.date)) for s in world.sent[::3]
    ]
    inbound = {"MX example.org": "mx.hostfarm.example", "A mx.hostfarm.example": "185.12.80.25"}
    maker = _Maker(place, world, rng, {**place.records, **inbound})
    forged = _bots(maker) if by == BY_BOTS else _rented(maker)
    specimens = [*maker.plain(), *maker.crm(), *islice(forged, storm)]
    account = replace(server.new_account(), host="127.0.0.1", port=server.port, security="plain", ca_file=None)
    placed = Placed(replace(place, records=maker.records), world, tuple(specimens))
    return Emergency(account, place.address, _load(account, placed, ordinary), _zone(maker.records))


def _bots(maker: _Maker) -> Iterator[Specimen]:
    """Storms one after another: bots in many networks; no end."""
    for _ in cycle([None]):
        yield from maker.bot_storm()


def _rented(maker: _Maker) -> Iterator[Specimen]:
    """The first storm from one rented host."""
    while not (found := list(maker.rented_host())):
        pass
    yield from found


def _load(account: Account, placed: Placed, ordinary: int) -> dict[str, Verdict | None]:
    rng, world = Random(1), placed.world
    truth: dict[str, Verdict | None] = {}
    mails = [(s.arrived, write(rng, s.report), s.truth) for s in placed.specimens]
    mails += [(NOW - timedelta(hours=n), _ordinary(world, n), None) for n in range(1, ordinary + 1)]
    with open_mailbox(account) as mailbox:
        if all(folder.name != "Sent" for folder in mailbox.folders()):
            mailbox.create_folder("Sent")
        for arrived, raw, verdict in sorted(mails, key=lambda mail: mail[0]):
            raw = re.sub(rb"\r?\n", b"\r\n", raw)
            mailbox.append("INBOX", raw, (), arrived)
            truth[_digest(raw)] = verdict
        for sent in world.sent:
            mailbox.append("Sent", sent.header() + b"\r\n\r\nHello.\r\n", (), sent.date)
    return truth


def _ordinary(world: World, number: int) -> bytes:
    """Return mail of somebody who writes: now and then a reply, by which Sent is measured."""
    friend, answered = world.friend(), world.sent[number % len(world.sent)]
    reply = f"In-Reply-To: <{answered.message_id}>\r\n" if number % 5 == 0 else ""
    subject = f"Re: {answered.subject}" if reply else f"Letter {number}"
    return (
        f"Message-ID: <{number}.{friend.address}>\r\nFrom: <{friend.address}>\r\nTo: <{world.owner}>\r\n{reply}"
        f"Subject: {subject}\r\nDate: {NOW - timedelta(hours=number):%a, %d %b %Y %H:%M:%S +0000}\r\n\r\nHello.\r\n"
    ).encode()


def _digest(raw: bytes) -> str:
    return hashlib.sha256(re.sub(rb"\r?\n", b"\n", raw).strip()).hexdigest()


def _zone(records: Mapping[str, str]) -> dict[str, dict[str, tuple[str, ...]]]:
    zone: dict[str, dict[str, tuple[str, ...]]] = {}
    for key, value in records.items():
        kind, name = key.split(" ", 1)
        zone.setdefault(name, {})[kind] = (f"10 {value}." if kind == "MX" else value,)
    return zone


@contextmanager
def played(storm: int) -> Iterator[tuple[Emergency, dict[str, str]]]:
    """Yield an emergency on a Dovecot and a name server, and the environment that a person's shell has there."""
    with dovecot() as server:
        mine = emergency_on(server, storm=storm, ordinary=5_000)
        with nameserver(mine.zone) as (port, _):
            yield (
                mine,
                {
                    "CLEANUP_PASSWORD": STATIC_PASSWORD,
                    "CLEANUP_NETWORK__NAMESERVERS": '["127.0.0.1"]',
                    "CLEANUP_NETWORK__PORT": str(port),
                },
            )


if __name__ == "__main__":
    with played(int(sys.argv[1])) as (here, shell):
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in shell.items())
        print(f"export {settings}\nmailbox-cleanup scan {here.address} {shlex.join(here.reach)}", flush=True)
        sys.stdin.read()
        kinds = {word: sum(v is word for v in here.filed()) for word in (*Verdict, None)}
        print({str(word): count for word, count in kinds.items()}, os.getpid())
