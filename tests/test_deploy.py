"""The examples of deploy/ are what they say: systemd accepts the units, and every option of a command line exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.cli.command import cleanup

DEPLOY = Path(__file__).parents[1] / "deploy"
CONTAINERFILE = DEPLOY / "container" / "Containerfile"
EXAMPLES = sorted(file for file in DEPLOY.rglob("*") if file.is_file() and file != CONTAINERFILE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/opt/mailbox-cleanup/bin/mailbox-cleanup", "/bin/true")
        (tmp_path / unit.name.replace("@", "@anna")).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))

    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    security = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", units[0]]

    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_every_option_in_an_example_exists(file: Path) -> None:
    text = file.read_text()
    used = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", text))
    command = ("fleet", "run") if "fleet run" in text else ("run",)

    assert used <= set(re.findall(r"--[a-z][a-z-]+", cleanup(*command, "--help", COLUMNS="200").out))


def test_the_container_asks_for_extras_and_variables_that_exist() -> None:
    text = CONTAINERFILE.read_text()
    known = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (extras,) = re.findall(r"/source\[([a-z,]+)\]", text)
    documented = "".join(file.read_text() for file in (DEPLOY.parent / "docs").glob("*.md"))

    assert set(extras.split(",")) <= set(known)
    assert all(f"`{variable}`" in documented for variable in re.findall(r"CLEANUP_[A-Z_]+", text))
    assert "USER cleanup" in text
