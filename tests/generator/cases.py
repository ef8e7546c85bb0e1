"""The kinds of mail in a generated Inbox, each with the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cleanup.model import Verdict
from tests.generator.mail import STYLES, Original, Report, received, shortly_after
from tests.generator.world import NOW, Person, Sent, World


@dataclass(frozen=True)
class Specimen:
    """One notice with the truth. `expected` is None where no evidence can decide: then anything but a wrong move."""

    what: str
    truth: Verdict
    expected: Verdict | None
    report: Report

    @property
    def arrived(self) -> datetime:
        """When it came."""
        return self.report.arrived


Maker = Callable[[World], Specimen]
GENUINE, FORGED = Verdict.GENUINE, Verdict.BACKSCATTER


# --- genuine -------------------------------------------------------------------------------------------------------


def _own_way(world: World, by: str, when: datetime) -> tuple[str, ...]:
    """Received lines of mail that left by the owner's outbound host."""
    home = received(world.rng, world.out_name, "", world.public_address(), when, login=True, helo="[192.168.1.7]")
    return received(world.rng, by, world.out_name, world.out_address, when), home


def _through_a_gateway(world: World, person: Person, lines: tuple[str, ...], when: datetime) -> tuple[str, ...]:
    """A third of organisations have another host behind the one that takes mail from outside."""
    if world.rng.random() < 0.67:
        return lines
    inside = received(world.rng, f"store.{person.organisation}", "localhost", "10.1.2.3", when)
    return inside, *lines


def _original(sent: Sent, lines: tuple[str, ...], **changes: object) -> Original:
    base = Original(sent.message_id, sent.sender, ", ".join(sent.recipients), sent.subject, sent.date, lines)
    return replace(base, **changes)  # type: ignore[arg-type]


def _bounce(world: World, sent: Sent, person: Person, failed: tuple[str, ...], **how: object) -> Report:
    """A bounce by the recipient's own mail exchanger."""
    lines = _through_a_gateway(world, person, _own_way(world, person.mx, sent.date), sent.date)
    report = Report(
        original=_original(sent, lines),
        failed=failed,
        reporter=person.mx,
        reporter_address=person.mx_address,
        to=sent.sender.partition("<")[2].strip(">"),
        arrived=shortly_after(world.rng, sent.date),
        style=world.rng.choice(STYLES),
        returns=world.rng.choice(("full", "headers")),
    )
    return replace(report, **how)  # type: ignore[arg-type]


def _written(world: World, *people: Person, **how: str | tuple[str, ...]) -> Sent:
    return world.write_and_save(tuple(p.address for p in people), world.arrived(), **how)


def _genuine(what: str, report: Report, expected: Verdict | None = GENUINE) -> Specimen:
    return Specimen(what, GENUINE, expected, report)


def genuine_by_id(world: World) -> Specimen:
    person = world.friend()
    return _genuine("by id", _bounce(world, _written(world, person), person, (person.address,), returns="full"))


def genuine_headers_only(world: World) -> Specimen:
    person = world.friend()
    return _genuine(
        "headers only", _bounce(world, _written(world, person), person, (person.address,), returns="headers")
    )


def genuine_recipient_and_subject(world: World) -> Specimen:
    person = world.friend()
    report = _bounce(world, _written(world, person), person, (person.address,), returns="quoted")
    return _genuine("recipient and subject only", report)


def genuine_id_rewritten(world: World) -> Specimen:
    person, rewritten = world.friend(), f"0100{world.rng.getrandbits(64):016x}-000000@email.amazonses.com"
    sent = _written(world, person)
    report = _bounce(world, sent, person, (person.address,))
    line = received(world.rng, person.mx, "a8-31.smtp-out.amazonses.com", "54.240.8.31", sent.date)
    return _genuine("id rewritten", replace(report, original=_original(sent, (line,), message_id=rewritten)))


def genuine_alias(world: World) -> Specimen:
    person = world.friend()
    report = _bounce(world, _written(world, person), person, (f"box.{person.address}",))
    return _genuine("alias", report)


def genuine_delayed(world: World) -> Specimen:
    person = world.friend()
    report = _bounce(world, _written(world, person), person, (person.address,), action="delayed", style="postfix")
    return _genuine("delayed", report)


def genuine_one_of_many(world: World) -> Specimen:
    people = [world.friend() for _ in range(6)]
    report = _bounce(world, _written(world, *people), people[0], (people[0].address,), style="sendmail")
    return _genuine("one of many recipients", replace(report, delivered=(people[1].address,)))


