"""What a process start takes: the whole command on a night on which nothing happened, beside `import imapclient`.

    python -m benchmarks.start_up [--inbox 10000] [--rounds 9]

They are timed in turns, so that what else the machine does meets all of them; x is the ratio of medians to those of the
import, `x_cpu_least` that of the smallest times. Needs Dovecot (bash .ci/install-servers).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.first_run import mailbox_on_dovecot, surroundings
from benchmarks.job import OWNER, Server
from benchmarks.maildir import Size

Took = tuple[float, float]  # seconds: wall, CPU


def main() -> None:
    """Measure and print a table."""
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--inbox", type=int, default=10_000)
    wanted.add_argument("--rounds", type=int, default=9)
    given = wanted.parse_args()
    for what, took in measure(given.inbox, given.rounds).items():
        print(f"{what:<24}" + "  ".join(f"{name}={value:.3f}" for name, value in took.items()))


def measure(inbox: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of the import, of the whole command and of some of what it does, by their names."""
    with mailbox_on_dovecot(Size(inbox, inbox * 2 // 5, inbox // 50, max(inbox // 500, 8)), 1) as (server, _, _):
        work = Path(server.ledger).parent
        commands = {
            "import imapclient": [sys.executable, "-c", "import imapclient"],
            "mailbox-cleanup run": _night(server, work),
            "mailbox-cleanup --help": [str(Path(sys.executable).parent / "mailbox-cleanup"), "--help"],
        }
        _timed(commands["mailbox-cleanup run"], work)  # the first run
        took: dict[str, list[Took]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, argv in commands.items():
                took[name].append(_timed(argv, work))
    return {name: _figures(times, took["import imapclient"]) for name, times in took.items()}


def _night(server: Server, work: Path) -> list[str]:
    """Return the command as cron runs it."""
    (work / "secret").write_text(server.password)
    (work / "secret").chmod(0o600)
    (work / "config.toml").write_text(
        f'[mailboxes.anna]\naddress = "{OWNER}"\nhost = "{server.host}"\nport = {server.port}\n'
        f'username = "{server.username}"\nca_file = "{server.ca_file}"\nledger = "{server.ledger}"\ndigest = "never"\n'
        f"[mailboxes.anna.policy]\nmax_moves = {server.max_moves}\nmax_share = 1.0\n"
    )
    program = Path(sys.executable).parent / "mailbox-cleanup"
    options = ("--yes", "--quiet", "--config", work / "config.toml", "--password-file", work / "secret")
    return [str(program), "run", "anna", *map(str, options)]


def _timed(argv: Sequence[str], work: Path) -> Took:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=surroundings(work))
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _figures(times: Sequence[Took], floor: Sequence[Took]) -> dict[str, float]:
    (walls, cpus), (floor_walls, floor_cpus) = zip(*times, strict=True), zip(*floor, strict=True)
    return {
        "wall_s": statistics.median(walls),
        "cpu_s": statistics.median(cpus),
        "x_wall": statistics.median(walls) / statistics.median(floor_walls),
        "x_cpu": statistics.median(cpus) / statistics.median(floor_cpus),
        "x_cpu_least": min(cpus) / min(floor_cpus),
    }


if __name__ == "__main__":
    main()
