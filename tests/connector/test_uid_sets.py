"""UID sets are compact, never too long for a server, and read back with care."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cleanup.connector.commands import LONGEST_SET, MOST_UIDS, read_set, uid_sets, written

UIDS = st.sets(st.integers(1, 2**32 - 1), min_size=1, max_size=300)


@given(UIDS)
def test_a_written_set_reads_back(uids: set[int]) -> None:
    assert read_set(written(sorted(uids)), most=len(uids)) == tuple(sorted(uids))


@given(UIDS, st.integers(20, 200))
def test_every_uid_stands_in_exactly_one_set_and_none_is_too_long(uids: set[int], longest: int) -> None:
    sets = uid_sets(sorted(uids), most=50, longest=longest)

    assert [uid for some in sets for uid in some] == sorted(uids)
    assert all(len(written(some)) <= longest and len(some) <= 50 for some in sets)


def test_twenty_thousand_scattered_uids_fit_every_server() -> None:
    sets = uid_sets(range(1, 4_000_000_000, 200_000))

    assert all(len(written(some)) <= LONGEST_SET for some in sets)
    assert sum(map(len, sets)) == 20_000


def test_consecutive_uids_are_one_range() -> None:
    assert written(uid_sets(range(1, MOST_UIDS + 1))[0]) == b"1:2000"


def test_a_set_that_would_be_huge_is_not_unrolled() -> None:
    assert read_set(b"1:4294967295", most=1000) is None
    assert read_set(b"1,x", most=1000) is None
    assert read_set(b"3:1", most=3) == (1, 2, 3)
