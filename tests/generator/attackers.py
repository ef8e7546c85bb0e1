"""Strangers who have read how the program decides: forgeries that come along with the genuine mail they are aimed at.

Each scenario adds notices to a mailbox. A *victim* is a genuine notice that the forgeries try to get filed; a *fake* is
a forgery that tries to pass for genuine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cleanup.model import Verdict
from tests.generator.forged import fake, forged
from tests.generator.genuine import bounce, genuine, written
from tests.generator.mail import Report, received, shortly_after
from tests.generator.specimens import Specimen
from tests.generator.world import NOW, Person, Sent, World

Scenario = Callable[[World], list[Specimen]]
OWN_LOGIN = (
    "from [192.168.1.7] (dsl.isp.test [203.0.113.5]) (Authenticated sender: anna) by out1.example.org with ESMTPSA"
)


def _from_a_bot(report: Report) -> Report:
    """The same notice, invented as a whole: a bot handed it to the owner's server."""
    line = "from bot.isp.test (bot.isp.test [203.0.113.77]) by mx.example.org (Postfix) with ESMTP id 7; Mon"
    return replace(report, handed_over_by=(line,))


def _as_was_sent(world: World, hop: str, *, reporter: str = "") -> Report:
    """A forged bounce of a letter that the forger has, whole, as if it had come from `hop`."""
    return _as_was_sent_to(world, world.friend(), hop, reporter=reporter)


def _as_was_sent_to(world: World, person: Person, hop: str, *, reporter: str = "") -> Report:
    sent = written(world, person)
    by = reporter or person.mx
    line = f"from relay.bulk.test (relay.bulk.test [{hop}]) by {by} (Postfix) with ESMTP id 5A1; Mon"
    report = bounce(world, sent, person, (person.address,), reporter=by, returns="headers")
    return replace(report, original=replace(report.original, received=(line,)))


def _by_phone(world: World, **how: object) -> Specimen:
    """A genuine bounce of what Sent lacks: the easiest victim."""
    person = world.friend()
    sent = world.write((person.address,), world.arrived(), message_id=f"{world.rng.getrandbits(80):X}@phone.invalid")
    return genuine("by phone", bounce(world, sent, person, (person.address,), **how), None)


def teach_a_strangers_host(world: World) -> list[Specimen]:
    """A bot sends bounces of letters from a public list, so that its own host is learned as the owner's only one."""
    taught = [_from_a_bot(_as_was_sent(world, "203.0.113.66")) for _ in range(40)]
    return [fake("teaches", r, None) for r in taught] + [_by_phone(world, returns="full") for _ in range(10)]


def teach_from_one_true_host(world: World) -> list[Specimen]:
    """The same by a correspondent with a mail server of his own."""
    handed = "from mx.evil.test (mx.evil.test [203.0.113.66]) by mx.example.org (Postfix) with ESMTP id 8; Mon"
    taught = [
        replace(_as_was_sent(world, "203.0.113.66", reporter="mx.evil.test"), handed_over_by=(handed,))
        for _ in range(40)
    ]
    return [fake("teaches", r, None) for r in taught] + [_by_phone(world, returns="full") for _ in range(10)]


def _handed_by(name: str, address: str) -> tuple[str, ...]:
    return (f"from {name} ({name} [{address}]) by mx.example.org (Postfix) with ESMTP id 8; Mon",)


def _from_two_servers(world: World) -> list[Specimen]:
    """Bounces of letters to two addresses of one correspondent, each by its own mail server and handed over by it."""
    taught = []
    for person in world.people[:2] * 20:
        sent = written(world, person)
        line = f"from relay.bulk.test (relay.bulk.test [203.0.113.66]) by {person.mx} (Postfix) with ESMTP id 5; Mon"
        report = bounce(world, sent, person, (person.address,), reporter=person.mx, returns="headers")
        report = replace(report, handed_over_by=_handed_by(person.mx, person.mx_address))
        taught.append(fake("teaches", replace(report, original=replace(report.original, received=(line,))), None))
    return taught


def teach_from_two_true_hosts(world: World) -> list[Specimen]:
    """A correspondent with mail servers in two domains that the owner writes to."""
    return _from_two_servers(world) + [_by_phone(world, returns="full") for _ in range(20)]


