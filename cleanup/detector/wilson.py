"""The Wilson score interval: how far a share of few samples can be trusted (E. B. Wilson, JASA 22, 1927)."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.96


def lower_bound(found: int, samples: int) -> float:
    """Return the lower end of the 95 % interval of found/samples; 0.0 where there are no samples."""
    return _bound(found, samples, -1) if samples else 0.0


def upper_bound(found: int, samples: int) -> float:
    """Return the upper end of the 95 % interval of found/samples; 1.0 where there are no samples."""
    return _bound(found, samples, 1) if samples else 1.0


def _bound(found: int, samples: int, side: int) -> float:
    share, z2 = found / samples, Z_95 * Z_95
    centre = share + z2 / (2 * samples)
    spread = Z_95 * sqrt(share * (1 - share) / samples + z2 / (4 * samples * samples))
    return (centre + side * spread) / (1 + z2 / samples)
