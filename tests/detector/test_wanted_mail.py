"""Machine mail that somebody wanted is no bounce and is never accused, whatever message lies in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Kind, Notice, Policy, Verdict
from tests.detector.judging import WRITTEN, a_notice, a_returned, a_sent_index, a_sent_message, judged
from tests.detector.samples import sample_paths, told
from tests.generator.mailbox import of_world
from tests.generator.wanted import wanted_mail
from tests.generator.world import a_world


def test_machine_mail_that_somebody_wanted_is_no_bounce():
    notices = [(mail.what, read_notice(mail.raw)) for mail in wanted_mail(a_world(7))]

    assert [what for what, notice in notices if notice and notice.kind is Kind.NDR] == []


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Your mail", "bob@far.test: 550 5.1.1 no mailbox here by that name"),
        ("Rejected", "The following address was not accepted:\n\nbob@far.test (550 5.7.1 not allowed)"),
        ("Hafa samband", "bob@far.test\n   550 5.1.1 unknown user"),
        ("E-pasts nav piegādāts", "Jūsu vēstule nav piegādāta.\n<bob@far.test>: 550 5.1.1 lietotājs nav atrasts"),
        ("Kiri jäi saatmata", "Teie kirja aadressile bob@far.test ei saanud toimetada (550 5.1.1 tundmatu)."),
        ("", "<bob@far.test>: host mx.far.test said: 552 5.2.2 mailbox full"),
        ("Poczta: zwrot", "Adres bob@far.test nie istnieje.\n550 5.1.1"),
    ],
)
def test_a_bounce_of_few_words_that_gives_nothing_back_is_one_by_the_servers_answer(subject, words):
    raw = (
        f"Return-Path: <>\nFrom: Mail Delivery Subsystem <MAILER-DAEMON@mx.far.test>\nTo: anna@example.org\n"
        f"Subject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{words}\n"
    )

    notice = read_notice(raw.encode())

    assert notice is not None
    assert (notice.kind, [r.address for r in notice.recipients]) == (Kind.NDR, ["bob@far.test"])


def test_machine_mail_that_somebody_wanted_is_never_accused_where_the_hosts_are_told():
    world = a_world(8)
    mailbox = of_world(world, [])
    read = [(mail, read_notice(mail.raw)) for mail in wanted_mail(world)]
    cases = [Case(notice, mail.arrived, mail.what) for mail, notice in read if notice]

    findings = judge_all(cases, mailbox.index(), mailbox.identity, Policy())

    accused = [c.key for c, f in zip(cases, findings, strict=True) if Verdict.BACKSCATTER in (f.verdict, f.leaning)]
    assert accused == []


def test_a_returned_message_that_names_the_owner_nowhere_is_never_accused():
    finding = judged(a_notice(a_returned(from_address="carl@club.test", headers=(("From", "carl@club.test"),))))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "hint-of-the-contrary")
    assert "not_owners_address" in finding.flags


@pytest.mark.parametrize(
    "line",
    [
        ("Return-Path", "<anna@example.org>"),
        ("Sender", "Anna <anna@example.org>"),
        ("Received", "from pc ([203.0.113.9]) by mx.far.test with esmtp (envelope-from <anna@example.org>) id 1; Mon"),
    ],
    ids=lambda line: line[0],
)
def test_a_forger_who_uses_only_the_owners_envelope_is_accused(line):
    notice = a_notice(a_returned(from_address="bank@pay.test", headers=(("From", "bank@pay.test"), line)))

    assert judged(notice).verdict is Verdict.BACKSCATTER


def test_an_abuse_report_is_never_accused():
    assert judged(replace(a_notice(a_returned()), kind=Kind.ARF)).verdict is Verdict.UNSURE


@pytest.mark.parametrize("tag", ["[EXTERNAL] ", "***SPAM*** ", "[EXT] ***SPAM*** "])
def test_what_a_gateway_puts_before_a_subject_changes_nothing(tag):
    for sample in sample_paths():
        raw = sample.read_bytes()
        header, gap, body = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")
        if b"\nSubject: " not in header:
            continue
        tagged = header.replace(b"\nSubject: ", b"\nSubject: " + tag.encode(), 1) + gap + body
        assert told(read_notice(tagged)) == told(read_notice(raw)), sample.stem


@pytest.mark.parametrize("path", ["<admins-bounces@lists.club.test>", "<admins+bncBC7@lists.club.test>", "<>"])
@pytest.mark.parametrize("post", ["List-Post: <mailto:admins@lists.club.test>", "X-BeenThere: admins@lists.club.test"])
@pytest.mark.parametrize("kind", ["multipart/report; report-type=delivery-status", "multipart/mixed"])
def test_a_bounce_that_a_list_passed_on_is_ordinary(path, post, kind):
    raw = PASSED_ON.replace("PATH", path).replace("POST", post).replace("KIND", kind)
    to_the_keeper = raw.replace("To: admins@", "To: admins-owner@")

    assert read_notice(raw.encode()) is None
    assert read_notice(to_the_keeper.encode()) is not None


PASSED_ON = """Return-Path: PATH
To: admins@lists.club.test
Date: Thu, 12 Nov 2026 08:14:55 +0000
Message-ID: <4711@mx.far.test>
Precedence: list
List-Id: <admins.lists.club.test>
POST
From: MAILER-DAEMON@mx.far.test (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: KIND; boundary="b"

--b
Content-Type: text/plain

This is the mail system at host mx.far.test.

<bob@far.test>: host mx.far.test[203.0.113.9] said: 550 5.1.1 User unknown

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.far.test

Final-Recipient: rfc822; bob@far.test
Action: failed
Status: 5.1.1

--b--
"""


SENT = a_sent_message(5, recipients=("sales@far.test",), subject="Offer for the fence", date=WRITTEN)


@pytest.mark.parametrize(
    ("sender", "verdict"),
    [
        ("sales@far.test", Verdict.GENUINE),
        ("bob@far.test", Verdict.GENUINE),  # who answers is a colleague
        ("noreply@desk.far.test", Verdict.GENUINE),
        ("noreply@desk.test", Verdict.UNSURE),  # a helpdesk elsewhere: the id alone is a hint
        ("bob@gmail.com", Verdict.UNSURE),
    ],
)
def test_an_automatic_answer_is_recognised_where_another_address_gives_it(sender, verdict):
    answer = Notice(
        Kind.AUTO_REPLY,
        "auto_reply",
        sender=sender,
        subject="Out of office",
        addressed_to=("anna@example.org",),
        in_reply_to=(SENT.message_id or "",),
    )

    assert judged(answer, a_sent_index(SENT)).verdict is verdict
