"""What is installed: the program, its templates and its sample mailbox, and nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="needs hatchling, the build backend (extra dev)")

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel."""
    made = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]))
    with zipfile.ZipFile(made) as opened:
        return set(opened.namelist())


def test_the_wheel_holds_every_module(wheel: set[str]) -> None:
    assert {str(file.relative_to(ROOT)) for file in (ROOT / "cleanup").rglob("*.py")} <= wheel


def test_the_wheel_holds_the_templates_the_sample_and_nothing_else(wheel: set[str]) -> None:
    others = {name for name in wheel if not name.endswith(".py") and ".dist-info/" not in name}

    assert others == {
        "cleanup/py.typed",
        *(str(file.relative_to(ROOT)) for file in (ROOT / "cleanup").rglob("*.j2")),
        *(f"cleanup/sample_data/mailboxes/anna/{name}" for name in ("Inbox.mbox", "Sent.mbox", "truth.csv")),
    }
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"cleanup", "mailbox_cleanup"}


def test_the_sdist_holds_what_its_tests_read(tmp_path: Path) -> None:
    made = next(SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    with tarfile.open(made) as opened:
        top = {Path(name).parts[1] for name in opened.getnames() if len(Path(name).parts) > 1}

    wanted = {"cleanup", "sample_data", "tests", "notebooks", "docs", "deploy", "benchmarks"}
    assert wanted | {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml"} <= top
