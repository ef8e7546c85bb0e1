"""The owner's habits as the memory keeps them: counts that add up, a folder at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from cleanup.detector.sent_profile import Profile

_COUNTED = tuple(f.name for f in fields(Profile) if f.name not in ("zones", "messages", "without_id"))


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """Return a profile as JSON takes it."""
    counts = {name: dict(getattr(profile, name)) for name in _COUNTED}
    zones = {str(minutes): seen for minutes, seen in profile.zones.items()}
    return {**counts, "zones": zones, "messages": profile.messages, "without_id": profile.without_id}


def profile_from_json(stored: Mapping[str, Any]) -> Profile:
    """Return a stored profile; an empty one where nothing is stored."""
    if not stored:
        return Profile()
    counts = {name: Counter(stored[name]) for name in _COUNTED}
    zones = Counter({int(minutes): seen for minutes, seen in stored["zones"].items()})
    return Profile(**counts, zones=zones, messages=stored["messages"], without_id=stored["without_id"])


def together(profiles: Iterable[Profile]) -> Profile:
    """Return what several profiles show together."""
    counts: dict[str, Counter[Any]] = {name: Counter() for name in (*_COUNTED, "zones")}
    messages = without_id = 0
    for profile in profiles:
        messages += profile.messages
        without_id += profile.without_id
        for name, counted in counts.items():
            counted.update(getattr(profile, name))
    return Profile(**counts, messages=messages, without_id=without_id)
