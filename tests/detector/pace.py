"""How fast this machine is just now: what takes long on it is compared with that, and no test knows seconds."""

from __future__ import annotations

import time


def a_million_counted() -> float:
    """Return how many seconds of processor time it takes to count to a million, measured on a twentieth of it."""
    started, number = time.process_time(), 0
    for number in range(50_000):
        number += 1
    return 20 * max(time.process_time() - started, 1e-4)
