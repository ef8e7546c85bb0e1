"""What SPF answers are worth for one notice, and which questions notices ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from cleanup.detector.evidence.question import Known, Question
from cleanup.detector.networks import Address
from cleanup.detector.owner import know_owner
from cleanup.detector.sent import Profile
from cleanup.detector.spf import SpfAnswers, SpfRecord, SpfResult, SpfWord, domains_to_ask, spf_questions
from cleanup.model import Identity, Notice, Policy
from tests.detector.judging import ANNA, ARRIVED, NOW, a_notice, a_returned, a_sent_index

ZOMBIE = ip_address("203.0.113.9")
PROFILE = Profile(messages=200, addresses={"anna@example.org": 200})
BOTH = replace(ANNA, addresses=ANNA.addresses | {"anna@example.com"})
PASSES, FAILS, SILENT = SpfResult.PASS, SpfResult.FAIL, SpfResult.SILENCE


def _from(address: str, *, handed: str = "zombie.isp.test", sender: str = "anna@example.org") -> Notice:
    line = f"from {handed} ({handed} [{address}]) by mx.far.test (Postfix) with ESMTP id 4F1; Mon"
    return a_notice(a_returned(received=(line,), from_address=sender))


def _answers(**said: SpfResult) -> SpfAnswers:
    by_domain = {name.replace("_", "."): result for name, result in said.items()}
    words: dict[tuple[str, Address], SpfWord] = {
        (d, ZOMBIE): SpfWord(d, ZOMBIE, result) for d, result in by_domain.items()
    }
    return SpfAnswers(NOW, {domain: SpfRecord(domain) for domain in by_domain}, words)


def _said(answers: SpfAnswers, notice: Notice, identity: Identity = ANNA, arrived: datetime | None = ARRIVED) -> str:
    owner = know_owner(identity, PROFILE)
    word = answers.of(notice, notice.returned[0], ZOMBIE, arrived, owner)
    return word.result if word else "nothing"


# --- what is asked --------------------------------------------------------------------------------------------------


def test_asked_is_the_owners_domain_about_the_address_at_the_trusted_hop() -> None:
    questions = spf_questions([(_from("203.0.113.9"), ARRIVED)], ANNA, PROFILE)

    assert questions.addresses == {"example.org": (ZOMBIE,)}
    assert questions.newest == ARRIVED


def test_hosts_that_most_notices_show_are_asked_about_first_and_each_once() -> None:
    shown = ["198.51.100.1", "203.0.113.9", "203.0.113.9", "192.0.2.77"]
    questions = spf_questions([(_from(address), ARRIVED) for address in shown], ANNA, PROFILE)

    assert [str(a) for a in questions.addresses["example.org"]] == ["203.0.113.9", "192.0.2.77", "198.51.100.1"]


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.3.4", "127.0.0.1", "fe80::1", "fd00::7"])
def test_nothing_is_asked_about_inner_addresses(address: str) -> None:
    assert spf_questions([(_from(address), ARRIVED)], ANNA, PROFILE).addresses == {}


def test_no_strangers_domain_is_ever_asked_about() -> None:
    notice = replace(_from("203.0.113.9", sender="boss@attacker.test"), addressed_to=("someone@else.test",))

    assert spf_questions([(notice, ARRIVED)], ANNA, PROFILE).addresses == {}
    more = [("attacker.test", ZOMBIE), ("example.org", ZOMBIE)]
    assert spf_questions([], ANNA, PROFILE, more=more).addresses == {"example.org": (ZOMBIE,)}


def test_the_domain_that_the_message_was_returned_to_is_asked_about_too() -> None:
    notice = replace(_from("203.0.113.9"), addressed_to=("Anna@Example.COM",))

    assert set(spf_questions([(notice, ARRIVED)], BOTH, PROFILE).addresses) == {"example.org", "example.com"}


def test_a_providers_domain_is_asked_about_where_the_owner_has_an_address_there() -> None:
    identity = Identity(addresses=frozenset({"anna.berg@gmail.com"}))
    questions = spf_questions([(_from("203.0.113.9", sender="anna.berg@gmail.com"), ARRIVED)], identity, Profile())

    assert questions.addresses == {"gmail.com": (ZOMBIE,)}


def test_of_many_domains_a_few_are_asked_about_the_configured_and_the_most_used_first() -> None:
    used = {f"anna@d{n:02}.test": 3 + n for n in range(30)}
    profile = Profile(messages=600, addresses={"anna@example.org": 20, **used})
    owner = know_owner(ANNA, profile)

    asked = domains_to_ask(owner, ANNA, profile)

    assert asked == ("example.org", "d29.test", "d28.test", "d27.test", "d26.test", "d25.test", "d24.test", "d23.test")


def test_domains_are_asked_about_in_their_ascii_form() -> None:
    identity = Identity(addresses=frozenset({"anna@bücher.test"}))
    questions = spf_questions([(_from("203.0.113.9", sender="anna@BÜCHER.test"), ARRIVED)], identity, Profile())

    assert list(questions.addresses) == ["xn--bcher-kva.test"]


# --- what answers are worth -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrived", "result"),
    [
        (NOW, FAILS),
        (NOW - timedelta(days=90), FAILS),
        (NOW - timedelta(days=90, seconds=1), SILENT),
        (NOW + timedelta(seconds=1), SILENT),
        (None, SILENT),
    ],
)
def test_a_record_accuses_mail_of_the_last_ninety_days_and_none_that_came_after_it_was_asked_for(
    arrived: datetime | None, result: SpfResult
) -> None:
    assert _answers(example_org=FAILS).word("example.org", ZOMBIE, arrived).result is result


@pytest.mark.parametrize("arrived", [NOW, NOW - timedelta(days=5_000), NOW + timedelta(days=1), None])
def test_a_record_spares_mail_of_any_age(arrived: datetime | None) -> None:
    assert _answers(example_org=PASSES).word("example.org", ZOMBIE, arrived).result is PASSES


def test_what_was_not_asked_is_silence_and_says_so() -> None:
    word = SpfAnswers().word("example.org", ZOMBIE, ARRIVED)

    assert (word.result, word.why) == (SILENT, "it was not asked")


@pytest.mark.parametrize(
    ("sender", "returned_to", "said"),
    [
        (FAILS, FAILS, FAILS),
        (FAILS, PASSES, PASSES),
        (PASSES, FAILS, PASSES),
        (FAILS, SILENT, SILENT),
        (SILENT, FAILS, SILENT),
        (SILENT, PASSES, PASSES),
    ],
)
def test_a_message_fails_only_where_each_domain_that_it_names_refuses_the_host(
    sender: SpfResult, returned_to: SpfResult, said: SpfResult
) -> None:
    notice = replace(_from("203.0.113.9"), addressed_to=("anna@example.com",))

    assert _said(_answers(example_org=sender, example_com=returned_to), notice, BOTH) == said


def test_a_domain_of_the_owners_that_was_not_asked_forbids_an_accusation() -> None:
    notice = replace(_from("203.0.113.9"), addressed_to=("anna@example.com",))

    assert _said(_answers(example_org=FAILS), notice, BOTH) == SILENT


def test_an_address_at_a_provider_that_was_not_asked_forbids_an_accusation() -> None:
    identity = replace(ANNA, addresses=ANNA.addresses | {"anna@gmail.com"})
    notice = replace(_from("203.0.113.9"), addressed_to=("anna@gmail.com",))

    assert _said(_answers(example_org=FAILS), notice, identity) == SILENT


def test_a_strangers_domain_has_no_say() -> None:
    notice = replace(_from("203.0.113.9", sender="x@attacker.test"), addressed_to=("anna@example.org",))

    assert _said(_answers(example_org=FAILS), notice) == FAILS


def test_without_an_address_or_a_domain_nothing_is_said() -> None:
    notice = _from("203.0.113.9")
    owner = know_owner(ANNA, PROFILE)

    assert _answers(example_org=FAILS).of(notice, notice.returned[0], None, ARRIVED, owner) is None
    strangers = _from("203.0.113.9", sender="x@attacker.test")
    assert _said(_answers(), replace(strangers, addressed_to=())) == "nothing"


@pytest.mark.parametrize(
    ("domain", "named_by", "mechanism", "target", "own", "shared_by"),
    [
        ("example.org", "example.org", "ip4", "", True, ""),
        ("example.org", "_spf.example.org", "ip6", "", True, ""),
        ("example.org", "example.org", "mx", "mail.example.org", True, ""),
        ("example.org", "example.org", "mx", "aspmx.l.google.com", False, "google.com"),
        ("example.org", "example.org", "a", "web17.hoster.test", False, "hoster.test"),
        ("example.org", "_spf.google.com", "ip4", "", False, "google.com"),
        ("example.org", "spf.protection.outlook.com", "ip4", "", False, "outlook.com"),
        ("example.org", "example.org", "exists", "", False, "example.org"),
        ("gmail.com", "_spf.google.com", "ip4", "", False, "google.com"),
        ("gmail.com", "gmail.com", "ip4", "", False, "google.com"),
    ],
)
def test_an_own_host_is_named_by_the_owners_own_record_and_a_provider_by_its_own(
    domain: str, named_by: str, mechanism: str, target: str, own: bool, shared_by: str
) -> None:
    word = SpfWord(domain, ZOMBIE, PASSES, "", named_by, mechanism, ip_network("203.0.113.0/28"), target)

    assert (word.is_own_host, word.shared_by) == (own, shared_by)


def test_what_does_not_pass_is_neither_own_nor_shared() -> None:
    for result in (FAILS, SILENT):
        word = SpfWord("example.org", ZOMBIE, result)
        assert (word.is_own_host, word.shared_by) == (False, "")


def test_a_question_knows_what_spf_says_of_its_trusted_hop() -> None:
    notice, sent = _from("203.0.113.9"), a_sent_index()
    known = Known(
        rows=sent.rows_for([notice]),
        coverage=sent.coverage,
        profile=sent.profile,
        identity=ANNA,
        owner=know_owner(ANNA, sent.profile),
        policy=Policy(),
        spf=_answers(example_org=FAILS),
    )

    word = Question(notice, notice.returned[0], ARRIVED, known).spf

    assert word == SpfWord("example.org", ZOMBIE, FAILS)
    inside = _from("10.1.2.3")
    assert Question(inside, inside.returned[0], ARRIVED, known).spf is None
