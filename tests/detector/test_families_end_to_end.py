"""One raw message for each family of evidence, read and judged, that is decided otherwise with the family switched off.

A family that is wired to nothing, or reads a form that no real mail has, fails here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Family, Finding, Identity, Policy, Verdict
from tests.detector.evidence.test_authentication import NAME, public_record, signed
from tests.detector.judging import ANNA, ARRIVED, NOW, a_sent_index, a_sent_message

BOUNCE = """Return-Path: <>
Delivered-To: {to}
Received: from mx.far.test (mx.far.test [198.18.0.9])
\tby {taken_by} (Postfix) with ESMTPS id 4XbQ2k for <{to}>; {arrived}
Message-ID: <{number}.77@mx.far.test>
Date: {arrived}
From: MAILER-DAEMON@mx.far.test (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
{marks}MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="4XbQ2k/mx.far.test"

--4XbQ2k/mx.far.test
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.far.test.

<{failed}>: host store.far.test[10.1.2.3] said: 550 5.1.1 User unknown

--4XbQ2k/mx.far.test
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.test
Arrival-Date: {arrived}

Final-Recipient: rfc822; {failed}
Action: failed
Status: 5.1.1

--4XbQ2k/mx.far.test
Content-Type: text/rfc822-headers

{returned}
--4XbQ2k/mx.far.test--
"""
STRANGE_WAY = (
    "Received: from pc (dsl7.isp.test [203.0.113.9])\n\tby mx.far.test (Postfix) with ESMTP id 4F1; {written}\n"
)
SPAM = STRANGE_WAY + (
    "Message-ID: <{number}.spam@isp.test>\nDate: {written}\nFrom: {name} <{to}>\nTo: {failed}\nSubject: {subject}\n"
)
SENT = a_sent_message(1, date=ARRIVED - timedelta(hours=1), recipients=("bob@far.test",))


def a_bounce(returned: str = SPAM, *, number: int = 1, arrived: datetime = ARRIVED, **how: str) -> Case:
    """A Postfix bounce as it lies in the Inbox, read."""
    filled = {
        "to": "anna@example.org",
        "failed": "victim@far.test",
        "name": "Security",
        "subject": "Your invoice is overdue today",
        "taken_by": "mx.example.org",
        "marks": "",
        "number": str(number),
        "arrived": format_datetime(arrived),
        "written": format_datetime(arrived - timedelta(minutes=20)),
        **how,
    }
    raw = BOUNCE.format(returned=returned.format(**filled), **filled).replace("\n", "\r\n").encode()
    notice = read_notice(raw)
    assert notice is not None
    return Case(notice, arrived, str(number))


def last(
    cases: Sequence[Case],
    off: Family | None = None,
    *,
    sent: MemorySentIndex | None = None,
    identity: Identity = ANNA,
    labels: Mapping[str, Verdict] | None = None,
    keys: Mapping[str, str] | None = None,
) -> Finding:
    """The finding on the last of the cases, with a family switched off."""
    policy = Policy(switched_off=frozenset({off} if off else ()))
    return judge_all(cases, sent or a_sent_index(), identity, policy, labels=labels, dns_answers=keys)[-1]


def test_without_the_ledger_a_bounce_of_sent_mail_is_not_recognised():
    copy = (
        f"Message-ID: <{SENT.message_id}>\nDate: {{written}}\nFrom: {{to}}\nTo: {{failed}}\nSubject: {SENT.subject}\n"
    )
    cases, sent = [a_bounce(copy, failed="bob@far.test")], a_sent_index(SENT)

    assert last(cases, sent=sent).verdict is Verdict.GENUINE
    assert last(cases, Family.SENT, sent=sent).verdict is Verdict.UNSURE


def test_without_the_ledger_a_forgery_is_not_disproved():
    assert last([a_bounce()]).verdict is Verdict.BACKSCATTER
    assert last([a_bounce()], Family.SENT).verdict is Verdict.UNSURE


def test_without_transport_a_forgery_is_not_disproved():
    assert last([a_bounce()], Family.TRANSPORT).verdict is Verdict.UNSURE


def test_without_transport_mail_by_the_own_host_that_sent_lacks_is_not_recognised():
    way = (
        "Received: from out1.example.org (out1.example.org [192.0.2.10])\n\tby mx.far.test (Postfix) with ESMTP id 5;\n"
    )
    cases = [a_bounce(SPAM.replace(STRANGE_WAY, way))]

    assert last(cases).verdict is Verdict.GENUINE
    assert last(cases, Family.TRANSPORT).verdict is Verdict.UNSURE


def test_without_identity_an_address_that_was_never_used_is_not_disproved():
    identity = Identity(ANNA.addresses | {"office@example.org"}, ANNA.outbound_hosts)
    cases, young = [a_bounce(to="office@example.org")], a_sent_index(complete_since=NOW)

    assert last(cases, identity=identity, sent=young).row == "address-never-used"
    assert last(cases, Family.IDENTITY, identity=identity, sent=young).verdict is Verdict.UNSURE


def test_without_authentication_a_signed_message_that_sent_lacks_is_not_recognised():
    signature = signed().decode().replace("\r\n", "\n").rstrip("\n")
    cases, keys = [a_bounce((STRANGE_WAY + "{signed}\n"), signed=signature)], {NAME: public_record()}

    assert last(cases, keys=keys).verdict is Verdict.GENUINE
    assert last(cases, Family.AUTHENTICATION, keys=keys).verdict is Verdict.UNSURE


def test_without_campaigns_a_bare_notice_of_a_storm_leans_nowhere():
    storm = [a_bounce(number=n, subject=f"Your invoice {n} is overdue") for n in range(60)]
    cases = [*storm, a_bounce("Subject: Your invoice 99 is overdue\n", number=99)]

    assert last(cases).leaning is Verdict.BACKSCATTER
    assert last(cases, Family.CAMPAIGN).leaning is None


def test_without_upstream_a_filters_mark_does_not_make_a_notice_lean():
    bare = SPAM.replace(STRANGE_WAY, "")
    mark = {"taken_by": "AM0PR01.mail.protection.outlook.com", "marks": "X-CustomSpam: Backscatter NDR\n"}
    cases = [a_bounce(bare, name="Nobody Anna Knows", failed="bob@far.test", **mark)]
    sent = a_sent_index(a_sent_message(1, date=ARRIVED - timedelta(days=300), recipients=("bob@far.test",)))

    assert last(cases, sent=sent).leaning is Verdict.BACKSCATTER
    assert last(cases, Family.UPSTREAM, sent=sent).leaning is None


def test_without_peoples_words_the_like_of_a_vouched_for_notice_is_accused():
    cases = [a_bounce(number=1, subject="Summer fair 2026"), a_bounce(number=2, subject="Summer fair 2027")]
    labels = {"1": Verdict.GENUINE}

    assert last(cases, labels=labels).row == "hint-of-the-contrary"
    assert last(cases, Family.PEOPLE, labels=labels).verdict is Verdict.BACKSCATTER


def test_without_peoples_words_a_label_does_not_decide():
    labels = {"1": Verdict.GENUINE}

    assert last([a_bounce()], labels=labels).row == "a-person-said-so"
    assert last([a_bounce()], Family.PEOPLE, labels=labels).verdict is Verdict.BACKSCATTER