def genuine_bcc(world: World) -> Specimen:
    shown, hidden = world.friend(), world.stranger()
    sent = _written(world, shown, bcc=(hidden.address,))
    return _genuine("Bcc", _bounce(world, sent, hidden, (hidden.address,)))


def genuine_forwarded(world: World) -> Specimen:
    person, new = world.friend(), world.stranger()
    sent = _written(world, person)
    relayed = received(world.rng, new.mx, person.mx, person.mx_address, sent.date)
    report = _bounce(world, sent, new, (new.address,))
    lines = (relayed, *_own_way(world, person.mx, sent.date))
    return _genuine("forwarded recipient", replace(report, original=_original(sent, lines)))


def genuine_second_sent_folder(world: World) -> Specimen:
    person = world.friend()
    sent = _written(world, person, folder="Archive/2026/Sent")
    return _genuine("second Sent folder", _bounce(world, sent, person, (person.address,)))


def genuine_list_member(world: World) -> Specimen:
    the_list, member = world.friend(), world.stranger()
    sent = _written(world, the_list)
    relayed = received(world.rng, member.mx, the_list.mx, the_list.mx_address, sent.date)
    report = _bounce(world, sent, member, (member.address,))
    lines = (relayed, *_own_way(world, the_list.mx, sent.date))
    return _genuine("list member's bounce", replace(report, original=_original(sent, lines)))


def genuine_by_phone(world: World) -> Specimen:
    person = world.friend()
    when = world.arrived()
    sent = world.write((person.address,), when, message_id=f"{world.rng.getrandbits(80):X}@phone.invalid")
    return _genuine("by phone, absent", _bounce(world, sent, person, (person.address,)))


def genuine_older_than_sent(world: World) -> Specimen:
    person = world.friend()
    sent = world.write((person.address,), NOW - timedelta(days=world.rng.randrange(1_200, 3_000)))
    report = _bounce(world, sent, person, (person.address,), arrived=world.arrived())
    bare = replace(report, original=replace(report.original, received=()))
    return _genuine("older than Sent", bare, None)


def genuine_nothing_returned(world: World) -> Specimen:
    person = world.friend()
    report = _bounce(world, _written(world, person), person, (person.address,), returns="nothing", style="qmail")
    return _genuine("nothing returned", report, None)


def genuine_shared_provider(world: World) -> Specimen:
    person = world.friend()
    sent = _written(world, person)
    report = _bounce(world, sent, person, (person.address,))
    host = f"mail-ej1-f{world.rng.randrange(20, 60)}.google.com"
    line = received(world.rng, person.mx, host, "209.85.218.41", sent.date)
    return _genuine("shared provider", replace(report, original=_original(sent, (line,))))


def genuine_by_delegate(world: World) -> Specimen:
    person = world.stranger()
    sent = world.write(
        (person.address,), world.arrived(), message_id=f"{world.rng.getrandbits(64):x}@desk7.example.org"
    )
    return _genuine("by a delegate", _bounce(world, sent, person, (person.address,)))


def genuine_scanner(world: World) -> Specimen:
    person, rng = world.friend(), world.rng
    sent = world.write((person.address,), world.arrived(), message_id=f"{rng.getrandbits(32)}@scanner3.example.org")
    line = received(rng, world.out_name, "", "10.0.3.7", sent.date, helo="scanner3")
    report = _bounce(
        world, sent, person, (person.address,), reporter=world.out_name, reporter_address=world.out_address
    )
    handed = (f"by {world.out_name} (Postfix) id {rng.getrandbits(32):X}; Mon, 19 Oct 2026 08:00:00 +0000",)
    return _genuine("scanner", replace(report, original=_original(sent, (line,)), handed_over_by=handed))


# --- backscatter ---------------------------------------------------------------------------------------------------

_SPAM = ("Your account will be closed", "Cheap watches for you", "You have won a prize", "Urgent payment required now")


def _spam(world: World, to: str, when: datetime, lines: tuple[str, ...], **changes: object) -> Original:
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


def _forged(world: World, person: Person, **how: object) -> Report:
    when = world.arrived()
    lines = _foreign_way(world, person.mx, when, names_own_host=world.rng.random() < 1 / 3)
    report = Report(
        original=_spam(world, person.address, when, _through_a_gateway(world, person, lines, when)),
        failed=(person.address,),
        reporter=person.mx,
        reporter_address=person.mx_address,
        to=world.owner,
        arrived=shortly_after(world.rng, when),
        style=world.rng.choice(STYLES),
        returns=world.rng.choice(("full", "headers")),
    )
    return replace(report, **how)  # type: ignore[arg-type]


