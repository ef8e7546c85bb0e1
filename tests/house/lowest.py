"""Prints the lowest versions that pyproject.toml allows, for pip --constraint: python -m tests.house.lowest

python -m venv lowest && lowest/bin/pip install --editable '.[dev]' --constraint <(python -m tests.house.lowest)
lowest/bin/pytest tests/cli tests/ledger tests/report
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TOOLS = "dev"  # what tests need has no lowest version worth trying


def constraints() -> Iterator[str]:
    """Yield "name==version" for each dependency, those of the extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [wanted for name, extra in project["optional-dependencies"].items() if name != _TOOLS for wanted in extra]
    for wanted in (*project["dependencies"], *extras):
        bound = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)", wanted)
        if bound:
            yield f"{bound[1]}=={bound[2]}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in constraints())
