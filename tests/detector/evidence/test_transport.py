"""The trusted hop, on the ways that mail goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanup.detector.received import read_received
from cleanup.model import Finding, Identity, Verdict
from tests.detector.judging import ANNA, OUT1, STRANGER, a_notice, a_returned, judged, rules_of

INSIDE = "from localhost (localhost [127.0.0.1]) by store.far.test (Postfix) with LMTP id 1; Mon"
GATEWAY = "from mx.far.test (mx.far.test [198.18.7.7]) by store.far.test (Postfix) with ESMTPS id 2; Mon"
OUT1_EXIM = "from out1.example.org ([192.0.2.10])\r\n\tby mx.far.test with esmtps (Exim 4.96)\r\n\tid 1abc; Mon"


def said(*received: str, identity: Identity = ANNA, **changes: object) -> Finding:
    return judged(a_notice(a_returned(received=received), **changes), identity=identity)


@pytest.mark.parametrize(
    "line",
    [
        OUT1,
        OUT1_EXIM,
        "from unknown (HELO out1.example.org) (192.0.2.10) by mx.far.test with SMTP; Mon",
        "from out1.example.org ([::ffff:192.0.2.10]) by mx.far.test with ESMTP id 3; Mon",
        "from out1.example.org (192.0.2.10) by mx.far.test (198.18.0.1) with Microsoft SMTP Server id 15.1; Mon",
        "from out1.example.org (out1.example.org. [192.0.2.10]) by mx.far.test with ESMTPS id x; Mon",
    ],
    ids=["Postfix", "Exim", "qmail", "Courier", "Exchange", "Google"],
)
def test_the_own_host_is_seen_in_many_dialects(line):
    assert "origin.own_host" in rules_of(said(line))


def test_a_helo_is_not_the_name_of_a_host():
    liar = "from out1.example.org (unknown [203.0.113.9]) by mx.far.test (Postfix) with ESMTP id 4; Mon"

    assert said(liar).verdict is Verdict.BACKSCATTER


def test_a_helo_with_an_own_name_spares_where_no_address_could_refute_it():
    by_name = replace(ANNA, outbound_hosts=frozenset({"out1.example.org"}))
    claim = "from out1.example.org ([203.0.113.9]) by mx.far.test with ESMTP id 4; Mon"

    assert "origin.own_name_claimed" in rules_of(said(claim, identity=by_name))
    assert said(claim, identity=by_name).verdict is Verdict.UNSURE


def test_a_name_that_the_receiver_looked_up_is_believed():
    by_name = replace(ANNA, outbound_hosts=frozenset({"out1.example.org"}))

    assert said(OUT1, identity=by_name).verdict is Verdict.GENUINE


@pytest.mark.parametrize("host", ["192.0.2.0/24", "192.0.2.10", "example.org", "*.example.org"])
def test_own_hosts_are_named_by_address_network_or_domain(host):
    assert said(OUT1, identity=replace(ANNA, outbound_hosts=frozenset({host}))).verdict is Verdict.GENUINE


def test_ipv6_addresses_are_compared_by_value():
    identity = replace(ANNA, outbound_hosts=frozenset({"2001:db8:0:0::10"}))
    line = "from x (unknown [IPv6:2001:DB8::10]) by mx.far.test (Postfix) with ESMTPS id 5; Mon"

    assert said(line, identity=identity).verdict is Verdict.GENUINE


def test_hand_overs_inside_the_reporting_organisation_are_passed_by():
    assert "origin.foreign" in rules_of(said(INSIDE, GATEWAY, STRANGER))
    assert "origin.own_host" in rules_of(said(INSIDE, GATEWAY, OUT1))


def test_a_line_that_cannot_be_tied_to_the_notice_accuses_nobody():
    finding = said(STRANGER.replace("mx.far.test", "mx.unrelated.test"))

    assert finding.verdict is Verdict.UNSURE
    assert "origin.unknown" in rules_of(finding)


def test_the_host_that_handed_the_notice_over_ties_too():
    handed = (
        "from out.unrelated.test (out.unrelated.test [198.18.5.5]) by mx.example.org (Postfix) with ESMTP id 6; Mon"
    )

    finding = said(STRANGER.replace("mx.far.test", "mx.unrelated.test"), received=(handed,))

    assert "origin.foreign" in rules_of(finding)


def test_an_own_host_in_a_line_that_cannot_be_tied_spares():
    assert "origin.own_unproved" in rules_of(said(OUT1.replace("mx.far.test", "mx.unrelated.test")))


def test_a_whole_notice_invented_by_a_stranger_is_not_believed_about_the_own_host():
    handed = "from bot.isp.test (bot.isp.test [203.0.113.77]) by mx.example.org (Postfix) with ESMTP id 7; Mon"

    finding = said(OUT1, received=(handed,))

    assert finding.verdict is Verdict.UNSURE
    assert "origin.own_unproved" in rules_of(finding)


def test_a_login_at_the_own_server_is_the_owners_and_a_strangers_delivery_is_not():
    login = "from pc (dsl.isp.test [203.0.113.5]) (Authenticated sender: anna) by mx.example.org with ESMTPSA; Mon"
    delivery = "from pc (dsl.isp.test [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 8; Mon"
    here = {"reporting_mta": "mx.example.org", "sender": "MAILER-DAEMON@mx.example.org"}

    assert said(login, **here).verdict is Verdict.GENUINE
    assert said(delivery, **here).verdict is Verdict.BACKSCATTER


def test_forged_mail_that_an_alias_of_the_owners_server_forwards_is_unsure():
    forwarded = (
        OUT1,
        "from mx.example.org (mx.example.org [10.0.0.2]) by out1.example.org (Postfix) with ESMTP id 9; Mon",
        "from dsl.isp.test (dsl.isp.test [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 10; Mon",
    )

    assert said(*forwarded).verdict is Verdict.UNSURE


@pytest.mark.parametrize("line", ["", "garbage", "from", "from (((((", "by by by; ;", "from [999.1.1.1] by x" * 500])
def test_lines_that_cannot_be_read_are_passed_over(line):
    assert said(line).verdict is Verdict.UNSURE


def test_a_strangers_host_name_is_no_login():
    line = (
        "from authenticated.isp.test (authenticated.isp.test [203.0.113.5]) by mx.example.org (Postfix) with ESMTP; Mon"
    )
    courier = line.replace(" by ", " (AUTH: LOGIN anna) by ").replace("(Postfix) ", "")

    assert not read_received(line).authenticated
    assert not read_received(
        line.replace("authenticated.", "auth02.").replace("(Postfix)", "(8.15/8.15)")
    ).authenticated
    assert read_received(courier).authenticated


def test_an_own_name_with_an_unknown_address_is_neither_believed_nor_accused():
    one_more = "from out2.example.org (out2.example.org [192.0.2.77]) by mx.far.test (Postfix) with ESMTP id 11; Mon"
    forged = OUT1.replace("192.0.2.10", "203.0.113.9")

    assert {said(line).verdict for line in (one_more, forged)} == {Verdict.UNSURE}


def test_hand_overs_inside_the_owners_provider_are_not_the_one_that_counts():
    inside = (
        "from AM0.prod.outlook.com (2603:10a6:208::23) by DB7.prod.outlook.com with Microsoft SMTP Server id 15; Mon"
    )
    edge = "from mx.far.test (198.18.7.7) by AM0.mail.protection.outlook.com with Microsoft SMTP Server id 15; Mon"

    assert said(OUT1, received=(inside, edge)).verdict is Verdict.GENUINE


@pytest.mark.parametrize(
    "line",
    [
        "from [192.0.2.10] (unknown [203.0.113.9]) by mx.far.test (Postfix) with ESMTP id 1; Mon",
        "from [203.0.113.9] (helo=[192.0.2.10]) by mx.far.test with esmtp (Exim 4.96) id 1; Mon",
        "from zombie.test ([203.0.113.9] helo=192.0.2.10) by mx.far.test with esmtp (Exim 4.96) id 1; Mon",
        "from unknown (HELO [192.0.2.10]) (203.0.113.9) by mx.far.test with SMTP; Mon",
        "from [192.0.2.10] (203.0.113.9) by mx.far.test (mx.far.test) with Microsoft SMTP Server id 15.1; Mon",
    ],
)
def test_an_address_that_the_sender_says_of_itself_is_not_the_senders(line):
    assert str(read_received(line).address) == "203.0.113.9"
