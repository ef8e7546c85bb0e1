"""How far a fleet is: a live table on a terminal, one line a mailbox elsewhere."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cleanup.cli.screen import cells, err, table
from cleanup.cli.talk import logs_json
from cleanup.cli.watching import say_end

if TYPE_CHECKING:
    from cleanup.fleet import Ended

LATEST = 5  # troubles that stay in sight


@dataclass(slots=True)
class _Standing:
    """How a fleet of `total` mailboxes stands."""

    total: int
    counts: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    troubles: deque[Ended] = field(default_factory=lambda: deque(maxlen=LATEST))
    began_s: float = field(default_factory=time.monotonic)

    def add(self, ended: Ended) -> None:
        self.counts[ended.result.value] += 1
        self.moved += ended.moved
        if ended.cause is not None:
            self.troubles.append(ended)

    def __rich__(self) -> Group:
        ended, took_s = self.counts.total(), time.monotonic() - self.began_s
        rate = ended / took_s if took_s else 0.0
        left = f"{(self.total - ended) / rate / 60:.0f} min left" if ended else "..."
        rows: list[Table | Text] = [Text(f"{ended:,} of {self.total:,} mailboxes, {rate * 60:,.0f} a minute, {left}")]
        counted = table(None, "result", "mailboxes")
        for word, count in self.counts.most_common():
            counted.add_row(*cells(word, f"{count:,}"))
        rows += [counted, Text(f"{self.moved:,} messages filed")]
        if self.troubles:
            latest = table(None, "mailbox", "what happened")
            for one in self.troubles:
                latest.add_row(*cells(one.name, f"{one.result.value}: {one.says}"))
            rows += [Text(), latest]
        return Group(*rows)


@contextmanager
def fleet_table(total: int) -> Iterator[Callable[[Ended], None]]:
    """Yield what hears how each mailbox ended; what it shows on a terminal stays there in the end."""
    console = err()
    if not console.is_terminal or logs_json():
        yield say_end
        return
    standing = _Standing(total)
    with Live(standing, console=console, refresh_per_second=4):
        yield standing.add
