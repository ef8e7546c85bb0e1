"""What the reader takes for a notice and what not, and what comes out of reports, whole and broken."""

from __future__ import annotations

import binascii

import pytest

from cleanup.detector.notices.reading import read_notice
from cleanup.detector.notices.signs import why_candidate
from cleanup.model import Action, Cause, Extent, Kind, Notice

ORIGINAL = (
    "Received: from out1.example.org (out1.example.org [192.0.2.10]) by mx.far.test; Mon, 14 Sep 2026 09:00:01 +0000\n"
    "Message-ID: <one@example.org>\n"
    "Date: Mon, 14 Sep 2026 11:00:00 +0200\n"
    "From: Anna Berg <anna@EXAMPLE.org>\n"
    "To: Bob <bob@far.test>\n"
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
)
STATUS = (
    "Reporting-MTA: dns; mx.far.test\nOriginal-Envelope-Id: QQ314159\nArrival-Date: Mon, 14 Sep 2026 09:00:01 +0000\n\n"
    "Original-Recipient: rfc822;alias@far.test\nFinal-Recipient: rfc822; Bob@FAR.test\nAction: failed (bounced)\n"
    "Status: 5.1.1 (no such user)\nRemote-MTA: dns; [203.0.113.5]\n"
    "Diagnostic-Code: smtp; 550 5.1.1 <bob@far.test>:\n Recipient address rejected: User unknown\n"
)
HEAD = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.far.test (Mail Delivery System)\nTo: anna@example.org\n"


def a_report(
    *,
    head: str = HEAD,
    status: str = STATUS,
    status_type: str = "message/delivery-status",
    original: str = ORIGINAL + "\nHello Bob, how are you?\n",
    original_type: str = "message/rfc822",
    boundary: str = "=_b",
) -> bytes:
    """A report as a mail system sends it, in three parts."""
    return (
        f"{head}Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\n\n'
        f"--{boundary}\nContent-Type: text/plain\n\nYour message could not be delivered.\n\n"
        f"--{boundary}\nContent-Type: {status_type}\n\n{status}\n"
        f"--{boundary}\nContent-Type: {original_type}\n\n{original}\n--{boundary}--\n"
    ).encode()


def read(raw: bytes) -> Notice:
    notice = read_notice(raw)
    assert notice is not None
    return notice


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_field_of_a_report_is_read(ends):
    notice = read(a_report().replace(b"\n", ends.encode()))

    (recipient,), (returned,) = notice.recipients, notice.returned
    assert (notice.kind, notice.format, notice.action) == (Kind.NDR, "rfc3464", Action.FAILED)
    assert (notice.reporting_mta, notice.envelope_id, notice.status) == ("mx.far.test", "QQ314159", "5.1.1")
    assert notice.arrival_date is not None
    assert notice.return_path == ""
    assert (recipient.address, recipient.original) == ("Bob@far.test", "alias@far.test")
    assert (recipient.status, recipient.reply, recipient.remote_mta) == ("5.1.1", "550", "203.0.113.5")
    assert recipient.cause is Cause.NO_SUCH_USER
    assert recipient.diagnostic is not None
    assert recipient.diagnostic.endswith("rejected: User unknown")
    assert (returned.extent, returned.message_id) == (Extent.FULL, "one@example.org")
    assert (returned.from_address, returned.from_name) == ("anna@example.org", "Anna Berg")
    assert (returned.to, returned.subject) == (("bob@far.test",), "Grüße")
    assert returned.raw is not None
    assert returned.raw.startswith(b"Received: from out1.example.org")
    assert len(returned.received) == 1
    assert returned.body_digest is not None


def test_a_report_with_headers_only_says_so():
    (returned,) = read(a_report(original=ORIGINAL, original_type="text/rfc822-headers")).returned

    assert (returned.extent, returned.message_id) == (Extent.HEADERS, "one@example.org")


@pytest.mark.parametrize(
    "broken",
    [
        a_report(boundary="=_other"),
        a_report(status_type="text/plain"),
        a_report(status_type="application/octet-stream"),
        a_report(status=STATUS.replace("\n\n", "\n")),
        a_report(status=STATUS.replace("\n", "\n\n")),
        a_report(status=STATUS.replace("Action: failed (bounced)\n", "")),
        a_report(status=STATUS.replace("rfc822; ", "")),
        a_report(status=STATUS.replace("Action: failed (bounced)", "Action: error")),
        a_report(status="\n\n" + STATUS),
        a_report().replace(b"--=_b--", b""),
    ],
    ids=[
        "wrong boundary",
        "as text",
        "as octets",
        "one group",
        "gaps everywhere",
        "no action",
        "no type",
        "OpenSMTPD's action",
        "gaps before",
        "never closed",
    ],
)
def test_a_broken_report_is_read(broken):
    notice = read(broken)

    assert (notice.kind, notice.action) == (Kind.NDR, Action.FAILED)
    assert "bob@far.test" in [r.address.lower() for r in notice.recipients]
    assert "one@example.org" in [r.message_id for r in notice.returned]