def teach_from_four_domains_on_one_server(world: World) -> list[Specimen]:
    """A correspondent to whom the owner writes in four domains, all of which have one mail server."""
    taught = []
    for person in world.people[:4] * 20:
        report = _as_was_sent_to(world, person, "203.0.113.66")
        taught.append(fake("teaches", replace(report, handed_over_by=_handed_by(person.mx, "198.18.250.9")), None))
    return taught + [_by_phone(world, returns="full") for _ in range(20)]


def teach_under_many_names(world: World) -> list[Specimen]:
    """A bot without a name of its own says HELO as the mail server of each whom the owner wrote to."""
    taught = []
    for _ in range(40):
        report = _as_was_sent(world, "203.0.113.66")
        handed = f"from {report.reporter} (unknown [203.0.113.77]) by mx.example.org (Postfix) with ESMTP id 9; Mon"
        taught.append(fake("teaches", replace(report, handed_over_by=(handed,)), None))
    return taught + [_by_phone(world, returns="full") for _ in range(20)]


def _taught_by(world: World, *domains: str, account: str = "") -> list[Specimen]:
    """Bounces of letters to others, invented and truly handed over by hosts of these domains."""
    taught = []
    for number, domain in [*enumerate(domains)] * 8:
        report = _as_was_sent(world, "203.0.113.66", reporter=f"mx.{domain}")
        handed = _handed_by(f"mx.{domain}", f"198.18.{number + 240}.9")  # rented in as many networks
        report = replace(report, handed_over_by=handed, return_path=account and f"{account}@{domain}")
        taught.append(fake("teaches", report, None))
    return taught + [_by_phone(world, returns="full") for _ in range(20)]


def teach_through_accounts_at_providers(world: World) -> list[Specimen]:
    """A forger with accounts at big providers, who cannot leave the sender in the envelope empty there."""
    return _taught_by(world, "google.com", "outlook.com", "yahoo.com", "zoho.com", "gmx.net", account="someone")


def teach_from_many_domains(world: World) -> list[Specimen]:
    """A forger who bought five domains, at none of which the owner writes to anybody."""
    return _taught_by(world, *(f"bought{number}.test" for number in range(5)))


def make_a_shape_incomparable(world: World) -> list[Specimen]:
    """A correspondent's server bounces one letter under a new id, and invented ones that left by the owner's host.

    Their ids have the shape of a campaign's, which so could not be compared any more.
    """
    person = world.friend()
    sent = written(world, person)
    report = bounce(world, sent, person, (person.address,), returns="headers", style="postfix")
    first = replace(report, original=replace(report.original, message_id="abcdef0123456789@bulk.test"))
    taught = [fake("teaches", first, None)]
    for number in range(6):
        report = bounce(world, _unsaved(world, person, number), person, (person.address,), returns="headers")
        taught.append(fake("teaches", report, None))
    storm = []
    for _ in range(40):
        report = forged(world, world.stranger(), returns="headers")
        original = replace(report.original, message_id=f"abcdef{world.rng.getrandbits(40):010x}@bulk.test")
        storm.append(fake("of the taught shape", replace(report, original=original)))
    return taught + storm


def _unsaved(world: World, person: Person, number: int) -> Sent:
    return world.write((person.address,), world.arrived(), message_id=f"abcdef01234567{number:02d}@bulk.test")


def file_letters_of_friends_in_sent(world: World) -> list[Specimen]:
    """A whole conversation lies in Sent, letters of the friend among them; his server bounces mail from a telephone."""
    friend = world.friend()
    for _ in range(4):
        world.write_and_save((world.owner,), world.arrived(), sender=friend.address)
    sent = _unsaved(world, friend, 1)
    home = f"from [192.168.1.7] (unknown [203.0.113.5]) by {world.out_name} (Postfix) with ESMTP id 3; Mon"
    out = f"from {world.out_name} ({world.out_name} [{world.out_address}]) by {friend.mx} (Postfix) with ESMTPS id 4"
    report = bounce(world, sent, friend, (friend.address,), returns="full", style="postfix")
    return [genuine("by phone", replace(report, original=replace(report.original, received=(out, home))), None)]


def say_the_owners_address_in_helo(world: World) -> list[Specimen]:
    """Spam whose sender says HELO with the owner's address as a literal, in the dialects that show both."""
    literal, found = f"[{world.out_address}]", []
    for way in (
        f"from {literal} (unknown [203.0.113.9]) by {{}} (Postfix) with ESMTP id 1; Mon",
        f"from [203.0.113.9] (helo={literal}) by {{}} with esmtp (Exim 4.96) id 1; Mon",
        f"from unknown (HELO {literal}) (203.0.113.9) by {{}} with SMTP; Mon",
        f"from {literal} (203.0.113.9) by {{}} with Microsoft SMTP Server id 15.1; Mon",
    ):
        person = world.stranger()
        report = forged(world, person)
        original = replace(report.original, received=(way.format(person.mx),))
        found.append(fake("own address in HELO", replace(report, original=original)))
    return found


