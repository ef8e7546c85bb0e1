"""Mailboxes of the five kinds in which people's mail lives: who sends for the owner, and who only pretends to.

Beside a few plain bounces each holds bounces of mail that Sent never saw (shops, CRMs, printers, telephones, former
hosters, forwarded mail) and forgeries from many networks and from single rented hosts. Nobody is told anything but the
address unless a test tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.sent import MemorySentIndex, read_sent_header
from cleanup.detector.verdict import Case
from cleanup.model import Extent, Notice, SentSource, Verdict
from tests.generator.mail import Original, Report, received
from tests.generator.mailbox import as_notice
from tests.generator.ordinary import Letter, letters
from tests.generator.specimens import Specimen
from tests.generator.wanted import SORTS, WantedMail, of_sort
from tests.generator.world import NOW, Person, Sent, World, a_world

SOME_SORTS = 38  # of wanted machine mail in each mailbox: half of them
KINDS = ("own server", "hoster", "Workspace", "Microsoft 365", "Gmail")
GATEWAYS = (
    ("mx0a-00148501.pphosted.com", "148.163.156.12"),
    ("us-smtp-delivery-124.mimecast.com", "170.10.129.124"),
    ("outbound-ip24b.ess.barracudanetworks.com", "209.222.82.145"),
    ("esa3.hc1234-56.iphmx.com", "68.232.140.79"),
)
_SPAM = (
    "Your account will be closed",
    "Cheap watches for you",
    "You have won a prize",
    "Urgent payment required now",
    "New fax received for you",
    "Parcel is waiting at customs",
)
Way = Callable[[World, str, datetime], tuple[str, ...]]


@dataclass(frozen=True)
class Place:
    """Where the owner's mail lives: by which hosts it leaves, what its ids look like, what DNS says of its domain."""

    kind: str
    address: str
    imap_host: str
    hosts: tuple[tuple[str, str], ...]  # name and address of what the mail leaves by
    unlisted: tuple[tuple[str, str], ...]  # hosts of the same provider that no published list names
    told: frozenset[str]  # what a person who knows would configure
    new_id: Callable[[Random, datetime], str]
    records: Mapping[str, str] = field(default_factory=dict)  # TXT, A and MX by "TYPE name"

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True)
class Placed:
    """One generated mailbox: the owner, where his mail lives, and everything that came, in any order."""

    place: Place
    world: World
    specimens: tuple[Specimen, ...]
    others: tuple[WantedMail | Letter, ...] = ()  # ordinary letters, and machine mail that somebody wanted

    def index(self) -> MemorySentIndex:
        """Sent as it was read: nobody vouches for it."""
        held = [read_sent_header(s.folder, n, s.date, s.header()) for n, s in enumerate(self.world.sent, 1)]
        return MemorySentIndex.build(held, [SentSource("Sent", len(held), len(held))], now=NOW)

    def cases(self) -> list[Case]:
        """The notices, as a perfect reader reads them."""
        return [Case(_notice(s), s.arrived, str(n)) for n, s in enumerate(self.specimens)]

    def other_cases(self) -> list[Case]:
        """What the reader takes for notices among the other mail; most of it is none."""
        read = ((n, mail, read_notice(mail.raw)) for n, mail in enumerate(self.others))
        return [Case(notice, mail.arrived, f"{mail.what} {n}") for n, mail, notice in read if notice is not None]


def _notice(specimen: Specimen) -> Notice:
    """Return what a perfect reader would read: `as_notice`, with the further fields in their places."""
    notice, original = as_notice(specimen), specimen.report.original
    if notice.returned[0].extent in (Extent.NOTHING, Extent.QUOTED):
        return notice
    fields = [(*line.removeprefix("@top ").split(": ", 1),) for line in original.extra]
    above = [field for field, line in zip(fields, original.extra, strict=True) if line.startswith("@top ")]
    below = [field for field, line in zip(fields, original.extra, strict=True) if not line.startswith("@top ")]
    headers = (*above, *notice.returned[0].headers, *below)
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
    return replace(notice, returned=(replace(notice.returned[0], headers=headers, raw=raw),))


def _thunderbird(rng: Random, _: datetime) -> str:
    return f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-{rng.getrandbits(48):012x}@example.org"


def _google_id(rng: Random, _: datetime) -> str:
    letters = "".join(rng.choice("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789") for _ in range(40))
    return f"CA+{letters}=x{rng.randrange(9)}Q@mail.gmail.com"


def _microsoft_id(rng: Random, _: datetime) -> str:
    return f"DB9PR01MB8123{rng.getrandbits(96):024X}@DB9PR01MB8123.eurprd01.prod.exchangelabs.com"


def _google_hosts(rng: Random) -> tuple[tuple[str, str], ...]:
    drawn = zip(("ej", "lf", "wr", "qt", "pg"), rng.sample(range(20, 200), 5), strict=True)
    listed = [(f"mail-{a}1-f{n}.google.com", f"209.85.{rng.choice((128, 160, 208, 218))}.{n}") for a, n in drawn]
    return (*listed, ("mail-ed1-x52a.google.com", "2a00:1450:4864:20::52a"))


