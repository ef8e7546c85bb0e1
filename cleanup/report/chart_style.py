"""How plots look: on a light page and on a dark one, in print, and to people who see colours differently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cleanup.model import Verdict

# Okabe and Ito's colours (2008), which stay apart with every colour blindness. Each has a contrast of at least 3:1 both
# on white and on #111 (tests/report/test_charts.py measures that).
COLOURS: Mapping[str, str] = {
    Verdict.BACKSCATTER.value: "#d55e00",
    Verdict.UNSURE.value: "#0072b2",
    Verdict.GENUINE.value: "#009e73",
}
INK = "currentColor"  # the page's own
WIDTH = 720

_TEXT = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
CONFIG: Mapping[str, Any] = {
    "aria": False,  # the page says the plot's alt text, and has its numbers as a table
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "domainColor": INK,
        "domainOpacity": 0.4,
        "gridColor": INK,
        "gridOpacity": 0.15,
        "tickColor": INK,
        "tickOpacity": 0.4,
    },
    "legend": {**_TEXT, "orient": "top", "title": None, "symbolType": "square", "labelLimit": 240, "columnPadding": 28},
    "title": {"color": INK, "anchor": "start", "fontSize": 12, "fontWeight": "bold", "frame": "group"},
    "text": {"color": INK},
}

_NAMED = re.compile(r'(\bid="|url\(#|href="#)')
_DECORATION = re.compile(r'\s(?:class|aria-[a-z]+|role|style|pointer-events)="[^"]*"')
_LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")


def for_page(svg: str, name: str) -> str:
    """Return vl-convert's drawing as it may stand in a page: ids of its own, no styles, short, ready to be scaled."""
    svg = _DECORATION.sub("", _LONG_NUMBER.sub(r"\1", svg))
    return _NAMED.sub(rf"\g<1>{name}-", svg)
