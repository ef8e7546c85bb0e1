"""What is installed: the program, its templates and its sample mailbox, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="needs hatchling, the build backend (extra dev)")

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from cleanup.demo import OWNER, PASSWORD, anna_on_a_server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel."""
    folder = str(tmp_path_factory.mktemp("wheel"))
    return Path(next(WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])))


@pytest.fixture(scope="module")
def wheel(made: Path) -> set[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(made) as opened:
        return set(opened.namelist())


def test_the_wheel_holds_every_module(wheel: set[str]) -> None:
    assert {str(file.relative_to(ROOT)) for file in (ROOT / "cleanup").rglob("*.py")} <= wheel


def test_the_wheel_holds_the_templates_the_sample_and_nothing_else(wheel: set[str]) -> None:
    others = {name for name in wheel if not name.endswith(".py") and ".dist-info/" not in name}

    assert others == {
        "cleanup/py.typed",
        *(str(file.relative_to(ROOT)) for file in (ROOT / "cleanup").rglob("*.json")),
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


@pytest.fixture(scope="module")
def installed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of the wheel in an environment of its own; libraries are those of this one, nothing is fetched."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    libraries = next(folder.glob("lib/python*/site-packages"))
    pip = (sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"))
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", made], check=True)
    (libraries / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "mailbox-cleanup"


def _start(program: Path, *words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(program), *map(str, words)]
    environment = {**os.environ, "CLEANUP_PASSWORD": PASSWORD}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def test_the_wheel_runs_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    asked = "import cleanup; print(cleanup.__file__)"
    done = _start(installed.with_name("python"), "-c", asked, folder=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(installed.parents[1])

    with anna_on_a_server(tmp_path / "unused.sqlite") as anna:
        reach = ("--host", "127.0.0.1", "--port", anna.account.port, "--security", "plain", "--username", "anna")
        rules = ("--outbound-host", "192.0.2.10", "--now", "2026-10-20", "--ledger", tmp_path / "ledger.sqlite")
        done = _start(installed, "run", OWNER, *reach, *rules, "--yes", folder=tmp_path)

        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert "72 filed in Backscatter" in done.stderr
        assert len(anna.filed()) == 72


def test_the_wheel_brings_its_sample_and_its_templates(installed: Path, tmp_path: Path) -> None:
    done = _start(installed, "demo", "--output", tmp_path / "report.html", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "72 bounces" in (tmp_path / "report.html").read_text(encoding="utf-8")
