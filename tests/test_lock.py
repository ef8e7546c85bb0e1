from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cleanup.connector.account import Account
from cleanup.connector.credentials import from_text
from cleanup.errors import MailboxLocked, UsageError
from cleanup.jobs.session import hold, lock_of
from cleanup.lock import hold_mailbox, lock_file, names_of
from tests.servers.lying import lying_server
from tests.whole_job.anna_lies import settings_for

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
            hold_mailbox("IMAP.example.org", "Anna", "run", folder=tmp_path),
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


def test_a_lock_that_is_removed_while_it_is_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = lock_file("imap.example.org", "anna", tmp_path), fcntl.flock
    removed: list[Path] = []

    def removing(handle: int, how: int) -> None:
        if not removed:
            path.unlink()
            removed.append(path)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", removing)
    with hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path):
        monkeypatch.undo()
        with pytest.raises(MailboxLocked), hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path):
            pass


@pytest.mark.parametrize("kind", ["a link", "a folder", "a link to nowhere"])
def test_what_lies_in_the_place_of_a_lock_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, other = lock_file("imap.example.org", "anna", tmp_path), tmp_path / "precious"
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(other)
    if kind == "a link":
        other.write_text("precious")

    with (
        pytest.raises(UsageError, match="cannot be made"),
        hold_mailbox("imap.example.org", "anna", "run", folder=tmp_path),
    ):
        pass
    assert os.path.lexists(path)
    assert not other.exists() or other.read_text() == "precious"


@pytest.mark.parametrize(
    "other",
    [{"host": "localhost"}, {"username": "Anna"}, {"username": "anna*helpdesk"},
     {"username": "helpdesk", "authzid": "anna"}, {"host": "localhost", "username": "anna.berg@example.org"}],
)  # fmt: skip
def test_one_mailbox_under_two_names_is_held_once(tmp_path: Path, other: dict[str, str]) -> None:
    anna = Account("127.0.0.1", "anna", from_text("x"))
    second = Account(**({"host": "127.0.0.1", "username": "anna"} | other), credential=from_text("x"))
    with lying_server() as server:
        settings = settings_for(server, tmp_path)
        with (
            hold(anna, settings, "run"),
            pytest.raises(MailboxLocked, match="mailbox-cleanup run"),
            hold(second, settings, "run"),
        ):
            pass
    assert ("localhost" in other.values()) or lock_of(anna) == lock_of(second)


@pytest.mark.parametrize(
    ("address", "host", "username"),
    [("anna.berg@example.org", "127.0.0.1", "anna"), ("Anna.Berg@example.org", "::1", "other"),
     ("info@example.org", "127.0.0.1", "anna"), ("info@example.org", "localhost", "ANNA"),
     ("info@example.org", "::ffff:127.0.0.1", "anna"), ("i@example.org", "mail.test", "Anna.Berg@example.org"),
     ("info@example.org", "127.0.0.1", "anna*helpdesk")],
)  # fmt: skip
def test_one_mailbox_in_two_profiles_is_held_once(tmp_path: Path, address: str, host: str, username: str) -> None:
    """Two addresses, two names of one server, two spellings: whatever tells that it is one mailbox is held."""
    with lying_server() as server:
        settings = settings_for(server, tmp_path)
        others = settings.model_copy(update={"address": address})
        anna, other = (Account(h, u, from_text("x")) for h, u in (("localhost", "anna"), (host, username)))

        with hold(anna, settings, "run"):
            with pytest.raises(MailboxLocked, match="mailbox-cleanup run"), hold(other, others, "run"):
                pass
            with hold(Account(host, "ben", from_text("x")), settings.model_copy(update={"address": "b@x.test"}), "run"):
                pass
        with hold(other, others, "run"), pytest.raises(MailboxLocked), hold(anna, settings, "run"):
            pass


def test_of_two_runs_that_share_some_names_one_gets_them_all() -> None:
    one = names_of("anna@example.org", "127.0.0.1", "anna")
    other = names_of("info@example.org", "localhost", "anna")
    common = [name for name in one if name in other]

    assert [name for name in other if name in one] == common == [("loopback", "anna")]
    assert len(one) == len(set(one)) == 3
    assert names_of("a.berg@gmail.com", "imap.nowhere.invalid", "x") == names_of(
        "aberg@Gmail.com", "imap.nowhere.invalid", "x"
    )
