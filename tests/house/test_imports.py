"""Imports point down only, and what is light stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CLEANUP = Path(__file__).parents[2] / "cleanup"
# From the top: a room imports from its own row and the rows below it. Files that stand in no room are the spine.
ROWS = (
    ("cli",),
    ("notebook", "monitoring"),
    ("fleet", "demo", "doctor", "rescue", "sieving"),
    ("run", "offline"),
    ("access", "ledger_lookup"),
    ("report",),
    ("connector", "ledger", "config", "lock", "dns"),
    ("detector", "signals"),
    ("model", "errors", "extras", "progress", "whole_file"),
)
# Within run/: what a night is made of.
RUN_ROWS = (
    ("__init__",),
    ("filing",),
    ("look",),
    ("reading", "asking", "held", "done"),
    ("glance", "ledgers"),
)
PURE = (
    "imapclient",
    "sqlalchemy",
    "pandas",
    "dask",
    "typer",
    "os",
    "time",
    "socket",
    "pathlib",
    "subprocess",
    "random",
)
ONLY_IN = {
    "imapclient": ("connector",),
    "pandas": ("report", "notebook"),
    "sqlalchemy": ("ledger", "report"),
    "typer": ("cli",),
    "rich": ("cli",),
    "mailparser": ("detector",),
    "dask": ("fleet",),
    "distributed": ("fleet",),
    "dns": ("dns",),
}


def _files() -> list[Path]:
    return sorted(CLEANUP.rglob("*.py"))


def _room(file: Path) -> str:
    return file.relative_to(CLEANUP).parts[0].removesuffix(".py")


def _imported(file: Path) -> Iterator[str]:
    """Yield the dotted names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "cleanup")


def _row(room: str) -> int:
    return next(number for number, rooms in enumerate(ROWS) if room in rooms)


def test_every_room_has_its_place_in_the_house() -> None:
    assert {_room(file) for file in _files()} - {"__init__", "sample_data"} <= {room for row in ROWS for room in row}


@pytest.mark.parametrize("file", _files(), ids=lambda file: str(file.relative_to(CLEANUP)))
def test_imports_point_down_only(file: Path) -> None:
    if _room(file) == "__init__":
        return
    mine = _row(_room(file))
    upward = {
        name
        for name in _imported(file)
        if name.startswith("cleanup.") and name != "cleanup.__version__" and _row(name.split(".")[1]) < mine
    }
    assert not upward


@pytest.mark.parametrize("file", sorted((CLEANUP / "run").glob("*.py")), ids=lambda file: file.stem)
def test_a_run_is_built_from_below(file: Path) -> None:
    rows = {name: number for number, names in enumerate(RUN_ROWS) for name in names}
    imported = {name.split(".")[2] for name in _imported(file) if name.startswith("cleanup.jobs.run.")}
    assert all(rows[name] > rows[file.stem] for name in imported)


def test_the_detector_is_pure() -> None:
    impure = {
        (str(file.relative_to(CLEANUP)), name)
        for file in _files()
        if _room(file) == "detector"
        for name in _imported(file)
        if name.split(".")[0] in PURE
    }
    assert not impure


@pytest.mark.parametrize("package", ONLY_IN)
def test_each_package_is_known_in_one_place(package: str) -> None:
    elsewhere = {
        str(file.relative_to(CLEANUP))
        for file in _files()
        if _room(file) not in ONLY_IN[package]
        for name in _imported(file)
        if name.split(".")[0] == package
    }
    assert not elsewhere


@pytest.mark.parametrize(
    ("what", "heavy"),
    [
        (
            "from cleanup.cli import program; program()",
            ("pandas", "sqlalchemy", "pydantic_settings", "imapclient", "mailparser", "jinja2"),
        ),
        ("import cleanup", ("pandas", "sqlalchemy", "pydantic_settings", "imapclient", "mailparser", "typer")),
        (
            "from cleanup.cli import program; program(['run']); import cleanup.access, cleanup.cli.console, "
            "cleanup.cli.watching, cleanup.jobs.fleet.results, cleanup.jobs.run",  # all of an idle night
            (
                "rich",
                "pydantic_settings",
                "cleanup.cli.scan",
                "cleanup.jobs.fleet.threads",
                "publicsuffixlist",
                "cleanup.detector.notices",
                "cleanup.detector.evidence",
                "cleanup.report.filing.execute",
                "mailparser",
                "sqlalchemy",
            ),
        ),
        (
            "import cleanup.jobs.full_run, cleanup.ledger_lookup, cleanup.cli.render",
            ("pandas", "jinja2", "altair", "pymap", "msal", "dask"),
        ),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(what: str, heavy: tuple[str, ...]) -> None:
    asked = f"{what}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
