"""What proved notices teach about the owner's hosts, for how long, and whose word it takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

import pytest

from cleanup.detector.spf import SpfAnswers, SpfResult, SpfWord
from cleanup.detector.verdict import Case, judge_all, judge_knowing
from cleanup.detector.who_sends import failing_records
from cleanup.model import Finding, Identity, Policy, Verdict
from tests.detector.judging import (
    ANNA,
    ARRIVED,
    NOW,
    OUT1,
    a_copy_of,
    a_notice,
    a_returned,
    a_sent_index,
    a_sent_message,
    rules_of,
)


def record(*denied: str) -> SpfAnswers:
    """What the record of the owner's domain says of addresses that it refuses."""
    words = {("example.org", ip_address(a)): SpfWord("example.org", ip_address(a), SpfResult.FAIL) for a in denied}
    return SpfAnswers(NOW, words=words)


UNCONFIGURED = Identity(ANNA.addresses)
OLD_HOST = OUT1.replace("out1.example.org", "mail7.hoster.test").replace("192.0.2.10", "192.0.2.77")


def proved(
    number: int,
    arrived: datetime,
    *,
    way: str = OUT1,
    below: tuple[str, ...] = (),
    from_: str = "",
    corps: int = 4,
    return_path: str | None = None,
) -> tuple[Case, object]:
    """A bounce of a sent message by the server of one of four correspondents, and that message."""
    corp = f"corp{number % corps}.test"
    sent = a_sent_message(number, recipients=(f"p{number}@{corp}",), date=arrived - timedelta(hours=1))
    handed = from_ or f"198.18.{number % 4}.9"
    notice = a_notice(
        a_copy_of(sent, received=(way.replace("mx.far.test", f"mx.{corp}"), *below)),
        to=sent.recipients,
        reporting_mta=f"mx.{corp}",
        return_path=return_path,
        received=(f"from mx.{corp} (mx.{corp} [{handed}]) by mx.example.org (Postfix) with ESMTPS id 4X; Mon",),
    )
    return Case(notice, arrived, f"proved {number}"), sent


def last(taught: Sequence[tuple[Case, object]], case: Case) -> Finding:
    """The finding on a case that arrived among bounces that teach."""
    sent = a_sent_index(*(message for _, message in taught))  # type: ignore[arg-type]
    return judge_all([*(one for one, _ in taught), case], sent, UNCONFIGURED, Policy())[-1]


FORGERY = Case(a_notice(a_returned()), ARRIVED, "forgery")
BY_THE_OLD_HOST = Case(a_notice(a_returned(received=(OLD_HOST,))), ARRIVED, "by the old host")


def test_a_host_of_which_lately_proved_mail_came_is_the_owners():
    taught = [proved(n, ARRIVED - timedelta(days=10 * n), way=OLD_HOST) for n in range(1, 9)]

    assert last(taught, BY_THE_OLD_HOST).verdict is Verdict.UNSURE  # a hoster has other customers
    assert "origin.shared_provider" in rules_of(last(taught, BY_THE_OLD_HOST))
    assert last(taught, FORGERY).verdict is Verdict.BACKSCATTER


def test_a_host_of_three_years_ago_is_neither_the_owners_nor_foreign():
    taught = [proved(n, ARRIVED - timedelta(days=1_000 + n), way=OLD_HOST) for n in range(1, 9)]

    assert last(taught, BY_THE_OLD_HOST).verdict is Verdict.UNSURE


def test_an_owner_who_changed_the_hoster_has_no_mail_accused_by_what_the_old_one_taught():
    taught = [proved(n, ARRIVED - timedelta(days=200 + n), way=OLD_HOST) for n in range(1, 40)]

    assert last(taught, FORGERY).verdict is Verdict.UNSURE


def test_beside_the_old_host_the_new_one_is_the_owners():
    old = [proved(n, ARRIVED - timedelta(days=1_000 + n), way=OLD_HOST) for n in range(1, 9)]
    new = [proved(n, ARRIVED - timedelta(days=n)) for n in range(11, 19)]

    assert last([*old, *new], BY_THE_OLD_HOST).verdict is Verdict.UNSURE
    assert last([*old, *new], FORGERY).verdict is Verdict.BACKSCATTER


@pytest.mark.parametrize(
    ("address", "verdict"),
    [("198.18.7.{n}", Verdict.UNSURE), ("2001:db8:7:{n}::1", Verdict.UNSURE), ("198.18.{n}.1", Verdict.BACKSCATTER)],
)
def test_four_domains_on_one_server_are_one_witness(address, verdict):
    taught = [proved(n, ARRIVED - timedelta(days=n), from_=address.format(n=n % 4 + 1)) for n in range(1, 9)]

    assert last(taught, FORGERY).verdict is verdict


