"""A run in a process of its own, for strace to strike: python -m tests.faults.victim STAGE.json"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text
from cleanup.errors import CleanupError
from tests.faults.points import Stage, run_once


def main(file: Path) -> None:
    """Run once on the stage that the file describes."""
    told = json.loads(file.read_text())
    account = Account("127.0.0.1", told["username"], from_text(told["password"]), port=told["port"], security="plain")
    run_once(Stage(account, Path(told["ledger"]), told["target"], [], told["bad"]))


def write(stage: Stage, file: Path) -> None:
    """Write the file for `main`."""
    account = stage.account
    told = {"username": account.username, "password": account.credential.read(), "port": account.port}
    file.write_text(json.dumps(told | {"ledger": str(stage.ledger), "target": stage.target, "bad": stage.bad}))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except CleanupError as error:
        sys.exit(str(error))
