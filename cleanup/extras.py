"""How to install what only some need, as a command that can be pasted wherever this program runs."""

from __future__ import annotations

import shlex
import sys

DISTRIBUTION = "mailbox-cleanup"


def packages_of(extra: str) -> list[str]:
    """Return the requirements of an extra, as pip takes them; the extra itself where nobody installed the program."""
    from importlib.metadata import PackageNotFoundError, requires  # what only an error needs

    try:
        all_of_them = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return [f"{DISTRIBUTION}[{extra}]"]
    marked = (requirement.partition(";") for requirement in all_of_them)
    return [package.strip() for package, _, marker in marked if f"extra == '{extra}'" in marker.replace('"', "'")]


def install_command(extra: str) -> str:
    """Return the command that installs an extra into the Python that runs this program (a venv's, or pipx's own)."""
    return shlex.join([sys.executable, "-m", "pip", "install", *packages_of(extra)])