def _microsoft_hosts(rng: Random) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"mail-db8eur05on{rng.randrange(2000, 2200)}.outbound.protection.outlook.com", f"40.107.{n}.{n + 7}")
        for n in rng.sample(range(20, 200), 5)
    )


_MICROSOFT_UNLISTED = (
    ("", "2603:1096:101:12f::9"),
    ("mail-dm6nam12on2041.outbound.protection.outlook.com", "2a01:111:f403:2415::4"),
    ("mail-eastus2azon11.outbound.protection.outlook.com", "52.103.171.12"),
    ("", "52.103.202.8"),
    ("", "2a01:111:f403:c10c::3"),
)
_GOOGLE_UNLISTED = (
    ("", "2404:6800:4864:20::c2f"),
    ("", "2a00:1450:4013:c07::1b"),
    ("mail-sor-f41.google.com", "209.85.220.41"),
    ("mail-yb1-x1.google.com", "2607:f8b0:4864:20::b30"),
)
_RECORDS = {
    "TXT _spf.google.com": "v=spf1 include:_netblocks.google.com ~all",
    "TXT _netblocks.google.com": "v=spf1 ip4:209.85.128.0/17 ip4:74.125.0.0/16 ip6:2a00:1450:4864::/56 "
    "ip6:2607:f8b0:4864::/56 ~all",
    "TXT gmail.com": "v=spf1 redirect=_spf.google.com",
    "TXT spf.protection.outlook.com": "v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip4:52.100.0.0/15 ip4:104.47.0.0/17 "
    "ip6:2a01:111:f400::/48 ip6:2a01:111:f403::/49 -all",
    "TXT _spf.kundenserver.de": "v=spf1 ip4:212.227.126.128/25 ip4:212.227.15.0/24 ip4:212.227.17.0/27 ~all",
    "TXT _spf.hostfarm.example": "v=spf1 ip4:185.12.80.0/24 ip4:31.9.4.0/24 -all",
    "A mxin.hostfarm.example": "185.12.80.20",
    "TXT spf.pphosted.com": "v=spf1 ip4:148.163.128.0/19 -all",
    "TXT _spf.mimecast.com": "v=spf1 ip4:170.10.128.0/20 -all",
    "TXT spf.ess.barracudanetworks.com": "v=spf1 ip4:209.222.80.0/21 -all",
    "TXT hc1234-56.iphmx.com": "v=spf1 ip4:68.232.128.0/19 -all",
}
_GATEWAY_RECORD = ("spf.pphosted.com", "_spf.mimecast.com", "spf.ess.barracudanetworks.com", "hc1234-56.iphmx.com")


def a_place(kind: str, rng: Random) -> Place:
    """Return a place of that kind; a third of the companies at a provider have a gateway in front of it."""
    end = rng.choice(("~all", "-all"))
    gateway = rng.randrange(len(GATEWAYS)) if kind in ("Workspace", "Microsoft 365") and rng.random() < 1 / 3 else None
    via = f"include:{_GATEWAY_RECORD[gateway]} " if gateway is not None else ""
    front = (GATEWAYS[gateway],) if gateway is not None else ()
    if kind == "own server":
        hosts = (("out1.example.org", "192.0.2.10"), ("out2.example.org", "192.0.2.11"))
        spf = f"v=spf1 {rng.choice(('ip4:192.0.2.8/29', 'a:out1.example.org a:out2.example.org'))} mx {end}"
        more = {
            "A out1.example.org": "192.0.2.10",
            "A out2.example.org": "192.0.2.11",
            "MX example.org": "mx.example.org",
            "A mx.example.org": "192.0.2.25",
        }
        told = frozenset({"out1.example.org", "192.0.2.10", "192.0.2.11"})
        return Place(
            kind, "anna.berg@example.org", "imap.example.org", hosts, (), told, _thunderbird,
            {**_RECORDS, **more, "TXT example.org": spf},
        )  # fmt: skip
    if kind == "hoster":
        if rng.random() < 0.5:
            hosts = (("mout.kundenserver.de", "212.227.126.187"), ("mout.kundenserver.de", "212.227.17.10"))
            spf, imap, unlisted = f"v=spf1 include:_spf.kundenserver.de {end}", "imap.ionos.de", ()
        else:
            hosts = tuple((f"mout{n}.hostfarm.example", f"185.12.80.{n}") for n in (11, 12, 13))
            unlisted = (("mout9.hostfarm.example", "31.9.4.7"), ("mout6.hostfarm.example", "2a02:4780:9::31"))
            spf, imap = f"v=spf1 mx include:_spf.hostfarm.example {end}", "imap.hostfarm.example"
        told = frozenset({hosts[0][0].partition(".")[2], *(a for _, a in hosts)})
        exchanger = f"mxin.{imap.partition('.')[2]}"
        return Place(
            kind, "anna.berg@example.org", imap, hosts, unlisted, told, _thunderbird,
            {**_RECORDS, "TXT example.org": spf, "MX example.org": exchanger},
        )  # fmt: skip
    if kind == "Microsoft 365":
        spf = f"v=spf1 {via}include:spf.protection.outlook.com {end}"
        return Place(
            kind, "anna.berg@example.org", "outlook.office365.com", front or _microsoft_hosts(rng),
            _MICROSOFT_UNLISTED, frozenset({"protection.outlook.com", *(n for n, _ in front)}), _microsoft_id,
            {**_RECORDS, "TXT example.org": spf},
        )  # fmt: skip
    gmail = kind == "Gmail"
    spf = f"v=spf1 {via}include:_spf.google.com {end}"
    return Place(
        kind, "anna.berg@gmail.com" if gmail else "anna.berg@example.org", "imap.gmail.com",
        front or _google_hosts(rng), _GOOGLE_UNLISTED, frozenset({"google.com", *(n for n, _ in front)}), _google_id,
        {**_RECORDS, "TXT example.org": spf},
    )  # fmt: skip


