"""Whatever strangers write into a notice, judging ends with a verdict, and never with an accusation out of nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.verdict import judge
from cleanup.model import Extent, Kind, Notice, Policy, Recipient, Returned, Verdict
from tests.detector.judging import ANNA, ARRIVED, OUT1, STRANGER, a_sent_index
from tests.examples import examples

SENT = a_sent_index()
ODD = (
    *("", "@", "<>", "a@b", "anna@example.org", "prvs=0123abcdef=anna@example.org", "SRS0=a=b=c=d@e", "x" * 3000),
    *("\0", "é@ü.test", "[1.2.3.4]", "=?x?q?=?=", "from by with", "(((", "::", "mx.far.test", "192.0.2.10"),
)
WORDS = st.sampled_from((*ODD, OUT1, STRANGER)) | st.text(max_size=30)
TEXT = st.none() | WORDS
MANY = st.lists(WORDS, max_size=4).map(tuple)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(["Received", "Authentication-Results", "Return-Path", "X-Mailer", "Received-SPF"]), WORDS
    ),
    max_size=4,
).map(tuple)
RETURNED = st.builds(
    Returned,
    extent=st.sampled_from(Extent),
    message_id=TEXT,
    other_ids=MANY,
    from_address=TEXT,
    from_name=TEXT,
    to=MANY,
    subject=TEXT,
    date=st.none() | st.datetimes(),
    date_text=TEXT,
    thread_index=TEXT,
    received=MANY,
    headers=PAIRS,
    raw=st.none() | st.binary(max_size=80) | st.just(b"DKIM-Signature: v=1; d=example.org; s=s; h=from; b=x\r\n\r\n"),
    ambiguous=MANY,
)
NOTICE = st.builds(
    Notice,
    kind=st.sampled_from([kind for kind in Kind if kind is not Kind.ORDINARY]),
    format=st.just("x"),
    recipients=st.lists(st.builds(Recipient, address=WORDS, original=TEXT), max_size=3).map(tuple),
    returned=st.lists(RETURNED, min_size=1, max_size=2).map(tuple),
    reporting_mta=TEXT,
    sender=TEXT,
    addressed_to=MANY,
    in_reply_to=MANY,
    references=MANY,
    received=MANY,
    marks=PAIRS,
)


@examples(150)
@given(NOTICE)
def test_any_notice_gets_a_verdict(notice):
    answers = {"s._domainkey.example.org": "v=DKIM1; p=AAAA"}

    finding = judge(notice, SENT, ANNA, Policy(), arrived=ARRIVED, dns_answers=answers)

    if finding.verdict is Verdict.BACKSCATTER:
        hard = {r.family for r in finding.reasons if r.points_to is Verdict.BACKSCATTER and r.strength.value == "hard"}
        assert len(hard) >= 2
