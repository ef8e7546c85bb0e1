"""Am I hacked or spoofed? Scripted mailboxes with the answer that a good postmaster would give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from cleanup.detector.account_state import AccountState, Answer, JudgedNotice, account_state
from cleanup.detector.sender_questions import label_of_sender
from cleanup.detector.sent import MemorySentIndex
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import LABELLED, Finding, Identity, Kind, Notice, Policy, Recipient, Returned, SentSource, Verdict
from tests.detector.judging import ANNA, ARRIVED, OUT1, a_copy_of, a_notice, a_returned, a_sent_index, a_sent_message

BOB = ("bob@far.test",)
LUNCH = a_sent_message(1, date=ARRIVED - timedelta(hours=1), recipients=BOB, subject="Lunch on Friday at noon")
MAILING = [
    a_sent_message(
        n, date=ARRIVED - timedelta(hours=2), recipients=(f"reader{n}@far.test",), subject="Newsletter no. 7"
    )
    for n in range(1, 81)
]


def forged(count: int) -> list[Notice]:
    return [a_notice(a_returned(message_id=f"{n}@zombie.test")) for n in range(count)]


def by_own_server(count: int, **changes: object) -> list[Notice]:
    """Mail that left by Anna's server, to people she never wrote to, and that Sent lacks."""
    return [a_notice(a_returned(message_id=f"{n}@bot.test", received=(OUT1,)), **changes) for n in range(count)]  # type: ignore[arg-type]


def genuine(count: int = 1) -> list[Notice]:
    return [a_notice(a_copy_of(LUNCH), to=BOB) for _ in range(count)]


def mailing() -> list[Notice]:
    return [a_notice(a_copy_of(message), to=message.recipients) for message in MAILING]


def bare(count: int) -> list[Notice]:
    return [a_notice() for _ in range(count)]


def replayed(count: int) -> list[Notice]:
    stranger = a_returned().received
    return [a_notice(a_copy_of(LUNCH, received=stranger), to=(f"v{n}@far.test",)) for n in range(count)]


def loop() -> list[Notice]:
    carls = Returned(a_returned().extent, "c@carl.test", from_address="carl@carl.test", received=(OUT1,))
    return [a_notice(carls, recipients=(Recipient("dead@far.test"),))]


def told(
    *notices: Notice,
    sent: MemorySentIndex | None = None,
    identity: Identity = ANNA,
    apart: timedelta = timedelta(seconds=30),
    labels: Mapping[str, Verdict] | None = None,
) -> AccountState:
    cases = [Case(notice, ARRIVED + n * apart, str(n)) for n, notice in enumerate(notices)]
    findings = judge_all(cases, sent or a_sent_index(LUNCH, *MAILING), identity, Policy(), labels=labels)
    return account_state([JudgedNotice(c.notice, f, c.arrived) for c, f in zip(cases, findings, strict=True)])


UNKNOWN_HOSTS = Identity(ANNA.addresses)


@pytest.mark.parametrize(
    ("notices", "answer"),
    [
        ([], Answer.QUIET),
        (genuine(), Answer.QUIET),
        (genuine(5), Answer.QUIET),
        (forged(1), Answer.SPOOFED),
        (forged(300), Answer.SPOOFED),
        ([*forged(300), *genuine(7)], Answer.SPOOFED),
        ([*forged(50), *bare(10)], Answer.SPOOFED),
        ([*forged(100), *by_own_server(2)], Answer.SPOOFED),
        ([*forged(300), *mailing()], Answer.SPOOFED),
        (by_own_server(30), Answer.COMPROMISED),
        ([*by_own_server(30), *forged(300)], Answer.COMPROMISED),
        ([*by_own_server(30), *genuine(3), *bare(3)], Answer.COMPROMISED),
        ([*by_own_server(30), *loop()], Answer.COMPROMISED),
        (by_own_server(1), Answer.GAP),
        (by_own_server(5), Answer.GAP),
        ([*by_own_server(20, to=BOB)], Answer.GAP),
        (by_own_server(40, kind=Kind.AUTO_REPLY), Answer.GAP),
        (mailing(), Answer.OWN_MAILING),
        ([*mailing(), *genuine(2)], Answer.OWN_MAILING),
        (loop(), Answer.LOOP),
        ([*loop(), *forged(5)], Answer.LOOP),
        (replayed(40), Answer.REPLAYED),
        (bare(5), Answer.CANNOT_SAY),
    ],
)
def test_the_answer_of_a_mailbox(notices, answer):
    assert told(*notices).answer is answer


def test_own_mail_spread_over_weeks_is_a_gap_and_no_alarm():
    assert told(*by_own_server(30), apart=timedelta(hours=9)).answer is Answer.GAP


def test_what_a_service_sends_that_a_person_vouched_for_is_no_intruders():
    """Services keep no copies in Sent: a "yes, that is mine" must not end in "change the password"."""
    service = [
        a_notice(
            a_returned(message_id=f"{n}@crm.test", subject=f"Offer {n} for you and your house"), to=(f"v{n}@far.test",)
        )
        for n in range(12)
    ]
    labels = {label_of_sender("203.0.113.0/24"): Verdict.GENUINE}

    assert told(*service, labels=labels).answer is Answer.QUIET
    assert told(*service, *by_own_server(12), labels=labels).answer is Answer.COMPROMISED


def test_without_sent_or_own_hosts_nothing_is_claimed():
    no_sent = a_sent_index(others=0, sources=())

    assert told(*forged(300), sent=no_sent).answer is Answer.CANNOT_SAY
    assert told(*forged(300), identity=UNKNOWN_HOSTS).answer is Answer.CANNOT_SAY
    assert told(*by_own_server(300), identity=UNKNOWN_HOSTS).answer is not Answer.SPOOFED


def test_a_sent_folder_that_could_not_be_read_does_not_hide_an_intruder():
    unread = a_sent_index(sources=(SentSource("Sent", 900, 0, problem="NO"),))

    assert told(*by_own_server(60), sent=unread).answer is Answer.COMPROMISED


def test_the_answer_says_what_to_do_in_plain_words():
    hacked, spoofed = told(*by_own_server(30)), told(*forged(1_200))

    assert "Change the password" in " ".join(hacked.what_to_do)
    assert "30 bounced messages" in hacked.headline
    assert "1,200" in spoofed.headline
    assert "need to do anything" in " ".join(spoofed.what_to_do)


def test_the_order_of_notices_does_not_matter():
    mixed = [*forged(30), *by_own_server(30), *genuine(3)]

    assert told(*mixed).answer is told(*reversed(mixed)).answer is Answer.COMPROMISED


def test_counts_agree_with_their_nouns():
    one, many = told(*forged(1)), told(*forged(1_200))

    assert "shows: 1 bounce answered" in one.headline
    assert "shows: 1,200 bounces answered" in many.headline


def test_what_an_undo_put_back_is_no_open_question():
    """Else the owner is asked to say which servers send for him, of messages that he has decided about."""
    back = [JudgedNotice(a_notice(), Finding(Verdict.UNSURE, LABELLED), None) for _ in range(72)]
    left = [JudgedNotice(a_notice(), Finding(Verdict.UNSURE, "nothing-proved"), None) for _ in range(6)]

    decided, both, forged_too = account_state(back), account_state([*back, *left]), told(*forged(30))

    assert decided.answer is Answer.QUIET
    assert decided.headline == "72 notices stay in the Inbox at your word."
    assert both.headline == "72 notices stay in the Inbox at your word. We can't tell yet: 6 notices are undecided."
    assert "run --again" in decided.what_to_do[-1]
    assert "word" not in forged_too.headline
