"""The worked examples of how it decides: Anna, 12,000 sent messages, one outbound host, completeness measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from cleanup.detector.account_state import Answer, JudgedNotice, account_state
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import (
    Action,
    Extent,
    Finding,
    Identity,
    Kind,
    Notice,
    Policy,
    Recipient,
    Returned,
    SentSource,
    Verdict,
)
from tests.detector.judging import (
    ANNA,
    ARRIVED,
    NOW,
    OUT1,
    STRANGER,
    a_copy_of,
    a_notice,
    a_returned,
    a_sent_index,
    a_sent_message,
    judged,
    replies_to_sent,
    rules_of,
)

FRIEND = ("bob@far.test",)
LUNCH = a_sent_message(1, date=ARRIVED - timedelta(hours=2), recipients=FRIEND, subject="Lunch on Friday at noon")
LAST_WEEK = a_sent_message(2, date=ARRIVED - timedelta(days=3), recipients=("kate@far.test",), subject="Your keys")
FORGERY = a_notice(a_returned())
BARE = a_notice(format="qmail")


@cache
def measured() -> MemorySentIndex:
    """Sent without anyone's word for it: 100 of 100 answered messages are there."""
    return a_sent_index(LUNCH, LAST_WEEK, complete_since=None, inbox=replies_to_sent(found=100))


def by(notice: Notice, **how: object) -> Finding:
    return judged(notice, measured(), **how)  # type: ignore[arg-type]


def test_01_a_dsn_whose_id_is_in_sent():
    finding = by(a_notice(a_copy_of(LUNCH), to=FRIEND))

    assert finding.verdict is Verdict.GENUINE
    assert "sent.message_id" in rules_of(finding)


def test_02_a_forgery_with_a_foreign_path():
    assert by(FORGERY).verdict is Verdict.BACKSCATTER


def test_03_a_text_that_returns_nothing():
    assert by(BARE).verdict is Verdict.UNSURE


def test_04_a_recipient_written_to_last_week_forbids_filing_unless_a_person_vouches_for_sent():
    to_kate = a_notice(a_returned(to=("kate@far.test",)), to=("kate@far.test",))

    assert by(to_kate).row == "hint-of-the-contrary"
    assert judged(to_kate, a_sent_index(LUNCH, LAST_WEEK)).verdict is Verdict.BACKSCATTER


def test_05_an_id_that_the_relay_gave_later():
    rewritten = a_copy_of(LUNCH, message_id="0100018f@email.amazonses.com", received=())

    assert by(a_notice(rewritten, to=FRIEND)).verdict is Verdict.GENUINE


def test_06_a_delegates_message_by_the_own_host():
    finding = by(a_notice(a_returned(received=(OUT1,))))

    assert finding.verdict is Verdict.GENUINE
    assert "sent_gap" in finding.flags


def test_07_a_scanners_message_bounced_at_home():
    scanned = a_returned(received=("from scanner ([10.0.3.7]) by out1.example.org (Postfix) with ESMTP id 7; Mon",))

    assert by(a_notice(scanned, reporting_mta="out1.example.org")).verdict is Verdict.GENUINE


def test_08_self_backscatter():
    spam = "from dsl.isp.test (dsl.isp.test [198.51.100.7]) by mx.example.org (Postfix) with ESMTP id 8; Mon"
    bounced_at_home = a_notice(
        a_returned(to=("nobody@example.org",), received=(spam,)),
        to=("nobody@example.org",),
        reporting_mta="mx.example.org",
        sender="MAILER-DAEMON@mx.example.org",
    )

    finding = by(bounced_at_home)

    assert finding.verdict is Verdict.BACKSCATTER
    assert "self_backscatter" in finding.flags


def test_09_an_id_stolen_from_a_public_list():
    stolen = a_returned(message_id=LUNCH.message_id, date=ARRIVED - timedelta(minutes=5))

    finding = by(a_notice(stolen))

    assert (finding.verdict, finding.flags[0]) == (Verdict.UNSURE, "id_reused")


def test_10_a_recipient_who_forwards_to_a_dead_address():
    assert by(a_notice(a_copy_of(LUNCH, to=()), to=("bob@new.test",))).verdict is Verdict.GENUINE


def test_11_a_catch_all_address_does_not_need_a_readable_past_but_a_readable_sent():
    identity = replace(ANNA, addresses=ANNA.addresses | {"x7k2q@example.org"})
    to_catch_all = a_notice(a_returned(from_address="x7k2q@example.org"), addressed_to=("x7k2q@example.org",))
    unread = a_sent_index(sources=(SentSource("Sent", 900, 0, problem="NO"),))

    assert judged(to_catch_all, a_sent_index(complete_since=NOW), identity=identity).verdict is Verdict.BACKSCATTER
    assert judged(to_catch_all, unread, identity=identity).verdict is Verdict.UNSURE


