"""Whatever bytes a server sends: a value, or a CleanupError; nothing else."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from cleanup.connector.commands import read_set
from cleanup.connector.fetch import read_fetches
from cleanup.connector.folders import read_list, read_statuses
from cleanup.connector.quirks import error_text, refusal
from cleanup.errors import CleanupError
from tests.examples import examples

TOKENS = [
    *(b"(", b")", b'"', b"\\", b"{3}", b"UID 5", b"FLAGS (", b"BODY[", b"]", b"NIL", b" ", b"<0>", b"RFC822.SIZE"),
    *(b'INTERNALDATE "', b"1 (UID 5 BODY[] {2}", b'() "/" a', b"INBOX"),
]
PIECES = st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(TOKENS)), max_size=12).map(b"".join)
RECORDS = st.lists(st.one_of(PIECES, st.tuples(PIECES, st.binary(max_size=20))), max_size=5)


@examples(150)
@given(RECORDS)
def test_fetch_and_list_read_anything(records: list[object]) -> None:
    with contextlib.suppress(CleanupError):
        assert set(read_fetches(records, frozenset({5}), ("octets",))) <= {5}
    with contextlib.suppress(CleanupError):
        assert len(read_list(records)) <= len(records)


@examples(80)
@given(PIECES, st.text(max_size=400))
def test_the_rest_reads_anything(octets: bytes, text: str) -> None:
    read_set(octets, most=10)
    read_statuses([octets])
    assert len(str(refusal("FETCH", "NO", text))) < 1000
    assert len(error_text(RuntimeError(text))) <= 300
