"""A reader that has seen enough (`| head -1`) is no error."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.cli.command import ANNA, PROGRAM, RULES


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_a_reader_that_goes_away_is_no_error(form: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    scan = ("scan", ANNA / "Inbox.mbox", "--sent", ANNA / "Sent.mbox", *RULES, "--format", form)
    done = subprocess.run(
        [str(PROGRAM), *map(str, scan)], stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(writer)

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
