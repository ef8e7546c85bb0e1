"""One command on one mailbox in a process of its own, so that its memory and time are its own; prints JSON."""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 10, 20, tzinfo=UTC)  # the day after the made-up mailboxes' last message
OWNER = "anna.berg@example.org"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a mailbox is; handed to the process as JSON. Secrets here are those of made-up mailboxes on loopback."""

    host: str
    port: int
    security: str
    ca_file: str | None
    username: str
    password: str
    ledger: str
    max_moves: int = 100_000


def main() -> None:
    """Do what argv says ("run" or "undo") with the server that argv describes, and print what it took."""
    gc.set_threshold(20_000, 20, 20)  # as the command does
    command, server = sys.argv[1], Server(**json.loads(sys.argv[2]))
    began = time.perf_counter()
    told = _run(server) if command == "run" else _undo(server)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    took = {
        "wall_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_rss_mb": peak_rss_mb(),
        "pandas": "pandas" in sys.modules,
    }
    print(json.dumps(took | told))


def peak_rss_mb() -> float:
    """Return this process's own peak. getrusage's maximum begins with that of the process that started this one."""
    told = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(told.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def _run(server: Server) -> dict[str, Any]:
    from cleanup.jobs.run import run_mailbox

    settings = _settings(server)
    account = _account(server, settings)
    done = run_mailbox(account, settings, now=NOW, agreed=lambda _: True, progress=lambda *_: None)
    return {
        "bytes_read": done.bytes_read,
        "round_trips": done.round_trips,
        "messages": done.look.ordinary + len(done.look.judged),
        "notices": len(done.look.judged),
        "moved": done.moved,
        "refusals": list(done.look.plan.refusals),
    }


def _undo(server: Server) -> dict[str, Any]:
    from cleanup.jobs.undo import undo_run
    from cleanup.ledger import Ledger

    settings = _settings(server)
    with Ledger.open(server.ledger) as ledger:
        last = ledger.last_filing(OWNER)
    assert last is not None
    outcome = undo_run(_account(server, settings), settings, last.run_id, chosen=lambda *_: ())
    assert outcome is not None
    return {"put_back": len(outcome.put_back), "not_put_back": len(outcome.not_put_back)}


def _settings(server: Server) -> Any:
    from cleanup.config import IdentitySettings, MailboxSettings, PolicySettings

    return MailboxSettings.model_construct(
        address=OWNER,
        host=server.host,
        port=server.port,
        security=server.security,
        username=server.username,
        ca_file=Path(server.ca_file) if server.ca_file else None,
        ledger=server.ledger,
        digest="never",
        identity=IdentitySettings(outbound_hosts=("out1.example.org", "192.0.2.10")),
        policy=PolicySettings(max_moves=server.max_moves, max_share=1.0),
    )


def _account(server: Server, settings: Any) -> Any:
    from cleanup.access import account_of

    return account_of(settings, ask=lambda _: server.password)


if __name__ == "__main__":
    main()
