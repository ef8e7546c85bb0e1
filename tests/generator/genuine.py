"""Genuine notices: bounces of what the owner sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cleanup.model import Verdict
from tests.generator.mail import STYLES, Original, Report, received, shortly_after
from tests.generator.specimens import Maker, Specimen, own_way, through_a_gateway, with_internal_name
from tests.generator.world import NOW, Person, Sent, World

GENUINE = Verdict.GENUINE


def _original(sent: Sent, lines: tuple[str, ...], **changes: object) -> Original:
    base = Original(sent.message_id, sent.sender, ", ".join(sent.recipients), sent.subject, sent.date, lines)
    return replace(base, **changes)  # type: ignore[arg-type]


def bounce(world: World, sent: Sent, person: Person, failed: tuple[str, ...], **how: object) -> Report:
    """A bounce by the recipient's own mail exchanger."""
    lines = through_a_gateway(world, person, own_way(world, person.mx, sent.date), sent.date)
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


def written(world: World, *people: Person, **how: str | tuple[str, ...]) -> Sent:
    return world.write_and_save(tuple(p.address for p in people), world.arrived(), **how)


def genuine(what: str, report: Report, expected: Verdict | None = GENUINE) -> Specimen:
    return Specimen(what, GENUINE, expected, report)


def genuine_by_id(world: World) -> Specimen:
    person = world.friend()
    return genuine("by id", bounce(world, written(world, person), person, (person.address,), returns="full"))


def genuine_headers_only(world: World) -> Specimen:
    person = world.friend()
    return genuine("headers only", bounce(world, written(world, person), person, (person.address,), returns="headers"))


def genuine_recipient_and_subject(world: World) -> Specimen:
    person = world.friend()
    report = bounce(world, written(world, person), person, (person.address,), returns="quoted")
    return genuine("recipient and subject only", report)


def genuine_id_rewritten(world: World) -> Specimen:
    person, rewritten = world.friend(), f"0100{world.rng.getrandbits(64):016x}-000000@email.amazonses.com"
    sent = written(world, person)
    report = bounce(world, sent, person, (person.address,))
    line = received(world.rng, person.mx, "a8-31.smtp-out.amazonses.com", "54.240.8.31", sent.date)
    return genuine("id rewritten", replace(report, original=_original(sent, (line,), message_id=rewritten)))


def genuine_alias(world: World) -> Specimen:
    person = world.friend()
    report = bounce(world, written(world, person), person, (f"box.{person.address}",))
    return genuine("alias", report)


def genuine_delayed(world: World) -> Specimen:
    person = world.friend()
    report = bounce(world, written(world, person), person, (person.address,), action="delayed", style="postfix")
    return genuine("delayed", report)


def genuine_one_of_many(world: World) -> Specimen:
    people = [world.friend() for _ in range(6)]
    report = bounce(world, written(world, *people), people[0], (people[0].address,), style="sendmail")
    return genuine("one of many recipients", replace(report, delivered=(people[1].address,)))


def genuine_bcc(world: World) -> Specimen:
    shown, hidden = world.friend(), world.stranger()
    sent = written(world, shown, bcc=(hidden.address,))
    return genuine("Bcc", bounce(world, sent, hidden, (hidden.address,)))


def _passed_on(world: World) -> Report:
    """A bounce by the host of a stranger, to whom somebody passed on what the owner wrote."""
    addressee, reached = world.friend(), world.stranger()
    sent = written(world, addressee)
    relayed = received(world.rng, reached.mx, addressee.mx, addressee.mx_address, sent.date)
    report = bounce(world, sent, reached, (reached.address,))
    return replace(report, original=_original(sent, (relayed, *own_way(world, addressee.mx, sent.date))))


def genuine_forwarded(world: World) -> Specimen:
    return genuine("forwarded recipient", _passed_on(world))


def genuine_second_sent_folder(world: World) -> Specimen:
    person = world.friend()
    sent = written(world, person, folder="Archive/2026/Sent")
    return genuine("second Sent folder", bounce(world, sent, person, (person.address,)))


def genuine_list_member(world: World) -> Specimen:
    return genuine("list member's bounce", _passed_on(world))


