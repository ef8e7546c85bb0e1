"""Rewrites the expected .json of the golden samples from what is read today, and shows every difference.

Run it as `python -m tests.detector.regenerate_samples [NAME ...]`; read the difference before committing it.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from cleanup.detector.notices import read_notice
from tests.detector.samples import as_text, sample_paths, told


def main(names: Sequence[str]) -> None:
    """Rewrite the named samples, or all of them."""
    chosen = [sample for sample in sample_paths() if not names or sample.stem in names]
    changed = [sample for sample in chosen if _rewrite(sample)]
    print(f"{len(changed)} of {len(chosen)} changed")


def _rewrite(sample: Path) -> bool:
    target = sample.with_suffix(".json")
    before = target.read_text(encoding="utf-8") if target.exists() else ""
    after = as_text(told(read_notice(sample.read_bytes())))
    sys.stdout.writelines(
        difflib.unified_diff(before.splitlines(True), after.splitlines(True), target.name, target.name, n=1)
    )
    if after != before:
        target.write_text(after, encoding="utf-8")
    return after != before


if __name__ == "__main__":
    main(sys.argv[1:])
