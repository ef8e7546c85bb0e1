"""A server that takes one command at a time: the whole job ends as on any other, tonight and on all other nights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.patient import Manner, patient_proxy
from tests.whole_job.job import BACKSCATTER, Job, Template

pytestmark = [pytest.mark.server, pytest.mark.timeout(1200)]


@pytest.fixture
def job(anna_on_dovecot: Template, tmp_path: Path) -> Job:
    return anna_on_dovecot.job(tmp_path / "ledger.sqlite")


@pytest.mark.parametrize("manner", ["bad", "drop", "hang up"])
def test_the_whole_job_is_done_one_by_one(job: Job, manner: Manner, tmp_path: Path) -> None:
    patience = tmp_path / "patience.toml"
    patience.write_text(f"[defaults]\ncommand_timeout_s = {4 if manner == 'drop' else 60}\n")
    with patient_proxy(job.account.real_port, manner) as proxy:
        before = job.mailbox()
        looked = job.scan("--config", patience, port=proxy.port)
        ended = job.run("--config", patience, port=proxy.port)
        filed = job.mailbox()
        idle = job.run("--config", patience, port=proxy.port)
        back = job.undo("--config", patience, port=proxy.port)

    assert proxy.hurried > 0
    assert (looked.code, ended.code, idle.code, back.code) == (0, 0, 0, 0), (looked, ended, idle, back)
    assert len(filed["Backscatter"]) == BACKSCATTER
    assert job.mailbox() == before
