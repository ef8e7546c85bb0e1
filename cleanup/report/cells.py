"""A frame's cells as people read them. Strangers' texts pass safe_text on the way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd

from cleanup.report.safe_text import safe_text


def shown(value: Any, *, limit: int = 200) -> str:
    """Return a cell as text: times to the minute in UTC, shares in per cent, thousands separated, nothing for none."""
    if pd.isna(value):
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.0%}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return safe_text(str(value), limit=limit)
