"""Who sends for the owner: services that Sent does not know are spared, bots are found, in mailboxes of all kinds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.account_state import JudgedNotice
from cleanup.detector.networks import shared_provider
from cleanup.detector.sender_questions import Met, foremost, label_of_sender, questions_about, sender_questions
from cleanup.detector.spf import SpfAnswers, SpfResult, SpfWord
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Finding, Identity, Policy, UnknownSender, Verdict
from tests.detector.judging import ANNA, ARRIVED, NOW, a_notice, a_returned, a_sent_index, rules_of
from tests.detector.test_learning import proved
from tests.examples import examples
from tests.generator.figures import ASKED, MODES, answers, asked_answers, judged, measured
from tests.generator.senders import KINDS, a_placed_mailbox

NOBODY_TOLD = Identity(ANNA.addresses)
WEB = (
    "from web17.hostfarm.example (web17.hostfarm.example [185.12.81.90]) by mx.far.test (Postfix) with ESMTP id 4; Mon"
)


def assert_reached(kind: str, mode: str, seeds: range, *, slack: float = 0.0) -> int:
    """Assert the figures of one kind of mailbox; return how many notices were judged."""
    figures = measured(kind, mode, seeds)
    print(f"{mode} | {kind} | {figures}")
    assert (figures.accused, figures.wrong, figures.deceived) == ({}, {}, {}), figures
    if mode in ("with SPF", ASKED):
        assert figures.most_asked <= 300
        assert figures.share() >= 0.97 - slack, figures
    elif kind in ("Workspace", "Microsoft 365", "Gmail"):
        assert figures.share() >= 0.95 - slack, figures
    else:
        assert figures.share("bot storm") >= 0.9 - slack, figures
    return figures.judged


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "with SPF"])
@pytest.mark.parametrize("kind", KINDS)
def test_services_are_spared_and_bots_found(kind, mode):
    assert_reached(kind, mode, range(900, 902), slack=0.03)


@pytest.mark.parametrize("seed", [900, 901])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_name_server_is_asked_is_what_the_figures_with_records_as_values_assume(kind, seed):
    placed = a_placed_mailbox(kind, seed)
    cases = placed.cases()

    asked, questions = asked_answers(placed, cases)
    assumed = answers(placed, cases)

    differing = [
        pair for pair, word in asked.words.items() if word.result not in (assumed.words[pair].result, SpfResult.SILENCE)
    ]
    silent = [address for (_, address), word in asked.words.items() if word.result is SpfResult.SILENCE]
    assert (asked.words.keys(), differing) == (assumed.words.keys(), [])
    assert {address.version for address in silent} <= {6}  # a third host without AAAA ends it: two void look-ups
    assert 0 < questions <= 20


@pytest.mark.sweep
@pytest.mark.timeout(0)
def test_a_hundred_thousand_notices_in_mailboxes_of_five_kinds_accuse_nobody_who_sends_for_the_owner():
    assert sum(assert_reached(kind, mode, range(20_000, 20_020)) for mode in MODES for kind in KINDS) >= 100_000


def by_web(number: int, days: float, **changes: object) -> Case:
    """A bounce of an order confirmation by one unknown web host, some days before now."""
    returned = a_returned(
        message_id=f"order.{number}@web17.hostfarm.example",
        from_name="Anna Berg",
        subject=f"Your order {number}",
        received=(WEB,),
        **changes,
    )
    return Case(a_notice(returned), ARRIVED - timedelta(days=days), f"order {number}")


def found(cases: list[Case], **how: object) -> list[Finding]:
    return judge_all(cases, a_sent_index(), how.pop("identity", ANNA), Policy(), **how)  # type: ignore[arg-type]


def record(*addresses: str, result: SpfResult = SpfResult.FAIL) -> SpfAnswers:
    words = {("example.org", ip_address(a)): SpfWord("example.org", ip_address(a), result) for a in addresses}
    return SpfAnswers(NOW, words=words)


@pytest.mark.parametrize("denied", [False, True], ids=["no record", "denied by the record"])
def test_a_shop_that_sends_for_weeks_from_one_host_is_not_accused(denied):
    findings = found([by_web(n, 3 * n) for n in range(12)], spf=record("185.12.81.90") if denied else None)

    assert {f.verdict for f in findings} == {Verdict.UNSURE}
    assert all("origin.service" in rules_of(f) for f in findings)


def test_a_shop_is_not_accused_where_strangers_imitate_its_mail_from_many_networks():
    shop = [by_web(n, 3 * n) for n in range(4)]
    fakes = [by_bot(n, subject=f"Your order {n}") for n in range(60)]

    findings = found([*shop, *fakes])

    assert {f.verdict for f in findings[:4]} == {Verdict.UNSURE}
    assert {f.verdict for f in findings[4:]} == {Verdict.BACKSCATTER}


def by_bot(number: int, **changes: object) -> Case:
    """A bounce of a forgery that came from a network of its own, all within an hour."""
    way = f"from pc (unknown [45.{number}.7.9]) by mx.far.test (Postfix) with ESMTP id 4; Mon"
    how = {"message_id": f"{number}.spam@bulk.test", "subject": f"Open the parcel {number}", "from_name": "Anna Berg"}
    returned = a_returned(received=(way,), **{**how, **changes})
    return Case(a_notice(returned), ARRIVED - timedelta(seconds=50 * number), f"bot {number}")


def test_one_text_from_many_networks_is_no_service_of_the_owners_though_nothing_is_known_of_own_hosts():
    findings = found([by_bot(n) for n in range(40)], identity=NOBODY_TOLD)

    assert {f.verdict for f in findings} == {Verdict.BACKSCATTER}


def test_one_message_of_an_unknown_host_is_not_accused():
    assert found([by_web(1, 0)])[0].verdict is Verdict.UNSURE


def test_the_record_of_the_domain_names_a_storm_from_one_rented_host():
    names = ("Security", "Anna", "Support")
    storm = [replace(by_web(n, n / 300), notice=rented(n, names[n % 3])) for n in range(40)]

    assert {f.verdict for f in found(storm)} == {Verdict.UNSURE}
    denied = found(storm, spf=record("185.12.81.90"))
    assert {f.verdict for f in denied} == {Verdict.BACKSCATTER}
    assert "spf.not_named" in rules_of(denied[0])


def test_a_mailing_of_one_day_by_a_service_that_no_record_names_is_a_question():
    mailing = [replace(by_web(n, n / 300), notice=rented(n)) for n in range(40)]

    findings = found(mailing, spf=record("185.12.81.90"))

    assert {f.verdict for f in findings} == {Verdict.UNSURE}
    asked = sender_questions(JudgedNotice(c.notice, f, c.arrived) for c, f in zip(mailing, findings, strict=True))
    assert [q.count for q in asked] == [40]


@pytest.mark.parametrize("name", ["Anna B.", "Berg, Anna", "Scanner upstairs", "root", ""])
@pytest.mark.parametrize("made_at", ["isp.test", "nas", "nas.fritz.box", "example.org", "annas.dyn.test"])
@pytest.mark.parametrize("denied", [False, True], ids=["no record", "denied by the record"])
def test_a_printer_a_telephone_or_a_server_at_home_is_not_accused_for_a_single_message(name, made_at, denied):
    way = "from nas (dsl-7-9.isp.test [45.7.7.9]) by mx.far.test (Postfix) with ESMTP id 4; Mon"
    returned = a_returned(message_id=f"7.1@{made_at}", from_name=name, subject="Backup report 7", received=(way,))

    finding = found([Case(a_notice(returned), ARRIVED, "")], spf=record("45.7.7.9") if denied else None)[0]

    assert finding.verdict is Verdict.UNSURE


def test_a_machine_at_home_that_has_another_address_of_its_carrier_each_day_is_not_one_of_many():
    def by_home(number: int) -> Case:
        way = f"from nas (dsl-{number}.isp.test [45.7.{number}.9]) by mx.far.test (Postfix) with ESMTP id 4; Mon"
        how = {"message_id": f"{number}.1@nas", "subject": f"Backup report {number}", "from_name": "Anna"}
        return Case(a_notice(a_returned(received=(way,), **how)), ARRIVED - timedelta(days=3 * number), str(number))

    assert {f.verdict for f in found([by_home(n) for n in range(12)])} == {Verdict.UNSURE}


def by_device(number: int, arrived: datetime, name: str = "Scanner") -> Case:
    """A bounce of what a device wrote by itself, on a line that had an address in another network each time."""
    way = f"from nas (unknown [{60 + number}.7.9.{number + 1}]) by mx.far.test (Postfix) with ESMTP id 4; Mon"
    how = {"message_id": f"{number:010x}.1@nas", "subject": "Scan from MFP", "from_name": name}
    return Case(a_notice(a_returned(received=(way,), **how)), arrived, f"device {number}")


@pytest.mark.parametrize("name", ["Scanner", "Anna Berg", ""])
@pytest.mark.parametrize("denied", [False, True], ids=["no record", "denied by the record"])
def test_a_device_that_has_an_address_in_another_network_each_day_is_not_one_of_many(name, denied):
    device = [by_device(n, ARRIVED - timedelta(days=n // 2, hours=3 * (n % 2)), name) for n in range(16)]
    spf = record(*(f"{60 + n}.7.9.{n + 1}" for n in range(16))) if denied else None

    assert {f.verdict for f in found(device, spf=spf)} == {Verdict.UNSURE}
    assert {f.verdict for f in found(device, spf=spf, identity=NOBODY_TOLD)} == {Verdict.UNSURE}


def test_a_device_whose_line_is_renewed_some_times_a_day_is_not_one_of_many():
    device = [by_device(n, ARRIVED - timedelta(hours=n)) for n in range(8)]

    assert {f.verdict for f in found(device)} == {Verdict.UNSURE}


def test_several_devices_that_write_the_same_text_now_and_then_are_not_accused():
    names = ("Scanner", "Empfang", "Anna Berg")
    devices = [by_device(n, ARRIVED - timedelta(days=4 * n), names[n % 3]) for n in range(12)]

    assert {f.verdict for f in found(devices)} == {Verdict.UNSURE}


@pytest.mark.parametrize("helo", ["gmail.com", "example.org"])
def test_a_bot_that_says_helo_as_the_bare_domain_of_the_provider_or_as_yours_is_a_bot(helo):
    def bot(number: int) -> Case:
        way = f"from {helo} ([45.{number}.7.9]) by mx.far.test with ESMTPS id 4si1edb.123; Mon"
        how = {"message_id": f"{number:010x}.1@{helo}", "subject": f"Open it {number}", "from_name": "Ann Other"}
        return Case(a_notice(a_returned(received=(way,), **how)), ARRIVED - timedelta(seconds=50 * number), f"{number}")

    findings = found([bot(n) for n in range(40)], identity=replace(NOBODY_TOLD, imap_host="imap.gmail.com"))

    assert {f.verdict for f in findings} == {Verdict.BACKSCATTER}


def test_bots_that_write_in_a_day_what_a_device_might_are_found():
    bots = [by_device(n, ARRIVED - timedelta(minutes=9 * n)) for n in range(40)]

    assert {f.verdict for f in found(bots)} == {Verdict.BACKSCATTER}


def test_a_device_that_bounces_in_the_hour_of_a_storm_of_many_texts_is_not_accused():
    storm = [
        by_bot(n, subject=f"{'abcdefghijklmnopqrstuvwxyz'[n % 26]} parcel {n}", message_id=f"{n:010x}.1@bulk{n}.test")
        for n in range(40)
    ]

    findings = found([by_device(1, ARRIVED - timedelta(minutes=10)), *storm])

    assert findings[0].verdict is Verdict.UNSURE
    assert sum(f.verdict is Verdict.BACKSCATTER for f in findings[1:]) > 30


def test_a_service_whose_text_and_ids_strangers_copy_is_not_accused():
    service = by_web(1, 9)
    how = {"subject": "Your appointment 1", "message_id": "msg-0a1b2c3d4e5f@example.org"}
    returned = replace(service.notice.returned[0], **how)
    copies = [by_bot(n, subject=f"Your appointment {n}", message_id=f"msg-{n:012x}@example.org") for n in range(40)]

    findings = found([replace(service, notice=a_notice(returned)), *copies])

    assert findings[0].verdict is Verdict.UNSURE
    assert {f.verdict for f in findings[1:]} == {Verdict.BACKSCATTER}


def rented(number: int, name: str = "Security"):
    how = {"message_id": f"{number}@bulk.test", "subject": f"You have won {number}", "from_name": name}
    return a_notice(a_returned(received=(WEB,), **how))


def test_a_record_that_proved_mail_fails_accuses_nobody():
    taught = [proved(n, ARRIVED - timedelta(days=n)) for n in range(1, 5)]
    sent = a_sent_index(*(message for _, message in taught))
    storm = [replace(by_web(n, n / 300), notice=rented(n)) for n in range(40)]
    cases = [*(case for case, _ in taught), *storm]

    findings = judge_all(cases, sent, NOBODY_TOLD, Policy(), spf=record("185.12.81.90", "192.0.2.10"))

    assert {f.verdict for f in findings[4:]} == {Verdict.UNSURE}
    assert any("192.0.2.10 fails it, too" in r.says for r in findings[4].reasons)


def test_a_host_that_the_record_names_is_not_foreign_and_no_proof():
    finding = found([by_bot(n) for n in range(40)], spf=record("45.7.7.9", result=SpfResult.PASS))[7]

    assert finding.verdict is Verdict.UNSURE
    assert "spf.named" in rules_of(finding)


def test_a_campaign_by_one_unknown_host_is_one_question():
    cases = [by_web(n, 3 * n) for n in range(12)]
    asked = sender_questions(JudgedNotice(c.notice, f, c.arrived) for c, f in zip(cases, found(cases), strict=True))

    assert [q.in_words() for q in asked] == [
        "12 undelivered messages in your name came from web17.hostfarm.example [185.12.81.90] since 2026-08-12. "
        "A service of yours?"
    ]
    assert (asked[0].network, asked[0].examples[0]) == ("185.12.81.0/24", "Your order 11")


def test_a_person_is_asked_a_handful_the_largest_and_the_others_can_wait():
    sizes = (2, 3, 9, 4, 2, 50, 5, 3)
    met = [
        Met(UnknownSender(f"198.51.{n}.0/24", f"198.51.{n}.7"), ARRIVED, f"Your order {k}")
        for n, size in enumerate(sizes)
        for k in range(size)
    ]

    every = questions_about(met)

    assert sorted(q.count for q in every) == sorted(sizes)
    assert [q.count for q in foremost(every)] == [50, 9, 5, 4, 3]
    assert foremost(questions_about(met[:2])) == ()


@pytest.mark.parametrize("said", [Verdict.GENUINE, Verdict.BACKSCATTER])
def test_the_answer_decides_for_the_network(said):
    cases = [by_web(n, 3 * n) for n in range(12)]

    findings = found(cases, labels={label_of_sender("185.12.81.0/24"): said})

    assert {f.verdict for f in findings} == {said}
    assert all("label.sender" in rules_of(f) and f.sender is None for f in findings)


@examples(25)
@given(order=st.permutations(range(16)))
def test_the_order_of_notices_changes_nothing(order):
    cases = [*(by_web(n, 3 * n) for n in range(6)), *(by_bot(n) for n in range(10))]
    findings = found([cases[n] for n in order])

    assert [f.verdict for _, f in sorted(zip(order, findings, strict=True), key=lambda p: p[0])] == [
        f.verdict for f in found(cases)
    ]


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("52.103.171.12", "outlook.com"),
        ("2a01:111:f403:c10c::3", "outlook.com"),
        ("2a00:1450:4864:20::52a", "google.com"),
        ("148.163.156.12", "pphosted.com"),
        ("185.12.81.90", ""),
    ],
)
def test_a_providers_hosts_are_known_by_a_superset_of_what_it_publishes(address, provider):
    assert shared_provider(None, ip_address(address)) == provider


def test_strangers_who_send_through_the_owners_provider_are_not_believed():
    placed = a_placed_mailbox("hoster", 3)

    pairs = zip(placed.specimens, judged(placed, "hosts told"), strict=False)
    assert {f.verdict for s, f in pairs if s.what == "by the owner's provider"} <= {Verdict.UNSURE}
