"""Shows a file in the person's browser, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PATIENCE_S = 3  # an opener that finds no browser gives up at once; one that found it may stay with it


def shows(file: Path) -> bool:
    """Return whether a browser was asked to show a file. What it and its opener write is not the reader's concern."""
    opener = _opener()
    if opener is None:
        return False
    words, nowhere = [opener, str(file.absolute())], subprocess.DEVNULL
    try:
        asked = subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
        return asked.wait(PATIENCE_S) == 0
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False


def _opener() -> str | None:
    """Return the program that opens files. Without a screen it would only try text browsers, one after the other."""
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    return shutil.which("xdg-open") if has_screen else None
