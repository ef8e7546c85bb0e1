"""Rewrites the expected .json of the golden samples from what is read today, and docs/formats.md; shows what changed.

Run it as `python -m tests.detector.regenerate_samples [NAME ...]`; read the difference before committing it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from cleanup.detector.notices.formats import FORMATS
from cleanup.detector.notices.formats.described import formats_page
from cleanup.detector.notices.reading import read_notice
from tests.detector.samples import as_text, sample_paths, told

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"


def main(names: Sequence[str]) -> None:
    """Rewrite the named samples, or all of them."""
    chosen = [sample for sample in sample_paths() if not names or sample.stem in names]
    changed = [sample for sample in chosen if _rewrite(sample)]
    print(f"{len(changed)} of {len(chosen)} changed")
    _write(PAGE, formats_page(FORMATS))


def _rewrite(sample: Path) -> bool:
    return _write(sample.with_suffix(".json"), as_text(told(read_notice(sample.read_bytes()))))


def _write(target: Path, after: str) -> bool:
    """Write a file and show what changed; return whether anything did."""
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    sys.stdout.writelines(
        difflib.unified_diff(before.splitlines(True), after.splitlines(True), target.name, target.name, n=1)
    )
    if after != before:
        target.write_text(after, encoding="utf-8")
    return after != before


if __name__ == "__main__":
    main(sys.argv[1:])
