"""Rows of the policy, and who may follow whom, seen where one word less would decide otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cleanup.detector.verdict import Case, judge_all
from cleanup.model import Action, Finding, Identity, Notice, Policy, Returned, Verdict
from tests.detector.judging import (
    ANNA,
    ARRIVED,
    OUT1,
    STRANGER,
    a_copy_of,
    a_notice,
    a_returned,
    a_sent_index,
    a_sent_message,
    judged,
    rules_of,
)
from tests.detector.test_families_end_to_end import a_bounce, last

SENT = a_sent_message(1, date=ARRIVED - timedelta(hours=1), recipients=("bob@far.test",))


def handed_over_by(host: str) -> tuple[str, ...]:
    return (f"from {host} ({host} [198.18.0.9]) by mx.example.org (Postfix) with ESMTPS id 4X; Mon",)


def both(delay: Notice, failure: Notice, **how: object) -> Finding:
    """The finding on a delay notice that came three days before a failure."""
    cases = [Case(delay, ARRIVED - timedelta(days=3), "delay"), Case(failure, ARRIVED, "failure")]
    findings = judge_all(cases, a_sent_index(**how), ANNA, Policy())
    assert findings[1].verdict is Verdict.BACKSCATTER
    return findings[0]


def a_delay(returned: Returned, **changes: object) -> Notice:
    return a_notice(returned, action=Action.DELAYED, **changes)


OF_THIS_WEEK = a_returned(date=ARRIVED - timedelta(days=4))
WAYLESS = replace(OF_THIS_WEEK, received=())


def test_a_message_that_a_stranger_sent_again_is_flagged_as_stolen():
    replayed = a_notice(a_copy_of(SENT, received=(STRANGER,)))

    finding = judged(replayed, a_sent_index(SENT))

    assert "sent.id_replayed" in rules_of(finding)
    assert (finding.row, finding.flags[0]) == ("id-was-stolen", "id_reused")


def test_an_address_that_was_never_used_is_disproved_by_failed_authentication_alone():
    failed = ("Authentication-Results", "mx.far.test; spf=fail smtp.mailfrom=info@example.org")
    forged = a_returned(from_address="info@example.org", headers=(failed, ("Received", STRANGER)))
    hosts_unknown = Identity(frozenset({"anna@example.org", "info@example.org"}))

    finding = judged(a_notice(forged), a_sent_index(complete_since=ARRIVED), identity=hosts_unknown)

    assert (finding.verdict, finding.row) == (Verdict.BACKSCATTER, "address-never-used")


def test_in_a_storm_a_bare_notice_about_somebody_written_to_leans_nowhere():
    storm = [a_bounce(number=n, subject=f"Your invoice {n} is overdue") for n in range(60)]
    bare = a_bounce("Subject: Your invoice 99 is overdue\n", number=99, failed="bob@far.test")
    known = a_sent_index(a_sent_message(1, date=ARRIVED - timedelta(days=300), recipients=("bob@far.test",)))

    assert last([*storm, bare]).leaning is Verdict.BACKSCATTER
    assert last([*storm, bare], sent=known).leaning is None


def test_a_delay_notice_follows_a_disproved_failure_that_the_same_organisation_handed_over():
    by_one = handed_over_by("mx.far.test")
    delay, failure = a_delay(WAYLESS, received=by_one), a_notice(OF_THIS_WEEK, received=by_one)

    assert both(delay, failure).row == "follows-the-failed-one"


def test_a_delay_notice_follows_no_failure_that_somebody_else_handed_over():
    delay = a_delay(WAYLESS, received=handed_over_by("mx.far.test"))
    failure = a_notice(OF_THIS_WEEK, received=handed_over_by("mx.evil.test"))

    assert both(delay, failure).verdict is Verdict.UNSURE


def test_a_delay_notice_with_a_hint_of_the_contrary_follows_nothing():
    delay = a_delay(replace(OF_THIS_WEEK, received=(STRANGER, OUT1)))

    finding = both(delay, a_notice(OF_THIS_WEEK))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "hint-of-the-contrary")


def test_a_delay_notice_for_whose_time_sent_cannot_vouch_follows_nothing():
    finding = both(a_delay(WAYLESS), a_notice(OF_THIS_WEEK), complete_since=ARRIVED - timedelta(days=6))

    assert (finding.verdict, finding.row) == (Verdict.UNSURE, "sent-cannot-vouch")


FROM_INFO = a_notice(a_returned(from_address="info@example.org"), addressed_to=("info@example.org",))
WITH_INFO = Identity(frozenset({"anna@example.org", "info@example.org"}), ANNA.outbound_hosts)


def test_an_alias_that_leads_to_the_owner_counts_as_used():
    alias = replace(WITH_INFO, aliases=(("info@example.org", "anna@example.org"),))
    gap = a_sent_index(complete_since=ARRIVED)

    assert judged(FROM_INFO, gap, identity=WITH_INFO).row == "address-never-used"
    assert judged(FROM_INFO, gap, identity=alias).row == "sent-cannot-vouch"


def test_fewer_than_a_hundred_sent_messages_make_no_address_never_used():
    few = a_sent_index(others=99, complete_since=ARRIVED)

    assert judged(FROM_INFO, few, identity=WITH_INFO).row == "sent-cannot-vouch"


def test_a_tag_is_not_missed_on_mail_from_before_tags():
    since = replace(ANNA, tagged_since=ARRIVED - timedelta(days=4))

    assert "tag.missing" not in rules_of(judged(a_notice(a_returned()), identity=since))
    assert "tag.missing" in rules_of(
        judged(a_notice(a_returned()), identity=replace(since, tagged_since=ARRIVED - timedelta(days=6)))
    )


def test_what_sent_holds_is_not_called_absent_as_well():
    found = judged(a_notice(a_copy_of(SENT), to=SENT.recipients), a_sent_index(SENT))

    assert not rules_of(found) & {"sent.absent", "sent.absent_by_content"}


def test_letters_of_a_friend_in_sent_do_not_make_the_friend_the_owner():
    letters = [a_sent_message(n, from_address="bob@far.test", recipients=("anna@example.org",)) for n in (1, 2, 3)]
    from_bob = a_notice(a_returned(from_address="bob@far.test"))

    assert "not_owners_address" in judged(from_bob, a_sent_index(*letters)).flags
    assert "not_owners_address" not in judged(from_bob, a_sent_index(*letters, others=100)).flags


def test_an_own_host_behind_a_mere_helo_only_spares():
    said_inside = "from mx1.far.test (unknown [203.0.113.9]) by mx.far.test (Postfix) with ESMTP id 4F1; Mon"
    looked_up = said_inside.replace("unknown", "mx1.far.test")
    below = OUT1.replace("by mx.far.test", "by mx1.far.test")

    behind_a_helo = judged(a_notice(a_returned(received=(said_inside, below))))

    assert "origin.own_unproved" in rules_of(behind_a_helo)
    assert behind_a_helo.verdict is Verdict.UNSURE
    assert judged(a_notice(a_returned(received=(looked_up, below)))).verdict is Verdict.GENUINE
