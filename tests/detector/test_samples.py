"""Every golden sample is read as its expected .json says, by the reader that it names, with LF and with CRLF."""

from __future__ import annotations

from pathlib import Path

import pytest

from cleanup.detector.notices.reading import read_notice
from tests.detector.samples import expected_of, sample_paths, told


@pytest.mark.parametrize("sample", sample_paths(), ids=lambda sample: sample.stem)
def test_a_sample_is_read_as_expected_with_lf(sample: Path) -> None:
    assert told(read_notice(sample.read_bytes())) == expected_of(sample)


@pytest.mark.parametrize("sample", sample_paths(), ids=lambda sample: sample.stem)
def test_a_sample_is_read_as_expected_with_crlf(sample: Path) -> None:
    raw = sample.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    assert told(read_notice(raw)) == expected_of(sample)
