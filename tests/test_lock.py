from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cleanup.errors import MailboxLocked, UsageError
from cleanup.lock import hold_mailbox

HOLD = textwrap.dedent(
    """
    import sys, time, pathlib
    from cleanup.lock import hold_mailbox
    with hold_mailbox("imap.example.org", "anna", "run", folder=pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
    """
)


def holding(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_run_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = holding(tmp_path)
    try:
        with (
            pytest.raises(MailboxLocked, match=f"process {first.pid} on .*, since 20"),
            hold_mailbox("IMAP.example.org", "anna", "run", folder=tmp_path),
        ):
            pass
    finally:
        first.kill()
        first.wait()


def test_the_lock_of_a_killed_process_is_taken_over_and_told(tmp_path: Path) -> None:
    first = holding(tmp_path)
    first.kill()
    first.wait()

    with hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path) as before:
        assert before is not None
        assert before.pid == first.pid


def test_an_orderly_end_leaves_no_trace(tmp_path: Path) -> None:
    with hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path):
        pass

    with hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path) as before:
        assert before is None


def test_other_mailboxes_are_not_held(tmp_path: Path) -> None:
    with (
        hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path),
        hold_mailbox("imap.example.org", "bob", "run", folder=tmp_path),
        hold_mailbox("imap.example.com", "anna", "run", folder=tmp_path),
    ):
        assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["../../etc/x", "a*b", "", "x" * 5000, "ü\n"])
def test_no_user_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with hold_mailbox("imap.example.org", name, "run", folder=tmp_path / "locks"):
        assert len(list((tmp_path / "locks").iterdir())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_a_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(UsageError, match="CLEANUP_LOCK_DIR"),
        hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path / "file"),
    ):
        pass
