"""How many examples Hypothesis tries: a few of the same in each build, ten times as many new ones for who asks."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> settings:
    """Try so many; with `--hypothesis-profile=new` (tests/conftest.py) ten times as many, and others each time."""
    return settings(max_examples=count * 10 if settings.get_current_profile_name() == "new" else count)
