"""Backscatter: bounces of what strangers forged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from cleanup.model import Verdict
from tests.generator.mail import STYLES, Original, Report, received, shortly_after
from tests.generator.specimens import Maker, Specimen, through_a_gateway, with_internal_name
from tests.generator.world import NOW, Person, World

FORGED = Verdict.BACKSCATTER
_SPAM = ("Your account will be closed", "Cheap watches for you", "You have won a prize", "Urgent payment required now")


def spam(world: World, to: str, when: datetime, lines: tuple[str, ...], **changes: object) -> Original:
    rng = world.rng
    base = Original(
        message_id=f"{rng.getrandbits(64):x}@{world.stranger().organisation}",
        sender=f"{rng.choice(('Anna', 'Security', 'A. Berg'))} <{world.owner}>",
        to=to,
        subject=f"{rng.choice(_SPAM)} {rng.randrange(10**5)}",
        date=when.replace(microsecond=0),
        received=lines,
        extra=(f"X-Mailer: Bulk {rng.randrange(9)}.0",),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _foreign_way(world: World, by: str, when: datetime, *, names_own_host: bool = False) -> tuple[str, ...]:
    """Received lines of spam; a third of the forgeries name the owner's host below, without its address."""
    name = world.rng.choice(("", f"dsl-{world.rng.randrange(999)}.isp{world.rng.randrange(50)}.test"))
    top = received(world.rng, by, name, world.public_address(), when, helo=world.rng.choice(("pc", "", world.out_name)))
    if not names_own_host:
        return (top,)
    return top, received(world.rng, world.out_name, "", world.public_address(), when, login=True)


def forged(world: World, person: Person, **how: object) -> Report:
    when = world.arrived()
    lines = _foreign_way(world, person.mx, when, names_own_host=world.rng.random() < 1 / 3)
    report = Report(
        original=spam(world, person.address, when, through_a_gateway(world, person, lines, when)),
        failed=(person.address,),
        reporter=person.mx,
        reporter_address=person.mx_address,
        to=world.owner,
        arrived=shortly_after(world.rng, when),
        style=world.rng.choice(STYLES),
        returns=world.rng.choice(("full", "headers")),
    )
    return replace(report, **how)  # type: ignore[arg-type]


def fake(what: str, report: Report, expected: Verdict | None = FORGED) -> Specimen:
    return Specimen(what, FORGED, expected, report)


def forged_full(world: World) -> Specimen:
    return fake("full", forged(world, world.stranger(), returns="full"))


def forged_headers_only(world: World) -> Specimen:
    return fake("headers only", forged(world, world.stranger(), returns="headers"))


def forged_nothing_returned(world: World) -> Specimen:
    return fake("nothing returned", forged(world, world.stranger(), returns="nothing", style="qmail"), None)


def forged_known_recipient(world: World) -> Specimen:
    return fake("to a known recipient", forged(world, world.friend()))


def forged_as_alias(world: World) -> Specimen:
    report = forged(world, world.stranger(), to=world.alias)
    return fake("as an alias", replace(report, original=replace(report.original, sender=world.alias)))


def forged_without_id(world: World) -> Specimen:
    report = forged(world, world.stranger(), returns="headers")
    return fake("without id", replace(report, original=replace(report.original, message_id=None)))


def forged_with_a_genuine_id(world: World) -> Specimen:
    report = forged(world, world.stranger())
    stolen = world.rng.choice(world.sent).message_id
    return fake("quoting a genuine id", replace(report, original=replace(report.original, message_id=stolen)), None)


def forged_delayed(world: World) -> Specimen:
    return fake("delayed", forged(world, world.stranger(), action="delayed", style="postfix"))


def forged_storm(world: World) -> Specimen:
    report = forged(world, world.stranger())
    when = NOW - timedelta(days=3, minutes=world.rng.randrange(120))
    original = replace(report.original, date=when, subject=f"Invoice {world.rng.randrange(10**6)} is overdue today")
    return fake("storm", replace(report, original=original, arrived=when + timedelta(minutes=3)))


def forged_self_backscatter(world: World) -> Specimen:
    nobody, mx = f"nobody{world.rng.randrange(99)}@example.org", "mx.example.org"
    when = world.arrived()
    line = received(world.rng, mx, "", world.public_address(), when, helo="pc")
    handed = (f"by {mx} (Postfix) id {world.rng.getrandbits(32):X}; Mon, 19 Oct 2026 08:00:00 +0000",)
    report = Report(
        spam(world, nobody, when, (line,)),
        (nobody,),
        mx,
        "192.0.2.25",
        world.owner,
        shortly_after(world.rng, when),
        handed_over_by=handed,
    )
    return fake("self-backscatter", report)


def forged_as_receive_only(world: World) -> Specimen:
    report = forged(world, world.stranger(), to=world.receive_only)
    return fake("receive-only address", replace(report, original=replace(report.original, sender=world.receive_only)))


def forged_known_correspondent(world: World) -> Specimen:
    """The forger has the owner's address book and knows whom the owner wrote to lately."""
    lately = [s for s in world.sent if NOW - s.date < timedelta(days=60)]
    sent = world.rng.choice(lately)
    person = next(p for p in (*world.people, *world.strangers) if p.address == sent.recipients[0])
    when = sent.date + timedelta(hours=30)
    report = forged(world, person, arrived=when)
    return fake("known correspondent", replace(report, original=replace(report.original, date=when)))


def forged_with_own_address_below(world: World) -> Specimen:
    """A forged line gives the owner's host with its address: nobody can tell it from a forward."""
    report = forged(world, world.stranger())
    below = received(world.rng, "relay.test", world.out_name, world.out_address, report.arrived)
    lines = (*report.original.received, below)
    return fake("own address below", replace(report, original=replace(report.original, received=lines)), None)


def forged_through_a_relay(world: World) -> Specimen:
    """Somebody's outgoing relay took the spam and could not deliver it."""
    relay = f"smtp{world.rng.randrange(9)}.isp{world.rng.randrange(90)}.test"
    person = world.stranger()
    report = forged(world, person, reporter=relay, reporter_address="198.18.200.1")
    line = received(world.rng, relay, "", world.public_address(), report.original.date, login=True, helo="pc")
    return fake("through a relay", replace(report, original=replace(report.original, received=(line,))))


def forged_from_an_internal_name(world: World) -> Specimen:
    person = world.stranger()
    return fake("reporter with an internal name", with_internal_name(forged(world, person, style="exchange"), person))


FORGED_MAKERS: tuple[Maker, ...] = (
    forged_full,
    forged_headers_only,
    forged_nothing_returned,
    forged_known_recipient,
    forged_as_alias,
    forged_without_id,
    forged_with_a_genuine_id,
    forged_delayed,
    forged_storm,
    forged_self_backscatter,
    forged_as_receive_only,
    forged_known_correspondent,
    forged_with_own_address_below,
    forged_through_a_relay,
    forged_from_an_internal_name,
)
