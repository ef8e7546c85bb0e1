from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cleanup.ledger import MoveIntent, MoveRecord, MoveState
from cleanup.model import Fingerprint
from cleanup.report.settling import FolderView, Place, locate

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
    ("source", "there", "place"),
    [
        (inbox(_7=SAME), target(), Place.SOURCE),
        (inbox(), target(_40=SAME), Place.TARGET),
        (inbox(_7=SAME), target(_40=SAME), Place.BOTH),
        (inbox(), target(), Place.NEITHER),
        (inbox(_7=OTHER), target(), Place.NEITHER),  # the number was given to another message
        (inbox(), FolderView(), Place.NEITHER),  # the target is gone
    ],
)
def test_a_message_is_where_it_is_seen(source: FolderView, there: FolderView, place: Place) -> None:
    assert [s.place for s in locate([a_record(7)], source, there)] == [place]


def test_an_equal_message_that_was_there_before_is_not_ours() -> None:
    (sighting,) = locate([a_record(7)], inbox(_7=SAME), target(_39=SAME))

    assert sighting.place is Place.SOURCE


def test_an_equal_message_that_an_earlier_move_put_there_is_not_ours() -> None:
    (sighting,) = locate([a_record(7)], inbox(_7=SAME), target(_41=SAME), claimed={41})

    assert sighting.place is Place.SOURCE


def test_of_two_equal_messages_the_one_that_left_is_the_one_that_arrived() -> None:
    first, second = locate([a_record(7), a_record(8)], inbox(_7=SAME), target(_40=SAME))

    assert (first.place, second.place, second.target_uid) == (Place.SOURCE, Place.TARGET, 40)


def test_copyuid_is_believed_where_the_message_looks_right_and_nowhere_else() -> None:
    right, wrong = target(_40=SAME, _41=SAME), target(_40=SAME, _41=OTHER)

    assert locate([a_record(7)], inbox(), right, told={7: 41})[0].target_uid == 41
    assert locate([a_record(7)], inbox(), wrong, told={7: 41})[0].target_uid == 40


def test_a_server_that_sets_a_new_date_has_moved_the_message_all_the_same() -> None:
    later = Fingerprint(1000, NOON.replace(hour=13), "same")

    assert locate([a_record(7)], inbox(), target(_40=later))[0].place is Place.TARGET


def test_in_a_renumbered_source_messages_are_known_by_their_looks() -> None:
    (sighting,) = locate([a_record(7)], FolderView(99, {1: SAME}), target(_40=SAME))

    assert (sighting.place, sighting.renumbered) == (Place.BOTH, True)


def test_in_a_renumbered_target_old_bounds_mean_nothing() -> None:
    (sighting,) = locate([a_record(7)], inbox(), target(uidvalidity=3, _1=SAME))

    assert (sighting.place, sighting.target_uid) == (Place.TARGET, 1)
