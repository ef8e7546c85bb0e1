"""Plots of the frames as inline SVG, by altair and vl-convert (extra `charts`)."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import pandas as pd

from cleanup.report.frames import Frames


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot. `table` holds the plotted numbers, for those who cannot see it; `alt` says what it shows."""

    name: str
    title: str
    alt: str
    svg: str
    table: pd.DataFrame


def charts_available() -> bool:
    """Return whether the packages that draw are installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def charts(frames: Frames) -> tuple[Chart, ...]:  # noqa: ARG001
    """Return the plots that have something to show."""
    return ()