@dataclass
class _Maker:
    """Draws the notices of one mailbox."""

    place: Place
    world: World
    rng: Random
    records: dict[str, str]

    # --- ways --------------------------------------------------------------------------------------------------

    def by_host(self, host: tuple[str, str], by: str, when: datetime, *, helo: str = "") -> str:
        name, address = host
        return self._received(by, name, address, when, helo=helo or name or "localhost.localdomain")

    def _received(self, by: str, name: str, address: str, when: datetime, **how: object) -> str:
        line = received(self.rng, by, name, f"IPv6:{address}" if ":" in address else address, when, **how)  # type: ignore[arg-type]
        return line.replace("::ffff:IPv6:", "IPv6:")

    def own_way(self, by: str, when: datetime, *, unlisted: bool = False) -> tuple[str, ...]:
        pool = self.place.unlisted if unlisted and self.place.unlisted else self.place.hosts
        name, address = self.rng.choice(pool)
        relay, line = name or "relay.provider.example", f"217.232.1.{self.rng.randrange(9)}"
        home = f"from [10.1.4.7] ([{line}]) by {relay} with ESMTPSA id 1; Mon"
        if self.place.kind == "Microsoft 365":
            home = (
                "from DB9PR01MB8123.eurprd01.prod.exchangelabs.com (2603:10a6:10:2b::12) by "
                "DB9PR01MB8124.eurprd01.prod.exchangelabs.com (2603:10a6:10:2b::13) with HTTPS; Mon"
            )
        return (self.by_host((name, address), by, when), home)

    # --- reports -----------------------------------------------------------------------------------------------

    def report(self, person: Person, original: Original, *, arrived: datetime | None = None, **how: object) -> Report:
        """A bounce of this message by the recipient's own exchanger, as the owner's side took it in."""
        inbound = {"Gmail": "mx.google.com", "Workspace": "mx.google.com"}.get(self.place.kind, "mx.example.org")
        if self.place.kind == "Microsoft 365":
            inbound = "DB5EUR03FT012.mail.protection.outlook.com"
        if self.place.kind == "hoster":
            inbound = f"mxin.{self.place.imap_host.partition('.')[2]}"
        handed = f"from {person.mx} ({person.mx} [{person.mx_address}]) by {inbound} with ESMTPS id 7; Mon"
        report = Report(
            original=original,
            failed=(person.address,),
            reporter=person.mx,
            reporter_address=person.mx_address,
            to=self.place.address,
            arrived=arrived or original.date + timedelta(seconds=self.rng.randrange(20, 7_200)),
            style=self.rng.choice(("postfix", "sendmail", "exchange", "exim", "qmail")),
            returns=self.rng.choice(("full", "headers")),
            handed_over_by=(handed,),
        )
        return replace(report, **how)  # type: ignore[arg-type]

    def original(self, person: Person, when: datetime, lines: tuple[str, ...], **how: object) -> Original:
        base = Original(
            message_id=self.place.new_id(self.rng, when),
            sender=f"Anna Berg <{self.place.address}>",
            to=person.address,
            subject=self.world.subject(),
            date=when.replace(microsecond=0),
            received=lines,
        )
        return replace(base, **how)  # type: ignore[arg-type]

    def when(self, *, days: int = 60, least: int = 0) -> datetime:
        return NOW - timedelta(days=least, minutes=self.rng.randrange(60, 60 * 24 * days))

    def network(self, *, v6: float = 0.0) -> str:
        """An address that belongs to nobody who is known."""
        if self.rng.random() < v6:
            first, second, last = self.rng.randrange(2, 10), self.rng.randrange(1, 0xFFFF), self.rng.randrange(1, 99)
            return f"2a0{first}:{second:x}:{self.rng.randrange(0xFFFF):x}::{last:x}"
        return self.world.public_address()

    # --- the owner's own ---------------------------------------------------------------------------------------

    def plain(self) -> Iterator[Specimen]:
        """Five to twenty bounces of what Sent holds."""
        for _ in range(self.rng.randrange(5, 21)):
            person, when = self.world.friend(), self.when()
            original = self.original(person, when, self.own_way(person.mx, when))
            self.save(original, person)
            yield _genuine("plain", self.report(person, original), Verdict.GENUINE)

    def save(self, original: Original, person: Person) -> None:
        self.world.sent.append(
            Sent(
                "Sent",
                original.message_id or "",
                original.sender,
                (person.address,),
                (),
                original.subject,
                original.date,
            )
        )

    def unsaved(self) -> Iterator[Specimen]:
        """Telephones, printers, hosts of the provider that no list names, and what a carrier's relay passed on."""
        for _ in range(self.rng.randrange(1, 6)):
            person, when = self.world.friend(), self.when()
            phone = f"{self.rng.getrandbits(80):X}@phone.invalid"
            yield _genuine(
                "telephone",
                self.report(person, self.original(person, when, self.own_way(person.mx, when), message_id=phone)),
            )
        for _ in range(self.rng.randrange(1, 5)):
            person, when = self.world.stranger(), self.when()
            way = self.own_way(person.mx, when, unlisted=True)
            yield _genuine("unlisted host", self.report(person, self.original(person, when, way)))
        for _ in range(self.rng.randrange(0, 4)):
            person, when = self.world.stranger(), self.when()
            scan = f"{self.rng.getrandbits(32)}@printer3"
            way = self.own_way(person.mx, when)
            original = self.original(
                person,
                when,
                way,
                message_id=scan,
                sender=f"Printer 3 <{self.place.address}>",
                subject="Scan from printer 3",
            )
            yield _genuine("printer", self.report(person, original))
        carrier = (f"smtp-out.carrier{self.rng.randrange(9)}.example", self.network())
        for _ in range(self.rng.choice((0, 1, 3))):
            person, when = self.world.friend(), self.when()
            phone = f"{self.rng.getrandbits(80):X}@phone.invalid"
            yield _genuine(
                "carrier's relay",
                self.report(
                    person, self.original(person, when, (self.by_host(carrier, person.mx, when),), message_id=phone)
                ),
            )

    def shop(self) -> Iterator[Specimen]:
        """Order confirmations from the web host, to customers whom the owner never wrote to."""
        host = (f"web{self.rng.randrange(99)}.farm{self.rng.randrange(99)}.example", self.network(v6=0.1))
        named = self.place.kind != "Gmail" and self.rng.random() < 0.7
        if named:
            how = "ip6" if ":" in host[1] else "ip4"
            spf = f"TXT {self.place.domain}"
            self.records[spf] = self.records[spf].replace("v=spf1 ", f"v=spf1 {how}:{host[1]} ")
        name = self.rng.choice(("Anna Berg", "Berg Shop", ""))
        made_at = self.rng.choice(("example.org", host[0], "shop.example.org"))
        word = self.rng.choice(("Your order", "Order confirmation", "Thank you for order number"))
        for _ in range(self.rng.choice((1, 2, 6, 21))):
            person, when = self.world.stranger(), self.when()
            original = self.original(
                person,
                when,
                (self.by_host(host, person.mx, when),),
                message_id=f"order.{self.rng.randrange(10**6)}.{self.rng.getrandbits(32):x}@{made_at}",
                sender=f"{name} <{self.place.address}>".strip(),
                subject=f"{word} {self.rng.randrange(10**5)}",
                extra=("X-Mailer: PHPMailer 6.8",) if self.rng.random() < 0.5 else (),
            )
            yield self.foreign_service("shop", person, original, named=named)

    def foreign_service(self, what: str, person: Person, original: Original, *, named: bool = False) -> Specimen:
        """A service's bounce; where no record names it a third of the receivers write down that SPF failed."""
        if not named and self.rng.random() < 1 / 3:
            domain = self.place.domain
            found = f"spf=fail smtp.mailfrom={domain}; dmarc=fail header.from={domain}"
            failed = f"Authentication-Results: {person.mx}; {found}"
            original = replace(original, extra=(*original.extra, f"@top {failed}"))
        return _genuine(what, self.report(person, original))

    def crm(self) -> Iterator[Specimen]:
        """A CRM in the owner's name, which no record names: to people the owner knows, half of them signed."""
        net, org = self.network(), f"crm{self.rng.randrange(99)}.example"
        third = net.rpartition(".")[0]
        signed = self.rng.random() < 0.5
        for _ in range(self.rng.choice((1, 3, 9, 21))):
            person, when = (self.world.friend() if self.rng.random() < 0.7 else self.world.stranger()), self.when()
            host = (f"mta{self.rng.randrange(4)}.{org}", f"{third}.{self.rng.randrange(20, 24)}")
            tags = f"v=1; a=rsa-sha256; d={self.place.domain}; s=crm; h=from:to:subject:message-id; bh=AAAA; b=AAAA"
            extra = (f"DKIM-Signature: {tags}",)
            word = self.rng.choice(("Your quote", "Follow-up on our call", "Appointment reminder", "Offer"))
            original = self.original(
                person,
                when,
                (self.by_host(host, person.mx, when),),
                message_id=f"{self.rng.getrandbits(64):016x}.{self.rng.randrange(999)}@{org}",
                subject=f"{word} {self.rng.randrange(10**4)}",
                extra=extra if signed else (),
            )
            yield self.foreign_service("CRM", person, original)

    def mailing(self) -> Iterator[Specimen]:
        """A newsletter by one unknown host within an hour, to people half of whom the owner wrote to."""
        host = (f"out{self.rng.randrange(9)}.letters{self.rng.randrange(99)}.example", self.network())
        start = self.when()
        for number in range(self.rng.choice((0, 12, 41))):
            person = self.world.friend() if self.rng.random() < 0.5 else self.world.stranger()
            when = start + timedelta(seconds=number * 40)
            original = self.original(
                person,
                when,
                (self.by_host(host, person.mx, when),),
                message_id=f"{self.rng.getrandbits(64):x}@{host[0]}",
                subject="News from Berg for you",
            )
            yield self.foreign_service("newsletter", person, original)

    def former_hoster(self) -> Iterator[Specimen]:
        """Mail of last year by the hoster of then; its bounces lie in the Inbox, Sent was not moved along."""
        host = (f"smtp.oldhost{self.rng.randrange(9)}.example", self.network())
        for _ in range(self.rng.choice((0, 1, 4, 10))):
            person, when = self.world.friend(), self.when(days=300, least=100)
            original = self.original(
                person,
                when,
                (self.by_host(host, person.mx, when),),
                message_id=f"{self.rng.getrandbits(64):x}@{self.place.domain}",
            )
            yield _genuine("former hoster", self.report(person, original))

    def single_services(self) -> Iterator[Specimen]:
        """Services that bounced once in all the time: a booking page, an invoice, a monitoring host."""
        for _ in range(self.rng.choice((0, 1, 2))):
            host = (f"app{self.rng.randrange(99)}.service{self.rng.randrange(999)}.example", self.network())
            person, when = self.world.stranger(), self.when()
            name = self.rng.choice(("Anna Berg", "Anna Berg", "Booking"))
            original = self.original(
                person, when, (self.by_host(host, person.mx, when),), sender=f"{name} <{self.place.address}>",
                message_id=f"{self.rng.getrandbits(64):x}@{host[0].partition('.')[2]}",
                subject=self.rng.choice(("Your appointment", "Invoice of this month", "Host db3 is down")),
            )  # fmt: skip
            yield self.foreign_service("single service", person, original)

    def forwarded(self) -> Iterator[Specimen]:
        """What a recipient's server passed on; some of it from a telephone, so that Sent lacks it."""
        for _ in range(self.rng.randrange(0, 9)):
            person, reached, when = self.world.friend(), self.world.stranger(), self.when()
            relayed = self._received(reached.mx, person.mx, person.mx_address, when)
            original = self.original(person, when, (relayed, *self.own_way(person.mx, when)))
            if self.rng.random() < 0.5:
                failed = f"Authentication-Results: {reached.mx}; spf=fail smtp.mailfrom={self.place.domain}"
                original = replace(original, extra=(f"@top {failed}",))
            if self.rng.random() < 0.6:
                self.save(original, person)
            yield _genuine("forwarded", self.report(reached, original))

    def forwarded_with_srs(self) -> Iterator[Specimen]:
        """What one forwarder or two passed on with their own address in the envelope (SRS), so that SPF passes there.

        Half of them come from a telephone; some forwarders leave no line of what was before them.
        """
        for _ in range(self.rng.choice((0, 1, 4))):
            person, reached, when = self.world.friend(), self.world.stranger(), self.when()
            chain = [person, *(self.world.stranger() for _ in range(self.rng.choice((0, 1))))]
            lines = self.own_way(person.mx, when)
            for mine, after in pairwise((*chain, reached)):
                lines = (self._received(after.mx, mine.mx, mine.mx_address, when), *lines)
            if self.rng.random() < 0.3:
                lines = lines[:1]
            last = chain[-1].organisation
            local = self.place.address.replace("@", "=")
            found = f"{reached.mx}; spf=pass smtp.mailfrom={last}; dmarc=fail header.from={self.place.domain}"
            extra = (f"@top Return-Path: <SRS0=x7Q=2B={local}@{last}>", f"@top Authentication-Results: {found}")
            original = self.original(person, when, lines, extra=extra)
            if self.rng.random() < 0.5:
                self.save(original, person)
            yield _genuine("forwarded with SRS", self.report(reached, original))

    def mailing_forwarded(self) -> Iterator[Specimen]:
        """A mailing of the owner's by telephone or web mail that Sent lacks, of which only forwarded copies failed."""
        start, subject = self.when(), f"Summer party {self.rng.randrange(99)}"
        own = self.rng.choice(self.place.hosts)
        for number in range(self.rng.choice((0, 0, 12))):
            person, reached = self.world.friend(), self.world.stranger()
            when = start + timedelta(seconds=number * 5)
            relayed = self._received(reached.mx, person.mx, person.mx_address, when)
            lines = (relayed, self.by_host(own, person.mx, when))
            yield _genuine(
                "mailing, forwarded", self.report(reached, self.original(person, when, lines, subject=subject))
            )

    def forgotten_service(self) -> Iterator[Specimen]:
        """A mailing of one day by a service that nobody entered anywhere: to strangers, with ids made elsewhere."""
        org, tail = f"mailer{self.rng.randrange(99)}.example", f"bulkmaker{self.rng.randrange(99)}.example"
        host, start = (f"o{self.rng.randrange(9)}.{org}", self.network(v6=0.1)), self.when()
        name = self.rng.choice(("Anna Berg", "Berg Ltd", "Anna from Berg", ""))
        subject = self.rng.choice(("Our opening hours in autumn", "Survey 2026", "Invitation to our open day"))
        for number in range(self.rng.choice((0, 25, 60))):
            person, when = self.world.stranger(), start + timedelta(seconds=number * self.rng.choice((5, 40)))
            lines = (self.by_host(host, person.mx, when),)
            message_id = f"{self.rng.getrandbits(80):x}.{number}@{tail}"
            sender = f"{name} <{self.place.address}>".strip()
            original = self.original(person, when, lines, subject=subject, sender=sender, message_id=message_id)
            yield self.foreign_service("forgotten service", person, original)

    def home_machine(self) -> Iterator[Specimen]:
        """Printers, a NAS or a telephone on a line, now and then, at whatever address it has that day."""
        for number in range(self.rng.choice((0, 1, 1, 2, 3))):
            carrier, tail = (
                f"carrier{number}x{self.rng.randrange(30)}.test",
                self.rng.choice(("nas.fritz.box", "nas", "localhost.localdomain", self.place.domain)),
            )
            named, net = self.rng.random() < 0.6, self.network()
            name = self.rng.choice(("Anna Berg", "Berg, Anna", "Anna B.", "NAS", "Scanner upstairs", "root", ""))
            word = self.rng.choice(
                ("Backup report", "Scanned document", "Sent from my telephone", "Disk status of nas")
            )
            for day in range(self.rng.choice((1, 1, 2, 8))):
                when = self.when() if day else self.when(days=20)
                address = (
                    f"{net.split('.')[0]}.{net.split('.')[1]}.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"
                )
                host = (f"dyn-{self.rng.randrange(999)}.{carrier}" if named else "", address)
                person = self.world.friend() if self.rng.random() < 0.3 else self.world.stranger()
                original = self.original(
                    person, when, (self.by_host(host, person.mx, when, helo="nas"),), subject=f"{word} {number}{day}",
                    sender=f"{name} <{self.place.address}>".strip(),
                    message_id=f"{when:%Y%m%d%H%M%S}.{self.rng.getrandbits(40):010X}@{tail}",
                )  # fmt: skip
                yield self.foreign_service("home machine", person, original)

    def roaming_line(self) -> Iterator[Specimen]:
        """A device or two on lines that get an address in another network each day, with one text day after day."""
        for number in range(self.rng.choice((0, 1, 1, 2))):
            subject = self.rng.choice(("Scan from MFP", "NAS report", "Daily backup", "Alarm: back door"))
            name = self.rng.choice(("Anna Berg", "", "Scanner", "NAS"))
            tail = self.rng.choice(("scanner", "nas.fritz.box", "nas", self.place.domain))
            person = self.world.stranger()
            for day in range(self.rng.choice((3, 8, 20))):
                for _ in range(self.rng.choice((1, 1, 2))):
                    when = NOW - timedelta(days=day + 1 + 7 * number, minutes=self.rng.randrange(1_400))
                    lines = (self.by_host(("", self.network()), person.mx, when, helo="device"),)
                    original = self.original(
                        person, when, lines, subject=subject, sender=f"{name} <{self.place.address}>".strip(),
                        message_id=f"{self.rng.getrandbits(48):x}@{tail}",
                    )  # fmt: skip
                    yield self.foreign_service("device on a roaming line", person, original)

    def small_web_host(self) -> Iterator[Specimen]:
        """A web host that goes by the name that the hoster gives to each machine; one or a few messages."""
        address = self.network()
        tail = self.rng.choice((self.place.domain, "www.berg.example"))
        host = (f"static.{'.'.join(reversed(address.split('.')))}.clients.farm{self.rng.randrange(9)}.example", address)
        start, name = self.when(), self.rng.choice(("Anna Berg", "Berg web shop", "WordPress"))
        for number in range(self.rng.choice((0, 1, 2, 6))):
            person, when = self.world.stranger(), start + timedelta(days=number, hours=self.rng.randrange(9))
            if when > NOW - timedelta(hours=3):
                continue
            original = self.original(
                person, when, (self.by_host(host, person.mx, when),), sender=f"{name} <{self.place.address}>",
                subject=f"[Berg] Please confirm your address {number}",
                message_id=f"{self.rng.getrandbits(160):040x}@{tail}",
            )  # fmt: skip
            yield self.foreign_service("small web host", person, original)

    def copied_service(self) -> Iterator[Specimen]:
        """One or two bounces of a service, and a storm of strangers who copy its text and the shape of its ids."""
        if self.rng.random() < 0.4:
            return
        host = (f"app.service{self.rng.randrange(999)}.example", self.network())
        tail = self.rng.choice((self.place.domain, host[0], "idmaker.example"))
        word, start = (
            self.rng.choice(("Your appointment on Monday", "Ticket for your visit", "Receipt")),
            self.when(days=50),
        )
        proper = self.rng.choice((0.0, 0.0, 0.3))
        # Where servers with names copy it on the very day of its own bounce, nothing tells it from them.
        same_day = proper == 0.0 and self.rng.random() < 0.3

        def copied(person: Person, when: datetime, way: tuple[str, ...]) -> Original:
            message_id = f"msg-{self.rng.getrandbits(48):012x}@{tail}"
            return self.original(person, when, way, subject=f"{word} {self.rng.randrange(9999)}", message_id=message_id)

        for _ in range(self.rng.choice((1, 2))):
            person, when = self.world.stranger(), start + timedelta(minutes=20) if same_day else self.when()
            yield self.foreign_service(
                "copied service", person, copied(person, when, (self.by_host(host, person.mx, when),))
            )
        for _ in range(self.rng.choice((30, 60))):
            person, when = self.victim(), start + timedelta(seconds=self.rng.randrange(5_400))
            bot = self.bot()
            while bot[0].startswith("mail.") and self.rng.random() >= proper:
                bot = self.bot()
            way = (self.by_host(bot, person.mx, when, helo="pc"),)
            yield _forged("copies of a service", self.report(person, copied(person, when, way)))

    # --- forgeries ---------------------------------------------------------------------------------------------

    def spam(self, person: Person, when: datetime, lines: tuple[str, ...], **how: object) -> Original:
        name = self.rng.choice(("Anna", "Anna Berg", "Anna Berg", "Security", ""))
        made_at = self.rng.choice((self.world.stranger().organisation, self.place.domain, "localhost"))
        base = Original(
            message_id=f"{self.rng.getrandbits(64):x}@{made_at}",
            sender=f"{name} <{self.place.address}>".strip(),
            to=person.address,
            subject=f"{self.rng.choice(_SPAM)} {self.rng.randrange(10**5)}",
            date=when.replace(microsecond=0),
            received=lines,
            extra=(f"X-Mailer: Bulk {self.rng.randrange(9)}.0",),
        )
        return replace(base, **how)  # type: ignore[arg-type]

    def bot(self) -> tuple[str, str]:
        """A hijacked machine: seven of ten have no name, or that of a line; the others are honest-looking servers."""
        address = self.network(v6=0.05)
        drawn = self.rng.random()
        if drawn < 0.35:
            return "", address
        if drawn < 0.7:
            return f"dsl-{self.rng.randrange(999)}.isp{self.rng.randrange(50)}.test", address
        return f"mail.corp{self.rng.randrange(9_999)}.test", address

    def victim(self) -> Person:
        """Whom the forger writes to: mostly strangers, at times somebody of the same address book."""
        return self.world.friend() if self.rng.random() < 0.1 else self.world.stranger()

    def bot_storm(self) -> Iterator[Specimen]:
        """Forgeries of an hour or two from as many networks; each storm has one text, its numbers differ."""
        for number in range(self.rng.choice((1, 2))):
            start, subject = self.when(days=50), self.rng.choice((*_SPAM, "Photos of us from last night"))
            varied = number == 1 and self.rng.random() < 0.5
            yield from self.caught_in_a_storm(start)
            for _ in range(self.rng.choice((40, 60, 120))):
                person, when = self.victim(), start + timedelta(seconds=self.rng.randrange(5_400))
                lines = (self.by_host(self.bot(), person.mx, when, helo=self.rng.choice(("pc", "", "win10"))),)
                said = self.world.subject() if varied else subject
                original = self.spam(person, when, lines, subject=f"{said} {self.rng.randrange(10**4)}")
                report = self.report(person, original, arrived=when + timedelta(minutes=2))
                if varied:
                    yield _forged("storm of many texts", report, self.by_a_service(original))
                else:
                    yield _forged("bot storm", report)

    def caught_in_a_storm(self, start: datetime) -> Iterator[Specimen]:
        """A service or a machine at home whose one bounce comes in the middle of a storm."""
        for _ in range(self.rng.choice((0, 1, 2))):
            person, when = self.world.stranger(), start + timedelta(minutes=self.rng.randrange(80))
            tail = self.rng.choice(("nas", "mx.tools.example"))
            host = self.rng.choice((("", self.network()), (f"m1.esp{self.rng.randrange(99)}.example", self.network())))
            original = self.original(
                person, when, (self.by_host(host, person.mx, when),), subject=self.world.subject(),
                message_id=f"{when:%Y%m%d%H%M%S}.{self.rng.getrandbits(40):010X}@{tail}",
            )  # fmt: skip
            yield self.foreign_service("caught in a storm", person, original)

    def scattered(self) -> Iterator[Specimen]:
        """A few forgeries a day, from everywhere."""
        for _ in range(self.rng.choice((20, 60))):
            person, when = self.victim(), self.when()
            lines = (self.by_host(self.bot(), person.mx, when, helo=self.rng.choice(("pc", "", "win10"))),)
            original = self.spam(person, when, lines)
            if (original.message_id or "").endswith((f"@{self.place.domain}", "@localhost")):
                # a device of the owner's makes such ids, and its line may have an address in another network each day
                yield _forged("scattered, like a device's", self.report(person, original), None)
            else:
                yield _forged("scattered", self.report(person, original), self.by_a_service(original))

    def by_a_service(self, original: Original) -> Verdict | None:
        """What to expect of a forgery alone of its kind in its day: of one by a named host, nothing.

        A service whose text and ids strangers copy looks like that.
        """
        return None if "mail.corp" in original.received[0] else Verdict.BACKSCATTER

    def rented_host(self) -> Iterator[Specimen]:
        """A storm from one rented host, in an afternoon, to strangers."""
        net = self.network()
        host = (f"srv{self.rng.randrange(999)}.rent{self.rng.randrange(99)}.example", net)
        start, subject = self.when(days=50), self.rng.choice(_SPAM)
        uniform = self.rng.random() < 0.3  # then it is like a mailing by a forgotten service
        for _ in range(self.rng.choice((0, 60, 150))):
            person, when = self.world.stranger(), start + timedelta(seconds=self.rng.randrange(9_000))
            original = self.spam(
                person, when, (self.by_host(host, person.mx, when),), subject=f"{subject} {self.rng.randrange(10**4)}"
            )
            if uniform:
                made = f"{self.rng.getrandbits(64):x}@{host[0]}"
                original = replace(original, sender=f"Anna Berg <{self.place.address}>", message_id=made)
            report = self.report(person, original, arrived=when + timedelta(minutes=2))
            if uniform:
                yield _forged("rented host, uniform", report, None)
            else:
                yield _forged("rented host", report)

    def undecidable(self) -> Iterator[Specimen]:
        """What nobody can tell: nothing returned, by the owner's own provider, the own address in an invented line."""
        for _ in range(4):
            person, when = self.victim(), self.when()
            lines = (self.by_host(self.bot(), person.mx, when),)
            report = self.report(person, self.spam(person, when, lines), returns="nothing", style="qmail")
            yield _forged("nothing returned", report, None)
        for _ in range(3):
            person, when = self.victim(), self.when()
            if self.place.kind == "own server":
                lines = (
                    self.by_host(self.bot(), person.mx, when),
                    self.by_host(self.place.hosts[0], "relay.test", when),
                )
            else:
                lines = (self.by_host(self.rng.choice(self.place.hosts), person.mx, when),)
            yield _forged("by the owner's provider", self.report(person, self.spam(person, when, lines)), None)

    def by_a_knowing_stranger(self) -> Iterator[Specimen]:
        """Somebody who publishes records of his own, so that SPF passes for him, and sends by the owner's provider."""
        for _ in range(self.rng.choice((0, 2, 6))):
            person, when = self.world.friend(), self.when()
            own = f"knows{self.rng.randrange(99)}.example"
            self.records[f"TXT {own}"] = "v=spf1 +all"
            found = f"{person.mx}; spf=pass smtp.mailfrom={own}; dkim=pass header.d={own}"
            extra = (f"@top Return-Path: <b@{own}>", f"@top Authentication-Results: {found}")
            host = self.rng.choice(
                (("mx." + own, self.network()), *(() if self.place.kind == "own server" else self.place.hosts))
            )
            original = self.original(person, when, (self.by_host(host, person.mx, when),), extra=extra)
            yield _forged("by a knowing stranger", self.report(person, original), None)

    def slow_and_constant(self) -> Iterator[Specimen]:
        """Somebody who has read this program forges slowly from one network, with the owner's name and id shape."""
        host = (f"vps{self.rng.randrange(999)}.rent.example", self.network())
        for _ in range(self.rng.choice((0, 0, 15))):
            person, when = self.world.friend(), self.when()
            lines = (self.by_host(host, person.mx, when),)
            original = self.original(person, when, lines, subject=f"Please look at this {self.rng.randrange(999)}")
            yield _forged("slow and constant", self.report(person, original), None)


