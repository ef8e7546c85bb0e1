"""The real command against a Dovecot that keeps a copy of all that is moved where its owner sees it (lazy_expunge)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.dovecot import dovecot
from tests.whole_job.job import BACKSCATTER, anna_on

KEPT = "EXPUNGED"


@pytest.mark.server
def test_a_run_files_all_says_what_the_server_keeps_and_undo_puts_all_back(tmp_path: Path) -> None:
    with dovecot("dovecot-keeping-annas", lazy_expunge=KEPT, autoexpunge_s=1) as server:
        anna = anna_on(server, tmp_path / "ledger.sqlite")
        before = anna.mailbox()

        run = anna.run()
        filed = anna.mailbox()["Backscatter"]
        undo = anna.undo()

        assert run.code == 0, run.err
        assert f"{BACKSCATTER} filed in Backscatter" in run.out + run.err
        assert f"{BACKSCATTER} are in {KEPT}, too" in run.out + run.err
        assert len(filed) == BACKSCATTER
        assert undo.code == 0, undo.err
        after = anna.mailbox()
        assert (after["INBOX"], after.get("Backscatter")) == (before["INBOX"], None)
