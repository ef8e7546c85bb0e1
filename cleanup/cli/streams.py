"""Standard streams that take everything: also where one is closed, and where its encoding lacks a character."""

from __future__ import annotations

import io
import os
import sys

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of their descriptors: 0, 1, 2


def prepare_streams() -> None:
    """Open what the caller closed, so that no file of ours takes its number; escape what cannot be encoded."""
    for name, mode in _MODES.items():
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