def _fake(what: str, report: Report, expected: Verdict | None = FORGED) -> Specimen:
    return Specimen(what, FORGED, expected, report)


def forged_full(world: World) -> Specimen:
    return _fake("full", _forged(world, world.stranger(), returns="full"))


def forged_headers_only(world: World) -> Specimen:
    return _fake("headers only", _forged(world, world.stranger(), returns="headers"))


def forged_nothing_returned(world: World) -> Specimen:
    return _fake("nothing returned", _forged(world, world.stranger(), returns="nothing", style="qmail"), None)


def forged_known_recipient(world: World) -> Specimen:
    return _fake("to a known recipient", _forged(world, world.friend()))


def forged_as_alias(world: World) -> Specimen:
    report = _forged(world, world.stranger(), to=world.alias)
    return _fake("as an alias", replace(report, original=replace(report.original, sender=world.alias)))


def forged_without_id(world: World) -> Specimen:
    report = _forged(world, world.stranger(), returns="headers")
    return _fake("without id", replace(report, original=replace(report.original, message_id=None)))


def forged_with_a_genuine_id(world: World) -> Specimen:
    report = _forged(world, world.stranger())
    stolen = world.rng.choice(world.sent).message_id
    return _fake("quoting a genuine id", replace(report, original=replace(report.original, message_id=stolen)), None)


def forged_delayed(world: World) -> Specimen:
    return _fake("delayed", _forged(world, world.stranger(), action="delayed", style="postfix"))


def forged_storm(world: World) -> Specimen:
    report = _forged(world, world.stranger())
    when = NOW - timedelta(days=3, minutes=world.rng.randrange(120))
    original = replace(report.original, date=when, subject=f"Invoice {world.rng.randrange(10**6)} is overdue today")
    return _fake("storm", replace(report, original=original, arrived=when + timedelta(minutes=3)))


def forged_self_backscatter(world: World) -> Specimen:
    nobody, mx = f"nobody{world.rng.randrange(99)}@example.org", "mx.example.org"
    when = world.arrived()
    line = received(world.rng, mx, "", world.public_address(), when, helo="pc")
    handed = (f"by {mx} (Postfix) id {world.rng.getrandbits(32):X}; Mon, 19 Oct 2026 08:00:00 +0000",)
    report = Report(
        _spam(world, nobody, when, (line,)),
        (nobody,),
        mx,
        "192.0.2.25",
        world.owner,
        shortly_after(world.rng, when),
        handed_over_by=handed,
    )
    return _fake("self-backscatter", report)


def forged_as_receive_only(world: World) -> Specimen:
    report = _forged(world, world.stranger(), to=world.receive_only)
    return _fake("receive-only address", replace(report, original=replace(report.original, sender=world.receive_only)))


def forged_known_correspondent(world: World) -> Specimen:
    """The forger has the owner's address book and knows whom the owner wrote to lately."""
    lately = [s for s in world.sent if NOW - s.date < timedelta(days=60)]
    sent = world.rng.choice(lately)
    person = next(p for p in (*world.people, *world.strangers) if p.address == sent.recipients[0])
    when = sent.date + timedelta(hours=30)
    report = _forged(world, person, arrived=when)
    return _fake("known correspondent", replace(report, original=replace(report.original, date=when)))


def forged_with_own_address_below(world: World) -> Specimen:
    """A forged line gives the owner's host with its address: nobody can tell it from a forward."""
    report = _forged(world, world.stranger())
    below = received(world.rng, "relay.test", world.out_name, world.out_address, report.arrived)
    lines = (*report.original.received, below)
    return _fake("own address below", replace(report, original=replace(report.original, received=lines)), None)


GENUINE_MAKERS: tuple[Maker, ...] = (
    genuine_by_id,
    genuine_headers_only,
    genuine_recipient_and_subject,
    genuine_id_rewritten,
    genuine_alias,
    genuine_delayed,
    genuine_one_of_many,
    genuine_bcc,
    genuine_forwarded,
    genuine_second_sent_folder,
    genuine_list_member,
    genuine_by_phone,
    genuine_older_than_sent,
    genuine_nothing_returned,
    genuine_shared_provider,
    genuine_by_delegate,
    genuine_scanner,
)
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
)
