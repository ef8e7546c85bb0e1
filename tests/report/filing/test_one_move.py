"""What one move costs: the commands on both connections, and how often a server is waited for."""

from __future__ import annotations

from pathlib import Path

from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text
from cleanup.connector.mailbox import open_mailbox
from cleanup.ledger import Ledger
from tests.report.filing.acts import TARGET, file_these, plan_of
from tests.report.filing.on_server import a_message
from tests.servers.lying import WATCHED, Box, lying_server
from tests.servers.running import PASSWORD


def test_one_message_is_moved_with_these_commands_and_no_others(tmp_path: Path) -> None:
    with lying_server(capabilities=WATCHED) as server:
        for number in range(5):
            server.folders["INBOX"].add(a_message(number), {"\\Seen"})
        server.folders[TARGET] = Box(uidvalidity=11)
        account = Account("127.0.0.1", "anna", from_text(PASSWORD), port=server.port, security="plain")
        with open_mailbox(account) as mailbox, open_mailbox(account, read_only=True) as onlooker:
            plan = plan_of(mailbox, [2])
            logged, waited = len(mailbox.log), (mailbox.round_trips, onlooker.round_trips)
            began = len(onlooker.log)

            outcome = file_these(Ledger.open(tmp_path / "ledger.sqlite"), mailbox, plan, look_on=lambda: onlooker)

            assert len(outcome.moved) == 1
            assert mailbox.log[logged:] == (
                "LIST", "SELECT", "STATUS", "UID FETCH", "UID SEARCH",  # as it was judged, and what else is there
                "UID MOVE",
                "EXAMINE", "UID SEARCH", "UID FETCH", "EXAMINE", "UID SEARCH", "UID SEARCH",  # where is it now
                "LIST", "EXAMINE", "UID SEARCH",  # what else came in the same moment
            )  # fmt: skip
            assert onlooker.log[began:] == ("LIST", "ENABLE", "EXAMINE", "UID FETCH", "FETCH")
            assert (mailbox.round_trips - waited[0], onlooker.round_trips - waited[1]) == (4, 2)