def plant_an_own_login(world: World) -> list[Specimen]:
    """Spam carries a line of the owner's server, and comes back from a system that returns it without its own lines."""
    report = forged(world, world.stranger())
    return [fake("planted login", replace(report, original=replace(report.original, received=(OWN_LOGIN,))))]


def invent_a_bounce_of_the_own_server(world: World) -> list[Specimen]:
    """A bot writes what the owner's own server would write about a submission."""
    report = forged(world, world.stranger(), reporter=world.out_name, style="postfix")
    return [fake("own server", _from_a_bot(replace(report, original=replace(report.original, received=(OWN_LOGIN,)))))]


def imitate_the_reporting_organisation(world: World) -> list[Specimen]:
    """A bot writes a bounce of far.test, with a line of far.test that names the owner's host and address."""
    person = world.stranger()
    line = received(world.rng, person.mx, world.out_name, world.out_address, NOW)
    report = forged(world, person)
    return [fake("imitated", _from_a_bot(replace(report, original=replace(report.original, received=(line,)))))]


def plant_passed_results(world: World) -> list[Specimen]:
    """Spam carries results in the receiver's name that say "pass", and a receiver that believes in a PTR record."""
    person = world.stranger()
    report = forged(world, person, returns="headers")
    planted = (
        f"Authentication-Results: {person.mx}; spf=pass smtp.mailfrom=example.org; dkim=pass header.d=example.org",
        "Received-SPF: pass (example.org: 203.0.113.5 is permitted)",
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s1; h=from:message-id; bh=AAAA; b=AAAA",
    )
    return [fake("planted results", replace(report, original=replace(report.original, extra=planted)))]


def steal_an_id_with_its_recipient(world: World) -> list[Specimen]:
    """Spam with a genuine id to the very recipient of that message; only the words are others."""
    person = world.friend()
    sent = written(world, person)
    when = sent.date + timedelta(days=2)
    report = forged(world, person, arrived=shortly_after(world.rng, when))
    original = replace(report.original, message_id=sent.message_id, date=when)
    return [fake("stolen id and recipient", replace(report, original=original))]


def steal_an_id_and_its_addressees(world: World) -> list[Specimen]:
    """Spam with a genuine id and the genuine To, that fails at a stranger's."""
    person, stranger = world.friend(), world.stranger()
    sent = written(world, person)
    report = forged(world, stranger)
    original = replace(report.original, message_id=sent.message_id, to=person.address)
    return [fake("stolen id and To", replace(report, original=original))]


def forge_the_failure_of_a_true_message(world: World) -> list[Specimen]:
    """A recipient who knows the id of a letter forges its failure, so that the true delay notice follows."""
    victims = []
    for _ in range(5):
        delayed = _by_phone(world, action="delayed", style="postfix", returns="headers")
        bare = replace(delayed.report.original, received=())
        delayed = replace(delayed, report=replace(delayed.report, original=bare))
        failure = forged(world, world.stranger(), returns="headers", style="postfix")
        failure = replace(failure, original=replace(failure.original, message_id=bare.message_id))
        victims += [delayed, fake("forged failure", failure, None)]
    return victims


def taint_the_owners_mailing(world: World) -> list[Specimen]:
    """A storm under the subject of the owner's own mailing, which a delegate sent and Sent lacks."""
    victims = []
    for number in range(10):
        victim = _by_phone(world, returns="quoted" if number % 2 else "headers")
        original = replace(victim.report.original, subject=f"Our summer catalogue number {number}", received=())
        victims.append(replace(victim, report=replace(victim.report, original=original, arrived=NOW)))
    return victims + _storm(world, lambda number: f"Our summer catalogue number {number}")


