"""The rules of the house: imports point down only, nothing goes in a circle, what is light stays light.

One subject, one file: cut where the subject ends. So there is no longest file; what is held instead is that no small
file exists for a single reader of it, and that no file needs half of the house.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CLEANUP = Path(__file__).parents[2] / "cleanup"
# From the top: a room imports from its own floor and those below it.
FLOORS = (
    ("cli",),
    ("notebook", "demo"),
    ("jobs",),
    ("access", "ledger_lookup"),
    ("report",),
    ("connector", "ledger", "config", "lock", "dns"),
    ("detector", "signals"),
    ("model", "errors", "progress", "atomic_write", "extras"),
)
# Within jobs/: what a night is made of.
FLOORS_OF_A_NIGHT = (
    ("run",),
    ("full_run",),
    ("look",),
    ("sync", "session", "result"),
    ("notices",),
    ("idle_check",),
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
    "pandas": ("report/summary", "notebook.py"),
    "sqlalchemy": ("ledger", "report/summary"),
    "typer": ("cli",),
    "rich": ("cli",),
    "mailparser": ("detector",),
    "dask": ("jobs/fleet",),
    "distributed": ("jobs/fleet",),
    "dns": ("dns",),
}
MOST_IMPORTED = 15  # modules that one module may need
LEAST_LINES = 60  # of a module that a single other one imports
# Small and imported once, for a reason: what an idle night must not load, and what a package's table is made of.
SEAMS = frozenset(
    {
        "detector.evidence",
    }
)


def _files() -> list[Path]:
    return sorted(CLEANUP.rglob("*.py"))


def _module(file: Path) -> str:
    """Return the dotted name below cleanup; "" for the package itself."""
    parts = file.relative_to(CLEANUP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(file: Path) -> str:
    return file.relative_to(CLEANUP).parts[0].removesuffix(".py")


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _imported(file: Path) -> Iterator[str]:
    """Yield the dotted names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "cleanup")


@cache
def _imports() -> dict[str, set[str]]:
    """Return which of our modules each of our modules imports, anywhere in it."""
    files = {_module(file): file for file in _files()}
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, file in files.items():
        for node in ast.walk(_tree(file)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "cleanup":
                base = node.module.removeprefix("cleanup").removeprefix(".")
                for alias in node.names:
                    inner = f"{base}.{alias.name}".removeprefix(".")
                    arrows[module].add(inner if inner in files else base)
            elif isinstance(node, ast.Import):
                arrows[module] |= {a.name.removeprefix("cleanup.") for a in node.names if a.name.startswith("cleanup.")}
        arrows[module] -= {module, ""}
    return arrows


def _floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_room_has_its_place_in_the_house() -> None:
    assert {_room(file) for file in _files()} - {"__init__", "sample_data"} == {r for floor in FLOORS for r in floor}


@pytest.mark.parametrize("file", _files(), ids=lambda file: str(file.relative_to(CLEANUP)))
def test_imports_point_down_only(file: Path) -> None:
    if _room(file) == "__init__":
        return
    mine = _floor(_room(file))
    upward = {
        name
        for name in _imported(file)
        if name.startswith("cleanup.") and name != "cleanup.__version__" and _floor(name.split(".")[1]) < mine
    }
    assert not upward


@pytest.mark.parametrize("file", sorted((CLEANUP / "jobs").glob("*.py")), ids=lambda file: file.stem)
def test_a_night_is_built_from_below(file: Path) -> None:
    floors = {name: number for number, names in enumerate(FLOORS_OF_A_NIGHT) for name in names}
    imported = {name.split(".")[2] for name in _imported(file) if name.startswith("cleanup.jobs.")}
    if file.stem in floors:
        assert all(floors[name] > floors[file.stem] for name in imported)


def test_what_moves_does_not_need_what_tells() -> None:
    upward = {
        (module, name)
        for module, names in _imports().items()
        if module.startswith("report.filing")
        for name in names
        if name.startswith("report.summary")
    }
    assert not upward


def test_the_detector_is_pure() -> None:
    impure = {
        (_module(file), name)
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
        if not str(file.relative_to(CLEANUP)).startswith(ONLY_IN[package])
        for name in _imported(file)
        if name.split(".")[0] == package
    }
    assert not elsewhere


def test_no_imports_go_in_a_circle() -> None:
    arrows, done = _imports(), set[str]()

    def circles_from(module: str, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if module in way:
            yield way[way.index(module) :]
        elif module not in done:
            for name in sorted(arrows.get(module, ())):
                yield from circles_from(name, (*way, module))
            done.add(module)

    found = {tuple(sorted(circle)) for module in sorted(arrows) for circle in circles_from(module, ())}
    assert not found


def test_no_module_needs_half_of_the_house() -> None:
    many = {module: len(names) for module, names in _imports().items() if len(names) > MOST_IMPORTED}
    assert not many


def test_no_small_module_serves_a_single_other_one() -> None:
    importers = Counter(name for names in _imports().values() for name in names)
    small = {
        _module(file)
        for file in _files()
        if importers[_module(file)] == 1 and len(file.read_text(encoding="utf-8").splitlines()) < LEAST_LINES
    }
    assert small == SEAMS


def _undocumented(file: Path) -> list[str]:
    """Return the public functions and classes at the top of a file that have no docstring, and `module` for its own."""
    tree = _tree(file)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    missing = [node.name for node in public if ast.get_docstring(node) is None]
    return missing if ast.get_docstring(tree) or not tree.body else ["module", *missing]


@pytest.mark.parametrize("file", _files(), ids=lambda file: str(file.relative_to(CLEANUP)))
def test_what_is_public_says_what_it_gives(file: Path) -> None:
    assert _undocumented(file) == []


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
                "urllib.request",
            ),
        ),
        (
            "import cleanup.jobs.full_run, cleanup.ledger_lookup, cleanup.cli.render",
            ("pandas", "jinja2", "altair", "pymap", "msal", "dask"),
        ),
        (
            "import cleanup.jobs.full_run",  # of a night with a letter that cannot be a notice
            ("cleanup.detector.notices.reading", "cleanup.detector.notices.formats", "selectolax", "dns", "spf"),
        ),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(what: str, heavy: tuple[str, ...]) -> None:
    asked = f"{what}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []
