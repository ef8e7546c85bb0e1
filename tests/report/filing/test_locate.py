from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cleanup.ledger import MoveIntent, MoveRecord, MoveState
from cleanup.model import Fingerprint
from cleanup.report.filing.verify import FolderView, locate

NOON = datetime(2026, 10, 19, 12, tzinfo=UTC)
SAME = Fingerprint(1000, NOON, "same")
OTHER = Fingerprint(1000, NOON, "other")


def a_record(uid: int, fingerprint: Fingerprint = SAME, *, uidnext: int = 40) -> MoveRecord:
    intent = MoveIntent("INBOX", 1, uid, "Backscatter", 2, uidnext, fingerprint)
    return MoveRecord(uid, 1, intent, MoveState.INTENDED, None, None, NOON, None)


def inbox(**seen: Fingerprint) -> FolderView:
    return FolderView(1, {int(uid[1:]): fingerprint for uid, fingerprint in seen.items()})


def target(uidvalidity: int = 2, **seen: Fingerprint) -> FolderView:
    return FolderView(uidvalidity, {int(uid[1:]): fingerprint for uid, fingerprint in seen.items()})


@pytest.mark.parametrize(
    ("source", "there", "state"),
    [
        (inbox(_7=SAME), target(), MoveState.KEPT),
        (inbox(), target(_40=SAME), MoveState.MOVED),
        (inbox(_7=SAME), target(_40=SAME), MoveState.UNCLEAR),
        (inbox(), target(), MoveState.TAKEN),
        (inbox(_7=OTHER), target(), MoveState.TAKEN),  # the number was given to another message
        (inbox(), FolderView(), MoveState.TAKEN),  # the target is gone
    ],
)
def test_a_message_is_where_it_is_seen(source: FolderView, there: FolderView, state: MoveState) -> None:
    assert [one.state for one in locate([a_record(7)], source, there)] == [state]


def test_an_equal_message_that_was_there_before_is_not_ours() -> None:
    (outcome,) = locate([a_record(7)], inbox(_7=SAME), target(_39=SAME))

    assert outcome.state is MoveState.KEPT


def test_an_equal_message_that_an_earlier_move_put_there_is_not_ours() -> None:
    (outcome,) = locate([a_record(7)], inbox(_7=SAME), target(_41=SAME), claimed={41})

    assert outcome.state is MoveState.KEPT


def test_of_two_equal_messages_the_one_that_left_is_the_one_that_arrived() -> None:
    first, second = locate([a_record(7), a_record(8)], inbox(_7=SAME), target(_40=SAME))

    assert (first.state, second.state, second.target_uid) == (MoveState.KEPT, MoveState.MOVED, 40)


def test_copyuid_is_believed_where_the_message_looks_right_and_nowhere_else() -> None:
    right, wrong = target(_40=SAME, _41=SAME), target(_40=SAME, _41=OTHER)

    assert locate([a_record(7)], inbox(), right, copyuid={7: 41})[0].target_uid == 41
    assert locate([a_record(7)], inbox(), wrong, copyuid={7: 41})[0].target_uid == 40


def test_a_server_that_sets_a_new_date_has_moved_the_message_all_the_same() -> None:
    later = Fingerprint(1000, NOON.replace(hour=13), "same")

    assert locate([a_record(7)], inbox(), target(_40=later))[0].state is MoveState.MOVED


def test_in_a_renumbered_source_messages_are_known_by_their_looks() -> None:
    (outcome,) = locate([a_record(7)], FolderView(99, {1: SAME}), target(_40=SAME))

    assert outcome.is_in_both


def test_in_a_renumbered_target_old_bounds_mean_nothing() -> None:
    (outcome,) = locate([a_record(7)], inbox(), target(uidvalidity=3, _1=SAME))

    assert (outcome.state, outcome.target_uid) == (MoveState.MOVED, 1)


def test_what_is_copied_on_purpose_is_not_in_one_folder_too_many() -> None:
    record = a_record(7)
    copied = replace(record, intent=replace(record.intent, keeps_source=True))

    assert locate([copied], inbox(_7=SAME), target(_40=SAME))[0].state is MoveState.MOVED


def test_flags_that_the_target_does_not_take_are_seen() -> None:
    record = a_record(7)
    flagged = replace(record, intent=replace(record.intent, flags=("\\Seen", "$Work", "\\Deleted")))
    there = FolderView(2, {40: SAME}, flags={40: ("\\seen",)})

    assert locate([flagged], inbox(), there)[0].lost_flags == ("$Work",)
