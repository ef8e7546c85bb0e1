"""How fast frames load, and how fast a report is made of them: a ledger of really judged notices, repeated.

Run: python -m benchmarks.frames 100000 [--database postgresql://...] [--without-pyarrow]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, literal, select

from cleanup.demo.sample_ledger import make_sample_ledger
from cleanup.ledger import Ledger, schema

NOW = datetime(2026, 10, 21, 6, tzinfo=UTC)
_REPORT = ("report", "--format", "html", "--now", NOW.isoformat())
_HOUR_US = 3_600_000_000


def main() -> None:
    """Fill a ledger, then measure in a process of its own, so that the memory is that of the measured work."""
    options = _options()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        where = options.database or str(Path(folder) / "ledger.sqlite")
        filled, rows = _timed(lambda: fill(where, options.notices, Path(folder)))
        print(f"filled with {rows:,} notices in {filled:.1f} s: {where}")
        hide = "import sys; sys.modules['pyarrow'] = None; " if options.without_pyarrow else ""
        start = f"{hide}import sys; from benchmarks.frames import main; main()"
        command = [sys.executable, "-c", start, "--measure", where, "0"]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        page = Path(folder) / "report.html"
        start = f"{hide}from cleanup.cli import main; main()"
        print("whole command", _used([sys.executable, "-c", start, *_REPORT, "--ledger", where, "-o", str(page)]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("notices", type=int)
    parser.add_argument("--database")
    parser.add_argument("--without-pyarrow", action="store_true")
    parser.add_argument("--measure")
    return parser.parse_args()


def measure(where: str) -> dict[str, Any]:
    """Return seconds of CPU and wall, and the peak memory after each step, in MB."""
    from cleanup.report.summary.charts import charts
    from cleanup.report.summary.frames import load
    from cleanup.report.summary.html import render_html
    from cleanup.report.summary.summarize import summarize

    found: dict[str, Any] = {"imported": _peak()}
    with Ledger.open(where) as ledger, _step(found, "load"):
        frames = load(ledger)
    found["rows"] = {name: len(getattr(frames, name)) for name in ("bounces", "reasons", "moves", "runs")}
    with _step(found, "summarize"):
        summary = summarize(frames, now=NOW)
    with _step(found, "charts"):
        drawn = charts(frames)
    with _step(found, "html with charts"):
        page = render_html(summary, frames)
    found["svg bytes"], found["html bytes"] = sum(len(chart.svg) for chart in drawn), len(page.encode())
    return found


@contextmanager
def _step(found: dict[str, Any], name: str) -> Iterator[None]:
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    found[name] = {
        "cpu_s": round(time.process_time() - cpu, 2),
        "wall_s": round(time.perf_counter() - wall, 2),
        "peak_mb": _peak(),
    }


def _used(command: list[str]) -> dict[str, Any]:
    """Return seconds of CPU and the peak memory in MB of a whole process."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return {"cpu_s": round(used.ru_utime + used.ru_stime, 2), "peak_mb": used.ru_maxrss // 1024}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


# --- filling -------------------------------------------------------------------------------------------------------


def fill(where: str, notices: int, folder: Path) -> int:
    """Copy the sample ledger's notices again and again, each time an hour earlier; return how many there are."""
    with Ledger.open(make_sample_ledger(folder / "sample.sqlite")) as sample, sample.engine.connect() as source:
        tables = {table: _rows(source, table) for table in _TABLES}
    each = len(tables[schema.findings])
    with Ledger.open(where) as ledger, ledger.engine.begin() as target:
        for round_ in range(max(1, notices // each)):
            for table in _TABLES:
                rows = tables[table] if round_ == 0 or table in _REPEATED else []
                _insert(target, table, [_again(row, round_) for row in rows])
        return int(target.execute(select(func.count(literal(1))).select_from(schema.findings)).scalar_one())


_TABLES = (
    schema.runs,
    schema.findings,
    schema.recipients,
    schema.reasons,
    schema.moves,
    schema.sent_sources,
    schema.sent_coverage,
    schema.labels,
)
_REPEATED = (schema.runs, schema.findings, schema.recipients, schema.reasons, schema.moves)
_NUMBERED = {"run_id", "finding_id", "recipient_id", "reason_id", "move_id"}
_STRIDE = 10_000_000  # ids of one round stay apart from those of the next


def _rows(connection: Connection, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _again(row: dict[str, Any], round_: int) -> dict[str, Any]:
    if not round_:
        return row
    copy = {name: value + round_ * _STRIDE if name in _NUMBERED else value for name, value in row.items()}
    for name, value in row.items():
        if name.endswith("_us") and value is not None:
            copy[name] = value - round_ * _HOUR_US
    if "digest" in copy:
        copy["digest"] = f"{round_:08x}{copy['digest'][8:]}"
    return copy


if __name__ == "__main__":
    main()