def test_one_organisation_in_four_networks_is_one_witness():
    taught = [proved(n, ARRIVED - timedelta(days=n), from_=f"198.18.{n % 4}.9", corps=1) for n in range(1, 9)]

    assert last(taught, FORGERY).verdict is Verdict.UNSURE


@pytest.mark.parametrize(
    ("return_path", "verdict"),
    [("eve@corp.test", Verdict.UNSURE), ("", Verdict.BACKSCATTER), (None, Verdict.BACKSCATTER)],
)
def test_who_has_a_return_path_is_no_mail_system_and_teaches_nothing(return_path, verdict):
    taught = [proved(n, ARRIVED - timedelta(days=n), return_path=return_path) for n in range(1, 9)]

    assert last(taught, FORGERY).verdict is verdict


def test_a_host_that_proved_mail_came_from_once_is_no_stranger():
    taught = [proved(n, ARRIVED - timedelta(days=n)) for n in range(1, 13)]
    taught.append(proved(13, ARRIVED - timedelta(days=13), way=OLD_HOST))

    assert "origin.own_neighbour" in rules_of(last(taught, BY_THE_OLD_HOST))
    assert last(taught, FORGERY).verdict is Verdict.BACKSCATTER


HELD = Identity(ANNA.addresses, imap_host="imap.hoster.test")
ELSEWHERE = OLD_HOST.replace("hoster.test", "carrier.test")
GATEWAY = "from gw.filter.test (gw.filter.test [198.51.100.60]) by mx.far.test (Postfix) with ESMTPS id 4F2; Mon"
BEHIND = "from out1.example.org (out1.example.org [192.0.2.10]) by gw.filter.test with ESMTPS id 4F3; Mon"


def judged_with(taught: Sequence[tuple[Case, object]], identity: Identity, denied: Sequence[str] = ()) -> Verdict:
    """The verdict on a forgery that is like nothing of the owner's, among bounces that teach."""
    sent = a_sent_index(*(message for _, message in taught))  # type: ignore[arg-type]
    case = Case(a_notice(a_returned()), ARRIVED, "forged")
    spf = record(*denied) if denied else None
    return judge_all([*(one for one, _ in taught), case], sent, identity, Policy(), spf=spf)[-1].verdict


def test_a_provider_is_not_all_there_is_where_proved_mail_left_elsewhere():
    assert judged_with([], HELD) is Verdict.BACKSCATTER
    assert judged_with([proved(1, ARRIVED - timedelta(days=9), way=OLD_HOST)], HELD) is Verdict.BACKSCATTER
    assert judged_with([proved(1, ARRIVED - timedelta(days=9), way=ELSEWHERE)], HELD) is Verdict.UNSURE
    assert judged_with([proved(1, ARRIVED - timedelta(days=200), way=ELSEWHERE)], HELD) is Verdict.BACKSCATTER


def test_told_hosts_are_not_all_there_is_where_proved_mail_left_elsewhere():
    taught = [proved(1, ARRIVED - timedelta(days=9), way=OLD_HOST)]

    assert judged_with([], ANNA) is Verdict.BACKSCATTER
    assert judged_with(taught, ANNA) is Verdict.UNSURE


@pytest.mark.parametrize("identity", [HELD, Identity(ANNA.addresses)], ids=["provider", "record"])
def test_a_gateway_before_one_recipient_refutes_nothing_and_before_two_it_is_rather_the_owners(identity):
    bounces = [proved(n, ARRIVED - timedelta(days=n), way=GATEWAY, below=(BEHIND,)) for n in (1, 2)]
    denied = ("203.0.113.9", "198.51.100.60")

    assert judged_with(bounces[:1], identity, denied) is Verdict.BACKSCATTER
    assert judged_with(bounces, identity, denied) is Verdict.UNSURE


@pytest.mark.parametrize(("bounces", "told"), [(1, ()), (2, (("example.org", "192.0.2.77"),))])
@pytest.mark.parametrize("identity", [ANNA, UNCONFIGURED], ids=["hosts told", "nothing told"])
def test_that_a_record_is_incomplete_is_told_on_two_organisations_word(identity, bounces, told):
    taught = [proved(n, ARRIVED - timedelta(days=n), way=OLD_HOST) for n in range(bounces)]
    sent = a_sent_index(*(message for _, message in taught))

    _, known = judge_knowing([c for c, _ in taught], sent, identity, Policy(), spf=record("192.0.2.77"))

    assert failing_records(known) == told


def test_a_host_that_a_person_told_refutes_a_record_that_lacks_it():
    taught = [proved(n, ARRIVED - timedelta(days=n)) for n in range(2)]
    sent = a_sent_index(*(message for _, message in taught))

    _, known = judge_knowing([c for c, _ in taught], sent, ANNA, Policy(), spf=record("192.0.2.10"))

    assert failing_records(known) == (("example.org", "192.0.2.10"),)