def test_internationalised_reports_are_decoded():
    status = STATUS.replace("rfc822; Bob@FAR.test", "utf-8; b\\x{F6}b@far.test")

    notice = read(a_report(status=status, status_type="message/global-delivery-status", original_type="message/global"))

    assert notice.recipients[0].address == "böb@far.test"
    assert notice.returned[0].message_id == "one@example.org"


def test_several_recipients_and_originals_are_all_kept():
    more = STATUS + "\nFinal-Recipient: rfc822; carl@far.test\nAction: delayed\nStatus: 4.4.1\n"
    raw = a_report(status=more).replace(
        b"\n--=_b--", f"\n--=_b\nContent-Type: message/rfc822\n\n{ORIGINAL.replace('one@', 'two@')}\n--=_b--".encode()
    )

    notice = read(raw)

    assert [(r.address, r.action) for r in notice.recipients] == [
        ("Bob@far.test", Action.FAILED),
        ("carl@far.test", Action.DELAYED),
    ]
    assert notice.action is Action.FAILED
    assert [one.message_id for one in notice.returned] == ["one@example.org", "two@example.org"]


def test_fields_that_stand_there_twice_are_named_ambiguous():
    twice = ORIGINAL + "From: somebody@else.test\nMessage-ID: <other@else.test>\n"

    assert {"From", "Message-ID"} <= set(read(a_report(original=twice)).returned[0].ambiguous)


@pytest.mark.parametrize(("word", "action"), [(a.value, a) for a in Action])
def test_every_action_is_told_apart(word, action):
    assert read(a_report(status=STATUS.replace("failed (bounced)", word))).action is action


def test_filter_marks_are_kept():
    notice = read(a_report(head=HEAD + "X-CustomSpam: Backscatter NDR\nX-Spam-Flag: YES\n"))

    assert ("X-CustomSpam", "Backscatter NDR") in notice.marks
    assert ("X-Spam-Flag", "YES") in notice.marks


PERSON = "Return-Path: <bob@far.test>\nFrom: Bob <bob@far.test>\nTo: anna@example.org\n"


@pytest.mark.parametrize(
    "raw",
    [
        PERSON
        + "Subject: Re: Undelivered Mail Returned to Sender\n\nDid you get this too?\n> <a@b.test>: 550 unknown\n",
        PERSON + "Subject: Fwd: failure notice\nContent-Type: multipart/mixed; boundary=o\n\n--o\n"
        "Content-Type: message/rfc822\n\n" + a_report().decode() + "\n--o--\n",
        PERSON + "Subject: Lunch?\n\nMy mail could not be delivered to carl@far.test, so I ask you.\n",
        "Return-Path: <news-bounces@shop.test>\nFrom: Shop <news@shop.test>\nList-Id: <news.shop.test>\n"
        "Subject: Your order: delivery failed\n\nThe parcel could not be delivered to anna@example.org.\n",
        "Return-Path: <talk-bounces@list.test>\nList-Id: <talk.list.test>\nList-Post: <mailto:talk@list.test>\n"
        "From: MAILER-DAEMON@far.test\nTo: talk@list.test\nSubject: [talk] failure notice\n\n<bob@far.test>:\nno\n",
    ],
    ids=["a reply", "a forward", "a person's words", "a parcel", "passed on by a list"],
)
def test_a_look_alike_is_ordinary(raw):
    assert read_notice(raw.encode()) is None


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (
            PERSON + "Auto-Submitted: auto-replied\nSubject: Re: Hello\n\nI am out of the office until Monday.\n",
            "auto_reply",
        ),
        ("Return-Path: <>\nFrom: bob@far.test\nSubject: Automatic reply: Hello\n\nI am away.\n", "auto_reply"),
        (
            PERSON
            + "Content-Type: multipart/report; report-type=disposition-notification; boundary=o\nSubject: Read: x\n\n"
            "--o\nContent-Type: message/disposition-notification\n\nDisposition: manual-action; displayed\n\n--o--\n",
            "mdn",
        ),
        (
            PERSON
            + "Content-Type: multipart/report; report-type=feedback-report; boundary=o\nSubject: complaint\n\n--o\n"
            "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--o--\n",
            "arf",
        ),
        (
            "Return-Path: <>\nFrom: bob@far.test\nSubject: Please confirm your message\n\n"
            "Please confirm that you sent this mail; it is held until you reply.\n",
            "challenge",
        ),
        (
            "Return-Path: <>\nFrom: postmaster@far.test\nSubject: Virus found in your message\n\n"
            "Our virus scanner found a virus in your mail.\n",
            "virus_notice",
        ),
    ],
    ids=["auto-replied", "vacation", "receipt", "abuse report", "challenge", "virus notice"],
)
def test_other_notices_are_what_they_are(raw, kind):
    assert read(raw.encode()).kind == kind


