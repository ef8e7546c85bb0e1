"""Looking for stems first misses no phrase, in whatever form it comes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.detector.notices.phrases import AUTO_SUBJECT, NOTICE_SUBJECT, Phrases
from tests.examples import examples

WITH_STEMS = [NOTICE_SUBJECT, AUTO_SUBJECT]


def alternatives(pattern: str) -> Iterator[str]:
    """Yield the phrases of an alternation: what stands between bars that are in no brackets of their own."""
    depth, begun = 0, 3
    assert pattern.startswith("(?:")
    for at in range(3, len(pattern)):
        if pattern[at - 1] != "\\":
            depth += {"(": 1, ")": -1}.get(pattern[at], 0)
        if depth == -1 or (depth == 0 and pattern[at] == "|"):
            yield pattern[begun:at]
            begun = at + 1


PHRASES = [(known, phrase) for known in WITH_STEMS for phrase in alternatives(known.latin)]


@pytest.mark.parametrize(("known", "phrase"), PHRASES, ids=[phrase for _, phrase in PHRASES])
def test_whatever_fits_a_phrase_holds_a_stem(known: Phrases, phrase: str) -> None:
    @examples(12)
    @given(st.from_regex(phrase))
    def holds_a_stem(text: str) -> None:
        assert known.stems is not None
        assert re.search(known.stems, text)

    holds_a_stem()


def test_most_subjects_hold_no_stem() -> None:
    for subject in ("Re: Minutes of Tuesday", "Ihre Bestellung vom 12. Oktober", "Photos from the summer party"):
        assert not any(known.stems and re.search(known.stems, subject.lower()) for known in WITH_STEMS)