def _genuine(what: str, report: Report, expected: Verdict | None = None) -> Specimen:
    return Specimen(what, Verdict.GENUINE, expected, report)


def _forged(what: str, report: Report, expected: Verdict | None = Verdict.BACKSCATTER) -> Specimen:
    return Specimen(what, Verdict.BACKSCATTER, expected, report)


GENUINE_SENDERS = (
    _Maker.plain, _Maker.unsaved, _Maker.shop, _Maker.crm, _Maker.mailing, _Maker.former_hoster,
    _Maker.single_services, _Maker.forwarded, _Maker.forwarded_with_srs, _Maker.mailing_forwarded,
    _Maker.forgotten_service, _Maker.home_machine, _Maker.roaming_line, _Maker.small_web_host, _Maker.copied_service,
)  # fmt: skip
FORGERS = (
    _Maker.bot_storm,
    _Maker.scattered,
    _Maker.rented_host,
    _Maker.undecidable,
    _Maker.slow_and_constant,
    _Maker.by_a_knowing_stranger,
)


def a_placed_mailbox(kind: str, seed: int) -> Placed:
    """Return a mailbox of that kind: some three hundred notices of all who send for the owner, or pretend to."""
    rng = Random(f"{kind} {seed}")
    place = a_place(kind, rng)
    world = a_world(seed)
    world.owner, world.rng = place.address, rng
    world.sent = [
        replace(s, sender=f"Anna Berg <{place.address}>", message_id=place.new_id(rng, s.date)) for s in world.sent[::3]
    ]
    maker = _Maker(place, world, rng, dict(place.records))
    specimens = [one for make in (*GENUINE_SENDERS, *FORGERS) for one in make(maker)]
    wanted = [
        of_sort(world, sort, rng.choice(sort.letters), rng.choice(sort.paths)) for sort in rng.sample(SORTS, SOME_SORTS)
    ]

    shuffled = tuple(rng.sample(specimens, len(specimens)))
    return Placed(replace(place, records=maker.records), world, shuffled, (*wanted, *letters(world, each=1)))
