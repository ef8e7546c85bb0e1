"""What is laid out for a terminal: consoles, tables, bars. Imported where something is drawn (see console.py)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from cleanup.progress import Bars
from cleanup.report.text import safe_text

WIDTH_OFF_TERMINAL = 100
MIN_ROOM = 20  # narrower than that, a terminal may break lines as it likes
GAP = 2  # between two columns
ALARM, WARNING = "bold red", "yellow"  # colours mean something here; NO_COLOR switches them off
VERDICT_STYLES = {"genuine": "green", "backscatter": "dark_orange", "unsure": "bright_blue"}  # those of the report


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a reader that went away (`| head`) to main(): the library would exit with 1."""
        raise BrokenPipeError


def out() -> Console:
    """Return the console for data (stdout). Off a terminal its width does not depend on where it runs."""
    return _Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else WIDTH_OFF_TERMINAL)


def err() -> Console:
    """Return the console for talk (stderr)."""
    return _Console(stderr=True, highlight=False, markup=False)


def print_hanging(console: Console, lead: str, text: str, *, below: int | None = None, style: str = "") -> None:
    """Print text after its lead ("  * "); what does not fit on the line goes on `below` it, not at the left edge.

    `style` is that of the lead.
    """
    indent = len(lead) if below is None else below
    room = max(console.width - max(indent, len(lead)), MIN_ROOM)
    for number, line in enumerate(Text(safe_text(text, limit=600)).wrap(console, room) or [Text()]):
        console.print(Text(" " * indent if number else lead, style) + line, soft_wrap=True)


def table(title: str | None, *columns: str, numbers: Collection[str] = ()) -> Table:
    """Return an empty table in our style; the last column takes what width is left, those of `numbers` stand right."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns, 1):
        made.add_column(
            column,
            overflow="fold",
            justify="right" if column in numbers else "left",
            ratio=1 if place == len(columns) else None,
            style=VERDICT_STYLES.get(column, ""),
            header_style=VERDICT_STYLES.get(column, ""),
        )
    return made


def print_list(
    console: Console,
    columns: Sequence[str],
    groups: Mapping[str, Sequence[Sequence[str]]],
    *,
    numbers: Collection[str] = (),
    style: str = "",
) -> None:
    """Print rows below their headings, in groups that each say once, with a count, what their rows have in common.

    A group called "" has no such line. No cell but the last is ever broken: where one is longer than its column can be,
    the rest of its row stands on the next line, a last cell further left where that has more room. The last cell goes
    on below its beginning.
    """
    indent = GAP if any(groups) else 0
    if columns[-1] in numbers:
        columns, groups = (*columns, ""), {common: [(*row, "") for row in rows] for common, rows in groups.items()}
    safe = {common: [cells(*row) for row in rows] for common, rows in groups.items()}
    everything = [tuple(columns), *(row for rows in safe.values() for row in rows)]
    widths = [max(cell_len(row[place]) for row in everything) for place in range(len(columns) - 1)]
    least = min(MIN_ROOM, max(cell_len(row[-1]) for row in everything))
    while widths and console.width - indent - sum(widths) - GAP * len(widths) < least and max(widths) > MIN_ROOM:
        widths[widths.index(max(widths))] -= 1
    starts = [indent + sum(widths[:place]) + GAP * place for place in range(len(columns))]
    right = [name in numbers for name in columns]
    _print_row(console, columns, starts, right, style="bold")
    for common, rows in safe.items():
        if common:
            print_hanging(console, "", f"{common.rstrip('.')} ({len(rows):,}):", below=indent)
        for row in rows:
            _print_row(console, row, starts, right, style=style)


def _print_row(
    console: Console, row: Sequence[str], starts: Sequence[int], right: Sequence[bool], style: str = ""
) -> None:
    line = Text()
    for place, cell in enumerate(row[:-1]):
        if line and cell_len(line.plain) >= starts[place]:
            console.print(line, style=style, soft_wrap=True)
            line = Text()
        line.pad_right(starts[place] - cell_len(line.plain))
        fill = starts[place + 1] - GAP - starts[place] - cell_len(cell)
        line.append(" " * fill + cell if right[place] else cell)
    start = starts[-1]
    if line and cell_len(line.plain) >= start:
        console.print(line, style=style, soft_wrap=True)
        line = Text()
        if start + cell_len(row[-1]) > console.width:
            start = starts[-2] + GAP
    line.pad_right(start - cell_len(line.plain))
    for part in Text(row[-1]).wrap(console, max(console.width - start, MIN_ROOM)) or [Text()]:
        line.append(part.plain)
        line.rstrip()
        console.print(line, style=style, soft_wrap=True)
        line = Text(" " * start)


def cells(*values: object) -> tuple[str, ...]:
    """Return values as text that is safe on a terminal."""
    return tuple(safe_text(str(value), limit=200) for value in values)


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Return "120/s", or nothing while it is not known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class DrawnBars(Bars):
    """Bars on a terminal that can draw them, nothing elsewhere."""

    def __init__(self) -> None:
        console = err()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        shown = console.is_terminal and not console.is_dumb_terminal
        self._bars = Progress(*columns, console=console, transient=True) if shown else None
        self._stages: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done in a stage."""
        if self._bars is None:
            return
        if stage not in self._stages:
            self._bars.start()
            self._stages[stage] = self._bars.add_task(safe_text(stage, limit=60), total=total)
        self._bars.update(self._stages[stage], completed=done, total=total)

    def stop(self) -> None:
        """Clear the bars away, before a question or an answer; the next stage shows them again."""
        if self._bars is not None:
            self._bars.stop()
            for stage in self._stages.values():
                self._bars.remove_task(stage)
            self._stages.clear()