def test_a_receipt_says_who_gives_it_and_what_it_is_for():
    raw = (
        "From: Bob <bob@far.test>\nTo: anna@example.org\nSubject: Read: Minutes\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nIt was read.\n"
        "--b\nContent-Type: message/disposition-notification\n\nReporting-UA: x; y\n"
        "Final-Recipient: rfc822; bob@FAR.test\nOriginal-Message-ID: <one@example.org>\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n"
    )

    notice = read(raw.encode())

    assert notice.kind is Kind.MDN
    assert [r.address for r in notice.recipients] == ["bob@far.test"]
    assert notice.returned[0].other_ids == ("one@example.org",)


def test_an_id_that_only_spaces_follow_is_read_at_once():
    """Minutes on any machine, where every division of the spaces is tried."""
    header = "Return-Path: <>\nFrom: MAILER-DAEMON@far.test\nTo: anna@example.org\nSubject: Undelivered mail\n\n"

    notice = read(f"{header}<bob@far.test>: 550 5.1.1 unknown user\nmessage id{' ' * 60_000}".encode())

    assert [r.address for r in notice.recipients] == ["bob@far.test"]


def test_a_bounce_of_an_unknown_system_is_read_by_its_shape():
    raw = (
        "Return-Path: <>\nFrom: Mail Robot <robot@far.test>\nSubject: Sorry\n\n"
        "We regret.\n\nbob@far.test\n    550 5.2.2 mailbox is full\n\n" + ORIGINAL + "\nHello\n"
    )

    notice = read(raw.encode())

    assert [(r.address, r.status, r.cause) for r in notice.recipients] == [
        ("bob@far.test", "5.2.2", Cause.MAILBOX_FULL)
    ]
    assert (notice.returned[0].extent, notice.returned[0].message_id) == (Extent.QUOTED, "one@example.org")


@pytest.mark.parametrize(
    "subject",
    [
        "There was an error sending your mail",
        "Considered UNSOLICITED BULK EMAIL, apparently from you",
        "Message you sent blocked by our bulk email filter",
        "Mail Transaction Failed",
        "Could not send message for past 4 hours",
        "Warning: Delay in message delivery",
        "NOT MEMBER article from anna@example.org",
        "Unzustellbar: Protokoll",
        "Impossible de distribuer votre message",
        "Mancata consegna: Verbale",
        "Zpráva nebyla doručena",
        "Ошибка при доставке",
        "送信エラー通知",
        "邮件投递失败",
        "메일 반송",
    ],
)
def test_the_subject_alone_makes_a_candidate(subject):
    assert why_candidate(f"From: Somebody <somebody@partner.example>\nSubject: {subject}\n".encode())


@pytest.mark.parametrize("subject", ["Lunch on Monday?", "Your order 4711", "Re: Minutes", "会議の件", "Protokoll"])
def test_an_everyday_subject_makes_none(subject):
    assert why_candidate(f"From: Somebody <somebody@partner.example>\nSubject: {subject}\n".encode()) is None


def test_words_that_only_a_second_parser_can_decode_are_read():
    """Our own splitter knows no uuencode; what is encoded in a known way is not read twice."""
    text = b"Could not deliver to\n\n<bob@far.test>: 550 5.1.1 User unknown\n"
    coded = b"".join(binascii.b2a_uu(text[at : at + 45]) for at in range(0, len(text), 45))
    head = b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.far.test\nTo: anna@example.org\nSubject: Undeliverable: Minutes\n"
    declared = b"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\n"

    notice = read_notice(head + declared + b"begin 644 t\n" + coded + b" \nend\n")

    assert notice is not None
    assert [r.address for r in notice.recipients] == ["bob@far.test"]