def test_12_an_original_older_than_sent():
    assert by(a_notice(a_returned(date=ARRIVED - timedelta(days=3300)))).verdict is Verdict.UNSURE


def test_13_a_provider_that_the_owner_shares_with_strangers():
    identity = Identity(ANNA.addresses, ANNA.outbound_hosts, shared_providers=frozenset({"outlook.com"}))
    host = "AM0.outbound.protection.outlook.com"
    line = f"from {host} ({host} [40.107.1.1]) by mx.far.test; Mon"

    finding = by(a_notice(a_returned(received=(line,))), identity=identity)

    assert finding.row == "hint-of-the-contrary"
    assert "origin.shared_provider" in rules_of(finding)


def test_14_many_messages_by_the_own_host_that_sent_lacks_are_an_alarm():
    cases = [
        Case(a_notice(a_returned(message_id=f"{n}@x.test", received=(OUT1,))), ARRIVED + timedelta(seconds=n), str(n))
        for n in range(900)
    ]

    findings = judge_all(cases, measured(), ANNA, Policy())
    told = account_state([JudgedNotice(c.notice, f, c.arrived) for c, f in zip(cases, findings, strict=True)])

    assert {f.verdict for f in findings} == {Verdict.GENUINE}
    assert told.answer is Answer.COMPROMISED


def test_15_a_storm_and_its_members_without_headers():
    disproved = [Case(a_notice(a_returned(message_id=f"{n}@x.test")), ARRIVED, f"d{n}") for n in range(950)]
    bare = [Case(BARE, ARRIVED, f"b{n}") for n in range(50)]

    findings = judge_all([*disproved, *bare], measured(), ANNA, Policy())

    assert {f.verdict for f in findings[:950]} == {Verdict.BACKSCATTER}
    assert {(f.verdict, f.leaning) for f in findings[950:]} == {(Verdict.UNSURE, Verdict.BACKSCATTER)}


@pytest.mark.parametrize("kind", [Kind.AUTO_REPLY, Kind.MDN, Kind.CHALLENGE, Kind.VIRUS_NOTICE])
def test_16_and_18_other_notices_are_judged_the_same(kind):
    only_an_id = a_notice(kind=kind, action=None, in_reply_to=("spam.1@zombie.isp.test",))

    assert by(only_an_id).verdict is Verdict.UNSURE
    assert by(replace(FORGERY, kind=kind)).verdict is Verdict.BACKSCATTER
    assert by(a_notice(kind=kind, in_reply_to=(LUNCH.message_id or "",), to=FRIEND)).verdict is Verdict.GENUINE


def test_17_a_delay_of_a_sent_message_is_genuine():
    assert by(a_notice(a_copy_of(LUNCH), to=FRIEND, action=Action.DELAYED)).verdict is Verdict.GENUINE


def test_20_a_lower_line_with_the_own_hosts_address_forbids_filing():
    finding = by(a_notice(a_returned(received=(STRANGER, OUT1.replace("mx.far.test", "zombie.isp.test")))))

    assert finding.row == "hint-of-the-contrary"


def test_21_nothing_returned_proves_nothing_however_listed():
    assert by(BARE).row == "nothing-to-compare"


def test_22_sent_emptied_yesterday():
    kept = [
        a_sent_message(n) for n in range(1000, 1400) if NOW - timedelta(hours=20 * (n - 1000)) < NOW - timedelta(30)
    ]
    purged = a_sent_index(*kept, others=0, complete_since=None, inbox=replies_to_sent(found=0))

    assert judged(a_notice(a_returned(received=())), purged).verdict is Verdict.UNSURE


def test_23_of_two_originals_the_genuine_one_decides():
    assert by(a_notice(a_returned(), a_copy_of(LUNCH), to=("x@far.test", *FRIEND))).verdict is Verdict.GENUINE


def test_24_a_forwarding_rule_to_a_dead_address_is_named():
    line = OUT1.replace("mx.far.test", "mx.gone.test")
    carls = Returned(Extent.HEADERS, "c1@carl.test", from_address="carl@carl.test", received=(line,))
    notice = a_notice(carls, recipients=(Recipient("dead@gone.test"),), reporting_mta="mx.gone.test")

    finding = by(notice)

    assert finding.verdict is Verdict.GENUINE
    assert "forwarded" in finding.flags
    assert account_state([JudgedNotice(notice, finding, ARRIVED)]).answer is Answer.LOOP
