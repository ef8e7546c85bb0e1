"""What is offered back from Junk and from the backscatter folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cleanup.detector.rescue import Rescue, worth_rescuing
from cleanup.detector.sent import MemorySentIndex
from cleanup.model import Action, Fingerprint, Judged, Kind, MessageRef, Notice
from tests.detector.judging import (
    ARRIVED,
    OUT1,
    STRANGER,
    a_copy_of,
    a_notice,
    a_returned,
    a_sent_index,
    a_sent_message,
    judged,
)

SENT = [a_sent_message(n, date=ARRIVED - timedelta(hours=n), recipients=(f"bob{n}@far.test",)) for n in (1, 2, 3)]


def in_junk(number: int, notice: Notice, sent: MemorySentIndex | None = None) -> Judged:
    """A notice of the Junk folder, judged; higher numbers came later."""
    place = MessageRef("Junk", 1, number)
    mark = Fingerprint(1_000, ARRIVED + timedelta(minutes=number), f"{number:064}")
    return Judged(place, mark, (), notice, judged(notice, sent or a_sent_index(*SENT)))


def bounce_of(number: int, **changes: object) -> Notice:
    return a_notice(a_copy_of(SENT[number - 1], **changes), to=(f"bob{number}@far.test",))


def uids(rescues: tuple[Rescue, ...]) -> list[int]:
    return [rescue.judged.ref.uid for rescue in rescues]


def test_genuine_bounces_are_offered_newest_first_and_forged_ones_are_not():
    found = [in_junk(1, bounce_of(1)), in_junk(2, a_notice(a_returned())), in_junk(3, bounce_of(2))]

    assert uids(worth_rescuing(found)) == [3, 1]


def test_what_is_unsure_stays_where_it_is():
    assert worth_rescuing([in_junk(1, a_notice())]) == ()


def test_failures_of_sent_mail_come_before_delays_and_before_mail_that_sent_lacks():
    unsent = a_notice(a_returned(received=(OUT1,)))
    late = replace(bounce_of(2), action=Action.DELAYED)
    found = [in_junk(9, unsent), in_junk(8, late), in_junk(1, bounce_of(1))]

    assert uids(worth_rescuing(found)) == [1, 8, 9]
    assert "not in Sent" in worth_rescuing(found)[2].says


def test_a_delay_is_left_out_where_the_failure_is_offered_and_second_copies_are():
    late = replace(bounce_of(1), action=Action.DELAYED)
    found = [in_junk(1, late), in_junk(2, bounce_of(1)), in_junk(3, bounce_of(1))]

    assert uids(worth_rescuing(found)) == [2]


def test_a_copied_message_that_came_by_a_strangers_host_is_not_offered():
    copied = bounce_of(1, received=(STRANGER,))

    assert in_junk(1, copied).finding.row == "proved-genuine"
    assert worth_rescuing([in_junk(1, copied)]) == ()


def test_bounces_of_an_own_forwarding_rule_are_not_offered():
    passed_on = a_notice(a_returned(from_address="carl@pals.test", received=(OUT1,)))

    assert worth_rescuing([in_junk(1, passed_on)]) == ()


def test_an_answer_of_a_machine_to_sent_mail_is_offered_last():
    answer = replace(bounce_of(3), kind=Kind.AUTO_REPLY, action=None)

    assert uids(worth_rescuing([in_junk(9, answer), in_junk(1, bounce_of(1))])) == [1, 9]
