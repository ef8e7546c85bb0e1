"""Closed streams, full disks, poor encodings, files as other programs write them: one clear line, never a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import ANNA, PROGRAM, Ended, cleanup
from tests.servers.lying import lying_server
from tests.servers.running import PASSWORD
from tests.whole_job.anna_lies import fill

FILE = '[mailboxes.anna]\naddress = "anna@example.org"\nhost = "imap.example.org"\n'


def _shell(line: str, **environment: str) -> Ended:
    """Run a line of shell in which $P is the program."""
    done = subprocess.run(
        ["sh", "-c", line],
        capture_output=True,
        env={**os.environ, "P": str(PROGRAM), **environment},
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("command", ["history", "history --format csv", "report --format html", "report --format csv"])
def test_a_full_disk_behind_stdout_is_named(command: str, annas_ledger: Path) -> None:
    done = _shell(f"$P {command} --ledger {annas_ledger} >/dev/full")

    assert done.code == 2
    assert done.err.startswith("mailbox-cleanup: The output cannot be written: No space left on device")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_defect(closed: str, annas_ledger: Path) -> None:
    done = _shell(f"$P history --ledger {annas_ledger} {closed}")

    assert (done.code, done.err) == (0, "")


def test_what_the_terminal_cannot_encode_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "ä ö"
    folder.mkdir()
    (folder / "Ü.mbox").write_bytes((ANNA / "Inbox.mbox").read_bytes())

    done = cleanup("scan", folder / "Ü.mbox", "--format", "csv", PYTHONIOENCODING="ascii")

    assert (done.code, done.err) == (0, "")
    assert "\\xdc.mbox#1" in done.out


@pytest.mark.parametrize("text", ["\ufeff" + FILE, FILE.replace("\n", "\r\n")])
def test_a_configuration_file_that_another_system_wrote_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(text.encode())

    assert cleanup("config", "validate", "--config", tmp_path / "config.toml").code == 0


def test_a_configuration_file_in_another_encoding_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes((FILE + "# über\n").encode("latin-1"))

    done = cleanup("config", "validate", "--config", tmp_path / "config.toml")

    assert done.code == 2
    assert "it is not UTF-8 text" in done.err


def test_a_variable_that_should_hold_a_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(FILE)

    done = cleanup("config", "show", "anna", "--config", tmp_path / "config.toml", CLEANUP_POLICY="storm")

    assert done.code == 2
    assert 'value for field "policy"' in done.err
    assert "[configuration]" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("history",),
        ("history", "show", 1),
        ("report",),
        ("domains",),
        ("undo", "last", "--yes"),
        ("forget", "anna@example.org", "--yes"),
    ],
)
def test_looking_for_a_ledger_makes_none(command: tuple[object, ...], tmp_path: Path) -> None:
    done = cleanup(*command, "--ledger", tmp_path / "mistyped.sqlite")

    assert done.code == 2
    assert "There is no ledger" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["config validate", "scan anna", "login anna"])
def test_a_pipe_as_configuration_file_is_refused_at_once(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml", mode=0o600)

    done = cleanup(*command.split(), "--config", tmp_path / "config.toml", timeout_s=60)

    assert done.code == 2
    assert "it is a folder, a pipe or a device, and no file" in done.out + done.err


def test_a_password_in_other_bytes_than_utf_8_is_named() -> None:
    with lying_server() as server:
        reach = f"--host 127.0.0.1 --port {server.port} --security plain"
        done = _shell(f"CLEANUP_PASSWORD=$(printf 'p\\344ss') $P login anna@example.org {reach}")

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "The password is not UTF-8 text" in done.err


def test_few_open_files_are_named(tmp_path: Path) -> None:
    """Which of its files is one too many depends on the system; with so few one of them is."""
    rules = "--outbound-host 192.0.2.10 --now 2026-10-20 --yes"
    told = ""
    with lying_server() as server:
        fill(server)
        for limit in (9, 10, 11):
            reach = f"--host 127.0.0.1 --port {server.port} --security plain --ledger {tmp_path}/{limit}.sqlite"
            done = _shell(f"ulimit -n {limit}; $P run anna@example.org {rules} {reach}", CLEANUP_PASSWORD=PASSWORD)
            assert "unexpected" not in done.err
            told += done.err

    assert "The system opens no more files for this process: Too many open files" in told
    assert "[too-many-files]" in told