def genuine_by_phone(world: World) -> Specimen:
    person = world.friend()
    when = world.arrived()
    sent = world.write((person.address,), when, message_id=f"{world.rng.getrandbits(80):X}@phone.invalid")
    return genuine("by phone, absent", bounce(world, sent, person, (person.address,)))


def genuine_older_than_sent(world: World) -> Specimen:
    person = world.friend()
    sent = world.write((person.address,), NOW - timedelta(days=world.rng.randrange(1_200, 3_000)))
    report = bounce(world, sent, person, (person.address,), arrived=world.arrived())
    bare = replace(report, original=replace(report.original, received=()))
    return genuine("older than Sent", bare, None)


def genuine_nothing_returned(world: World) -> Specimen:
    person = world.friend()
    report = bounce(world, written(world, person), person, (person.address,), returns="nothing", style="qmail")
    return genuine("nothing returned", report, None)


def genuine_shared_provider(world: World) -> Specimen:
    person = world.friend()
    sent = written(world, person)
    report = bounce(world, sent, person, (person.address,))
    host = f"mail-ej1-f{world.rng.randrange(20, 60)}.google.com"
    line = received(world.rng, person.mx, host, "209.85.218.41", sent.date)
    return genuine("shared provider", replace(report, original=_original(sent, (line,))))


def genuine_by_delegate(world: World) -> Specimen:
    person = world.stranger()
    sent = world.write(
        (person.address,), world.arrived(), message_id=f"{world.rng.getrandbits(64):x}@desk7.example.org"
    )
    return genuine("by a delegate", bounce(world, sent, person, (person.address,)))


def genuine_scanner(world: World) -> Specimen:
    person, rng = world.friend(), world.rng
    sent = world.write((person.address,), world.arrived(), message_id=f"{rng.getrandbits(32)}@scanner3.example.org")
    line = received(rng, world.out_name, "", "10.0.3.7", sent.date, helo="scanner3")
    report = bounce(world, sent, person, (person.address,), reporter=world.out_name, reporter_address=world.out_address)
    handed = (f"by {world.out_name} (Postfix) id {rng.getrandbits(32):X}; Mon, 19 Oct 2026 08:00:00 +0000",)
    return genuine("scanner", replace(report, original=_original(sent, (line,)), handed_over_by=handed))


def _at_home(world: World, sent: Sent, failed: str) -> Report:
    """A bounce by the owner's own outbound host, whose delivery was refused: the commonest of all."""
    rng, name = world.rng, world.out_name
    where, helo = rng.choice(((world.public_address(), "[192.168.1.7]"), ("10.0.3.9", "desk9")))
    line = received(rng, name, "", where, sent.date, login=True, helo=helo)
    handed = (f"by {name} (Postfix) id {rng.getrandbits(32):X}; Mon, 19 Oct 2026 08:00:00 +0000",)
    return Report(
        original=_original(sent, (line,)),
        failed=(failed,),
        reporter=name,
        reporter_address=world.out_address,
        to=world.owner,
        arrived=shortly_after(rng, sent.date),
        style=rng.choice(("postfix", "sendmail", "exim")),
        returns=rng.choice(("full", "headers")),
        handed_over_by=handed,
    )


def genuine_refused_at_home(world: World) -> Specimen:
    person = world.friend()
    return genuine("refused, bounced at home", _at_home(world, written(world, person), person.address))


def genuine_by_phone_refused_at_home(world: World) -> Specimen:
    person = world.friend()
    message_id = f"{world.rng.getrandbits(80):X}@phone.invalid"
    sent = world.write((person.address,), world.arrived(), message_id=message_id)
    return genuine("by phone, bounced at home", _at_home(world, sent, person.address))


def genuine_from_an_internal_name(world: World) -> Specimen:
    person = world.friend()
    report = bounce(world, written(world, person), person, (person.address,), style="exchange")
    return genuine("reporter with an internal name", with_internal_name(report, person))


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
    genuine_refused_at_home,
    genuine_by_phone_refused_at_home,
    genuine_from_an_internal_name,
)
