"""What --version says: the program and the libraries that matter for a bug report."""

from __future__ import annotations

import platform
from importlib import metadata

from cleanup import __version__

THAT_MATTER = ("imapclient", "mail-parser", "pandas", "SQLAlchemy", "typer")


def version_lines() -> list[str]:
    """Return one line for the program, one for Python and one a library."""
    return [
        f"mailbox-cleanup {__version__}",
        f"Python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in THAT_MATTER),
    ]
