"""Each kind of failure, as a person meets it: one line that says what and what to do, its code, its exit code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanup.demo import LAST_DAY, Demo
from cleanup.jobs.run import run_mailbox
from cleanup.lock import hold_mailbox
from tests.cli.command import ANNA, Ended, cleanup
from tests.servers.anna import anna_on_a_server

OWNER = "anna.berg@example.org"
DOCS = Path(__file__).parents[2] / "docs" / "exit-codes.md"


@pytest.fixture(scope="module")
def anna(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with anna_on_a_server(tmp_path_factory.mktemp("anna") / "unused.sqlite") as demo:
        yield demo


def _run(anna: Demo, ledger: Path, *more: object, **environment: str) -> Ended:
    reach = ("--host", "127.0.0.1", "--port", anna.account.port, "--security", "plain", "--username", "anna")
    rules = ("--ledger", ledger, "--outbound-host", "192.0.2.10", "--now", "2026-10-20", "--yes")
    return cleanup("run", OWNER, *reach, *rules, *more, **({"CLEANUP_PASSWORD": "anna"} | environment))


@pytest.mark.parametrize(
    "now", ["0001-01-01", "9999-12-31", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "1970"]
)
def test_a_now_that_nobody_can_count_from_is_refused(now: str) -> None:
    done = cleanup("scan", ANNA / "Inbox.mbox", "--now", now)

    ends_with(done, "usage", "--now")


def ends_with(done: Ended, code: str, says: str) -> None:
    """Hold the last line to what the documentation says of the code."""
    documented = dict(re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE))
    line = done.err.splitlines()[-1]

    assert line.startswith("mailbox-cleanup: ")
    assert line.endswith(f"[{code}]")
    assert says in line
    assert str(done.code) == documented[code]
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("more", "environment", "code", "says"),
    [
        (("--policy", "strom"), {}, "configuration", "should be 'cautious', 'balanced' or 'storm'"),
        (("--outbound-host", "10.0.0.0/33"), {}, "configuration", "neither a host name, nor an address, nor a network"),
        (("--outbound-host", "our server"), {}, "configuration", "neither a host name, nor an address, nor a network"),
        (("--outbound-host", "192.0.2.300"), {}, "configuration", "neither a host name, nor an address, nor a network"),
        (("--port", "1"), {}, "cannot-connect", "Check --host and --port"),
        (("--host", "nowhere.invalid", "--security", "tls"), {}, "cannot-connect", "Check --host"),
        (("--host", "imap.example.org"), {}, "usage", "Use tls or starttls"),
        (("--security", "tls"), {}, "tls", "--security starttls"),
        ((), {"CLEANUP_PASSWORD": "wrong"}, "login-refused", "Check user name and password"),
        (("--password-file", "/no/such/file"), {}, "usage", "/no/such/file"),
        (("--password-command", "false"), {}, "usage", "The password command gave no password"),
        ((), {"CLEANUP_INBOX": "No such folder"}, "folder-not-found", "No such folder"),
        (("--sent-folder", "Snet"), {}, "sent-not-found", "Check --sent-folder"),
        (("--max-moves", "3"), {}, "safety-stop", "--max-moves 72 raises it"),
        (("--target", "INBOX"), {}, "safety-stop", "Nothing was moved"),
        (("--target", "inbox"), {}, "safety-stop", "Nothing was moved"),
        (("--target", "Sent"), {}, "usage", "Name another with --target"),
        (("--ledger", "/proc/ledger.sqlite"), {}, "ledger-unusable", "--ledger"),
    ],
)
def test_a_failure_says_what_and_what_to_do(
    more: tuple[object, ...], environment: dict[str, str], code: str, says: str, anna: Demo, tmp_path: Path
) -> None:
    ends_with(_run(anna, tmp_path / "ledger.sqlite", *more, **environment), code, says)


def test_a_mailbox_that_another_run_holds_is_named_with_the_holder(anna: Demo, tmp_path: Path) -> None:
    with hold_mailbox("127.0.0.1", "anna", "mailbox-cleanup run"):
        done = _run(anna, tmp_path / "ledger.sqlite")

    ends_with(done, "locked", "mailbox-cleanup run")


@pytest.mark.parametrize(
    "words",
    [
        ("report", "anna.breg@example.org"),
        ("history", "--mailbox", "anna.breg@example.org"),
        ("explain", "anna.breg@example.org", 459),
        ("undo", "last", "--mailbox", "anna.breg@example.org"),
        ("labels", "export", "anna.breg@example.org"),
    ],
)
def test_a_mailbox_that_the_ledger_does_not_know_is_named_with_the_nearest(
    words: tuple[object, ...], annas_ledger: Path
) -> None:
    ends_with(cleanup(*words, "--ledger", annas_ledger), "usage", f"Did you mean {OWNER}?")


def test_where_no_mailbox_is_near_those_that_are_known_are_named(annas_ledger: Path) -> None:
    done = cleanup("report", "x@elsewhere.test", "--ledger", annas_ledger)

    ends_with(done, "usage", f"The ledger knows no mailbox x@elsewhere.test. It knows {OWNER}")


def test_a_mailbox_is_known_however_its_letters_are_written(annas_ledger: Path) -> None:
    assert "92 notices" in cleanup("report", OWNER.title(), "--ledger", annas_ledger).out


def test_a_run_that_there_is_none_of_is_no_empty_report(annas_ledger: Path) -> None:
    ends_with(cleanup("report", "--run", 99, "--ledger", annas_ledger), "usage", "There is no run 99")


def test_an_option_that_names_a_password_outranks_what_lies_below(anna: Demo, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    profile = tmp_path / "config.toml"
    profile.write_text(f'[mailboxes.anna]\naddress = "{OWNER}"\npassword_file = "{secret}"\n')

    wrong = _run(anna, tmp_path / "l.sqlite", "--config", profile, "--dry-run")
    right = _run(anna, tmp_path / "l.sqlite", "--config", profile, "--dry-run", "--password-command", "echo anna")

    above = _run(
        anna, tmp_path / "l.sqlite", "--dry-run", "--password-command", "echo anna", CLEANUP_PASSWORD_FILE=str(secret)
    )

    assert (wrong.code, right.code, above.code) == (13, 0, 0)


def test_a_run_that_is_not_answered_is_not_running_for_ever(anna: Demo, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(anna, tmp_path / "ledger.sqlite")

    assert "stopped" in cleanup("history", "--ledger", tmp_path / "ledger.sqlite").out


def _interrupted(anna: Demo, ledger: Path) -> None:
    def agreed(_: object) -> bool:
        raise KeyboardInterrupt

    settings = anna.settings.model_copy(update={"ledger": str(ledger)})
    run_mailbox(anna.account, settings, now=LAST_DAY, agreed=agreed, progress=lambda *_: None)
