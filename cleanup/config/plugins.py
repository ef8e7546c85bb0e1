"""Pydantic's plugins, left alone: to look for some, it reads what every installed package tells of itself.

None is wanted here: what settings are does not depend on what else is installed, and a plugin would see where secrets
are. https://pydantic.dev/docs/validation/latest/concepts/plugins/
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "PYDANTIC_DISABLE_PLUGINS"


@contextmanager
def without_plugins() -> Iterator[None]:
    """Let the models that are defined meanwhile do without plugins."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "__all__"
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        if before is not None:
            os.environ[_VARIABLE] = before
