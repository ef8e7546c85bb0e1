"""The rows of POLICY, on the smallest notices that reach them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cleanup.detector.policy import POLICY
from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Action, Extent, Family, Identity, Kind, Policy, Recipient, Returned, SentSource, Verdict
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

FORGERY = a_notice(a_returned())
SENT = a_sent_message(
    date=ARRIVED - timedelta(hours=1), recipients=("bob@far.test",), subject="Lunch on Friday at noon"
)
BOUNCE = a_notice(a_copy_of(SENT), to=("bob@far.test",))


def test_a_forgery_is_disproved_by_sent_and_by_its_path():
    finding = judged(FORGERY)

    assert (finding.verdict, finding.row) == (Verdict.BACKSCATTER, "disproved-twice")
    assert {"sent.absent", "origin.foreign"} <= rules_of(finding)


def test_the_bounce_of_a_sent_message_is_genuine_and_names_it():
    finding = judged(BOUNCE, a_sent_index(SENT))

    assert (finding.verdict, finding.row) == (Verdict.GENUINE, "proved-genuine")
    assert finding.nearest_sent == SENT
    assert finding.flags == ()


def test_own_mail_that_sent_lacks_is_genuine_and_flagged_as_a_gap():
    finding = judged(a_notice(a_returned(received=(OUT1,))))

    assert finding.verdict is Verdict.GENUINE
    assert "sent_gap" in finding.flags


def test_a_persons_word_beats_all_evidence():
    case = Case(BOUNCE, ARRIVED, "digest")

    finding = judge_all([case], a_sent_index(SENT), ANNA, Policy(), labels={"digest": Verdict.BACKSCATTER})[0]

    assert (finding.verdict, finding.row) == (Verdict.BACKSCATTER, "a-person-said-so")


def test_what_is_too_hostile_to_read_is_unsure():
    finding = judged(a_notice(a_returned(), too_hostile="1,001 parts"))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "too-hostile-to-read")


def test_a_reused_id_is_unsure_and_flagged():
    stolen = a_returned(message_id=SENT.message_id, date=SENT.date - timedelta(days=1))

    finding = judged(a_notice(stolen), a_sent_index(SENT))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "id-was-stolen")
    assert "id_reused" in finding.flags


def test_an_id_is_not_believed_where_a_recipient_agrees_but_subject_and_date_do_not():
    other = a_returned(message_id=SENT.message_id, to=SENT.recipients, date=SENT.date - timedelta(days=1))

    finding = judged(a_notice(other, to=SENT.recipients), a_sent_index(SENT))

    assert finding.verdict is Verdict.UNSURE


def test_without_any_sent_folder_absence_proves_nothing():
    for sources in ((SentSource("Sent", 3, 0, problem="NO"),), (SentSource("Sent", 500, 200),)):
        finding = judged(FORGERY, a_sent_index(sources=sources))

        assert (finding.verdict, finding.row) == (Verdict.UNSURE, "sent-cannot-vouch"), sources


def test_without_any_sent_mail_named_everything_is_unsure():
    none_named = a_sent_index(others=0, sources=())

    for returned in (a_returned(), a_returned(received=(OUT1,))):
        assert judged(a_notice(returned), none_named).row == "no-sent-given"


def test_an_empty_sent_folder_proves_nothing():
    empty = a_sent_index(others=0, sources=(SentSource("Sent", 0, 0),))

    assert judged(FORGERY, empty).verdict is Verdict.UNSURE


def test_sent_that_does_not_reach_back_to_the_original_proves_nothing():
    for since in (ARRIVED, ARRIVED - timedelta(days=4)):
        assert judged(FORGERY, a_sent_index(complete_since=since)).row == "sent-cannot-vouch"
    assert judged(FORGERY, a_sent_index(complete_since=ARRIVED - timedelta(days=6))).verdict is Verdict.BACKSCATTER


def test_an_old_returned_date_pushes_to_unsure_and_a_young_one_proves_nothing():
    old = a_notice(a_returned(date=ARRIVED - timedelta(days=4000)))

    assert judged(old).row == "sent-cannot-vouch"
    assert judged(FORGERY, a_sent_index(complete_since=ARRIVED - timedelta(days=2))).verdict is Verdict.UNSURE


def test_a_hole_in_sent_that_covers_the_time_proves_nothing():
    gone = [a_sent_message(n) for n in range(1000) if abs(NOW - timedelta(hours=20 * n) - ARRIVED) > timedelta(days=30)]
    with_a_hole = a_sent_index(*gone, others=0)

    assert judged(FORGERY, with_a_hole).row == "sent-cannot-vouch"


def test_foreign_means_nothing_while_own_hosts_are_not_known():
    finding = judged(FORGERY, identity=Identity(addresses=frozenset({"anna@example.org"})))

    assert finding.verdict is Verdict.UNSURE
    assert "origin.foreign" in rules_of(finding)


def test_an_unmeasured_sent_vouches_only_where_own_hosts_are_configured():
    unmeasured = a_sent_index(complete_since=None)

    assert judged(FORGERY, unmeasured).verdict is Verdict.BACKSCATTER
    assert judged(FORGERY, a_sent_index(complete_since=None, others=10)).verdict is Verdict.UNSURE


def test_sent_measured_as_incomplete_proves_nothing():
    half = a_sent_index(complete_since=None, inbox=replies_to_sent(found=60, lost=20))
    whole = a_sent_index(complete_since=None, inbox=replies_to_sent(found=100))

    assert judged(FORGERY, half).row == "sent-cannot-vouch"
    assert judged(FORGERY, whole).verdict is Verdict.BACKSCATTER


def test_a_persons_word_on_sent_is_refuted_by_a_clear_measure():
    assert judged(FORGERY, a_sent_index(inbox=replies_to_sent(found=60, lost=40))).verdict is Verdict.UNSURE


def test_an_address_that_sent_never_used_is_disproved_even_where_sent_has_gaps():
    identity = Identity(frozenset({"anna@example.org", "info@example.org"}), ANNA.outbound_hosts)
    to_info = a_notice(a_returned(from_address="info@example.org"), addressed_to=("info@example.org",))
    gap = a_sent_index(complete_since=ARRIVED)

    assert judged(to_info, gap, identity=identity).row == "address-never-used"
    unread = a_sent_index(sources=(SentSource("Sent", 3, 0, problem="NO"),))
    assert judged(to_info, unread, identity=identity).verdict is Verdict.UNSURE


def test_a_notice_that_shows_nothing_is_unsure():
    finding = judged(a_notice(to=("victim@far.test",)))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "nothing-to-compare")


def test_a_recently_written_recipient_forbids_filing_where_nothing_was_returned():
    finding = judged(a_notice(to=SENT.recipients), a_sent_index(SENT))

    assert finding.row == "hint-of-the-contrary"


def test_an_own_host_deeper_down_forbids_filing_and_a_bare_name_there_does_not():
    with_address = a_returned(received=(STRANGER, OUT1))
    bare = a_returned(received=(STRANGER, "from pc (pc [198.51.100.3]) by out1.example.org with SMTP; Mon"))

    assert judged(a_notice(with_address)).row == "hint-of-the-contrary"
    assert judged(a_notice(bare)).verdict is Verdict.BACKSCATTER


def test_the_most_genuine_original_of_several_decides():
    two = a_notice(a_returned(), a_copy_of(SENT), to=("victim@far.test", "bob@far.test"))

    assert judged(two, a_sent_index(SENT)).verdict is Verdict.GENUINE


def test_outbound_hosts_are_learned_from_proved_notices():
    known = Identity(addresses=frozenset({"anna@example.org"}))
    sent = [a_sent_message(n, recipients=(f"p{n}@corp{n % 4}.test",), date=ARRIVED) for n in range(1, 7)]
    proved = [
        a_notice(
            a_copy_of(m, received=(OUT1.replace("mx.far.test", f"mx.corp{m.uid % 4}.test"),)),
            to=m.recipients,
            reporting_mta=f"mx.corp{m.uid % 4}.test",
        )
        for m in sent
    ]
    cases = [Case(n, ARRIVED, str(i)) for i, n in enumerate([*proved, FORGERY])]

    findings = judge_all(cases, a_sent_index(*sent), known, Policy())

    assert [f.verdict for f in findings] == [Verdict.GENUINE] * 6 + [Verdict.BACKSCATTER]
    assert judge_all(cases[-1:], a_sent_index(*sent), known, Policy())[0].verdict is Verdict.UNSURE


def test_an_id_that_a_relay_gave_later_is_matched_by_recipient_subject_and_date():
    rewritten = a_copy_of(SENT, message_id="0100018f-aaaa@email.amazonses.com")

    assert "sent.recipient_subject_date" in rules_of(
        judged(a_notice(rewritten, to=SENT.recipients), a_sent_index(SENT))
    )


def test_recipient_and_subject_suffice_where_no_date_came_back():
    bare = Returned(Extent.QUOTED, subject=SENT.subject)

    assert judged(a_notice(bare, to=SENT.recipients), a_sent_index(SENT)).verdict is Verdict.GENUINE


def test_a_forwarded_recipient_is_recognised_by_subject_and_date():
    moved = a_notice(a_copy_of(SENT, to=()), to=("bob@new.test",))

    assert judged(moved, a_sent_index(SENT)).verdict is Verdict.GENUINE


def test_an_original_recipient_is_as_good_as_the_final_one():
    notice = a_notice(Returned(Extent.QUOTED, message_id=SENT.message_id))
    notice = a_notice(*notice.returned, recipients=(Recipient("bob@new.test", original="Bob+work@FAR.test"),))

    assert judged(notice, a_sent_index(SENT)).verdict is Verdict.GENUINE


def test_each_family_can_be_switched_off_and_is_needed():
    for family in (Family.SENT, Family.TRANSPORT):
        assert judged(FORGERY, policy=Policy(switched_off=frozenset({family}))).verdict is Verdict.UNSURE


def test_the_policy_ends_with_a_row_that_always_fits():
    assert POLICY[-1].verdict is Verdict.UNSURE
    assert len({row.name for row in POLICY}) == len(POLICY)


def test_a_date_without_a_zone_means_utc():
    notice = a_notice(a_returned(date=ARRIVED.replace(tzinfo=None)))

    assert judged(notice, arrived=ARRIVED.replace(tzinfo=None)).verdict is Verdict.BACKSCATTER


def test_an_ambiguous_id_accuses_nobody():
    assert judged(a_notice(a_returned(ambiguous=("Message-ID",)))).verdict is Verdict.UNSURE


def test_a_forgery_without_id_is_disproved_by_its_whole_header():
    without_id = a_returned(message_id=None)

    assert judged(a_notice(without_id)).verdict is Verdict.BACKSCATTER
    assert judged(a_notice(a_returned(message_id=None, subject=None))).verdict is Verdict.UNSURE
    assert judged(a_notice(a_returned(message_id=None, ambiguous=("Subject",)))).verdict is Verdict.UNSURE


def test_an_automatic_answer_to_a_sent_message_comes_from_its_recipient():
    answer = a_notice(kind=Kind.AUTO_REPLY, to=(), sender="bob@far.test", in_reply_to=(SENT.message_id or "",))

    assert judged(answer, a_sent_index(SENT)).verdict is Verdict.GENUINE
    assert judged(replace(answer, sender="eve@evil.test"), a_sent_index(SENT)).verdict is Verdict.UNSURE


def test_a_delay_notice_follows_the_failure_of_the_same_message():
    bare_delay = a_notice(a_returned(received=()), action=Action.DELAYED)
    cases = [Case(bare_delay, ARRIVED, "delay"), Case(FORGERY, ARRIVED, "failure")]

    findings = judge_all(cases, a_sent_index(), ANNA, Policy())

    assert [f.verdict for f in findings] == [Verdict.BACKSCATTER] * 2
    assert findings[0].row == "follows-the-failed-one"
    assert judged(bare_delay).verdict is Verdict.UNSURE


def test_ids_of_a_phone_that_saves_no_copies_do_not_count_as_absent():
    proved = [a_returned(message_id=f"{n}0000000F@phone.test", received=(OUT1,)) for n in range(3)]
    elsewhere = a_notice(a_returned(message_id="40000000F@phone.test"))
    cases = [Case(a_notice(r), ARRIVED, str(n)) for n, r in enumerate(proved)]

    findings = judge_all([*cases, Case(elsewhere, ARRIVED, "x")], a_sent_index(), ANNA, Policy())

    assert findings[-1].verdict is Verdict.UNSURE
    assert judged(elsewhere).verdict is Verdict.BACKSCATTER


def test_a_notice_that_was_taken_for_its_own_original_accuses_nobody():
    way = ("from mx.far.test (mx.far.test [203.0.113.5]) by mx.example.org (Postfix) with ESMTP id 12; Mon",)
    by_id = a_notice(a_returned(message_id="n1@mx.far.test"), message_id="n1@mx.far.test")
    by_way = a_notice(a_returned(received=way), received=way)

    assert {judged(by_id).verdict, judged(by_way).verdict} == {Verdict.UNSURE}


FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize("when", [FIRST, LAST, FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), ARRIVED])
@pytest.mark.parametrize("written", [FIRST, LAST, FIRST.replace(tzinfo=None)])
def test_dates_at_the_end_of_time_are_no_obstacle(when, written):
    sent = a_sent_message(1, recipients=("victim@far.test",))

    assert judged(a_notice(a_returned(date=written)), a_sent_index(sent), arrived=when).verdict is not Verdict.GENUINE
