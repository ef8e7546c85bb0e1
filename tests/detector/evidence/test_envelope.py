"""Tags in the envelope sender, and the envelope id."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.sent import wanted_by
from cleanup.detector.tags import Tag, check_batv, check_own, check_srs, tag_batv
from cleanup.model import Finding, Notice, Verdict
from tests.detector.judging import (
    ANNA,
    ARRIVED,
    OUT1,
    a_copy_of,
    a_notice,
    a_returned,
    a_sent_index,
    a_sent_message,
    judged,
    rules_of,
)

TODAY = (ARRIVED - datetime(1970, 1, 1, tzinfo=UTC)).days
WITH_KEY = replace(ANNA, batv_keys=(b"secret",))
BOB = a_sent_message(1, date=ARRIVED - timedelta(hours=1), recipients=("bob@far.test",))
REPORT = b"""Received: from mx.far.test (mx.far.test [198.18.0.9]) by mx.example.org (Postfix) with ESMTP id 1; Mon
Return-Path: <>
From: MAILER-DAEMON@mx.far.test
To: anna@example.org
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.test
Original-Envelope-Id: %s

Final-Recipient: rfc822; %s
Action: failed
Status: 5.1.1
--b--
"""


def bare_report(envelope_id: str, recipient: str) -> Notice:
    notice = read_notice(REPORT % (envelope_id.encode(), recipient.encode()))
    assert notice is not None
    return notice


@pytest.mark.parametrize("written", ["{}", "<{}>", "+3C{}+3E"])
def test_an_envelope_id_that_is_a_sent_id_proves_where_the_recipient_agrees(written):
    finding = judged(bare_report(written.format(BOB.message_id), "bob@far.test"), a_sent_index(BOB))

    assert finding.verdict is Verdict.GENUINE
    assert "envid.match" in rules_of(finding)


def test_a_stolen_envelope_id_proves_nothing():
    stolen = a_notice(a_returned(), envelope_id=BOB.message_id)

    finding = judged(stolen, a_sent_index(BOB))

    assert not {"envid.match", "envid.only"} & rules_of(finding)
    assert finding.verdict is Verdict.BACKSCATTER


def test_an_envelope_id_spares_where_the_recipient_is_another():
    finding = judged(bare_report(BOB.message_id or "", "robert@inner.far.test"), a_sent_index(BOB))

    assert finding.row == "hint-of-the-contrary"
    assert "envid.only" in rules_of(finding)


def test_a_database_is_asked_for_the_envelope_id():
    assert "m1@example.org" in wanted_by([bare_report("+3Cm1@Example.ORG+3E", "bob@far.test")]).ids


def tagged(day: int) -> Finding:
    to = tag_batv("anna@example.org", b"secret", day=day)
    return judged(a_notice(a_returned(), addressed_to=(to,)), identity=WITH_KEY)


@pytest.mark.parametrize("days", [-3, 0, 7, 30])
def test_a_tag_proves_around_the_day_in_it(days):
    assert tagged(TODAY + days).verdict is Verdict.GENUINE


@pytest.mark.parametrize("days", [-200, -20, 60, 400])
def test_a_tag_that_has_run_out_only_spares(days):
    finding = tagged(TODAY + days)

    assert finding.row == "hint-of-the-contrary"
    assert "tag.stale" in rules_of(finding)


def test_a_day_counts_modulo_a_thousand():
    new_year = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=20_998)
    tag = tag_batv("anna@example.org", b"k", day=21_005)

    assert check_batv(tag, [b"k"], new_year) is Tag.VALID
    assert check_batv(tag, [b"k"], new_year + timedelta(days=60)) is Tag.STALE


def srs(day: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    stamp = letters[day // 32 % 32] + letters[day % 32]
    mac = base64.b64encode(hmac.new(b"k", f"{stamp}far.testbob".lower().encode(), "sha1").digest()).decode()[:4]
    return f"SRS0={mac}={stamp}=far.test=bob@example.org"


def test_a_forwarders_tag_lasts_some_weeks():
    assert check_srs(srs(TODAY - 3), [b"k"], ARRIVED) is Tag.VALID
    assert check_srs(srs(TODAY - 90), [b"k"], ARRIVED) is Tag.STALE
    assert check_srs("SRS0=abcd=!!=far.test=bob@example.org", [b"k"], ARRIVED) is Tag.WRONG


def test_an_address_made_for_the_recipient_spares():
    to = "anna+victim=far.test@example.org"

    assert "tag.verp" in rules_of(judged(a_notice(a_returned(), addressed_to=(to,))))
    assert "tag.verp" not in rules_of(judged(a_notice(a_returned(), to=("eve@x.test",), addressed_to=(to,))))


def test_a_true_bounce_with_all_of_it_is_genuine():
    to = tag_batv("anna@example.org", b"secret", day=TODAY + 7)
    bounce = a_notice(a_copy_of(BOB), to=("bob@far.test",), addressed_to=(to,), envelope_id=BOB.message_id)

    assert {"tag.valid", "envid.match", "sent.message_id"} <= rules_of(
        judged(bounce, a_sent_index(BOB), identity=WITH_KEY)
    )


WITH_OWN_KEY = replace(ANNA, hmac_keys=(b"secret",))


def digested(body: str, kind: str = "sha1", length: int = 40) -> str:
    return f"{body}.{hmac.new(b'secret', body.encode(), kind).hexdigest()[:length]}@example.org"


@pytest.mark.parametrize(("kind", "length"), [("sha1", 40), ("sha1", 16), ("sha256", 64), ("sha256", 20)])
def test_a_digest_of_the_owners_server_is_known_by_its_key(kind, length):
    tagged = digested("E1tVq5-0000000Abc-2D", kind, length)

    assert check_own(tagged, [b"other", b"secret"]) is Tag.VALID
    assert check_own(tagged, [b"other"]) is Tag.NONE
    assert check_own(tagged.replace("Abc", "Abd"), [b"secret"]) is Tag.NONE


def test_fifteen_digits_are_no_digest():
    assert check_own(digested("E1tVq5", length=15), [b"secret"]) is Tag.NONE


def test_an_id_with_the_owners_digest_proves_mail_that_sent_lacks():
    by_phone = a_notice(a_returned(message_id=digested("by.phone"), received=()))

    assert "tag.own" in rules_of(judged(by_phone, identity=WITH_OWN_KEY))
    assert judged(by_phone, identity=WITH_OWN_KEY).verdict is Verdict.GENUINE
    assert judged(by_phone).verdict is Verdict.UNSURE


def test_an_envelope_sender_with_the_owners_digest_proves_it_too():
    bare = a_notice(addressed_to=(digested("anna").replace(".", "+", 1),))

    assert judged(bare, identity=WITH_OWN_KEY).verdict is Verdict.GENUINE


def test_a_digest_that_a_strangers_host_brought_only_spares():
    copied = a_notice(a_returned(message_id=digested("old.letter")))

    finding = judged(copied, identity=WITH_OWN_KEY)

    assert "tag.own_copied" in rules_of(finding)
    assert finding.verdict is Verdict.UNSURE
    assert "tag.own_copied" not in rules_of(judged(copied))


def test_a_digest_that_came_by_the_own_host_proves():
    sent_from_home = a_notice(a_returned(message_id=digested("by.phone"), received=(OUT1,)))

    assert "tag.own" in rules_of(judged(sent_from_home, identity=WITH_OWN_KEY))