def flood_under_a_subject_of_sent(world: World) -> list[Specimen]:
    """A storm under the very subject of a letter in Sent; the owner sent more of these by telephone, to strangers."""
    subject = "Our spring catalogue"
    saved = replace(written(world, world.friend()), subject=subject)
    world.sent[-1] = saved
    victims = []
    for number in range(10):
        stranger = world.stranger()
        sent = replace(_unsaved(world, stranger, number), subject=subject)
        how = {"returns": "quoted", "style": "qmail"} if number % 2 else {"returns": "headers", "style": "postfix"}
        report = bounce(world, sent, stranger, (stranger.address,), arrived=NOW, **how)
        victims.append(genuine("by phone", replace(report, original=replace(report.original, received=())), None))
    return victims + _storm(world, lambda _: subject)


def flood_while_the_owner_writes(world: World) -> list[Specimen]:
    """A storm, and in the same hours bounces of other mail of the owner's, which no copy in Sent proves."""
    victims = []
    for _ in range(10):
        victim = _by_phone(world, returns="headers", style="postfix", arrived=NOW)
        bare = replace(victim.report.original, received=())
        victims.append(replace(victim, report=replace(victim.report, original=bare)))
    return victims + _storm(world, lambda number: f"Open the parcel {number}")


def _storm(world: World, subject: Callable[[int], str]) -> list[Specimen]:
    storm = []
    for number in range(120):
        report = forged(world, world.stranger(), returns="headers", arrived=NOW - timedelta(minutes=number))
        original = replace(report.original, subject=subject(number), date=report.arrived)
        storm.append(fake("storm", replace(report, original=original), None))
    return storm


def poison_a_storm_with_true_ids(world: World) -> list[Specimen]:
    """A storm in which every twentieth notice carries an id of the owner's: the others must still be found."""
    storm = []
    for number in range(100):
        report = forged(world, world.stranger(), returns="headers", arrived=NOW - timedelta(minutes=number))
        stolen = world.rng.choice(world.sent).message_id if number % 20 == 0 else report.original.message_id
        original = replace(report.original, message_id=stolen, subject=f"Open the parcel {number}", date=report.arrived)
        storm.append(fake("storm with true ids", replace(report, original=original), None))
    return storm


def coincide_in_recipient_and_subject(world: World) -> list[Specimen]:
    """Spam to friends under words that everybody writes; nothing but these words comes back."""
    found = []
    for subject in ("Hello", "Re: lunch", "Question", "Invoice"):
        person = world.friend()
        sent = replace(world.write((person.address,), NOW - timedelta(days=1)), subject=subject)
        world.sent.append(sent)
        report = forged(world, person, returns="quoted", arrived=NOW)
        original = replace(report.original, subject=subject, to=person.address)
        found.append(fake("coincidence", replace(report, original=original), None))
    return found


def answer_a_true_id(world: World) -> list[Specimen]:
    """A fake bounce that says, by In-Reply-To alone, that it answers a message of the owner's."""
    report = forged(world, world.stranger())
    stolen = world.rng.choice(world.sent).message_id
    extra = (*report.original.extra, f"In-Reply-To: <{stolen}>", f"References: <{stolen}>")
    return [fake("answers a true id", replace(report, original=replace(report.original, extra=extra)))]


def go_by_the_owners_name(world: World) -> list[Specimen]:
    """A host says HELO with the owner's name, and has that name, or one that begins so, looked up."""
    names = ("", "out1.example.org.evil.test", world.out_name)
    found = []
    for name in names:
        person = world.stranger()
        line = received(world.rng, person.mx, name, "203.0.113.9", NOW, helo=world.out_name)
        report = forged(world, person)
        expected = None if name == world.out_name else Verdict.BACKSCATTER
        found.append(fake("own name", replace(report, original=replace(report.original, received=(line,))), expected))
    return found


SCENARIOS: tuple[Scenario, ...] = (
    teach_a_strangers_host,
    teach_from_one_true_host,
    teach_from_two_true_hosts,
    teach_from_four_domains_on_one_server,
    teach_under_many_names,
    teach_through_accounts_at_providers,
    teach_from_many_domains,
    make_a_shape_incomparable,
    file_letters_of_friends_in_sent,
    say_the_owners_address_in_helo,
    plant_an_own_login,
    invent_a_bounce_of_the_own_server,
    imitate_the_reporting_organisation,
    plant_passed_results,
    steal_an_id_with_its_recipient,
    steal_an_id_and_its_addressees,
    forge_the_failure_of_a_true_message,
    taint_the_owners_mailing,
    flood_under_a_subject_of_sent,
    flood_while_the_owner_writes,
    poison_a_storm_with_true_ids,
    coincide_in_recipient_and_subject,
    answer_a_true_id,
    go_by_the_owners_name,
)
